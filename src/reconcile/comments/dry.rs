//! Dry pull requests: what became of their commit, and which place a command on one is about.
//!
//! - Its subject is no place but a commit: a command finds its place by its environment, and where none
//!   is named only when there is no choice.
//! - What is promoted from here is a proposal that brings the commit, and nothing else.

use jiff::{SignedDuration, Timestamp};

use super::{CommentReader, act::At, pull_requests::OtherPullRequest};
use crate::{
    domain::{
        comment::{Outcome, PREFIX, Verb},
        fate::Fate,
        gate::{Gate, Verdict},
        hydration::Hydration,
        ids::{DrySha, EnvironmentName, HeadSha, StrategyId},
        preview::Preview,
        strategy::nearest::list,
    },
    messages::{DryRow, DryStage},
    reconcile::{
        board::StrategyBoard,
        commands::{CommandError, place_view},
    },
};

/// How long after it was merged a commit that is not on the dry line may still be about to be fetched.
const FETCHED_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// A pull request into the dry branch.
pub(super) struct DryPullRequest {
    /// The strategies on that branch.
    pub(super) strategies: Vec<StrategyId>,
    /// Its head.
    pub(super) head: Option<HeadSha>,
    /// Where it is in its life.
    pub(super) stage: DryStage,
    /// When it was merged or closed.
    ended_at: Option<Timestamp>,
}

impl DryPullRequest {
    /// Returns the pull request, when there are strategies on the branch that it is merged into.
    pub(super) fn new(strategies: Vec<StrategyId>, other: OtherPullRequest) -> Option<Self> {
        let OtherPullRequest { head, stage, ended_at, .. } = other;
        (!strategies.is_empty()).then_some(Self { strategies, head, stage, ended_at })
    }

    /// Returns the dry commit that it became.
    pub(super) fn merged(&self) -> Option<&DrySha> {
        match &self.stage {
            DryStage::Merged(dry) => Some(dry),
            DryStage::Open | DryStage::Closed => None,
        }
    }

    /// Returns the answer to the command to preview it when there is nothing to preview any more.
    pub(super) fn refuses_preview(&self) -> Option<Outcome> {
        let message = match self.stage {
            DryStage::Open => return None,
            DryStage::Closed => "Not done: this pull request was closed without being merged.",
            DryStage::Merged(_) => "Not done: this pull request is merged.",
        };
        let help = match self.stage {
            DryStage::Merged(_) => "What became of it stands above; `/hydromote diff` shows what a promotion changes.",
            DryStage::Closed | DryStage::Open => "Open it again, and write the command then.",
        };
        Some(Outcome::Refused { message: message.to_owned(), help: help.to_owned() })
    }

    /// Returns the answer to commands about its commit while there is none.
    pub(super) fn refuses(&self) -> Option<Outcome> {
        let (message, help) = match self.stage {
            DryStage::Open => (
                "Not done: this pull request is not merged yet.",
                "Once it is, what it changes is proposed in each environment; write the command again then.",
            ),
            DryStage::Closed => (
                "Not done: this pull request was closed without being merged, so nothing of it is promoted.",
                "Write the command on the pull request whose commit it is about.",
            ),
            DryStage::Merged(_) => return None,
        };
        Some(Outcome::Refused { message: message.to_owned(), help: help.to_owned() })
    }
}

