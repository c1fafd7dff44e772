//! The keys of `hydromote.toml`, as the operator writes them. Nothing is checked here but types.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use jiff::SignedDuration;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

/// The server settings.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsFile {
    /// Where the service listens and under which address people reach it.
    pub server: ServerSection,
    /// What must survive a restart.
    pub store: StoreSection,
    /// The forges by a name of your own: lower-case letters, digits and single `_`. The name is part of the webhook's
    /// path.
    pub forges: BTreeMap<String, ForgeSection>,
    /// Which repositories may be promoted into which others, where a strategy has a `destination`: `[[destinations]]`.
    pub destinations: Vec<DestinationSection>,
    /// The tools that tell what became of what they deployed.
    pub receivers: ReceiversSection,
    /// How much of what the service takes.
    pub limits: LimitsSection,
    /// The programs that render manifests.
    pub renderers: RenderersSection,
    /// What pull requests, comments and commits say.
    pub messages: MessagesSection,
    /// How the world outside is reached.
    pub network: NetworkSection,
    /// From where charts are fetched that are not in the repositories.
    pub charts: ChartsSection,
    /// Who may act on the service, and read it from elsewhere.
    pub service: ServiceSection,
    /// What no repository can weaken.
    pub policies: PoliciesSection,
}

/// Where the service listens and under which address people reach it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// The address and port to listen on; `127.0.0.1:8080` unless set.
    pub listen: Option<SocketAddr>,
    /// The address that people and forges use, for links; `http://` and the listen address unless set.
    pub public_url: Option<String>,
}

/// What must survive a restart.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// The database; `sqlite:` and a path, `sqlite:hydromote.db` unless set. A relative path starts at this file's folder.
    pub database: Option<String>,
    /// The folder of repository mirrors and caches, which may be lost; `data` beside this file unless set.
    pub data: Option<PathBuf>,
}

/// One forge. It needs `token_file` (or the token in the environment), or `app_id` with `private_key_file`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForgeSection {
    /// The kind of forge: `github`, also for Enterprise servers; `gitea` or `forgejo`; `gitlab`.
    pub kind: Option<String>,
    /// The address of its API; `https://api.github.com` unless set, `https://HOST/api/v3` on Enterprise servers.
    /// `https://HOST/api/v1` of a Gitea or Forgejo, where it must be set, and of a GitLab
    /// `https://HOST/api/v4`, `https://gitlab.com/api/v4` unless set; git uses the same address.
    pub api_url: Option<String>,
    /// A file that holds an access token and nothing else.
    pub token_file: Option<PathBuf>,
    /// An access token; only in the environment, as `HYDROMOTE__FORGES__<NAME>__TOKEN`.
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub token: Option<SecretString>,
    /// The id of a GitHub App, instead of a token.
    pub app_id: Option<u64>,
    /// A file that holds the App's private key, PEM.
    pub private_key_file: Option<PathBuf>,
    /// One file with the webhook's secret, or two while it is being changed. Without one no delivery is accepted, and
    /// changes are seen when the service polls.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "Vec<String>")]
    pub webhook_secret_files: Vec<String>,
    /// The repositories that may be served, those with the dry branches: `owner/name`, or `owner/*` for all of an owner. On
    /// GitLab also `group/subgroup/name`, and `group/**` for all of a group and the groups in it. The former are looked at
    /// from the start on, the latter from their first webhook on.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "Vec<String>")]
    pub repositories: Vec<String>,
}

/// Repositories whose strategies may have the environments' branches in others.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DestinationSection {
    /// The repositories with the dry branches, as `owner/name` or `owner/*`.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "Vec<String>")]
    pub from: Vec<String>,
    /// The repositories with the environments' branches. Webhooks of theirs are heard too.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "Vec<String>")]
    pub to: Vec<String>,
    /// The forge of the latter, by its name under `[forges]`; that of the former unless set.
    pub forge: Option<String>,
}

