//! Merge requests, their approvals and pushes.

use std::time::Duration;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Front, PER_PAGE, Page, Request, read};
use crate::gitlab::face::{Answer, error, sample};

impl Request<'_> {
    pub(super) async fn merge_requests(&self, project: &str, path: &[&str]) -> Result<Page, Answer> {
        let pull = path.first().map(|iid| format!("{project}/pulls/{iid}")).unwrap_or_default();
        match (self.method, path) {
            ("GET", []) => self.request_list(project).await,
            ("POST", []) => self.open_request(project).await.map(Page::one),
            ("GET", [_]) => Ok(Page::one(self.shown_request(&self.get(&pull).await?))),
            ("PUT", [_]) => self.edit_request(&pull).await.map(Page::one),
            ("PUT", [_, "merge"]) => self.merge_request(&pull).await.map(Page::one),
            ("GET", [_, "approvals"]) => self.approvals(&pull).await.map(Page::one),
            ("GET", [_, "reviewers"]) => self.reviewers(&pull).await.map(Page::one),
            ("GET", [_, "versions"]) => {
                let shown = self.get(&pull).await?;
                self.front.note_head(&shown);
                let kept = self.front.kept();
                let versions = kept.versions.get(&key(&shown)).cloned();
                Ok(Page::one(json!(versions.unwrap_or_default())))
            }
            _ => Err(error(404, "404 Not Found")),
        }
    }

    async fn request_list(&self, project: &str) -> Result<Page, Answer> {
        let mut path = format!("{project}/pulls?state=all&direction=desc&{PER_PAGE}");
        if let Some(base) = self.query.get("target_branch") {
            path.push_str(&format!("&base={base}"));
        }
        if let Some(head) = self.query.get("source_branch") {
            let owner = project.split('/').nth(2).unwrap_or_default();
            path.push_str(&format!("&head={owner}:{head}"));
        }
        if self.query.get("order_by").is_some_and(|order| order == "updated_at") {
            path.push_str("&sort=updated");
        }
        let page = self.page(&path).await?;
        self.shown_requests(project, page).await
    }

    /// Shows a page of them, which on GitLab says who merged them.
    pub(super) async fn shown_requests(&self, project: &str, mut page: Page) -> Result<Page, Answer> {
        let mut shown = Vec::new();
        for pull in page.entries.as_array().into_iter().flatten() {
            shown.push(match pull["merged_at"].is_null() {
                true => self.shown_request(pull),
                false => self.shown_request(&self.get(&format!("{project}/pulls/{}", pull["number"])).await?),
            });
        }
        page.entries = json!(shown);
        Ok(page)
    }

    async fn open_request(&self, project: &str) -> Result<Value, Answer> {
        let body = json!({"head": self.text("source_branch"), "base": self.text("target_branch"),
            "title": self.text("title"), "body": self.written("description")});
        let told = self.told(Method::POST, &format!("{project}/pulls"), &body).await;
        if told.status == 422 && String::from_utf8_lossy(&told.body).contains("already exists") {
            return Err(error(409, "Another open merge request already exists for this source branch"));
        }
        Ok(self.shown_request(&read(&told)?))
    }

    async fn edit_request(&self, pull: &str) -> Result<Value, Answer> {
        let mut body = json!({});
        if let Some(title) = self.text("title") {
            body["title"] = json!(title);
        }
        if self.text("description").is_some() {
            body["body"] = json!(self.written("description"));
        }
        if self.text("state_event") == Some("close") {
            if self.get(pull).await?["state"] != "open" {
                return Err(error(400, "state_event is invalid"));
            }
            body["state"] = json!("closed");
        }
        Ok(self.shown_request(&self.ask(Method::PATCH, pull, &body).await?))
    }

    /// Merges, or refuses in the order in which GitLab does.
    async fn merge_request(&self, pull: &str) -> Result<Value, Answer> {
        let before = self.get(pull).await?;
        match self.shown_request(&before)["detailed_merge_status"].as_str() {
            Some("conflict") => return Err(error(422, "Branch cannot be merged")),
            Some("mergeable") => {}
            _ => return Err(error(405, "405 Method Not Allowed")),
        }
        let Some(sha) = self.text("sha") else { return Err(error(400, "SHA must be provided when merging")) };
        if before["head"]["sha"] != sha {
            let head = &before["head"]["sha"];
            return Err(error(409, format!("SHA does not match HEAD of source branch: {head}")));
        }
        let message = self.text("merge_commit_message").unwrap_or("Merge");
        let (title, text) = message.split_once("\n\n").unwrap_or((message, ""));
        let method = if self.is_squashed() { "squash" } else { "merge" };
        let body = json!({"sha": sha, "merge_method": method, "commit_title": title, "commit_message": text});
        self.ask(Method::PUT, &format!("{pull}/merge"), &body).await?;
        Ok(self.shown_request(&self.get(pull).await?))
    }

    fn is_squashed(&self) -> bool {
        self.body["squash"] == "true" || self.body["squash"] == true
    }

    async fn approvals(&self, pull: &str) -> Result<Value, Answer> {
        let mut answer = sample(include_str!("../../../data/gitlab/merge_request.approvals.json"));
        let approved = self.opinions(pull, "APPROVED").await?;
        let request = self.get(pull).await?;
        self.front.note_head(&request);
        let versions = self.front.kept().versions.get(&key(&request)).cloned().unwrap_or_default();
        let shown = |review: &Value| {
            // The forge behind tells whole seconds, and what was approved; here the time alone tells that.
            let is_it = |version: &&Value| version["head_commit_sha"] == review["commit_id"];
            let pushed_at = versions.iter().find(is_it).map(|version| time(&version["created_at"]));
            let at = pushed_at.into_iter().chain([time(&review["submitted_at"])]).max();
            json!({"user": self.shown_user(&review["user"]["id"]), "approved_at": at})
        };
        answer["approved_by"] = approved.iter().map(shown).collect();
        Ok(answer)
    }

    async fn reviewers(&self, pull: &str) -> Result<Value, Answer> {
        let objecting = self.opinions(pull, "CHANGES_REQUESTED").await?;
        let shown = |review: &Value| {
            json!({"user": self.shown_user(&review["user"]["id"]), "state": "requested_changes",
                "created_at": review["submitted_at"]})
        };
        Ok(objecting.iter().map(shown).collect())
    }

    /// Returns the reviews of those whose last word is this one.
    async fn opinions(&self, pull: &str, state: &str) -> Result<Vec<Value>, Answer> {
        let reviews = self.get(&format!("{pull}/reviews?{PER_PAGE}")).await?;
        let reviews: Vec<Value> = reviews.as_array().cloned().unwrap_or_default();
        let speaks = |review: &&Value| review["state"] != "COMMENTED" && review["state"] != "PENDING";
        let is_last = |(index, review): &(usize, &Value)| {
            !reviews[index + 1..].iter().filter(speaks).any(|later| later["user"]["id"] == review["user"]["id"])
        };
        let last = reviews.iter().enumerate().filter(is_last).map(|(_, review)| review);
        Ok(last.filter(|review| review["state"] == state).cloned().collect())
    }

    fn shown_request(&self, pull: &Value) -> Value {
        self.front.note_head(pull);
        let is_merged = !pull["merged_at"].is_null();
        let mut shown = sample(include_str!("../../../data/gitlab/merge_request.get.json"));
        let fields = json!({
            "iid": pull["number"], "title": pull["title"], "description": pull["body"], "state": state(pull),
            "source_branch": pull["head"]["ref"], "target_branch": pull["base"]["ref"], "sha": pull["head"]["sha"],
            "draft": pull["draft"], "source_project_id": 1, "target_project_id": 1,
            "author": self.shown_user(&pull["user"]["id"]), "created_at": pull["created_at"],
            "merged_at": pull["merged_at"], "closed_at": if is_merged { &Value::Null } else { &pull["closed_at"] },
            "merge_user": self.shown_user(&pull["merged_by"]["id"]), "merged_by": null,
            "merge_commit_sha": if is_merged { &pull["merge_commit_sha"] } else { &Value::Null },
            "squash_commit_sha": null, "web_url": pull["html_url"], "merge_error": null,
            "detailed_merge_status": merge_status(pull), "pipeline": null, "head_pipeline": null, "user": null,
        });
        let object = shown.as_object_mut().expect("because the sample is an object");
        object.extend(fields.as_object().expect("because it was built as an object").clone());
        shown
    }
}

