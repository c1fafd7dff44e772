//! The service is killed before and after each of its outside acts, starts again with and without its
//! database, and comes to the same end as one that nobody disturbed.
//!
//! - Every run plays a story with the real program, [`chain`], [`lanes`] or [`elsewhere`], which kills itself with SIGKILL at
//!   one [fail point](hydromote::crash), and is started again without one; [`story`] says how it is told.
//! - [`runs`] says which runs there are, [`ends`](crate::ends) what is compared, and what is not.

mod acting;
mod chain;
mod elsewhere;
mod lanes;
mod runs;
mod story;

use std::{collections::BTreeMap, path::Path};

use hydromote::crash::{Act, Moment};

use self::{
    runs::{Acts, Run, Sum},
    story::{Kept, Plot, Story},
};
use crate::{
    program,
    world::{Fallible, TestResult},
};

/// The stories, whole.
const STORIES: [Plot; 3] =
    [Plot::Chain(chain::Length::Whole), Plot::Lanes(lanes::Length::Whole), Plot::Elsewhere(elsewhere::Length::Whole)];

#[tokio::test]
#[ignore = "it takes minutes: `make crash`"]
async fn every_fail_point() -> TestResult {
    let mut sum = Sum::default();
    for plot in STORIES {
        let (expected, acts) = runs::undisturbed(plot).await?;
        sum.add(runs::play(plot, &expected, runs::all(plot, &acts)).await);
    }
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("crash-runs.txt"), sum.to_string())?;
    sum.check()
}

/// Plays the runs of these points.
async fn play(plot: Plot, points: &[&str]) -> TestResult {
    let told = Story::play("trace", Kept::Everything, plot, None).await?;
    let runs = points.iter().flat_map(|point| Run::both(point)).collect();
    let mut sum = Sum::default();
    sum.add(runs::play(plot, &told.end, runs).await);
    sum.check()
}

/// The acts that would hurt most, in `make test`.
#[tokio::test]
async fn a_kill_around_a_merge_a_proposal_and_a_hold_changes_nothing() -> TestResult {
    let points = [
        "after:merge_pull_request:1",
        "before:push:1:env/dev-next,env/staging-next",
        "after:push:1:env/dev-next,env/staging-next",
        "after:post_status:1:hydromote/hold/staging",
    ];
    play(Plot::Chain(chain::Length::Beginning), &points).await
}

/// What a person said of drift is on the forge before it is done.
#[tokio::test]
async fn a_kill_while_drift_is_restored_or_adopted_changes_nothing() -> TestResult {
    let points = [
        "after:post_status:2:hydromote/drift/dev",
        "after:push:1:env/dev-next-restore",
        "before:merge_pull_request:3",
        "after:merge_pull_request:3",
        "after:post_status:5:hydromote/drift/dev",
    ];
    play(Plot::Chain(chain::Length::Drifting), &points).await
}

/// What several lanes share is merged whole, and what was approved is what is merged.
#[tokio::test]
async fn a_kill_around_what_lanes_share_and_what_was_approved_changes_nothing() -> TestResult {
    // The third merge is that of staging for both lanes, the fourth one that was approved.
    let points = ["before:push:1:env/staging-next", "after:merge_pull_request:3", "after:merge_pull_request:4"];
    play(Plot::Lanes(lanes::Length::Beginning), &points).await
}

/// What is pushed, and what a person opens, is on the forge in another repository.
#[tokio::test]
async fn a_kill_around_a_push_to_what_runs_elsewhere_changes_nothing() -> TestResult {
    let points = ["before:push:1:env/dev", "after:push:1:env/dev", "before:merge_pull_request:1"];
    play(Plot::Elsewhere(elsewhere::Length::Beginning), &points).await
}

/// Each point that the program lists is passed in the stories, and nothing is written without passing one.
#[tokio::test]
async fn every_write_to_the_forge_is_a_fail_point() -> TestResult {
    let mut reached = Acts::new();
    for plot in STORIES {
        reached.extend(announced(plot).await?);
    }
    let dir = tempfile::tempdir()?;
    let listed = program::run(dir.path(), &["crash-points"]).await?;
    for point in listed.lines() {
        let (_, act) = point.split_once(':').ok_or("a fail point is a place and an act")?;
        assert!(reached.keys().any(|(done, _)| done.name() == act), "no story reaches {point}");
    }
    assert_eq!(listed.lines().count(), Act::ALL.len() * Moment::ALL.len());
    Ok(())
}

/// Returns the acts of a story; each write to the forge must be one.
async fn announced(plot: Plot) -> Fallible<Acts> {
    let told = Story::play("trace", Kept::Everything, plot, None).await?;
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
    Ok(told.acts)
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
