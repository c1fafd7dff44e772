//! Commits, files of a diff and comparisons.

use serde_json::{Value, json};

use super::{View, node_id};
use crate::local_forge::repository::{CommitInfo, FileChange, Stamp};

impl View<'_> {
    /// Returns a commit.
    pub(in crate::local_forge) fn commit(self, key: &str, commit: &CommitInfo) -> Value {
        let (api, page, sha) = (self.urls.repository(key), self.urls.repository_page(key), &commit.sha);
        let parents: Vec<Value> = commit
            .parents
            .iter()
            .map(|parent| {
                json!({
                    "sha": parent,
                    "url": format!("{api}/commits/{parent}"),
                    "html_url": format!("{page}/commit/{parent}"),
                })
            })
            .collect();
        json!({
            "sha": sha,
            "node_id": node_id(sha, 0),
            "url": format!("{api}/commits/{sha}"),
            "html_url": format!("{page}/commit/{sha}"),
            "comments_url": format!("{api}/commits/{sha}/comments"),
            "commit": {
                "url": format!("{api}/git/commits/{sha}"),
                "author": person(&commit.author),
                "committer": person(&commit.committer),
                "message": commit.message.trim_end(),
                "comment_count": 0,
                "tree": {"sha": commit.tree, "url": format!("{api}/git/trees/{}", commit.tree)},
                "verification": {
                    "verified": false,
                    "reason": "unsigned",
                    "payload": null,
                    "signature": null,
                    "verified_at": null,
                },
            },
            "author": self.account_of(&commit.author),
            "committer": self.account_of(&commit.committer),
            "parents": parents,
        })
    }

    /// Returns the short form of a commit that check suites carry.
    pub(in crate::local_forge) fn simple_commit(self, commit: &CommitInfo) -> Value {
        let person = |stamp: &Stamp| json!({"name": stamp.name, "email": stamp.email});
        json!({
            "id": commit.sha,
            "tree_id": commit.tree,
            "message": commit.message,
            "timestamp": commit.committer.at.to_string(),
            "author": person(&commit.author),
            "committer": person(&commit.committer),
        })
    }

    fn account_of(self, stamp: &Stamp) -> Value {
        let account = self.state.accounts.values().find(|account| account.email() == stamp.email);
        account.map_or(Value::Null, |account| self.user(&account.login))
    }

    /// Returns one file of a diff; `head` is the commit that the links lead to.
    pub(in crate::local_forge) fn file(self, key: &str, head: &str, change: &FileChange) -> Value {
        let (api, page, path) = (self.urls.repository(key), self.urls.repository_page(key), &change.path);
        let in_url = percent_encoding::utf8_percent_encode(path, PATH);
        let mut value = json!({
            "sha": change.blob,
            "filename": path,
            "status": change.status,
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "blob_url": format!("{page}/blob/{head}/{in_url}"),
            "raw_url": format!("{page}/raw/{head}/{in_url}"),
            "contents_url": format!("{api}/contents/{in_url}?ref={head}"),
        });
        if let Some(patch) = &change.patch {
            value["patch"] = json!(patch);
        }
        if let Some(previous) = &change.previous {
            value["previous_filename"] = json!(previous);
        }
        value
    }
}

/// What is escaped in a path that stands in a URL.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');

fn person(stamp: &Stamp) -> Value {
    json!({"name": stamp.name, "email": stamp.email, "date": stamp.at.to_string()})
}
