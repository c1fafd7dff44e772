//! The page before a command: what will change, and what the person has to say.

use http::StatusCode;
use serde::Serialize;

use super::{
    Asked, address,
    difference::{self, Difference},
    templates::Page,
};
use crate::{
    domain::{
        gate::Gate,
        hold::HoldRule,
        ids::{ActiveSha, EnvironmentName},
        plan::PlaceView,
        rollback::Choice,
    },
    reconcile::{board::StrategyBoard, commands::place_view},
    server::{
        api::documents::{ChoiceView, CommitView, EnvironmentView},
        problem::{Problem, ProblemDocument},
        site::Site,
    },
};

/// The fewest characters of a commit id that name a choice.
const SHORTEST_ID: usize = 7;

/// How many choices a page offers, newest first.
const OFFERED: usize = 20;

/// What people do about an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Act {
    /// Promotes what is proposed.
    Promote,
    /// Stops everything there.
    Hold,
    /// Takes a hold back, and what rollbacks keep out.
    Release,
    /// Brings earlier content back.
    Rollback,
    /// Brings back what was promoted last, over what others put there.
    Restore,
    /// Takes what others put there as what runs.
    Adopt,
}

impl Act {
    /// Reads the last part of a path.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "promote" => Some(Self::Promote),
            "hold" => Some(Self::Hold),
            "release" => Some(Self::Release),
            "rollback" => Some(Self::Rollback),
            "restore" => Some(Self::Restore),
            "adopt" => Some(Self::Adopt),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Rollback => "rollback",
            Self::Restore => "restore",
            Self::Adopt => "adopt",
        }
    }

    fn title(self, place: &str) -> String {
        match self {
            Self::Promote => format!("Promote to {place}"),
            Self::Hold => format!("Hold {place}"),
            Self::Release => format!("Release {place}"),
            Self::Rollback => format!("Roll back {place}"),
            Self::Restore => format!("Restore {place}"),
            Self::Adopt => format!("Adopt what is in {place}"),
        }
    }

    /// Says whether there is anything to do.
    fn is_possible(self, view: &PlaceView) -> bool {
        match self {
            Self::Promote => {
                let asks = view.gates.iter().any(|closed| closed.gate == Gate::Promote);
                view.proposed.is_some() && (view.pull_request.is_some() || asks)
            }
            Self::Hold => view.active.is_some() && view.rollback.is_none(),
            Self::Release => view.hold.is_some() || view.rollback.is_some() || !view.restoring.is_empty(),
            Self::Rollback => view.running.is_some() && view.rollback.is_none() && !view.choices.is_empty(),
            Self::Restore => view.restore.is_none() && (view.foreign.is_some() || promoted_last(view).is_some()),
            Self::Adopt => view.restore.is_none() && view.drift.is_some(),
        }
    }

    /// Returns what the person saw, as a form carries it: the command is bound to it.
    fn seen(self, view: &PlaceView) -> String {
        match self {
            Self::Promote => view.proposed.as_ref().map(ToString::to_string),
            Self::Hold | Self::Rollback => view.running.as_ref().map(|running| running.dry.to_string()),
            Self::Release => view.hold.as_ref().map(|hold| hold.at.to_string()),
            Self::Restore | Self::Adopt => {
                let drift = view.drift.as_ref().map(|drift| drift.newest.to_string());
                drift.or(view.foreign.as_ref().map(|work| work.head.to_string()))
            }
        }
        .unwrap_or_default()
    }
}

/// What a person has filled in already.
#[derive(Debug, Default, Serialize)]
pub(super) struct Filled {
    pub(super) reason: String,
    pub(super) minutes: String,
    pub(super) force: bool,
}

