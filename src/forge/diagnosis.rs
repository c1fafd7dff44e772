//! What a forge tells of the credentials that it is asked with, for `hydromote doctor`.

use http::HeaderMap;
use jiff::{Timestamp, fmt::rfc2822};

/// The credentials, as the forge knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSeen {
    /// Whose they are.
    pub login: String,
    /// What they are, such as `personal access token`.
    pub kind: String,
    /// When they end, where that is told.
    pub expires_at: Option<Timestamp>,
    /// What they were not given and should have been; in words.
    pub lacks: Vec<String>,
    /// What the forge's clock said when it answered.
    pub forge_time: Option<Timestamp>,
}

/// Returns what the forge's clock said, from the headers of an answer.
pub(super) fn time(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(http::header::DATE)?.to_str().ok()?;
    rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read_as_http_writes_it() {
        let date = "Sun, 01 Mar 2026 10:00:00 GMT".parse().expect("because it is plain");
        let told = time(&HeaderMap::from_iter([(http::header::DATE, date)]));
        assert_eq!(told, "2026-03-01T10:00:00Z".parse().ok());
        assert_eq!(time(&HeaderMap::new()), None);
    }
}
