//! What the forms of the pages do. Each ends with the page it came from.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, Request, Response, StatusCode, header},
};

use super::visitor::{self, Visitor};
use crate::local_forge::{
    discussion::ReviewState,
    hub::{Desk, Hub},
    pull_request::MergeMethod,
    pulls::{MergeOrder, PullChange},
    refusal::Refusal,
};

/// The largest form.
const FORM_BYTES: usize = 1024 * 1024;
/// How long a form may take to arrive.
const FORM_WITHIN: Duration = Duration::from_secs(30);

/// The fields of a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// Does what a form asks for.
pub(super) async fn submit(
    hub: &Arc<Hub>,
    visitor: &Visitor,
    path: &str,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(FORM_WITHIN, to_bytes(body, FORM_BYTES)).await;
    let Ok(Ok(body)) = body else { return Err(Refusal::new(413, "The form is too large or came too slowly.")) };
    let form = Form(url::form_urlencoded::parse(&body).into_owned().collect());
    if !visitor.sent(form.field("form_token"), &head.headers) {
        return Err(Refusal::new(403, "This form is out of date. Please load its page again."));
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        ["-", "login"] => {
            let login = form.field("login");
            if !visitor.users.iter().any(|user| user == login) {
                return Err(Refusal::not_found());
            }
            Ok(back("/", Some(visitor::set_cookie(hub, Some(login)))))
        }
        ["-", "logout"] => Ok(back("/", Some(visitor::set_cookie(hub, None)))),
        [owner, name, "pull", number, action] => {
            let number: u64 = number.parse().map_err(|_| Refusal::not_found())?;
            let (key, action, login) = (format!("{owner}/{name}"), (*action).to_owned(), visitor.login.clone());
            let page = format!("/{key}/pull/{number}");
            hub.work(move |desk| act(desk, &key, login.as_deref(), number, &action, &form)).await?;
            Ok(back(&page, None))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn act(
    desk: &mut Desk<'_>,
    key: &str,
    actor: Option<&str>,
    number: u64,
    action: &str,
    form: &Form,
) -> Result<(), Refusal> {
    let text = form.field("text").replace("\r\n", "\n");
    match action {
        "comment" => desk.add_comment(key, actor, number, text).map(drop),
        "approve" => desk.add_review(key, actor, number, ReviewState::Approved, text).map(drop),
        "request-changes" => desk.add_review(key, actor, number, ReviewState::ChangesRequested, text).map(drop),
        "close" | "reopen" => {
            let open = Some(action == "reopen");
            desk.edit_pull(key, actor, number, PullChange { open, ..PullChange::default() })
        }
        "merge" => {
            let method = match form.field("method") {
                "squash" => MergeMethod::Squash,
                "rebase" => MergeMethod::Rebase,
                _ => MergeMethod::Merge,
            };
            // Nobody merges what they have not seen.
            let sha = Some(form.field("sha").to_owned());
            desk.merge_pull(key, actor, number, &MergeOrder { method, sha, ..MergeOrder::default() }).map(drop)
        }
        _ => Err(Refusal::not_found()),
    }
}

fn back(page: &str, cookie: Option<String>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let values = [(header::LOCATION, Some(page.to_owned())), (header::SET_COOKIE, cookie)];
    for (name, value) in values {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