/// The tools that tell what became of what they deployed. Each is heard once it has a secret; `hydromote init --cd TOOL`
/// prints what to configure there.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiversSection {
    /// Argo CD, at `/webhooks/argocd`. The secret is the bearer token that its notifications send.
    pub argocd: Option<ReceiverSection>,
    /// Flux, at `/webhooks/flux`. The secret is the one with which its provider `generic-hmac` signs.
    pub flux: Option<ReceiverSection>,
}

/// One tool.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiverSection {
    /// One file with the secret, or two while it is being changed.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "Vec<String>")]
    pub secret_files: Vec<String>,
    /// The secret; only in the environment, as `HYDROMOTE__RECEIVERS__<TOOL>__SECRET`.
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub secret: Option<SecretString>,
}

/// How much of what the service takes. Times are written like `30s` or `5m`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// The largest webhook body, MiB; 25 unless set, the most that forges send.
    pub webhook_body_mib: Option<u32>,
    /// How often branches, pull requests and statuses are looked at without a webhook; `60s` unless set. Branches of which
    /// no webhook tells are listed every `15s` at least.
    #[schemars(with = "Option<String>")]
    pub poll_interval: Option<SignedDuration>,
    /// How long one request to a forge may take; `30s` unless set.
    #[schemars(with = "Option<String>")]
    pub forge_timeout: Option<SignedDuration>,
    /// The pause between two writes with one credential of a forge; `1s` unless set, as GitHub asks. May be `0s`.
    #[schemars(with = "Option<String>")]
    pub forge_write_interval: Option<SignedDuration>,
    /// How many writes with one credential of a forge are under way at once; 1 unless set, as GitHub asks.
    pub forge_writes_at_once: Option<u32>,
    /// How long rendering one root may take; `2m` unless set.
    #[schemars(with = "Option<String>")]
    pub render_timeout: Option<SignedDuration>,
    /// How much memory rendering one root may take, MiB; 2048 unless set.
    pub render_memory_mib: Option<u32>,
    /// How much one root may render to, MiB; 64 unless set.
    pub render_output_mib: Option<u32>,
    /// How many roots are rendered at once; as many as there are processors unless set.
    pub render_parallelism: Option<u32>,
}

/// The programs that render manifests. What is not set is looked for in `directory`, then in the `PATH`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RenderersSection {
    /// A folder with the programs.
    pub directory: Option<PathBuf>,
    /// The path of Helm; the program must be called `helm`.
    pub helm: Option<PathBuf>,
    /// The path of Kustomize; the program must be called `kustomize`.
    pub kustomize: Option<PathBuf>,
    /// Folders with other versions of the programs, for what pins them (`helmVersion`, `kustomizeVersion`).
    pub more: Option<Vec<PathBuf>>,
    /// What the kernel must do to keep them from other files, the network and other programs: `available` is what it
    /// can, unless set; with `required` the service does not start where that is not all; `off` is nothing, for
    /// programs that are scripts around others. `hydromote doctor` says what holds.
    pub sandbox: Option<String>,
}

/// What pull requests, comments and commits say.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MessagesSection {
    /// A folder of texts in place of the built-in ones; `hydromote init --templates DIR` writes those to begin with. A
    /// text that cannot be right keeps the service from starting.
    pub templates: Option<PathBuf>,
}

/// How the world outside is reached, by git and by requests to the forge alike. `HTTPS_PROXY` and its kin are not read.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSection {
    /// The address of a proxy, such as `http://proxy.example.com:3128`; without one everything is reached straight.
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub proxy: Option<SecretString>,
    /// A file that holds `user:password` for the proxy and nothing else.
    pub proxy_credentials_file: Option<PathBuf>,
    /// The same; only in the environment, as `HYDROMOTE__NETWORK__PROXY_CREDENTIALS`.
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub proxy_credentials: Option<SecretString>,
    /// What is reached without the proxy: names with everything below them (`example.com`, also with a port), addresses
    /// and ranges of them (`10.0.0.0/8`), or `*`.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "Vec<String>")]
    pub no_proxy: Vec<String>,
    /// A file of root certificates, PEM, that are trusted besides those of the machine.
    pub ca_bundle: Option<PathBuf>,
}

