//! The private key of a GitHub App, and the SDK that signs with it.
//!
//! A key that was replaced is taken up by the next request. One that cannot be read as a key changes nothing.

use std::sync::Mutex;

use http::Uri;
use octocrab::{AuthState, EncodingKey, Octocrab, auth::AppAuth, models::AppId};
use secrecy::{ExposeSecret, SecretString};

use super::sdk::sdk;
use crate::{
    forge::{
        SetupError,
        calls::{Outgoing, lock},
    },
    secret::Secret,
};

/// The key of an App.
pub(super) struct AppKey {
    id: u64,
    key: Secret,
    base: Uri,
    outgoing: Outgoing,
    speaker: Mutex<Speaker>,
}

/// Speaks as the App with one of its keys.
#[derive(Clone)]
pub(super) struct Speaker {
    pub(super) octocrab: Octocrab,
    /// Counts the keys.
    pub(super) generation: u64,
    key: SecretString,
}

/// Says what is wrong with a text that is no App's private key.
pub fn check_private_key(text: &str) -> Result<(), &'static str> {
    EncodingKey::from_rsa_pem(text.as_bytes()).map(drop).map_err(|_| "holds no RSA key in PEM")
}

impl AppKey {
    /// Returns the key of the App with this id. Must be called inside a Tokio runtime.
    pub(super) fn new(id: u64, key: Secret, base: Uri, outgoing: Outgoing) -> Result<Self, SetupError> {
        let now = key.now();
        let octocrab = signing(id, &now, &base, &outgoing)?;
        let speaker = Mutex::new(Speaker { octocrab, generation: 0, key: now });
        Ok(Self { id, key, base, outgoing, speaker })
    }

    /// Returns who speaks as the App now.
    pub(super) fn speaker(&self) -> Speaker {
        self.taking_up(&self.key.now())
    }

    /// Returns who speaks as the App now, when that is another one than was just refused.
    pub(super) fn instead_of(&self, refused: &Speaker) -> Option<Speaker> {
        let newer = self.taking_up(&self.key.instead_of(&refused.key)?);
        (newer.generation != refused.generation).then_some(newer)
    }

    fn taking_up(&self, key: &SecretString) -> Speaker {
        let mut speaker = lock(&self.speaker);
        if speaker.key.expose_secret() != key.expose_secret()
            && let Ok(octocrab) = signing(self.id, key, &self.base, &self.outgoing)
        {
            *speaker = Speaker { octocrab, generation: speaker.generation + 1, key: key.clone() };
        }
        speaker.clone()
    }
}

fn signing(id: u64, key: &SecretString, base: &Uri, outgoing: &Outgoing) -> Result<Octocrab, SetupError> {
    let key = EncodingKey::from_rsa_pem(key.expose_secret().as_bytes())
        .map_err(|error| SetupError::PrivateKey { source: error.into() })?;
    Ok(sdk(base.clone(), AuthState::App(AppAuth { app_id: AppId(id), key }), outgoing.clone()))
}
