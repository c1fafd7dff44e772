//! Where a story's environments have their branches: beside the dry one, in another repository, or on another forge.

use hydromote::{
    domain::ids::ForgeName,
    local_forge::{LocalForge, Options, Permission, RepositoryOptions, Secret},
    settings::{AllowedDestination, RepositoryPattern, ServedRepositories},
};

use super::{BOT, DEVELOPER, Fallible, OTHER_BOT, READER, REPOSITORY, STRANGER, TestResult, World, stage::Stage};

/// The repository of the environments, when it is another one.
pub(crate) const ENVIRONMENTS: &str = "acme/environments";
/// More repositories that are served, from their first webhook on.
pub(super) const APPS: &str = "acme-apps/*";
/// A strategy with this comment has its environments where it says.
pub(crate) const STAYS: &str = "# as it is";
/// The name of the other forge.
pub(super) const OTHER_FORGE: &str = "other";

/// Where the environments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// In the dry repository.
    Beside,
    /// In another repository.
    Apart,
    /// In another repository on another forge.
    OnAnotherForge,
}

/// Another forge.
pub(super) struct OtherForge {
    pub(super) forge: Stage,
    pub(super) bot_token: Secret,
}

impl Home {
    /// Where the stories are told when they do not say it: `make test-destinations` has all of them told elsewhere.
    #[expect(clippy::disallowed_methods, reason = "it is told to the whole run")]
    pub(super) fn of_run() -> Self {
        match std::env::var("HYDROMOTE_STORIES_IN").as_deref() {
            Ok("another-repository") => Self::Apart,
            Ok("another-forge") => Self::OnAnotherForge,
            _ => Self::Beside,
        }
    }

    /// Returns a strategy that has its environments there; other text stays as it is.
    pub(crate) fn in_strategy(self, text: &str) -> String {
        let forge = match self {
            Self::Beside => return text.to_owned(),
            Self::Apart => String::new(),
            Self::OnAnotherForge => format!(", forge: {OTHER_FORGE}"),
        };
        if !text.contains("kind: PromotionStrategy") || text.contains("destination:") || text.contains(STAYS) {
            return text.to_owned();
        }
        text.replace("\nspec:\n", &format!("\nspec:\n  destination: {{repository: {ENVIRONMENTS}{forge}}}\n"))
    }

    /// Returns what the server allows.
    pub(super) fn allowed(self) -> Fallible<Vec<AllowedDestination>> {
        let all = |texts: &[&str]| {
            ServedRepositories(texts.iter().filter_map(|text| RepositoryPattern::parse(text)).collect())
        };
        let forge = match self {
            Self::Beside => return Ok(Vec::new()),
            Self::Apart => None,
            Self::OnAnotherForge => Some(ForgeName::new(OTHER_FORGE)?),
        };
        Ok(vec![AllowedDestination { from: all(&[REPOSITORY, APPS]), to: all(&[ENVIRONMENTS]), forge }])
    }
}

impl World {
    /// Makes another repository that is served, and whose webhooks the service gets.
    pub(crate) async fn another_repository(&self, owner: &str, name: &str) -> TestResult {
        let full_name = format!("{owner}/{name}");
        repository(&self.forge, &full_name).await?;
        let url = format!("http://{}/webhooks/github", self.service()?.address);
        self.forge.add_webhook(&full_name, &url, Some(self.webhook_secret.clone()), &["*"]).await?;
        Ok(())
    }

    /// The forge with the environments' branches.
    pub(crate) fn home(&self) -> &Stage {
        self.other.as_ref().map_or(&self.forge, |other| &other.forge)
    }

    /// The repository with the environments' branches.
    pub(crate) fn home_name(&self) -> &'static str {
        if self.home == Home::Beside { REPOSITORY } else { ENVIRONMENTS }
    }
}

/// Makes a repository in which everybody has the rights that they have in every story.
pub(super) async fn repository(forge: &LocalForge, full_name: &str) -> Fallible<()> {
    let (owner, name) = full_name.split_once('/').ok_or("the repository has no owner")?;
    forge.create_repository(owner, name, RepositoryOptions::default()).await?;
    for (login, permission) in [
        (BOT, Permission::Write),
        (DEVELOPER, Permission::Admin),
        (STRANGER, Permission::Write),
        (READER, Permission::Read),
        (OTHER_BOT, Permission::Write),
    ] {
        forge.grant(full_name, login, permission).await?;
    }
    Ok(())
}

/// Makes the repository of the environments: on `forge`, or on another one that is started with `options`.
pub(super) async fn make(home: Home, forge: &LocalForge, options: Options) -> Fallible<Option<OtherForge>> {
    match home {
        Home::Beside => return Ok(None),
        Home::Apart => return repository(forge, ENVIRONMENTS).await.map(|()| None),
        Home::OnAnotherForge => {}
    }
    let forge = LocalForge::start(options).await?;
    // Nobody has the same number on both.
    forge.create_user("somebody").await?;
    let (_, bot_token) = forge.create_user(BOT).await?;
    for login in [DEVELOPER, STRANGER, READER] {
        forge.create_user(login).await?;
    }
    forge.create_bot(OTHER_BOT).await?;
    repository(&forge, ENVIRONMENTS).await?;
    Ok(Some(OtherForge { forge: forge.into(), bot_token }))
}
