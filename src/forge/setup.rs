//! Why an adapter could not be made, and the address that each of them begins with.

use url::Url;

/// Why an adapter could not be made; the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is none of the forge's API.
    #[error("`{url}` is not the address of the API; write it like `{example}`")]
    Address {
        /// What was configured.
        url: String,
        /// What would be right.
        example: &'static str,
    },
    /// The key is none.
    #[error("the App's private key is not an RSA key in PEM")]
    PrivateKey {
        /// What the reader of keys said.
        #[source]
        source: anyhow::Error,
    },
    /// No client could be made: the token holds what no header can, or root certificates are missing.
    #[error("could not set up the client for the forge's API")]
    Client {
        /// What went wrong.
        #[source]
        source: anyhow::Error,
    },
}

/// Returns the API's address without a slash at its end. One with credentials is refused: it would be shown.
pub(super) fn api_address(text: &str, example: &'static str) -> Result<String, SetupError> {
    let is_plain =
        |url: &Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    match Url::parse(text).ok().filter(is_plain) {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(SetupError::Address { url: text.to_owned(), example }),
    }
}

/// Returns the API's address, and the one that people open and git uses: the API is at `path` below that.
pub(super) fn api_and_site(text: &str, path: &str, example: &'static str) -> Result<(String, String), SetupError> {
    let api = api_address(text, example)?;
    match api.strip_suffix(path) {
        Some(site) => Ok((api.clone(), site.to_owned())),
        None => Err(SetupError::Address { url: text.to_owned(), example }),
    }
}
