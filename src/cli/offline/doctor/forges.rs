//! What `hydromote doctor` finds at the forges of a settings file. It reads, and changes nothing there.

use std::{collections::BTreeSet, error::Error, path::Path};

use jiff::{SignedDuration, Timestamp};

use super::Check;
use crate::{
    app,
    domain::{
        ids::{BranchName, ForgeName, LaneName, RepositoryId},
        strategy::{PromotionStrategy, parse_strategies},
    },
    forge::{CredentialSeen, DeliveriesKept, DeliveriesOf, ForgeError, SharedForge, WebhookSeen, WebhookStanding},
    git::{
        GitError,
        mirror::{Mirror, Remote, Watched},
    },
    reconcile::strategy_files::{FILE, FOLDER, File},
    settings::{ForgeSettings, Settings},
};

/// By how much the clocks may differ: Apps prove themselves with the time, and signed webhooks carry it.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);
/// How long before its end a token is spoken of.
const ENDS_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How far back deliveries are looked at.
const DELIVERIES: SignedDuration = SignedDuration::from_hours(24);
/// The largest strategy file that is read.
const STRATEGY_BYTES: usize = 1 << 20;

/// Looks at every forge of a settings file, and at every repository that it names.
pub(super) async fn checks(config: &Path) -> anyhow::Result<Vec<Check>> {
    app::install_tls();
    let settings = match app::settings(Some(config)) {
        Ok(settings) => settings,
        Err(mistakes) => return Ok(vec![Check::new("settings", false, mistakes.to_string())]),
    };
    let mut checks = Vec::new();
    for (name, forge) in &settings.forges {
        checks.extend(forge_checks(name, forge, &settings).await?);
    }
    Ok(checks)
}

async fn forge_checks(name: &ForgeName, forge: &ForgeSettings, settings: &Settings) -> anyhow::Result<Vec<Check>> {
    let adapter = match app::adapter(forge, settings) {
        Ok(adapter) => adapter,
        Err(error) => return Ok(vec![Check::new(name.as_str(), false, format!("{error:#}"))]),
    };
    let seen = match adapter.credential().await {
        Ok(seen) => seen,
        // Of every repository the same would be told.
        Err(error) => return Ok(vec![Check::new(name.as_str(), false, not_let_in(name, &error))]),
    };
    let mut checks = vec![own(name, forge, &seen)];
    for pattern in &forge.repositories.0 {
        match pattern.exact() {
            Some(repository) => {
                let looked = Looked { name, adapter: &adapter, settings, repository };
                checks.extend(looked.checks().await?);
            }
            None => {
                let found = "repositories are found by their first webhook: name one in full to have it looked at here";
                checks.push(Check::new(pattern.to_string(), true, found));
            }
        }
    }
    Ok(checks)
}

/// Says as whom the forge was reached, and for how long.
fn own(name: &ForgeName, forge: &ForgeSettings, seen: &CredentialSeen) -> Check {
    let now = (app::wall_clock())();
    let mut check = Check::new(name.as_str(), true, known_as(forge, seen, now));
    let lacks = seen.lacks.iter().map(|lack| format!("the {} lacks {lack}", kind_word(seen)));
    check.absent.extend(lacks);
    check.absent.extend(seen.forge_time.and_then(|forge_time| skew(forge_time, now)));
    if forge.webhook_secrets.is_empty() {
        let key = "`webhook_secret_files`";
        check.absent.push(format!("every webhook is refused: there is no {key} in `[forges.{name}]`"));
    }
    check.well = check.absent.is_empty();
    if let Some(left) = seen.expires_at.map(|end| end.duration_since(now)).filter(|left| *left < ENDS_SOON) {
        let days = left.as_hours() / 24;
        check.advice.push(format!("the token ends in {days} days: make another one, and put it into its file"));
    }
    check
}

fn known_as(forge: &ForgeSettings, seen: &CredentialSeen, now: Timestamp) -> String {
    let until = match seen.expires_at {
        Some(end) if end < now => format!(", which ended at {end:.0}"),
        Some(end) => format!(", until {end:.0}"),
        None => String::new(),
    };
    format!("{} answers `{}`, by a {}{until}", forge.api_url.as_str().trim_end_matches('/'), seen.login, seen.kind)
}

fn kind_word(seen: &CredentialSeen) -> &'static str {
    if seen.kind.starts_with("GitHub App") { "App" } else { "token" }
}

/// Returns what is wrong with the clocks, when something is.
fn skew(forge_time: Timestamp, now: Timestamp) -> Option<String> {
    let ahead = now.duration_since(forge_time);
    if ahead.abs() <= CLOCKS_DIFFER {
        return None;
    }
    let (seconds, word) = (ahead.abs().as_secs(), if ahead.is_positive() { "ahead of" } else { "behind" });
    Some(format!(
        "the clock of this machine is {seconds} s {word} the forge's: set it, or Apps and signed webhooks fail"
    ))
}

