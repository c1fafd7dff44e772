//! Conditional reading: an answer has a tag, and who has it already gets 304.

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use super::call::Answer;

/// Tags a 200, or turns it into a 304 when the caller names the same tag.
pub(super) fn conditional(mut answer: Answer, headers: &HeaderMap) -> Answer {
    if answer.status != 200 {
        return answer;
    }
    let tag = tag(&answer);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|one| is_same(one.trim(), &tag)) {
        answer.status = 304;
        answer.body = None;
    }
    answer.headers.push(("etag", tag));
    answer.headers.push(("cache-control", "private, max-age=60, s-maxage=60".to_owned()));
    answer
}

/// The tag covers the links too: the same items with another next page are another answer.
fn tag(answer: &Answer) -> String {
    let mut hash = Sha256::new();
    hash.update(answer.body.as_ref().map(ToString::to_string).unwrap_or_default());
    for (name, value) in &answer.headers {
        hash.update(name);
        hash.update(value);
    }
    format!("W/\"{}\"", hex::encode(hash.finalize()))
}

fn is_same(one: &str, other: &str) -> bool {
    one == "*" || one.trim_start_matches("W/") == other.trim_start_matches("W/")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{Answer, conditional};

    fn asked_with(answer: Answer, tag: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.extend(HeaderValue::from_str(tag).ok().map(|value| (header::IF_NONE_MATCH, value)));
        conditional(answer, &headers)
    }

    #[test]
    fn the_same_answer_is_not_sent_twice() {
        let first = conditional(Answer::ok("text"), &HeaderMap::new());
        let tag =
            first.headers.iter().find(|(name, _)| *name == "etag").map(|(_, tag)| tag.clone()).unwrap_or_default();
        assert_eq!(asked_with(Answer::ok("text"), &tag).status, 304);
        assert_eq!(asked_with(Answer::ok("text"), tag.trim_start_matches("W/")).body, None);
        assert_eq!(asked_with(Answer::ok("other"), &tag).status, 200);
    }
}
