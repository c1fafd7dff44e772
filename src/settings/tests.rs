//! What operators write, and what they are told.

use std::{fs, path::Path};

use secrecy::ExposeSecret;

use super::*;
use crate::domain::{
    deployed::Tool,
    ids::{EnvironmentName, RepositoryId},
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const EXAMPLE: &str = include_str!("../../docs/hydromote.toml");
const TOKEN: (&str, &str) = ("HYDROMOTE__FORGES__GITHUB__TOKEN", "s3cret");
const FORGE: &str = "[forges.github]\nkind = \"github\"\nrepositories = [\"acme/*\"]\n";

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    parse_in(Path::new("/nowhere"), text, variables)
}

fn parse_in(folder: &Path, text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::parse("hydromote.toml", text, folder, owned)
}

/// Returns what an operator is told.
fn told(text: &str, variables: &[(&str, &str)]) -> String {
    parse(text, variables).err().map_or_else(|| "no mistake".to_owned(), |error| error.to_string())
}

#[test]
fn the_example_is_good() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("secrets"))?;
    for name in ["github-token", "github-webhook", "api-token"] {
        fs::write(folder.path().join("secrets").join(name), format!("{name}-s3cret\n"))?;
    }
    let settings = parse_in(folder.path(), EXAMPLE, &[])?;
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database, Database::Sqlite(folder.path().join("hydromote.db")));
    assert_eq!(settings.limits.webhook_body, 25 << 20);
    assert_eq!(settings.limits.render_timeout, Duration::from_secs(120));
    let github = &settings.forges["github"];
    let ForgeCredentials::Token(token) = &github.credentials else { panic!("{:?}", github.credentials) };
    assert_eq!(token.now().expose_secret(), "github-token-s3cret");
    assert_eq!(github.webhook_secrets.len(), 1);
    assert!(!format!("{settings:?}").contains("s3cret"));
    Ok(())
}

#[test]
fn the_examples_values_are_the_defaults() -> TestResult {
    let example: SettingsFile = toml::from_str(EXAMPLE)?;
    let file = format!("{FORGE}[server]\npublic_url = 'https://hydromote.example.com'");
    let defaults = parse(&file, &[TOKEN])?;
    let mut mistakes = Mistakes::new("", "", &[]);
    let shown = check::settings(example, Path::new("/nowhere"), &mut mistakes);
    assert_eq!((shown.listen, shown.limits, shown.database), (defaults.listen, defaults.limits, defaults.database));
    assert_eq!((shown.public_url, shown.data), (defaults.public_url, defaults.data));
    Ok(())
}

#[test]
fn every_key_is_in_the_example_and_has_a_description() {
    fn walk(schema: &serde_json::Value, keys: &mut Vec<String>) {
        for (key, value) in schema.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten() {
            assert!(value.get("description").is_some(), "`{key}` has no description");
            keys.push(key.clone());
        }
        for definition in schema.get("$defs").and_then(serde_json::Value::as_object).into_iter().flatten() {
            walk(definition.1, keys);
        }
    }
    let mut keys = Vec::new();
    walk(schemars::schema_for!(SettingsFile).as_value(), &mut keys);
    assert!(keys.len() > 25, "{keys:?}");
    for key in keys.iter().filter(|key| !["token", "secret", "proxy_credentials"].contains(&key.as_str())) {
        let is_shown = EXAMPLE.contains(&format!("{key} = "))
            || EXAMPLE.contains(&format!("[{key}"))
            || EXAMPLE.contains(&format!(".{key}]"));
        assert!(is_shown, "`{key}` is not in the example");
    }
}