impl CommentReader<'_> {
    /// Returns every place of every strategy on the dry branch, and what became of the commit there.
    pub(super) fn rows(&self, dry: &DryPullRequest) -> Vec<DryRow<'_>> {
        let boards = dry.strategies.iter().filter_map(|id| self.boards.get(id));
        boards.flat_map(|board| rows(board, dry.merged())).collect()
    }

    /// Says whether a place renders its commit to what was previewed; nothing while that is not known.
    pub(super) fn foretold(&self, dry: &DryPullRequest, preview: &Preview, row: &DryRow<'_>) -> Option<bool> {
        let (commit, place) = (dry.merged()?, &row.view.place);
        if dry.head.as_ref() != Some(&preview.head) {
            return None;
        }
        let (_, snapshot) = self.boards.get(row.strategy)?.looked.0.as_ref()?;
        match snapshot.places.get(place)?.hydrations.get(commit)? {
            Hydration::Done { content, .. } => preview.foretold(&row.strategy.name, &place.environment, content),
            Hydration::Failed(_) => None,
        }
    }

    /// Says whether our comment on a dry pull request says all there is to say.
    pub(super) fn is_told(&self, dry: &DryPullRequest) -> bool {
        let now = (self.context.shared.clock)();
        let is_long_ago = || dry.ended_at.is_some_and(|ended| now.duration_since(ended) > FETCHED_WITHIN);
        match &dry.stage {
            DryStage::Open => false,
            DryStage::Closed => true,
            DryStage::Merged(commit) if self.stays_out(commit) => false,
            DryStage::Merged(commit) if self.is_on_line(dry, commit) => self.is_everywhere(dry),
            DryStage::Merged(_) => is_long_ago(),
        }
    }

    /// Says whether a strategy that a commit brought is not in force yet.
    fn stays_out(&self, commit: &DrySha) -> bool {
        self.boards.values().any(|board| board.kept_out.as_ref().is_some_and(|out| out.commit == *commit))
    }

    fn is_on_line(&self, dry: &DryPullRequest, commit: &DrySha) -> bool {
        dry.strategies.iter().filter_map(|id| self.boards.get(id)).any(|board| board.is_on_line(commit))
    }

    /// Says whether every place took a commit or something newer, and waits for nothing because of it.
    pub(super) fn is_everywhere(&self, dry: &DryPullRequest) -> bool {
        let rows = self.rows(dry);
        !rows.is_empty() && rows.iter().all(|row| self.is_past(row, dry))
    }

    /// Says whether a place took the commit or something newer, and waits for nothing because of it.
    fn is_past(&self, row: &DryRow<'_>, dry: &DryPullRequest) -> bool {
        match &row.fate {
            Some(Fate::Runs { verdict, .. } | Fate::NoOp { verdict }) => *verdict == Verdict::Verified,
            Some(Fate::Ran { .. } | Fate::PassedOver { .. }) => true,
            Some(_) => {
                let board = self.boards.get(row.strategy);
                dry.merged().is_some_and(|dry| board.is_some_and(|board| board.is_behind(row.view, dry)))
            }
            None => false,
        }
    }

    /// Returns the commit that commands on a dry pull request are about which name none.
    pub(super) fn commit_on_line<'a>(&self, dry: &'a DryPullRequest) -> Result<&'a DrySha, CommandError> {
        dry.merged().filter(|commit| self.is_on_line(dry, commit)).ok_or_else(|| CommandError::Refused {
            message: "Not done: the commit of this pull request is not on the dry branch as it was last read."
                .to_owned(),
            help: "When it was merged just now, write the command again in a moment.".to_owned(),
        })
    }

    /// Returns the place that a command names on a dry pull request, which is about none by itself.
    pub(super) fn named_place<'a>(
        &'a self,
        dry: &'a DryPullRequest,
        verb: Verb,
        environment: Option<&EnvironmentName>,
    ) -> Result<At<'a>, CommandError> {
        let rows = self.rows(dry);
        let Some(environment) = environment else {
            return Err(CommandError::Malformed {
                message: format!("`{verb}` names no environment, and this pull request is about more than one."),
                help: write_one(verb, &rows.iter().collect::<Vec<_>>()),
            });
        };
        let here: Vec<&DryRow<'_>> = named(&rows, environment);
        match here.as_slice() {
            [row] => Ok(At { strategy: row.strategy, view: row.view }),
            [] => Err(self.unknown(dry, environment, &rows)),
            several => Err(shared(environment, several)),
        }
    }

    /// Returns the place where what is proposed brings the commit of a dry pull request.
    pub(super) fn bringing_place<'a>(
        &'a self,
        dry: &'a DryPullRequest,
        verb: Verb,
        environment: Option<&EnvironmentName>,
    ) -> Result<At<'a>, CommandError> {
        let rows = self.rows(dry);
        if let Some(environment) = environment.filter(|name| named(&rows, name).is_empty()) {
            return Err(self.unknown(dry, environment, &rows));
        }
        let row = choose(&rows, self.commit_on_line(dry)?.short(), verb, environment)?;
        Ok(At { strategy: row.strategy, view: row.view })
    }

    /// Says which environments there are.
    fn unknown(&self, dry: &DryPullRequest, environment: &EnvironmentName, rows: &[DryRow<'_>]) -> CommandError {
        // With one strategy it is said as everywhere.
        if let [strategy] = dry.strategies.as_slice()
            && let Some(Err(error)) = self.boards.get(strategy).map(|board| place_view(board, environment, None))
        {
            return error;
        }
        let message = format!("There is no environment `{environment}` on this branch.");
        CommandError::Unknown { message, help: format!("There is {}.", list(&names(rows.iter()), "and")) }
    }
}

