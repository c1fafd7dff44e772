//! Environments in another repository, each reached in a way of its own: dev is pushed to, for staging a person opens the
//! pull request, and for prod the service does, which a person then promotes.

use hydromote::local_forge::StatusState;
use serde_json::json;

use super::story::Story;
use crate::world::{TestResult, everywhere, home::ENVIRONMENTS as HOME, strategy};

/// The environments.
pub(super) const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];
/// How each is reached; what fails in dev goes back by itself.
const STRATEGY: [&str; 3] =
    ["dev, mergeMode: direct, rollback: {automatic: true}", "staging, mergeMode: link", "prod, autoMerge: false"];

/// How much of it is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Whole,
    /// Until the first commit runs everywhere.
    Beginning,
}

/// Plays it.
pub(super) async fn tell(story: &mut Story<'_>, length: Length) -> TestResult {
    let mut first = everywhere("v1");
    let spec = format!("\nspec:\n  destination: {{repository: {HOME}}}\n");
    first.push(("hydromote.yaml".to_owned(), strategy(&STRATEGY).replace("\nspec:\n", &spec)));
    story.push("first", first).await?;
    go_everywhere(story, "first", "v1").await?;
    if length == Length::Whole {
        go_back(story).await?;
        drift(story).await?;
    }
    Ok(())
}

/// A commit goes from one environment to the next.
async fn go_everywhere(story: &mut Story<'_>, subject: &str, version: &str) -> TestResult {
    for environment in ENVIRONMENTS {
        match environment {
            "staging" => story.open(environment, subject).await?,
            "prod" => story.promote(environment, subject).await?,
            _ => {}
        }
        story.runs(environment, version).await?;
        story.is_fine(environment, subject).await?;
    }
    Ok(())
}

/// A commit fails in dev, which goes back by a push; the fix goes everywhere, and prod goes back on somebody's word.
async fn go_back(story: &mut Story<'_>) -> TestResult {
    story.push("second", everywhere("v2")).await?;
    story.runs("dev", "v2").await?;
    story.report("dev", StatusState::Failure).await?;
    story.runs("dev", "v1").await?;
    story.is_fine("dev", "first").await?;
    story.push("third", everywhere("v3")).await?;
    go_everywhere(story, "third", "v3").await?;
    story.command("rollback/prod", &json!({"reason": "orders are lost", "by": "ada"})).await?;
    story.runs("prod", "v1").await?;
    story.is_fine("prod", "first").await?;
    story.command("unhold/prod", &json!({"by": "ada"})).await?;
    story.promote("prod", "third").await?;
    story.runs("prod", "v3").await?;
    story.is_fine("prod", "third").await
}

/// Somebody changes what runs in dev: it is restored by a push.
async fn drift(story: &mut Story<'_>) -> TestResult {
    story.changes_by_hand("dev", "by-hand").await?;
    story.restore("dev").await
}
