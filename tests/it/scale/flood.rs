//! A thousand webhooks a second for a minute, against the service as operators run it, which is killed in the middle.
//!
//! - They are sent when it is time for them, however long those before take, as a forge sends them.
//! - How long they take is measured by the service, from the headers of each to its answer; so is the memory.
//! - Every one that was acknowledged must be in the database afterwards: the run fails otherwise. It fails for nothing
//!   else; what it measured is printed.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Row, sqlite::SqliteConnectOptions};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};

use super::cost;
use crate::{
    program::{FORGE, Served, Site, Start, sign, until},
    world::{Fallible, REPOSITORY, TestResult, everywhere, strategy},
};

/// How many a second.
const A_SECOND: u32 = 1_000;
/// For how long; in the middle of it the service is killed.
const FOR: Duration = Duration::from_secs(60);
/// How many are sent together.
const TOGETHER: u32 = 10;
/// How often memory and times are read.
const READ_EVERY: Duration = Duration::from_secs(5);
/// What is told of: reports, which a busy repository has most of, commits and pull requests.
const KINDS: [(&str, &str); 4] = [
    ("status", include_str!("../../data/webhooks-github/status.json")),
    ("check_run", include_str!("../../data/webhooks-github/check_run.completed.json")),
    ("push", include_str!("../../data/webhooks-github/push.json")),
    ("pull_request", include_str!("../../data/webhooks-github/pull_request.synchronize.json")),
];
/// The repository of GitHub's examples.
const EXAMPLE: &str = "Codertocat/Hello-World";

/// What became of those that were sent.
#[derive(Debug, Default)]
struct Sent {
    acknowledged: BTreeSet<String>,
    refused: usize,
    /// No answer came: the service was killed meanwhile, or had no time.
    unanswered: usize,
}

/// What was read of the service while they came.
#[derive(Debug, Default)]
struct Readings {
    /// Bytes.
    memory: Vec<u64>,
    /// Seconds: the 99th of a hundred, as of the last minute.
    slowest: Vec<f64>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes two minutes: `make bench-webhooks`"]
async fn a_minute_of_webhooks() -> TestResult {
    let site = Site::new().await?;
    let mut served = serve(&site).await?;
    let mut first = everywhere("v1");
    first.push(("hydromote.yaml".to_owned(), strategy(&["dev", "staging"])));
    let first = site.push("first", first).await?;
    served.runs("dev", &first).await?;
    site.healthy("dev").await?;
    let sent = Arc::new(Mutex::new(Sent::default()));
    let mut readings = [Readings::default(), Readings::default()];
    flood(&served, &sent, 0, &mut readings[0]).await?;
    served.kill().await?;
    lost(&site, &sent).await?;
    served = serve(&site).await?;
    flood(&served, &sent, 1, &mut readings[1]).await?;
    let (begun, second) = (Instant::now(), site.push("second", everywhere("v2")).await?);
    served.runs("dev", &second).await?;
    let promoted = begun.elapsed();
    until("every webhook is heeded", async || Ok((waiting(&site).await? == 0).then_some(()))).await?;
    let converged = begun.elapsed();
    lost(&site, &sent).await?;
    served.terminate().await?;
    tell(&sent.lock().unwrap_or_else(PoisonError::into_inner), &readings, promoted, converged)
}

/// Starts the service, which the forge tells what happens.
async fn serve(site: &Site) -> Fallible<Served> {
    let environment = [("HYDROMOTE__LIMITS__FORGE_TIMEOUT", "20s")];
    let served = site.serve(Start { environment: &environment, ..Start::default() }).await?;
    site.tell(&served).await?;
    Ok(served)
}

/// Sends half of them, and reads what that takes.
async fn flood(served: &Served, sent: &Arc<Mutex<Sent>>, half: u32, readings: &mut Readings) -> TestResult {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let url = format!("{}/webhooks/{FORGE}", served.url);
    let ticks = A_SECOND / TOGETHER * u32::try_from(FOR.as_secs() / 2)?;
    let mut time = tokio::time::interval(Duration::from_secs(1) / (A_SECOND / TOGETHER));
    // Those that are late are sent at once.
    time.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut under_way, mut read) = (JoinSet::new(), Instant::now());
    for tick in 0..ticks {
        time.tick().await;
        for number in 0..TOGETHER {
            let number = (half * ticks + tick) * TOGETHER + number;
            under_way.spawn(deliver(client.clone(), url.clone(), number, sent.clone()));
        }
        while under_way.try_join_next().is_some() {}
        if read.elapsed() >= READ_EVERY {
            read = Instant::now();
            readings.memory.push(cost::resident_of(&served.process()?.to_string())?);
            let (_, metrics) = served.get("/metrics").await?;
            let slowest =
                metrics.lines().find_map(|line| line.strip_prefix("hydromote_webhook_seconds{quantile=\"0.99\"} "));
            readings.slowest.extend(slowest.map(str::parse::<f64>).transpose()?);
        }
    }
    if half == 0 {
        // The service is killed while the last of them are under way.
        under_way.detach_all();
    } else {
        while under_way.join_next().await.is_some() {}
    }
    Ok(())
}

