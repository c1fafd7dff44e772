//! Merge requests, with the order in which GitLab refuses a merge.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    face::{Answer, PROJECT, World, error, now, sample, user},
    notes::obey,
};

/// One merge request.
pub(super) struct MergeRequest {
    pub(super) iid: u64,
    author: u64,
    pub(super) title: String,
    pub(super) description: String,
    source: String,
    target: String,
    pub(super) state: &'static str,
    sha: String,
    created_at: String,
    ended_at: Option<String>,
    merged_by: Option<u64>,
    pub(super) merge_commit: Option<String>,
    /// How many looks pass before GitLab has checked whether it can be merged.
    unchecked: u32,
    /// Each push to it, newest first.
    versions: Vec<Value>,
    /// Who approved it, and when.
    approvals: Vec<(u64, String)>,
}

impl World {
    /// Answers a request about merge requests.
    pub(super) fn merge_requests(
        &mut self,
        by: u64,
        method: &str,
        path: &[&str],
        query: &BTreeMap<String, String>,
        body: &Value,
    ) -> Answer {
        match (method, path) {
            ("GET", []) => (200, self.list(query)),
            ("POST", []) => self.open(by, body),
            (_, [iid, rest @ ..]) => {
                let iid: u64 = iid.parse().unwrap_or_default();
                match self.requests.iter().position(|request| request.iid == iid) {
                    Some(index) => self.merge_request(by, index, method, rest, body),
                    None => error(404, "404 Not found"),
                }
            }
            _ => error(405, "405 Method Not Allowed"),
        }
    }

    fn merge_request(&mut self, by: u64, index: usize, method: &str, path: &[&str], body: &Value) -> Answer {
        let iid = self.requests[index].iid;
        match (method, path) {
            ("GET", []) => {
                let shown = self.shown(index, Some(by));
                // Asking makes it check; the next look sees the result.
                let request = &mut self.requests[index];
                request.unchecked = request.unchecked.saturating_sub(1);
                (200, shown)
            }
            ("PUT", []) => self.edit(index, body),
            ("PUT", ["merge"]) => self.merge(by, index, body),
            ("POST", ["approve"]) => {
                self.requests[index].approvals.push((by, now()));
                self.tell_of(index, "approved");
                (201, json!({}))
            }
            ("GET", ["approvals"]) => {
                let approvals = &self.requests[index].approvals;
                let by = |(id, at): &(u64, String)| json!({"user": user(*id), "approved_at": at});
                let mut answer = sample(include_str!("../../data/gitlab/merge_request.approvals.json"));
                answer["approved_by"] = approvals.iter().map(by).collect();
                (200, answer)
            }
            ("GET", ["reviewers"]) => (200, json!([])),
            ("GET", ["versions"]) => (200, json!(self.requests[index].versions)),
            (_, ["notes", rest @ ..]) => self.notes_on(by, iid, method, rest, body),
            _ => error(404, "404 Not Found"),
        }
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Value {
        let fits = |name: &str, value: &str| query.get(name).is_none_or(|wanted| wanted == value);
        let wanted =
            |request: &MergeRequest| fits("source_branch", &request.source) && fits("target_branch", &request.target);
        let indices = (0..self.requests.len()).rev().filter(|index| wanted(&self.requests[*index]));
        indices.map(|index| self.shown(index, None)).collect()
    }

    /// Returns the merge requests that bring a commit.
    pub(super) fn requests_of(&self, sha: &str) -> Answer {
        let indices = (0..self.requests.len()).filter(|index| self.requests[*index].sha == sha);
        (200, indices.map(|index| self.shown(index, None)).collect())
    }

    fn open(&mut self, by: u64, body: &Value) -> Answer {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (source, target) = (text("source_branch"), text("target_branch"));
        let same =
            |request: &&MergeRequest| request.state == "opened" && request.source == source && request.target == target;
        if let Some(open) = self.requests.iter().find(same) {
            let words = format!("Another open merge request already exists for this source branch: !{}", open.iid);
            return error(409, json!([words]));
        }
        let Some(sha) = self.git.head(&source) else {
            return error(400, json!({"source_branch": ["does not exist"]}));
        };
        let (description, obeyed) = obey(&text("description"));
        self.obeyed.extend(obeyed);
        let iid = u64::try_from(self.requests.len()).unwrap_or_default() + 1;
        self.requests.push(MergeRequest {
            iid,
            author: by,
            title: text("title"),
            description,
            source,
            target,
            state: "opened",
            versions: vec![version(&sha)],
            sha,
            created_at: now(),
            ended_at: None,
            merged_by: None,
            merge_commit: None,
            unchecked: self.rules.looks_until_checked,
            approvals: Vec::new(),
        });
        let index = self.requests.len() - 1;
        self.tell_of(index, "open");
        (201, self.shown(index, Some(by)))
    }

    fn edit(&mut self, index: usize, body: &Value) -> Answer {
        if let Some(title) = body["title"].as_str() {
            self.requests[index].title = title.to_owned();
        }
        if let Some(text) = body["description"].as_str() {
            let (description, obeyed) = obey(text);
            self.obeyed.extend(obeyed);
            self.requests[index].description = description;
        }
        if body["state_event"] == "close" {
            if self.requests[index].state != "opened" {
                return error(400, "state_event is invalid");
            }
            self.requests[index].state = "closed";
            self.requests[index].ended_at = Some(now());
            self.tell_of(index, "close");
        }
        (200, self.shown(index, None))
    }

    /// Merges, or refuses in the order in which GitLab does.
    fn merge(&mut self, by: u64, index: usize, body: &Value) -> Answer {
        if by == 1 && !self.rules.bot_may_merge {
            return error(401, "401 Unauthorized");
        }
        let (head, target) = (self.requests[index].sha.clone(), self.requests[index].target.clone());
        match self.merge_status(index) {
            "conflict" => return error(422, "Branch cannot be merged"),
            "mergeable" => {}
            _ => return error(405, "405 Method Not Allowed"),
        }
        match body["sha"].as_str() {
            None if self.rules.needs_sha => return error(400, "SHA must be provided when merging"),
            Some(sha) if sha != head => {
                return error(409, format!("SHA does not match HEAD of source branch: {head}"));
            }
            _ => {}
        }
        let message = body["merge_commit_message"].as_str().unwrap_or("Merge");
        let before = self.git.heads().unwrap_or_default();
        let merged = self.git.merge(&head, &target, message, body["squash"] == "true");
        let Ok(merged) = merged else { return error(422, "Branch cannot be merged") };
        let request = &mut self.requests[index];
        (request.state, request.merge_commit, request.merged_by) = ("merged", Some(merged), Some(by));
        request.ended_at = Some(now());
        let after = self.git.heads().unwrap_or_default();
        self.push_hooks(&before, &after);
        self.tell_of(index, "merge");
        (200, self.shown(index, Some(by)))
    }

    fn merge_status(&self, index: usize) -> &'static str {
        let request = &self.requests[index];
        if request.state != "opened" {
            "not_open"
        } else if request.unchecked > 0 {
            "checking"
        } else if self.git.conflicts(&request.sha, &request.target) {
            "conflict"
        } else if self.rules.pipeline_must_succeed && !self.reports.has_succeeded(&request.sha) {
            "ci_must_pass"
        } else {
            "mergeable"
        }
    }

