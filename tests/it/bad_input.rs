//! What cannot be right is said clearly, the service keeps running, and nothing is lost.

use std::{fmt::Write, time::Duration};

use hydromote::local_forge::{Fault, FaultKind, StatusState};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    program::{Site, Start, sign, until},
    world::{REPOSITORY, TestResult, World, config, everywhere, strategy},
};

/// Returns the files of a first commit.
fn first() -> Vec<(String, String)> {
    let mut files = everywhere("v1");
    files.push(strategy_file(&strategy(&["dev"])));
    files
}

fn strategy_file(text: &str) -> (String, String) {
    ("hydromote.yaml".to_owned(), text.to_owned())
}

#[tokio::test]
async fn deliveries_that_are_not_right_are_answered_and_change_nothing() -> TestResult {
    let site = Site::new().await?;
    let mut served = site.serve(Start::default()).await?;
    let push = |repository: &str| {
        let payload =
            json!({"ref": "refs/heads/main", "after": "a".repeat(40), "repository": {"full_name": repository}});
        payload.to_string().into_bytes()
    };
    let good = push(REPOSITORY);
    let (other, broken) = (push("acme/other"), b"{\"ref\": ".to_vec());
    let wrong = Some(format!("sha256={}", "0".repeat(64)));
    let (signed_other, signed_broken) = (sign(&other), sign(&broken));
    for (what, event, body, signature, status) in [
        ("no signature", "push", good.clone(), None, 401),
        ("a bad signature", "push", good.clone(), wrong.clone(), 401),
        ("no signature at all", "push", good.clone(), Some("nonsense".to_owned()), 401),
        ("an unknown event", "meteor_strike", good.clone(), sign(&good), 200),
        ("no event", "", good.clone(), sign(&good), 400),
        ("invalid JSON", "push", broken, signed_broken, 400),
        ("a repository that is not served", "push", other, signed_other, 200),
    ] {
        let answered = served.deliver(event, &format!("id of {what}"), body, signature).await?;
        assert_eq!(answered, status, "{what}");
    }
    assert!(served.announce_body(30 << 20).await?.starts_with("HTTP/1.1 413"), "30 MB");
    assert_eq!(served.get("/healthz").await?.0, 200);
    assert!(served.is_up()?);
    assert_eq!(served.strategy().await?, None);
    site.tell(&served).await?;
    let one = site.push("first", first()).await?;
    served.runs("dev", &one).await?;
    let (ended, log) = served.terminate().await?;
    assert!(ended.success() && !log.contains("ERROR") && !log.contains("panick"), "{log}");
    site.forge.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named_with_line_and_remedy() -> TestResult {
    let site = Site::new().await?;
    let forge = "[forges.github]\nkind = 'github'\nrepositories = ['acme/shop']\n";
    let mut told = String::new();
    for (what, text) in [
        ("unknown key", format!("[server]\nlisten = '127.0.0.1:0'\npubic_url = 'x'\n{forge}token_file = 'token'\n")),
        ("wrong type", format!("{forge}token_file = 'token'\n[limits]\npoll_interval = 30\n")),
        ("missing token file", format!("{forge}token_file = 'tokken'\n")),
        ("no credentials", forge.to_owned()),
        ("no forge", "[server]\nlisten = '127.0.0.1:0'\n".to_owned()),
        ("no repository", "[forges.github]\nkind = 'github'\ntoken_file = 'token'\n".to_owned()),
    ] {
        site.write("hydromote.toml", &text)?;
        let ended = tokio::time::timeout(Duration::from_secs(30), site.serve_command(None).output()).await??;
        assert_eq!(ended.status.code(), Some(2), "{what}");
        writeln!(told, "## {what}\n{}\n", String::from_utf8_lossy(&ended.stderr).trim_end())?;
    }
    std::fs::remove_file(site.dir.path().join("hydromote.toml"))?;
    let ended = site.serve_command(None).output().await?;
    assert_eq!(ended.status.code(), Some(2));
    writeln!(told, "## no file\n{}", String::from_utf8_lossy(&ended.stderr).trim_end())?;
    insta::assert_snapshot!(told, @"
    ## unknown key
    error: hydromote.toml:3:1: TOML parse error at line 3, column 1
      |
    3 | pubic_url = 'x'
      | ^^^^^^^^^
    unknown field `pubic_url`, expected `listen` or `public_url`

    ## wrong type
    error: hydromote.toml:6:17: TOML parse error at line 6, column 17
      |
    6 | poll_interval = 30
      |                 ^^
    invalid type: integer `30`, expected a signed duration string

    ## missing token file
    error: hydromote.toml:4:1: `forges.github.token_file` names `tokken`, which cannot be read (entity not found); write the secret into a file that the service may read, and name that

    ## no credentials
    error: hydromote.toml:1:9: `forges.github` has no credentials; set `token_file`, `app_id` with `private_key_file`, or HYDROMOTE__FORGES__GITHUB__TOKEN

    ## no forge
    error: hydromote.toml: `forges` names no forge; add a section such as `[forges.github]`

    ## no repository
    error: hydromote.toml:1:9: `forges.github.repositories` is empty; name what may be served as `owner/name` or `owner/*`

    ## no file
    error: hydromote.toml: cannot be read (No such file or directory (os error 2)); name an existing file with `--config`
    ");
    site.forge.shutdown().await?;
    Ok(())
}

/// Strategies of two environments with one mistake each, and what it is about.
fn broken() -> Vec<(&'static str, String)> {
    let good = strategy(&["dev", "prod"]);
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    vec![
        ("unknown key", change("  activeCommitStatuses:", "  activeStatuses:")),
        ("wrong type", change("  activeCommitStatuses:\n    - key: health", "  activeCommitStatuses: health")),
        ("cycle", change("branch: env/dev", "branch: env/dev, dependsOn: [prod]")),
        ("equal outputs", change("  activeCommit", "    - path: apps/prod\n      output: Shop\n  activeCommit")),
        ("unbound capture", change("output: shop", "output: \"{service}\"")),
        (
            "label in one environment",
            change("output: shop", "output: \"{tier}\"").replace("name: dev,", "name: dev, vars: {tier: small},"),
        ),
        ("no YAML", "spec: [".to_owned()),
    ]
}

#[tokio::test]
async fn a_first_strategy_with_a_mistake_is_shown_and_the_next_good_one_goes_on() -> TestResult {
    let mut world = World::empty().await?;
    let mut told = String::new();
    for (what, text) in broken() {
        let mut files = everywhere("v1");
        files.push(strategy_file(&text));
        world.push_dry(what, files).await?;
        world.settle().await?;
        writeln!(told, "## {what}\n{}\n", world.board().await?)?;
        let branches = world.forge.repository(REPOSITORY).await?;
        assert_eq!(branches.branch("env/dev"), None);
    }
    insta::assert_snapshot!(told, @"
    ## unknown key
    mistake: hydromote.yaml:9:3: `activeStatuses` is not a field here
    mistake:   fields here are `dryBranch`, `destination`, `sources`, `vars`, `render`, `activeCommitStatuses`, `proposedCommitStatuses`, `mergeMode`, `rollback`, `newer`, `environments`, `permissions`, `windows`, `lanes`, `maxOpenPullRequests`, `notify`, `approvals`, `targets`, `waves` and `hooks`

    ## wrong type
    mistake: hydromote.yaml:9:25: a list belongs here
    mistake:   begin each entry with `- `, or write `[]`

    ## cycle
    mistake: hydromote.yaml:12:48: environments depend on each other in a circle: dev → prod → dev
    mistake:   `prod` depends on the environment listed before it; write `dependsOn` there, or list it earlier

    ## equal outputs
    mistake: hydromote.yaml:10:15: the source in line 7 is written to the folder `Shop` too
    mistake:   give each source its own `output`; upper and lower case count as equal

    ## unbound capture
    mistake: hydromote.yaml:8:15: the label `service` is used but never bound
    mistake:   capture it with `{service}` in `path` or `each`, or add it to `vars`

    ## label in one environment
    mistake: hydromote.yaml:8:15: `tier` has no value in environment `prod`
    mistake:   add `tier` to `vars` there, or to the `vars` of the strategy

    ## no YAML
    mistake: hydromote.yaml:1:7: a map belongs here
    mistake:   write `key: value` pairs
    ");
    world.push_dry("mended", vec![strategy_file(&strategy(&["dev", "prod"]))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      mended, `health` has not been reported
    prod     nothing; wants mended in #2
             - waits for `health` on dev, which has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_strategy_that_a_later_commit_breaks_stays_in_force_and_promotes_nothing() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod"]).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    let before = (world.branch("env/dev").await?, world.branch("env/prod").await?);
    for (what, text) in broken() {
        let mut files = everywhere(what);
        files.push(strategy_file(&text));
        world.push_dry(what, files).await?;
        world.settle().await?;
        let board = world.board().await?;
        assert!(board.contains("mistake: hydromote.yaml:"), "{what}\n{board}");
        assert!(board.starts_with("dev      first, is verified"), "{what}\n{board}");
        assert_eq!((world.branch("env/dev").await?, world.branch("env/prod").await?), before, "{what}\n{board}");
        assert_eq!(world.forge.pull_requests(REPOSITORY).await?.len(), 2, "{what}\n{board}");
    }
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, is verified
    mistake: hydromote.yaml:1:7: a map belongs here
    mistake:   write `key: value` pairs
    ");
    // To delete the broken file ends the strategy: there is nothing left that could have been meant.
    world.delete_dry("gone", "hydromote.yaml").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"");
    world.restart().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"");
    assert_eq!((world.branch("env/dev").await?, world.branch("env/prod").await?), before);
    let mut files = everywhere("v2");
    files.push(strategy_file(&strategy(&["dev", "prod"])));
    world.push_dry("back", files).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    // The reports stand in the order of commit ids, which differ from run to run.
    let board = world.board().await?;
    let mut lines: Vec<&str> = board.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @"
    dev      back, is verified
    hydromote/hydrate on cycle: dev: hydromote.yaml:12: environments depend on each other in a circle: dev → prod → dev
    hydromote/hydrate on equal outputs: dev: hydromote.yaml:10: the source in line 7 is written to the folder `Shop` too
    hydromote/hydrate on gone: dev: the strategy `shop` is not in this commit
    hydromote/hydrate on label in one environment: dev: hydromote.yaml:8: `tier` has no value in environment `prod`
    hydromote/hydrate on no YAML: dev: hydromote.yaml:1: a map belongs here
    hydromote/hydrate on unbound capture: dev: hydromote.yaml:8: the label `service` is used but never bound
    hydromote/hydrate on unknown key: dev: hydromote.yaml:9: `activeStatuses` is not a field here
    hydromote/hydrate on wrong type: dev: hydromote.yaml:9: a list belongs here
    prod     back, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_forge_that_is_not_there_is_told_everywhere_and_waited_for() -> TestResult {
    let site = Site::new().await?;
    let one = site.push("first", first()).await?;
    let mut served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    until("dev is verified", async || {
        Ok((served.environment("dev").await?.unwrap_or_default()["state"] == "verified").then_some(()))
    })
    .await?;
    let gone = site.end_forge().await?;
    let trouble = served.trouble().await?;
    let words = ["the forge did not answer", "could not list the branches of the repository"];
    assert!(words.iter().any(|words| trouble.contains(words)), "{trouble}");
    let dev = served.environment("dev").await?.unwrap_or_default();
    assert_eq!((&dev["state"], &dev["drySha"]), (&json!("verified"), &json!(one)), "what was known stays");
    let (_, page) = served.get("/strategies/acme/shop/shop").await?;
    assert!(page.contains("The last look could not be finished"), "{page}");
    let site = gone.bring_back().await?;
    served.recovered().await?;
    assert!(served.is_up()?);
    assert_eq!(served.terminate().await?.0.code(), Some(0));

    // It starts before the forge does, and with an empty database.
    let api = site.forge.api_url();
    let gone = site.end_forge().await?;
    std::fs::remove_file(gone.dir().join("hydromote.db"))?;
    let mut served = gone.serve(&api, Start { poll: "1s", ..Start::default() }).await?;
    let trouble = served.trouble().await?;
    assert!(trouble.contains("the forge did not answer"), "{trouble}");
    let all = served.api("/strategies").await?;
    assert_eq!((&all["strategies"], &all["troubles"][0]["repository"]), (&json!([]), &json!(REPOSITORY)));
    let (_, page) = served.get("/").await?;
    assert!(page.contains("shop could not be looked at</h2>"), "{page}");
    let (status, page) = served.get("/api/v1/strategies/acme/shop/shop").await?;
    assert!(status == 404 && page.contains("could not be looked at: the forge did not answer"), "{page}");
    let told = gone.run(&["status", "--server", &served.url]).await?;
    assert!(told.contains("acme/shop could not be looked at: the forge did not answer"), "{told}");
    let site = gone.bring_back().await?;
    served.recovered().await?;
    served.runs("dev", &one).await?;
    assert!(served.is_up()?);
    let dev = served.environment("dev").await?.unwrap_or_default();
    assert_eq!(dev["state"], "verified");
    assert_eq!(site.forge.pull_requests(REPOSITORY).await?.len(), 1);
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_forge_that_fails_or_hangs_takes_nothing_back_and_marks_nothing_bad() -> TestResult {
    let site = Site::new().await?;
    let fault = |kind| Fault { method: None, path_contains: "/repos".to_owned(), times: u32::MAX, kind };
    let mut dry = site.push("first", first()).await?;
    site.forge.fail(fault(FaultKind::Status(500)));
    let mut served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    assert!(served.trouble().await?.contains("the forge did not answer"));
    assert_eq!(served.strategy().await?, None);
    site.forge.clear_faults();
    served.recovered().await?;
    served.runs("dev", &dry).await?;
    for (round, kind) in [FaultKind::Status(500), FaultKind::Hang(Duration::from_secs(20))].into_iter().enumerate() {
        site.healthy("dev").await?;
        until("dev is verified", async || {
            Ok((served.environment("dev").await?.unwrap_or_default()["state"] == "verified").then_some(()))
        })
        .await?;
        site.forge.fail(fault(kind));
        dry = site.push("next", everywhere(&format!("after {round}"))).await?;
        assert!(served.trouble().await?.contains("the forge did not answer"));
        let dev = served.environment("dev").await?.unwrap_or_default();
        assert_eq!((&dev["state"], &dev["notices"]), (&json!("verified"), &json!([])));
        site.forge.clear_faults();
        served.recovered().await?;
        served.runs("dev", &dry).await?;
    }
    let repository = site.forge.repository(REPOSITORY).await?;
    let bad = |state| matches!(state, StatusState::Failure | StatusState::Error);
    assert_eq!(repository.statuses.iter().find(|status| bad(status.state)), None);
    assert_eq!(repository.pulls.len(), 3);
    assert!(served.is_up()?);
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// Returns text that hardly becomes smaller when it is compressed.
fn noise(seed: &str, bytes: usize) -> String {
    let mut text = String::new();
    let mut block = Sha256::digest(seed);
    while text.len() < bytes {
        text += &base64::Engine::encode(&base64::prelude::BASE64_STANDARD_NO_PAD, block);
        block = Sha256::digest(block);
    }
    text
}

fn noisy(name: &str, bytes: usize) -> (String, String) {
    let text = noise(name, bytes);
    let manifest = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  noise: {text}\n");
    (format!("apps/dev/{name}.yaml"), manifest)
}

#[tokio::test]
async fn without_room_for_objects_the_service_says_so_and_goes_on_when_there_is_some() -> TestResult {
    let site = Site::new().await?;
    let one = site.push("first", first()).await?;
    let mut served = site.serve(Start { poll: "1s", largest_file: Some(1200 << 10), ..Start::default() }).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    // Each file fits; what is rendered from both does not.
    let two = site.push("second", vec![noisy("one", 1 << 20)]).await?;
    served.runs("dev", &two).await?;
    site.healthy("dev").await?;
    let three = site.push("third", vec![noisy("two", 1 << 20)]).await?;
    let trouble = served.trouble().await?;
    assert!(trouble.contains("File too large") || trouble.contains("too large"), "{trouble}");
    assert!(served.log().contains(&trouble));
    assert!(served.is_up()?);
    let dev = served.environment("dev").await?.unwrap_or_default();
    assert_eq!((&dev["drySha"], &dev["notices"]), (&json!(two), &json!([])), "{dev:#}");
    // More than one file can hold: not even git can bring it.
    let four = site.push("fourth", vec![noisy("three", 2 << 20)]).await?;
    until("git has no room", async || Ok(served.log().contains("could not fetch").then_some(()))).await?;
    assert!(served.is_up()?);
    served.terminate().await?;
    let served = site.serve(Start::default()).await?;
    served.runs("dev", &four).await?;
    assert_ne!(three, four);
    assert_eq!(site.forge.pull_requests(REPOSITORY).await?.len(), 3);
    let strategy = served.strategy().await?.unwrap_or_default();
    assert_eq!(strategy["trouble"], json!(null));
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn without_room_in_the_database_deliveries_are_refused_and_nothing_is_lost() -> TestResult {
    let site = Site::new().await?;
    let mut served = site.serve(Start { largest_file: Some(256 << 10), ..Start::default() }).await?;
    let mut accepted = 0;
    let body = json!({"ref": "refs/heads/elsewhere", "after": "a".repeat(40), "repository": {"full_name": REPOSITORY}});
    let body = body.to_string().into_bytes();
    loop {
        let id = format!("delivery {accepted}");
        match served.deliver("push", &id, body.clone(), sign(&body)).await?.as_u16() {
            202 => accepted += 1,
            503 => break,
            other => return Err(format!("answered {other}").into()),
        }
        assert!(accepted < 2000, "the limit is never reached");
    }
    assert!(served.is_up()?);
    assert!(served.log().contains("could not write a delivery down"), "{}", served.log());
    let (ended, log) = served.terminate().await?;
    assert_eq!(ended.code(), Some(0), "{log}");

    // With a limit that the database is larger than it does not start, and says why.
    let ended = site.serve_command(Some(4 << 10)).output().await?;
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{told}");
    assert!(told.contains("could not open the database `hydromote.db`"), "{told}");

    let served = site.serve(Start::default()).await?;
    for (index, status) in [(0, 200), (accepted - 1, 200), (accepted, 202)] {
        let answered = served.deliver("push", &format!("delivery {index}"), body.clone(), sign(&body)).await?;
        assert_eq!(answered, status, "what was accepted is known, what was refused is new");
    }
    site.tell(&served).await?;
    let one = site.push("first", first()).await?;
    served.runs("dev", &one).await?;
    assert_eq!(site.file("dev", "shop/manifest.yaml").await?, Some(config("v1")));
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}
