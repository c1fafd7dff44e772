//! Puts what deployment tools told on the forge, as commit statuses of our own account.
//!
//! - A status is posted on exactly the commit that the tool named, when git has that commit here.
//! - It is posted once: what the forge has already, or has newer, is not posted again. So a look that begins again after
//!   half of it was done, and a tool that says the same every few minutes, change nothing.
//! - Nothing that a tool says keeps the repository from being looked at: what cannot be posted for good is logged and
//!   left; only a forge that does not answer has it tried again.

use std::collections::BTreeMap;

use git2::Oid;

use super::{LookError, attention::Attention, context::RepositoryContext};
use crate::{
    domain::{
        deployed::{Deployed, Mark},
        status::{CommitStatus, Reporter},
    },
    forge::{ForgeError, NewStatus},
};

/// Says whether git has every commit that was named here.
pub(super) async fn knows_all(context: &RepositoryContext, told: &[Deployed]) -> Result<bool, LookError> {
    for deployed in told {
        if !knows(context, deployed).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Posts what was told, oldest first; returns what is to be read again.
pub(super) async fn post(context: &RepositoryContext, told: &[Deployed]) -> Result<Vec<Attention>, LookError> {
    let mut read: BTreeMap<&str, Vec<CommitStatus>> = BTreeMap::new();
    let mut posted = Vec::new();
    for deployed in told {
        let (key, sha, tool) = (&deployed.key, deployed.sha.as_str(), deployed.tool.name());
        if !knows(context, deployed).await? {
            tracing::info!(repository = %context.id, sha, "{tool} told of `{key}` on {sha}, which is on no branch that is looked at here");
            continue;
        }
        if !read.contains_key(sha) {
            match context.forge.commit_statuses(&context.id, sha).await {
                Ok(reports) => drop(read.insert(sha, reports)),
                Err(error) => {
                    leave_or_retry(context, deployed, error)?;
                    continue;
                }
            }
        }
        let ours = |status: &CommitStatus| status.creator == Some(context.account.id);
        if read.get(sha).is_some_and(|reports| deployed.is_old(reports, ours)) {
            tracing::debug!(repository = %context.id, sha, "{tool} told of `{key}` what is known already, or older");
            continue;
        }
        match context.forge.post_status(&context.id, sha, &status(context, deployed)).await {
            Ok(()) => {
                read.remove(sha);
                let state = deployed.state.word();
                tracing::info!(repository = %context.id, sha, "{tool} told that `{key}` is {state} on {sha}");
                posted.push(Attention::Commit { sha: sha.to_owned(), key: Some(key.to_string()) });
            }
            Err(error) => leave_or_retry(context, deployed, error)?,
        }
    }
    Ok(posted)
}

/// Names the tool where our own account, `ours`, posted what one told.
pub(super) fn name_tools(reports: &mut [CommitStatus], ours: u64) {
    for report in reports.iter_mut().filter(|report| report.creator == Some(ours)) {
        if let Some(mark) = Mark::read(&report.description) {
            report.reporter = Some(Reporter::Tool(mark.tool));
        }
    }
}

fn status(context: &RepositoryContext, deployed: &Deployed) -> NewStatus {
    NewStatus {
        key: deployed.key.clone(),
        state: deployed.state,
        description: deployed.description(),
        target_url: context.shared.public_url.clone(),
    }
}

pub(super) async fn knows(context: &RepositoryContext, deployed: &Deployed) -> Result<bool, LookError> {
    let Ok(id) = Oid::from_str(&deployed.sha) else { return Ok(false) };
    Ok(context.mirror.read(move |repository, _| Ok(repository.find_commit(id).is_ok())).await?)
}

/// Logs what the forge will never take; what it may take later ends the look.
fn leave_or_retry(context: &RepositoryContext, deployed: &Deployed, error: ForgeError) -> Result<(), LookError> {
    match error {
        ForgeError::NotFound { .. } | ForgeError::Refused { .. } | ForgeError::Moved { .. } => {
            let (tool, key, sha) = (deployed.tool.name(), &deployed.key, deployed.sha.as_str());
            tracing::warn!(repository = %context.id, sha, %error, "the forge does not take what {tool} told of `{key}`");
            Ok(())
        }
        ForgeError::Unauthorised { .. } | ForgeError::RateLimited { .. } | ForgeError::Unavailable { .. } => {
            Err(error.into())
        }
    }
}
