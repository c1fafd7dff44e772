//! From what the operator wrote to settings that can be used.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hydrators::Sandbox;
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use url::Url;

use super::{
    Database, ForgeCredentials, ForgeKind, ForgeSettings, Limits, Renderers, RepositoryPattern, ServedRepositories,
    Settings, SettingsError, SettingsFile, charts, destinations,
    file::{ForgeSection, LimitsSection, RenderersSection},
    mistake::Mistakes,
    network, receivers, windows,
};
use crate::{
    domain::{deployed::Tool, ids::ForgeName},
    forge::github,
    secret::{Check, NoSecret, Secret, trimmed},
};

/// Where GitHub's API is.
const GITHUB_API: &str = "https://api.github.com";
/// Where GitLab's API is.
const GITLAB_API: &str = "https://gitlab.com/api/v4";
/// One of it is active; a second only while the secret is being changed.
pub(super) const MAX_WEBHOOK_SECRETS: usize = 2;
/// Bytes.
const MIB: u64 = 1 << 20;

/// Refuses tokens in the file itself: files are copied, shared and committed.
pub(super) fn no_tokens(file: &SettingsFile, name: &str, text: &str) -> Result<(), SettingsError> {
    let mut mistakes = Mistakes::new(name, text, &[]);
    for (forge, _) in file.forges.iter().filter(|(_, section)| section.token.is_some()) {
        let key = format!("forges.{forge}.token");
        let remedy = format!(
            "must not stand in this file; write the token into a file of its own and name it with `token_file`, \
             or set {}",
            super::variable(&key)
        );
        mistakes.add(&key, remedy);
    }
    if file.network.proxy_credentials.is_some() {
        let key = "network.proxy_credentials";
        let remedy = format!(
            "must not stand in this file; write them into a file of their own and name it with \
             `proxy_credentials_file`, or set {}",
            super::variable(key)
        );
        mistakes.add(key, remedy);
    }
    receivers::no_secrets(&file.receivers, &mut mistakes);
    mistakes.finish()
}

/// Returns the settings; they are only good when no mistake was added.
pub(super) fn settings(file: SettingsFile, folder: &Path, mistakes: &mut Mistakes<'_>) -> Settings {
    let listen = file.server.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
    let public_url = file.server.public_url.unwrap_or_else(|| format!("http://{listen}"));
    let promoted_to: BTreeSet<String> = file.destinations.iter().filter_map(|section| section.forge.clone()).collect();
    let forges = forges(file.forges, &promoted_to, folder, mistakes);
    let destinations = destinations::destinations(&file.destinations, &forges, mistakes);
    destinations::refuse_served_twice(&forges, mistakes);
    let data = folder.join(file.store.data.unwrap_or_else(|| PathBuf::from("data")));
    let network = network::network(file.network, folder, &data, mistakes);
    Settings {
        listen,
        public_url: http_url("server.public_url", &public_url, mistakes),
        database: database(file.store.database.as_deref().unwrap_or("sqlite:hydromote.db"), folder, mistakes),
        data,
        forges,
        destinations,
        receivers: receivers::receivers(file.receivers, folder, mistakes),
        limits: limits(&file.limits, mistakes),
        renderers: renderers(file.renderers, folder, mistakes),
        templates: file.messages.templates.map(|path| existing("messages.templates", &path, folder, mistakes)),
        windows: windows::windows(&file.policies.windows, mistakes),
        network,
        charts: charts::charts(file.charts, folder, mistakes),
        api_token: file
            .service
            .api_token_file
            .and_then(|path| secret("service.api_token_file", &path, folder, any, mistakes)),
    }
}

fn forges(
    sections: BTreeMap<String, ForgeSection>,
    promoted_to: &BTreeSet<String>,
    folder: &Path,
    mistakes: &mut Mistakes<'_>,
) -> BTreeMap<ForgeName, ForgeSettings> {
    if sections.is_empty() {
        mistakes.add("forges", "names no forge; add a section such as `[forges.github]`");
    }
    let mut forges = BTreeMap::new();
    for (name, section) in sections {
        let key = format!("forges.{name}");
        if section.repositories.is_empty() && !promoted_to.contains(&name) {
            let words = "is empty; name what may be served as `owner/name` or `owner/*`";
            mistakes.add(&format!("{key}.repositories"), words);
        }
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let good = ForgeName::new(&*name).ok().filter(|_| !name.contains("__") && name.chars().all(is_name));
        let Some(good) = good else {
            mistakes.add(&key, "is no name for a forge; use lower-case letters, digits and single `_`");
            continue;
        };
        if Tool::of(&name).is_some() {
            mistakes.add(&key, format!("has the name of a receiver, `/webhooks/{name}`; give the forge another one"));
        } else if let Some(forge) = forge(&key, section, folder, mistakes) {
            forges.insert(good, forge);
        }
    }
    forges
}

