//! What people tell the service: promote, report, retry.
//!
//! - Nothing is decided here. A command is written down, and the worker is told to look again.
//! - What must survive the loss of the database is on the forge before it is in the store, and in
//!   the store before it is acknowledged.
//! - A promotion is bound to the proposed SHA at its acceptance: when another is proposed, the
//!   command is dropped.

use super::{attention::Attention, board::Boards, board::StrategyBoard, context::Clock, forges::Forges, hub::Hub};
use crate::{
    domain::{
        deployed::Mark,
        gate::Gate,
        ids::{
            DrySha, EnvironmentName, ForgeName, LaneName, Place, ProposedSha, PullRequestNumber, StatusKey, StrategyId,
        },
        plan::PlaceView,
        snapshot::{Obstacle, PostedStatus, PromoteRequest, Refusal},
        status::{CommitStatus, StatusState},
        strategy::key_pattern::OWN_PREFIX,
    },
    forge::{ForgeError, NewStatus, SharedForge},
    store::{Store, StoreError},
};

/// What begins the description of an accepted promotion; who asked for it follows.
const PROMOTED_BY: &str = "Promoted by ";

/// The most characters of a person's name that are kept.
const NAME_LIMIT: usize = 80;

/// The fewest characters of a commit id that name a commit which the board knows.
pub(super) const SHORTEST_ID: usize = 7;

/// Takes commands. Cloning is cheap.
#[derive(Clone)]
pub struct Commands {
    /// The store.
    pub store: Store,
    /// The forges.
    pub forges: Forges,
    /// Reaches the workers.
    pub hub: Hub,
    /// What people saw when they gave the command.
    pub boards: Boards,
    /// The time.
    pub clock: Clock,
    /// The service's own address for people, without a slash at its end.
    pub public_url: Option<String>,
}

/// A promotion that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    /// Where it goes.
    pub place: Place,
    /// The dry SHA that is proposed there.
    pub dry: Option<DrySha>,
    /// The head that the command is bound to.
    pub proposed: ProposedSha,
    /// The pull request; absent where it goes without one.
    pub pull_request: Option<PullRequestNumber>,
    /// Who asked first.
    pub by: String,
    /// What it still waits for, in words; empty when it is merged next.
    pub waits: Vec<String>,
}

impl Promoted {
    /// Returns where it goes, and with which pull request, in words.
    pub fn way(&self) -> String {
        let with = self.pull_request.map(|number| format!(" with {number}")).unwrap_or_default();
        format!("{}{with}", self.place)
    }
}

/// Something to report on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReport {
    /// The key.
    pub key: String,
    /// The verdict.
    pub state: StatusState,
    /// The commit: its id, or the beginning of one that the board shows.
    pub sha: String,
    /// The reporter's words.
    pub description: String,
}

/// A report that was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The key.
    pub key: StatusKey,
    /// The commit's whole id.
    pub sha: String,
}

