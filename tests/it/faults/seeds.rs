//! Runs of many seeds, and what they come to.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _, path::Path, sync::Arc};

use futures::StreamExt;

use super::{mishaps::Mishaps, story};
use crate::{
    ends,
    world::{Fallible, TestResult},
};

/// How many runs are played at once: each of them waits most of the time.
const AT_ONCE: usize = 6;
/// The runs in `make test`.
const FEW: (u64, u64) = (1, 10);

/// What a run came to.
struct Outcome {
    seed: u64,
    /// What went wrong by itself.
    mishaps: Vec<String>,
    /// What differs from the run without mishaps, or went wrong on the way.
    trouble: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes: `make faults`"]
async fn chosen() -> TestResult {
    let number = |name: &str, otherwise: u64| -> Fallible<u64> {
        let Some(text) = std::env::var_os(name) else { return Ok(otherwise) };
        let text = text.to_string_lossy();
        Ok(text.parse().map_err(|_| format!("{name} is no number: {text}"))?)
    };
    let (first, count) = (number("HYDROMOTE_FAULTS_FIRST_SEED", 1)?, number("HYDROMOTE_FAULTS_SEEDS", 500)?);
    let sum = play(first, count).await?;
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.txt"), &sum.text)?;
    sum.check()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_seeds_come_to_the_same_end() -> TestResult {
    play(FEW.0, FEW.1).await?.check()
}

/// What all runs came to.
struct Sum {
    text: String,
    are_equal: bool,
}

impl Sum {
    fn check(self) -> TestResult {
        if self.are_equal { Ok(()) } else { Err(self.text.into()) }
    }
}

/// Plays so many seeds, and compares their ends with that of a run without mishaps.
async fn play(first: u64, count: u64) -> Fallible<Sum> {
    if first == 0 {
        return Err("seed 0 is the run without mishaps: the first one is 1".into());
    }
    let begun = tokio::time::Instant::now();
    let expected = story::play(&Arc::new(Mishaps::of(0))).await?;
    say(&format!("without mishaps, {:.1} s\n", begun.elapsed().as_secs_f32()));
    let seeds = futures::stream::iter(first..first.saturating_add(count));
    let outcomes: Vec<Outcome> = seeds.map(|seed| disturbed(seed, &expected)).buffer_unordered(AT_ONCE).collect().await;
    let equal = outcomes.iter().filter(|outcome| outcome.trouble.is_none()).count();
    let mut report = String::new();
    let mut happened = BTreeMap::<String, usize>::new();
    for Outcome { seed, mishaps, trouble } in &outcomes {
        for mishap in mishaps {
            let kind = mishap.rsplit(": ").next().unwrap_or_default().split(' ').next().unwrap_or_default();
            *happened.entry(kind.to_owned()).or_default() += 1;
        }
        if let Some(trouble) = trouble {
            let mishaps = mishaps.join("\n  ");
            writeln!(report, "seed {seed} (make faults FIRST_SEED={seed} SEEDS=1), after\n  {mishaps}\n{trouble}\n")?;
        }
    }
    let kinds: Vec<String> = happened.iter().map(|(kind, times)| format!("{times} {kind}")).collect();
    // An error is shown in one line.
    say(&report);
    let text = format!("what went wrong: {}\n{equal} of {count} seeds equal\n", kinds.join(", "));
    Ok(Sum { text, are_equal: report.is_empty() })
}

async fn disturbed(seed: u64, expected: &[String]) -> Outcome {
    let begun = tokio::time::Instant::now();
    let mishaps = Arc::new(Mishaps::of(seed));
    let trouble = match story::play(&mishaps).await {
        Ok(end) => ends::difference(expected, &end),
        Err(error) => Some(error.to_string()),
    };
    let mishaps = mishaps.told();
    let word = if trouble.is_none() { "equal" } else { "NOT EQUAL" };
    let took = begun.elapsed().as_secs_f32();
    say(&format!("seed {seed}: {word} after {} mishaps, {took:.1} s\n", mishaps.len()));
    Outcome { seed, mishaps, trouble }
}

/// Says something at once: not by a macro, whose output is shown at the end only, and somebody waits for minutes.
fn say(text: &str) {
    drop(std::io::stderr().write_all(text.as_bytes()));
}
