//! Which runs of a story there are, and what they come to.
//!
//! They follow from two undisturbed ones: every act that both of them did, each time that it was done, on both sides,
//! with and without the whole data folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::Write as _,
};

use futures::StreamExt;
use hydromote::crash::{Act, Moment};

use super::story::{Kept, Plot, Story, Told};
use crate::{
    ends,
    world::{Fallible, TestResult},
};

/// How many stories are played at once.
const AT_ONCE: usize = 2;

/// How often each act was done, by what it was done on.
pub(super) type Acts = BTreeMap<(Act, String), usize>;

/// A run: where the service is killed, and what it has left then.
#[derive(Debug, Clone)]
pub(super) struct Run {
    point: String,
    kept: Kept,
}

impl Run {
    /// Returns the runs of a point.
    pub(super) fn both(point: &str) -> [Self; 2] {
        [Kept::Everything, Kept::Nothing].map(|kept| Self { point: point.to_owned(), kept })
    }

    /// Returns what it is called: `lanes/after:push:1:env/dev keeping Nothing`.
    fn name(&self, plot: Plot) -> String {
        format!("{}/{} keeping {:?}", plot.name(), self.point, self.kept)
    }

    /// Says whether its name has every word of `HYDROMOTE_CRASH_ONLY`.
    fn is_chosen(&self, plot: Plot) -> bool {
        let (name, only) = (self.name(plot), std::env::var_os("HYDROMOTE_CRASH_ONLY").unwrap_or_default());
        only.to_string_lossy().split_whitespace().all(|word| name.contains(word))
    }
}

/// What a run came to.
pub(super) struct Outcome {
    plot: Plot,
    run: Run,
    /// What differs from the undisturbed run, or went wrong on the way.
    trouble: Option<String>,
}

/// What all runs came to.
#[derive(Default)]
pub(super) struct Sum {
    outcomes: Vec<Outcome>,
}

impl Sum {
    /// Counts runs.
    pub(super) fn add(&mut self, outcomes: Vec<Outcome>) {
        self.outcomes.extend(outcomes);
    }

    /// Fails unless every run came to the same end.
    pub(super) fn check(&self) -> TestResult {
        let troubled = self.outcomes.iter().filter_map(|Outcome { plot, run, trouble }| {
            Some(format!("{}:\n{}\n\n", run.name(*plot), trouble.as_ref()?))
        });
        let report: String = troubled.collect();
        if report.is_empty() { Ok(()) } else { Err(format!("{report}{self}").into()) }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |point: &str| point.splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
        let points: BTreeSet<String> = self.outcomes.iter().map(|outcome| name(&outcome.run.point)).collect();
        let equal = self.outcomes.iter().filter(|outcome| outcome.trouble.is_none()).count();
        writeln!(f, "{} fail points, {} runs, {equal} equal", points.len(), self.outcomes.len())
    }
}

/// Plays a story twice without killing anything; returns its end, and what was done both times.
pub(super) async fn undisturbed(plot: Plot) -> Fallible<(Vec<String>, Acts)> {
    let (one, two) = futures::join!(
        Story::play("trace", Kept::Everything, plot, None),
        Story::play("trace", Kept::Everything, plot, None)
    );
    let (one, two): (Told, Told) = (one?, two?);
    if let Some(difference) = ends::difference(&one.end, &two.end) {
        return Err(format!("two undisturbed runs come to different ends:\n{difference}").into());
    }
    let both = |(key, count): (&(Act, String), &usize)| Some((key.clone(), *two.acts.get(key)?.min(count)));
    Ok((one.end, one.acts.iter().filter_map(both).collect()))
}

/// Returns every run of a story.
pub(super) fn all(plot: Plot, acts: &Acts) -> Vec<Run> {
    let points = acts.iter().flat_map(|((act, on), count)| {
        let on = if on.is_empty() { String::new() } else { format!(":{on}") };
        let sides = move |nth: usize| Moment::ALL.map(|moment| format!("{}:{}:{nth}{on}", moment.name(), act.name()));
        times(plot, *act, *count).into_iter().flat_map(sides)
    });
    points.flat_map(|point| Run::both(&point)).filter(|run| run.is_chosen(plot)).collect()
}

/// Returns which times of so many are disturbed: from the first to the last, and merges each time.
fn times(plot: Plot, act: Act, count: usize) -> BTreeSet<usize> {
    let steps = if act == Act::MergePullRequest { count } else { count.min(plot.times()) };
    (0..steps).map(|step| 1 + step * (count - 1) / (steps - 1).max(1)).collect()
}

/// Plays runs.
pub(super) async fn play(plot: Plot, expected: &[String], runs: Vec<Run>) -> Vec<Outcome> {
    futures::stream::iter(runs).map(|run| disturbed(plot, expected, run)).buffer_unordered(AT_ONCE).collect().await
}

async fn disturbed(plot: Plot, expected: &[String], run: Run) -> Outcome {
    let begun = tokio::time::Instant::now();
    let trouble = match Story::play(&run.point, run.kept, plot, Some(expected)).await {
        Err(error) => Some(error.to_string()),
        Ok(told) if told.deaths == 0 => Some("the point was never reached".to_owned()),
        Ok(told) => ends::difference(expected, &told.end),
    };
    let word = trouble.as_ref().map_or_else(|| "equal".to_owned(), |trouble| format!("NOT EQUAL: {trouble}"));
    // Not by a macro, whose output is shown at the end only: somebody waits for minutes.
    let line = format!("{}, after {} s: {word}\n", run.name(plot), begun.elapsed().as_secs());
    drop(std::io::stderr().write_all(line.as_bytes()));
    Outcome { plot, run, trouble }
}
