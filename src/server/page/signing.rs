//! Signing in with the API token, and out.
//!
//! The token is in the body of one form, and nowhere else: no address, page or log has it.

use axum::{
    Extension, Form,
    extract::{OriginalUri, Query, State, rejection::FormRejection},
    response::{Html, IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{
    answer_with,
    frame::Frame,
    go_to, problem,
    templates::{self, Page},
};
use crate::server::{
    access::{self, Visitor},
    problem::{Problem, ProblemDocument},
    sessions::NotSignedIn,
    site::Site,
};

/// What stands as it is in a query.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The longest address that a person is sent back to.
const ADDRESS_LIMIT: usize = 1024;

/// The page that asks for a name and the token.
#[derive(Debug, Serialize)]
struct SignIn {
    next: String,
    name: String,
    error: Option<ProblemDocument>,
    can_act: bool,
}

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// What a person gives to sign in.
#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    token: String,
    #[serde(default)]
    next: String,
}

/// What signs a person out.
#[derive(Deserialize)]
pub(super) struct SignOut {
    form_token: String,
}

impl Page for SignIn {
    const TEMPLATE: &'static str = "sign_in.html";

    fn title(&self) -> String {
        "Sign in".into()
    }
}

/// Sends a person to sign in and come back to `page`.
///
/// Browsers leave a session's cookie away when a person follows a link on another site, such as
/// the forge. A page of ours that goes on to the same address at once shows whether there is one.
pub(in crate::server) fn ask_to_sign_in(page: &Uri, from_elsewhere: bool) -> Response {
    if from_elsewhere {
        return ([(header::CACHE_CONTROL, "no-store")], Html(templates::again())).into_response();
    }
    go_to(&format!("/sign-in?next={}", encoded(page)))
}

/// Writes a page's address into a query.
pub(super) fn encoded(page: &Uri) -> String {
    let address = page.path_and_query().map_or("/", |address| address.as_str());
    utf8_percent_encode(own_address(address), IN_QUERY).to_string()
}

pub(super) async fn ask(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    OriginalUri(uri): OriginalUri,
    Query(asked): Query<Next>,
) -> Response {
    let next = own_address(asked.next.as_deref().unwrap_or("/")).to_owned();
    let page = SignIn { next, name: String::new(), error: None, can_act: site.access.has_token() };
    answer_with(StatusCode::OK, templates::page(&page, &Frame::of(&site, &visitor, &uri)))
}

pub(super) async fn sign_in(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    given: Result<Form<Credentials>, FormRejection>,
) -> Response {
    let given = match given {
        Ok(Form(given)) => given,
        Err(error) => return problem(malformed(&error)),
    };
    let (now, next) = ((site.commands.clock)(), own_address(&given.next));
    let is_right = || site.access.is_token(given.token.trim());
    match site.sessions.sign_in(&given.name, visitor.address, now, is_right) {
        Ok(proof) => {
            site.sessions.sign_out(&visitor.cookie);
            with_cookie(go_to(next), &site.access.cookie(&proof))
        }
        Err(error) => {
            if error != NotSignedIn::Nameless {
                tracing::warn!("somebody could not sign in: {error}");
            }
            let problem = Problem::from(error);
            let (status, error) = (problem.status, Some(problem.document));
            let page = SignIn { next: next.to_owned(), name: given.name, error, can_act: site.access.has_token() };
            answer_with(status, templates::page(&page, &Frame::default()))
        }
    }
}

pub(super) async fn sign_out(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    given: Result<Form<SignOut>, FormRejection>,
) -> Response {
    let checked = match (given, &visitor.session) {
        (Ok(Form(given)), Some(session)) => access::check_form(session, &given.form_token),
        (Ok(_), None) => Ok(()),
        (Err(error), _) => Err(malformed(&error)),
    };
    match checked {
        Ok(()) => {
            site.sessions.sign_out(&visitor.cookie);
            with_cookie(go_to("/"), &site.access.no_cookie())
        }
        Err(wrong) => problem(wrong),
    }
}

/// Says what is wrong with a form, without repeating what was in it.
pub(super) fn malformed(error: &FormRejection) -> Problem {
    Problem::new(error.status(), "The form cannot be read.", "Open the page again and send it from there.")
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Returns an address of this service, or the first page for anything else.
fn own_address(address: &str) -> &str {
    let ours = address.starts_with('/') && !address.starts_with("//") && address.len() <= ADDRESS_LIMIT;
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours && plain { address } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(own_address("/strategies/a/b/c?lane=x"), "/strategies/a/b/c?lane=x");
        for address in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x", "/\t/x"]
        {
            assert_eq!(own_address(address), "/", "{address}");
        }
        assert_eq!(encoded(&Uri::from_static("/a/b?lane=x&to=y")), "/a/b%3Flane%3Dx%26to%3Dy");
    }
}