/// Why a command was not accepted, by what the person does about it.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The thing is not there; the help names what is.
    #[error("{message}")]
    Unknown {
        /// What is not there.
        message: String,
        /// What is.
        help: String,
    },
    /// The command cannot be understood.
    #[error("{message}")]
    Malformed {
        /// What is wrong with it.
        message: String,
        /// What would be right.
        help: String,
    },
    /// The answer is no.
    #[error("{message}")]
    Refused {
        /// Why not.
        message: String,
        /// What to do instead.
        help: String,
    },
    /// The forge.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Commands {
    /// Accepts a promotion of what is proposed in an environment now; `seen` is what the person saw
    /// proposed, where that is known.
    ///
    /// # Errors
    /// [`CommandError::Refused`] when nothing waits there, and when it is not what was seen.
    pub async fn promote(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        lane: Option<&LaneName>,
        seen: Option<&ProposedSha>,
        by: &str,
    ) -> Result<Promoted, CommandError> {
        let board = self.board(strategy)?;
        let view = proposed_view(&board, environment, lane)?;
        let goes_without = board.needs_no_pull_request(&view.place) && view.wanted.is_some();
        let pull_request = view.pull_request;
        let Some(proposed) = view.proposed.as_ref().filter(|_| pull_request.is_some() || goes_without) else {
            return Err(nothing_waits(view));
        };
        if let Some(seen) = seen.filter(|seen| *seen != proposed) {
            return Err(moved_on(view, proposed, seen));
        }
        // Where lanes share a pull request it is promoted as a whole.
        let (place, by) = (board.proposer(&view.place), name(by)?);
        let mut promoted = Promoted {
            place: place.clone(),
            dry: view.wanted.clone(),
            proposed: proposed.clone(),
            pull_request,
            by: by.clone(),
            waits: waits(view),
        };
        let before: Option<PromoteRequest> = self.store.note(strategy, &place).await?;
        if let Some(before) = before.filter(|before| before.proposed == *proposed) {
            promoted.by = before.by;
            return Ok(promoted);
        }
        let status = PostedStatus::new(StatusState::Success, &format!("{PROMOTED_BY}{by}"));
        self.post(strategy, proposed.as_str(), promote_key(&place), &status).await?;
        let request = PromoteRequest { proposed: proposed.clone(), by: by.clone(), at: (self.clock)() };
        let _wakes = self.hub.waking(&strategy.repository);
        self.store.save_note(strategy, &place, &request).await?;
        let dry = view.wanted.as_ref().map_or(proposed.short(), DrySha::short);
        self.tell(strategy, Some(&place), &by, &asked_to_promote(dry, &place)).await?;
        tracing::info!(environment.name = %environment, proposed.sha = %proposed, by, "{by} promotes {dry} to {place}");
        Ok(promoted)
    }

    /// Has everything tried again that failed: hydrations, compositions, merges.
    ///
    /// # Errors
    /// When there is no such strategy.
    pub async fn retry(&self, strategy: &StrategyId, by: &str) -> Result<u64, CommandError> {
        self.board(strategy)?;
        let by = name(by)?;
        let forgotten = self.store.forget_failed_hydrations(strategy).await?;
        self.store.forget_notes::<Refusal>(strategy).await?;
        self.store.forget_notes::<Obstacle>(strategy).await?;
        self.tell(strategy, None, &by, "asked to try again what failed").await?;
        tracing::info!(%strategy, by, "{by} has what failed tried again");
        self.hub.heed(&strategy.repository, Attention::Everything);
        Ok(forgotten)
    }

    /// Posts a commit status for somebody who has no access to the forge.
    ///
    /// # Errors
    /// [`CommandError::Malformed`] for keys of our own and for commits that cannot be told apart.
    pub async fn report(&self, strategy: &StrategyId, report: &NewReport, by: &str) -> Result<Reported, CommandError> {
        let board = self.board(strategy)?;
        let (key, sha, by) = (foreign_key(&report.key)?, commit(&board, &report.sha)?, name(by)?);
        if let Some(mark) = Mark::read(report.description.trim()) {
            let message = format!("The description ends like one of {}, which reports by itself.", mark.tool.name());
            return Err(CommandError::Malformed { message, help: format!("Leave `{mark}` out.") });
        }
        let status = PostedStatus::new(report.state, &report.description);
        match DrySha::new(sha.clone()) {
            Ok(dry) if board.is_on_line(&dry) => self.post_on_dry(strategy, &sha, key.clone(), &status).await?,
            _ => self.post(strategy, &sha, key.clone(), &status).await?,
        }
        let short = sha.get(..SHORTEST_ID).unwrap_or(&sha);
        self.tell(strategy, None, &by, &format!("reported `{key}` {} on {short}", report.state.word())).await?;
        self.hub.heed(&strategy.repository, Attention::Commit { sha: sha.clone(), key: Some(key.to_string()) });
        Ok(Reported { key, sha })
    }

    /// Returns what people see of a strategy.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] with the strategies that there are.
    pub fn board(&self, strategy: &StrategyId) -> Result<StrategyBoard, CommandError> {
        self.boards.of(strategy).ok_or_else(|| {
            let known: Vec<String> = self.boards.all().keys().map(|id| format!("`{id}`")).collect();
            let trouble = self.boards.troubles().remove(&strategy.repository);
            let help = match known.as_slice() {
                _ if trouble.is_some() => {
                    format!("Its repository could not be looked at: {}.", trouble.unwrap_or_default())
                }
                [] => "No strategy has been found yet; after a start it takes a moment.".to_owned(),
                known => format!("There is {}.", known.join(", ")),
            };
            CommandError::Unknown { message: format!("There is no strategy `{strategy}`."), help }
        })
    }

    /// Posts a status on a commit of the environments.
    pub(super) async fn post(
        &self,
        strategy: &StrategyId,
        sha: &str,
        key: StatusKey,
        status: &PostedStatus,
    ) -> Result<(), CommandError> {
        let board = self.board(strategy)?;
        let (forge, repository) = match board.destination_id() {
            Some(there) => (self.forge(&there.forge)?, &there.repository),
            None => (self.dry_forge(strategy)?, &strategy.repository),
        };
        let new = self.new_status(strategy, key, status);
        Ok(forge.post_status(repository, sha, &new).await?)
    }

    /// Posts a status on a dry commit.
    pub(super) async fn post_on_dry(
        &self,
        strategy: &StrategyId,
        sha: &str,
        key: StatusKey,
        status: &PostedStatus,
    ) -> Result<(), CommandError> {
        let new = self.new_status(strategy, key, status);
        Ok(self.dry_forge(strategy)?.post_status(&strategy.repository, sha, &new).await?)
    }

    /// Returns the forge with the dry branch of a strategy.
    pub(super) fn dry_forge(&self, strategy: &StrategyId) -> Result<&SharedForge, CommandError> {
        let (_, forge) = self.forges.serving(&strategy.repository).ok_or_else(|| CommandError::Unknown {
            message: format!("{} is not served.", strategy.repository),
            help: "The server's settings name the repositories that are.".to_owned(),
        })?;
        Ok(forge)
    }

    fn forge(&self, name: &ForgeName) -> Result<&SharedForge, CommandError> {
        self.forges.named(name).ok_or_else(|| CommandError::Unknown {
            message: format!("The server knows no forge `{name}`."),
            help: "Its settings name the forges that it knows.".to_owned(),
        })
    }

    fn new_status(&self, strategy: &StrategyId, key: StatusKey, status: &PostedStatus) -> NewStatus {
        let target_url = self.public_url.as_ref().map(|url| format!("{url}/strategies/{}", strategy.path()));
        NewStatus { key, state: status.state, description: status.description.clone(), target_url }
    }

    pub(super) async fn tell(
        &self,
        strategy: &StrategyId,
        place: Option<&Place>,
        who: &str,
        what: &str,
    ) -> Result<(), CommandError> {
        Ok(self.store.save_event(strategy, place, (self.clock)(), who, what).await?)
    }
}

