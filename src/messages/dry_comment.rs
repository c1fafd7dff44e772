//! The one comment on a dry pull request: what it would change, where its commit is by now, and what became
//! of commands.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    MessageError, Messages,
    comment::{answered, cell},
    preview::{foretold_context, preview_context, unknown_environments, words_of},
    strategy::{StrategySection, strategies_context},
    template::DRY_STATUS,
};
use crate::domain::{
    comment::Answer,
    fate::Fate,
    ids::{BranchName, DrySha, HeadSha, StrategyId},
    plan::PlaceView,
    preview::Preview,
    strategy::nearest::list,
};

/// Where a dry pull request is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DryStage {
    /// It is open.
    Open,
    /// It was closed without being merged.
    Closed,
    /// It was merged, and became this dry commit: of several, the last.
    Merged(DrySha),
}

/// What the status comment of a dry pull request is about.
#[derive(Debug, Clone, Copy)]
pub struct DryStatusText<'a> {
    /// The dry branch.
    pub branch: &'a BranchName,
    /// Where the pull request is in its life.
    pub stage: &'a DryStage,
    /// Every place of every strategy on the branch.
    pub rows: &'a [DryRow<'a>],
    /// What it would change, as it was rendered last.
    pub preview: Option<&'a Preview>,
    /// What it does to strategies, or what of that stays out once it is merged.
    pub strategies: &'a [StrategySection],
    /// The head that is rendered only when somebody asks, and was not.
    pub awaits: Option<&'a HeadSha>,
    /// Whether nothing more is to be told of the commit.
    pub over: bool,
    /// What became of commands, newest first.
    pub answers: &'a [Answer],
    /// Our login.
    pub bot: &'a str,
    /// The service's own address for people.
    pub public_url: Option<&'a str>,
}

/// One place, and what became of the commit there.
#[derive(Debug, Clone)]
pub struct DryRow<'a> {
    /// The strategy.
    pub strategy: &'a StrategyId,
    /// The place.
    pub view: &'a PlaceView,
    /// What became of the commit; nothing before it is on the dry line.
    pub fate: Option<Fate>,
    /// Whether the commit renders to what was previewed; nothing while that is not known.
    pub foretold: Option<bool>,
}

impl DryRow<'_> {
    /// Says whether what is proposed here brings the commit.
    pub fn is_brought(&self) -> bool {
        self.view.proposed.is_some()
            && self.view.pull_request.is_some()
            && matches!(self.fate, Some(Fate::Proposed | Fate::ComesWith { .. }))
    }

    /// Returns what keeps the commit out, or anything.
    fn stops(&self) -> String {
        let stops: Vec<String> = if self.is_brought() {
            self.view.gates.iter().map(ToString::to_string).collect()
        } else {
            self.view.hold.iter().map(ToString::to_string).collect()
        };
        stops.join("; ")
    }
}

/// One place as the template shows it.
#[derive(Serialize)]
struct Shown {
    place: String,
    runs: Option<String>,
    fate: String,
    pull_request: Option<String>,
    stops: String,
    previewed: String,
}

impl Messages {
    /// Returns the text of a dry pull request's status comment; when it is too long the oldest answers
    /// are left out.
    pub fn dry_status_comment(&self, text: &DryStatusText<'_>) -> Result<String, MessageError> {
        let places: Vec<&PlaceView> = text.rows.iter().map(|row| row.view).collect();
        self.fitting(text.answers, |answers| {
            let answers = self.answers(answers, &places, text.bot)?;
            self.render(DRY_STATUS, &dry_status_context(text, &answers))
        })
    }
}

/// Returns what the status comment of a dry pull request may say, with answers in words.
pub(super) fn dry_status_context(text: &DryStatusText<'_>, answers: &[(&Answer, String)]) -> Value {
    json!({
        "branch": text.branch,
        "stage": stage_word(text),
        "short": match text.stage { DryStage::Merged(dry) => Some(dry.short()), _ => None },
        "over": text.over,
        "environments": environments(text.rows),
        "rows": rows(text),
        "preview": text.preview.filter(|_| *text.stage == DryStage::Open).map(preview_context),
        "foretold": text.preview.and_then(|preview| foretold_context(preview, text.rows)),
        "strategies": strategies_context(text.strategies),
        "awaits": text.awaits.filter(|_| *text.stage == DryStage::Open).map(HeadSha::short),
        "answers": answered(answers),
        "pages": pages(text),
    })
}

