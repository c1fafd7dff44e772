//! A strategy with a past: three environments, five services that travel by themselves.

use crate::world::{Fallible, Files, World, config};

/// The environments, in their order.
pub(super) const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];
/// The services; each is a lane.
const SERVICES: [&str; 5] = ["cart", "pay", "search", "ship", "web"];

/// How many dry commits are promoted through every environment. Each changes one service; some, all of them.
pub(super) const COMMITS: usize = 20;
/// Each commit with a number that this divides changes every service.
const ALL_CHANGE: usize = 5;

const STRATEGY: &str = "apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata:
  name: shop
spec:
  lanes: {by: service}
  sources:
    - path: services/{service}/{environment}
      output: \"{service}\"
  activeCommitStatuses:
    - key: health
  environments:
    - {name: dev, branch: env/dev}
    - {name: staging, branch: env/staging}
    - {name: prod, branch: env/prod}
";

/// Makes the strategy and lets it promote; in the end a commit that changes everything runs in dev, and is proposed
/// in the others.
pub(super) async fn with_a_past() -> Fallible<World> {
    let mut world = World::empty().await?;
    let mut files = version(0);
    files.push(("hydromote.yaml".to_owned(), STRATEGY.to_owned()));
    world.push_dry("commit 0", files).await?;
    world.settle().await?;
    world.healthy_all(&ENVIRONMENTS).await?;
    for number in 1..COMMITS {
        world.push_dry(&format!("commit {number}"), version(number)).await?;
        world.settle().await?;
        world.healthy_all(&ENVIRONMENTS).await?;
    }
    world.push_dry("the newest commit", version(COMMITS)).await?;
    world.settle().await?;
    Ok(world)
}

/// Returns the files that a commit changes.
fn version(number: usize) -> Files {
    let changed =
        |index: &usize| number.is_multiple_of(ALL_CHANGE) || index % SERVICES.len() == number % SERVICES.len();
    let services = SERVICES.iter().enumerate().filter(|(index, _)| changed(index));
    services.flat_map(|(_, name)| service(name, &format!("v{number}"))).collect()
}

fn service(name: &str, version: &str) -> Files {
    ENVIRONMENTS.map(|e| (format!("services/{name}/{e}/config.yaml"), config(version))).into()
}
