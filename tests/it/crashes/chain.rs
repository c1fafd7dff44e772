//! A chain of two environments: a first hydration, promotions, a hold, a rollback, a rejection, a fix, and what
//! somebody else does to a branch.

use hydromote::local_forge::StatusState;
use serde_json::json;

use super::story::Story;
use crate::{
    program::{Served, Site},
    world::{TestResult, everywhere, strategy},
};

/// The environments: what fails in dev goes back by itself; a person promotes to staging.
pub(super) const ENVIRONMENTS: [&str; 2] = ["dev", "staging"];
const STRATEGY: [&str; 2] = ["dev, rollback: {automatic: true}", "staging, autoMerge: false"];

/// How much of it is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Whole,
    /// Up to the hold, which stays.
    Beginning,
    /// The beginning, and then what somebody else does to a branch.
    Drifting,
}

/// Plays it.
pub(super) async fn tell(story: &mut Story<'_>, length: Length) -> TestResult {
    begin(story).await?;
    if length == Length::Whole {
        go_back(story).await?;
        mend(story).await?;
    }
    if length != Length::Beginning {
        drift(story).await?;
    }
    Ok(())
}

/// Two environments are hydrated for the first time; a person promotes before it is time. Then one is held.
async fn begin(story: &mut Story<'_>) -> TestResult {
    let mut first = everywhere("v1");
    first.push(("hydromote.yaml".to_owned(), strategy(&STRATEGY)));
    story.push("first", first).await?;
    story.runs("dev", "v1").await?;
    story.promote("staging", "first").await?;
    story.is_fine("dev", "first").await?;
    story.runs("staging", "v1").await?;
    story.is_fine("staging", "first").await?;
    story.command("hold/staging", &json!({"reason": "the database is being moved", "by": "ada"})).await?;
    story.is_held("staging").await
}

/// A commit fails after it was fine: it is revoked, goes back by itself, and is closed where it waits. The hold
/// is taken back.
async fn go_back(story: &mut Story<'_>) -> TestResult {
    story.push("second", everywhere("v2")).await?;
    story.runs("dev", "v2").await?;
    story.is_fine("dev", "second").await?;
    story.is_proposed("staging", "second").await?;
    story.report("dev", StatusState::Failure).await?;
    story.runs("dev", "v1").await?;
    story.nothing_is_open("staging").await?;
    story.is_fine("dev", "first").await?;
    story.command("unhold/staging", &json!({"by": "ada"})).await?;
    story.is_free("staging").await
}

/// A fix is proposed, rejected and taken back, and overtaken by another commit before anybody promotes it.
async fn mend(story: &mut Story<'_>) -> TestResult {
    story.push("third", everywhere("v3")).await?;
    story.runs("dev", "v3").await?;
    story.is_fine("dev", "third").await?;
    story.is_free("dev").await?;
    story.is_proposed("staging", "third").await?;
    let third = story.dry_sha("third")?;
    story.command("reject", &json!({"sha": third, "reason": "it loses orders", "by": "ada"})).await?;
    story.nothing_is_open("staging").await?;
    story.command("unreject", &json!({"sha": third, "by": "ada"})).await?;
    story.is_proposed("staging", "third").await?;
    story.push("fourth", everywhere("v4")).await?;
    story.runs("dev", "v4").await?;
    story.is_fine("dev", "fourth").await?;
    story.promote("staging", "fourth").await?;
    story.runs("staging", "v4").await?;
    story.is_fine("staging", "fourth").await
}

/// Somebody changes what runs in dev: it is restored. They do it again: it is adopted.
async fn drift(story: &mut Story<'_>) -> TestResult {
    story.changes_by_hand("dev", "by-hand").await?;
    story.restore("dev").await?;
    story.changes_by_hand("dev", "hotfix").await?;
    story.command("adopt/dev", &json!({"reason": "it is a hotfix", "by": "ada"})).await?;
    story
        .until("what is in dev is adopted", async |_: &Site, served: &Served| {
            let shown = served.place("dev").await?.ok_or("not shown yet")?;
            Ok(shown["drift"].is_null().then_some(()))
        })
        .await
}
