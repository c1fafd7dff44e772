//! A chain of two environments: a first hydration, promotions, a hold, a rollback, a rejection, a fix, and what
//! somebody else does to a branch.

use hydromote::local_forge::{CommitFiles, StatusState};
use serde_json::json;

use super::story::Story;
use crate::{
    program::{Served, Site},
    world::{DEVELOPER, REPOSITORY, TestResult, config, everywhere, strategy},
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
    runs(story, "dev", "v1").await?;
    story.promote("staging", "first").await?;
    is_fine(story, "dev", "first").await?;
    runs(story, "staging", "v1").await?;
    is_fine(story, "staging", "first").await?;
    story.command("hold/staging", &json!({"reason": "the database is being moved", "by": "ada"})).await?;
    story.is_held("staging").await
}

/// A commit fails after it was fine: it is revoked, goes back by itself, and is closed where it waits. The hold
/// is taken back.
async fn go_back(story: &mut Story<'_>) -> TestResult {
    story.push("second", everywhere("v2")).await?;
    runs(story, "dev", "v2").await?;
    is_fine(story, "dev", "second").await?;
    story.is_proposed("staging", "second").await?;
    story.report("dev", StatusState::Failure).await?;
    runs(story, "dev", "v1").await?;
    story.nothing_is_open("staging").await?;
    is_fine(story, "dev", "first").await?;
    story.command("unhold/staging", &json!({"by": "ada"})).await?;
    story.is_free("staging").await
}

/// A fix is proposed, rejected and taken back, and overtaken by another commit before anybody promotes it.
async fn mend(story: &mut Story<'_>) -> TestResult {
    story.push("third", everywhere("v3")).await?;
    runs(story, "dev", "v3").await?;
    is_fine(story, "dev", "third").await?;
    story.is_free("dev").await?;
    story.is_proposed("staging", "third").await?;
    let third = story.dry_sha("third")?;
    story.command("reject", &json!({"sha": third, "reason": "it loses orders", "by": "ada"})).await?;
    story.nothing_is_open("staging").await?;
    story.command("unreject", &json!({"sha": third, "by": "ada"})).await?;
    story.is_proposed("staging", "third").await?;
    story.push("fourth", everywhere("v4")).await?;
    runs(story, "dev", "v4").await?;
    is_fine(story, "dev", "fourth").await?;
    story.promote("staging", "fourth").await?;
    runs(story, "staging", "v4").await?;
    is_fine(story, "staging", "fourth").await
}

/// Somebody changes what runs in dev: it is restored. They do it again: it is adopted.
async fn drift(story: &mut Story<'_>) -> TestResult {
    let was = story.site.file("dev", "shop/manifest.yaml").await?;
    change_by_hand(story, "by-hand").await?;
    story.command("restore/dev", &json!({"reason": "nobody asked for it", "by": "ada"})).await?;
    story
        .until("dev is restored", async |site: &Site, served: &Served| {
            let shown = served.place("dev").await?.unwrap_or_default();
            let is_back = site.file("dev", "shop/manifest.yaml").await? == was;
            Ok((is_back && shown["drift"].is_null() && shown["restoredBy"].is_null()).then_some(()))
        })
        .await?;
    change_by_hand(story, "hotfix").await?;
    story.command("adopt/dev", &json!({"reason": "it is a hotfix", "by": "ada"})).await?;
    story
        .until("what is in dev is adopted", async |_: &Site, served: &Served| {
            let shown = served.place("dev").await?.ok_or("not shown yet")?;
            Ok(shown["drift"].is_null().then_some(()))
        })
        .await
}

/// Pushes somebody's change of what runs in dev, and waits until it is shown, here and on the forge.
async fn change_by_hand(story: &mut Story<'_>, version: &str) -> TestResult {
    let files = vec![("shop/manifest.yaml".to_owned(), config(version))];
    let commit = CommitFiles { branch: "env/dev".to_owned(), message: version.to_owned(), files };
    story.site.forge.commit_files(REPOSITORY, DEVELOPER, commit).await?;
    let head = story.site.branch("dev").await?.ok_or("dev is gone")?;
    story
        .until(&format!("`{version}` is shown as drift"), async |site: &Site, served: &Served| {
            let shown = served.place("dev").await?.unwrap_or_default();
            let told = site.forge.statuses(REPOSITORY, &head).await?;
            let is_told = told.iter().any(|status| status.context == "hydromote/drift/dev");
            Ok((shown["driftSha"] == head.as_str() && is_told).then_some(()))
        })
        .await
}

/// Waits until an environment runs a version.
async fn runs(story: &mut Story<'_>, environment: &str, version: &str) -> TestResult {
    story.has(environment, "shop/manifest.yaml", Some(version)).await
}

/// Reports that an environment is healthy, and waits until that is recorded of what it runs.
async fn is_fine(story: &mut Story<'_>, environment: &str, subject: &str) -> TestResult {
    story.report(environment, StatusState::Success).await?;
    story.is_verified(environment, subject).await
}
