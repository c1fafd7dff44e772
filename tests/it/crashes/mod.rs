//! The service is killed before and after each of its outside acts, starts again with and without its
//! database, and comes to the same end as one that nobody disturbed.
//!
//! - Every run plays the story of [`story`] with the real program, which kills itself with SIGKILL at
//!   one [fail point](hydromote::crash), and is started again without one.
//! - Which runs there are follows from two undisturbed ones: every act that both of them did, each
//!   time that it was done, on both sides, with and without the whole data folder.
//! - [`end`] says what is compared, and what is not.

mod end;
mod story;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::Write as _,
    path::Path,
};

use futures::StreamExt;
use hydromote::crash::{Act, Moment};

use self::story::{Kept, Length, Story, Told};
use crate::{
    program,
    world::{Fallible, TestResult},
};

/// How many stories are played at once.
const AT_ONCE: usize = 2;

/// How many times of an act on one thing are disturbed, from its first to its last. Merges and what is done once
/// or twice are disturbed each time.
const TIMES: usize = 3;

/// How often each act was done, by what it was done on.
type Acts = BTreeMap<(Act, String), usize>;

/// A run: where the service is killed, and what it has left then.
#[derive(Debug, Clone)]
struct Run {
    point: String,
    kept: Kept,
}

/// What a run came to.
struct Outcome {
    run: Run,
    /// What differs from the undisturbed run, or went wrong on the way.
    trouble: Option<String>,
}

#[tokio::test]
#[ignore = "it takes minutes: `make crash`"]
async fn every_fail_point() -> TestResult {
    let (expected, acts) = undisturbed().await?;
    let points = points(&acts);
    let runs: Vec<Run> = points.iter().flat_map(|point| both(point)).collect();
    let (sum, report) = play(&expected, runs, Length::Whole).await?;
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("crash-runs.txt"), &sum)?;
    if report.is_empty() { Ok(()) } else { Err(format!("{report}{sum}").into()) }
}

/// The three acts that would hurt most, in `make test`.
#[tokio::test]
async fn a_kill_around_a_merge_a_proposal_and_a_hold_changes_nothing() -> TestResult {
    let told = Story::play("trace", Kept::Everything, Length::Beginning, None).await?;
    let points =
        ["after:merge_pull_request:1", "before:push:1:env/dev-next", "after:post_status:1:hydromote/hold/staging"];
    let runs = points.iter().flat_map(|point| both(point)).collect();
    let (sum, report) = play(&told.end, runs, Length::Beginning).await?;
    if report.is_empty() { Ok(()) } else { Err(format!("{report}{sum}").into()) }
}

/// What a person said of drift is on the forge before it is done.
#[tokio::test]
async fn a_kill_while_drift_is_restored_or_adopted_changes_nothing() -> TestResult {
    let told = Story::play("trace", Kept::Everything, Length::Drifting, None).await?;
    let points = [
        "after:post_status:2:hydromote/drift/dev",
        "after:push:1:env/dev-next-restore",
        "before:merge_pull_request:3",
        "after:merge_pull_request:3",
        "after:post_status:5:hydromote/drift/dev",
    ];
    let runs = points.iter().flat_map(|point| both(point)).collect();
    let (sum, report) = play(&told.end, runs, Length::Drifting).await?;
    if report.is_empty() { Ok(()) } else { Err(format!("{report}{sum}").into()) }
}

/// Each point that the program lists is passed in the story, and nothing is written without passing one.
#[tokio::test]
async fn every_write_to_the_forge_is_a_fail_point() -> TestResult {
    let told = Story::play("trace", Kept::Everything, Length::Whole, None).await?;
    let sent =
        told.writes.iter().try_fold(BTreeMap::new(), |mut sent: BTreeMap<Act, usize>, (method, path, body)| {
            let act = act_of(method, path, body).ok_or_else(|| format!("no fail point covers {method} {path}"))?;
            *sent.entry(act).or_default() += 1;
            Ok::<_, String>(sent)
        })?;
    let mut announced: BTreeMap<Act, usize> = BTreeMap::new();
    for ((act, _), count) in told.acts.iter().filter(|((act, _), _)| *act != Act::Push) {
        *announced.entry(*act).or_default() += count;
    }
    assert_eq!(sent, announced);
    let dir = tempfile::tempdir()?;
    let listed = program::run(dir.path(), &["crash-points"]).await?;
    for point in listed.lines() {
        let (_, act) = point.split_once(':').ok_or("a fail point is a place and an act")?;
        assert!(told.acts.keys().any(|(done, _)| done.name() == act), "the story does not reach {point}");
    }
    assert_eq!(listed.lines().count(), Act::ALL.len() * Moment::ALL.len());
    Ok(())
}