#[test]
fn variables_override_the_file() -> TestResult {
    let text = format!("{FORGE}[limits]\npoll_interval = '5m'");
    let settings = parse(
        &text,
        &[
            TOKEN,
            ("HYDROMOTE__LIMITS__POLL_INTERVAL", "10s"),
            ("HYDROMOTE__LIMITS__RENDER_PARALLELISM", "3"),
            ("HYDROMOTE__FORGES__GITHUB__REPOSITORIES", "a/b, c/*"),
            ("HYDROMOTE__SERVER__LISTEN", "0.0.0.0:80"),
            ("HYDROMOTE_TOKEN", "belongs to the commands"),
        ],
    )?;
    assert_eq!(settings.limits.poll_interval, Duration::from_secs(10));
    assert_eq!(settings.limits.render_parallelism, NonZeroUsize::new(3));
    assert_eq!(settings.forges["github"].repositories.0.len(), 2);
    assert_eq!(settings.listen.port(), 80);
    Ok(())
}

#[test]
fn a_token_of_digits_stays_as_it_is() -> TestResult {
    let settings = parse(FORGE, &[("HYDROMOTE__FORGES__GITHUB__TOKEN", "0012e5")])?;
    let ForgeCredentials::Token(token) = &settings.forges["github"].credentials else { panic!("no token") };
    assert_eq!(token.now().expose_secret(), "0012e5");
    Ok(())
}