    /// Returns a merge request as it is shown, with what `by` may do when it is shown alone.
    fn shown(&self, index: usize, by: Option<u64>) -> Value {
        let request = &self.requests[index];
        let mut shown = sample(include_str!("../../data/gitlab/merge_request.get.json"));
        let ended = |state: &str| request.ended_at.as_ref().filter(|_| request.state == state);
        let fields = json!({
            "iid": request.iid, "title": request.title, "description": request.description, "state": request.state,
            "source_branch": request.source, "target_branch": request.target, "sha": request.sha, "draft": false,
            "source_project_id": PROJECT, "target_project_id": PROJECT, "author": user(request.author),
            "created_at": request.created_at, "merged_at": ended("merged"), "closed_at": ended("closed"),
            "merge_user": request.merged_by.map(user), "merged_by": null, "merge_commit_sha": request.merge_commit,
            "web_url": format!("https://gitlab.example.com/acme/web/shop/-/merge_requests/{}", request.iid),
            "detailed_merge_status": self.merge_status(index), "pipeline": null, "head_pipeline": null,
            "user": by.map(|by| json!({"can_merge": by != 1 || self.rules.bot_may_merge})),
        });
        let object = shown.as_object_mut().expect("because the sample is an object");
        object.extend(fields.as_object().expect("because it was built as an object").clone());
        shown
    }

    /// Takes pushes into the open merge requests of their branches; what was checked before is checked again.
    pub(super) fn take_in_pushes(&mut self, heads: &BTreeMap<String, String>) {
        for index in 0..self.requests.len() {
            let looks = self.rules.looks_until_checked;
            let request = &mut self.requests[index];
            match heads.get(&request.source) {
                Some(head) if request.state == "opened" && *head != request.sha => {
                    request.sha.clone_from(head);
                    request.unchecked = looks;
                    request.versions.insert(0, version(head));
                    self.tell_of(index, "update");
                }
                _ => {}
            }
        }
    }

    /// Has every merge request checked.
    pub(super) fn requests_are_checked(&mut self) {
        self.requests.iter_mut().for_each(|request| request.unchecked = 0);
    }

    fn tell_of(&mut self, index: usize, action: &str) {
        let request = &self.requests[index];
        let mut payload = sample(include_str!("../../data/webhooks-gitlab/merge_request.json"));
        payload["project"]["path_with_namespace"] = json!("acme/web/shop");
        let fields = json!({"iid": request.iid, "state": request.state, "action": action,
            "source_branch": request.source, "target_branch": request.target, "last_commit": {"id": request.sha}});
        let attributes = payload["object_attributes"].as_object_mut().expect("because the sample has them");
        attributes.extend(fields.as_object().expect("because it was built as an object").clone());
        self.deliveries.push(("Merge Request Hook".to_owned(), payload));
    }
}

fn version(sha: &str) -> Value {
    json!({"id": 1, "head_commit_sha": sha, "created_at": now()})
}