/// Returns what the record says of an accepted promotion of a commit, in its short form.
pub fn asked_to_promote(dry: &str, place: &Place) -> String {
    format!("asked to promote {dry} to {place}")
}

/// Returns the key under which an accepted promotion stands on the proposed SHA.
pub fn promote_key(place: &Place) -> StatusKey {
    StatusKey::new(format!("{OWN_PREFIX}promote/{place}")).expect("because names of places are short")
}

/// Reads an accepted promotion back from the reports on the proposed SHA: what `account` said last.
pub fn accepted_on_forge(
    place: &Place,
    proposed: &ProposedSha,
    reports: &[CommitStatus],
    account: u64,
) -> Option<PromoteRequest> {
    let key = promote_key(place);
    let ours = reports.iter().filter(|status| status.key == key && status.creator == Some(account));
    let newest = ours.max_by_key(|status| (status.reported_at, status.id))?;
    (newest.state == StatusState::Success).then(|| PromoteRequest {
        proposed: proposed.clone(),
        by: newest.description.strip_prefix(PROMOTED_BY).unwrap_or(&newest.description).to_owned(),
        at: newest.reported_at,
    })
}

/// Finds the place whose proposal is meant: where all lanes share a pull request and none is named, one that is in it.
///
/// # Errors
/// As [`place_view`].
pub(super) fn proposed_view<'a>(
    board: &'a StrategyBoard,
    environment: &EnvironmentName,
    lane: Option<&LaneName>,
) -> Result<&'a PlaceView, CommandError> {
    let mut lanes = board.places.iter().filter(|view| view.place.environment == *environment);
    match lanes.next() {
        Some(first) if lane.is_none() && board.proposer(&first.place) != first.place => {
            Ok(lanes.find(|view| view.pull_request.is_some() && first.pull_request.is_none()).unwrap_or(first))
        }
        _ => place_view(board, environment, lane),
    }
}

