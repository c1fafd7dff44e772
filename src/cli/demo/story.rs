//! The story: six commits on their way from dev to production, one of which is bad.

use anyhow::{Context, ensure};

use super::{example, stage::Stage};
use crate::domain::{
    gate::{Gate, StatusWait, Verdict},
    ids::{EnvironmentName, RepositoryId, StatusKey, StrategyId, StrategyName},
    plan::PlaceView,
};
use crate::local_forge::StatusState;

/// One telling of the story.
struct Telling<'a> {
    stage: &'a Stage,
    repository: RepositoryId,
    id: StrategyId,
}

/// Plays the story; returns the number of dry commits.
pub(super) async fn play(stage: &Stage) -> anyhow::Result<usize> {
    let repository = stage.create_repository("shop", example::first_commit()).await?;
    let id = StrategyId { repository: repository.clone(), name: StrategyName::new("shop")? };
    let telling = Telling { stage, repository, id };
    telling.first_promotion().await?;
    telling.image_bump().await?;
    telling.no_op().await?;
    telling.bad_commit().await?;
    telling.nothing_brings_it_back().await?;
    telling.fix().await?;
    stage.say("");
    stage.say("The end. What runs now:");
    Ok(6)
}

impl Telling<'_> {
    async fn first_promotion(&self) -> anyhow::Result<()> {
        self.chapter("The repository demo/shop has a chart, a kustomization and a hydromote.yaml.");
        self.settle().await?;
        self.say("Hydromote rendered it for dev, staging and prod, made their branches from empty commits, and opened");
        self.say("a pull request for each. Nothing comes before dev, so its own was merged.");
        self.show(&["dev", "staging", "prod"])?;
        self.go_through("dev").await?;
        self.go_through("staging").await?;
        self.promote_prod().await
    }

    async fn image_bump(&self) -> anyhow::Result<()> {
        self.chapter("A commit brings image 1.1.0.");
        self.stage.push(&self.repository, "Bring image 1.1.0", example::image_bump()).await?;
        self.settle().await?;
        self.say("It went to dev by itself. Staging waits for dev's health:");
        self.show(&["dev", "staging"])?;
        self.go_through("dev").await?;
        self.go_through("staging").await?;
        self.promote_prod().await
    }

    async fn no_op(&self) -> anyhow::Result<()> {
        self.chapter("A commit changes the log level of dev and prod, and nothing in staging.");
        self.stage.push(&self.repository, "Log less in prod", example::change_beside_staging()).await?;
        self.settle().await?;
        self.go_through("dev").await?;
        let staging = self.place("staging")?;
        ensure!(staging.taken_as_no_op, "staging should have taken the commit as a no-op");
        self.say("Nothing changes in staging: it took the commit as a no-op, without a pull request.");
        self.show(&["staging", "prod"])?;
        self.promote_prod().await
    }

    async fn bad_commit(&self) -> anyhow::Result<()> {
        self.chapter("A commit brings image 1.2.0, which fails in staging.");
        self.stage.push(&self.repository, "Bring image 1.2.0", example::bad_image()).await?;
        self.settle().await?;
        self.go_through("dev").await?;
        let staging = self.place("staging")?;
        let (running, active) = (staging.running.context("staging should run it")?, staging.active);
        let active = active.context("a place that runs something has a head")?;
        let health = StatusKey::new("health")?;
        self.stage.report_as(&self.repository, active.as_str(), &health, StatusState::Failure).await?;
        self.say(format_args!("`health` failed on staging, which runs {}.", running.dry.short()));
        self.settle().await?;
        let back = self.place("staging")?.running.context("staging should run something")?;
        ensure!(back.dry != running.dry, "staging should have been rolled back");
        let rollbacks = self.stage.service.store.rollbacks(&self.id).await?;
        let number = rollbacks.last().and_then(|rollback| rollback.pull_request).context("a rollback is recorded")?;
        self.say(format_args!("Staging went back to {} by itself: {}", back.dry.short(), self.pull_request(number.0)));
        self.say("What it held before was restored, not rendered again. prod never saw the commit:");
        self.show(&["dev", "staging", "prod"])?;
        self.go_through("staging").await
    }

    async fn nothing_brings_it_back(&self) -> anyhow::Result<()> {
        self.chapter("The webhook is delivered again, and an unrelated commit follows.");
        let before = self.place("staging")?.tree;
        self.stage.deliver_again(&self.repository).await?;
        self.settle().await?;
        self.stage.push(&self.repository, "Bring API 1.1.1", example::unrelated()).await?;
        self.settle().await?;
        self.go_through("dev").await?;
        let staging = self.place("staging")?;
        ensure!(staging.tree == before, "staging should stay as it is");
        self.say("The commit is on top of the bad one and renders the same image: staging and prod keep it out.");
        for notice in staging.notices.iter().take(1) {
            self.say(format_args!("    staging: {notice}"));
        }
        Ok(())
    }

    async fn fix(&self) -> anyhow::Result<()> {
        self.chapter("A commit brings image 1.2.1, which works.");
        self.stage.push(&self.repository, "Bring image 1.2.1", example::fixed_image()).await?;
        self.settle().await?;
        self.go_through("dev").await?;
        ensure!(self.place("staging")?.hold.is_none(), "the hold of the rollback should have ended");
        self.say("It changes what had failed, so it went to staging by itself, and the hold there has ended.");
        self.go_through("staging").await?;
        self.promote_prod().await
    }

    /// Reports health in an environment, and lets the next one follow.
    async fn go_through(&self, environment: &str) -> anyhow::Result<()> {
        let view = self.place(environment)?;
        let running = view.running.as_ref().with_context(|| format!("{environment} should run something"))?;
        let waits = Verdict::Status { key: StatusKey::new("health")?, waits: StatusWait::Missing };
        ensure!(running.verdict == waits, "{environment} should wait for health, and it {}", running.verdict);
        let active = view.active.clone().context("a place that runs something has a head")?;
        self.stage.report(&self.repository, active.as_str(), &StatusKey::new("health")?).await?;
        self.settle().await?;
        let verdict = self.place(environment)?.running.map(|running| running.verdict);
        ensure!(verdict == Some(Verdict::Verified), "{environment} should be verified");
        self.say(format_args!("`health` was reported on {environment}: {} is verified there.", running.dry.short()));
        Ok(())
    }

    async fn promote_prod(&self) -> anyhow::Result<()> {
        let prod = self.place("prod")?;
        let waits: Vec<_> = prod.gates.iter().map(|gate| &gate.gate).collect();
        ensure!(waits == [&Gate::Promote], "prod should wait for a person, and it waits for {waits:?}");
        let number = prod.pull_request.context("prod should have a pull request")?;
        self.say(format_args!("prod waits for a person: {}", self.pull_request(number.0)));
        let name = EnvironmentName::new("prod")?;
        self.stage.promote(&self.id, &name).await?;
        self.settle().await?;
        self.say("A person promoted it.");
        self.go_through("prod").await?;
        self.show(&["dev", "staging", "prod"])
    }

    async fn settle(&self) -> anyhow::Result<()> {
        self.stage.settle(&self.repository).await
    }

    fn place(&self, environment: &str) -> anyhow::Result<PlaceView> {
        let board = self.stage.board(&self.repository, &self.id.name)?;
        let found = board.places.into_iter().find(|view| view.place.environment.as_str() == environment);
        found.with_context(|| format!("there is no environment {environment}"))
    }

    fn show(&self, environments: &[&str]) -> anyhow::Result<()> {
        for environment in environments {
            let view = self.place(environment)?;
            let runs =
                view.running.as_ref().map_or("nothing".to_owned(), |r| format!("{}: {}", r.dry.short(), r.verdict));
            let waits = view.gates.first().map(|gate| format!("; next: {gate}")).unwrap_or_default();
            self.say(format_args!("    {environment:<8} runs {runs}{waits}"));
        }
        Ok(())
    }

    fn pull_request(&self, number: u64) -> String {
        format!("{}/{}/pull/{number}", self.stage.forge.url(), self.repository)
    }

    fn chapter(&self, title: &str) {
        self.stage.say("");
        self.stage.say(format_args!("== {title}"));
    }

    fn say(&self, line: impl std::fmt::Display) {
        self.stage.say(format_args!("   {line}"));
    }
}
