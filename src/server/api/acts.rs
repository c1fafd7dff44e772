//! The routes that act.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::{
    documents::PullRequestView,
    history::{
        CommandRequest, DriftRequest, HoldRequest, Overridable, OverriddenView, OverrideRequest, PromoteRequest,
        PromotedView, RejectRequest, RejectedView, ReportRequest, ReportedView, RetriedView, RollbackRequest,
        StoppedView, UnholdRequest, UnrejectRequest,
    },
};
use crate::{
    domain::ids::EnvironmentName,
    reconcile::{
        commands::NewReport,
        mending::DriftOrder,
        stopping::{Destination, HoldOrder, RollbackOrder},
    },
    server::{problem::Problem, site::Site},
};

/// Who acts when the holder of the token does not say.
const SOMEBODY: &str = "the API";

type Id = Path<(String, String, String)>;

pub(super) async fn promote(
    State(site): State<Site>,
    Path((owner, repo, name, environment)): Path<(String, String, String, String)>,
    body: Bytes,
) -> Result<Json<PromotedView>, Problem> {
    let board = site.board((owner, repo, name))?;
    let (request, environment): (PromoteRequest, _) = (parse(&body)?, named(environment)?);
    let (lane, by) = (request.lane.as_ref(), request.by.as_deref().unwrap_or(SOMEBODY));
    let (commands, seen) = (&site.commands, request.proposed.as_ref());
    let promoted = match (request.overriding, request.reason.as_deref()) {
        (None, None) => commands.promote(&board.id, &environment, lane, seen, by).await?,
        (None, Some(_)) => {
            let help = "Add `\"override\": \"windows\"`, or leave the reason out.";
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "A promotion has a reason only when it overrides.",
                help,
            ));
        }
        (Some(Overridable::Windows), reason) => {
            let reason = reason.unwrap_or_default();
            commands.promote_past_windows(&board.id, &environment, lane, seen, by, reason).await?
        }
    };
    let what = promoted.dry.as_ref().map_or(promoted.proposed.short(), |dry| dry.short());
    let then = if promoted.waits.is_empty() { "it is merged next" } else { "it is merged when its gates are open" };
    Ok(Json(PromotedView {
        words: format!("{what} is promoted to {}: {then}.", promoted.way()),
        place: promoted.place.to_string(),
        proposed_sha: promoted.proposed,
        pull_request: promoted.pull_request.map(|number| PullRequestView::of(&board, number)),
        by: promoted.by,
        waits: promoted.waits,
    }))
}

pub(super) async fn hold(
    State(site): State<Site>,
    Path((owner, repo, name, environment)): Path<(String, String, String, String)>,
    body: Bytes,
) -> Result<Json<StoppedView>, Problem> {
    let board = site.board((owner, repo, name))?;
    let (request, environment): (HoldRequest, _) = (parse(&body)?, named(environment)?);
    let (lane, by) = (request.lane.as_ref(), request.by.as_deref().unwrap_or(SOMEBODY));
    let order = HoldOrder { until: request.until, reason: request.reason.clone(), running: request.running.clone() };
    let held = site.commands.hold(&board.id, &environment, lane, &order, by).await?;
    Ok(Json(StoppedView { words: held.to_string(), place: held.place.to_string() }))
}

pub(super) async fn unhold(
    State(site): State<Site>,
    Path((owner, repo, name, environment)): Path<(String, String, String, String)>,
    body: Bytes,
) -> Result<Json<StoppedView>, Problem> {
    let board = site.board((owner, repo, name))?;
    let (request, environment): (UnholdRequest, _) = (parse(&body)?, named(environment)?);
    let (lane, by) = (request.lane.as_ref(), request.by.as_deref().unwrap_or(SOMEBODY));
    let released = site.commands.unhold(&board.id, &environment, lane, request.since, by).await?;
    let words = format!("Taken back for {}: {}.", released.place, released.what);
    Ok(Json(StoppedView { words, place: released.place.to_string() }))
}

pub(super) async fn rollback(
    State(site): State<Site>,
    Path((owner, repo, name, environment)): Path<(String, String, String, String)>,
    body: Bytes,
) -> Result<Json<StoppedView>, Problem> {
    let board = site.board((owner, repo, name))?;
    let (request, environment): (RollbackRequest, _) = (parse(&body)?, named(environment)?);
    let by = request.by.as_deref().unwrap_or(SOMEBODY);
    let destination = match (request.to, request.steps) {
        (Some(_), Some(_)) => {
            let help = "Give `to` or `steps`, not both.";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "There are two destinations.", help));
        }
        (Some(to), None) => Destination::To(to),
        (None, Some(steps)) => Destination::Steps(steps),
        (None, None) => Destination::LastKnownGood,
    };
    let order = RollbackOrder {
        destination,
        only: request.only,
        reason: request.reason,
        force: request.force,
        running: request.running,
    };
    let accepted = site.commands.rollback(&board.id, &environment, request.lane.as_ref(), &order, by).await?;
    let (from, to) = (accepted.rollback.bad.short(), accepted.rollback.target.dry.short());
    let words = format!("{} goes back from {from} to {to}.", accepted.place);
    Ok(Json(StoppedView { words, place: accepted.place.to_string() }))
}

