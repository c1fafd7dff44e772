//! What a demo came to.

use std::time::Instant;

use serde::Serialize;

use super::{Format, cost::Cost, stage::Stage};
use crate::{
    cli::output::{self, counted},
    domain::{
        gate::{StatusWait, Verdict},
        ids::{ActiveSha, DrySha, EnvironmentName, LaneName, PullRequestNumber, TreeId},
        plan::PlaceView,
        rollback::Trigger,
    },
};

/// The JSON document at the end of `demo --output json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    /// Every lane of every environment, in the order of the strategy.
    environments: Vec<EnvironmentSummary>,
    /// The merges, in the order in which they happened.
    promotions: Vec<PromotionSummary>,
    /// The rollbacks, in the order in which they happened.
    rollbacks: Vec<RollbackSummary>,
    /// How many dry commits were pushed.
    dry_commits: usize,
}

/// One lane of one environment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentSummary {
    name: EnvironmentName,
    lane: LaneName,
    /// The newest dry SHA that was taken.
    dry_sha: Option<DrySha>,
    /// The head of the active branch.
    active_sha: Option<ActiveSha>,
    /// The git tree of that head.
    tree: Option<TreeId>,
    /// `verified`, `failed`, `waiting` or `empty`.
    state: &'static str,
}

/// One merge.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PromotionSummary {
    environment: EnvironmentName,
    lane: LaneName,
    dry_sha: DrySha,
    active_sha: ActiveSha,
    tree: TreeId,
    pull_request: Option<PullRequestNumber>,
}

/// One rollback.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RollbackSummary {
    environment: EnvironmentName,
    lane: LaneName,
    /// The git tree that it left.
    from_tree: TreeId,
    /// The git tree that the branch held after it.
    to_tree: TreeId,
    /// The commit that restored the content.
    active_sha: ActiveSha,
    pull_request: Option<PullRequestNumber>,
    trigger: Trigger,
}

/// Prints the end of a demo.
pub(super) async fn print(stage: &Stage, dry_commits: usize, began: Instant, format: Format) -> anyhow::Result<()> {
    let summary = sum_up(stage, dry_commits).await?;
    let cost = Cost::so_far().map(|cost| cost.sentence(summary.promotions.len(), dry_commits, began));
    match format {
        Format::Json => {
            cost.into_iter().for_each(output::progress);
            output::json(&summary);
        }
        Format::Text => {
            for environment in &summary.environments {
                let dry = environment.dry_sha.as_ref().map_or("nothing", DrySha::short);
                stage.say(format_args!("   {:<10} {dry}  {}", environment.name, environment.state));
            }
            stage.say(format_args!(
                "{}, {}, {}. Look at the branches: {}",
                counted(summary.dry_commits, "commit"),
                counted(summary.promotions.len(), "promotion"),
                counted(summary.rollbacks.len(), "rollback"),
                stage.folder.join("git").display()
            ));
            cost.into_iter().for_each(|cost| stage.say(cost));
        }
    }
    Ok(())
}

async fn sum_up(stage: &Stage, dry_commits: usize) -> anyhow::Result<Summary> {
    let mut summary = Summary { environments: Vec::new(), promotions: Vec::new(), rollbacks: Vec::new(), dry_commits };
    for (id, board) in stage.service.boards.all() {
        summary.environments.extend(board.places.into_iter().map(environment));
        let promotions = stage.service.store.promotions(&id).await?;
        summary.promotions.extend(promotions.into_iter().map(|promotion| PromotionSummary {
            environment: promotion.environment,
            lane: promotion.lane,
            dry_sha: promotion.dry_sha,
            active_sha: promotion.active_sha,
            tree: promotion.tree,
            pull_request: promotion.pull_request,
        }));
        let rollbacks = stage.service.store.rollbacks(&id).await?;
        summary.rollbacks.extend(rollbacks.into_iter().map(|rollback| RollbackSummary {
            environment: rollback.environment,
            lane: rollback.lane,
            from_tree: rollback.from_tree,
            to_tree: rollback.to_tree,
            active_sha: rollback.active_sha,
            pull_request: rollback.pull_request,
            trigger: rollback.trigger,
        }));
    }
    Ok(summary)
}

fn environment(view: PlaceView) -> EnvironmentSummary {
    let state = match view.running.as_ref().map(|running| &running.verdict) {
        None => "empty",
        Some(Verdict::Verified) => "verified",
        Some(Verdict::Revoked | Verdict::Status { waits: StatusWait::Failed, .. }) => "failed",
        Some(_) => "waiting",
    };
    EnvironmentSummary {
        name: view.place.environment,
        lane: view.place.lane,
        dry_sha: view.taken,
        active_sha: view.active,
        tree: view.tree,
        state,
    }
}
