//! The keys under which we report on commits.
//!
//! What stands on the commits of an active branch says of which strategy it is where the branch may be shared:
//! `hydromote/hold/dev:shop`. No name holds a colon. What stands on the commits of a proposal is of one strategy
//! anyhow, and needs a key that a rule of the forge can name for all of them.

use crate::domain::{
    ids::{LaneName, Place, StatusKey, StrategyName},
    strategy::key_pattern::OWN_PREFIX,
};

/// Returns the key of our own status on proposals of a place.
pub(super) fn own_status_key(place: &Place) -> StatusKey {
    status_key(&place.to_string())
}

/// Returns the key under which hydration is reported on dry SHAs.
pub(super) fn hydrate_key() -> StatusKey {
    status_key("hydrate")
}

/// Returns the key under which a preview is reported on the head of a dry pull request.
pub(super) fn preview_key() -> StatusKey {
    status_key("preview")
}

/// Returns the key of our own status on the head of a rollback's branch.
pub(super) fn rollback_key(place: &Place) -> StatusKey {
    status_key(&format!("rollback/{place}"))
}

/// Returns the key of our own status on the head of the branch that restores over drift.
pub(super) fn restore_key(place: &Place) -> StatusKey {
    status_key(&format!("restore/{place}"))
}

/// Returns the key of the record of verification of a place on active SHAs.
pub(super) fn verified_key(apart: Option<&StrategyName>, place: &Place) -> StatusKey {
    let lane = Some(&place.lane).filter(|lane| **lane != LaneName::single());
    let of_lane = lane.map(|lane| format!("/{lane}")).unwrap_or_default();
    of_strategy(apart, &format!("verified{of_lane}"))
}

/// Returns the key under which a hold of a place stands on the active branch.
pub(super) fn hold_key(apart: Option<&StrategyName>, place: &Place) -> StatusKey {
    of_strategy(apart, &format!("hold/{place}"))
}

/// Returns the key under which it stands on the commit of drift what a person said of it.
pub(super) fn drift_key(apart: Option<&StrategyName>, place: &Place) -> StatusKey {
    of_strategy(apart, &format!("drift/{place}"))
}

/// Names the strategy in a key where it has to be [told apart](crate::domain::strategy::PromotionStrategy::told_apart).
fn of_strategy(apart: Option<&StrategyName>, name: &str) -> StatusKey {
    let of = apart.map(|strategy| format!(":{strategy}")).unwrap_or_default();
    status_key(&format!("{name}{of}"))
}

fn status_key(name: &str) -> StatusKey {
    StatusKey::new(format!("{OWN_PREFIX}{name}")).expect("because names of places are short")
}