/// Finds a place on the board; without a lane, the environment's only one.
///
/// # Errors
/// [`CommandError::Unknown`] with the places that there are.
pub fn place_view<'a>(
    board: &'a StrategyBoard,
    environment: &EnvironmentName,
    lane: Option<&LaneName>,
) -> Result<&'a PlaceView, CommandError> {
    let here = |view: &&PlaceView| view.place.environment == *environment;
    let mut found = board.places.iter().filter(here).filter(|view| lane.is_none_or(|lane| view.place.lane == *lane));
    match (found.next(), found.next()) {
        (Some(view), None) => Ok(view),
        (Some(_), Some(_)) => {
            let lanes: Vec<String> =
                board.places.iter().filter(here).map(|view| format!("`{}`", view.place.lane)).collect();
            let message = format!("{environment} has several lanes.");
            Err(CommandError::Malformed { message, help: format!("Name one: {}.", lanes.join(", ")) })
        }
        (None, _) => {
            let mut known: Vec<String> = board.places.iter().map(|view| format!("`{}`", view.place)).collect();
            known.dedup();
            let lane = lane.map(|lane| format!("/{lane}")).unwrap_or_default();
            let message = format!("There is no environment `{environment}{lane}` in `{}`.", board.id);
            let help = match known.as_slice() {
                [] => "Its environments have not been looked at yet.".to_owned(),
                known => format!("There is {}.", known.join(", ")),
            };
            Err(CommandError::Unknown { message, help })
        }
    }
}

/// Says what runs where nothing waits to be promoted.
pub(super) fn nothing_waits(view: &PlaceView) -> CommandError {
    let place = &view.place;
    let runs = match &view.running {
        Some(running) => format!("{place} runs {}", running.dry.short()),
        None => format!("{place} runs nothing yet"),
    };
    let (message, help) = match &view.wanted {
        None => (
            format!("{runs}, and nothing waits to be promoted there."),
            "Commit to the dry branch; what is newer is proposed by itself.".to_owned(),
        ),
        Some(wanted) => (
            format!("{runs}, and no pull request is open yet to promote {}.", wanted.short()),
            match view.gates.first() {
                Some(gate) => format!("It is kept by this: {gate}."),
                None => "It is about to be opened; try again in a moment.".to_owned(),
            },
        ),
    };
    CommandError::Refused { message, help }
}

/// Says what is proposed instead of what was seen.
pub(super) fn moved_on(view: &PlaceView, proposed: &ProposedSha, seen: &ProposedSha) -> CommandError {
    let what = match &view.wanted {
        Some(dry) => format!("{} in {}", dry.short(), proposed.short()),
        None => proposed.short().to_owned(),
    };
    CommandError::Refused {
        message: format!("{} would get {what} now, and no longer {}.", view.place, seen.short()),
        help: "Look again before you promote it.".to_owned(),
    }
}