/// Returns the places of one strategy, and what became of a dry commit there.
fn rows<'a>(board: &'a StrategyBoard, dry: Option<&DrySha>) -> Vec<DryRow<'a>> {
    match dry.filter(|dry| board.is_on_line(dry)) {
        Some(dry) => {
            let row = |(view, fate)| DryRow { strategy: &board.id, view, fate: Some(fate), foretold: None };
            board.fates(dry).into_iter().map(row).collect()
        }
        None => {
            let row = |view| DryRow { strategy: &board.id, view, fate: None, foretold: None };
            board.places.iter().map(row).collect()
        }
    }
}

/// Returns the place whose proposal a command is about: the named one, else the only one. A promotion
/// without a name is about what waits for a person.
fn choose<'r, 'a>(
    rows: &'r [DryRow<'a>],
    short: &str,
    verb: Verb,
    environment: Option<&EnvironmentName>,
) -> Result<&'r DryRow<'a>, CommandError> {
    let here = || rows.iter().filter(|row| environment.is_none_or(|name| row.view.place.environment == *name));
    let brought: Vec<&DryRow<'_>> = here().filter(|row| row.is_brought()).collect();
    let asks_person = |row: &&&DryRow<'_>| row.view.gates.iter().any(|closed| closed.gate == Gate::Promote);
    let wanted: Vec<&DryRow<'_>> = match (environment, verb) {
        (None, Verb::Promote) => brought.iter().filter(asks_person).copied().collect(),
        _ => brought.clone(),
    };
    match (wanted.as_slice(), environment) {
        ([row], _) => Ok(row),
        ([], Some(environment)) => {
            let fates = here().filter_map(|row| row.fate.as_ref()).map(ToString::to_string);
            Err(CommandError::Refused {
                message: format!("Not done: nothing that is proposed for {environment} brings {short}."),
                help: format!("What became of it there: {}.", fates.collect::<Vec<_>>().join("; ")),
            })
        }
        ([], None) if brought.is_empty() => Err(CommandError::Refused {
            message: format!("Not done: nothing that is proposed now brings {short}."),
            help: "The table above says what became of it in each environment.".to_owned(),
        }),
        ([], None) => Err(CommandError::Refused {
            message: format!("Not done: {short} is proposed, and waits for no person anywhere."),
            help: write_one(verb, &brought),
        }),
        (several, Some(environment)) => Err(shared(environment, several)),
        (several, None) => Err(CommandError::Malformed {
            message: format!("Not done: {short} is proposed for {}.", list(&names(several.iter().copied()), "and")),
            help: write_one(verb, several),
        }),
    }
}

fn named<'r, 'a>(rows: &'r [DryRow<'a>], environment: &EnvironmentName) -> Vec<&'r DryRow<'a>> {
    rows.iter().filter(|row| row.view.place.environment == *environment).collect()
}

