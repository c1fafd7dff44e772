//! Deployment windows and the service: the server's own, and the word of a person who goes past them.
//!
//! An accepted override stands as a status of ours on the head that it is bound to, before it is in
//! the store: losing the database loses none.

use super::{
    LookError,
    commands::{CommandError, Commands, Promoted, moved_on, name, nothing_waits, proposed_view},
    context::StrategyContext,
    forge_view::ForgeView,
};
use crate::{
    domain::{
        gate::Gate,
        ids::{EnvironmentName, LaneName, Place, ProposedSha, RepositoryId, StatusKey, StrategyId},
        plan::PlaceView,
        snapshot::{PostedStatus, Proposal},
        status::{CommitStatus, StatusState},
        strategy::{Environment, PromotionStrategy},
        windows::{EnvironmentWindows, ServerWindows, WindowOverride, WindowSource},
    },
    forge::PullRequest,
};

/// What begins the description of an accepted override; who asked for it follows, then `: ` and why.
const OVERRIDDEN_BY: &str = "Windows overridden by ";

/// The most characters of a reason: beside a name of usual length it fits into a status.
const REASON_LIMIT: usize = 200;

/// Gives the environments of a strategy the windows of the server.
pub(super) fn add_server_windows(strategy: &mut PromotionStrategy, repository: &RepositoryId, server: &ServerWindows) {
    for environment in &mut strategy.environments {
        environment.windows.server = server.of(repository, &environment.name);
        environment.windows.server_overridable = server.overridable;
    }
}

impl Commands {
    /// Accepts a promotion that goes past closed windows, of what is proposed in an environment now; `seen` is
    /// what the person saw proposed, where that is known. Whether that person may is the caller's to know.
    ///
    /// # Errors
    /// [`CommandError::Malformed`] without a reason, [`CommandError::Refused`] where there is nothing to override,
    /// where the server lets nobody, and when a promotion would be refused.
    pub async fn promote_past_windows(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        lane: Option<&LaneName>,
        seen: Option<&ProposedSha>,
        by: &str,
        reason: &str,
    ) -> Result<Promoted, CommandError> {
        let board = self.board(strategy)?;
        let view = proposed_view(&board, environment, lane)?;
        let (by, reason) = (name(by)?, reason_of(reason)?);
        let (Some(proposed), Some(_)) = (&view.proposed, view.pull_request) else { return Err(nothing_waits(view)) };
        if let Some(seen) = seen.filter(|seen| *seen != proposed) {
            return Err(moved_on(view, proposed, seen));
        }
        let looked = board.looked.0.as_ref().and_then(|(strategy, _)| strategy.environment(environment));
        may_be_overridden(view, looked.map(|environment| &environment.windows))?;
        let place = &board.proposer(&view.place);
        let before: Option<WindowOverride> = self.store.note(strategy, place).await?;
        if before.is_none_or(|before| before.proposed != *proposed) {
            let status = PostedStatus::new(StatusState::Success, &description(&by, &reason));
            self.post(strategy, proposed.as_str(), override_key(place), &status).await?;
            let noted = WindowOverride {
                proposed: proposed.clone(),
                by: by.clone(),
                reason: reason.clone(),
                at: (self.clock)(),
            };
            self.store.save_note(strategy, place, &noted).await?;
            self.tell(strategy, Some(place), &by, &format!("overrode the windows of {place}: {reason}")).await?;
            tracing::info!(environment.name = %environment, proposed.sha = %proposed, by, "{by} overrides the windows of {place}: {reason}");
        }
        let mut promoted = self.promote(strategy, environment, Some(&view.place.lane), Some(proposed), &by).await?;
        let windows = looked.map(|environment| &environment.windows);
        let is_overridden = |gate: &Gate| match gate {
            Gate::Window { of, .. } => windows.is_some_and(|windows| windows.may_override(*of)),
            _ => false,
        };
        let overridden = view.gates.iter().filter(|closed| is_overridden(&closed.gate));
        let overridden: Vec<String> = overridden.map(ToString::to_string).collect();
        promoted.waits.retain(|words| !overridden.contains(words));
        Ok(promoted)
    }
}

/// Returns a person's wish to go past windows: from the store, else from what was accepted on the forge
/// before the store was lost.
pub(super) async fn read(
    context: &StrategyContext,
    view: &mut ForgeView,
    place: &Place,
    environment: &Environment,
    proposal: Option<&Proposal>,
    open: Option<&PullRequest>,
) -> Result<Option<WindowOverride>, LookError> {
    let (Some(proposal), Some(_)) = (proposal, open) else { return Ok(None) };
    if environment.windows.is_empty() {
        return Ok(None);
    }
    let store = &context.shared.store;
    let noted: Option<WindowOverride> = store.note(&context.id, place).await?;
    if noted.as_ref().is_some_and(|noted| noted.proposed == proposal.sha) {
        return Ok(noted);
    }
    let reports = view.statuses(context, proposal.sha.as_str()).await?;
    let accepted = accepted_on_forge(place, &proposal.sha, &reports, context.destination.account.id);
    if let Some(accepted) = &accepted {
        store.save_note(&context.id, place, accepted).await?;
    }
    Ok(accepted)
}

