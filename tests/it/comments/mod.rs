//! Commands in comments: who may give them, that each is done once, and what is answered.

mod answered;
mod dry_pull_requests;
mod floods;
mod going_back;
mod heard;
mod once;
mod permissions;
mod previews;
mod pull_requests;

use crate::world::World;

/// Starts with dev healthy, and prod waiting for a person in #2.
async fn waiting() -> Result<World, Box<dyn std::error::Error>> {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev"]).await?;
    Ok(world)
}