fn forge(key: &str, section: ForgeSection, folder: &Path, mistakes: &mut Mistakes<'_>) -> Option<ForgeSettings> {
    let kind = match section.kind.as_deref() {
        Some("github") => Some(ForgeKind::GitHub),
        Some("gitea" | "forgejo") => Some(ForgeKind::Gitea),
        Some("gitlab") => Some(ForgeKind::GitLab),
        Some(_) => {
            let remedy = "is no kind of forge that is known; use `github`, `gitea`, `forgejo` or `gitlab`";
            mistakes.add(&format!("{key}.kind"), remedy);
            None
        }
        None => {
            let remedy = "is missing; use `kind = \"github\"`, `\"gitea\"`, `\"forgejo\"` or `\"gitlab\"`";
            mistakes.add(&format!("{key}.kind"), remedy);
            None
        }
    };
    let api_url = api_url(key, kind, section.api_url.as_deref(), mistakes);
    if matches!(kind, Some(ForgeKind::Gitea | ForgeKind::GitLab)) {
        no_app(key, &section, mistakes);
    }
    let webhook_secrets = webhook_secrets(key, &section.webhook_secret_files, folder, mistakes);
    if kind == Some(ForgeKind::GitLab) {
        signing_tokens(key, &webhook_secrets, mistakes);
    }
    let repositories = repositories(key, kind, &section.repositories, mistakes);
    let credentials = credentials(key, section, folder, mistakes);
    Some(ForgeSettings { kind: kind?, api_url, credentials: credentials?, webhook_secrets, repositories })
}

/// Returns where the API is; only GitHub's and GitLab's have a place of their own.
fn api_url(key: &str, kind: Option<ForgeKind>, text: Option<&str>, mistakes: &mut Mistakes<'_>) -> Url {
    let key = format!("{key}.api_url");
    let default = if kind == Some(ForgeKind::GitLab) { GITLAB_API } else { GITHUB_API };
    let url = http_url(&key, text.unwrap_or(default), mistakes);
    let ends_with = |path: &str| url.path().trim_end_matches('/').ends_with(path);
    if kind == Some(ForgeKind::GitLab) && !ends_with("/api/v4") {
        mistakes.add(&key, "is not the address of GitLab's API; write it like `https://gitlab.example.com/api/v4`");
    }
    if kind == Some(ForgeKind::Gitea) {
        let remedy = "write it like `https://git.example.com/api/v1`";
        if text.is_none() {
            mistakes.add(&key, format!("is missing; {remedy}"));
        } else if !ends_with("/api/v1") {
            mistakes.add(&key, format!("is not the address of Gitea's API; {remedy}"));
        }
    }
    url
}

/// Refuses what only GitHub has.
fn no_app(key: &str, section: &ForgeSection, mistakes: &mut Mistakes<'_>) {
    for (name, is_set) in
        [("app_id", section.app_id.is_some()), ("private_key_file", section.private_key_file.is_some())]
    {
        if is_set {
            let remedy = "is of GitHub Apps alone; use `token_file` with the token of an account for the service";
            mistakes.add(&format!("{key}.{name}"), remedy);
        }
    }
}

