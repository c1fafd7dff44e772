//! One request of the second version of git's protocol (<https://git-scm.com/docs/protocol-v2>) over HTTP, without starting
//! git: it needs no capabilities to be read before, since the server keeps no state.

use git2::Oid;
use http::{HeaderValue, Method, StatusCode, header};
use secrecy::ExposeSecret;
use url::Url;

use super::mirror::Remote;
use crate::network::Network;

/// The end of a message, and the line between its parts.
pub(super) const FLUSH: &str = "0000";
pub(super) const DELIMITER: &str = "0001";
/// What begins the kind of what is asked, and of what is answered.
const KIND: &str = "application/x-git-upload-pack-";

/// Returns a line behind its length.
pub(super) fn line(text: &str) -> String {
    format!("{:04x}{text}\n", text.len() + 5)
}

/// Returns the request for a command with these arguments, each a line.
pub(super) fn asked(command: &str, arguments: impl IntoIterator<Item = String>) -> Vec<u8> {
    let arguments: String = arguments.into_iter().map(|argument| line(&argument)).collect();
    format!("{}{DELIMITER}{arguments}{FLUSH}", line(&format!("command={command}"))).into_bytes()
}

/// Returns what a line begins with, without its length, and what follows it; nothing where no line is whole.
pub(super) fn first(lines: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from_str_radix(std::str::from_utf8(lines.get(..4)?).ok()?, 16).ok()?;
    Some((lines.get(4..length)?, lines.get(length..)?))
}

/// Reads the name of an object.
pub(super) fn object(id: &str) -> Option<Oid> {
    Oid::from_str(id).ok().filter(|_| id.len() == 40)
}

/// Sends a request to a remote; returns what it answers.
///
/// # Errors
/// Whatever the trouble is: the program `git` has the words for it.
pub(super) async fn ask(remote: &Remote, network: &Network, request: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let address = Url::parse(&format!("{}/git-upload-pack", remote.url))?;
    anyhow::ensure!(matches!(address.scheme(), "http" | "https"), "it is not reached over HTTP");
    let mut request = http::Request::new(request);
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
    Ok(body)
}
