//! Comments on merge requests, which GitLab calls notes, and reactions to them, which it calls awards.

use gitlab::api::{
    common::SortOrder,
    projects::merge_requests::notes::{
        CreateMergeRequestNote, EditMergeRequestNote, MergeRequestNotes, NoteOrderBy,
        awards::{CreateMergeRequestNoteAward, MergeRequestNoteAwards},
    },
};
use jiff::{Timestamp, ToSpan};

use super::{
    client::{Client, reading, writing},
    model::{AwardBody, CreatedBody, EventBody, NoteBody},
    quick_actions,
    requests::attempt,
};
use crate::{
    domain::ids::{PullRequestNumber, RepositoryId},
    forge::{
        Account, COMMENTS_AT_ONCE, Comment, ForgeError, Reacted, Reaction, RecentComments,
        calls::{Call, Importance, encoded},
    },
};

/// The most pages read of the comments on one merge request.
const MAX_PAGES: usize = COMMENTS_AT_ONCE / 100;
/// The most pages of what happened in a project.
const MAX_EVENT_PAGES: usize = 50;
/// The most pages of reactions to one comment.
const MAX_AWARD_PAGES: usize = 10;
const NOTES_ROUTE: &str = "/projects/{id}/merge_requests/{merge_request_iid}/notes";
const AWARDS_ROUTE: &str = "/projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}/award_emoji";

/// Returns the comments on every merge request that were written at `since` or later, the oldest first.
///
/// No list holds the comments of a project, but what happened in it is told: a comment when it was written, and not when it
/// was changed, which runs no command anyway. The days asked for begin after the one that is named.
pub(super) async fn since(
    client: &Client,
    repository: &RepositoryId,
    since: Timestamp,
) -> Result<RecentComments, ForgeError> {
    // The server's days may be others than those of UTC.
    let day = since.checked_sub(48.hours()).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%d");
    let call = Call::new(
        "/projects/{id}/events",
        format!(
            "/projects/{}/events?action=commented&target_type=note&after={day}&sort=desc",
            encoded(repository.as_str())
        ),
        format!("list the comments of `{repository}` since {since}"),
    )
    .of(Importance::Comment);
    let (mut events, mut is_all): (Vec<EventBody>, bool) = (Vec::new(), false);
    for number in 1..=MAX_EVENT_PAGES {
        let page = client.page(&call, number).await?;
        events.extend(page.entries);
        is_all = page.is_last || events.last().is_some_and(|event| event.created_at < since);
        if is_all {
            break;
        }
    }
    if !is_all {
        let read_to = events.first().map(|event| event.created_at);
        return Ok(RecentComments { comments: Vec::new(), read_to, more: false, skipped: true });
    }
    events.retain(|event| event.created_at >= since);
    events.sort_by_key(|event| event.created_at);
    let more = events.len() > COMMENTS_AT_ONCE;
    events.truncate(COMMENTS_AT_ONCE);
    Ok(RecentComments {
        read_to: events.last().map(|event| event.created_at),
        more,
        skipped: false,
        comments: events.into_iter().filter_map(|event| event.note?.comment()).collect(),
    })
}

/// Returns the comments on one merge request, oldest first.
pub(super) async fn list(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<Vec<Comment>, ForgeError> {
    let endpoint = MergeRequestNotes::builder()
        .project(repository.as_str())
        .merge_request(number.0)
        .order_by(NoteOrderBy::CreatedAt)
        .sort(SortOrder::Ascending)
        .build();
    let call = reading(endpoint, NOTES_ROUTE, attempt("list the comments on", repository, number))?;
    let mut call = call.of(Importance::Comment);
    // Each push is a note as well; the SDK cannot leave them out.
    call.path.push_str("&activity_filter=only_comments");
    let bodies: Vec<NoteBody> = client.pages(&call, MAX_PAGES).await?;
    Ok(bodies.into_iter().filter_map(NoteBody::comment).collect())
}

/// Comments on a merge request; returns the comment's id.
pub(super) async fn post(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
    body: &str,
) -> Result<u64, ForgeError> {
    let endpoint = CreateMergeRequestNote::builder()
        .project(repository.as_str())
        .merge_request(number.0)
        .body(quick_actions::defused(body))
        .build();
    let write = writing(endpoint, NOTES_ROUTE, attempt("comment on", repository, number))?.of(Importance::Comment);
    Ok(client.make::<CreatedBody>(&write).await?.id)
}

/// Replaces the text of a comment.
pub(super) async fn edit(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
    comment: u64,
    body: &str,
) -> Result<(), ForgeError> {
    let endpoint = EditMergeRequestNote::builder()
        .project(repository.as_str())
        .merge_request(number.0)
        .note(comment)
        .body(quick_actions::defused(body))
        .build();
    let route = "/projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}";
    let what = attempt(&format!("edit the comment {comment} on"), repository, number);
    client.perform(&writing(endpoint, route, what)?.of(Importance::Comment)).await.map(drop)
}

/// Reacts to a comment; `account` is whose reactions are ours.
///
/// A second reaction of the same kind is a 404, which a comment that is gone is as well: so the reactions are asked for
/// before, and again after a refusal.
pub(super) async fn react(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
    comment: u64,
    reaction: Reaction,
    account: &Account,
) -> Result<Reacted, ForgeError> {
    let name = match reaction {
        Reaction::Eyes => "eyes",
        Reaction::Confused => "confused",
    };
    let what = attempt(&format!("react to the comment {comment} on"), repository, number);
    let endpoint =
        MergeRequestNoteAwards::builder().project(repository.as_str()).merge_request(number.0).note(comment).build();
    let awards = reading(endpoint, AWARDS_ROUTE, what.clone())?.of(Importance::Comment);
    if has_reacted(client, &awards, name, account).await? {
        return Ok(Reacted::Before);
    }
    let endpoint = CreateMergeRequestNoteAward::builder()
        .project(repository.as_str())
        .merge_request(number.0)
        .note(comment)
        .name(name)
        .build();
    let write = writing(endpoint, AWARDS_ROUTE, what)?.of(Importance::Comment);
    let Err(error) = client.perform(&write).await else { return Ok(Reacted::Now) };
    match (has_reacted(client, &awards, name, account).await, &error) {
        // It was not there before, so it is the one whose answer was lost.
        (Ok(true), ForgeError::Unavailable { .. }) => Ok(Reacted::Now),
        (Ok(true), _) => Ok(Reacted::Before),
        _ => Err(error),
    }
}

async fn has_reacted(client: &Client, awards: &Call, name: &str, account: &Account) -> Result<bool, ForgeError> {
    let awards: Vec<AwardBody> = client.pages(awards, MAX_AWARD_PAGES).await?;
    let is_ours = |award: &AwardBody| award.user.as_ref().is_some_and(|user| user.id == account.id);
    Ok(awards.iter().any(|award| award.name == name && is_ours(award)))
}
