//! What a proposal, a rollback or somebody else changes, resource by resource.

use http::StatusCode;
use serde::Serialize;

use super::{address, templates::Page};
use crate::{
    domain::{
        ids::{EnvironmentName, LaneName, RepositoryId},
        plan::PlaceView,
    },
    reconcile::{
        board::StrategyBoard,
        changes::{Change, ChangesError, OutputDifference, ResourceChange, Shown},
        commands::place_view,
    },
    server::{api::documents::EnvironmentView, problem::Problem, site::Site},
};

/// So many resources are shown unfolded.
const UNFOLDED: usize = 12;

/// What differs, as it is shown.
#[derive(Debug, Default, Serialize)]
pub(super) struct Difference {
    outputs: Vec<Output>,
    added: usize,
    changed: usize,
    removed: usize,
    unfolded: bool,
    left_out: bool,
    /// Why nothing could be compared.
    trouble: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Output {
    output: String,
    resources: Vec<Resource>,
}

#[derive(Debug, Serialize)]
struct Resource {
    what: String,
    change: &'static str,
    lines: Vec<Line>,
    /// Why not all of it is shown.
    note: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    text: String,
}

/// The page of what is proposed in an environment, and of what others changed there.
#[derive(Debug, Serialize)]
pub(super) struct Proposal {
    strategy: String,
    name: String,
    place: EnvironmentView,
    difference: Option<Difference>,
    /// What others changed in what was promoted last.
    drift: Option<Difference>,
}

impl Proposal {
    pub(super) async fn of(
        site: &Site,
        board: &StrategyBoard,
        environment: &EnvironmentName,
        lane: Option<&LaneName>,
    ) -> Result<Self, Problem> {
        let view = place_view(board, environment, lane)?;
        Ok(Self {
            strategy: board.id.to_string(),
            name: board.id.name.to_string(),
            place: EnvironmentView::of(board, view),
            difference: proposed(site, &board.id.repository, view).await,
            drift: drifted(site, &board.id.repository, view).await,
        })
    }
}

impl Page for Proposal {
    const TEMPLATE: &'static str = "change.html";

    fn title(&self) -> String {
        format!("What changes in {}", self.place.place)
    }
}

/// Compares what is proposed with what runs; nothing when nothing is proposed.
pub(super) async fn proposed(site: &Site, repository: &RepositoryId, view: &PlaceView) -> Option<Difference> {
    let new = view.proposed.as_ref()?;
    Some(between(site, repository, view, new.as_str()).await)
}

/// Compares what others put into a place with what was promoted there last; nothing where nobody did.
pub(super) async fn drifted(site: &Site, repository: &RepositoryId, view: &PlaceView) -> Option<Difference> {
    let drift = view.drift.as_ref()?;
    let old = drift.promoted.as_ref().map(|promoted| promoted.commit.as_str());
    Some(compare(site, repository, old, view.active.as_ref()?.as_str()).await)
}

/// Compares a commit with what is in a place.
pub(super) async fn between(site: &Site, repository: &RepositoryId, view: &PlaceView, new: &str) -> Difference {
    compare(site, repository, view.active.as_ref().map(|sha| sha.as_str()), new).await
}

async fn compare(site: &Site, repository: &RepositoryId, old: Option<&str>, new: &str) -> Difference {
    match site.changes.between(repository, old, new).await {
        Ok(difference) => Difference::of(difference.outputs, difference.left_out),
        Err(ChangesError::NotThere) => Difference {
            trouble: Some("These commits are not here yet; open the page again in a moment."),
            ..Difference::default()
        },
        Err(ChangesError::Git(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not compare commits for a page");
            Difference {
                trouble: Some("The commits could not be compared; the service's log says more."),
                ..Difference::default()
            }
        }
    }
}

impl Difference {
    fn of(outputs: Vec<OutputDifference>, left_out: bool) -> Self {
        let of = |kind: Change| {
            outputs.iter().flat_map(|output| &output.resources).filter(|resource| resource.change() == kind).count()
        };
        let (added, changed, removed) = (of(Change::Added), of(Change::Changed), of(Change::Removed));
        let shown = |output: OutputDifference| Output {
            output: output.output.to_string(),
            resources: output.resources.iter().map(Resource::of).collect(),
        };
        Self {
            added,
            changed,
            removed,
            unfolded: added + changed + removed <= UNFOLDED,
            left_out,
            outputs: outputs.into_iter().map(shown).collect(),
            trouble: None,
        }
    }
}

impl Resource {
    fn of(change: &ResourceChange) -> Self {
        // The first two lines name the resource, which the title does already.
        let lines = change.diff().lines().skip(2).map(Line::of).collect();
        let note = match change.shown() {
            Shown::Whole => None,
            Shown::Cut => Some("The rest is not shown: there is too much of it. The pull request has all of it."),
            Shown::Secret => Some("What a Secret says is not shown here."),
        };
        Self { what: change.id().to_string(), change: change.change().word(), lines, note }
    }
}

impl Line {
    fn of(text: &str) -> Self {
        let kind = match text.as_bytes().first() {
            Some(b'+') => "add",
            Some(b'-') => "cut",
            Some(b'@') => "at",
            _ => "same",
        };
        Self { kind, text: text.to_owned() }
    }
}

/// Says that there is no such page of an environment.
pub(super) fn no_such_page(board: &StrategyBoard, environment: &EnvironmentName, lane: Option<&LaneName>) -> Problem {
    let there = address(board, environment, lane).map(|(address, _)| address).unwrap_or_default();
    let help =
        format!("There is `{there}/` with `change`, `promote`, `hold`, `release`, `rollback`, `restore` and `adopt`.");
    Problem::new(StatusCode::NOT_FOUND, "There is no such page.", help)
}
