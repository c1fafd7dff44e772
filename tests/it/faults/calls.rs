//! What goes wrong between the service and its forge: calls of the API, and git's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use http::{HeaderName, Method, StatusCode, header};
use jiff::fmt::rfc2822;

use super::mishaps::{Mishap, Mishaps, Traffic};
use crate::proxy::{Asked, Behind, Between, Fate, Told};

/// What a proxy in between, or one that asks people to sign in, says with 200.
const PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>";
const ERRORS: [u16; 4] = [500, 502, 503, 504];

/// Whether the forge does what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    No,
    /// And who asked does not hear of it.
    Yes,
}

/// What can happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reset(Done),
    Error(Done),
    Page(Done),
    Silence(Done),
    Torn,
    Stalled,
    Slowly,
    /// What was true before, from a copy that lags behind.
    Stale,
    /// 429 with `Retry-After`.
    TooMany,
    /// 403 that says how long to wait.
    Secondary,
    /// 403 with nothing left until the limit is reset.
    Exhausted,
}

/// Each limit makes the service wait for a second: the others come more often.
const OF_THE_API: [Kind; 18] = [
    Kind::Reset(Done::No),
    Kind::Reset(Done::Yes),
    Kind::Reset(Done::Yes),
    Kind::Error(Done::No),
    Kind::Error(Done::Yes),
    Kind::Error(Done::Yes),
    Kind::Page(Done::No),
    Kind::Page(Done::Yes),
    Kind::Silence(Done::No),
    Kind::Silence(Done::Yes),
    Kind::Torn,
    Kind::Stalled,
    Kind::Slowly,
    Kind::Stale,
    Kind::Stale,
    Kind::TooMany,
    Kind::Secondary,
    Kind::Exhausted,
];

/// Git waits for minutes where nothing is said: that is left out.
const OF_GIT: [Kind; 9] = [
    Kind::Reset(Done::No),
    Kind::Reset(Done::Yes),
    Kind::Error(Done::No),
    Kind::Error(Done::Yes),
    Kind::Page(Done::No),
    Kind::Page(Done::Yes),
    Kind::Torn,
    Kind::Slowly,
    Kind::TooMany,
];

/// What stands between the service and its forge.
pub(super) struct Calls {
    mishaps: Arc<Mishaps>,
    /// What each path was answered with last, and what before that, where it was something else.
    told: Mutex<BTreeMap<String, (Told, Option<Told>)>>,
}

impl Calls {
    pub(super) fn new(mishaps: Arc<Mishaps>) -> Self {
        Self { mishaps, told: Mutex::default() }
    }

    /// Asks, and remembers the answer where it tells how something stands; returns also what was told before.
    async fn ask(&self, asked: &Asked, behind: &Behind) -> (Told, Option<Told>) {
        let answer = behind.ask(asked).await;
        if asked.method != Method::GET || answer.status != StatusCode::OK {
            return (answer, None);
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, before) = told.entry(asked.path.clone()).or_insert_with(|| (answer.clone(), None));
        if last.body != answer.body {
            *before = Some(std::mem::replace(last, answer.clone()));
        }
        (answer, before.clone())
    }
}

#[async_trait]
impl Between for Calls {
    async fn decide(&self, asked: Asked, behind: &Arc<Behind>) -> Fate {
        let (traffic, what) = named(&asked);
        let Some(mishap) = self.mishaps.next(traffic, &what) else {
            return Fate::Answered(self.ask(&asked, behind).await.0);
        };
        let kind = match traffic {
            Traffic::Fetch | Traffic::Push => mishap.one_of(&OF_GIT),
            Traffic::Read | Traffic::Write | Traffic::Hook => mishap.one_of(&OF_THE_API),
        };
        self.mishaps.note(&mishap, &format!("{kind:?}"));
        if kind == Kind::Stale {
            let (answer, before) = self.ask(&asked, behind).await;
            return Fate::Answered(before.unwrap_or(answer));
        }
        happen(kind, &mishap, &asked, behind).await
    }
}

async fn happen(kind: Kind, mishap: &Mishap, asked: &Asked, behind: &Behind) -> Fate {
    if let Kind::Reset(Done::Yes) | Kind::Error(Done::Yes) | Kind::Page(Done::Yes) | Kind::Silence(Done::Yes) = kind {
        behind.ask(asked).await;
    }
    match kind {
        Kind::Reset(_) => Fate::Reset,
        Kind::Silence(_) => Fate::Silence,
        Kind::Error(_) => {
            let status = ERRORS[usize::try_from(mishap.below(ERRORS.len() as u64)).unwrap_or_default()];
            Fate::Answered(Told::made_up(status, "text/html", &[], "<html><body>Bad Gateway</body></html>"))
        }
        Kind::Page(done) => {
            let code = if done == Done::Yes { 200 } else { 404 };
            Fate::Answered(Told::made_up(code, "text/html; charset=utf-8", &[], PAGE))
        }
        Kind::Torn => Fate::Torn(behind.ask(asked).await),
        Kind::Stalled => Fate::Stalled(behind.ask(asked).await),
        Kind::Slowly => Fate::Slowly(behind.ask(asked).await),
        Kind::Stale => Fate::Answered(behind.ask(asked).await),
        Kind::TooMany => Fate::Answered(limited(429, &[(header::RETRY_AFTER, "1")], "Too Many Requests")),
        Kind::Secondary => {
            let words = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            Fate::Answered(limited(403, &[(header::RETRY_AFTER, "1")], words))
        }
        Kind::Exhausted => {
            let now = (hydromote::app::wall_clock())();
            let date = rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default();
            let reset = (now.as_second() + 1).to_string();
            let remaining = HeaderName::from_static("x-ratelimit-remaining");
            let headers =
                [(remaining, "0"), (HeaderName::from_static("x-ratelimit-reset"), &*reset), (header::DATE, &date)];
            Fate::Answered(limited(403, &headers, "API rate limit exceeded for user ID 1."))
        }
    }
}

fn limited(status: u16, headers: &[(HeaderName, &str)], words: &str) -> Told {
    Told::made_up(status, "application/json", headers, &serde_json::json!({"message": words}).to_string())
}

/// Says what is asked for, the same in every run of a story: commits have other ids each time.
fn named(asked: &Asked) -> (Traffic, String) {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let is_sha = |part: &&str| part.len() == 40 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = path.split('/').map(|part| if is_sha(&part) { "(sha)" } else { part }).collect();
    let path = parts.join("/");
    if !path.contains(".git/") {
        let traffic = if asked.method == Method::GET { Traffic::Read } else { Traffic::Write };
        return (traffic, format!("{} {path}", asked.method));
    }
    let is_push = path.ends_with("git-receive-pack") || query.contains("git-receive-pack");
    let traffic = if is_push { Traffic::Push } else { Traffic::Fetch };
    (traffic, format!("{} {path} {query}", asked.method))
}
