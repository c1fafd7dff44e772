//! What many strategies cost that have nothing to promote, and to start with them: one repository each.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    cost::{Counting, Counts, timed_renderers},
    lab::{Lab, Queue},
};
use crate::{
    program::{Served, Start, serve_with},
    proxy::Proxy,
    scale::cost::{processor_of, resident_of},
    world::{BOT, Fallible, TestResult, everywhere, strategy},
};

/// How many strategies.
const STRATEGIES: usize = 50;
/// How long they are watched while nothing happens: twice the interval at which everything is read again.
const WATCHED: Duration = Duration::from_secs(120);
/// How long the first promotions of all may take.
const WITHIN: Duration = Duration::from_secs(900);
/// How often the service is asked for them.
const ASK_EVERY: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes: `make bench-idle`"]
async fn strategies_at_rest() -> TestResult {
    let told = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-idle.txt");
    Ok(std::fs::write(told, format!("{}\n", measure().await?))?)
}

/// Makes the strategies, and measures; says what a minute of rest and a start cost.
pub(super) async fn measure() -> Fallible<Value> {
    let lab = Lab::start(Queue::Fast).await?;
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let counting = Counting::new();
    let proxy = Proxy::start(lab.api_url().trim_end_matches("/api/v1"), counting.clone()).await?;
    let renderers = timed_renderers(lab.dir.path())?;
    let names: Vec<String> = (0..STRATEGIES).map(|number| format!("acme/shop-{number}")).collect();
    for name in &names {
        make(&lab, name).await?;
    }
    let served_names: Vec<&str> = names.iter().map(String::as_str).collect();
    let settings = lab.settings_of(&format!("{}/api/v1", proxy.url()), "60s", &served_names)?;
    let start = async || serve_with(lab.dir.path(), &settings, &client, Start::default()).await;

    let served = start().await?;
    for name in &names {
        lab.tell_of(name, &format!("{}/webhooks/acme_hub", served.url)).await?;
    }
    let mut reported = BTreeSet::new();
    rest(&served, async |strategy: &Value| report(&lab, strategy, &mut reported).await).await?;
    let idle = watch(&served, &counting, &renderers).await?;
    served.terminate().await?;

    let (before, began) = (Counts { git_processes: 0, ..count(&counting) }, Instant::now());
    let served = start().await?;
    rest(&served, async |_: &Value| Ok(())).await?;
    let wall = began.elapsed().as_secs_f64();
    let mut started = Counts::read(&served, &counting, &renderers).await?.since(before);
    started["wall_s"] = json!(wall);
    served.terminate().await?;
    Ok(json!({"strategies": STRATEGIES, "idle_a_minute": idle, "start": started}))
}

/// Returns what the proxy has counted.
fn count(counting: &Arc<Counting>) -> Counts {
    let (api_requests, git_requests) = counting.requests();
    Counts { api_requests, git_requests, ..Counts::default() }
}

/// Makes a repository with a strategy, and something to promote.
async fn make(lab: &Lab, name: &str) -> TestResult {
    let short = name.trim_start_matches("acme/");
    let repository = json!({"name": short, "private": true, "default_branch": "main"});
    lab.admin(Method::POST, "/orgs/acme/repos", repository).await?;
    lab.admin(Method::PUT, &format!("/repos/{name}/collaborators/{BOT}"), json!({"permission": "admin"})).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev", "staging", "prod"])));
    let files: Vec<Value> = files
        .iter()
        .map(|(path, text)| json!({"operation": "upload", "path": path, "content": BASE64_STANDARD.encode(text)}))
        .collect();
    let commit = json!({"branch": "main", "message": "first", "files": files});
    lab.admin(Method::POST, &format!("/repos/{name}/contents"), commit).await.map(drop)
}

/// Waits until all strategies are shown, and each environment of theirs runs what is verified.
async fn rest(served: &Served, mut act: impl AsyncFnMut(&Value) -> TestResult) -> TestResult {
    let mut ticks = tokio::time::interval(ASK_EVERY);
    let begun = Instant::now();
    loop {
        ticks.tick().await;
        let all = served.api("/strategies").await?;
        let strategies = all["strategies"].as_array().cloned().unwrap_or_default();
        let is_done = |strategy: &Value| {
            let places = strategy["environments"].as_array().map(Vec::as_slice).unwrap_or_default();
            places.len() == 3 && places.iter().all(|place| place["running"]["verified"] == true)
        };
        let open: Vec<&Value> = strategies.iter().filter(|strategy| !is_done(strategy)).collect();
        if open.is_empty() && strategies.len() == STRATEGIES {
            return Ok(());
        }
        if begun.elapsed() > WITHIN {
            let log = served.log();
            return Err(format!(
                "{} of {STRATEGIES} are not at rest\n{log}",
                STRATEGIES - strategies.len() + open.len()
            )
            .into());
        }
        for strategy in open {
            act(strategy).await?;
        }
    }
}

/// Reports that what runs is healthy, once.
async fn report(lab: &Lab, strategy: &Value, reported: &mut BTreeSet<String>) -> TestResult {
    let repository = strategy["repository"].as_str().unwrap_or_default();
    for place in strategy["environments"].as_array().into_iter().flatten() {
        let Some(head) = place["activeSha"].as_str().filter(|_| place["running"].is_object()) else { continue };
        if reported.insert(format!("{repository} {head}")) {
            let path = format!("/repos/{repository}/statuses/{head}");
            lab.admin(Method::POST, &path, json!({"context": "health", "state": "success"})).await?;
        }
    }
    Ok(())
}

/// Watches the service while nothing happens; says what a minute costs.
async fn watch(served: &Served, counting: &Arc<Counting>, renderers: &Path) -> Fallible<Value> {
    let process = served.process()?.to_string();
    let before = Counts::read(served, counting, renderers).await?;
    let asked = counting.asked();
    let (own, programs) = processor_of(&process).map(|time| (time.own, time.of_programs))?;
    let mut time = tokio::time::interval(WATCHED);
    time.tick().await;
    time.tick().await;
    let after = Counts::read(served, counting, renderers).await?;
    let now = processor_of(&process)?;
    let minutes = WATCHED.as_secs_f64() / 60.0;
    let a_minute = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / minutes;
    Ok(json!({
        "git_processes": a_minute(after.git_processes - before.git_processes),
        "api_requests": a_minute(after.api_requests - before.api_requests),
        "git_requests": a_minute(after.git_requests - before.git_requests),
        "requests": counting.asked_since(&asked, minutes),
        "cpu_s_own": (now.own - own).as_secs_f64() / minutes,
        "cpu_s_programs": (now.of_programs - programs).as_secs_f64() / minutes,
        "percent_of_a_core": (after.cpu_s - before.cpu_s) / WATCHED.as_secs_f64() * 100.0,
        "memory_mib": resident_of(&process)? >> 20,
    }))
}
