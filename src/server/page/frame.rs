//! What stands around every page: who is signed in, and what their last command came to.

use http::Uri;
use serde::Serialize;

use crate::server::{access::Visitor, site::Site};

/// What stands around a page.
#[derive(Debug, Default, Serialize)]
pub(super) struct Frame {
    /// Who is signed in.
    name: Option<String>,
    /// What the forms of the session carry.
    pub(super) form_token: String,
    /// What the last command came to.
    said: Option<String>,
    /// Whether people can sign in at all.
    can_act: bool,
    /// The page, to come back to it.
    here: String,
}

impl Frame {
    /// Makes the frame of a page for a visitor; what is said is said once.
    pub(super) fn of(site: &Site, visitor: &Visitor, page: &Uri) -> Self {
        let session = visitor.session.as_ref();
        Self {
            name: session.map(|session| session.name.clone()),
            form_token: session.map(|session| session.form_token.expose().to_owned()).unwrap_or_default(),
            said: session.and_then(|_| site.sessions.take_said(&visitor.cookie)),
            can_act: site.access.has_token(),
            here: super::signing::encoded(page),
        }
    }
}