/// Says why the forge did not let us in, and what to do.
fn not_let_in(name: &ForgeName, error: &ForgeError) -> String {
    match error {
        ForgeError::Unauthorised { words, .. } => format!(
            "the forge does not take the credentials ({words}); see `[forges.{name}]` for the file, and whether they are \
             another forge's"
        ),
        ForgeError::NotFound { .. } => {
            format!("there is no API of this kind: see `kind` and `api_url` of `[forges.{name}]`")
        }
        error => format!("could not be asked: {}", chain(error)),
    }
}

/// Returns an error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// One repository of a forge.
struct Looked<'a> {
    name: &'a ForgeName,
    adapter: &'a SharedForge,
    settings: &'a Settings,
    repository: RepositoryId,
}

impl Looked<'_> {
    async fn checks(&self) -> anyhow::Result<Vec<Check>> {
        let repository = &self.repository;
        let details = match self.adapter.repository(repository).await {
            Ok(details) => details,
            Err(ForgeError::NotFound { .. }) => {
                let found = "is not there, or the account may not see it: correct its name in `repositories`, or let the \
                             account (or the App) in";
                return Ok(vec![self.check("", false, found)]);
            }
            Err(error) => return Ok(vec![self.check("", false, chain(&error))]),
        };
        let dry = details.default_branch;
        let mut rights =
            self.check("", true, format!("the account may push, merge and report; `{dry}` is the default branch"));
        match self.adapter.lacking(repository).await {
            Ok(lacks) if lacks.is_empty() => {}
            Ok(lacks) => {
                (rights.well, rights.found) = (false, "something is missing that the service needs".to_owned());
                rights.absent.extend(lacks.iter().map(|lack| format!("lacks {lack}")));
            }
            Err(error) => (rights.well, rights.found) = (false, chain(&error)),
        }
        let (git, strategies) = self.git(&dry).await?;
        let mut checks = vec![rights, git, self.webhooks().await];
        checks.extend(self.rules(&strategies).await);
        Ok(checks)
    }

    fn check(&self, what: &str, well: bool, found: impl Into<String>) -> Check {
        Check::new(format!("{} {what}", self.repository).trim_end(), well, found)
    }

    /// Fetches the dry branch as the service does; returns the strategies that it holds.
    async fn git(&self, dry: &BranchName) -> anyhow::Result<(Check, Vec<PromotionStrategy>)> {
        let folder = tempfile::tempdir()?;
        let fetched = async {
            let remote = self.adapter.git_remote(&self.repository).await?;
            let remote = Remote { url: remote.url, authorization: remote.authorization };
            self.settings.network.prepare()?;
            let mirror = Mirror::open(folder.path())?.with_network(self.settings.network.clone());
            mirror.refresh(&remote, &[Watched::Shallow(dry.clone())]).await?;
            let head = mirror.branch(dry).await?;
            let files = match head {
                Some(head) => mirror.read(move |repository, _| strategy_files(repository, head)).await?,
                None => Vec::new(),
            };
            anyhow::Ok((head, files))
        };
        let (head, files) = match fetched.await {
            Ok(fetched) => fetched,
            Err(error) => return Ok((self.check("git", false, format!("{error:#}")), Vec::new())),
        };
        let read = parse_strategies(&files).into_iter().filter_map(|file| file.strategies.ok());
        let strategies: Vec<PromotionStrategy> = read.flatten().collect();
        let found = match (head, strategies.as_slice()) {
            (None, _) => format!("`{dry}` is empty"),
            (Some(_), []) => format!("`{dry}` is fetched; it holds no strategy yet, see `hydromote init`"),
            (Some(_), all) => format!("`{dry}` is fetched, with {}", names(all)),
        };
        Ok((self.check("git", true, found), strategies))
    }

    /// Looks for the webhook, and at whether its deliveries arrive.
    async fn webhooks(&self) -> Check {
        let url = self.settings.public_url.as_str().trim_end_matches('/');
        let address = format!("{url}/webhooks/{}", self.name);
        if self.adapter.deliveries_kept() == DeliveriesKept::Together {
            return self.missed(DeliveriesOf::All, "they come by the App's webhook".to_owned()).await;
        }
        let hooks = match self.adapter.webhooks(&self.repository, &address).await {
            Ok(hooks) => hooks,
            Err(ForgeError::Unauthorised { .. } | ForgeError::NotFound { .. }) => {
                let found = format!("are not shown to the account: see for yourself that one sends to {address}");
                return self.check("webhooks", true, found);
            }
            Err(error) => return self.check("webhooks", false, chain(&error)),
        };
        if hooks.is_empty() {
            let found = format!("none of the repository sends to {address}, so what happens is found by polling");
            let mut check = self.check("webhooks", true, found);
            check.advice.push("add one in its settings, unless one of its organisation or group does".to_owned());
            return check;
        }
        let of = DeliveriesOf::Repository { repository: &self.repository, address: &address };
        let mut check = self.missed(of, format!("are sent to {address}")).await;
        check.absent.extend(hooks.iter().flat_map(troubles));
        check.well = check.absent.is_empty();
        check
    }

    /// Says whether deliveries of the last day arrived.
    async fn missed(&self, of: DeliveriesOf<'_>, found: String) -> Check {
        let since = (app::wall_clock())() - DELIVERIES;
        match self.adapter.missed_deliveries(of, since).await {
            Ok(missed) if missed.is_empty() => self.check("webhooks", true, found),
            Ok(missed) => {
                let mut check = self.check("webhooks", false, found);
                let count = missed.len();
                check.absent.push(format!(
                    "{count} deliveries of the last day did not arrive: see in the forge's list what they were answered"
                ));
                check
            }
            Err(error) => {
                let mut check = self.check("webhooks", true, found);
                check.advice.push(format!("what arrived is not shown to the account ({error})"));
                check
            }
        }
    }

    /// Looks at what the forge's own rules ask of merges into the environments' branches.
    async fn rules(&self, strategies: &[PromotionStrategy]) -> Option<Check> {
        let here = strategies.iter().filter(|strategy| strategy.destination.is_none());
        let mut told = BTreeSet::new();
        for environment in here.flat_map(|strategy| &strategy.environments) {
            let (base, lane) = (&environment.branch, LaneName::single());
            let head = environment.proposed_branch(&lane);
            match self.adapter.rules(&self.repository, base, &head, environment.merge_method).await {
                Ok(asked) => told.extend(asked.into_iter().map(|words| format!("`{base}`: {words}"))),
                Err(ForgeError::NotFound { .. }) => {}
                Err(error) => {
                    told.insert(format!("`{base}`: the rules could not be read ({error})"));
                }
            }
        }
        if strategies.is_empty() {
            return None;
        }
        let found = match told.is_empty() {
            true => "the forge asks for nothing of its own before it merges, as far as the account is shown",
            false => "the forge has rules of its own, which must be met before it merges",
        };
        Some(Check { advice: told.into_iter().collect(), ..self.check("rules", true, found) })
    }
}

