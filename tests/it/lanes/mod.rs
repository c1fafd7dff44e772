//! Lanes: services that travel through the environments side by side.

mod approved;
mod bundle;
mod changing;
mod side_by_side;

use crate::world::{Fallible, Files, World, config};

/// A strategy of these environments, each a name and perhaps more fields, and a lane for each service.
fn strategy(environments: &[&str]) -> String {
    divided("  lanes: {by: service}\n", environments)
}

fn divided(lanes: &str, environments: &[&str]) -> String {
    let lines: Vec<String> = environments
        .iter()
        .map(|text| {
            let (name, more) = text.split_once(',').unwrap_or((text, ""));
            let more = if more.is_empty() { String::new() } else { format!(",{more}") };
            format!("    - {{name: {name}, branch: env/{name}{more}}}\n")
        })
        .collect();
    format!(
        "apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata:
  name: shop
spec:
{lanes}  sources:
    - path: services/{{service}}/{{environment}}
      output: \"{{service}}\"
  activeCommitStatuses:
    - key: health
  environments:
{}",
        lines.concat()
    )
}

/// The files of a service in all environments.
fn service(name: &str, version: &str) -> Files {
    ["dev", "prod"].map(|e| (format!("services/{name}/{e}/config.yaml"), config(version))).into()
}

/// Starts with two services.
async fn world(environments: &[&str]) -> Fallible<World> {
    let mut world = World::empty().await?;
    let mut files = [service("cart", "v1"), service("pay", "v1")].concat();
    files.push(("hydromote.yaml".to_owned(), strategy(environments)));
    world.push_dry("first", files).await?;
    world.settle().await?;
    Ok(world)
}
