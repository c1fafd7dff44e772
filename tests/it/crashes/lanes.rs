//! Lanes: two teams that travel side by side, share a pull request into staging, and need an approval for prod.
//!
//! - dev takes each lane by itself; a person promotes what all lanes bring to staging; prod takes each lane when
//!   somebody has approved exactly what is merged.
//! - A lane is held, rolled back, fixed and rejected while the other goes on; a root moves to the other lane; in the end
//!   one lane is gone.

use hydromote::local_forge::StatusState;
use serde_json::json;

use super::story::Story;
use crate::world::{Files, TestResult, config};

/// The environments.
pub(super) const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];
/// The strategy: a lane for each team.
const STRATEGY: &str = "apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata:
  name: shop
spec:
  lanes: {by: team}
  sources:
    - path: teams/{team}/{service}/{environment}
      output: \"{service}\"
  activeCommitStatuses:
    - key: health
  environments:
    - {name: dev, branch: env/dev}
    - {name: staging, branch: env/staging, lanes: all, autoMerge: false}
    - {name: prod, branch: env/prod, approvals: {count: 1}}
";
/// The services that each team begins with.
const TEAMS: [(&str, &[&str]); 2] = [("money", &["pay"]), ("shop", &["cart", "jobs"])];
/// Both lanes.
const BOTH: [&str; 2] = ["money", "shop"];

/// How much of it is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Whole,
    /// Until both lanes run everywhere.
    Beginning,
}

/// Plays it.
pub(super) async fn tell(story: &mut Story<'_>, length: Length) -> TestResult {
    begin(story).await?;
    if length == Length::Whole {
        hold_one_lane(story).await?;
        go_back_in_one_lane(story).await?;
        approve_again(story).await?;
        move_a_root(story).await?;
        drop_a_lane(story).await?;
    }
    Ok(())
}

/// Both lanes are hydrated for the first time, and run everywhere in the end.
async fn begin(story: &mut Story<'_>) -> TestResult {
    let mut first = Files::new();
    for (team, services) in TEAMS {
        first.extend(services.iter().flat_map(|service| of_team(team, service, "v1")));
    }
    first.push(("hydromote.yaml".to_owned(), STRATEGY.to_owned()));
    story.push("first", first).await?;
    run_in(story, "dev", &BOTH, "first").await?;
    story.promote("staging", "money first, shop first").await?;
    run_in(story, "staging", &BOTH, "first").await?;
    story.approve("prod/money", "first").await?;
    run_in(story, "prod", &["money"], "first").await?;
    story.approve("prod/shop", "first").await?;
    run_in(story, "prod", &["shop"], "first").await
}

/// A commit for both lanes: one goes to staging while the other is held there. In prod it is held after it was
/// approved; the other is merged meanwhile, and nobody is asked again.
async fn hold_one_lane(story: &mut Story<'_>) -> TestResult {
    hold(story, "staging", "money").await?;
    story.push("second", both("v2")).await?;
    run_in(story, "dev", &BOTH, "second").await?;
    story.promote("staging", "shop second").await?;
    run_in(story, "staging", &["shop"], "second").await?;
    hold(story, "prod", "shop").await?;
    story.approve("prod/shop", "second").await?;
    unhold(story, "staging", "money").await?;
    story.promote("staging", "money second").await?;
    run_in(story, "staging", &["money"], "second").await?;
    story.approve("prod/money", "second").await?;
    run_in(story, "prod", &["money"], "second").await?;
    // The branch has moved on; what was approved is what is merged.
    unhold(story, "prod", "shop").await?;
    run_in(story, "prod", &["shop"], "second").await
}

/// One lane is rolled back in staging: its proposal for prod is closed, the other lane's is merged. A fix follows.
async fn go_back_in_one_lane(story: &mut Story<'_>) -> TestResult {
    story.push("third", both("v3")).await?;
    run_in(story, "dev", &BOTH, "third").await?;
    story.promote("staging", "money third, shop third").await?;
    run_in(story, "staging", &BOTH, "third").await?;
    story.is_proposed("prod/money", "third").await?;
    story.is_proposed("prod/shop", "third").await?;
    let order = json!({"lane": "shop", "reason": "orders are lost", "by": "ada"});
    story.command("rollback/staging", &order).await?;
    story.nothing_is_open("prod/shop").await?;
    story.approve("prod/money", "third").await?;
    run_in(story, "prod", &["money"], "third").await?;
    hold(story, "prod", "shop").await?;
    come_to_staging(story, "fix", "v3.1").await?;
    story.is_free("staging/shop").await
}

