//! `hydromote doctor`.

use std::process::Command;

use hydromote::local_forge::{Permission, Protection};

use super::Shop;
use crate::{
    program::{Site, WEBHOOK_SECRET},
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

/// Runs `doctor` with the settings of a site; returns the exit code, and what it says of its forge.
async fn of_forge(site: &Site, more: &[&str]) -> Fallible<(i32, String)> {
    let api = site.forge.api_url();
    site.write(
        "hydromote.toml",
        &format!(
            "[server]\npublic_url = 'https://hydromote.example.com'\n[forges.github]\nkind = 'github'\n\
             api_url = '{api}'\ntoken_file = 'token'\nwebhook_secret_files = ['webhook-secret']\n\
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
    Ok((output.status.code().unwrap_or_default(), of_forge.replace(&api, "(api)")))
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
    insta::assert_snapshot!(said, @"");
    assert_eq!(code, 0);
    // Anybody may make rules later, and forget half of the webhook.
    let rules = Protection { required_contexts: vec!["ci".to_owned()], is_ruleset: true, ..Protection::default() };
    site.forge.protect(REPOSITORY, "env/prod", Some(rules)).await?;
    site.forge.add_webhook(REPOSITORY, WEBHOOK, None, &["push", "status"]).await?;
    site.forge.webhooks_sent().await;
    let (code, said) = of_forge(&site, &[]).await?;
    insta::assert_snapshot!(said, @"");
    assert_eq!(code, 1);
    Ok(())
}

#[tokio::test]
async fn rights_that_are_missing_and_webhooks_that_are_not_shown_are_told() -> TestResult {
    let site = with_strategy().await?;
    site.forge.grant(REPOSITORY, BOT, Permission::Read).await?;
    let (code, said) = of_forge(&site, &[]).await?;
    insta::assert_snapshot!(said, @"");
    assert_eq!(code, 1);
    Ok(())
}

#[tokio::test]
async fn a_token_that_was_revoked_is_told_with_what_to_do() -> TestResult {
    let site = with_strategy().await?;
    site.forge.renew_token(BOT).await?;
    let (code, said) = of_forge(&site, &[]).await?;
    insta::assert_snapshot!(said, @"");
    assert_eq!(code, 1);
    let (_, json) = of_forge(&site, &["--output", "json"]).await?;
    assert!(json.contains("\"well\": false") && json.contains("the forge does not take the credentials"), "{json}");
    Ok(())
}

#[tokio::test]
async fn a_repository_without_anything_is_told() -> TestResult {
    let site = Site::new().await?;
    let (code, said) = of_forge(&site, &[]).await?;
    insta::assert_snapshot!(said, @"");
    assert_eq!(code, 0);
    Ok(())
}
