//! What is remembered of dry commits that people rejected by command, and how it is read back.
//!
//! The store has one document for each strategy. When it was lost the rejections are read from our
//! own statuses on the dry line, once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{LookError, context::StrategyContext, forge_view::ForgeView, observe::RECORDS_SEARCHED};
use crate::{
    domain::{
        ids::{DrySha, Place, StatusKey, StrategyId},
        line::DryLine,
        rejection::Rejection,
        snapshot::PlaceState,
    },
    store::StrategyNote,
};

/// How many dry commits are searched for rejections on the forge when the store has none, newest first.
const COMMITS_SEARCHED: usize = 100;

/// How many of them where nothing was ever promoted: hardly anybody has rejected anything there.
const COMMITS_SEARCHED_AT_FIRST: usize = 5;

/// The rejected dry commits of one strategy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RejectionBook(pub BTreeMap<DrySha, Rejection>);

impl StrategyNote for RejectionBook {
    const KIND: &'static str = "rejections";
}

/// Returns the key under which the rejection of a dry commit stands on it.
pub fn rejection_key(strategy: &StrategyId) -> StatusKey {
    StatusKey::new(format!("hydromote/reject/{}", strategy.name)).expect("because names of strategies are short")
}

/// Returns the dry commits that people rejected.
pub async fn read(
    context: &StrategyContext,
    view: &mut ForgeView,
    line: &DryLine,
    places: &BTreeMap<Place, PlaceState>,
) -> Result<BTreeMap<DrySha, Rejection>, LookError> {
    let store = &context.shared.store;
    if let Some(book) = store.strategy_note::<RejectionBook>(&context.id).await? {
        return Ok(book.0);
    }
    let mut read = BTreeMap::new();
    for dry in to_search(line, places) {
        if let Some(rejection) = on_forge(context, view, &dry).await? {
            read.insert(dry, rejection);
        }
    }
    // A command that came meanwhile is newer than what was read.
    let merge = |book: &mut RejectionBook| {
        for (dry, rejection) in read {
            book.0.entry(dry).or_insert(rejection);
        }
    };
    Ok(store.change_strategy_note(&context.id, merge).await?.0)
}

/// Returns the dry commits that are newer than what runs somewhere, those that run, and those that a
/// rollback could go back to: as many runs of each place as their records are read back for.
fn to_search(line: &DryLine, places: &BTreeMap<Place, PlaceState>) -> BTreeSet<DrySha> {
    let running: Vec<&DrySha> = places.values().filter_map(PlaceState::running).map(|run| &run.dry).collect();
    let is_new = running.is_empty();
    let everywhere = running.len() == places.len();
    let oldest = running.iter().map(|dry| line.position(dry)).min().filter(|_| everywhere).unwrap_or_default();
    let newest = line.newer_than(oldest).take(if is_new { COMMITS_SEARCHED_AT_FIRST } else { COMMITS_SEARCHED });
    let runs = places.values().filter_map(PlaceState::branch).map(|branch| branch.runs.iter().take(RECORDS_SEARCHED));
    newest.chain(runs.flatten().map(|run| &run.dry)).cloned().collect()
}

/// Reads the rejection of a dry commit from our own statuses on it.
async fn on_forge(
    context: &StrategyContext,
    view: &mut ForgeView,
    dry: &DrySha,
) -> Result<Option<Rejection>, LookError> {
    let (key, account) = (rejection_key(&context.id), context.dry.account.id);
    let statuses = view.dry_statuses(context, dry).await?;
    let ours = statuses.iter().filter(|status| status.key == key && status.creator == Some(account));
    Ok(ours.max_by_key(|status| (status.reported_at, status.id)).and_then(Rejection::read))
}
