//! Settling a write by what is there afterwards, when its answer was a refusal or never came.

use crate::forge::{ForgeError, PullRequestState};

/// Says whether the world may be as asked although the answer says otherwise, or never came.
pub(in crate::forge) fn is_worth_reading_back(error: &ForgeError) -> bool {
    matches!(error, ForgeError::Refused { .. } | ForgeError::Moved { .. } | ForgeError::Unavailable { .. })
}

/// Says whether a pull request was closed: one that is not open, for whatever reason, is. `state` is asked for when the
/// answer alone does not tell.
pub(in crate::forge) async fn settle_close(
    written: Result<String, ForgeError>,
    state: impl Future<Output = Result<PullRequestState, ForgeError>>,
) -> Result<(), ForgeError> {
    let Err(error) = written else { return Ok(()) };
    if !is_worth_reading_back(&error) {
        return Err(error);
    }
    match state.await {
        Ok(state) if state != PullRequestState::Open => Ok(()),
        _ => Err(error),
    }
}
