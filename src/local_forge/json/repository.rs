//! Repositories, branches and protection.

use serde_json::{Map, Value, json};

use super::{View, extend, node_id};
use crate::local_forge::{
    repository::CommitInfo,
    state::{Permission, Protection, Repository},
};

/// The addresses under a repository, as suffixes; braces are URI templates.
const LINKS: [(&str, &str); 36] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

impl View<'_> {
    /// Returns a repository as `viewer` sees it.
    pub(in crate::local_forge) fn repository(self, repository: &Repository, viewer: Option<&str>) -> Value {
        let key = repository.full_name();
        let api = self.urls.repository(&key);
        let clone = self.urls.clone(&key);
        let open = repository.pulls.values().filter(|pull| pull.is_open()).count();
        let settings = &repository.settings;
        let mut value = json!({
            "id": repository.id,
            "node_id": node_id("Repository", repository.id),
            "name": repository.name,
            "full_name": key,
            "owner": self.user(&repository.owner),
            "private": repository.private,
            "visibility": if repository.private { "private" } else { "public" },
            "html_url": self.urls.repository_page(&key),
            "description": repository.description,
            "fork": false,
            "url": api,
            "clone_url": clone,
            "git_url": clone.replacen("http://", "git://", 1),
            "ssh_url": clone,
            "svn_url": clone,
            "mirror_url": null,
            "homepage": null,
            "license": null,
            "language": null,
            "topics": [],
        });
        let rest = json!({
            "size": 0,
            "forks": 0,
            "forks_count": 0,
            "stargazers_count": 0,
            "watchers": 0,
            "watchers_count": 0,
            "network_count": 0,
            "subscribers_count": 0,
            "open_issues": open,
            "open_issues_count": open,
            "default_branch": repository.default_branch,
        });
        extend(&mut value, rest);
        let rest = json!({
            "has_issues": true,
            "has_projects": false,
            "has_wiki": false,
            "has_pages": false,
            "has_downloads": false,
            "has_discussions": false,
            "archived": false,
            "disabled": false,
            "is_template": false,
            "web_commit_signoff_required": false,
            "allow_forking": false,
            "allow_merge_commit": settings.allow_merge_commit,
            "allow_squash_merge": settings.allow_squash_merge,
            "allow_rebase_merge": settings.allow_rebase_merge,
            "allow_auto_merge": false,
            "allow_update_branch": false,
            "delete_branch_on_merge": settings.delete_branch_on_merge,
            "pushed_at": repository.pushed_at.to_string(),
            "created_at": repository.created_at.to_string(),
            "updated_at": repository.pushed_at.to_string(),
        });
        extend(&mut value, rest);
        let links: Map<String, Value> =
            LINKS.iter().map(|(name, suffix)| ((*name).to_owned(), json!(format!("{api}{suffix}")))).collect();
        extend(&mut value, Value::Object(links));
        if viewer.is_some() {
            value["permissions"] = permissions(repository.permission(viewer));
        }
        value
    }

    /// Returns a line of the list of branches.
    pub(in crate::local_forge) fn short_branch(self, repository: &Repository, name: &str, sha: &str) -> Value {
        let api = self.urls.repository(&repository.full_name());
        json!({
            "name": name,
            "commit": {"sha": sha, "url": format!("{api}/commits/{sha}")},
            "protected": repository.protections.contains_key(name),
            "protection_url": format!("{api}/branches/{name}/protection"),
        })
    }

    /// Returns a branch with its tip.
    pub(in crate::local_forge) fn branch(self, repository: &Repository, name: &str, tip: &CommitInfo) -> Value {
        let key = repository.full_name();
        let url = format!("{}/branches/{name}", self.urls.repository(&key));
        let protection = repository.protections.get(name);
        let classic = protection.filter(|rules| !rules.is_ruleset);
        let contexts = classic.map(|rules| rules.required_contexts.clone()).unwrap_or_default();
        json!({
            "name": name,
            "commit": self.commit(&key, tip),
            "_links": {"self": url, "html": format!("{}/tree/{name}", self.urls.repository_page(&key))},
            "protected": protection.is_some(),
            "protection": {
                "enabled": classic.is_some(),
                "required_status_checks": {
                    "enforcement_level": if contexts.is_empty() { "off" } else { "non_admins" },
                    "contexts": contexts,
                    "checks": checks(&contexts),
                },
            },
            "protection_url": format!("{url}/protection"),
        })
    }

    /// Returns the rules of a branch; what is not asked for is left out, as on GitHub.
    pub(in crate::local_forge) fn protection(self, key: &str, branch: &str, rules: &Protection) -> Value {
        let url = format!("{}/branches/{branch}/protection", self.urls.repository(key));
        let mut value = json!({
            "url": url,
            "enforce_admins": {"url": format!("{url}/enforce_admins"), "enabled": rules.enforce_admins},
            "required_signatures": {"url": format!("{url}/required_signatures"), "enabled": false},
            "required_linear_history": {"enabled": false},
            "allow_force_pushes": {"enabled": rules.allow_force_pushes},
            "allow_deletions": {"enabled": rules.allow_deletions},
            "block_creations": {"enabled": false},
            "required_conversation_resolution": {"enabled": false},
            "lock_branch": {"enabled": false},
            "allow_fork_syncing": {"enabled": false},
        });
        if !rules.required_contexts.is_empty() || rules.strict {
            value["required_status_checks"] = json!({
                "url": format!("{url}/required_status_checks"),
                "strict": rules.strict,
                "contexts": rules.required_contexts,
                "contexts_url": format!("{url}/required_status_checks/contexts"),
                "checks": checks(&rules.required_contexts),
            });
        }
        if rules.required_approvals > 0 || rules.require_pull_request {
            value["required_pull_request_reviews"] = json!({
                "url": format!("{url}/required_pull_request_reviews"),
                "dismiss_stale_reviews": rules.dismiss_stale_reviews,
                "require_code_owner_reviews": false,
                "require_last_push_approval": false,
                "required_approving_review_count": rules.required_approvals,
            });
        }
        value
    }

    /// Returns a ref.
    pub(in crate::local_forge) fn git_ref(self, key: &str, name: &str, sha: &str) -> Value {
        let api = self.urls.repository(key);
        json!({
            "ref": name,
            "node_id": super::node_id(name, 0),
            "url": format!("{api}/git/{name}"),
            "object": {"type": "commit", "sha": sha, "url": format!("{api}/git/commits/{sha}")},
        })
    }

    /// Returns what a login may do.
    pub(in crate::local_forge) fn collaborator(self, repository: &Repository, login: &str) -> Value {
        let has = repository.permission(Some(login));
        let mut user = self.user(login);
        extend(&mut user, json!({"permissions": permissions(has), "role_name": has.role_name()}));
        json!({"permission": has.legacy_name(), "role_name": has.role_name(), "user": user})
    }
}

fn checks(contexts: &[String]) -> Vec<Value> {
    contexts.iter().map(|context| json!({"context": context, "app_id": null})).collect()
}

fn permissions(has: Permission) -> Value {
    json!({
        "admin": has >= Permission::Admin,
        "maintain": has >= Permission::Maintain,
        "push": has >= Permission::Write,
        "triage": has >= Permission::Triage,
        "pull": has >= Permission::Read,
    })
}
