//! What the API and the pages are made from.

use tokio::sync::watch;

use super::{Readiness, access::Access, problem::Problem, sessions::Sessions};
use crate::{
    domain::ids::{RepositoryId, StrategyId, StrategyName},
    reconcile::{board::StrategyBoard, changes::Changes, commands::Commands},
};

/// What the API and the pages are made from. Cloning is cheap.
#[derive(Clone)]
pub struct Site {
    /// Takes commands; has the boards and the store.
    pub commands: Commands,
    /// Who may read and who may act.
    pub access: Access,
    /// Who is signed in.
    pub sessions: Sessions,
    /// Reads what a proposal or a rollback changes.
    pub changes: Changes,
    /// Whether the service works; streams end when it stops.
    pub readiness: watch::Receiver<Readiness>,
}

impl Site {
    /// Returns the strategy that stands in a path.
    ///
    /// # Errors
    /// With the strategies that there are.
    pub(super) fn board(&self, (owner, repo, name): (String, String, String)) -> Result<StrategyBoard, Problem> {
        let repository = RepositoryId::new(format!("{owner}/{repo}"));
        let parsed = repository.and_then(|repository| Ok(StrategyId { repository, name: StrategyName::new(name)? }));
        let id = parsed.map_err(|error| Problem::not_found(format!("{error}.")))?;
        Ok(self.commands.board(&id)?)
    }
}