/// Returns the names of environments, each once.
fn names<'r, 'a: 'r>(rows: impl IntoIterator<Item = &'r DryRow<'a>>) -> Vec<&'r str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        let name = row.view.place.environment.as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Says how a command is written for one of these places.
fn write_one(verb: Verb, rows: &[&DryRow<'_>]) -> String {
    let names = names(rows.iter().copied());
    let lines: Vec<String> = names.iter().map(|name| format!("{PREFIX} {verb} {name}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    format!("Name one: {}.", list(&lines, "or"))
}

/// Says that strategies share the name of an environment.
fn shared(environment: &EnvironmentName, rows: &[&DryRow<'_>]) -> CommandError {
    let strategies: Vec<&str> = rows.iter().map(|row| row.strategy.name.as_str()).collect();
    CommandError::Malformed {
        message: format!("The strategies {} each have an environment {environment}.", list(&strategies, "and")),
        help: "Write the command on the promotion pull request of the one that you mean.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{
        gate::ClosedGate,
        ids::{BranchName, LaneName, Place, ProposedSha, PullRequestNumber, RepositoryId, StrategyName},
        plan::PlaceView,
    };

    /// Whether the place waits for a person.
    #[derive(Clone, Copy, PartialEq)]
    enum Person {
        Waits,
        No,
    }

    fn strategy() -> StrategyId {
        let repository = RepositoryId::new("acme/shop").expect("an owner and a name");
        StrategyId { repository, name: StrategyName::new("shop").expect("a name") }
    }

    fn place(name: &str, person: Person) -> PlaceView {
        let promote = ClosedGate {
            gate: Gate::Promote,
            since: Timestamp::UNIX_EPOCH,
            until: None,
            deadline: None,
            is_overdue: false,
        };
        PlaceView {
            proposed: Some(ProposedSha::new("proposed-1").expect("an id")),
            pull_request: Some(PullRequestNumber(7)),
            gates: if person == Person::Waits { vec![promote] } else { Vec::new() },
            ..PlaceView::empty(
                Place { environment: EnvironmentName::new(name).expect("a name"), lane: LaneName::single() },
                BranchName::new(name).expect("a branch"),
            )
        }
    }

    /// Returns the place that is chosen, or why none is.
    fn chosen(places: &[(PlaceView, Fate)], verb: Verb, environment: Option<&str>) -> String {
        let strategy = strategy();
        let rows: Vec<_> = places
            .iter()
            .map(|(view, fate)| DryRow { strategy: &strategy, view, fate: Some(fate.clone()), foretold: None })
            .collect();
        let environment = environment.map(|name| EnvironmentName::new(name).expect("a name"));
        match choose(&rows, "0123456", verb, environment.as_ref()) {
            Ok(row) => row.view.place.to_string(),
            Err(CommandError::Refused { message, help } | CommandError::Malformed { message, help }) => {
                format!("{message} {help}")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn without_a_name_a_promotion_is_about_what_waits_for_a_person() {
        let (asks, goes) = (Person::Waits, Person::No);
        let proposed = |name, person| (place(name, person), Fate::Proposed);
        let one = [proposed("staging", goes), proposed("prod", asks)];
        assert_eq!(chosen(&one, Verb::Promote, None), "prod");
        assert_eq!(chosen(&one, Verb::Promote, Some("staging")), "staging");
        insta::assert_snapshot!(chosen(&one, Verb::Diff, None), @"Not done: 0123456 is proposed for `staging` and `prod`. Name one: `/hydromote diff staging` or `/hydromote diff prod`.");
        let two = [proposed("eu", asks), proposed("us", asks)];
        insta::assert_snapshot!(chosen(&two, Verb::Promote, None), @"Not done: 0123456 is proposed for `eu` and `us`. Name one: `/hydromote promote eu` or `/hydromote promote us`.");
        insta::assert_snapshot!(chosen(&two[..0], Verb::Promote, None), @"Not done: nothing that is proposed now brings 0123456. The table above says what became of it in each environment.");
        insta::assert_snapshot!(chosen(&one[..1], Verb::Promote, None), @"Not done: 0123456 is proposed, and waits for no person anywhere. Name one: `/hydromote promote staging`.");
    }

    #[test]
    fn what_does_not_bring_the_commit_is_not_promoted_whoever_names_it() {
        let newer = DrySha::new("89abcdef").expect("an id");
        let along = [(place("prod", Person::Waits), Fate::ComesWith { newer })];
        assert_eq!(chosen(&along, Verb::Promote, None), "prod");
        let environment = EnvironmentName::new("dev").expect("a name");
        let other = [(place("prod", Person::Waits), Fate::Blocked { environment })];
        insta::assert_snapshot!(chosen(&other, Verb::Promote, Some("prod")), @"Not done: nothing that is proposed for prod brings 0123456. What became of it there: the rollback of dev keeps it out; it waits for a fix, a revert or `unhold dev`.");
        let unopened = [(PlaceView { pull_request: None, ..place("prod", Person::Waits) }, Fate::Proposed)];
        insta::assert_snapshot!(chosen(&unopened, Verb::Diff, Some("prod")), @"Not done: nothing that is proposed for prod brings 0123456. What became of it there: it is proposed here.");
    }
}
