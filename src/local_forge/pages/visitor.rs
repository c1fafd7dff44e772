//! Who looks at a page: a signed cookie, and the token that goes into forms.

use axum::http::{HeaderMap, header};
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::local_forge::hub::Hub;

const COOKIE: &str = "local_forge_user";

/// Who looks at a page, and as whom they may choose to act.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Visitor {
    /// The user they chose to be.
    pub(super) login: Option<String>,
    /// What a form must send back.
    pub(super) form_token: String,
    /// The users to choose from.
    pub(super) users: Vec<String>,
}

impl Visitor {
    pub(super) fn of(hub: &Hub, headers: &HeaderMap) -> Self {
        let users: Vec<String> = {
            let state = hub.lock();
            state.accounts.values().filter(|one| one.token.is_some()).map(|one| one.login.clone()).collect()
        };
        let login = cookie(headers).and_then(|value| signed_login(hub, value)).filter(|login| users.contains(login));
        let form_token = seal(hub, "form", login.as_deref().unwrap_or_default());
        Self { login, form_token, users }
    }

    /// Returns whether a form came from one of our pages, made for this visitor.
    pub(super) fn sent(&self, token: &str, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_ours = headers
            .get(header::ORIGIN)
            .is_none_or(|origin| origin.to_str().is_ok_and(|origin| origin == format!("http://{host}")));
        is_ours && bool::from(token.as_bytes().ct_eq(self.form_token.as_bytes()))
    }
}

/// Returns the `Set-Cookie` header that makes a visitor `login`, or nobody.
pub(super) fn set_cookie(hub: &Hub, login: Option<&str>) -> String {
    let attributes = "Path=/; HttpOnly; SameSite=Strict";
    match login {
        Some(login) => format!("{COOKIE}={login}:{}; {attributes}", seal(hub, "user", login)),
        None => format!("{COOKIE}=; Max-Age=0; {attributes}"),
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn signed_login(hub: &Hub, value: &str) -> Option<String> {
    let (login, seal_of_it) = value.split_once(':')?;
    bool::from(seal_of_it.as_bytes().ct_eq(seal(hub, "user", login).as_bytes())).then(|| login.to_owned())
}

/// Seals `text` for one purpose, until the forge stops.
fn seal(hub: &Hub, purpose: &str, text: &str) -> String {
    let mut mac =
        <Hmac<Sha256> as Mac>::new_from_slice(hub.page_key.as_bytes()).expect("because HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    mac.update(b":");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
