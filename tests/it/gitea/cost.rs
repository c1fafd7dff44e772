//! What a promotion through three environments costs, from the push to the end of the third merge: `make bench-gitea`.
//!
//! - The repository is private, `health` gates each environment, and is reported as soon as the merge is seen.
//! - Calls are counted by a proxy between the service and the server, git by the service, renderers by what starts
//!   them.
//! - Nothing fails for being slow or busy: machines differ. What was measured is printed.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use super::{
    fleet,
    lab::{Lab, Queue},
    shop,
};
use crate::{
    program::{Served, Start, serve_with, until},
    proxy::{Asked, Behind, Between, Fate, Proxy},
    scale::cost::processor_of,
    world::{Fallible, REPOSITORY, TestResult},
};

/// The environments, in their order.
const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];
/// How many promotions there were before what is measured, and how many are.
const PAST: usize = 5;
const MEASURED: usize = 3;
/// How long a merge may take: without webhooks it waits for the timer.
const WITHIN: Duration = Duration::from_secs(200);
/// After how long everything is read again, where no webhook comes.
const POLLS: [&str; 2] = ["60s", "5s"];

/// How often something was asked for, by what it is.
pub(super) type Tally = BTreeMap<String, u64>;

/// Counts what passes.
pub(super) struct Counting {
    asked: Mutex<Tally>,
    /// From when until when each request was with the server.
    answering: Mutex<Vec<(Instant, Instant)>>,
    /// When each merge had ended.
    merges: watch::Sender<Vec<Instant>>,
}

#[async_trait]
impl Between for Counting {
    async fn decide(&self, asked: Asked, behind: &Arc<Behind>) -> Fate {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(kind(&asked)).or_default() += 1;
        let began = Instant::now();
        let told = behind.ask(&asked).await;
        self.answering.lock().unwrap_or_else(PoisonError::into_inner).push((began, Instant::now()));
        if asked.method == Method::POST && asked.path.ends_with("/merge") && told.status.is_success() {
            self.merges.send_modify(|merges| merges.push(Instant::now()));
        }
        Fate::Answered(told)
    }
}

impl Counting {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), answering: Mutex::default(), merges: watch::Sender::default() })
    }

    pub(super) fn asked(&self) -> Tally {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how often something was asked for a minute.
    pub(super) fn asked_since(&self, before: &Tally, minutes: f64) -> BTreeMap<String, f64> {
        let since = |(kind, count): (String, u64)| (count - before.get(&kind).unwrap_or(&0), kind);
        let counts = self.asked().into_iter().map(since).filter(|(count, _)| *count > 0);
        counts.map(|(count, kind)| (kind, f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / minutes)).collect()
    }

    /// Returns how long the server had a request to answer, one or several at once.
    fn answered(&self, since: Instant, until: Instant) -> Duration {
        let mut answering = self.answering.lock().unwrap_or_else(PoisonError::into_inner).clone();
        answering.sort();
        let (mut all, mut end) = (Duration::ZERO, since);
        for (from, to) in answering {
            let (from, to) = (from.max(end), to.min(until));
            all += to.saturating_duration_since(from);
            end = end.max(to);
        }
        all
    }

    /// Returns how many requests there were: of the API, and of git.
    pub(super) fn requests(&self) -> (u64, u64) {
        let asked = self.asked();
        let all: u64 = asked.values().sum();
        let git = asked.iter().filter(|(kind, _)| kind.starts_with(GIT)).map(|(_, count)| count).sum();
        (all - git, git)
    }
}

/// How the kinds of git's requests begin.
const GIT: &str = "git ";

/// Returns what a request asks for, whatever the repository, the number and the commit.
fn kind(asked: &Asked) -> String {
    let path = asked.path.trim_start_matches("/api/v1");
    if let Some((_, rest)) = path.split_once(".git/") {
        return format!("{GIT}{rest}");
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let part = |part: &str| match part.chars().all(|c| c.is_ascii_hexdigit()) && part.contains(|c: char| c.is_numeric())
    {
        true => "{}".to_owned(),
        false => part.to_owned(),
    };
    let path: Vec<String> = path.trim_start_matches('/').split('/').map(part).collect();
    let rest = if path.first().is_some_and(|first| first == "repos") { path.get(3..) } else { path.get(..) };
    let state = query.split('&').find(|one| one.starts_with("state=")).unwrap_or_default();
    format!("{} {} {state}", asked.method, rest.unwrap_or_default().join("/")).trim_end().to_owned()
}

/// What was counted up to some time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) git_processes: u64,
    pub(super) api_requests: u64,
    pub(super) git_requests: u64,
    /// Of the service and all programs that it has started.
    pub(super) cpu_s: f64,
    pub(super) renderer_cpu_s: f64,
}