/// Returns what is wrong with a webhook.
fn troubles(webhook: &WebhookSeen) -> Vec<String> {
    let id = webhook.id;
    let standing = match webhook.standing {
        WebhookStanding::Sends => None,
        WebhookStanding::SwitchedOff => Some(format!("webhook {id} is switched off: switch it on")),
        WebhookStanding::Paused { until } => Some(format!(
            "webhook {id} sends nothing until {until:.0}, since deliveries failed: test it in its settings"
        )),
        WebhookStanding::Disabled => {
            Some(format!("webhook {id} sends nothing any more, since deliveries failed: test it in its settings"))
        }
    };
    let lacks = match webhook.lacks.as_slice() {
        [] => None,
        lacks => Some(format!("webhook {id} does not tell of {}: choose that too", lacks.join(", "))),
    };
    let failed = webhook.failed.as_ref().map(|words| format!("the last delivery of webhook {id} failed: {words}"));
    [standing, lacks, failed].into_iter().flatten().collect()
}

fn names(strategies: &[PromotionStrategy]) -> String {
    let names: Vec<String> = strategies.iter().map(|strategy| format!("`{}`", strategy.name)).collect();
    let word = if names.len() == 1 { "the strategy" } else { "the strategies" };
    format!("{word} {}", names.join(", "))
}

/// Returns the strategy files of a commit.
fn strategy_files(repository: &git2::Repository, commit: git2::Oid) -> Result<Vec<File>, GitError> {
    let tree = repository.find_commit(commit)?.tree()?;
    let mut paths = vec![FILE.to_owned()];
    if let Some(folder) = tree.get_name(FOLDER).and_then(|entry| repository.find_tree(entry.id()).ok()) {
        let names = folder.iter().filter_map(|entry| entry.name().ok().map(str::to_owned));
        let yaml = names.filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"));
        paths.extend(yaml.map(|name| format!("{FOLDER}/{name}")));
    }
    let read = |path: String| {
        let blob = repository.find_blob(tree.get_path(Path::new(&path)).ok()?.id()).ok()?;
        (blob.size() <= STRATEGY_BYTES).then(|| (path, blob.content().to_vec()))
    };
    Ok(paths.into_iter().filter_map(read).collect())
}
