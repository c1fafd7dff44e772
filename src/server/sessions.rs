//! Who is signed in: sessions of browsers, and how often a wrong token may be tried.
//!
//! - A session lives in memory only. It ends when its person signs out, when its time is over, when
//!   the service stops, when the token that people sign in with is replaced, or when too many newer
//!   ones were made.
//! - What a browser holds is 256 random bits; the server keeps their digest, so that neither a look
//!   into its memory nor the time of a comparison gives a session away.
//! - Every form of a session carries its own token, which no other site can know.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How long a session lasts: a working day, or a night on call.
pub(super) const LIFE: SignedDuration = SignedDuration::from_hours(12);

/// The most sessions at a time; the oldest goes first.
const SESSIONS: usize = 256;

/// How many wrong tokens one address may try within [`ATTEMPT_WINDOW`].
const ATTEMPTS: usize = 10;

/// For how long a wrong token counts.
const ATTEMPT_WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// The most addresses whose wrong tokens are counted; more share one count.
const ADDRESSES: usize = 1024;

/// The most characters of a person's name.
const NAME_LIMIT: usize = 80;

type Key = [u8; 32];

/// 256 random bits that prove something, as hexadecimal text. It is never logged.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proof(String);

impl Proof {
    fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// Returns the text, to be given to the browser that it belongs to.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in a time that says nothing about the proof.
    pub(super) fn is(&self, given: &str) -> bool {
        digest(&self.0).ct_eq(&digest(given)).into()
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(…)")
    }
}

/// A person who is signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// As the person wants to be called; it stands in the record.
    pub(super) name: String,
    /// What every form of this session carries.
    pub(super) form_token: Proof,
    began: Timestamp,
}

/// Why nobody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSignedIn {
    /// A name is missing.
    #[error("Say who you are.")]
    Nameless,
    /// The token is another.
    #[error("That is not the API token.")]
    WrongToken,
    /// There were too many wrong ones.
    #[error("There were too many wrong tokens.")]
    TooMany,
    /// The system gave no random bits.
    #[error("No session could be made.")]
    NoRandomness,
}

/// Everybody who is signed in. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The digest of the token that people signed in with.
    token: Option<Key>,
    sessions: HashMap<Key, Open>,
    wrong: HashMap<Option<IpAddr>, Vec<Timestamp>>,
}

#[derive(Debug)]
struct Open {
    session: Session,
    /// What a command came to, to be said on the next page.
    said: Option<String>,
}

impl Sessions {
    /// Signs a person in whose token `is_right`; returns what the browser keeps. `address` is where
    /// the request came from, as far as that is known.
    pub(super) fn sign_in(
        &self,
        name: &str,
        address: Option<IpAddr>,
        now: Timestamp,
        is_right: impl FnOnce() -> bool,
    ) -> Result<Proof, NotSignedIn> {
        let mut inner = self.inner();
        inner.forget_old(now);
        let address = if inner.wrong.len() < ADDRESSES { address } else { None };
        let wrong = inner.wrong.entry(address).or_default();
        if wrong.len() >= ATTEMPTS {
            return Err(NotSignedIn::TooMany);
        }
        if !is_right() {
            wrong.push(now);
            return Err(NotSignedIn::WrongToken);
        }
        inner.wrong.remove(&address);
        let name: String = name.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(NAME_LIMIT).collect();
        if name.is_empty() || name.contains(char::is_control) {
            return Err(NotSignedIn::Nameless);
        }
        let random = || Proof::new().map_err(|_| NotSignedIn::NoRandomness);
        let (cookie, form_token) = (random()?, random()?);
        if inner.sessions.len() >= SESSIONS {
            let oldest = inner.sessions.iter().min_by_key(|(_, open)| open.session.began).map(|(key, _)| *key);
            oldest.and_then(|key| inner.sessions.remove(&key));
        }
        let session = Session { name, form_token, began: now };
        inner.sessions.insert(digest(cookie.expose()), Open { session, said: None });
        Ok(cookie)
    }

    /// Returns the session of a cookie.
    pub(super) fn of(&self, cookie: &str, now: Timestamp) -> Option<Session> {
        let inner = self.inner();
        let open = inner.sessions.get(&digest(cookie))?;
        (!is_over(&open.session, now)).then(|| open.session.clone())
    }

