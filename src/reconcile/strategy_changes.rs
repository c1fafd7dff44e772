//! Which changed strategies come into force, and on whose word.
//!
//! - A change is judged under the strategy in force before anything is promoted by it. One that drops what is
//!   under way stays out until a person lets it in, or nothing of that is under way any more.
//! - A person's word is bound to the text of the file: however the commit lands, that text is what was agreed to.
//! - What must survive the loss of the database is on the forge first: the word as a status of ours on the head
//!   that it was given for, and that a change stays out as one on the dry commit that brought it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use git2::{ObjectType, Oid, Repository};
use serde::{Deserialize, Serialize};

use super::{
    LookError,
    commands::{CommandError, Commands, name},
    context::RepositoryContext,
    strategy_files::{self, File},
};
use crate::{
    domain::{
        ids::{DrySha, RepositoryId, StatusKey, StrategyId, StrategyName},
        snapshot::{PostedStatus, Snapshot},
        status::{CommitStatus, StatusState},
        strategy::PromotionStrategy,
        strategy_change::{ChangeOverride, Effect, StrategyChange, compare, told},
    },
    forge::{NewStatus, PullRequestState},
    git::{GitError, history},
    store::{Document, StrategyNote},
};

/// What begins the description of an accepted change; who accepted it follows, then `: ` and why.
const ACCEPTED_BY: &str = "Strategy change overridden by ";

/// What a status of ours says once a change that stayed out is in force.
const IN_FORCE: &str = "In force";

/// The most characters of a reason: beside a name of usual length it fits into a status.
const REASON_LIMIT: usize = 200;

/// How many dry commits are searched for the one that brought a text.
const COMMITS_SEARCHED: usize = 500;

/// How many texts of the strategy files are searched for the one in force when the store has none.
const VERSIONS_SEARCHED: usize = 10;

/// How many pull requests are searched for a person's word when the store has none, the latest first.
const PULL_REQUESTS_SEARCHED: usize = 20;

/// A strategy that was read from the dry branch and is not in force yet.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The strategy.
    pub(super) strategy: Arc<PromotionStrategy>,
    /// Its document.
    pub(super) document: Document,
    /// The document in force.
    pub(super) before: Document,
    /// Its text's name.
    pub(super) digest: String,
    /// The dry commit that brought it.
    pub(super) commit: DrySha,
}

/// A changed strategy that stays out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOut {
    /// The dry commit that brought it.
    pub commit: DrySha,
    /// Its text's name.
    pub digest: String,
    /// What it would do.
    pub change: StrategyChange,
    /// What a person has agreed to so far, when there is more by now.
    pub accepted: Option<ChangeOverride>,
}

/// The words of people for changes of one strategy, by the text that they are bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OverrideBook(pub BTreeMap<String, ChangeOverride>);

impl StrategyNote for OverrideBook {
    const KIND: &'static str = "strategy-overrides";
}

/// Returns the name of a strategy file's text: git's own for it. What was deleted has the empty text.
pub fn digest(text: &str) -> String {
    let id = Oid::hash_object(ObjectType::Blob, text.as_bytes());
    id.expect("because texts in memory can be hashed").to_string()
}

/// Judges a candidate: returns what it would do when it stays out, and nothing when it comes into force.
pub(super) async fn judge(
    context: &RepositoryContext,
    in_force: &PromotionStrategy,
    candidate: &Candidate,
    snapshot: &Snapshot,
) -> Result<Option<KeptOut>, LookError> {
    let id = &candidate.before.strategy;
    let change = compare(in_force, &candidate.strategy, snapshot);
    let accepted = match change.losses.as_slice() {
        [] => None,
        _ => accepted(context, id, &candidate.digest, &candidate.commit).await?,
    };
    let losses = change.unaccepted(accepted.as_ref());
    let stays_out = !losses.is_empty();
    mark(context, candidate, stays_out.then(|| told(&losses))).await?;
    if !stays_out && let Some(ChangeOverride { by, reason, .. }) = &accepted {
        tracing::info!(strategy = %id, by, "the changed strategy comes into force, as {by} wanted: {reason}");
    }
    let (commit, digest) = (candidate.commit.clone(), candidate.digest.clone());
    Ok(stays_out.then_some(KeptOut { commit, digest, change, accepted }))
}