/// Pushes are seen by no observer of the forge; the program `git` pushes in one place of the source.
#[test]
fn there_is_one_place_that_pushes() -> TestResult {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut places = Vec::new();
    let mut folders = vec![source.join("git"), source.join("reconcile")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path)?.contains("\"push\"") {
                places.push(path.strip_prefix(&source)?.display().to_string());
            }
        }
    }
    assert_eq!(places, ["git/mirror.rs"]);
    Ok(())
}

/// Says which act a call to the forge is.
fn act_of(method: &str, path: &str, body: &serde_json::Value) -> Option<Act> {
    let last = path.rsplit('/').next().unwrap_or_default();
    match method {
        "POST" if last == "pulls" => Some(Act::OpenPullRequest),
        "POST" if path.contains("/statuses/") => Some(Act::PostStatus),
        "POST" if last == "comments" => Some(Act::PostComment),
        "POST" if last == "reactions" => Some(Act::React),
        "PUT" if last == "merge" => Some(Act::MergePullRequest),
        "PATCH" if path.contains("/issues/comments/") => Some(Act::EditComment),
        "PATCH" if path.contains("/pulls/") && body["state"] == "closed" => Some(Act::ClosePullRequest),
        "PATCH" if path.contains("/pulls/") => Some(Act::EditPullRequest),
        _ => None,
    }
}

/// Plays the story twice without killing anything; returns its end, and what was done both times.
async fn undisturbed() -> Fallible<(Vec<String>, Acts)> {
    let (one, two) = futures::join!(
        Story::play("trace", Kept::Everything, Length::Whole, None),
        Story::play("trace", Kept::Everything, Length::Whole, None)
    );
    let (one, two): (Told, Told) = (one?, two?);
    assert_eq!(one.end, two.end, "two undisturbed runs come to different ends");
    let both = |(key, count): (&(Act, String), &usize)| Some((key.clone(), *two.acts.get(key)?.min(count)));
    Ok((one.end, one.acts.iter().filter_map(both).collect()))
}

/// Returns every place at which the service can be killed.
fn points(acts: &Acts) -> Vec<String> {
    let sides = |act: Act, on: &str, nth: usize| {
        let on = if on.is_empty() { String::new() } else { format!(":{on}") };
        Moment::ALL.map(|moment| format!("{}:{}:{nth}{on}", moment.name(), act.name()))
    };
    acts.iter()
        .flat_map(|((act, on), count)| times(*act, *count).into_iter().flat_map(|nth| sides(*act, on, nth)))
        .filter(|point| is_chosen(point))
        .collect()
}

/// Returns which times of so many are disturbed.
fn times(act: Act, count: usize) -> BTreeSet<usize> {
    let steps = if act == Act::MergePullRequest { count } else { count.min(TIMES) };
    (0..steps).map(|step| 1 + step * (count - 1) / (steps - 1).max(1)).collect()
}

/// `HYDROMOTE_CRASH_ONLY` picks the points whose name holds it.
fn is_chosen(point: &str) -> bool {
    std::env::var_os("HYDROMOTE_CRASH_ONLY").is_none_or(|only| point.contains(&*only.to_string_lossy()))
}

/// Returns the runs of a point.
fn both(point: &str) -> [Run; 2] {
    [Kept::Everything, Kept::Nothing].map(|kept| Run { point: point.to_owned(), kept })
}

/// Plays runs; returns their sum, and what is wrong with each that ends otherwise than `expected`.
async fn play(expected: &[String], runs: Vec<Run>, length: Length) -> Fallible<(String, String)> {
    let outcomes: Vec<Outcome> = futures::stream::iter(runs)
        .map(|run| disturbed(expected, run, length))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut report = String::new();
    for Outcome { run, trouble } in &outcomes {
        if let Some(trouble) = trouble {
            writeln!(report, "{} with {:?}:\n{trouble}\n", run.point, run.kept)?;
        }
    }
    let name = |point: &str| point.splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
    let points: BTreeSet<String> = outcomes.iter().map(|outcome| name(&outcome.run.point)).collect();
    let equal = outcomes.iter().filter(|outcome| outcome.trouble.is_none()).count();
    let sum = format!("{} fail points, {} runs, {equal} equal\n", points.len(), outcomes.len());
    Ok((sum, report))
}

async fn disturbed(expected: &[String], run: Run, length: Length) -> Outcome {
    let begun = tokio::time::Instant::now();
    let trouble = match Story::play(&run.point, run.kept, length, Some(expected)).await {
        Err(error) => Some(error.to_string()),
        Ok(told) if told.deaths == 0 => Some("the point was never reached".to_owned()),
        Ok(told) => end::difference(expected, &told.end),
    };
    let word = if trouble.is_none() { "equal" } else { "NOT EQUAL" };
    // Not by a macro, whose output is shown at the end only: somebody waits for minutes.
    let line = format!("{} keeping {:?}: {word}, {} s\n", run.point, run.kept, begun.elapsed().as_secs());
    drop(std::io::stderr().write_all(line.as_bytes()));
    Outcome { run, trouble }
}
