//! What an answer means for the caller: an error by reaction, and how long to wait.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::{Timestamp, fmt::rfc2822};
use serde::Deserialize;

use crate::{forge::ForgeError, secret::RENEW};

/// How long we wait when the forge limits us without saying for how long; doubled each time in a row.
/// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit>
const UNSAID_WAIT: Duration = Duration::from_secs(60);
/// The longest such wait.
const LONGEST_UNSAID_WAIT: Duration = Duration::from_secs(960);
/// The forge's words are cut here: a proxy's error page says nothing after its first lines.
const MAX_WORDS: usize = 300;

/// An answer whose body was read to its end.
#[derive(Debug)]
pub(in crate::forge) struct Answer {
    pub(in crate::forge) status: StatusCode,
    pub(in crate::forge) headers: HeaderMap,
    pub(in crate::forge) body: String,
}

/// What a forge says about one of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuotaTold<'a> {
    /// The part of the API that it is of.
    pub(super) resource: &'a str,
    /// How many calls are left.
    pub(super) remaining: u64,
    /// How many there were.
    pub(super) limit: Option<u64>,
    /// How long until there are as many again.
    pub(super) reset_in: Duration,
}

#[derive(Deserialize)]
struct ErrorBody {
    /// A text; of GitLab also a list of them, or an object of lists by field.
    message: Option<serde_json::Value>,
    /// GitLab's other place for a text.
    error: Option<String>,
    error_description: Option<String>,
    #[serde(default)]
    errors: Option<Vec<serde_json::Value>>,
}

impl Answer {
    /// Returns how long to wait when this is a refusal because of too many calls; `strikes` counts those in a row
    /// before it.
    pub(super) fn wait(&self, strikes: u32) -> Option<Duration> {
        if !matches!(self.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
            return None;
        }
        let is_exhausted = self.limit("remaining") == Some("0");
        let is_limit = is_exhausted || self.status == StatusCode::TOO_MANY_REQUESTS || self.body.contains("rate limit");
        let reset = || self.until_reset().filter(|_| is_exhausted);
        let unsaid = || is_limit.then(|| (UNSAID_WAIT * 2u32.saturating_pow(strikes.min(8))).min(LONGEST_UNSAID_WAIT));
        self.retry_after().or_else(reset).or_else(unsaid)
    }

    /// Returns how long the forge asks to be left alone altogether.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header("retry-after")?.parse().ok()?;
        Some(Duration::from_secs(seconds).max(Duration::from_secs(1)))
    }

    /// Returns what the forge says about the limit that this call counted for.
    pub(super) fn quota(&self) -> Option<QuotaTold<'_>> {
        Some(QuotaTold {
            // GitLab names its limits, too; most others have a single one.
            resource: self.limit("resource").or_else(|| self.limit("name")).unwrap_or("all"),
            remaining: self.limit("remaining")?.parse().ok()?,
            limit: self.limit("limit").and_then(|limit| limit.parse().ok()),
            reset_in: self.until_reset()?,
        })
    }

    /// Says whether this is a page for people, where only JSON is of use.
    pub(super) fn is_page(&self) -> bool {
        let is_html = |kind: &str| kind.trim_start().to_ascii_lowercase().starts_with("text/html");
        self.body.trim_start().starts_with('<')
            || (!self.body.is_empty() && self.header("content-type").is_some_and(is_html))
    }

    /// Returns the time from the answer's own date until the limit is reset, so that a wrong clock here does no harm.
    fn until_reset(&self) -> Option<Duration> {
        let reset: i64 = self.limit("reset")?.parse().ok()?;
        let now = rfc2822::parse(self.header("date")?).ok()?.timestamp();
        let wait = Timestamp::from_second(reset).ok()?.duration_since(now);
        Some(Duration::try_from(wait).unwrap_or_default().max(Duration::from_secs(1)))
    }

    /// Returns what the forge says of its limit; GitLab's headers have no `x-`.
    fn limit(&self, what: &str) -> Option<&str> {
        self.header(&format!("x-ratelimit-{what}")).or_else(|| self.header(&format!("ratelimit-{what}")))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the error that an unsuccessful answer, which is no rate limit, means for the caller.
    pub(in crate::forge) fn error(&self, what: &str) -> ForgeError {
        let what = what.to_owned();
        let words = self.words();
        match self.status.as_u16() {
            401 => ForgeError::Unauthorised { what, words: format!("{words}; {RENEW}"), invalid: true },
            403 => ForgeError::Unauthorised { what, words, invalid: false },
            404 | 410 => ForgeError::NotFound { what },
            409 => ForgeError::Moved { words },
            // No redirect is followed here: credentials are for one address, and a repeated write is another one.
            301 | 302 | 303 | 307 | 308 => {
                let words = "it is at another address by now: if the repository was renamed or moved, write its new \
                             name into `repositories`; if not, look whether `api_url` is right"
                    .into();
                ForgeError::Refused { what, words }
            }
            // 406: a conflict, on older GitLabs; 412: not in its present state; 423: the repository is archived.
            400 | 405 | 406 | 412 | 422 | 423 | 451 => ForgeError::Refused { what, words },
            407 => ForgeError::Unavailable {
                what,
                source: anyhow::anyhow!("the proxy wants other credentials than those of `network.proxy`: {words}"),
            },
            status => ForgeError::Unavailable { what, source: anyhow::anyhow!("status {status}: {words}") },
        }
    }

    /// Returns the forge's words: its message and those of its list of errors.
    fn words(&self) -> String {
        let words = match serde_json::from_str::<ErrorBody>(&self.body) {
            Ok(body) => {
                let details = body.errors.iter().flatten().filter_map(detail);
                let message = body.message.as_ref().map(flat).filter(|words| !words.is_empty());
                let texts = message.into_iter().chain(body.error).chain(body.error_description).chain(details);
                texts.collect::<Vec<_>>().join(": ")
            }
            Err(_) => self.body.trim().to_owned(),
        };
        let words = if words.is_empty() { self.status.to_string() } else { words };
        words.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
    }
}