impl Counts {
    pub(super) async fn read(served: &Served, counting: &Counting, renderers: &Path) -> Fallible<Self> {
        let (_, metrics) = served.get("/metrics").await?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("hydromote_git_processes_total "));
        let processor = processor_of(&served.process()?.to_string())?;
        let (api_requests, git_requests) = counting.requests();
        Ok(Self {
            git_processes: line.map_or(Ok(0), str::parse)?,
            api_requests,
            git_requests,
            cpu_s: (processor.own + processor.of_programs).as_secs_f64(),
            renderer_cpu_s: rendered(renderers)?,
        })
    }

    pub(super) fn since(self, before: Self) -> Value {
        let hundredths = |seconds: f64| (seconds * 100.0).round() / 100.0;
        json!({
            "git_processes": self.git_processes - before.git_processes,
            "api_requests": self.api_requests - before.api_requests,
            "git_requests": self.git_requests - before.git_requests,
            "cpu_s": hundredths(self.cpu_s - before.cpu_s),
            "renderer_cpu_s": hundredths(self.renderer_cpu_s - before.renderer_cpu_s),
        })
    }
}

/// A Gitea, and a service beside it whose calls are counted.
struct Bench {
    lab: Lab,
    served: Served,
    counting: Arc<Counting>,
    proxy: Proxy,
    renderers: PathBuf,
    client: Client,
    pushed: usize,
}

impl Bench {
    async fn begin() -> Fallible<Self> {
        let lab = Lab::start(Queue::Fast).await?;
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let counting = Counting::new();
        let site = lab.api_url().trim_end_matches("/api/v1").to_owned();
        let proxy = Proxy::start(&site, counting.clone()).await?;
        let renderers = timed_renderers(lab.dir.path())?;
        let served = serve(&lab, &client, &proxy, &renderers, "1h").await?;
        lab.tell(&format!("{}/webhooks/acme_hub", served.url)).await?;
        Ok(Self { lab, served, counting, proxy, renderers, client, pushed: 0 })
    }

    /// Starts another service on what the one before left, which is told of nothing.
    async fn without_webhooks(self, poll: &str) -> Fallible<Self> {
        self.served.terminate().await?;
        self.lab.tell_nobody().await?;
        let served = serve(&self.lab, &self.client, &self.proxy, &self.renderers, poll).await?;
        let bench = Self { served, ..self };
        bench.is_verified("prod").await?;
        Ok(bench)
    }

    /// Pushes another version, and has it go everywhere; returns what that took.
    async fn promote(&mut self) -> Fallible<Value> {
        self.pushed += 1;
        let version = format!("1.{}.0", self.pushed);
        let files = match self.pushed {
            1 => beginning()?,
            _ => [shop::web(&version)?, shop::api(&version)?].concat(),
        };
        let before = Counts::read(&self.served, &self.counting, &self.renderers).await?;
        let mut merges = self.counting.merges.subscribe();
        let (merged, began) = (merges.borrow().len(), Instant::now());
        self.lab.push("main", &format!("Bring {version}"), &files).await?;
        let pushed = Instant::now();
        let asked_before = self.counting.asked();
        let mut seen = Vec::new();
        let (mut after, mut asked, mut answered) = (before, Tally::new(), Duration::ZERO);
        for (at, environment) in ENVIRONMENTS.iter().enumerate() {
            let waited = tokio::time::timeout(WITHIN, merges.wait_for(|merges| merges.len() > merged + at)).await;
            let late = |_| format!("nothing was merged into {environment}:\n{}", self.served.log());
            let ended = waited.map_err(late)??[merged + at];
            seen.push((ended - began).as_secs_f64());
            if at + 1 == ENVIRONMENTS.len() {
                after = Counts::read(&self.served, &self.counting, &self.renderers).await?;
                asked = self.counting.asked();
                answered = (pushed - began) + self.counting.answered(pushed, ended);
            }
            let head = self.lab.head(&format!("env/{environment}")).await?.ok_or("nothing runs there")?;
            self.lab.report(&head, "health", "success").await?;
        }
        self.is_verified("prod").await?;
        let mut took = after.since(before);
        took["wall_s"] = json!(seen.last());
        // The server's own part: taking the push in, and answering.
        took["server_s"] = json!(answered.as_secs_f64());
        took["merges_at_s"] = json!(seen);
        for (kind, count) in &mut asked {
            *count -= asked_before.get(kind).unwrap_or(&0);
        }
        asked.retain(|_, count| *count > 0);
        took["requests"] = json!(asked);
        Ok(took)
    }

