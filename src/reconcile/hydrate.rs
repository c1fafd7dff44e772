//! Hydrates one place at one dry SHA.
use super::{LookError, context::StrategyContext};
use crate::{
    domain::{
        content::Hydration,
        ids::{DrySha, Place},
    },
    store::HydratedRoots,
};

/// Renders.
#[derive(Debug)]
pub struct Hydrator;

impl Hydrator {
    /// Hydrates.
    pub async fn hydrate(
        &self,
        _context: &StrategyContext,
        _place: &Place,
        _dry: &DrySha,
    ) -> Result<(Hydration, HydratedRoots), LookError> {
        Err(LookError::Renderers("not wired".into()))
    }
}