/// The fix is approved for prod while the lane is held there, and then rejected. Another commit comes into its pull
/// request, and needs an approval of its own.
async fn approve_again(story: &mut Story<'_>) -> TestResult {
    story.approve("prod/shop", "fix").await?;
    story.waits_for("prod/shop", "hold", "fix").await?;
    come_to_staging(story, "better", "v4").await?;
    let fix = story.dry_sha("fix")?;
    story.command("reject", &json!({"sha": fix, "reason": "it is slow", "by": "ada"})).await?;
    story.is_proposed("prod/shop", "better").await?;
    unhold(story, "prod", "shop").await?;
    story.waits_for("prod/shop", "approvals", "better").await?;
    story.approve("prod/shop", "better").await?;
    run_in(story, "prod", &["shop"], "better").await
}

/// A commit for one lane is verified in dev and in staging.
async fn come_to_staging(story: &mut Story<'_>, subject: &str, version: &str) -> TestResult {
    story.push(subject, of_team("shop", "cart", version)).await?;
    run_in(story, "dev", &["shop"], subject).await?;
    story.promote("staging", &format!("shop {subject}")).await?;
    run_in(story, "staging", &["shop"], subject).await
}

/// A root moves to the other lane, in every environment, and takes its past along: nothing of it has to be verified anew.
async fn move_a_root(story: &mut Story<'_>) -> TestResult {
    let left = of_team("shop", "jobs", "").into_iter().map(|(path, _)| (path, None));
    let taken = of_team("money", "jobs", "v1").into_iter().map(|(path, text)| (path, Some(text)));
    story.push("jobs is of money", left.chain(taken).collect()).await?;
    story.has_taken("dev/money", "jobs is of money").await?;
    story.promote("staging", "money jobs is of money").await?;
    story.has_taken("staging/money", "jobs is of money").await?;
    story.approve("prod/money", "jobs is of money").await?;
    story.has_taken("prod/money", "jobs is of money").await
}

/// All that a lane has is deleted: it goes through every environment, and then there is one lane.
async fn drop_a_lane(story: &mut Story<'_>) -> TestResult {
    let all = ["pay", "jobs"].into_iter().flat_map(|service| of_team("money", service, ""));
    story.push("without money", all.map(|(path, _)| (path, None::<String>)).collect()).await?;
    story.has("dev", "pay/manifest.yaml", None).await?;
    story.report("dev", StatusState::Success).await?;
    story.promote("staging", "money without money").await?;
    story.has("staging", "pay/manifest.yaml", None).await?;
    story.report("staging", StatusState::Success).await?;
    story.approve("prod/money", "without money").await?;
    for service in ["pay", "jobs"] {
        story.has("prod", &format!("{service}/manifest.yaml"), None).await?;
    }
    story.report("prod", StatusState::Success).await
}

/// Waits until these lanes of an environment run a commit, reports that it is healthy, and waits until that is recorded.
async fn run_in(story: &mut Story<'_>, environment: &str, lanes: &[&str], subject: &str) -> TestResult {
    for lane in lanes {
        story.place_runs(&format!("{environment}/{lane}"), subject).await?;
    }
    is_fine(story, environment, lanes, subject).await
}

/// Reports that an environment is healthy, and waits until that is recorded of these lanes.
async fn is_fine(story: &mut Story<'_>, environment: &str, lanes: &[&str], subject: &str) -> TestResult {
    story.report(environment, StatusState::Success).await?;
    for lane in lanes {
        story.is_verified(&format!("{environment}/{lane}"), subject).await?;
    }
    Ok(())
}

async fn hold(story: &mut Story<'_>, environment: &str, lane: &str) -> TestResult {
    let order = json!({"lane": lane, "reason": "month end", "by": "ada"});
    story.command(&format!("hold/{environment}"), &order).await?;
    story.is_held(&format!("{environment}/{lane}")).await
}

async fn unhold(story: &mut Story<'_>, environment: &str, lane: &str) -> TestResult {
    story.command(&format!("unhold/{environment}"), &json!({"lane": lane, "by": "ada"})).await?;
    story.is_free(&format!("{environment}/{lane}")).await
}

/// Changes a service of each lane.
fn both(version: &str) -> Files {
    [of_team("money", "pay", version), of_team("shop", "cart", version)].concat()
}

/// The files of a service in all environments.
fn of_team(team: &str, service: &str, version: &str) -> Files {
    ENVIRONMENTS.map(|e| (format!("teams/{team}/{service}/{e}/config.yaml"), config(version))).into()
}
