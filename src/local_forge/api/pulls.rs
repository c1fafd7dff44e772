//! Pull requests and reviews.

use std::cmp::Reverse;

use serde::Deserialize;
use serde_json::json;

use super::{
    call::{Answer, Call},
    paging::Page,
};
use crate::local_forge::{
    details,
    discussion::{Review, ReviewState},
    hub::Desk,
    pull_request::{MergeMethod, PullRequest, PullState},
    pulls::{MergeOrder, NewPull, PullChange},
    refusal::Refusal,
};

pub(super) fn get(desk: &mut Desk<'_>, key: &str, number: u64) -> Result<Answer, Refusal> {
    let standing = desk.standing(key, number)?;
    Ok(Answer::ok(desk.full_pull(key, number, standing)?))
}

pub(super) fn list(desk: &Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    let repository = desk.repository(key)?;
    let state = call.parameter("state").unwrap_or("open");
    let head = call.parameter("head");
    let base = call.parameter("base");
    let full_head = |pull: &PullRequest| format!("{}:{}", repository.owner, pull.head);
    let mut found: Vec<&PullRequest> = repository
        .pulls
        .values()
        .filter(|pull| state == "all" || (state == "open") == pull.is_open())
        // GitHub ignores a head without an owner.
        .filter(|pull| head.is_none_or(|head| !head.contains(':') || full_head(pull) == head))
        .filter(|pull| base.is_none_or(|base| pull.base == base))
        .collect();
    let sort = call.parameter("sort").unwrap_or("created");
    match sort {
        "updated" => found.sort_by_key(|pull| (pull.updated_at, pull.number)),
        _ => found.sort_by_key(|pull| pull.number),
    }
    let default = if sort == "created" { "desc" } else { "asc" };
    if call.parameter("direction").unwrap_or(default) == "desc" {
        found.reverse();
    }
    Ok(Page::cut(&desk.hub.urls, call, found).answer(|pull| desk.view().pull(repository, pull)))
}

#[derive(Debug, Deserialize)]
struct CreateBody {
    #[serde(default)]
    title: Option<String>,
    body: Option<String>,
    #[serde(default)]
    head: String,
    #[serde(default)]
    base: String,
    #[serde(default)]
    draft: Option<bool>,
}

pub(super) fn create(desk: &mut Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    let asked: CreateBody = call.read()?;
    let new = NewPull {
        title: asked.title.unwrap_or_default(),
        body: asked.body,
        head: asked.head,
        base: asked.base,
        draft: asked.draft.unwrap_or_default(),
    };
    let number = desk.open_pull(key, call.actor(), new)?;
    let standing = crate::local_forge::pulls::Standing::UNKNOWN;
    Ok(Answer::created(desk.full_pull(key, number, standing)?))
}

#[derive(Debug, Deserialize)]
struct UpdateBody {
    title: Option<String>,
    body: Option<String>,
    base: Option<String>,
    state: Option<String>,
}

pub(super) fn update(desk: &mut Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    let asked: UpdateBody = call.read()?;
    let open = match asked.state.as_deref() {
        None => None,
        Some("open") => Some(true),
        Some("closed") => Some(false),
        Some(_) => return Err(Refusal::invalid("PullRequest", "state")),
    };
    let change = PullChange { title: asked.title, body: asked.body, base: asked.base, open };
    desk.edit_pull(key, call.actor(), number, change)?;
    get(desk, key, number)
}

#[derive(Debug, Deserialize)]
struct MergeBody {
    commit_title: Option<String>,
    commit_message: Option<String>,
    sha: Option<String>,
    merge_method: Option<MergeMethod>,
}

pub(super) fn merge(desk: &mut Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    let asked: MergeBody = call.read()?;
    let order = MergeOrder {
        method: asked.merge_method.unwrap_or_default(),
        sha: asked.sha,
        title: asked.commit_title,
        message: asked.commit_message,
    };
    let sha = desk.merge_pull(key, call.actor(), number, &order)?;
    Ok(Answer::ok(json!({"sha": sha, "merged": true, "message": "Pull Request successfully merged"})))
}

pub(super) fn is_merged(desk: &Desk<'_>, key: &str, number: u64) -> Result<Answer, Refusal> {
    match desk.pull(key, number)?.state {
        PullState::Merged => Ok(Answer::nothing()),
        PullState::Open | PullState::Closed => Err(Refusal::not_found()),
    }
}

pub(super) fn commits(desk: &Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    let commits = details::pull_commits(&desk.git(key)?, desk.pull(key, number)?)?;
    Ok(Page::cut(&desk.hub.urls, call, commits).answer(|commit| desk.view().commit(key, &commit)))
}

pub(super) fn files(desk: &Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    let pull = desk.pull(key, number)?;
    let changes = details::pull_changes(&desk.git(key)?, pull)?;
    Ok(Page::cut(&desk.hub.urls, call, changes).answer(|change| desk.view().file(key, &pull.head_sha, &change)))
}

pub(super) fn of_commit(desk: &Desk<'_>, call: &Call, key: &str, sha: &str) -> Result<Answer, Refusal> {
    let repository = desk.repository(key)?;
    let is_of = |pull: &&PullRequest| pull.head_sha == sha || pull.merge_commit_sha.as_deref() == Some(sha);
    let mut pulls: Vec<&PullRequest> = repository.pulls.values().filter(is_of).collect();
    pulls.sort_by_key(|pull| Reverse(pull.number));
    Ok(Page::cut(&desk.hub.urls, call, pulls).answer(|pull| desk.view().pull(repository, pull)))
}

pub(super) fn reviews(desk: &Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    desk.pull(key, number)?;
    let repository = desk.repository(key)?;
    let reviews: Vec<&Review> = repository.reviews.iter().filter(|review| review.number == number).collect();
    Ok(Page::cut(&desk.hub.urls, call, reviews).answer(|review| desk.view().review(repository, review)))
}

#[derive(Debug, Deserialize)]
struct ReviewBody {
    body: Option<String>,
    event: Option<String>,
}

pub(super) fn review(desk: &mut Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    let asked: ReviewBody = call.read()?;
    let state = match asked.event.as_deref() {
        Some("APPROVE") => ReviewState::Approved,
        Some("REQUEST_CHANGES") => ReviewState::ChangesRequested,
        Some("COMMENT") => ReviewState::Commented,
        _ => return Err(Refusal::invalid("PullRequestReview", "event")),
    };
    let id = desk.add_review(key, call.actor(), number, state, asked.body.unwrap_or_default())?;
    let repository = desk.repository(key)?;
    let made = repository.reviews.iter().find(|review| review.id == id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(desk.view().review(repository, made)))
}

#[derive(Debug, Deserialize)]
struct DismissalBody {
    message: Option<String>,
}

pub(super) fn dismiss(desk: &mut Desk<'_>, call: &Call, key: &str, number: u64, id: u64) -> Result<Answer, Refusal> {
    let asked: DismissalBody = call.read()?;
    if asked.message.is_none_or(|message| message.trim().is_empty()) {
        return Err(Refusal::missing("PullRequestReview", "message"));
    }
    desk.dismiss_review(key, call.actor(), number, id)?;
    let repository = desk.repository(key)?;
    let dismissed = repository.reviews.iter().find(|review| review.id == id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(desk.view().review(repository, dismissed)))
}