/// Returns what a promotion still waits for once a person has asked for it.
fn waits(view: &PlaceView) -> Vec<String> {
    view.gates.iter().filter(|closed| closed.gate != Gate::Promote).map(ToString::to_string).collect()
}

/// Returns a key that is not one of our own.
fn foreign_key(text: &str) -> Result<StatusKey, CommandError> {
    if text.to_ascii_lowercase().starts_with(OWN_PREFIX) {
        return Err(CommandError::Malformed {
            message: format!("`{text}` cannot be reported: keys that begin with `{OWN_PREFIX}` are Hydromote's own."),
            help: "Report under a key that the strategy lists, such as `health`.".to_owned(),
        });
    }
    StatusKey::new(text).map_err(|error| CommandError::Malformed {
        message: error.to_string(),
        help: "A key has 1 to 255 characters and no control characters.".to_owned(),
    })
}

/// Returns the whole id of a commit: as it is, or the only one on the board that begins so.
fn commit(board: &StrategyBoard, text: &str) -> Result<String, CommandError> {
    let text = text.trim().to_ascii_lowercase();
    let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && matches!(text.len(), 40 | 64) {
        return Ok(text);
    }
    let malformed = |message: String| CommandError::Malformed {
        message,
        help: "Give the commit's whole id, as `git rev-parse` prints it.".to_owned(),
    };
    if !hexadecimal || text.len() < SHORTEST_ID {
        return Err(malformed(format!("`{text}` is not a commit id.")));
    }
    let mut known: Vec<&str> = board
        .places
        .iter()
        .flat_map(|view| {
            let active = view.active.iter().map(|sha| sha.as_str());
            let proposed = view.proposed.iter().map(|sha| sha.as_str());
            let dry = view.running.iter().map(|running| running.dry.as_str());
            active.chain(proposed).chain(dry).chain(view.wanted.iter().map(|sha| sha.as_str()))
        })
        .chain(board.dry_head.iter().map(|sha| sha.as_str()))
        .filter(|sha| sha.starts_with(&text))
        .collect();
    known.sort_unstable();
    known.dedup();
    match known.as_slice() {
        [sha] => Ok((*sha).to_owned()),
        [] => Err(malformed(format!("No commit that is shown on the board begins with `{text}`."))),
        _ => Err(malformed(format!("Several commits begin with `{text}`."))),
    }
}

/// Returns a person's name on one line.
pub(super) fn name(text: &str) -> Result<String, CommandError> {
    let name: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(NAME_LIMIT).collect();
    if name.is_empty() || name.contains(char::is_control) {
        return Err(CommandError::Malformed {
            message: "The name of the person who asks is empty or unreadable.".to_owned(),
            help: "Give a name, or leave it out.".to_owned(),
        });
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::status::StatusSource;

    fn said(id: u64, creator: u64, state: StatusState, description: &str) -> CommitStatus {
        let place = Place { environment: EnvironmentName::new("prod").expect("a name"), lane: LaneName::single() };
        CommitStatus {
            key: promote_key(&place),
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
    fn only_what_our_own_account_said_last_is_an_accepted_promotion() {
        let place = Place { environment: EnvironmentName::new("prod").expect("a name"), lane: LaneName::single() };
        let proposed = ProposedSha::new("proposed-1").expect("an id");
        let accepted = |reports: &[CommitStatus]| {
            accepted_on_forge(&place, &proposed, reports, 1).map(|request| (request.by, request.proposed))
        };
        let ours = said(1, 1, StatusState::Success, "Promoted by developer");
        let theirs = said(2, 7, StatusState::Success, "Promoted by Mallory");
        assert_eq!(accepted(&[theirs.clone(), ours.clone()]), Some(("developer".into(), proposed.clone())));
        assert_eq!(accepted(&[theirs]), None);
        assert_eq!(accepted(&[ours, said(3, 1, StatusState::Error, "Taken back")]), None);
    }
}