/// Returns the texts of a message in their order, with the fields that they are about.
fn flat(message: &serde_json::Value) -> String {
    use serde_json::Value;
    match message {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(flat).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            fields.iter().map(|(field, texts)| format!("{field}: {}", flat(texts))).collect::<Vec<_>>().join("; ")
        }
        _ => String::new(),
    }
}

/// Returns the text of one entry of `errors`, which is a text or an object.
fn detail(error: &serde_json::Value) -> Option<String> {
    let text = |key: &str| error.get(key).and_then(serde_json::Value::as_str);
    match (error.as_str(), text("message")) {
        (Some(words), _) | (None, Some(words)) => Some(words.to_owned()),
        (None, None) => Some(format!("field `{}` is {}", text("field")?, text("code").unwrap_or("invalid"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("because the tests use plain values"));
        }
        Answer {
            status: StatusCode::from_u16(status).expect("because the tests use real codes"),
            headers: map,
            body: body.to_owned(),
        }
    }

    #[test]
    fn a_refusals_wait_is_retry_after_then_the_reset_then_a_minute_that_doubles() {
        let seconds = |answer: &Answer, strikes| answer.wait(strikes).map(|wait| wait.as_secs());
        assert_eq!(seconds(&answer(403, &[("retry-after", "17")], ""), 0), Some(17));
        assert_eq!(seconds(&answer(429, &[("retry-after", "0")], ""), 0), Some(1));
        let reset = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1700000100"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ];
        assert_eq!(seconds(&answer(403, &reset, ""), 0), Some(100));
        assert_eq!(seconds(&answer(200, &reset, ""), 0), None);
        let of_gitlab = [("ratelimit-remaining", "0"), ("ratelimit-reset", "1700000100"), reset[2]];
        assert_eq!(seconds(&answer(429, &of_gitlab, ""), 0), Some(100));
        assert_eq!(seconds(&answer(429, &[], ""), 0), Some(60));
        assert_eq!(seconds(&answer(429, &[], ""), 2), Some(240));
        assert_eq!(seconds(&answer(429, &[], ""), 99), Some(960));
        let secondary = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        assert_eq!(seconds(&answer(403, &[], secondary), 0), Some(60));
        assert_eq!(seconds(&answer(403, &[("x-ratelimit-remaining", "4999")], "no"), 0), None);
        assert_eq!(seconds(&answer(200, &[("retry-after", "17")], ""), 0), None);
    }

    #[test]
    fn what_is_left_is_read_as_each_forge_tells_it() {
        let date = ("date", "Tue, 14 Nov 2023 22:13:20 GMT");
        let of_github = [
            ("x-ratelimit-resource", "core"),
            ("x-ratelimit-remaining", "12"),
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-reset", "1700000100"),
            date,
        ];
        let (limit, reset_in) = (Some(5000), Duration::from_secs(100));
        let told = QuotaTold { resource: "core", remaining: 12, limit, reset_in };
        assert_eq!(answer(200, &of_github, "").quota(), Some(told));
        let of_gitlab = [
            ("ratelimit-name", "throttle_authenticated_api"),
            ("ratelimit-remaining", "12"),
            ("ratelimit-limit", "5000"),
            ("ratelimit-reset", "1700000100"),
            date,
        ];
        let told = QuotaTold { resource: "throttle_authenticated_api", ..told };
        assert_eq!(answer(304, &of_gitlab, "").quota(), Some(told));
        assert_eq!(answer(200, &of_github[..2], "").quota(), None, "without an end it is of no use");
        assert_eq!(answer(200, &[], "").quota(), None);
    }

    #[test]
    fn a_page_is_told_from_json() {
        let html = [("content-type", "text/html; charset=utf-8")];
        assert!(answer(200, &html, "Sign in").is_page());
        assert!(answer(200, &[], "\n <!DOCTYPE html>").is_page());
        assert!(!answer(200, &html, "").is_page(), "an empty answer is no page");
        assert!(!answer(200, &[], r#"{"a": "<b>"}"#).is_page());
    }

    #[test]
    fn words_hold_the_message_and_its_details() {
        let body = r#"{"message":"Validation Failed","errors":[
            {"resource":"PullRequest","field":"head","code":"invalid"},{"message":"No commits between a and b"},"plain"]}"#;
        assert_eq!(
            answer(422, &[], body).words(),
            "Validation Failed: field `head` is invalid: No commits between a and b: plain"
        );
        assert_eq!(answer(502, &[], "").words(), "502 Bad Gateway");
        let of = |body: &str| answer(400, &[], body).words();
        assert_eq!(
            of(r#"{"message":["Another open merge request already exists: !7"]}"#),
            "Another open merge request already exists: !7"
        );
        assert_eq!(of(r#"{"message":{"name":["is too long","is odd"]}}"#), "name: is too long, is odd");
        assert_eq!(
            of(r#"{"error":"insufficient_scope","error_description":"More is needed"}"#),
            "insufficient_scope: More is needed"
        );
        assert_eq!(of(r#"{"message":{}}"#), "400 Bad Request");
        assert_eq!(answer(502, &[], &"é".repeat(900)).words().chars().count(), MAX_WORDS);
    }
}
