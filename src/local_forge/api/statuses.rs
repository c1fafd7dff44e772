//! Commit statuses.

use serde::Deserialize;
use serde_json::Value;

use super::{
    call::{Answer, Call},
    paging::Page,
};
use crate::local_forge::{
    hub::Desk,
    json::extend,
    refusal::Refusal,
    report::{self, Status, StatusState},
    reporting::NewStatus,
};

#[derive(Debug, Deserialize)]
struct CreateBody {
    state: Option<String>,
    target_url: Option<String>,
    description: Option<String>,
    context: Option<String>,
}

pub(super) fn create(desk: &mut Desk<'_>, call: &Call, key: &str, sha: &str) -> Result<Answer, Refusal> {
    let asked: CreateBody = call.read()?;
    let state = match asked.state.as_deref() {
        Some("error") => StatusState::Error,
        Some("failure") => StatusState::Failure,
        Some("pending") => StatusState::Pending,
        Some("success") => StatusState::Success,
        _ => return Err(Refusal::custom("Status", "State is not included in the list")),
    };
    let context = asked.context.unwrap_or_default();
    let new = NewStatus { context, state, description: asked.description, target_url: asked.target_url };
    let id = desk.report_status(key, call.actor(), sha, new)?;
    let repository = desk.repository(key)?;
    let made = repository.statuses.iter().find(|status| status.id == id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::created(desk.view().status(repository, made)))
}

/// Returns the commit that a revision names, as a SHA.
pub(super) fn commit(desk: &Desk<'_>, key: &str, revision: &str) -> Result<String, Refusal> {
    let found = desk.git(key)?.resolve(revision);
    let found = found.ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {revision}")))?;
    Ok(found.to_string())
}

pub(super) fn list(desk: &Desk<'_>, call: &Call, key: &str, revision: &str) -> Result<Answer, Refusal> {
    let sha = commit(desk, key, revision)?;
    let repository = desk.repository(key)?;
    let newest_first: Vec<&Status> = repository.statuses.iter().rev().filter(|status| status.sha == sha).collect();
    Ok(Page::cut(&desk.hub.urls, call, newest_first).answer(|status| desk.view().status(repository, status)))
}

pub(super) fn combined(desk: &Desk<'_>, call: &Call, key: &str, revision: &str) -> Result<Answer, Refusal> {
    let sha = commit(desk, key, revision).map_err(|_| Refusal::not_found())?;
    let repository = desk.repository(key)?;
    let (statuses, link) = Page::cut(&desk.hub.urls, call, report::latest_statuses(repository, &sha)).split();
    let shown: Vec<Value> = statuses
        .into_iter()
        .map(|status| {
            let mut shown = desk.view().status(repository, status);
            if let Some(fields) = shown.as_object_mut() {
                fields.shift_remove("creator");
            }
            extend(&mut shown, serde_json::json!({"required": is_required(repository, &status.context)}));
            shown
        })
        .collect();
    Ok(Page::<()>::link(link, Answer::ok(desk.view().combined_status(repository, &sha, &shown))))
}

fn is_required(repository: &crate::local_forge::state::Repository, context: &str) -> bool {
    repository.protections.values().any(|rules| rules.required_contexts.iter().any(|one| one == context))
}