    /// Waits until what an environment runs is verified.
    async fn is_verified(&self, environment: &str) -> TestResult {
        let head = self.lab.head(&format!("env/{environment}")).await?;
        let begun = Instant::now();
        loop {
            let what = format!("{environment} is verified");
            let asked = until(&what, async || {
                let place = self.served.environment(environment).await?.unwrap_or_default();
                Ok((place["running"]["verified"] == true && place["activeSha"].as_str() == head.as_deref())
                    .then_some(()))
            });
            match asked.await {
                Err(_) if begun.elapsed() < WITHIN => {}
                other => return other,
            }
        }
    }
}

async fn serve(lab: &Lab, client: &Client, proxy: &Proxy, renderers: &Path, poll: &str) -> Fallible<Served> {
    let settings = lab.settings_of(&format!("{}/api/v1", proxy.url()), poll, &[REPOSITORY])?;
    // The scripts that take the times start other programs, which a sandbox does not let them.
    let settings = format!("{settings}[renderers]\ndirectory = '{}'\nsandbox = 'off'\n", renderers.display());
    serve_with(lab.dir.path(), &settings, client, Start::default()).await
}

/// Returns the shop; production waits for nobody.
fn beginning() -> Fallible<shop::Files> {
    let mut files = shop::all()?;
    for (path, text) in &mut files {
        if path == "hydromote.yaml" {
            *text = text.replace("autoMerge: false", "autoMerge: true");
        }
    }
    Ok(files)
}

/// Puts programs into a folder that start the renderers, and write down how long each worked.
pub(super) fn timed_renderers(dir: &Path) -> Fallible<PathBuf> {
    let folder = dir.join("renderers");
    std::fs::create_dir(&folder)?;
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    for name in ["helm", "kustomize"] {
        let (path, program) =
            (folder.join(name), which::which_in(name, Some(&tools), ".").or_else(|_| which::which(name))?);
        let (program, times) = (program.display(), folder.display());
        std::fs::write(
            &path,
            format!("#!/bin/sh\n'{program}' \"$@\"\ncode=$?\ntimes >'{times}/times.'$$\nexit $code\n"),
        )?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder)
}

/// Returns how long renderers have worked, seconds.
fn rendered(folder: &Path) -> Fallible<f64> {
    let mut seconds = 0.0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("times.")) {
            // The second line is about what the shell has started: `0m0.12s 0m0.03s`.
            let text = std::fs::read_to_string(path)?;
            for time in text.lines().nth(1).unwrap_or_default().split(' ') {
                let (minutes, rest) = time.split_once('m').unwrap_or(("0", "0s"));
                seconds += minutes.parse::<f64>()? * 60.0 + rest.trim_end_matches('s').parse::<f64>()?;
            }
        }
    }
    Ok(seconds)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Gitea, and takes minutes: make bench-gitea"]
async fn a_promotion_through_three_environments() -> TestResult {
    let mut bench = Bench::begin().await?;
    for _ in 0..PAST {
        bench.promote().await?;
    }
    let mut runs = Vec::new();
    for _ in 0..MEASURED {
        runs.push(bench.promote().await?);
    }
    runs.sort_by(|one, other| {
        one["wall_s"].as_f64().unwrap_or_default().total_cmp(&other["wall_s"].as_f64().unwrap_or_default())
    });
    let mut report = runs[MEASURED / 2].clone();
    report["all_wall_s"] = runs.iter().map(|run| run["wall_s"].clone()).collect();
    for poll in POLLS {
        bench = bench.without_webhooks(poll).await?;
        // Where webhooks worked until now, the first push is found by the next look at everything.
        report[format!("webhooks_stopped_polled_each_{poll}")] = bench.promote().await?;
        report[format!("without_webhooks_polled_each_{poll}")] = bench.promote().await?;
    }
    bench.served.terminate().await?;
    drop(bench.lab);
    write(&report)?;
    report["fleet"] = fleet::measure().await?;
    write(&report)
}

fn write(report: &Value) -> TestResult {
    Ok(std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-gitea.txt"), format!("{report}\n"))?)
}