    /// Ends every session when the token that people sign in with is another one than it was.
    pub(super) fn keep_to(&self, token: Option<&SecretString>) {
        let mut inner = self.inner();
        let token = token.map(|token| digest(token.expose_secret()));
        if inner.token != token {
            inner.token = token;
            inner.sessions.clear();
        }
    }

    /// Ends a session.
    pub(super) fn sign_out(&self, cookie: &str) {
        self.inner().sessions.remove(&digest(cookie));
    }

    /// Has something said on the next page of a session.
    pub(super) fn say(&self, cookie: &str, words: String) {
        if let Some(open) = self.inner().sessions.get_mut(&digest(cookie)) {
            open.said = Some(words);
        }
    }

    /// Returns what is to be said, once.
    pub(super) fn take_said(&self, cookie: &str) -> Option<String> {
        self.inner().sessions.get_mut(&digest(cookie))?.said.take()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget_old(&mut self, now: Timestamp) {
        self.sessions.retain(|_, open| !is_over(&open.session, now));
        self.wrong.retain(|_, times| {
            times.retain(|time| now.duration_since(*time) < ATTEMPT_WINDOW);
            !times.is_empty()
        });
    }
}

fn is_over(session: &Session, now: Timestamp) -> bool {
    now.duration_since(session.began) >= LIFE
}

fn digest(text: &str) -> Key {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn a_session_ends_by_itself_and_by_signing_out() {
        let sessions = Sessions::default();
        let sign_in = |name| sessions.sign_in(name, address(1), at(0), || true).expect("a session");
        let (one, two) = (sign_in(" Ada   Lovelace "), sign_in("Grace"));
        assert_eq!(sessions.of(one.expose(), at(719)).expect("it lasts").name, "Ada Lovelace");
        assert!(sessions.of(one.expose(), at(720)).is_none());
        sessions.sign_out(two.expose());
        assert!(sessions.of(two.expose(), at(1)).is_none());
        assert!(sessions.of("", at(1)).is_none());
    }

    #[test]
    fn sessions_end_when_the_token_is_replaced() {
        let sessions = Sessions::default();
        let (first, other) = (SecretString::from("first"), SecretString::from("other"));
        sessions.keep_to(Some(&first));
        let one = sessions.sign_in("Ada", address(1), at(0), || true).expect("a session");
        sessions.keep_to(Some(&first));
        assert!(sessions.of(one.expose(), at(1)).is_some());
        sessions.keep_to(Some(&other));
        assert!(sessions.of(one.expose(), at(1)).is_none());
    }

    #[test]
    fn wrong_tokens_are_limited_for_each_address_and_for_a_while() {
        let sessions = Sessions::default();
        let attempt = |last, minute, right| sessions.sign_in("Ada", address(last), at(minute), || right).map(drop);
        for _ in 0..ATTEMPTS {
            assert_eq!(attempt(1, 0, false), Err(NotSignedIn::WrongToken));
        }
        assert_eq!(attempt(1, 0, true), Err(NotSignedIn::TooMany));
        assert_eq!(attempt(2, 0, true), Ok(()));
        assert_eq!(attempt(1, 1, true), Ok(()));
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let sessions = Sessions::default();
        let sign_in = |second: i64| {
            let now = at(0) + SignedDuration::from_secs(second);
            sessions.sign_in("Ada", address(1), now, || true).expect("a session")
        };
        let first = sign_in(0);
        let others: Vec<Proof> = (1..=256).map(sign_in).collect();
        assert!(sessions.of(first.expose(), at(1)).is_none());
        assert!(others.iter().all(|one| sessions.of(one.expose(), at(5)).is_some()));
    }

    #[test]
    fn what_is_said_is_said_once_and_proofs_are_not_printed() {
        let sessions = Sessions::default();
        let cookie = sessions.sign_in("Ada", None, at(0), || true).expect("a session");
        sessions.say(cookie.expose(), "done".into());
        assert_eq!(sessions.take_said(cookie.expose()).as_deref(), Some("done"));
        assert_eq!(sessions.take_said(cookie.expose()), None);
        assert!(!format!("{cookie:?} {sessions:?}").contains(cookie.expose()));
        assert!(sessions.sign_in(" \u{7} ", None, at(0), || true).is_err());
    }
}