fn credentials(
    key: &str,
    section: ForgeSection,
    folder: &Path,
    mistakes: &mut Mistakes<'_>,
) -> Option<ForgeCredentials> {
    match (section.token, section.token_file, section.app_id, section.private_key_file) {
        (Some(token), None, None, None) => {
            let token = trimmed(&token);
            if token.is_none() {
                mistakes.add(&format!("{key}.token"), "is empty; set the token or unset the variable");
            }
            token.map(|token| ForgeCredentials::Token(token.into()))
        }
        (None, Some(path), None, None) => {
            secret(&format!("{key}.token_file"), &path, folder, in_a_header, mistakes).map(ForgeCredentials::Token)
        }
        (None, None, Some(id), Some(path)) => {
            let key = format!("{key}.private_key_file");
            let private_key = secret(&key, &path, folder, github::check_private_key, mistakes)?;
            Some(ForgeCredentials::App { id, private_key })
        }
        (None, None, Some(_), None) => {
            mistakes.add(&format!("{key}.app_id"), "needs `private_key_file` beside it");
            None
        }
        (None, None, None, Some(_)) => {
            mistakes.add(&format!("{key}.private_key_file"), "needs `app_id` beside it");
            None
        }
        (None, None, None, None) => {
            let variable = super::variable(&format!("{key}.token"));
            let remedy =
                format!("has no credentials; set `token_file`, `app_id` with `private_key_file`, or {variable}");
            mistakes.add(key, remedy);
            None
        }
        _ => {
            mistakes.add(key, "has two kinds of credentials; keep the token (in one place), or the App");
            None
        }
    }
}

fn webhook_secrets(key: &str, files: &[String], folder: &Path, mistakes: &mut Mistakes<'_>) -> Vec<Secret> {
    let key = format!("{key}.webhook_secret_files");
    if files.len() > MAX_WEBHOOK_SECRETS {
        mistakes.add(&key, "names more than two files; keep the secret in use and the one before it");
    }
    files.iter().filter_map(|path| secret(&key, Path::new(path), folder, any, mistakes)).collect()
}

/// Refuses a signing token that was not copied whole: no delivery would ever fit it.
fn signing_tokens(key: &str, secrets: &[Secret], mistakes: &mut Mistakes<'_>) {
    let secrets: Vec<_> = secrets.iter().map(Secret::now).collect();
    let keys = secrets.iter().filter_map(|secret| secret.expose_secret().strip_prefix("whsec_"));
    for _ in keys.filter(|key| BASE64_STANDARD.decode(key).map_or(true, |key| key.is_empty())) {
        let remedy = "names a signing token that is not whole; copy it from GitLab with everything after `whsec_`";
        mistakes.add(&format!("{key}.webhook_secret_files"), remedy);
    }
}

fn repositories(
    key: &str,
    kind: Option<ForgeKind>,
    texts: &[String],
    mistakes: &mut Mistakes<'_>,
) -> ServedRepositories {
    let key = format!("{key}.repositories");
    let mut served = Vec::new();
    for text in texts {
        match repository_pattern(&key, text, mistakes) {
            Some(pattern) if pattern.has_subgroups() && kind != Some(ForgeKind::GitLab) => {
                let remedy = "which names groups in groups; only GitLab has those: write `owner/name` or `owner/*`";
                mistakes.add(&key, format!("holds `{text}`, {remedy}"));
            }
            pattern => served.extend(pattern),
        }
    }
    ServedRepositories(served)
}

/// Reads one pattern.
pub(super) fn repository_pattern(key: &str, text: &str, mistakes: &mut Mistakes<'_>) -> Option<RepositoryPattern> {
    let pattern = RepositoryPattern::parse(text);
    if pattern.is_none() {
        mistakes.add(key, format!("holds `{text}`, which is neither `owner/name` nor `owner/*`"));
    }
    pattern
}

fn limits(section: &LimitsSection, mistakes: &mut Mistakes<'_>) -> Limits {
    let mut mib = |key: &str, value: Option<u32>, default: u32| {
        if value == Some(0) {
            mistakes.add(&format!("limits.{key}"), "must be 1 at least");
        }
        u64::from(value.unwrap_or(default)) * MIB
    };
    let webhook_body = mib("webhook_body_mib", section.webhook_body_mib, 25);
    let render_memory = mib("render_memory_mib", section.render_memory_mib, 2048);
    let render_output = mib("render_output_mib", section.render_output_mib, 64);
    if section.render_parallelism == Some(0) {
        mistakes.add("limits.render_parallelism", "must be 1 at least; leave it out for one per processor");
    }
    if section.forge_writes_at_once == Some(0) {
        mistakes.add("limits.forge_writes_at_once", "must be 1 at least; leave it out for one after another");
    }
    let mut time = |key: &str, value: Option<SignedDuration>, default: u64, least: u64| {
        let value = value.map_or(Ok(Duration::from_secs(default)), Duration::try_from).ok();
        let value = value.filter(|value| *value >= Duration::from_secs(least));
        value.unwrap_or_else(|| {
            mistakes.add(&format!("limits.{key}"), format!("must be {least}s at least; write it like `{default}s`"));
            Duration::from_secs(default)
        })
    };
    Limits {
        webhook_body: usize::try_from(webhook_body).unwrap_or(usize::MAX),
        poll_interval: time("poll_interval", section.poll_interval, 60, 1),
        forge_timeout: time("forge_timeout", section.forge_timeout, 30, 1),
        forge_write_interval: time("forge_write_interval", section.forge_write_interval, 1, 0),
        forge_writes_at_once: at_once(section.forge_writes_at_once).unwrap_or(NonZeroUsize::MIN),
        render_timeout: time("render_timeout", section.render_timeout, 120, 1),
        render_memory,
        render_output,
        render_parallelism: at_once(section.render_parallelism),
    }
}

