//! GitHub Apps: programs that prove themselves with a key, and act in the repositories where they are installed with
//! tokens that end ([authentication]).
//!
//! [authentication]: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app

use std::{collections::BTreeMap, sync::atomic::Ordering};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};

use super::{
    Account, AccountKind, LocalForge, Permission, Refusal, Secret, administration::random_token, hub::Desk,
    state::State,
};

/// How long a token of an installation is good for.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// How long what an App signs may be good for, seconds.
const SIGNED_FOR: i64 = 10 * 60;

/// A GitHub App.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct App {
    pub(super) id: u64,
    pub(super) slug: String,
    /// What it signs with, the public half, PEM.
    public_key: String,
    /// What it was given, such as `contents` to `write`.
    pub(super) permissions: BTreeMap<String, String>,
    pub(super) owner: String,
    pub(super) created_at: Timestamp,
    pub(super) installations: Vec<Installation>,
}

/// An App in the repositories of one account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
    /// The account's login.
    pub(super) account: String,
    pub(super) created_at: Timestamp,
    /// With when they end.
    tokens: Vec<(Secret, Timestamp)>,
}

/// What an App signs to prove itself.
#[derive(Deserialize)]
struct Claims {
    iat: i64,
    exp: i64,
    iss: Issuer,
}

/// The App, as a number or as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Issuer {
    Number(u64),
    Text(String),
}

impl App {
    /// Returns the login of the account that it acts as.
    pub(super) fn bot(&self) -> String {
        format!("{}[bot]", self.slug)
    }
}

impl State {
    /// Returns the App that signed a token.
    pub(super) fn app_by_signed(&self, signed: &str, now: Timestamp) -> Option<u64> {
        let claims: Claims = jsonwebtoken::dangerous::insecure_decode(signed).ok()?.claims;
        let id = match claims.iss {
            Issuer::Number(id) => id,
            Issuer::Text(id) => id.parse().ok()?,
        };
        let key = DecodingKey::from_rsa_pem(self.apps.get(&id)?.public_key.as_bytes()).ok()?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 0;
        jsonwebtoken::decode::<Claims>(signed, &key, &validation).ok()?;
        let (now, skew) = (now.as_second(), 60);
        (claims.iat <= now + skew && claims.exp <= now + SIGNED_FOR).then_some(id)
    }

    /// Returns the account of an installation's token that has not ended.
    pub(super) fn bot_by_token(&self, token: &str, now: Timestamp) -> Option<&Account> {
        use subtle::ConstantTimeEq;
        let is_it = |(known, end): &(Secret, Timestamp)| {
            *end > now && bool::from(known.expose().as_bytes().ct_eq(token.as_bytes()))
        };
        let app = self.apps.values().find(|app| app.installations.iter().any(|one| one.tokens.iter().any(is_it)))?;
        self.accounts.get(&app.bot())
    }
}

impl Desk<'_> {
    /// Returns the App's installation that covers a repository.
    pub(super) fn installation(&self, app: u64, key: &str) -> Result<&Installation, Refusal> {
        let repository = self.repository(key)?;
        let app = self.state.apps.get(&app).ok_or_else(Refusal::not_found)?;
        let is_let_in = repository.permission(Some(&app.bot())) >= Permission::Write;
        let found = app.installations.iter().find(|one| is_let_in && one.account == repository.owner);
        found.ok_or_else(Refusal::not_found)
    }

    /// Makes a token of an installation; returns it with its end.
    pub(super) fn installation_token(&mut self, app: u64, id: u64) -> Result<(Secret, Timestamp), Refusal> {
        let now = self.now();
        let app = self.state.apps.get_mut(&app).ok_or_else(Refusal::not_found)?;
        let installation = app.installations.iter_mut().find(|one| one.id == id).ok_or_else(Refusal::not_found)?;
        installation.tokens.retain(|(_, end)| *end > now);
        let made = (Secret::new(format!("ghs_{}", random_token())), now + TOKEN_LIFE);
        installation.tokens.push(made.clone());
        self.hub.changed.store(true, Ordering::Release);
        Ok(made)
    }
}

impl LocalForge {
    /// Registers an App that may do all that its kind of program needs, by the public half of its key; returns its id.
    /// It acts as `SLUG[bot]`.
    ///
    /// # Errors
    /// 422 when the text is no RSA key in PEM, or the account is there.
    pub async fn create_app(&self, owner: &str, slug: &str, public_key: &str) -> Result<u64, Refusal> {
        let (owner, slug, public_key) = (owner.to_owned(), slug.to_owned(), public_key.to_owned());
        self.work(move |desk| {
            DecodingKey::from_rsa_pem(public_key.as_bytes()).map_err(|_| Refusal::invalid("App", "public_key"))?;
            let given = [("contents", "write"), ("pull_requests", "write"), ("statuses", "write"), ("checks", "read")];
            let permissions = given.into_iter().chain([("metadata", "read")]);
            let (id, created_at) = (desk.state.new_id(), desk.now());
            let app = App {
                id,
                slug,
                public_key,
                permissions: permissions.map(|(name, given)| (name.to_owned(), given.to_owned())).collect(),
                owner,
                created_at,
                installations: Vec::new(),
            };
            let login = app.bot();
            if desk.state.accounts.contains_key(&login) {
                return Err(Refusal::already_exists("App", "slug"));
            }
            let bot = Account {
                id: desk.state.new_id(),
                login: login.clone(),
                kind: AccountKind::Bot,
                token: None,
                created_at,
            };
            desk.state.accounts.insert(login, bot);
            desk.state.apps.insert(id, app);
            desk.hub.changed.store(true, Ordering::Release);
            Ok(id)
        })
        .await
    }

    /// Installs an App in a repository, anew where it was installed by the owner before: its tokens are good for nothing
    /// then.
    ///
    /// # Errors
    /// 404 when either is not there.
    pub async fn install_app(&self, app: u64, repository: &str) -> Result<u64, Refusal> {
        let key = repository.to_owned();
        self.work(move |desk| {
            let (id, created_at) = (desk.state.new_id(), desk.now());
            let account = desk.repository(&key)?.owner.clone();
            let app = desk.state.apps.get_mut(&app).ok_or_else(Refusal::not_found)?;
            app.installations.retain(|one| one.account != account);
            app.installations.push(Installation { id, account, created_at, tokens: Vec::new() });
            let bot = app.bot();
            desk.repository_mut(&key)?.permissions.insert(bot, Permission::Write);
            Ok(id)
        })
        .await
    }

    /// Lets every token end that installations of an App have.
    ///
    /// # Errors
    /// 404 when the App is not there.
    pub async fn end_app_tokens(&self, app: u64) -> Result<(), Refusal> {
        self.work(move |desk| {
            let app = desk.state.apps.get_mut(&app).ok_or_else(Refusal::not_found)?;
            app.installations.iter_mut().for_each(|one| one.tokens.clear());
            desk.hub.changed.store(true, Ordering::Release);
            Ok(())
        })
        .await
    }
}
