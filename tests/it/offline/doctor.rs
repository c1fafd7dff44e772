//! `hydromote doctor`.

use std::{process::Command, sync::Arc};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use hydromote::local_forge::Permission;
use jiff::{SignedDuration, fmt::rfc2822};

use super::{Run, Shop};
use crate::{
    github_app,
    network::tls::{self, Issuer},
    program::{Site, WEBHOOK_SECRET},
    proxy::{Asked, Behind, Between, Fate, Proxy},
    world::{BOT, Fallible, REPOSITORY, TestResult, strategy},
};

/// The address of the webhook in these settings.
const WEBHOOK: &str = "https://hydromote.example.com/webhooks/github";

#[test]
fn what_renders_and_what_keeps_it_in_is_told() {
    let shop = Shop::new();
    let report = shop.run(&["doctor", "--output", "json"]).expect(0).json();
    assert_eq!(report["well"], true, "{report}");
    let names: Vec<_> = report["checks"].as_array().expect("checks").iter().map(|check| &check["name"]).collect();
    assert_eq!(names, ["helm", "kustomize", "sandbox"]);
    let sandbox = &report["checks"][2];
    assert_eq!(sandbox["found"], "renderers reach their own files only, no network, and no other program");
    let text = shop.run(&["doctor"]).expect(0).stdout;
    assert!(text.starts_with("ok  helm       ") && text.contains("\nok  sandbox    "), "{text}");
}

#[test]
fn renderers_that_are_not_there_are_told_with_what_to_do() {
    let shop = Shop::new();
    let mut doctor = shop.program(env!("CARGO_BIN_EXE_hydromote"), &["doctor", "--tools", "nowhere"]);
    doctor.env("PATH", "");
    let run = shop.redacted(doctor).expect(1);
    insta::assert_snapshot!(run.stdout.lines().next().unwrap_or_default(), @"NO  renderers  could not find `helm` in `<repo>/nowhere`; run `make tools`, or put it on PATH");
}

