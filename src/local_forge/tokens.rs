//! Tokens of accounts and secrets of webhooks that are replaced.

use std::sync::atomic::Ordering;

use super::{LocalForge, Refusal, Secret, administration::random_token};

impl LocalForge {
    /// Gives an account another token; the one before is good for nothing from now on.
    ///
    /// # Errors
    /// 404 when the account is not there.
    pub async fn renew_token(&self, login: &str) -> Result<Secret, Refusal> {
        let token = Secret::new(format!("lf_{}", random_token()));
        self.set_token(login, Some(token.clone())).await?;
        Ok(token)
    }

    /// Revokes the token of an account.
    ///
    /// # Errors
    /// 404 when the account is not there.
    pub async fn revoke_token(&self, login: &str) -> Result<(), Refusal> {
        self.set_token(login, None).await
    }

    async fn set_token(&self, login: &str, token: Option<Secret>) -> Result<(), Refusal> {
        let login = login.to_owned();
        self.work(move |desk| {
            desk.state.accounts.get_mut(&login).ok_or_else(Refusal::not_found)?.token = token;
            desk.hub.changed.store(true, Ordering::Release);
            Ok(())
        })
        .await
    }

    /// Has every webhook of a repository signed with another secret.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn set_webhook_secret(&self, repository: &str, secret: Secret) -> Result<(), Refusal> {
        let key = repository.to_owned();
        self.work(move |desk| {
            let hooks = &mut desk.repository_mut(&key)?.hooks;
            hooks.iter_mut().for_each(|hook| hook.secret = Some(secret.clone()));
            Ok(())
        })
        .await
    }
}