fn at_once(number: Option<u32>) -> Option<NonZeroUsize> {
    number.and_then(|number| usize::try_from(number).ok()).and_then(NonZeroUsize::new)
}

/// Returns the programs: those that are named, then those in the folder.
fn renderers(section: RenderersSection, folder: &Path, mistakes: &mut Mistakes<'_>) -> Renderers {
    let directory = section.directory.map(|path| existing("renderers.directory", &path, folder, mistakes));
    let mut program = |key: &str, path: Option<PathBuf>| match (path, &directory) {
        (Some(path), _) => Some(existing(&format!("renderers.{key}"), &path, folder, mistakes)),
        (None, Some(directory)) => Some(directory.join(key)).filter(|path| path.exists()),
        (None, None) => None,
    };
    let (helm, kustomize) = (program("helm", section.helm), program("kustomize", section.kustomize));
    let more = section.more.unwrap_or_default();
    let more = more.into_iter().map(|path| existing("renderers.more", &path, folder, mistakes)).collect();
    let sandbox = match section.sandbox.as_deref() {
        None | Some("available") => Sandbox::Available,
        Some("required") => Sandbox::Required,
        Some("off") => Sandbox::Off,
        Some(_) => {
            mistakes.add("renderers.sandbox", "is no sandbox that is known; use `available`, `required` or `off`");
            Sandbox::default()
        }
    };
    Renderers { helm, kustomize, more, sandbox }
}

fn database(text: &str, folder: &Path, mistakes: &mut Mistakes<'_>) -> Database {
    let path = text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)).unwrap_or_default();
    if path.is_empty() || path.contains('?') {
        mistakes.add("store.database", "is no database that is known; write it like `sqlite:hydromote.db`");
    }
    Database::Sqlite(folder.join(path))
}

/// Returns the address; credentials in it would end up in links and logs.
fn http_url(key: &str, text: &str, mistakes: &mut Mistakes<'_>) -> Url {
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            mistakes.add(key, "must begin with `https://` or `http://`");
            url
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            mistakes.add(key, "must not hold credentials; use the keys for them");
            url
        }
        Ok(url) => url,
        Err(error) => {
            mistakes.add(key, format!("is no address ({error}); write it like `https://hydromote.example.com`"));
            Url::parse(GITHUB_API).expect("because the constant is a URL")
        }
    }
}

fn existing(key: &str, path: &Path, folder: &Path, mistakes: &mut Mistakes<'_>) -> PathBuf {
    let path = folder.join(path);
    if !path.exists() {
        mistakes.add(key, format!("names `{}`, which does not exist", path.display()));
    }
    path
}

/// Reads a secret; what the file holds is never part of a mistake.
pub(super) fn secret(
    key: &str,
    path: &Path,
    folder: &Path,
    check: Check,
    mistakes: &mut Mistakes<'_>,
) -> Option<Secret> {
    let path = folder.join(path);
    let error = match Secret::in_file(key, &path, check) {
        Ok(secret) => return Some(secret),
        Err(error) => error,
    };
    let remedy = match error {
        NoSecret::Unreadable(_) => "write the secret into a file that the service may read, and name that",
        NoSecret::Empty | NoSecret::Large | NoSecret::Unfit(_) => "write the secret into it",
    };
    mistakes.add(key, format!("names `{}`, which {error}; {remedy}", path.display()));
    None
}

/// Takes every text for a secret.
pub(super) fn any(_: &str) -> Result<(), &'static str> {
    Ok(())
}

/// Takes what can be sent in a header.
fn in_a_header(text: &str) -> Result<(), &'static str> {
    let fits = text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err("holds more than a token, which is one word of plain characters") }
}
