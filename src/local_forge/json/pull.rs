//! Pull requests, comments, reviews, labels.

use serde_json::{Value, json};

use super::{View, extend, node_id};
use crate::local_forge::{
    discussion::{Comment, REACTIONS, Review},
    pull_request::{PullRequest, PullState},
    state::{Permission, Repository},
};

impl View<'_> {
    /// Returns a pull request as in lists.
    pub(in crate::local_forge) fn pull(self, repository: &Repository, pull: &PullRequest) -> Value {
        let key = repository.full_name();
        let (api, page) = (self.urls.repository(&key), self.urls.pull_page(&key, pull.number));
        let number = pull.number;
        let (url, issue) = (format!("{api}/pulls/{number}"), format!("{api}/issues/{number}"));
        let (commits, review_comments) = (format!("{url}/commits"), format!("{url}/comments"));
        let review_comment = format!("{api}/pulls/comments{{/number}}");
        let (comments, statuses) = (format!("{issue}/comments"), format!("{api}/statuses/{}", pull.head_sha));
        let mut value = json!({
            "url": url,
            "id": pull.id,
            "node_id": node_id("PullRequest", pull.id),
            "html_url": page,
            "diff_url": format!("{page}.diff"),
            "patch_url": format!("{page}.patch"),
            "issue_url": issue,
            "commits_url": commits,
            "review_comments_url": review_comments,
            "review_comment_url": review_comment,
            "comments_url": comments,
            "statuses_url": statuses,
            "number": number,
            "state": if pull.is_open() { "open" } else { "closed" },
            "locked": false,
            "title": pull.title,
            "user": self.user(&pull.author),
            "body": pull.body,
            "labels": self.labels(repository, &pull.labels),
        });
        let rest = json!({
            "milestone": null,
            "active_lock_reason": null,
            "created_at": pull.created_at.to_string(),
            "updated_at": pull.updated_at.to_string(),
            "closed_at": pull.closed_at.map(|at| at.to_string()),
            "merged_at": pull.merged_at.map(|at| at.to_string()),
            "merge_commit_sha": pull.merge_commit_sha,
            "assignee": null,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "head": self.end(repository, &pull.head, &pull.head_sha),
            "base": self.end(repository, &pull.base, &pull.base_sha),
            "_links": {
                "self": {"href": url},
                "html": {"href": page},
                "issue": {"href": issue},
                "comments": {"href": comments},
                "review_comments": {"href": review_comments},
                "review_comment": {"href": review_comment},
                "commits": {"href": commits},
                "statuses": {"href": statuses},
            },
            "author_association": association(repository, &pull.author),
            "auto_merge": null,
            "draft": pull.draft,
        });
        extend(&mut value, rest);
        value
    }

    fn end(self, repository: &Repository, branch: &str, sha: &str) -> Value {
        json!({
            "label": format!("{}:{branch}", repository.owner),
            "ref": branch,
            "sha": sha,
            "user": self.user(&repository.owner),
            "repo": self.repository(repository, None),
        })
    }

    /// Returns what only the answer about a single pull request has, besides its size and standing.
    pub(in crate::local_forge) fn pull_details(self, repository: &Repository, pull: &PullRequest) -> Value {
        let comments = repository.comments.iter().filter(|comment| comment.number == pull.number).count();
        json!({
            "merged": pull.state == PullState::Merged,
            "merged_by": pull.merged_by.as_deref().map(|login| self.user(login)),
            "comments": comments,
            "review_comments": 0,
            "maintainer_can_modify": false,
            "rebaseable": null,
        })
    }

    /// Returns a pull request as an issue.
    pub(in crate::local_forge) fn issue(self, repository: &Repository, pull: &PullRequest) -> Value {
        let key = repository.full_name();
        let api = self.urls.repository(&key);
        let url = format!("{api}/issues/{}", pull.number);
        let page = self.urls.pull_page(&key, pull.number);
        let mut value = json!({
            "url": url,
            "repository_url": api,
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "html_url": page,
            "id": pull.id,
            "node_id": node_id("Issue", pull.id),
            "number": pull.number,
            "title": pull.title,
            "user": self.user(&pull.author),
            "labels": self.labels(repository, &pull.labels),
            "state": if pull.is_open() { "open" } else { "closed" },
            "locked": false,
        });
        let rest = json!({
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "comments": repository.comments.iter().filter(|comment| comment.number == pull.number).count(),
            "created_at": pull.created_at.to_string(),
            "updated_at": pull.updated_at.to_string(),
            "closed_at": pull.closed_at.map(|at| at.to_string()),
            "author_association": association(repository, &pull.author),
            "active_lock_reason": null,
            "body": pull.body,
            "reactions": reactions(&format!("{url}/reactions"), &[]),
            "performed_via_github_app": null,
            "draft": pull.draft,
            "pull_request": {
                "url": format!("{api}/pulls/{}", pull.number),
                "html_url": page,
                "diff_url": format!("{page}.diff"),
                "patch_url": format!("{page}.patch"),
                "merged_at": pull.merged_at.map(|at| at.to_string()),
            },
        });
        extend(&mut value, rest);
        value
    }

    /// Returns a comment.
    pub(in crate::local_forge) fn comment(self, repository: &Repository, comment: &Comment) -> Value {
        let key = repository.full_name();
        let api = self.urls.repository(&key);
        let url = format!("{api}/issues/comments/{}", comment.id);
        let contents: Vec<&str> = comment.reactions.iter().map(|reaction| reaction.content.as_str()).collect();
        json!({
            "url": url,
            "html_url": format!("{}#issuecomment-{}", self.urls.pull_page(&key, comment.number), comment.id),
            "issue_url": format!("{api}/issues/{}", comment.number),
            "id": comment.id,
            "node_id": node_id("IssueComment", comment.id),
            "user": self.user(&comment.author),
            "created_at": comment.created_at.to_string(),
            "updated_at": comment.updated_at.to_string(),
            "author_association": association(repository, &comment.author),
            "body": comment.body,
            "reactions": reactions(&format!("{url}/reactions"), &contents),
            "performed_via_github_app": null,
        })
    }

    /// Returns a review.
    pub(in crate::local_forge) fn review(self, repository: &Repository, review: &Review) -> Value {
        let key = repository.full_name();
        let page = format!("{}#pullrequestreview-{}", self.urls.pull_page(&key, review.number), review.id);
        let pull = format!("{}/pulls/{}", self.urls.repository(&key), review.number);
        json!({
            "id": review.id,
            "node_id": node_id("PullRequestReview", review.id),
            "user": self.user(&review.author),
            "body": review.body,
            "state": review.state.word(),
            "html_url": page,
            "pull_request_url": pull,
            "author_association": association(repository, &review.author),
            "_links": {"html": {"href": page}, "pull_request": {"href": pull}},
            "submitted_at": review.submitted_at.to_string(),
            "commit_id": review.commit_id,
        })
    }

    /// Returns the labels of these names.
    pub(in crate::local_forge) fn labels(self, repository: &Repository, names: &[String]) -> Vec<Value> {
        let labels = repository.labels.iter().filter(|label| names.contains(&label.name));
        labels.map(|label| self.label(repository, label)).collect()
    }

    /// Returns a label.
    pub(in crate::local_forge) fn label(
        self,
        repository: &Repository,
        label: &crate::local_forge::state::Label,
    ) -> Value {
        let name = percent_encoding::utf8_percent_encode(&label.name, percent_encoding::NON_ALPHANUMERIC);
        json!({
            "id": label.id,
            "node_id": node_id("Label", label.id),
            "url": format!("{}/labels/{name}", self.urls.repository(&repository.full_name())),
            "name": label.name,
            "description": label.description,
            "color": label.color,
            "default": false,
        })
    }

    /// Returns a reaction.
    pub(in crate::local_forge) fn reaction(self, reaction: &crate::local_forge::discussion::Reaction) -> Value {
        json!({
            "id": reaction.id,
            "node_id": node_id("Reaction", reaction.id),
            "user": self.user(&reaction.user),
            "content": reaction.content,
            "created_at": reaction.created_at.to_string(),
        })
    }
}

/// Returns what ties an account to a repository.
fn association(repository: &Repository, login: &str) -> &'static str {
    if repository.owner == login {
        "OWNER"
    } else if repository.permissions.get(login).is_some_and(|has| *has >= Permission::Read) {
        "COLLABORATOR"
    } else {
        "NONE"
    }
}

fn reactions(url: &str, contents: &[&str]) -> Value {
    let mut value = json!({"url": url, "total_count": contents.len()});
    for word in REACTIONS {
        let count = contents.iter().filter(|content| **content == word).count();
        extend(&mut value, json!({word: count}));
    }
    value
}
