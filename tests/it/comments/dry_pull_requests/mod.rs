//! Commands on the pull requests from which dry commits come.

mod commanded;
mod followed;
mod found;

use super::waiting;
use crate::world::{Fallible, World, everywhere};

/// Starts with `first` in dev and prod, and with the pull request `second` into the dry branch; returns its number.
async fn with_dry_pull() -> Fallible<(World, u64)> {
    let mut world = waiting().await?;
    world.promote("prod").await?;
    world.settle().await?;
    world.healthy_all(&["prod"]).await?;
    let number = world.open_dry_pull("second", everywhere("v2")).await?;
    Ok((world, number))
}