#[test]
fn roots_that_are_not_the_same_each_time_are_named_with_what_differs() {
    let mut shop = Shop::new();
    let of_roots = |run: Run| run.stdout.lines().skip(3).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(of_roots(shop.run(&["doctor", "--prove"]).expect(0)), @"
    ok  dev        3 roots, the same both times
    ok  prod       3 roots, the same both times
    ");
    let random =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: random}\ndata:\n  fixed: a\n  a/b: {{ randAlphaNum 20 }}\n";
    shop.write("charts/web/templates/random.yaml", random);
    shop.edit("deploy/overlays/dev/kustomization.yaml", "../../base", "../../basis");
    shop.commit("Throw dice");
    let run = shop.run(&["doctor", "--prove", "--repo", "."]).expect(1);
    insta::assert_snapshot!(of_roots(run), @"
    NO  dev        3 roots, 2 of them not proved to be the same each time
    NO  dev shop   does not render: deploy/overlays/dev/kustomization.yaml:1: `resources` names `../../basis`, which does not exist
    NO  dev web    `charts/web` renders to something else each time
                   `ConfigMap random` at `/data/a~1b`
                   a function such as `randAlphaNum`, `genCA`, `now` or `uuidv4` does that; give the value instead
    NO  prod       3 roots, 1 of them not proved to be the same each time
    NO  prod web   `charts/web` renders to something else each time
                   `ConfigMap random` at `/data/a~1b`
                   a function such as `randAlphaNum`, `genCA`, `now` or `uuidv4` does that; give the value instead
    ");
    let arguments = ["doctor", "--prove", "--environment", "dev", "--output", "json"];
    let report = shop.run(&arguments).expect(1).json();
    let checks = report["checks"].as_array().expect("checks");
    let web = checks.iter().find(|check| check["name"] == "dev web").expect("it is named");
    assert_eq!(
        (&web["well"], &web["differs"]),
        (&false.into(), &serde_json::json!(["`ConfigMap random` at `/data/a~1b`"]))
    );
    assert!(checks.iter().all(|check| !check["name"].as_str().expect("text").starts_with("prod")));
    shop.run(&["doctor", "--prove", "--rev", "HEAD~1"]).expect(0);
    let run = shop.run(&["doctor", "--prove", "--rev", "nothing"]).expect(1);
    assert!(run.stdout.contains("ok  helm") && run.stdout.contains("NO  prove"), "{}", run.stdout);
    assert!(shop.run(&["doctor", "--environment", "dev"]).expect(2).stderr.contains("--prove"));
}

/// Runs `doctor` with the settings of a site; returns the exit code, and what it says of its forge.
async fn of_forge(site: &Site, more: &[&str]) -> Fallible<(i32, String)> {
    of_forge_at(site, &site.forge.api_url(), more).await
}

/// The same, with the forge at another address.
async fn of_forge_at(site: &Site, api: &str, more: &[&str]) -> Fallible<(i32, String)> {
    of_forge_by(site, api, "token_file = 'token'", more).await
}

/// The same, with other credentials.
async fn of_forge_by(site: &Site, api: &str, credentials: &str, more: &[&str]) -> Fallible<(i32, String)> {
    site.write(
        "hydromote.toml",
        &format!(
            "[server]\npublic_url = 'https://hydromote.example.com'\n[forges.github]\nkind = 'github'\n\
             api_url = '{api}'\n{credentials}\nwebhook_secret_files = ['webhook-secret']\n\
             repositories = ['{REPOSITORY}', 'acme-apps/*']\n"
        ),
    )?;
    #[expect(clippy::disallowed_methods, reason = "programs are run here as people run them")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_hydromote"));
    let tools = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    let config = site.dir.path().join("hydromote.toml");
    command.args(["doctor", "--config"]).arg(config).args(more).env("HYDROMOTE_TOOLS", tools).env_remove("RUST_LOG");
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    for secret in [site.bot_token.expose(), WEBHOOK_SECRET] {
        assert!(!said.contains(secret), "{said}");
    }
    let of_forge = said.lines().skip_while(|line| !line.contains("github")).collect::<Vec<_>>().join("\n");
    Ok((output.status.code().unwrap_or_default(), of_forge.replace(api, "(api)")))
}

/// A site whose dry branch holds a strategy.
async fn with_strategy() -> Fallible<Site> {
    let site = Site::new().await?;
    site.push("Begin", vec![("hydromote.yaml".to_owned(), strategy(&["dev", "prod"]))]).await?;
    Ok(site)
}

#[tokio::test]
async fn what_a_forge_lets_the_service_do_is_told() -> TestResult {
    let site = with_strategy().await?;
    site.forge.grant(REPOSITORY, BOT, Permission::Admin).await?;
    let (code, said) = of_forge(&site, &[]).await?;
    insta::assert_snapshot!(said, @"
    ok  github             (api) answers `hydromote`, by a token
    ok  acme/shop          the account may push, merge and report; `main` is the default branch
    ok  acme/shop git      `main` is fetched, with the strategy `shop`
    ok  acme/shop webhooks none of the repository sends to https://hydromote.example.com/webhooks/github, so what happens is found by polling
                           add one in its settings, unless one of its organisation or group does
    ok  acme/shop rules    the forge asks for nothing of its own before it merges, as far as the account is shown
    ok  acme-apps/*        repositories are found by their first webhook: name one in full to have it looked at here
    ");
    assert_eq!(code, 0);
    // A webhook may tell of half of it, and not arrive.
    site.forge.add_webhook(REPOSITORY, WEBHOOK, None, &["push", "status"]).await?;
    site.forge.webhooks_sent().await;
    let (code, said) = of_forge(&site, &[]).await?;
    insta::assert_snapshot!(said, @"
    ok  github             (api) answers `hydromote`, by a token
    ok  acme/shop          the account may push, merge and report; `main` is the default branch
    ok  acme/shop git      `main` is fetched, with the strategy `shop`
    NO  acme/shop webhooks are sent to https://hydromote.example.com/webhooks/github
                           1 deliveries of the last day did not arrive: see in the forge's list what they were answered
                           webhook 1005 does not tell of pull_request, pull_request_review, issue_comment, check_run, check_suite: choose that too
    ok  acme/shop rules    the forge asks for nothing of its own before it merges, as far as the account is shown
    ok  acme-apps/*        repositories are found by their first webhook: name one in full to have it looked at here
    ");
    assert_eq!(code, 1);
    Ok(())
}

#[tokio::test]
async fn rights_that_are_missing_and_webhooks_that_are_not_shown_are_told() -> TestResult {
    let site = with_strategy().await?;
    site.forge.grant(REPOSITORY, BOT, Permission::Read).await?;
    let (code, said) = of_forge(&site, &[]).await?;
    insta::assert_snapshot!(said, @"
    ok  github             (api) answers `hydromote`, by a token
    NO  acme/shop          something is missing that the service needs
                           lacks write access, to push, merge and report
    ok  acme/shop git      `main` is fetched, with the strategy `shop`
    ok  acme/shop webhooks are not shown to the account: see for yourself that one sends to https://hydromote.example.com/webhooks/github
    ok  acme/shop rules    the forge asks for nothing of its own before it merges, as far as the account is shown
    ok  acme-apps/*        repositories are found by their first webhook: name one in full to have it looked at here
    ");
    assert_eq!(code, 1);
    Ok(())
}

#[tokio::test]
async fn a_token_that_was_revoked_is_told_with_what_to_do() -> TestResult {
    let site = with_strategy().await?;
    site.forge.renew_token(BOT).await?;
    let (code, said) = of_forge(&site, &[]).await?;
    insta::assert_snapshot!(said, @"NO  github     the forge does not take the credentials (Bad credentials; they may have expired or been revoked: put new ones into their file, and work goes on by itself); see `[forges.github]` for the file, and whether they are another forge's");
    assert_eq!(code, 1);
    let (_, json) = of_forge(&site, &["--output", "json"]).await?;
    assert!(json.contains("\"well\": false") && json.contains("the forge does not take the credentials"), "{json}");
    Ok(())
}

#[tokio::test]
async fn an_app_and_where_it_is_installed_are_told() -> TestResult {
    let site = with_strategy().await?;
    let app = github_app::install(&site).await?;
    let api = site.forge.api_url();
    let credentials = format!("app_id = {app}\nprivate_key_file = 'app-key.pem'");
    let (code, said) = of_forge_by(&site, &api, &credentials, &[]).await?;
    insta::assert_snapshot!(said, @"
    ok  github             (api) answers `hydromote-app[bot]`, by a GitHub App `hydromote-app`
    ok  acme/shop          the account may push, merge and report; `main` is the default branch
    ok  acme/shop git      `main` is fetched, with the strategy `shop`
    ok  acme/shop webhooks they come by the App's webhook
                           what arrived is not shown to the account (list the deliveries of the App's webhook was not found on the forge)
    ok  acme/shop rules    the forge asks for nothing of its own before it merges, as far as the account is shown
    ok  acme-apps/*        repositories are found by their first webhook: name one in full to have it looked at here
    ");
    assert_eq!(code, 0);
    let (code, said) = of_forge_by(&site, &api, &credentials.replace(&app.to_string(), "4711"), &[]).await?;
    insta::assert_snapshot!(said, @"NO  github     the forge does not take the credentials (A JSON web token could not be decoded; they may have expired or been revoked: put new ones into their file, and work goes on by itself); see `[forges.github]` for the file, and whether they are another forge's");
    assert_eq!(code, 1);
    Ok(())
}

/// Adds to each answer of a forge, in place of what it has.
struct Adding(Vec<(HeaderName, HeaderValue)>);

#[async_trait]
impl Between for Adding {
    async fn decide(&self, asked: Asked, behind: &Arc<Behind>) -> Fate {
        let mut told = behind.ask(&asked).await;
        for (name, value) in &self.0 {
            told.headers.insert(name.clone(), value.clone());
        }
        Fate::Answered(told)
    }
}

#[tokio::test]
async fn clocks_that_differ_and_a_token_that_ends_soon_are_told() -> TestResult {
    let site = with_strategy().await?;
    let now = (hydromote::app::wall_clock())();
    let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&(now + SignedDuration::from_mins(10)))?;
    let end = (now + SignedDuration::from_hours(49)).strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let expiration = HeaderName::from_static("github-authentication-token-expiration");
    let headers = vec![(header::DATE, date.parse()?), (expiration, end.parse()?)];
    let forge = Proxy::start(site.forge.api_url().trim_end_matches("/api/v3"), Arc::new(Adding(headers))).await?;
    let (code, said) = of_forge_at(&site, &format!("{}/api/v3", forge.url()), &[]).await?;
    assert_eq!(code, 1);
    for words in ["s behind the forge's: set it, or Apps and signed webhooks fail", "the token ends in 2 days"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(said.starts_with("NO  github ") && said.contains(&format!("by a token, until {}", &end[..10])), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_forge_whose_certificate_nobody_trusts_is_told_with_what_to_do() -> TestResult {
    let site = with_strategy().await?;
    let behind: url::Url = site.forge.api_url().parse()?;
    let port = behind.port().ok_or("the forge has a port")?;
    let issuer = Issuer::new()?;
    let front = tls::front(issuer.server("localhost")?, ([127, 0, 0, 1], port).into()).await?;
    let api = format!("https://localhost:{}/api/v3", front.port());
    let (code, said) = of_forge_at(&site, &api, &[]).await?;
    insta::assert_snapshot!(said, @"NO  github     could not be asked: the forge did not answer while it was asked to say whose token this is: the certificate of `localhost` is not trusted: if it is right, name a file with its issuer's root certificate as `ca_bundle` of `[network]` (UnknownIssuer)");
    assert_eq!(code, 1);
    Ok(())
}

#[tokio::test]
async fn a_repository_without_anything_is_told() -> TestResult {
    let site = Site::new().await?;
    let (code, said) = of_forge(&site, &[]).await?;
    insta::assert_snapshot!(said, @"
    ok  github             (api) answers `hydromote`, by a token
    ok  acme/shop          the account may push, merge and report; `main` is the default branch
    ok  acme/shop git      `main` is empty
    ok  acme/shop webhooks are not shown to the account: see for yourself that one sends to https://hydromote.example.com/webhooks/github
    ok  acme-apps/*        repositories are found by their first webhook: name one in full to have it looked at here
    ");
    assert_eq!(code, 0);
    Ok(())
}
