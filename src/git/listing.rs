//! Lists branches of a remote without starting git: one request of the second version of git's protocol
//! (<https://git-scm.com/docs/protocol-v2#_ls_refs>), over HTTP.
//!
//! What cannot be listed so, be it for the address, an older server or a refusal, is left to `git ls-remote`, which has
//! the words for it: an answer is taken whole and as expected, or not at all.

use std::time::Duration;

use git2::Oid;
use http::{HeaderValue, Method, StatusCode, header};
use secrecy::ExposeSecret;
use url::Url;

use super::mirror::Remote;
use crate::network::Network;

/// How long a list may take.
const LIST_LIMIT: Duration = Duration::from_secs(20);
/// The end of a message, and the line between its parts.
const FLUSH: &str = "0000";
const DELIMITER: &str = "0001";
/// What begins the kind of what is asked, and of what is answered.
const KIND: &str = "application/x-git-upload-pack-";

/// Returns the references whose names begin so, each with the object that it names; nothing where git has to be asked.
pub(super) async fn references(remote: &Remote, network: &Network, prefixes: &[String]) -> Option<Vec<(Oid, String)>> {
    let listed = tokio::time::timeout(LIST_LIMIT, list(remote, network, prefixes)).await;
    match listed.map_err(anyhow::Error::from).flatten() {
        Ok(references) => Some(references),
        Err(error) => {
            tracing::debug!("branches are not listed without git: {error:#}");
            None
        }
    }
}

async fn list(remote: &Remote, network: &Network, prefixes: &[String]) -> anyhow::Result<Vec<(Oid, String)>> {
    let address = Url::parse(&format!("{}/git-upload-pack", remote.url))?;
    anyhow::ensure!(matches!(address.scheme(), "http" | "https"), "it is not reached over HTTP");
    let mut request = http::Request::new(asked(prefixes));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = address.as_str().parse()?;
    let headers = request.headers_mut();
    headers.insert("git-protocol", HeaderValue::from_static("version=2"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(format!("{KIND}request"))?);
    headers.insert(header::ACCEPT, HeaderValue::try_from(format!("{KIND}result"))?);
    if let Some(authorization) = &remote.authorization {
        let mut value = HeaderValue::try_from(authorization.expose_secret())?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    let (status, headers, body) = network.way_to(&address)?.exchange(request).await?;
    anyhow::ensure!(status == StatusCode::OK, "the answer is {status}");
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    anyhow::ensure!(kind == format!("{KIND}result").as_bytes(), "the answer is not git's");
    told(&body).ok_or_else(|| anyhow::anyhow!("the answer is no list"))
}

/// Returns the request: lines, each behind its length.
fn asked(prefixes: &[String]) -> Vec<u8> {
    let line = |text: &str| format!("{:04x}{text}\n", text.len() + 5);
    let wanted: String = prefixes.iter().map(|prefix| line(&format!("ref-prefix {prefix}"))).collect();
    format!("{}{DELIMITER}{wanted}{FLUSH}", line("command=ls-refs")).into_bytes()
}

/// Reads the answer; nothing unless all of it is a list that has come to its end.
fn told(answer: &[u8]) -> Option<Vec<(Oid, String)>> {
    let (mut rest, mut references) = (std::str::from_utf8(answer).ok()?, Vec::new());
    while rest != FLUSH {
        let length = usize::from_str_radix(rest.get(..4)?, 16).ok()?;
        let line = rest.get(4..length)?.trim_end_matches('\n');
        let (id, name) = line.split_once(' ')?;
        // What else is told of it is told behind its name.
        let name = name.split(' ').next()?;
        references.push((Oid::from_str(id).ok().filter(|_| id.len() == 40)?, name.to_owned()));
        rest = rest.get(length..)?;
    }
    Some(references)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn prefixes_are_asked_for_in_lines_behind_their_lengths() {
        let asked = asked(&["refs/heads/main".to_owned()]);
        assert_eq!(String::from_utf8_lossy(&asked), "0014command=ls-refs\n0001001fref-prefix refs/heads/main\n0000");
    }

    #[test]
    fn a_list_is_read_to_its_end_or_not_at_all() {
        let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
        let (main, dev) = (line(&format!("{ONE} refs/heads/main\n")), line(&format!("{ONE} refs/heads/env/dev x:y\n")));
        let names = |text: &str| told(text.as_bytes()).map(|all| all.into_iter().map(|(_, name)| name).collect());
        let both: Option<Vec<String>> = Some(vec!["refs/heads/main".to_owned(), "refs/heads/env/dev".to_owned()]);
        assert_eq!(names(&format!("{main}{dev}0000")), both);
        assert_eq!(names("0000"), Some(Vec::new()));
        for other in ["", &main, &format!("{main}00"), &format!("{main}0000{dev}"), "<html></html>", "00010000"] {
            assert_eq!(names(other), None, "{other}");
        }
        let unborn = line("unborn HEAD\n");
        let refusal = line("ERR access denied");
        for other in [unborn, refusal] {
            assert_eq!(names(&format!("{other}0000")), None, "{other}");
        }
    }
}