impl KeptOut {
    /// Says why it is not in force, and what lets it in; `path` is its file.
    pub(super) fn words(&self, path: &str) -> String {
        let losses = self.change.unaccepted(self.accepted.as_ref());
        let commit = self.commit.short();
        let what = match self.change.effects.contains(&Effect::Ended) {
            true => format!("{commit} deletes the strategy from `{path}`, which drops"),
            false => format!("`{path}` in {commit} drops"),
        };
        let first = format!(
            "{what} what is under way, and waits for `/hydromote override` on its pull request, or \
             `hydromote override`"
        );
        let lines = losses.iter().map(|loss| format!("\n  {loss}"));
        lines.fold(first, |words, line| words + &line)
    }
}

/// Returns a person's word for a text of a strategy: from the store, else, where that has never had any, from
/// what was accepted on the forge.
pub(super) async fn accepted(
    context: &RepositoryContext,
    id: &StrategyId,
    digest: &str,
    commit: &DrySha,
) -> Result<Option<ChangeOverride>, LookError> {
    let store = &context.shared.store;
    if let Some(book) = store.strategy_note::<OverrideBook>(id).await? {
        return Ok(book.0.get(digest).cloned());
    }
    let pulls = context.forge.pull_requests_into(&context.id, &context.details.default_branch).await?;
    let pulls = pulls.into_iter().filter(|pull| pull.state != PullRequestState::Closed).take(PULL_REQUESTS_SEARCHED);
    let heads = [commit.to_string()].into_iter().chain(pulls.map(|pull| pull.head_sha));
    let mut found = Vec::new();
    for head in heads {
        let reports = context.forge.commit_statuses(&context.id, &head).await?;
        // The book is made once: words for other texts are read with it.
        let texts: BTreeSet<String> = reports.iter().filter_map(|report| text_of(id, &report.key)).collect();
        let word = |text: String| Some((text.clone(), on_forge(id, &text, &reports, context.account.id)?));
        found.extend(texts.into_iter().filter_map(word));
    }
    // A command that came meanwhile is newer than what was read.
    let merge = |book: &mut OverrideBook| {
        for (text, word) in found {
            book.0.entry(text).or_insert(word);
        }
    };
    Ok(store.change_strategy_note(id, merge).await?.0.get(digest).cloned())
}

/// Returns the text that a key of ours is about, when it is one of this strategy.
fn text_of(id: &StrategyId, key: &StatusKey) -> Option<String> {
    let text = key.as_str().strip_prefix(override_key(id, "").as_str())?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Reads a person's word back from the reports on a head: what `account` said last.
fn on_forge(id: &StrategyId, digest: &str, reports: &[CommitStatus], account: u64) -> Option<ChangeOverride> {
    let newest = newest(&override_key(id, digest), reports, account)?;
    let said = newest.description.strip_prefix(ACCEPTED_BY).filter(|_| newest.state == StatusState::Success)?;
    let (by, reason) = said.split_once(": ")?;
    Some(ChangeOverride { by: by.to_owned(), reason: reason.to_owned(), at: newest.reported_at })
}

fn newest<'a>(key: &StatusKey, reports: &'a [CommitStatus], account: u64) -> Option<&'a CommitStatus> {
    let ours = reports.iter().filter(|status| status.key == *key && status.creator == Some(account));
    ours.max_by_key(|status| (status.reported_at, status.id))
}

/// Reports on the dry commit of a candidate that it stays out and why, or that it no longer does.
async fn mark(context: &RepositoryContext, candidate: &Candidate, why: Option<String>) -> Result<(), LookError> {
    let (store, key) = (&context.shared.store, mark_key(&candidate.before.strategy));
    let sha = candidate.commit.as_str();
    let before = store.posted_status(&context.id, sha, &key).await?;
    let status = match (why, &before) {
        (Some(why), _) => PostedStatus::new(StatusState::Failure, &format!("Not in force without an override: {why}")),
        (None, None) => return Ok(()),
        (None, Some(_)) => PostedStatus::new(StatusState::Success, IN_FORCE),
    };
    if before.as_ref() == Some(&status) {
        return Ok(());
    }
    let new =
        NewStatus { key: key.clone(), state: status.state, description: status.description.clone(), target_url: None };
    context.forge.post_status(&context.id, sha, &new).await?;
    Ok(store.save_posted_status(&context.id, sha, &key, &status).await?)
}