/// Delivers the one with this number.
async fn deliver(client: Client, url: String, number: u32, sent: Arc<Mutex<Sent>>) {
    let (event, body) = written(number);
    let id = format!("flood-{number}");
    let request = client.post(url).header("x-github-event", event).header("x-github-delivery", &id);
    let request = request.header("x-hub-signature-256", sign(&body).unwrap_or_default());
    let answer = request.body(body).send().await;
    let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    match answer {
        Ok(answer) if answer.status().is_success() => drop(sent.acknowledged.insert(id)),
        Ok(_) => sent.refused += 1,
        Err(_) => sent.unanswered += 1,
    }
}

/// Returns an event and what is told of it: each is about another commit or branch.
fn written(number: u32) -> (&'static str, Bytes) {
    // Of ten, six are reports, two checks, one a push and one a pull request.
    let (event, text) = KINDS[match number % 10 {
        0..6 => 0,
        6..8 => 1,
        8 => 2,
        _ => 3,
    }];
    let sha = format!("{number:040x}");
    let text = text
        .replace(EXAMPLE, REPOSITORY)
        .replace("refs/tags/simple-tag", &format!("refs/heads/topics/{number}"))
        .replace("0000000000000000000000000000000000000000", &sha)
        .replace("\"deleted\": true", "\"deleted\": false")
        .replace("6113728f27ae82c7b1a177c8d03f9e96e0adf246", &sha)
        .replace("ec26c3e57ca3a959ca5aad62de7213c562f8c821", &sha);
    (event, text.into())
}

/// Fails when one that was acknowledged is not in the database.
async fn lost(site: &Site, sent: &Mutex<Sent>) -> TestResult {
    let rows = rows(site, "SELECT delivery FROM deliveries").await?;
    let there: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    let lost: Vec<&String> = sent.acknowledged.difference(&there).collect();
    match lost.first() {
        Some(first) => Err(format!("{} were acknowledged and are lost, as {first}", lost.len()).into()),
        None => Ok(()),
    }
}

/// Returns how many wait to be heeded.
async fn waiting(site: &Site) -> Fallible<i64> {
    let rows = rows(site, "SELECT COUNT(*) FROM deliveries WHERE done_at IS NULL").await?;
    Ok(rows.first().ok_or("a count is a row")?.get(0))
}

async fn rows(site: &Site, query: &'static str) -> Fallible<Vec<sqlx::sqlite::SqliteRow>> {
    let database = SqliteConnectOptions::new().filename(site.dir.path().join("hydromote.db"));
    let mut connection = database.connect().await?;
    Ok(sqlx::query(query).fetch_all(&mut connection).await?)
}

fn tell(sent: &Sent, readings: &[Readings; 2], promoted: Duration, converged: Duration) -> TestResult {
    let slowest = readings.iter().flat_map(|half| &half.slowest).copied().fold(0.0, f64::max);
    let mib = |half: &Readings| -> Vec<u64> { half.memory.iter().map(|bytes| bytes >> 20).collect() };
    let report: Value = json!({
        "sent": A_SECOND * u32::try_from(FOR.as_secs())?,
        "acknowledged": sent.acknowledged.len(),
        "refused": sent.refused,
        "unanswered": sent.unanswered,
        "lost": 0,
        "p99_ms": (slowest * 1e5).round() / 100.0,
        "p99_ms_read": readings.iter().flat_map(|half| &half.slowest).map(|s| (s * 1e5).round() / 100.0).collect::<Vec<_>>(),
        "memory_mib": readings.iter().map(mib).collect::<Vec<_>>(),
        "promoted_after_s": promoted.as_secs_f64(),
        "converged_after_s": converged.as_secs_f64(),
    });
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-webhooks.txt"), format!("{report}\n"))?;
    Ok(())
}