impl Front {
    /// Keeps the head of a merge request as the last push to it.
    pub(super) fn note_head(&self, pull: &Value) {
        let mut kept = self.kept();
        let versions = kept.versions.entry(key(pull)).or_default();
        let head = &pull["head"]["sha"];
        if versions.first().is_none_or(|newest| newest["head_commit_sha"] != *head) {
            let id = versions.len() + 1;
            // Each is later than the one before, and than whatever was approved before it in the same second.
            let at = time(&pull["updated_at"]) + Duration::from_millis(id as u64);
            versions.insert(0, json!({"id": id, "head_commit_sha": head, "created_at": at}));
        }
    }
}

fn time(shown: &Value) -> Timestamp {
    shown.as_str().and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn key(pull: &Value) -> (String, u64) {
    let repository = pull["base"]["repo"]["full_name"].as_str().unwrap_or_default().to_owned();
    (repository, pull["number"].as_u64().unwrap_or_default())
}

/// Returns GitLab's word for where a pull request is in its life.
pub(super) fn state(pull: &Value) -> &'static str {
    match (pull["state"].as_str(), pull["merged_at"].is_null()) {
        (Some("open"), _) => "opened",
        (_, false) => "merged",
        _ => "closed",
    }
}

/// Returns GitLab's word for whether a pull request can be merged.
fn merge_status(pull: &Value) -> &'static str {
    match (state(pull), pull["mergeable"].as_bool(), pull["mergeable_state"].as_str()) {
        ("opened", None, _) => "checking",
        ("opened", Some(false), _) => "conflict",
        ("opened", _, Some("draft")) => "draft_status",
        ("opened", _, Some("blocked")) => "not_approved",
        ("opened", ..) => "mergeable",
        _ => "not_open",
    }
}
