//! The service is a GitHub App: it proves itself with its key, and acts with tokens that end.

use hydromote::local_forge::PullState;

use crate::{
    contract::Checker,
    program::{Site, Start},
    world::{Fallible, REPOSITORY, TestResult, everywhere, strategy},
};

/// Made for tests and used nowhere else.
const PRIVATE_KEY: &str = include_str!("../../src/forge/github/tests/throw-away-app-key.pem");
/// Its public half, as GitHub keeps it.
const PUBLIC_KEY: &str = include_str!("../data/throw-away-app-key.public.pem");
/// What the App is called.
const SLUG: &str = "hydromote-app";

/// Registers the App, and installs it in the repository; returns its id.
pub(crate) async fn install(site: &Site) -> Fallible<u64> {
    let owner = REPOSITORY.split('/').next().ok_or("the repository has an owner")?;
    let app = site.forge.create_app(owner, SLUG, PUBLIC_KEY).await?;
    site.forge.install_app(app, REPOSITORY).await?;
    site.write("app-key.pem", PRIVATE_KEY)?;
    Ok(app)
}

#[tokio::test]
async fn an_app_promotes_and_goes_on_when_its_tokens_end_and_when_it_is_installed_anew() -> TestResult {
    let checker = Checker::new();
    let site = Site::observed(Some(checker.observer())).await?;
    let app = install(&site).await?;
    let served = site.serve(Start { app: Some(app), ..Start::default() }).await?;
    site.tell(&served).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev", "staging"])));
    let one = site.push("first", files).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    served.runs("staging", &one).await?;
    site.healthy("staging").await?;

    site.forge.end_app_tokens(app).await?;
    let two = site.push("second", everywhere("v2")).await?;
    served.runs("dev", &two).await?;
    site.forge.install_app(app, REPOSITORY).await?;
    site.healthy("dev").await?;
    served.runs("staging", &two).await?;

    let pulls = site.forge.pull_requests(REPOSITORY).await?;
    let bot = format!("{SLUG}[bot]");
    assert!(pulls.iter().all(|pull| pull.author == bot && pull.state == PullState::Merged), "{pulls:?}");
    let log = served.terminate().await?.1;
    assert!(!log.contains("ghs_") && !log.contains("PRIVATE KEY"), "{log}");
    checker.finish()?;
    assert!(checker.calls("apps/create-installation-access-token") >= 3, "{:?}", checker.tally());
    site.forge.shutdown().await?;
    Ok(())
}
