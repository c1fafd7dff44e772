//! The forge that the stories are told on: the local forge as it is, or what stands before it and speaks as another
//! forge does: then everything is on the local forge all the same, where the stories make it happen and look at it. On a
//! real Gitea they do so there ([`super::stage`]).

use std::sync::Arc;

use hydromote::{
    forge::{
        Forge,
        gitea::{self, Gitea, GiteaOptions},
        github::{Credentials, GitHub, GitHubOptions, Limits},
        gitlab::{self, GitLab, GitLabOptions},
        webhook::Dialect,
    },
    local_forge::LocalForge,
    secret::Secret,
};

use super::{
    Fallible,
    service::{ANSWER_WITHIN, FORGE},
};
use crate::{
    gitlab::front::{Front, Herald},
    proxy::{Between, Proxy},
};

/// The forge that the service believes it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToldOn {
    /// The local forge, which is GitHub to the service.
    LocalForge,
    /// GitLab.
    GitLab,
    /// A real Gitea, on which the stories act as well.
    Gitea,
}

/// Says where the stories of a run are told, by its name.
pub(crate) const VARIABLE: &str = "HYDROMOTE_STORIES_ON";

/// What stands between the service and the local forge.
#[derive(Default)]
pub(super) struct Translators {
    /// Where the service calls it.
    pub(super) calls: Option<Proxy>,
    /// Where it tells the service.
    pub(super) hooks: Option<Arc<dyn Between>>,
    /// What they are on GitLab.
    pub(super) front: Option<Arc<Front>>,
}

impl ToldOn {
    /// Where the stories are told: on the local forge when nothing else is said for the whole run (`make test-gitlab`).
    #[expect(clippy::disallowed_methods, reason = "it is told to the whole run")]
    pub(super) fn of_run() -> Self {
        match std::env::var(VARIABLE).as_deref() {
            Ok("gitlab") => Self::GitLab,
            Ok("gitea") => Self::Gitea,
            _ => Self::LocalForge,
        }
    }

    /// Puts before the local forge what it takes to be this forge.
    pub(super) async fn before(self, forge: &LocalForge, webhook_secret: &str) -> Fallible<Translators> {
        match self {
            Self::LocalForge | Self::Gitea => Ok(Translators::default()),
            Self::GitLab => {
                let front = Arc::new(Front::new(&forge.accounts().await));
                let (path, token) = (format!("/webhooks/{FORGE}"), webhook_secret.to_owned());
                let herald = Arc::new(Herald { front: Arc::clone(&front), path, token });
                let calls = Proxy::start(forge.url(), Arc::<Front>::clone(&front)).await?;
                Ok(Translators { calls: Some(calls), hooks: Some(herald), front: Some(front) })
            }
        }
    }

    /// Returns the adapter for this forge, whose address is `url`.
    pub(super) fn adapter(self, url: &str, token: Secret) -> Fallible<Arc<dyn Forge>> {
        let limits = Limits { call: ANSWER_WITHIN, write_interval: std::time::Duration::ZERO, ..Limits::default() };
        Ok(match self {
            Self::LocalForge => {
                let (api_url, credentials) = (format!("{url}/api/v3"), Credentials::Token(token));
                Arc::new(GitHub::new(&GitHubOptions { api_url, credentials, limits })?)
            }
            Self::GitLab => {
                let api_url = format!("{url}{}", gitlab::API_PATH);
                Arc::new(GitLab::new(&GitLabOptions { api_url, token, limits })?)
            }
            Self::Gitea => {
                let limits = gitea::Limits { write_interval: std::time::Duration::ZERO, ..gitea::Limits::default() };
                Arc::new(Gitea::new(&GiteaOptions { api_url: url.to_owned(), token, limits })?)
            }
        })
    }

    /// Returns how its webhooks are read.
    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::LocalForge => Dialect::GitHub,
            Self::GitLab => Dialect::GitLab,
            Self::Gitea => Dialect::Gitea,
        }
    }
}