/// Returns the documents that were in force, of strategies whose text at `head` is marked to stay out: for a
/// store that has none.
pub(super) async fn last_in_force(context: &RepositoryContext, head: &DrySha) -> Result<Vec<Document>, LookError> {
    let at = head.clone();
    let versions = context.mirror.read(move |repository, _| versions(repository, &at)).await?;
    let grounds = context.grounds();
    let (mut found, mut out): (Vec<Document>, Vec<StrategyId>) = (Vec::new(), Vec::new());
    for (age, (commit, files)) in versions.into_iter().enumerate() {
        let reports = context.forge.commit_statuses(&context.id, commit.as_str()).await?;
        let settled = strategy_files::settle(&grounds, &commit, &files, Vec::new());
        let mut still_out = Vec::new();
        // Of the newest texts all that are marked stay out, of the others those that stayed out since.
        for (id, said) in marked(&context.id, &reports, context.account.id) {
            if said.state != StatusState::Success && (age == 0 || out.contains(&id)) {
                let posted = PostedStatus { state: said.state, description: said.description.clone() };
                let store = &context.shared.store;
                store.save_posted_status(&context.id, commit.as_str(), &mark_key(&id), &posted).await?;
                still_out.push(id);
            }
        }
        let documents = settled.in_force.into_iter().map(|one| one.document);
        found.extend(documents.filter(|one| out.contains(&one.strategy) && !still_out.contains(&one.strategy)));
        if still_out.is_empty() {
            break;
        }
        out = still_out;
    }
    Ok(found)
}

/// Returns what we said last about each strategy that a dry commit changed, by the strategy's name before.
fn marked<'r>(
    repository: &RepositoryId,
    reports: &'r [CommitStatus],
    account: u64,
) -> BTreeMap<StrategyId, &'r CommitStatus> {
    let prefix = key("");
    let names = reports.iter().filter_map(|report| report.key.as_str().strip_prefix(prefix.as_str()));
    let ids = names
        .filter_map(|name| Some(StrategyId { repository: repository.clone(), name: StrategyName::new(name).ok()? }));
    ids.filter_map(|id| Some((id.clone(), newest(&mark_key(&id), reports, account)?))).collect()
}

/// Returns the texts of the strategy files on the dry line, newest first, each with the commit that brought it.
fn versions(repository: &Repository, head: &DrySha) -> Result<Vec<(DrySha, Vec<File>)>, GitError> {
    let mut versions: Vec<(DrySha, Vec<File>)> = Vec::new();
    for commit in first_parents(repository, head)? {
        let files = strategy_files::read(repository, &commit)?;
        let is_full = versions.len() == VERSIONS_SEARCHED;
        match versions.last_mut() {
            Some((brought_by, known)) if *known == files => *brought_by = commit,
            _ if is_full => break,
            _ => versions.push((commit, files)),
        }
    }
    Ok(versions)
}

/// Returns the dry commit that brought the text that a strategy file has at `head`.
pub(super) fn brought_by(repository: &Repository, head: &DrySha, path: &str) -> Result<DrySha, GitError> {
    let text = |commit: &DrySha| -> Result<_, GitError> {
        Ok(strategy_files::read(repository, commit)?.into_iter().find(|(other, _)| other == path))
    };
    let there = text(head)?;
    let mut brought_by = head.clone();
    for commit in first_parents(repository, head)? {
        if text(&commit)? != there {
            break;
        }
        brought_by = commit;
    }
    Ok(brought_by)
}

/// Says whether a dry commit has another one in its history, as far as the mirror has it.
pub(super) fn descends(repository: &Repository, head: &DrySha, from: &DrySha) -> bool {
    let id = |dry: &DrySha| Oid::from_str(dry.as_str());
    let (Ok(head), Ok(from)) = (id(head), id(from)) else { return false };
    head == from || repository.graph_descendant_of(head, from).unwrap_or(false)
}

/// Returns the dry line from `head` on, as far as the mirror has it and it is searched.
pub(super) fn first_parents(repository: &Repository, head: &DrySha) -> Result<Vec<DrySha>, GitError> {
    let mut line = Vec::new();
    let mut next = Some(repository.find_commit(Oid::from_str(head.as_str())?)?);
    while let Some(commit) = next.filter(|_| line.len() < COMMITS_SEARCHED) {
        line.push(history::dry_sha(commit.id()));
        next = commit.parent(0).ok();
    }
    Ok(line)
}

