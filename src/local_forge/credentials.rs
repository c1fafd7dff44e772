//! Who calls, by the `Authorization` header.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{hub::Hub, refusal::Refusal, state::Account};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// Nobody who says so.
    Nobody,
    /// An account, by its token.
    Account(Account),
    /// An App that asks for itself, by what it signed.
    App(u64),
}

impl Caller {
    /// Returns the account that acts, when there is one.
    pub(super) fn account(self) -> Option<Account> {
        match self {
            Self::Account(account) => Some(account),
            Self::Nobody | Self::App(_) => None,
        }
    }
}

/// Returns who calls.
///
/// # Errors
/// 401 when the credentials are wrong.
pub(super) fn caller(hub: &Hub, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Caller::Nobody) };
    let token = value.to_str().ok().and_then(token).ok_or_else(Refusal::bad_credentials)?;
    let (state, now) = (hub.lock(), super::clock::now());
    if token.split('.').count() == 3 {
        return state.app_by_signed(&token, now).map(Caller::App).ok_or_else(Refusal::not_decoded);
    }
    let account = state.account_by_token(&token).or_else(|| state.bot_by_token(&token, now));
    account.cloned().map(Caller::Account).ok_or_else(Refusal::bad_credentials)
}

/// Takes the token out of `Bearer T`, `token T` or Basic, where it is the password (or the user name, as git allows).
fn token(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => Some(rest.trim().to_owned()),
        "basic" => {
            let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
            let (user, password) = pair.split_once(':')?;
            let is_token = password.is_empty() || password == "x-oauth-basic";
            Some(if is_token { user } else { password }.to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn the_token_is_found_in_every_scheme() {
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("token abc").as_deref(), Some("abc"));
        // x-access-token:abc
        assert_eq!(token("Basic eC1hY2Nlc3MtdG9rZW46YWJj").as_deref(), Some("abc"));
        assert_eq!(token("Digest abc"), None);
    }
}
