//! The routes that read.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use http::StatusCode;
use serde::Deserialize;

use super::{
    documents::{EnvironmentView, StrategiesView, StrategyView},
    history::{CommitFateView, ExplainView, Explanation, HistoryView, PlanView, PromotionView, RolledBackView},
};
use crate::{
    domain::{ids::EnvironmentName, plan::PlaceView},
    reconcile::{board::StrategyBoard, changes::Shown, commands::place_view, rejecting::dry_commit},
    server::{problem::Problem, site::Site},
};

/// How many promotions and events are told unless asked otherwise.
const HISTORY: usize = 100;

/// The most promotions and events that are told.
const HISTORY_LIMIT: usize = 1000;

/// The most text of a difference that `explain` tells, bytes.
const DRIFT_DIFF_LIMIT: usize = 16 << 10;

type Id = Path<(String, String, String)>;

/// What may be asked of the history.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryQuery {
    environment: Option<EnvironmentName>,
    limit: Option<usize>,
}

pub(super) async fn strategies(State(site): State<Site>) -> Json<StrategiesView> {
    Json(StrategiesView::of(&site.commands.boards))
}

pub(super) async fn strategy(State(site): State<Site>, Path(id): Id) -> Result<Json<StrategyView>, Problem> {
    Ok(Json(StrategyView::of(&site.board(id)?)))
}

pub(super) async fn plan(State(site): State<Site>, Path(id): Id) -> Result<Json<PlanView>, Problem> {
    Ok(Json(PlanView::of(&site.board(id)?)))
}

pub(super) async fn explain(State(site): State<Site>, Path(id): Id) -> Result<Json<ExplainView>, Problem> {
    Ok(Json(explanations(&site.board(id)?, None)))
}

pub(super) async fn explain_one(
    State(site): State<Site>,
    Path((owner, repo, name, environment)): Path<(String, String, String, String)>,
) -> Result<Json<ExplainView>, Problem> {
    let board = site.board((owner, repo, name))?;
    let environment = known(&board, environment)?;
    let mut explained = explanations(&board, Some(&environment));
    for explanation in &mut explained.environments {
        let view = place_view(&board, &environment, Some(&explanation.environment.lane)).ok();
        if let Some(view) = view {
            explanation.drift_diff = drift_diff(&site, &board, view).await;
        }
    }
    Ok(Json(explained))
}

pub(super) async fn commit(
    State(site): State<Site>,
    Path((owner, repo, name, sha)): Path<(String, String, String, String)>,
) -> Result<Json<CommitFateView>, Problem> {
    let board = site.board((owner, repo, name))?;
    let dry = dry_commit(&board, &sha)?;
    Ok(Json(CommitFateView::of(&board, &dry)))
}

pub(super) async fn history(
    State(site): State<Site>,
    Path(id): Id,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<HistoryView>, Problem> {
    let board = site.board(id)?;
    let Query(query) = query.map_err(|rejection| {
        let help = "Known are `environment` and `limit`.";
        Problem::new(StatusCode::BAD_REQUEST, format!("{}.", rejection.body_text()), help)
    })?;
    let environment = query.environment.map(|name| known(&board, name.to_string())).transpose()?;
    let limit = query.limit.unwrap_or(HISTORY).min(HISTORY_LIMIT);
    Ok(Json(history_of(&site, &board, environment.as_ref(), limit).await?))
}

/// Returns what ran and happened, newest first.
pub(in crate::server) async fn history_of(
    site: &Site,
    board: &StrategyBoard,
    environment: Option<&EnvironmentName>,
    limit: usize,
) -> Result<HistoryView, Problem> {
    let store = &site.commands.store;
    let promotions = store.promotions(&board.id).await?;
    // Of the newest, those about one environment are chosen here; there are few enough.
    let events = store.events(&board.id, u32::try_from(HISTORY_LIMIT).unwrap_or(u32::MAX)).await?;
    let asked = |name: &EnvironmentName| environment.is_none_or(|asked| asked == name);
    Ok(HistoryView {
        strategy: board.id.to_string(),
        promotions: promotions
            .into_iter()
            .rev()
            .filter(|promotion| asked(&promotion.environment))
            .take(limit)
            .map(|promotion| PromotionView::of(board, promotion))
            .collect(),
        rollbacks: store
            .rollbacks(&board.id)
            .await?
            .into_iter()
            .rev()
            .filter(|rollback| asked(&rollback.environment))
            .take(limit)
            .map(|rollback| RolledBackView::of(board, rollback))
            .collect(),
        events: events
            .into_iter()
            .filter(|event| environment.is_none() || event.environment.as_ref().is_some_and(asked))
            .take(limit)
            .map(Into::into)
            .collect(),
    })
}

/// Returns what others changed in a place as text; nothing where nobody did, or where it cannot be compared.
async fn drift_diff(site: &Site, board: &StrategyBoard, view: &PlaceView) -> Option<String> {
    let (drift, head) = (view.drift.as_ref()?, view.active.as_ref()?);
    let promoted = drift.promoted.as_ref().map(|promoted| promoted.commit.as_str());
    let difference = match site.changes.between(&board.id.repository, promoted, head.as_str()).await {
        Ok(difference) => difference,
        Err(error) => {
            tracing::warn!(place = %view.place, %error, "what others changed could not be compared");
            return None;
        }
    };
    let mut text = String::new();
    for change in difference.outputs.iter().flat_map(|output| &output.resources) {
        let shown = change.diff();
        if text.len() + shown.len() > DRIFT_DIFF_LIMIT {
            text += "… and more, which the status page shows\n";
            break;
        }
        text += &format!("{} {}\n", change.change().word(), change.id());
        text.extend(shown.lines().skip(2).flat_map(|line| [line, "\n"]));
        if change.shown() == Shown::Secret {
            text += "(what a Secret says is not shown)\n";
        }
    }
    Some(text)
}

fn explanations(board: &StrategyBoard, environment: Option<&EnvironmentName>) -> ExplainView {
    let asked = board.places.iter().filter(|view| environment.is_none_or(|name| view.place.environment == *name));
    ExplainView {
        strategy: board.id.to_string(),
        mistake: board.mistake.clone(),
        trouble: board.trouble.clone(),
        environments: asked.map(|view| Explanation::of(EnvironmentView::of(board, view))).collect(),
    }
}

/// Returns the environment of that name, or says which there are.
fn known(board: &StrategyBoard, name: String) -> Result<EnvironmentName, Problem> {
    let mut names: Vec<String> = board.places.iter().map(|view| format!("`{}`", view.place.environment)).collect();
    names.dedup();
    board.places.iter().map(|view| &view.place.environment).find(|known| known.as_str() == name).cloned().ok_or_else(
        || {
            let error = format!("There is no environment `{name}` in `{}`.", board.id);
            Problem::new(StatusCode::NOT_FOUND, error, format!("There is {}.", names.join(", ")))
        },
    )
}