impl Commands {
    /// Accepts that a change of a strategy drops what is under way; `head` is where it was seen, and `text` names
    /// what it is bound to. Whether that person may is the caller's to know.
    ///
    /// # Errors
    /// [`CommandError::Malformed`] without a reason.
    pub async fn override_change(
        &self,
        strategy: &StrategyId,
        head: &str,
        text: &str,
        by: &str,
        reason: &str,
    ) -> Result<(), CommandError> {
        let (by, reason) = (name(by)?, reason_of(reason)?);
        let status = PostedStatus::new(StatusState::Success, &description(&by, &reason));
        self.post_on_dry(strategy, head, override_key(strategy, text), &status).await?;
        let word = ChangeOverride { by: by.clone(), reason: reason.clone(), at: (self.clock)() };
        let note = |book: &mut OverrideBook| drop(book.0.insert(text.to_owned(), word));
        let _wakes = self.hub.waking(&strategy.repository);
        self.store.change_strategy_note(strategy, note).await?;
        self.tell(strategy, None, &by, &format!("let a change of the strategy drop what is under way: {reason}"))
            .await?;
        tracing::info!(%strategy, by, "{by} lets a change of {strategy} drop what is under way: {reason}");
        Ok(())
    }

    /// Lets the changed strategy in that stays out now.
    ///
    /// # Errors
    /// [`CommandError::Refused`] when none does, and as [`Commands::override_change`].
    pub async fn override_kept_out(
        &self,
        strategy: &StrategyId,
        by: &str,
        reason: &str,
    ) -> Result<KeptOut, CommandError> {
        let Some(kept_out) = self.board(strategy)?.kept_out else { return Err(nothing_stays_out()) };
        self.override_change(strategy, kept_out.commit.as_str(), &kept_out.digest, by, reason).await?;
        Ok(kept_out)
    }
}

/// Says that there is nothing to override.
pub(super) fn nothing_stays_out() -> CommandError {
    CommandError::Refused {
        message: "Not done: no change of the strategy waits for an override.".to_owned(),
        help: "One is for a change that drops a hold, a rollback or a gate in flight; windows are overridden with \
               `promote override=windows`."
            .to_owned(),
    }
}

/// Returns what our status says of an accepted change; the first `: ` ends the name.
fn description(by: &str, reason: &str) -> String {
    format!("{ACCEPTED_BY}{}: {reason}", by.replace(": ", " "))
}

/// Returns the key under which a person's word for a text stands on the head that it was given for.
fn override_key(id: &StrategyId, digest: &str) -> StatusKey {
    key(&format!("{}/{digest}", id.name))
}

/// Returns the key under which it stands on a dry commit that the strategy which it brought stays out.
fn mark_key(id: &StrategyId) -> StatusKey {
    key(id.name.as_str())
}

fn key(of: &str) -> StatusKey {
    StatusKey::new(format!("hydromote/strategy/{of}")).expect("because names of strategies are short")
}

/// Returns a reason on one line.
fn reason_of(text: &str) -> Result<String, CommandError> {
    let reason: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON_LIMIT).collect();
    if reason.is_empty() || reason.contains(char::is_control) {
        return Err(CommandError::Malformed {
            message: "An override needs a reason.".to_owned(),
            help: "Say why what is under way may be dropped; it is written into the record.".to_owned(),
        });
    }
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{
        ids::{RepositoryId, StrategyName},
        status::StatusSource,
    };

    #[test]
    fn only_what_our_own_account_said_of_the_very_text_is_an_accepted_change() {
        let repository = RepositoryId::new("acme/shop").expect("an owner and a name");
        let id = StrategyId { repository, name: StrategyName::new("shop").expect("a name") };
        let said = |status, creator: u64, state, text: &str, description: &str| CommitStatus {
            key: override_key(&id, text),
            state,
            source: StatusSource::Status,
            reported_at: Timestamp::UNIX_EPOCH,
            id: status,
            description: description.into(),
            creator: Some(creator),
            reporter: None,
        };
        let accepted = |reports: &[CommitStatus]| on_forge(&id, "new", reports, 1).map(|word| (word.by, word.reason));
        let told = description("Ada: admin", "moving: prod goes");
        let ours = said(1, 1, StatusState::Success, "new", &told);
        let theirs = said(2, 7, StatusState::Success, "new", "Strategy change overridden by Mallory: why not");
        let read = Some(("Ada admin".to_owned(), "moving: prod goes".to_owned()));
        assert_eq!(accepted(&[theirs.clone(), ours.clone()]), read);
        assert_eq!(accepted(&[theirs]), None);
        assert_eq!(accepted(&[said(3, 1, StatusState::Success, "old", &told)]), None, "it is about another text");
        assert_eq!(accepted(&[ours, said(4, 1, StatusState::Error, "new", "Taken back")]), None);
    }
}
