//! What commands find, print and come to, against a service on a loopback port.

use std::{net::SocketAddr, os::unix::fs::MetadataExt, path::PathBuf};

use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::server::{
    api::documents::StrategyView,
    sample::{self, Sample, TOKEN},
};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

struct World {
    address: SocketAddr,
    sample: Sample,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let sample = Sample::new().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("because loopback is there");
        let address = listener.local_addr().expect("because it is bound");
        tokio::spawn(axum::serve(listener, sample.router.clone()).into_future());
        let folder = TempDir::new().expect("because there is room");
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).expect("because there is room");
        Self { address, sample, folder }
    }

    fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    async fn run(&self, words: &[&str]) -> anyhow::Result<Outcome> {
        let (server, token) = (format!("http://{}", self.address), self.token_file());
        let token = token.display().to_string();
        let flags = ["--server", &server, "--token-file", &token];
        let words = ["hydromote"].iter().chain(words).chain(&flags);
        run(Cli::try_parse_from(words)?.command).await
    }
}

#[tokio::test]
async fn reading_commands_are_answered() {
    let world = World::new().await;
    for words in [
        &["status"][..],
        &["status", "--output", "json"],
        &["plan"],
        &["explain"],
        &["explain", "prod", "--strategy", "acme/shop"],
        &["history", "prod", "--output", "json"],
    ] {
        assert_eq!(world.run(words).await.expect("is answered"), Outcome::Done, "{words:?}");
    }
    let error = world.run(&["explain", "production"]).await.expect_err("there is none");
    assert!(error.to_string().contains("There is `dev`"), "{error:#}");
    let error = world.run(&["plan", "--strategy", "acme/other"]).await.expect_err("there is none");
    assert!(error.to_string().contains("acme/shop/shop"), "{error:#}");
}

#[tokio::test]
async fn one_of_several_strategies_must_be_named() {
    let world = World::new().await;
    world.sample.boards.publish(sample::calm("payments"));
    let error = world.run(&["plan"]).await.expect_err("there are two");
    assert!(error.to_string().contains("acme/shop/payments, acme/shop/shop"), "{error:#}");
    assert_eq!(world.run(&["status"]).await.expect("shows both"), Outcome::Done);
}

#[tokio::test]
async fn a_promotion_that_is_refused_is_a_no_and_a_missing_token_is_an_error() {
    let world = World::new().await;
    assert_eq!(world.run(&["promote", "prod", "--as", "Ada"]).await.expect("is answered"), Outcome::Done);
    assert_eq!(world.sample.forge.posted(), ["e1e1e1e hydromote/promote/prod success Promoted by Ada"]);
    assert_eq!(world.run(&["promote", "dev"]).await.expect("is answered"), Outcome::No);
    assert_eq!(world.run(&["report", "health", "success", "--sha", "14aaaaa"]).await.expect("works"), Outcome::Done);
    assert_eq!(world.run(&["retry"]).await.expect("works"), Outcome::Done);
    std::fs::write(world.token_file(), "wrong").expect("because there is room");
    assert!(world.run(&["retry"]).await.expect_err("is refused").to_string().contains("needs the API token"));
}

#[tokio::test]
async fn a_running_service_is_found_and_a_stale_file_is_ignored() {
    let world = World::new().await;
    crate::app::install_tls();
    let client = service::client().expect("because it needs nothing");
    let folder = world.folder.path().join("runtime");
    let error = discovery::only_in(&folder, &client).await.expect_err("nothing runs");
    assert!(error.to_string().contains("no service runs"), "{error:#}");
    // A port that nobody listens on any more.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.and_then(|l| l.local_addr()).expect("a port");
    let stale = discovery::announce_in(&folder, gone, None).expect("because there is room");
    let token = TOKEN.into();
    let running = discovery::announce_in(&folder, world.address, Some(&token)).expect("because there is room");
    let found = discovery::only_in(&folder, &client).await.expect("it runs");
    assert_eq!(found.url, format!("http://{}", world.address));
    let file = found.token_file.expect("because the service has a token");
    assert_eq!(std::fs::read_to_string(&file).expect("is readable"), TOKEN);
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    drop((stale, running));
    assert_eq!(std::fs::read_dir(&folder).expect("it is there").count(), 0);
}

#[tokio::test]
async fn of_several_services_one_must_be_named() {
    let (one, other) = (World::new().await, World::new().await);
    crate::app::install_tls();
    let client = service::client().expect("because it needs nothing");
    let folder = one.folder.path().join("runtime");
    let _one = discovery::announce_in(&folder, one.address, None).expect("because there is room");
    let _other = discovery::announce_in(&folder, other.address, None).expect("because there is room");
    let error = discovery::only_in(&folder, &client).await.expect_err("there are two");
    assert!(error.to_string().contains("--server"), "{error:#}");
}

#[test]
fn the_table_has_the_words_of_the_api() {
    let board = StrategyView::of(&sample::board());
    insta::assert_snapshot!(status::render(&board), @"
    acme/shop/shop: canary: drifted; dev: stopped; prod: waits for a person; staging: waiting.
    ENVIRONMENT  STATE               RUNS     SINCE                 VERIFIED  NEXT     PULL REQUEST
    dev          stopped             9b7d03e  2026-03-04 11:18:00Z  no        -        -
    staging      waiting             4f1c2a9  2026-03-04 08:00:00Z  yes       9b7d03e  https://github.example.com/acme/shop/pull/15
    canary       drifted             4f1c2a9  2026-03-04 08:40:00Z  no        9b7d03e  -
    prod         waits for a person  4f1c2a9  2026-03-04 09:00:00Z  yes       9b7d03e  https://github.example.com/acme/shop/pull/16
    dev: c0ffee1 could not be hydrated: charts/web/values-dev.yaml:14: could not find expected ':'
    staging: waits for `health` on dev, which is pending
    canary: Mallory <script>alert(1)</script> changed `web`, `worker` on the branch in 77bbbbb
    canary: what runs here soaks until 2026-03-04 12:20:00Z
    prod: waits for a person to promote it
    ");
}