pub(super) async fn restore(
    State(site): State<Site>,
    Path((owner, repo, name, environment)): Path<(String, String, String, String)>,
    body: Bytes,
) -> Result<Json<StoppedView>, Problem> {
    let board = site.board((owner, repo, name))?;
    let (request, environment): (DriftRequest, _) = (parse(&body)?, named(environment)?);
    let (lane, by) = (request.lane.as_ref(), request.by.as_deref().unwrap_or(SOMEBODY));
    let order = DriftOrder { seen: request.seen.clone(), reason: request.reason.clone() };
    let accepted = site.commands.restore(&board.id, &environment, lane, &order, by).await?;
    Ok(Json(StoppedView { words: accepted.to_string(), place: accepted.place.to_string() }))
}

pub(super) async fn adopt(
    State(site): State<Site>,
    Path((owner, repo, name, environment)): Path<(String, String, String, String)>,
    body: Bytes,
) -> Result<Json<StoppedView>, Problem> {
    let board = site.board((owner, repo, name))?;
    let (request, environment): (DriftRequest, _) = (parse(&body)?, named(environment)?);
    let (lane, by) = (request.lane.as_ref(), request.by.as_deref().unwrap_or(SOMEBODY));
    let order = DriftOrder { seen: request.seen.clone(), reason: request.reason.clone() };
    let adopted = site.commands.adopt(&board.id, &environment, lane, &order, by).await?;
    Ok(Json(StoppedView { words: adopted.to_string(), place: adopted.place.to_string() }))
}

pub(super) async fn reject(State(site): State<Site>, Path(id): Id, body: Bytes) -> Result<Json<RejectedView>, Problem> {
    let board = site.board(id)?;
    let request: RejectRequest = parse(&body)?;
    let by = request.by.as_deref().unwrap_or(SOMEBODY);
    let rejected = site.commands.reject(&board.id, &request.sha, &request.reason, by).await?;
    Ok(Json(RejectedView { words: rejected.to_string(), dry_sha: rejected.dry }))
}

pub(super) async fn unreject(
    State(site): State<Site>,
    Path(id): Id,
    body: Bytes,
) -> Result<Json<RejectedView>, Problem> {
    let board = site.board(id)?;
    let request: UnrejectRequest = parse(&body)?;
    let dry_sha = site.commands.unreject(&board.id, &request.sha, request.by.as_deref().unwrap_or(SOMEBODY)).await?;
    Ok(Json(RejectedView { words: format!("{} may be promoted again.", dry_sha.short()), dry_sha }))
}

pub(super) async fn override_change(
    State(site): State<Site>,
    Path(id): Id,
    body: Bytes,
) -> Result<Json<OverriddenView>, Problem> {
    let board = site.board(id)?;
    let request: OverrideRequest = parse(&body)?;
    let by = request.by.as_deref().unwrap_or(SOMEBODY);
    let dry_sha = site.commands.override_kept_out(&board.id, by, &request.reason).await?.commit;
    let words = format!("The strategy comes into force as it is in {}.", dry_sha.short());
    Ok(Json(OverriddenView { words, dry_sha }))
}

/// Reads the environment in a path.
fn named(environment: String) -> Result<EnvironmentName, Problem> {
    EnvironmentName::new(environment).map_err(|error| {
        Problem::new(StatusCode::NOT_FOUND, format!("{error}."), "See `/explain` for those there are.")
    })
}

pub(super) async fn report(State(site): State<Site>, Path(id): Id, body: Bytes) -> Result<Json<ReportedView>, Problem> {
    let board = site.board(id)?;
    let request: ReportRequest = parse(&body)?;
    let by = request.by.as_deref().unwrap_or(SOMEBODY);
    let report = NewReport {
        key: request.key.clone(),
        state: request.state,
        sha: request.sha.clone(),
        description: request.description.clone(),
    };
    let reported = site.commands.report(&board.id, &report, by).await?;
    let short = reported.sha.get(..7).unwrap_or(&reported.sha);
    let words = format!("`{}` is reported as {} on {short}.", reported.key, request.state.word());
    Ok(Json(ReportedView { words, key: reported.key, sha: reported.sha }))
}

pub(super) async fn retry(State(site): State<Site>, Path(id): Id, body: Bytes) -> Result<Json<RetriedView>, Problem> {
    let board = site.board(id)?;
    let request: CommandRequest = parse(&body)?;
    let forgotten = site.commands.retry(&board.id, request.by.as_deref().unwrap_or(SOMEBODY)).await?;
    let words = match forgotten {
        0 => "Everything is looked at again.".to_owned(),
        1 => "One hydration that failed is tried again, and everything is looked at again.".to_owned(),
        many => format!("{many} hydrations that failed are tried again, and everything is looked at again."),
    };
    Ok(Json(RetriedView { words }))
}

/// Reads a body; none is an empty document.
fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        let help = "The documents that are taken stand in `/api/v1/openapi.json`.";
        Problem::new(StatusCode::BAD_REQUEST, format!("The body cannot be read: {error}."), help)
    })
}
