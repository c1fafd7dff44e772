//! What deployment tools tell becomes commit statuses, and gates wait for those as for any other.

use hydromote::{domain::deployed::Tool, local_forge::StatusState};

use crate::world::{Fallible, Files, TestResult, World, config};

const ARGOCD: &str = include_str!("../data/deployed/argocd-healthy.json");
const FLUX: &str = include_str!("../data/deployed/flux-succeeded.json");

/// The commit in the samples.
const SHA: &str = "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1";

/// A strategy whose environments wait for these statuses.
fn waiting_for(statuses: &str, environments: &[&str]) -> String {
    crate::world::strategy(environments).replace("    - key: health\n", &format!("    - {statuses}\n"))
}

impl World {
    /// Has a tool tell of the head of an environment's branch, with other words in the sample, and lets everything
    /// happen; returns the answer.
    async fn told(&mut self, tool: Tool, environment: &str, changes: &[(&str, &str)]) -> Fallible<u16> {
        let sample = if tool == Tool::Flux { FLUX } else { ARGOCD };
        let mut body = sample.replace(SHA, &self.branch(&format!("env/{environment}")).await?);
        body = body.replace(crate::world::REPOSITORY, self.home_name());
        for (what, with) in changes {
            assert!(body.contains(what), "{what}");
            body = body.replace(what, with);
        }
        let (status, _) = self.tell(tool, &body).await?;
        self.settle().await?;
        Ok(status)
    }

    /// Returns what is reported and nobody waits for, as people see it.
    fn unasked(&self) -> Fallible<String> {
        let boards = self.service()?.boards.all();
        let places = boards.values().flat_map(|board| &board.places);
        let lines: Vec<String> = places.flat_map(|view| &view.unasked).map(ToString::to_string).collect();
        Ok(self.in_words(&lines.join("\n")))
    }
}