fn stage_word(text: &DryStatusText<'_>) -> &'static str {
    match text.stage {
        DryStage::Closed => "closed",
        DryStage::Open | DryStage::Merged(_) if text.rows.is_empty() => "ended",
        DryStage::Open => "open",
        DryStage::Merged(_) if text.rows.iter().all(|row| row.fate.is_none()) => "unknown",
        DryStage::Merged(_) => "merged",
    }
}

/// Returns a row for each place, and for each environment that there is only in the preview.
fn rows(text: &DryStatusText<'_>) -> Vec<Shown> {
    let with_strategy = strategies(text.rows).len() > 1;
    let named = |strategy: &dyn std::fmt::Display, place: &dyn std::fmt::Display| {
        if with_strategy { format!("{strategy}: {place}") } else { place.to_string() }
    };
    let mut rows: Vec<Shown> = Vec::new();
    for row in text.rows {
        rows.push(shown(row, named(&row.strategy.name, &row.view.place), text));
    }
    let preview = text.preview.filter(|_| *text.stage == DryStage::Open);
    for one in preview.into_iter().flat_map(|preview| unknown_environments(preview, text.rows)) {
        rows.push(Shown {
            place: named(&one.strategy, &one.environment),
            runs: None,
            fate: String::new(),
            pull_request: None,
            stops: String::new(),
            previewed: cell(&one.result.to_string()),
        });
    }
    rows
}

fn shown(row: &DryRow<'_>, place: String, text: &DryStatusText<'_>) -> Shown {
    let preview = text.preview.filter(|_| *text.stage == DryStage::Open);
    Shown {
        place,
        runs: row.view.running.as_ref().map(|running| running.dry.short().to_owned()),
        fate: row.fate.as_ref().map(|fate| cell(&fate.to_string())).unwrap_or_default(),
        pull_request: row.view.pull_request.filter(|_| row.is_brought()).map(|number| number.to_string()),
        stops: cell(&row.stops()),
        previewed: preview.map(|preview| cell(&words_of(preview, row))).unwrap_or_default(),
    }
}

/// Returns the strategies, each once.
fn strategies<'a>(rows: &[DryRow<'a>]) -> Vec<&'a StrategyId> {
    let mut strategies: Vec<_> = rows.iter().map(|row| row.strategy).collect();
    strategies.dedup();
    strategies
}

/// Returns the names of the environments in their order, as a list in a sentence.
fn environments(rows: &[DryRow<'_>]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        let name = row.view.place.environment.as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    list(&names, "and")
}

/// Returns the page of each strategy.
fn pages(text: &DryStatusText<'_>) -> Vec<Value> {
    let Some(url) = text.public_url else { return Vec::new() };
    let strategies = strategies(text.rows);
    let name = |id: &StrategyId| match strategies.len() {
        1 => "Status page".to_owned(),
        _ => format!("Status page of {}", id.name),
    };
    strategies.iter().map(|id| json!({"name": name(id), "url": format!("{url}/strategies/{}", id.path())})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{EnvironmentName, LaneName, Place, RepositoryId, StrategyName};

    fn place(name: &str) -> PlaceView {
        PlaceView::empty(
            Place { environment: EnvironmentName::new(name).expect("a name"), lane: LaneName::single() },
            BranchName::new(name).expect("a branch"),
        )
    }

    fn render(stage: &DryStage, fate: Option<&Fate>, over: bool) -> String {
        let repository = RepositoryId::new("acme/shop").expect("an owner and a name");
        let strategy = StrategyId { repository, name: StrategyName::new("shop").expect("a name") };
        let places = [place("dev"), place("prod")];
        let row = |view| DryRow { strategy: &strategy, view, fate: fate.cloned(), foretold: None };
        render_rows(stage, &places.iter().map(row).collect::<Vec<_>>(), over)
    }

    fn render_rows(stage: &DryStage, rows: &[DryRow<'_>], over: bool) -> String {
        let branch = BranchName::new("main").expect("a branch");
        let text = DryStatusText {
            branch: &branch,
            stage,
            rows,
            preview: None,
            strategies: &[],
            awaits: None,
            over,
            answers: &[],
            bot: "hydro[bot]",
            public_url: None,
        };
        Messages::built_in().dry_status_comment(&text).expect("is rendered")
    }

    #[test]
    fn what_the_renderer_said_mentions_nobody_and_breaks_no_table() {
        let merged = DryStage::Merged(DrySha::new("0123456789").expect("an id"));
        let fate = Fate::NotHydrated { message: "ask @all | <!-- x".to_owned() };
        let body = render(&merged, Some(&fate), false);
        insta::assert_snapshot!(body.replace('\u{200b}', "[nothing]"), @r"
        This pull request became the dry commit 0123456 of `main`.

        | environment | what became of it | closed gates |
        |---|---|---|
        | dev | it could not be hydrated: ask @[nothing]all \| &lt;!-- x |  |
        | prod | it could not be hydrated: ask @[nothing]all \| &lt;!-- x |  |

        <!-- hydromote:status-comment -->
        ");
    }

    #[test]
    fn where_no_strategy_is_left_nothing_is_said_to_go_anywhere() {
        let merged = DryStage::Merged(DrySha::new("0123456789").expect("an id"));
        insta::assert_snapshot!(render_rows(&merged, &[], false), @"
        This pull request became the dry commit 0123456 of `main`, where no strategy is in force any more: nothing is promoted.

        <!-- hydromote:status-comment -->
        ");
        insta::assert_snapshot!(render_rows(&DryStage::Open, &[], false), @"
        This pull request is not merged yet. No strategy is in force on `main` any more: nothing of it would be promoted.

        <!-- hydromote:status-comment -->
        ");
    }

    #[test]
    fn a_commit_that_is_not_on_the_branch_as_it_was_read_is_told_so() {
        let merged = DryStage::Merged(DrySha::new("0123456789").expect("an id"));
        insta::assert_snapshot!(render(&merged, None, false), @"
        This pull request became the dry commit 0123456, which is not on `main` as it was last read: it is about to be read, it is older than all that counts, or a forced push took it away.

        <!-- hydromote:status-comment -->
        ");
        insta::assert_snapshot!(render(&DryStage::Closed, None, false), @"
        This pull request was closed without being merged: nothing of it is promoted.

        <!-- hydromote:status-comment -->
        ");
    }
}