/// Reads an accepted override back from the reports on the proposed SHA: what `account` said last.
fn accepted_on_forge(
    place: &Place,
    proposed: &ProposedSha,
    reports: &[CommitStatus],
    account: u64,
) -> Option<WindowOverride> {
    let key = override_key(place);
    let ours = reports.iter().filter(|status| status.key == key && status.creator == Some(account));
    let newest = ours.max_by_key(|status| (status.reported_at, status.id))?;
    let said = newest.description.strip_prefix(OVERRIDDEN_BY).filter(|_| newest.state == StatusState::Success)?;
    let (by, reason) = said.split_once(": ")?;
    let (by, reason, at) = (by.to_owned(), reason.to_owned(), newest.reported_at);
    Some(WindowOverride { proposed: proposed.clone(), by, reason, at })
}

/// Returns what our status says of an override; the first `: ` ends the name.
fn description(by: &str, reason: &str) -> String {
    format!("{OVERRIDDEN_BY}{}: {reason}", by.replace(": ", " "))
}

/// Returns the key under which an accepted override stands on the proposed SHA.
fn override_key(place: &Place) -> StatusKey {
    StatusKey::new(format!("hydromote/override/{place}")).expect("because names of places are short")
}

/// Refuses where there is nothing to override, and where the server lets nobody.
fn may_be_overridden(view: &PlaceView, windows: Option<&EnvironmentWindows>) -> Result<(), CommandError> {
    let place = &view.place;
    let Some(windows) = windows.filter(|windows| !windows.is_empty()) else {
        return Err(CommandError::Refused {
            message: format!("There are no windows on {place} that could be overridden."),
            help: "Promote it without an override.".to_owned(),
        });
    };
    let refused = |why: String| {
        Err(CommandError::Refused {
            message: format!("{why}, and nobody may override the windows of this server."),
            help: "Its operator can allow that with `policies.windows.overridable` in `hydromote.toml`.".to_owned(),
        })
    };
    let closed = view.gates.iter().find(|closed| matches!(closed.gate, Gate::Window { of: WindowSource::Server, .. }));
    match closed {
        Some(gate) if !windows.may_override(WindowSource::Server) => refused(format!("{place} is {gate}")),
        None if windows.strategy.is_empty() && !windows.server_overridable => {
            refused(format!("{place} has windows of the server only"))
        }
        Some(_) => Ok(()),
        None if view.gates.iter().any(|closed| matches!(closed.gate, Gate::Window { .. })) => Ok(()),
        None => Err(CommandError::Refused {
            message: format!("No window keeps {place} closed now, so there is none to override."),
            help: "Promote it without an override; one is for the windows that are closed when it is given.".to_owned(),
        }),
    }
}

/// Returns a reason on one line.
fn reason_of(text: &str) -> Result<String, CommandError> {
    let reason: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON_LIMIT).collect();
    if reason.is_empty() || reason.contains(char::is_control) {
        return Err(CommandError::Malformed {
            message: "An override needs a reason.".to_owned(),
            help: "Say why it cannot wait; it is written into the commit.".to_owned(),
        });
    }
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::status::StatusSource;

    fn place() -> Place {
        Place { environment: EnvironmentName::new("prod").expect("a name"), lane: LaneName::single() }
    }

    fn said(id: u64, creator: u64, state: StatusState, description: &str) -> CommitStatus {
        CommitStatus {
            key: override_key(&place()),
            state,
            source: StatusSource::Status,
            reported_at: Timestamp::UNIX_EPOCH,
            id,
            description: description.into(),
            creator: Some(creator),
            reporter: None,
        }
    }

    #[test]
    fn only_what_our_own_account_said_last_is_an_accepted_override() {
        let proposed = ProposedSha::new("proposed-1").expect("an id");
        let accepted = |reports: &[CommitStatus]| {
            accepted_on_forge(&place(), &proposed, reports, 1).map(|wish| (wish.by, wish.reason))
        };
        let told = description("Ada: admin", "checkout: the shop is down");
        assert_eq!(told, "Windows overridden by Ada admin: checkout: the shop is down");
        let ours = said(1, 1, StatusState::Success, &told);
        let theirs = said(2, 7, StatusState::Success, "Windows overridden by Mallory: why not");
        let read = Some(("Ada admin".to_owned(), "checkout: the shop is down".to_owned()));
        assert_eq!(accepted(&[theirs.clone(), ours.clone()]), read);
        assert_eq!(accepted(&[theirs]), None);
        assert_eq!(accepted(&[ours, said(3, 1, StatusState::Error, "Taken back")]), None);
        assert_eq!(accepted(&[said(1, 1, StatusState::Success, "Promoted by ada")]), None);
    }
}