/// From where charts are fetched that are not in the repositories: what `hydromote.lock` pins there, and nothing else. Proxy
/// and root certificates are those of `[network]`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChartsSection {
    /// The hosts, such as `registry.example.com`, `registry.example.com:5000` or `*.example.com` for all below a name; with
    /// `http://` before it one without TLS. None unless set. Hosts to which these redirect, and those that give tokens for
    /// them, have to be among them. A host that is named itself may have a private address; addresses where machines
    /// give out metadata are never asked.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "Vec<String>")]
    pub hosts: Vec<String>,
    /// The credentials for some of them: `[[charts.credentials]]`.
    pub credentials: Vec<ChartCredentialsSection>,
    /// The largest archive, MiB; 20 unless set.
    pub archive_mib: Option<u32>,
    /// The largest index of a chart repository, MiB; 50 unless set. Only `hydromote lock` reads them.
    pub index_mib: Option<u32>,
    /// How long one download may take; `60s` unless set.
    #[schemars(with = "Option<String>")]
    pub timeout: Option<SignedDuration>,
    /// How much of what was fetched is kept in the folder of the service's data, MiB; 1024 unless set.
    pub cache_mib: Option<u32>,
}

/// The credentials for one host. They are sent to it alone, not to where it redirects.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChartCredentialsSection {
    /// The host as `hosts` has it, without a scheme.
    pub host: String,
    /// The user.
    pub username: String,
    /// A file that holds the password or token, and nothing else.
    pub password_file: PathBuf,
    /// The host that gives tokens for this one, when that is another, such as `auth.docker.io` for
    /// `registry-1.docker.io`. The credentials are shown to it too.
    pub token_host: Option<String>,
}

/// Who may act on the service, and read it from elsewhere.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSection {
    /// A file that holds the bearer token of everything that acts, such as `hydromote promote`, and of reading from
    /// beyond this machine. Without it nobody acts over HTTP, and only this machine reads.
    pub api_token_file: Option<PathBuf>,
}

/// What no repository can weaken.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PoliciesSection {
    /// When promotions may be merged.
    pub windows: WindowsSection,
}

/// When promotions may be merged, whatever a strategy says. A window that denies wins over any that allows; where some
/// allow, promotions are merged only inside of one. The windows of a strategy must be open too.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WindowsSection {
    /// Whether people who may override the windows of a strategy may override these too; `false` unless set.
    pub overridable: bool,
    /// Windows inside of which promotions are merged, and outside of which they wait: `[[policies.windows.allow]]`.
    pub allow: Vec<WindowSection>,
    /// Windows inside of which promotions wait: `[[policies.windows.deny]]`.
    pub deny: Vec<WindowSection>,
}

/// One window: `cron` and `duration` for one that comes again, `from` and `to` for one that comes once.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WindowSection {
    /// When it begins, in five fields: minute, hour, day of the month, month, day of the week.
    pub cron: Option<String>,
    /// How long it is from each beginning on, as time that passes.
    pub duration: Option<String>,
    /// The local time at which it begins, such as `"2026-12-20T18:00"`.
    pub from: Option<String>,
    /// The local time at which it ends.
    pub to: Option<String>,
    /// Whose clocks its times are read by, such as `"Europe/Berlin"`; `"UTC"` unless set.
    pub timezone: Option<String>,
    /// What it is for, in a few words; shown wherever a promotion waits for it.
    pub reason: Option<String>,
    /// The repositories that it holds for, as `owner/name` with `*` for anything, also for groups in groups; all unless
    /// set.
    pub repositories: Vec<String>,
    /// The environments that it holds for, by name with `*` for anything; all unless set.
    pub environments: Vec<String>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

/// Reads a list, or one text with commas: an environment variable cannot hold a list.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> de::Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of texts")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(text) = list.next_element()? {
                all.push(text);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(OneOrMany)
}
