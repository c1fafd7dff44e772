//! Comments and reactions. GitLab's own commands are left out of what is written; where a person writes one of ours on
//! GitHub without the prefix, they write it with the prefix here, since GitLab keeps such lines for itself.

use axum::http::Method;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::{Front, PER_PAGE, Page, Request};
use crate::{
    gitlab::{
        face::{Answer, error},
        notes::obey,
    },
    world::BOT,
};

/// Our commands.
const COMMANDS: [&str; 14] = [
    "status", "diff", "help", "hold", "retry", "promote", "unhold", "reject", "unreject", "preview", "override",
    "rollback", "restore", "adopt",
];

impl Front {
    /// Returns what a person writes on GitLab where they write this on GitHub.
    fn prefixed(&self, text: &str) -> String {
        let line = |line: &str| {
            let word = line.trim_start().strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
            match word {
                Some(word) if COMMANDS.contains(&word) => {
                    let prefixed = line.replacen('/', "/hydromote ", 1);
                    self.kept().prefixed.insert(prefixed.trim().to_owned());
                    prefixed
                }
                _ => line.to_owned(),
            }
        };
        text.split('\n').map(line).collect::<Vec<_>>().join("\n")
    }

    /// Returns a text of ours with the commands that it quotes as the story has them.
    pub(crate) fn as_in_story(&self, text: &str) -> String {
        let kept = self.kept();
        let quotes = kept.prefixed.iter().map(|line| (format!("`{line}` by "), line.replacen("/hydromote ", "/", 1)));
        quotes.fold(text.to_owned(), |text, (quote, typed)| text.replace(&quote, &format!("`{typed}` by ")))
    }
}

impl Request<'_> {
    pub(super) async fn notes(&self, project: &str, iid: &str, path: &[&str]) -> Result<Page, Answer> {
        match (self.method, path) {
            ("GET", []) => {
                let mut page = self.page(&format!("{project}/issues/{iid}/comments?{PER_PAGE}")).await?;
                page.entries = page.entries.as_array().into_iter().flatten().map(|one| self.note(one)).collect();
                Ok(page)
            }
            ("POST", []) => {
                let body = json!({"body": self.written("body")});
                let comment = self.ask(Method::POST, &format!("{project}/issues/{iid}/comments"), &body).await?;
                Ok(Page::one(self.note(&comment)))
            }
            ("PUT", [id]) => {
                let body = json!({"body": self.written("body")});
                let comment = self.ask(Method::PATCH, &format!("{project}/issues/comments/{id}"), &body).await?;
                Ok(Page::one(self.note(&comment)))
            }
            (_, [id, "award_emoji"]) => self.awards(&format!("{project}/issues/comments/{id}/reactions")).await,
            _ => Err(error(404, "404 Not Found")),
        }
    }

    async fn awards(&self, path: &str) -> Result<Page, Answer> {
        let award =
            |one: &Value| json!({"id": one["id"], "name": one["content"], "user": self.shown_user(&one["user"]["id"])});
        if self.method == "POST" {
            let given = self.ask(Method::POST, path, &json!({"content": self.text("name")})).await?;
            return Ok(Page::one(award(&given)));
        }
        let mut page = self.page(&format!("{path}?{PER_PAGE}")).await?;
        page.entries = page.entries.as_array().into_iter().flatten().map(award).collect();
        Ok(page)
    }

    /// Returns what happened after a day, newest first: only comments are asked for.
    pub(super) async fn events(&self, project: &str) -> Result<Page, Answer> {
        let after: Option<Date> = self.query.get("after").and_then(|day| day.parse().ok());
        let begin = after.and_then(|day| day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()).map(|day| day.timestamp());
        let query = format!("sort=created&direction=desc&{PER_PAGE}");
        let mut page = self.page(&format!("{project}/issues/comments?{query}")).await?;
        let is_wanted = |comment: &&Value| {
            let at = comment["created_at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            begin.is_none_or(|begin| at.is_some_and(|at| at >= begin))
        };
        let comments = page.entries.as_array().into_iter().flatten().filter(is_wanted);
        let event = |one: &Value| json!({"action_name": "commented on", "created_at": one["created_at"], "note": self.note(one)});
        page.entries = comments.map(event).collect();
        Ok(page)
    }

    /// Returns a text that the service writes as GitLab keeps it.
    pub(super) fn written(&self, name: &str) -> String {
        let (kept, obeyed) = obey(self.text(name).unwrap_or_default());
        self.front.kept().obeyed.extend(obeyed);
        kept
    }

    fn note(&self, comment: &Value) -> Value {
        let number: u64 = last_segment(&comment["issue_url"]).parse().unwrap_or_default();
        let (body, author) = (comment["body"].as_str().unwrap_or_default(), &comment["user"]);
        let body = if author["login"] == BOT { body.to_owned() } else { self.front.prefixed(body) };
        json!({"id": comment["id"], "type": null, "body": body, "author": self.shown_user(&author["id"]),
            "system": false, "created_at": comment["created_at"], "updated_at": comment["updated_at"],
            "noteable_type": "MergeRequest", "noteable_iid": number, "internal": false})
    }
}

fn last_segment(url: &Value) -> &str {
    url.as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default()
}