/// The page before a command.
#[derive(Debug, Serialize)]
pub(super) struct Confirmation {
    act: Act,
    title: String,
    strategy: String,
    name: String,
    place: EnvironmentView,
    /// The address of the environment's pages.
    address: String,
    lane: String,
    possible: bool,
    seen: String,
    restoring: bool,
    held_strictly: bool,
    choices: Vec<ChoiceView>,
    /// Whether there are older ones.
    more: bool,
    chosen: Option<ChoiceView>,
    /// Between what is chosen and what runs.
    left: Option<CommitView>,
    difference: Option<Difference>,
    error: Option<ProblemDocument>,
    filled: Filled,
    form_token: String,
}

impl Confirmation {
    pub(super) async fn of(
        site: &Site,
        board: &StrategyBoard,
        environment: &EnvironmentName,
        act: Act,
        asked: &Asked,
    ) -> Result<Self, Problem> {
        let view = place_view(board, environment, asked.lane.as_ref())?;
        let (address, lane) = address(board, environment, asked.lane.as_ref())?;
        let place = EnvironmentView::of(board, view);
        let chosen = if act == Act::Rollback { chosen(view, asked.to.as_deref())? } else { None };
        let repository = &board.id.repository;
        let difference = match (act, chosen) {
            (Act::Promote, _) => difference::proposed(site, repository, view).await,
            (Act::Restore, _) => match promoted_last(view) {
                Some(last) => Some(difference::between(site, repository, view, last.as_str()).await),
                None => None,
            },
            (Act::Adopt, _) => difference::drifted(site, repository, view).await,
            (Act::Rollback, Some(choice)) => {
                Some(difference::between(site, repository, view, choice.target.commit.as_str()).await)
            }
            _ => None,
        };
        let at = chosen.and_then(|chosen| view.choices.iter().position(|choice| choice == chosen));
        Ok(Self {
            act,
            title: act.title(&place.place),
            strategy: board.id.to_string(),
            name: board.id.name.to_string(),
            address,
            lane,
            possible: act.is_possible(view),
            seen: act.seen(view),
            restoring: !view.restoring.is_empty(),
            held_strictly: view.hold.as_ref().is_some_and(|hold| hold.rule == HoldRule::Strict),
            chosen: at.and_then(|at| place.choices.get(at).cloned()),
            more: place.choices.len() > OFFERED,
            choices: place.choices.iter().take(OFFERED).cloned().collect(),
            left: place.running.as_ref().map(|running| running.commit.clone()),
            difference,
            place,
            error: None,
            filled: Filled::default(),
            form_token: String::new(),
        })
    }

    /// Returns it for a session, whose forms carry `form_token`.
    pub(super) fn for_session(self, form_token: &str) -> Self {
        Self { form_token: form_token.to_owned(), ..self }
    }

    /// Returns it again after a command was refused, with what was filled in.
    pub(super) fn again(self, error: ProblemDocument, filled: Filled) -> Self {
        Self { error: Some(error), filled, ..self }
    }
}

impl Page for Confirmation {
    const TEMPLATE: &'static str = "confirm.html";

    fn title(&self) -> String {
        self.title.clone()
    }
}

/// Returns a commit that holds what was promoted last, where others put something over it.
fn promoted_last(view: &PlaceView) -> Option<&ActiveSha> {
    view.drift.as_ref()?.promoted.as_ref().map(|promoted| &promoted.commit)
}

/// Returns what a rollback goes back to: what the person chose, else last known-good, else the newest.
fn chosen<'a>(view: &'a PlaceView, to: Option<&str>) -> Result<Option<&'a Choice>, Problem> {
    let Some(to) = to.filter(|to| !to.is_empty()) else {
        let good = view.choices.iter().find(|choice| choice.known_good);
        return Ok(good.or(view.choices.first()));
    };
    let named = |choice: &&Choice| to.len() >= SHORTEST_ID && choice.target.dry.as_str().starts_with(to);
    view.choices.iter().find(named).map(Some).ok_or_else(|| {
        let error = format!("{} did not run in {} before what runs now.", short(to), view.place);
        Problem::new(StatusCode::CONFLICT, error, "Go back to the environment's page and look again.")
    })
}

fn short(text: &str) -> String {
    text.chars().take(SHORTEST_ID).collect()
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