#[tokio::test]
async fn argo_cd_tells_of_health_and_the_promotion_goes_on() -> TestResult {
    let strategy = waiting_for("{key: application/shop-dev/argocd}", &["dev", "staging, autoMerge: false"]);
    let mut world = World::with_strategy(&strategy).await?;
    assert_eq!(world.told(Tool::ArgoCd, "dev", &[("Healthy", "Progressing")]).await?, 202);
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `application/shop-dev/argocd` is pending
    staging  nothing; wants first in #2
             - waits for `application/shop-dev/argocd` on dev, which is pending
             - waits for a person to promote it
    ");
    world.told(Tool::ArgoCd, "dev", &[("10:04", "10:05")]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  nothing; wants first in #2
             - waits for a person to promote it
    ");
    world.told(Tool::ArgoCd, "dev", &[("10:04", "10:06"), ("Healthy", "Degraded")]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `application/shop-dev/argocd` failed
    staging  nothing; wants first in #2
             - waits for `application/shop-dev/argocd` on dev, which failed
             - waits for a person to promote it
    application/shop-dev/argocd on (commit): synced and degraded: successfully synced (all tasks run) (argocd, (time))
    hydromote/verified on (commit): first is no longer verified in dev: `application/shop-dev/argocd` failed
    ");
    world.finish().await
}

#[tokio::test]
async fn flux_tells_of_success_then_failure_on_one_commit_and_late_words_change_nothing() -> TestResult {
    let strategy = waiting_for("{key: kustomization/shop/eu-1.flux-system}", &["dev", "staging, autoMerge: false"]);
    let mut world = World::with_strategy(&strategy).await?;
    let failed = [("\"info\"", "\"error\""), ("ReconciliationSucceeded", "HealthCheckFailed")];
    world.told(Tool::Flux, "dev", &[]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  nothing; wants first in #2
             - waits for a person to promote it
    ");
    world.told(Tool::Flux, "dev", &[failed.as_slice(), &[("10:04", "10:06")]].concat()).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `kustomization/shop/eu-1.flux-system` failed
    staging  nothing; wants first in #2
             - waits for `kustomization/shop/eu-1.flux-system` on dev, which failed
             - waits for a person to promote it
    hydromote/verified on (commit): first is no longer verified in dev: `kustomization/shop/eu-1.flux-system` failed
    kustomization/shop/eu-1.flux-system on (commit): HealthCheckFailed: Reconciliation finished in 449.617964ms, next run in 10m0s (flux, (time))
    ");
    // It was said before the failure, and comes after it.
    world.told(Tool::Flux, "dev", &[("10:04", "10:05")]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `kustomization/shop/eu-1.flux-system` failed
    staging  nothing; wants first in #2
             - waits for `kustomization/shop/eu-1.flux-system` on dev, which failed
             - waits for a person to promote it
    hydromote/verified on (commit): first is no longer verified in dev: `kustomization/shop/eu-1.flux-system` failed
    kustomization/shop/eu-1.flux-system on (commit): HealthCheckFailed: Reconciliation finished in 449.617964ms, next run in 10m0s (flux, (time))
    ");
    world.finish().await
}

#[tokio::test]
async fn what_was_told_while_the_forge_was_away_is_told_to_it_when_it_is_back() -> TestResult {
    let mut world = World::with_strategy(&waiting_for("{key: application/shop-dev/argocd}", &["dev"])).await?;
    let sha = world.branch("env/dev").await?;
    world.refuse_statuses();
    assert_eq!(
        world
            .tell(Tool::ArgoCd, &ARGOCD.replace(SHA, &sha).replace(crate::world::REPOSITORY, world.home_name()))
            .await?
            .0,
        202
    );
    world.look_in_vain().await?;
    world.home().clear_faults();
    world.restart().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.finish().await
}

#[tokio::test]
async fn what_is_told_of_a_commit_that_is_not_here_is_left() -> TestResult {
    let mut world = World::with_strategy(&waiting_for("{key: application/shop-dev/argocd}", &["dev"])).await?;
    assert_eq!(world.tell(Tool::ArgoCd, ARGOCD).await?.0, 202);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, `application/shop-dev/argocd` has not been reported");
    world.finish().await
}

/// Two services in two environments, one of them in this version.
fn services(web: &str) -> Files {
    let of = |service: &str, version: &str| {
        ["dev", "staging"].map(|name| (format!("services/{service}/{name}/web.yaml"), config(version)))
    };
    of("web", web).into_iter().chain(of("api", "v1")).collect()
}

#[tokio::test]
async fn only_services_that_a_promotion_changed_are_asked_about_and_only_flux_answers() -> TestResult {
    let asked = "{key: 'kustomization/{service}/*', scope: changed, from: flux}";
    let strategy = waiting_for(asked, &["dev", "staging, autoMerge: false"]);
    let strategy = strategy.replace("path: apps/{environment}", "path: 'services/{service}/{environment}'");
    let strategy = strategy.replace("output: shop", "output: '{service}'");
    let mut world = World::empty().await?;
    world.push_dry("first", [services("v1"), vec![("hydromote.yaml".to_owned(), strategy)]].concat()).await?;
    world.settle().await?;
    world.report("dev", "kustomization/api/eu-1.flux-system", StatusState::Success).await?;
    let of =
        |service: &'static str| if service == "web" { [("\"shop\"", "\"web\"")] } else { [("\"shop\"", "\"api\"")] };
    world.told(Tool::Flux, "dev", &of("web")).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `kustomization/api/*` has not been reported
    staging  nothing; wants first in #2
             - waits for `kustomization/api/*` on dev, which has not been reported
             - waits for a person to promote it
    ");
    world.told(Tool::Flux, "dev", &of("api")).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  nothing; wants first in #2
             - waits for a person to promote it
    ");
    world.push_dry("second", services("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `kustomization/web/*` has not been reported
    staging  nothing; wants first in #2
             - waits for a person to promote it
    ");
    world.told(Tool::Flux, "dev", &of("web")).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  nothing; wants second in #2
             - waits for a person to promote it
    ");
    world.finish().await
}

/// Argo CD reports on the newest head of a branch that others push to as well, not on the commit that changed what it
/// deploys.
#[tokio::test]
async fn health_that_is_told_of_a_later_head_of_a_shared_branch_counts() -> TestResult {
    let strategy = waiting_for("{key: application/shop-dev/argocd}", &["dev"]);
    let mut world = World::with_strategy(&strategy).await?;
    let ours = world.branch("env/dev").await?;
    world.push_foreign("dev", vec![("other/config.yaml".to_owned(), config("v1"))]).await?;
    world.settle().await?;
    assert_ne!(world.branch("env/dev").await?, ours);
    assert_eq!(world.told(Tool::ArgoCd, "dev", &[]).await?, 202);
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.finish().await
}

#[tokio::test]
async fn keys_that_nobody_waits_for_are_shown_with_who_reported_them() -> TestResult {
    let strategy = waiting_for("{key: 'application/shop-dev/argocd', from: argocd}", &["dev"]);
    let mut world = World::with_strategy(&strategy).await?;
    // The right key by somebody else, and the key of another application.
    world.report("dev", "application/shop-dev/argocd", StatusState::Success).await?;
    assert_eq!(world.told(Tool::ArgoCd, "dev", &[("shop-dev", "shop-blue")]).await?, 202);
    insta::assert_snapshot!(world.unasked()?, @"
    `application/shop-blue/argocd` is reported as success by argocd, and nobody waits for it
    `application/shop-dev/argocd` is reported as success by developer, and only what argocd reports counts
    ");
    world.told(Tool::ArgoCd, "dev", &[]).await?;
    insta::assert_snapshot!(world.unasked()?, @"
    `application/shop-blue/argocd` is reported as success by argocd, and nobody waits for it
    `application/shop-dev/argocd` is reported as success by developer, and only what argocd reports counts
    ");
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.finish().await
}
