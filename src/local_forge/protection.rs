//! What a branch's protection allows: who may push, and what a merge still lacks.

use std::fmt::Write;

use super::{
    discussion::ReviewState,
    pull_request::PullRequest,
    report,
    state::{Permission, Protection, Repository},
};

/// Returns the rules for the update hook, one a line, as they are for `login`.
pub(super) fn push_rules(repository: &Repository, login: &str) -> String {
    let mut rules = String::new();
    for (branch, protection) in &repository.protections {
        if !is_bound(repository, protection, login) {
            continue;
        }
        let reference = format!("refs/heads/{branch}");
        let mut rule = |word: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(rules, "{word} {reference}");
        };
        if is_closed(protection, login) {
            rule("closed");
        }
        if !protection.allow_deletions {
            rule("keep");
        }
        if !protection.allow_force_pushes {
            rule("append");
        }
        if !protection.required_contexts.is_empty() {
            rule("checked");
            for sha in passed_commits(repository, protection) {
                rule(&sha);
            }
        }
    }
    rules
}

/// Returns whether `login` may move a ref of a branch through the API (which appends only).
pub(super) fn may_update(repository: &Repository, branch: &str, login: &str, new: &str) -> bool {
    repository.protections.get(branch).is_none_or(|protection| {
        !is_bound(repository, protection, login)
            || (!is_closed(protection, login)
                && protection.required_contexts.iter().all(|context| report::has_passed(repository, new, context)))
    })
}

/// Returns whether `login` may move a branch to a commit that does not contain its tip.
pub(super) fn may_rewrite(repository: &Repository, branch: &str, login: &str) -> bool {
    repository
        .protections
        .get(branch)
        .is_none_or(|protection| protection.allow_force_pushes || !is_bound(repository, protection, login))
}

/// Returns whether `login` may delete a branch.
pub(super) fn may_delete(repository: &Repository, branch: &str, login: &str) -> bool {
    repository
        .protections
        .get(branch)
        .is_none_or(|protection| protection.allow_deletions || !is_bound(repository, protection, login))
}

/// Returns what the rules of the base still ask of a pull request, in words; empty when nothing.
pub(super) fn obstacles(repository: &Repository, pull: &PullRequest, contains_base: bool) -> Vec<String> {
    let Some(protection) = repository.protections.get(&pull.base) else { return Vec::new() };
    let mut obstacles = Vec::new();
    for context in &protection.required_contexts {
        if !report::has_passed(repository, &pull.head_sha, context) {
            obstacles.push(format!("Required status check \"{context}\" is expected."));
        }
    }
    let (approvals, objections) = verdicts(repository, pull);
    if objections > 0 && protection.required_approvals > 0 {
        obstacles.push("Changes have been requested.".to_owned());
    }
    if approvals < protection.required_approvals as usize {
        let count = protection.required_approvals;
        obstacles.push(format!("At least {count} approving review is required by reviewers with write access."));
    }
    if protection.merge_queue {
        obstacles.push("Changes must be made through the merge queue.".to_owned());
    }
    if protection.strict && !contains_base {
        obstacles.push("The head branch is not up to date with the base branch.".to_owned());
    }
    obstacles
}

/// Returns whether `login` may merge into the base although the rules ask for more, or may not merge at all.
pub(super) fn may_merge(repository: &Repository, pull: &PullRequest, login: &str, obstacles: &[String]) -> bool {
    let Some(protection) = repository.protections.get(&pull.base) else { return true };
    let is_named = protection.only.as_ref().is_none_or(|only| only.iter().any(|name| name == login));
    !is_bound(repository, protection, login) || (is_named && obstacles.is_empty())
}

/// Returns how many people with write access approve, and how many object, by each one's last word.
pub(super) fn verdicts(repository: &Repository, pull: &PullRequest) -> (usize, usize) {
    let mut last: Vec<(&str, ReviewState)> = Vec::new();
    for review in repository.reviews.iter().filter(|review| review.number == pull.number) {
        if review.state != ReviewState::Commented {
            last.retain(|(author, _)| *author != review.author);
            last.push((&review.author, review.state));
        }
    }
    last.retain(|(author, _)| repository.permission(Some(author)) >= Permission::Write);
    let count = |state| last.iter().filter(|(_, said)| *said == state).count();
    (count(ReviewState::Approved), count(ReviewState::ChangesRequested))
}

/// Administrators are bound only when the rules say so.
fn is_bound(repository: &Repository, protection: &Protection, login: &str) -> bool {
    protection.enforce_admins || repository.permission(Some(login)) < Permission::Admin
}

fn is_closed(protection: &Protection, login: &str) -> bool {
    protection.require_pull_request
        || protection.required_approvals > 0
        || protection.only.as_ref().is_some_and(|only| !only.iter().any(|name| name == login))
}

fn passed_commits(repository: &Repository, protection: &Protection) -> Vec<String> {
    let statuses = repository.statuses.iter().map(|status| &status.sha);
    let runs = repository.check_runs.iter().map(|run| &run.sha);
    let mut commits: Vec<String> = statuses.chain(runs).cloned().collect();
    commits.sort();
    commits.dedup();
    commits
        .retain(|sha| protection.required_contexts.iter().all(|context| report::has_passed(repository, sha, context)));
    commits
}