#[test]
fn mistakes_of_form_have_line_column_and_snippet() {
    insta::assert_snapshot!(told("[server]\nlisen = '127.0.0.1:80'\n", &[]), @r"
    hydromote.toml:2:1: TOML parse error at line 2, column 1
      |
    2 | lisen = '127.0.0.1:80'
      | ^^^^^
    unknown field `lisen`, expected `listen` or `public_url`
    ");
    insta::assert_snapshot!(told("[limits]\nwebhook_body_mib = 'many'\n", &[]), @r#"
    hydromote.toml:2:20: TOML parse error at line 2, column 20
      |
    2 | webhook_body_mib = 'many'
      |                    ^^^^^^
    invalid type: string "many", expected u32
    "#);
    insta::assert_snapshot!(told("[server\n", &[]), @r"
    hydromote.toml:1:8: TOML parse error at line 1, column 8
      |
    1 | [server
      |        ^
    unclosed table, expected `]`
    ");
}

#[test]
fn mistakes_of_meaning_come_all_at_once_with_their_places() {
    let text = "\
[server]
public_url = 'ftp://x'
[store]
database = 'mysql://u:s3cret@host/db'
[forges.hub]
kind = 'gitbub'
token_file = 'missing'
repositories = ['acme', 'acme/*']
webhook_secret_files = ['a', 'b', 'c']
[forges.Other]
[limits]
poll_interval = '0s'
render_memory_mib = 0
[network]
proxy = 's3cret'
ca_bundle = 'missing.pem'
";
    let told = told(text, &[("HYDROMOTE__LIMITS__RENDER_PARALLELISM", "0")]);
    assert!(!told.contains("s3cret"), "{told}");
    insta::assert_snapshot!(told, @"
    hydromote.toml:10:9: `forges.Other.repositories` is empty; name what may be served as `owner/name` or `owner/*`
    hydromote.toml:10:9: `forges.Other` is no name for a forge; use lower-case letters, digits and single `_`
    hydromote.toml:6:1: `forges.hub.kind` is no kind of forge that is known; use `github`, `gitea`, `forgejo` or `gitlab`
    hydromote.toml:9:1: `forges.hub.webhook_secret_files` names more than two files; keep the secret in use and the one before it
    hydromote.toml:9:1: `forges.hub.webhook_secret_files` names `/nowhere/a`, which cannot be read (entity not found); write the secret into a file that the service may read, and name that
    hydromote.toml:9:1: `forges.hub.webhook_secret_files` names `/nowhere/b`, which cannot be read (entity not found); write the secret into a file that the service may read, and name that
    hydromote.toml:9:1: `forges.hub.webhook_secret_files` names `/nowhere/c`, which cannot be read (entity not found); write the secret into a file that the service may read, and name that
    hydromote.toml:8:1: `forges.hub.repositories` holds `acme`, which is neither `owner/name` nor `owner/*`
    hydromote.toml:7:1: `forges.hub.token_file` names `/nowhere/missing`, which cannot be read (entity not found); write the secret into a file that the service may read, and name that
    hydromote.toml:16:1: `network.ca_bundle` names `/nowhere/missing.pem`, which cannot be read (entity not found)
    hydromote.toml:15:1: `network.proxy` is no address of a proxy; write it like `http://proxy.example.com:3128`
    hydromote.toml:2:1: `server.public_url` must begin with `https://` or `http://`
    hydromote.toml:4:1: `store.database` is no database that is known; write it like `sqlite:hydromote.db`
    hydromote.toml:13:1: `limits.render_memory_mib` must be 1 at least
    environment variable HYDROMOTE__LIMITS__RENDER_PARALLELISM: `limits.render_parallelism` must be 1 at least; leave it out for one per processor
    hydromote.toml:12:1: `limits.poll_interval` must be 1s at least; write it like `60s`
    ");
}

#[test]
fn how_much_of_the_sandbox_must_hold_is_a_word() -> TestResult {
    let with = |word: &str| format!("{FORGE}token_file = 'token'\n[renderers]\nsandbox = '{word}'\n");
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("token"), "secret")?;
    for (word, sandbox) in [("available", Sandbox::Available), ("required", Sandbox::Required), ("off", Sandbox::Off)] {
        assert_eq!(parse_in(folder.path(), &with(word), &[])?.renderers.sandbox, sandbox);
    }
    let refused = parse_in(folder.path(), &with("on"), &[]).map(drop).map_err(|error| error.to_string());
    let words =
        "hydromote.toml:6:1: `renderers.sandbox` is no sandbox that is known; use `available`, `required` or `off`";
    assert_eq!(refused, Err(words.to_owned()));
    Ok(())
}

#[test]
fn credentials_are_one_of_token_and_app() {
    let with = |keys: &str| told(&format!("{FORGE}{keys}"), &[]);
    insta::assert_snapshot!(with(""), @"hydromote.toml:1:9: `forges.github` has no credentials; set `token_file`, `app_id` with `private_key_file`, or HYDROMOTE__FORGES__GITHUB__TOKEN");
    insta::assert_snapshot!(with("app_id = 1\n"), @"hydromote.toml:4:1: `forges.github.app_id` needs `private_key_file` beside it");
    insta::assert_snapshot!(with("private_key_file = 'k'\n"), @"hydromote.toml:4:1: `forges.github.private_key_file` needs `app_id` beside it");
    insta::assert_snapshot!(with("app_id = 1\nprivate_key_file = 'k'\ntoken_file = 't'\n"), @"hydromote.toml:1:9: `forges.github` has two kinds of credentials; keep the token (in one place), or the App");
    insta::assert_snapshot!(with("token = 's3cret'\n"), @"hydromote.toml:4:1: `forges.github.token` must not stand in this file; write the token into a file of its own and name it with `token_file`, or set HYDROMOTE__FORGES__GITHUB__TOKEN");
    insta::assert_snapshot!(told("", &[]), @"hydromote.toml: `forges` names no forge; add a section such as `[forges.github]`");
}

#[test]
fn a_gitea_needs_its_address_and_a_token() {
    let with = |keys: &str| {
        let text = format!("[forges.hub]\nkind = \"forgejo\"\nrepositories = [\"acme/*\"]\n{keys}");
        told(&text, &[("HYDROMOTE__FORGES__HUB__TOKEN", "s3cret")])
    };
    insta::assert_snapshot!(with(""), @"hydromote.toml:1:9: `forges.hub.api_url` is missing; write it like `https://git.example.com/api/v1`");
    insta::assert_snapshot!(with("api_url = 'https://git.example.com'\n"), @"hydromote.toml:4:1: `forges.hub.api_url` is not the address of Gitea's API; write it like `https://git.example.com/api/v1`");
    insta::assert_snapshot!(with("api_url = 'https://git.example.com/api/v1'\napp_id = 1\nprivate_key_file = 'k'\n"), @"
    hydromote.toml:5:1: `forges.hub.app_id` is of GitHub Apps alone; use `token_file` with the token of an account for the service
    hydromote.toml:6:1: `forges.hub.private_key_file` is of GitHub Apps alone; use `token_file` with the token of an account for the service
    hydromote.toml:1:9: `forges.hub` has two kinds of credentials; keep the token (in one place), or the App
    ");
    let text =
        "[forges.hub]\nkind = 'gitea'\napi_url = 'https://git.example.com/sub/api/v1/'\nrepositories = ['acme/*']\n";
    let token = [("HYDROMOTE__FORGES__HUB__TOKEN".to_owned(), "s3cret".to_owned())];
    let settings = Settings::parse("hydromote.toml", text, std::path::Path::new("/nowhere"), token);
    assert_eq!(settings.map(|settings| settings.forges["hub"].kind).ok(), Some(ForgeKind::Gitea));
}

#[test]
fn a_gitlab_is_the_hosted_one_unless_its_api_is_named() {
    let parsed = |keys: &str| {
        let text = format!("[forges.hub]\nkind = 'gitlab'\nrepositories = ['acme/*']\n{keys}");
        let token = [("HYDROMOTE__FORGES__HUB__TOKEN".to_owned(), "s3cret".to_owned())];
        Settings::parse("hydromote.toml", &text, std::path::Path::new("/nowhere"), token)
    };
    let hub = parsed("").expect("because nothing is missing").forges.remove("hub").expect("because it is there");
    assert_eq!((hub.kind, hub.api_url.as_str()), (ForgeKind::GitLab, "https://gitlab.com/api/v4"));
    let told = |keys: &str| parsed(keys).expect_err("because there is a mistake").to_string();
    assert!(told("api_url = 'https://gitlab.example.com'\n").contains("is not the address of GitLab's API"));
    assert!(told("app_id = 1\nprivate_key_file = 'k'\n").contains("is of GitHub Apps alone"));
    let folder = tempfile::tempdir().expect("because the folder for temporary files is there");
    let path = folder.path().join("key");
    let with_key = |key: &str| {
        std::fs::write(&path, key).expect("because the folder is there");
        parsed(&format!("webhook_secret_files = ['{}']\n", path.display())).is_ok()
    };
    assert!(with_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") && with_key("anything else"));
    assert!(!with_key("whsec_MfKQ9r8GKYq") && !with_key("whsec_"));
}

#[test]
fn variables_that_cannot_be_used_are_named_without_their_value() {
    let with = |name: &str, value: &str| told(FORGE, &[TOKEN, (name, value)]);
    insta::assert_snapshot!(with("HYDROMOTE__SERVER__LISTEN", "s3cret"), @"environment variable HYDROMOTE__SERVER__LISTEN: `server.listen` is no setting, or its value has another form; see the example for its name and form");
    insta::assert_snapshot!(with("HYDROMOTE__SERVER__TOKEN", "s3cret"), @"environment variable HYDROMOTE__SERVER__TOKEN: `server.token` is no setting, or its value has another form; see the example for its name and form");
    insta::assert_snapshot!(told(FORGE, &[("HYDROMOTE__FORGES__GITHUB__TOKEN", " ")]), @"environment variable HYDROMOTE__FORGES__GITHUB__TOKEN: `forges.github.token` is empty; set the token or unset the variable");
}

#[test]
fn a_proxy_gets_its_credentials_from_a_file_or_the_environment() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("proxy"), "us:p@ss:w\n")?;
    let network = "[network]\nproxy = 'http://proxy.example.com:3128'\nno_proxy = ['example.com', '10.0.0.0/8']\n";
    let credentials = |text: &str, variables: &[(&str, &str)]| -> Result<String, SettingsError> {
        let settings =
            parse_in(folder.path(), &format!("{FORGE}{network}{text}"), &[&[TOKEN][..], variables].concat())?;
        assert!(!format!("{settings:?}").contains("p@ss"));
        let proxy = settings.network.proxy.expect("because it is set");
        assert_eq!((proxy.address.as_str(), proxy.exceptions.len()), ("http://proxy.example.com:3128/", 2));
        let pair = proxy.credentials.as_ref().map(|pair| pair.now().expose_secret().to_owned());
        Ok(pair.unwrap_or_default())
    };
    let variable = [("HYDROMOTE__NETWORK__PROXY_CREDENTIALS", "us:p@ss:w")];
    assert_eq!(credentials("proxy_credentials_file = 'proxy'\n", &[])?, "us:p@ss:w");
    assert_eq!(credentials("", &variable)?, "us:p@ss:w");
    assert_eq!(credentials("", &[])?, "");
    Ok(())
}

#[test]
fn mistakes_in_the_network_are_told_without_what_may_be_secret() -> TestResult {
    let with = |text: &str| {
        let told = told(&format!("{FORGE}[network]\n{text}"), &[TOKEN]);
        assert!(!told.contains("s3cret"), "{told}");
        told
    };
    insta::assert_snapshot!(with("proxy = 'http://us:s3cret@proxy:3128'\n"), @"hydromote.toml:5:1: `network.proxy` must not hold credentials; write `user:password` into a file of its own and name it with `proxy_credentials_file`, or set HYDROMOTE__NETWORK__PROXY_CREDENTIALS");
    insta::assert_snapshot!(with("proxy = 'http://proxy:3128'\nproxy_credentials = 'us:s3cret'\n"), @"hydromote.toml:6:1: `network.proxy_credentials` must not stand in this file; write them into a file of their own and name it with `proxy_credentials_file`, or set HYDROMOTE__NETWORK__PROXY_CREDENTIALS");
    insta::assert_snapshot!(with("proxy = 'socks5://proxy:1080'\nno_proxy = ['a b']\n"), @"
    hydromote.toml:6:1: `network.no_proxy` holds `a b`, which is neither a name, such as `example.com`, nor an address or a range of them, such as `10.0.0.0/8`
    hydromote.toml:5:1: `network.proxy` is no address of a proxy; write it like `http://proxy.example.com:3128`
    ");
    insta::assert_snapshot!(with("no_proxy = ['example.com']\n"), @"hydromote.toml:5:1: `network.no_proxy` is of no use without `proxy`; set that too, or remove this");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ca.pem");
    for (text, why) in [
        ("nothing", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds a certificate that cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA", "holds something broken"),
    ] {
        fs::write(&path, text)?;
        let told = with(&format!("ca_bundle = '{}'\n", path.display()));
        assert!(told.contains(&format!("which {why}; write root certificates into it, PEM")), "{told}");
    }
    Ok(())
}

#[test]
fn a_secret_file_that_is_empty_is_a_mistake() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("token"), " \n")?;
    let error = parse_in(folder.path(), &format!("{FORGE}token_file = 'token'\n"), &[]).err();
    assert!(error.is_some_and(|error| error.to_string().contains("which is empty")));
    let missing = Settings::load(Some(&folder.path().join("none.toml")), []).err();
    assert!(missing.is_some_and(|error| error.to_string().contains("--config")));
    Ok(())
}

#[test]
fn windows_of_the_server_hold_where_they_say() -> TestResult {
    let text = format!(
        "{FORGE}[policies.windows]
overridable = true
[[policies.windows.deny]]
from = '2026-12-20T18:00'
to = '2027-01-04T06:00'
timezone = 'Europe/Berlin'
reason = 'year end'
[[policies.windows.allow]]
cron = '0 8 * * MON-FRI'
duration = '9h'
repositories = ['Acme/*', 'tools/a']
environments = ['prod*']
"
    );
    let windows = parse(&text, &[TOKEN])?.windows;
    assert!(windows.overridable);
    let told = |repository: &str, environment: &str| {
        let repository = RepositoryId::new(repository).expect("a repository");
        let of = windows.of(&repository, &EnvironmentName::new(environment).expect("a name"));
        (of.allow.len(), of.deny.len())
    };
    assert_eq!(told("acme/shop", "prod-eu"), (1, 1));
    assert_eq!(told("acme/shop", "staging"), (0, 1));
    assert_eq!(told("tools/b", "prod"), (0, 1));
    assert!(parse(FORGE, &[TOKEN])?.windows.deny.is_empty());
    Ok(())
}

#[test]
fn mistakes_in_windows_have_their_places() {
    let text = format!(
        "{FORGE}[[policies.windows.deny]]
cron = '0 18 * * FRIDAY'
duration = '62'
timezone = 'Europe/Berlni'
[[policies.windows.deny]]
reason = 'never'
[[policies.windows.allow]]
from = '2026-12-20T18:00'
to = '2026-12-19'
environments = ['prod?']
[[policies.windows.allow]]
cron = '0 8 * * *'
duration = '1h'
[[policies.windows.deny]]
cron = '0 * * * *'
duration = '1h'
"
    );
    insta::assert_snapshot!(told(&text, &[TOKEN]), @"
    hydromote.toml:12:1: `policies.windows.allow.0.to` is wrong: `2026-12-19` is no local time; write it like `2026-12-20T18:00`, before the year 2200; the zone stands in `timezone`
    hydromote.toml:13:1: `policies.windows.allow.0.environments` holds `prod?`, which is no name with `*` in it; use letters, digits, `-`, `_`, `.`, `/` and `*`
    hydromote.toml:7:1: `policies.windows.deny.0.timezone` is wrong: `Europe/Berlni` is no time zone; did you mean `Europe/Berlin`?
    hydromote.toml:5:1: `policies.windows.deny.0.cron` is wrong: `FRIDAY` is no day of the week; write a number from 0 to 7, or SUN to SAT, `*`, or a list
    hydromote.toml:6:1: `policies.windows.deny.0.duration` is wrong: `62` is not a duration; write a number and a unit, such as `30m`, `8h`, `62h` or `2d`; at most a year
    hydromote.toml:8:1: `policies.windows.deny.1` is wrong: the window does not say when it is; write `cron` and `duration` for one that comes again, `from` and `to` for one that comes once
    hydromote.toml:4:12: `policies.windows` never opens: what denies covers all that allows; shorten a window that denies
    ");
}

#[test]
fn patterns_of_windows_that_would_match_nothing_are_refused() {
    let text = format!(
        "{FORGE}[[policies.windows.deny]]
cron = '0 18 * * FRI'
duration = '62h'
repositories = ['*', 'shop', 'acme/*', '*/*']
environments = ['prod', 'eu/prod']
"
    );
    insta::assert_snapshot!(told(&text, &[TOKEN]), @"
    hydromote.toml:7:1: `policies.windows.deny.0.repositories` holds `*`, which is no `owner/name`; write `owner/*`, or `*/*` for every repository
    hydromote.toml:7:1: `policies.windows.deny.0.repositories` holds `shop`, which is no `owner/name`; write `owner/*`, or `*/*` for every repository
    hydromote.toml:8:1: `policies.windows.deny.0.environments` holds `eu/prod`; write names of environments, which have no `/`
    ");
}

#[test]
fn receivers_have_one_secret_or_two_from_files_or_the_environment() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("one"), "first\n")?;
    fs::write(folder.path().join("two"), "second")?;
    let file = format!("{FORGE}[receivers.argocd]\nsecret_files = ['one', 'two']\n");
    let settings = parse_in(folder.path(), &file, &[TOKEN, ("HYDROMOTE__RECEIVERS__FLUX__SECRET", "123")])?;
    let secrets =
        |tool| settings.receivers[&tool].iter().map(|one| one.now().expose_secret().to_owned()).collect::<Vec<_>>();
    assert_eq!(secrets(Tool::ArgoCd), ["first", "second"]);
    assert_eq!(secrets(Tool::Flux), ["123"]);
    assert!(parse_in(folder.path(), FORGE, &[TOKEN])?.receivers.is_empty(), "none is heard that has no section");
    Ok(())
}

#[test]
fn mistakes_in_receivers_have_their_places() {
    let text = format!("{FORGE}[receivers.argocd]\n[receivers.flux]\nsecret_files = ['a', 'b', 'c']\n");
    insta::assert_snapshot!(told(&text, &[TOKEN]), @"
    hydromote.toml:4:12: `receivers.argocd` has no secret; name a file with `secret_files`, or set HYDROMOTE__RECEIVERS__ARGOCD__SECRET
    hydromote.toml:6:1: `receivers.flux.secret_files` makes more than two secrets; keep the one in use and the one before it
    hydromote.toml:6:1: `receivers.flux.secret_files` names `/nowhere/a`, which cannot be read (entity not found); write the secret into a file that the service may read, and name that
    hydromote.toml:6:1: `receivers.flux.secret_files` names `/nowhere/b`, which cannot be read (entity not found); write the secret into a file that the service may read, and name that
    hydromote.toml:6:1: `receivers.flux.secret_files` names `/nowhere/c`, which cannot be read (entity not found); write the secret into a file that the service may read, and name that
    ");
    let written = format!("{FORGE}[receivers.flux]\nsecret = 's3cret'\n");
    insta::assert_snapshot!(told(&written, &[TOKEN]), @"hydromote.toml:5:1: `receivers.flux.secret` must not stand in this file; write the secret into a file of its own and name it with `secret_files`, or set HYDROMOTE__RECEIVERS__FLUX__SECRET");
    let taken = FORGE.replacen("forges.github", "forges.flux", 1);
    assert_ne!(taken, FORGE);
    insta::assert_snapshot!(told(&taken, &[("HYDROMOTE__FORGES__FLUX__TOKEN", "s3cret")]), @"hydromote.toml:1:9: `forges.flux` has the name of a receiver, `/webhooks/flux`; give the forge another one");
}

#[test]
fn several_forges_share_no_repository_and_destinations_name_forges() {
    let forge =
        |name: &str, repositories: &str| format!("[forges.{name}]\nkind = 'gitlab'\nrepositories = {repositories}\n");
    let token = [
        ("HYDROMOTE__FORGES__HUB__TOKEN", "t"),
        ("HYDROMOTE__FORGES__LAB__TOKEN", "t"),
        ("HYDROMOTE__FORGES__SPARE__TOKEN", "t"),
    ];
    let wrong = [
        forge("hub", "['acme/*']"),
        forge("lab", "['acme/shop']"),
        forge("spare", "[]"),
        "[[destinations]]\nfrom = ['acme/shop']\nto = []\nforge = 'hob'\n".to_owned(),
    ];
    insta::assert_snapshot!(told(&wrong.concat(), &token), @"
    hydromote.toml:9:1: `forges.spare.repositories` is empty; name what may be served as `owner/name` or `owner/*`
    hydromote.toml:13:1: `destinations.0.forge` is `hob`, which is none of `[forges]`
    hydromote.toml:12:1: `destinations.0.to` is empty; name repositories as `owner/name` or `owner/*`
    hydromote.toml:6:1: `forges.lab.repositories` holds `acme/shop`, and `forges.hub` has `acme/*`: a name is served on one forge only
    ");
    let right = [
        forge("hub", "['acme/*']"),
        forge("lab", "['tools/*']"),
        forge("spare", "[]"),
        "[[destinations]]\nfrom = 'acme/shop'\nto = ['acme/environments']\nforge = 'spare'\n".to_owned(),
    ];
    insta::assert_snapshot!(told(&right.concat(), &token), @"no mistake");
}

#[test]
fn charts_are_fetched_from_hosts_that_are_named() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("registry"), "s3cret\n")?;
    let text = format!(
        "{FORGE}[charts]\nhosts = ['ghcr.io', '*.example.com']\narchive_mib = 5\ntimeout = '30s'\n[[charts.credentials]]\n\
         host = 'GHCR.io'\nusername = 'robot'\npassword_file = 'registry'\n"
    );
    let charts = parse_in(folder.path(), &text, &[TOKEN])?.charts;
    assert_eq!((charts.hosts.len(), charts.limits.archive, charts.limits.index), (2, 5 << 20, 50 << 20));
    assert_eq!(charts.limits.timeout, Duration::from_secs(30));
    let [credentials] = charts.credentials.as_slice() else { panic!("{:?}", charts.credentials) };
    assert_eq!((credentials.host.as_str(), credentials.password.now().expose_secret()), ("ghcr.io", "s3cret"));
    assert!(!format!("{credentials:?}").contains("s3cret"));
    let many = parse(FORGE, &[TOKEN, ("HYDROMOTE__CHARTS__HOSTS", "ghcr.io, quay.io")])?;
    assert_eq!(many.charts.hosts.len(), 2);
    assert!(parse(FORGE, &[TOKEN])?.charts.hosts.is_empty(), "nothing is fetched unless a host is named");
    Ok(())
}

#[test]
fn mistakes_about_charts_have_their_places() {
    let text = format!(
        "{FORGE}[charts]\nhosts = ['ghcr.io', 'https://a/b', '*']\ncache_mib = 0\ntimeout = '0s'\n[[charts.credentials]]\n\
         host = '*.example.com'\n[[charts.credentials]]\nhost = 'ghcr.io'\nusername = 'a:b'\ntoken_host = 'a/b'\n\
         [[charts.credentials]]\nhost = 'ghcr.io'\nusername = 'robot'\npassword_file = 'nowhere'\n"
    );
    insta::assert_snapshot!(told(&text, &[TOKEN]), @"
    hydromote.toml:5:1: `charts.hosts` holds `https://a/b`, which is no host; write one such as `registry.example.com`, `registry.example.com:5000` or `*.example.com`
    hydromote.toml:5:1: `charts.hosts` holds `*`, which is no host; write one such as `registry.example.com`, `registry.example.com:5000` or `*.example.com`
    hydromote.toml:6:1: `charts.cache_mib` is 0; write how many MiB
    hydromote.toml:7:1: `charts.timeout` is no time to wait; write one such as `60s`
    hydromote.toml:9:1: `charts.credentials.0.host` is `*.example.com`, which is no host; write one such as `registry.example.com` or `registry.example.com:5000`
    hydromote.toml:13:1: `charts.credentials.1.token_host` is `a/b`, which is no host; write one such as `registry.example.com` or `registry.example.com:5000`
    hydromote.toml:12:1: `charts.credentials.1.username` is no user; write the name that the registry knows, which has no `:`
    hydromote.toml:10:1: `charts.credentials.1.password_file` is missing; name a file that holds the password
    hydromote.toml:17:1: `charts.credentials.2.password_file` names `/nowhere/nowhere`, which cannot be read (entity not found); write the secret into a file that the service may read, and name that
    ");
}

#[test]
fn a_file_about_charts_alone_is_enough_to_pin_them() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("charts.toml");
    fs::write(&path, "[charts]\nhosts = ['ghcr.io']\n")?;
    let (charts, _) = Settings::load_charts(Some(&path), [])?;
    assert_eq!(charts.hosts.len(), 1);
    let (charts, _) = Settings::load_charts(None, [])?;
    assert!(charts.hosts.is_empty());
    fs::write(&path, "[charts]\nhost = ['ghcr.io']\n")?;
    assert!(Settings::load_charts(Some(&path), []).is_err());
    Ok(())
}
