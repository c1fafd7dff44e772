//! What hydrating costs: everything for the first time, again, and after one change; and how long a service takes for
//! one dry commit beside a script that clones, renders every root and pushes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    cost::{processor_of, resident},
    replay::{CATALOG, GENERATED, Replay, replay},
};
use crate::{
    hydration::Lab,
    world::{Fallible, Files, TestResult},
};

/// The variable with a clone of gitops-catalog whose newest commits are played instead.
const REPLAYED: &str = "HYDROMOTE_REPLAYED";

/// How many roots are rendered.
const SIZES: [usize; 3] = [10, 100, 1_000];

pub(super) const STRATEGY: &str = r#"apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata:
  name: shop
spec:
  sources:
    - path: "apps/{name}/overlays/{environment}"
      output: "apps/{name}"
    - each: "releases/{name}"
      chart: charts/service
      releaseName: "{name}"
      output: "releases/{name}"
      valueFiles: ["releases/{name}/values.yaml"]
    - path: "plain/{name}"
      output: "plain/{name}"
  activeCommitStatuses: [{key: health}]
  environments:
    - {name: dev, branch: env/dev}
"#;

/// What so many roots cost.
struct Row {
    roots: usize,
    cold: Duration,
    /// The renderers' own processor time.
    programs: Duration,
    /// A commit that changes nothing, right after.
    noop: Duration,
    /// The same after a restart.
    restarted: Duration,
    /// A commit that changes one root.
    one: Duration,
    processes: [u64; 3],
    memory: u64,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes: `make bench-hydrate`"]
async fn generated_repositories() -> TestResult {
    let told = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-hydrate.txt");
    if let Some(repository) = std::env::var_os(REPLAYED).filter(|repository| !repository.is_empty()) {
        let replayed = replay(&CATALOG, Some(Path::new(&repository))).await?;
        let result = json!({"replay_median_ratio": ratio(replayed.every, replayed.service)});
        return Ok(std::fs::write(told, format!("{}{result}\n", replay_table(&replayed)))?);
    }
    let mut rows = Vec::new();
    for roots in SIZES {
        rows.push(measure(roots).await?);
    }
    let generated = replay(&GENERATED, None).await?;
    let last = rows.last().ok_or("nothing was measured")?;
    let result = json!({
        "cold_ratio": ratio(last.cold, last.programs / processors()),
        "replay_median_ratio": ratio(generated.every, generated.service),
        "noop_processes": rows.iter().map(|row| row.processes[0] + row.processes[1]).sum::<u64>(),
        "tree_1000_s": last.noop.as_secs_f64(),
        "memory_mb": last.memory >> 20,
    });
    Ok(std::fs::write(told, format!("{}\n{}{result}\n", table(&rows), replay_table(&generated)))?)
}

fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1))
}

fn ratio(one: Duration, other: Duration) -> Value {
    json!((one.as_secs_f64() / other.as_secs_f64() * 100.0).round() / 100.0)
}

fn table(rows: &[Row]) -> String {
    let mut text =
        "roots | cold s | renderers' CPU s | ratio | nothing changed ms | restarted ms | one changed ms | MiB\n"
            .to_owned();
    for row in rows {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        text += &format!(
            "{} | {:.2} | {:.2} | {} | {:.0} | {:.0} | {:.0} | {}\n",
            row.roots,
            row.cold.as_secs_f64(),
            row.programs.as_secs_f64(),
            ratio(row.cold, row.programs / processors()),
            ms(row.noop),
            ms(row.restarted),
            ms(row.one),
            row.memory >> 20
        );
    }
    text
}

fn replay_table(Replay { roots, service, every, changed }: &Replay) -> String {
    let ms = |time: &Duration| time.as_millis();
    format!(
        "roots | a commit, median ms | script ms | ratio | script for what changed ms | ratio\n{roots} | {} | {} | {} | {} | {}\n",
        ms(service),
        ms(every),
        ratio(*every, *service),
        ms(changed),
        ratio(*changed, *service)
    )
}

async fn measure(roots: usize) -> Fallible<Row> {
    let mut lab = Lab::of(files(roots), STRATEGY).await?;
    let dry = lab.commit()?;
    let (before, began) = (processor_of("self")?.of_programs, Instant::now());
    lab.rendered(&dry, "dev", roots).await?;
    let (cold, programs) = (began.elapsed(), processor_of("self")?.of_programs - before);
    let memory = resident()?;
    lab.set("README.md", "second");
    let (noop, first) = timed(&lab, roots).await?;
    lab.set("README.md", "third");
    lab.restart().await?;
    let (restarted, second) = timed(&lab, roots).await?;
    lab.set("apps/a0/overlays/dev/patch.yaml", &patch("a0", 7));
    let (one, third) = timed(&lab, roots).await?;
    let processes = [first, second, third];
    assert_eq!(processes, [0, 0, 1]);
    Ok(Row { roots, cold, programs, noop, restarted, one, processes, memory })
}

async fn timed(lab: &Lab, roots: usize) -> Fallible<(Duration, u64)> {
    let dry = lab.commit()?;
    let began = Instant::now();
    let processes = lab.rendered(&dry, "dev", roots).await?;
    Ok((began.elapsed(), processes))
}

pub(super) fn config(name: &str, version: usize) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  version: \"{version}\"\n")
}

pub(super) fn patch(name: &str, replicas: usize) -> String {
    format!("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: {replicas}\n")
}

fn deployment(name: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  selector:\n    matchLabels: {{app: {name}}}\n  \
         template:\n    metadata:\n      labels: {{app: {name}}}\n    spec:\n      containers:\n        - name: {name}\n          \
         image: registry.example.com/{name}:1.0.0\n"
    )
}

/// A repository of overlays with bases, releases of one chart, and plain folders: six, three and one of ten.
pub(super) fn files(roots: usize) -> Files {
    let chart = "apiVersion: v2\nname: service\nversion: 1.0.0\n";
    let template = deployment("x").replace(" x", " {{ .Release.Name }}").replace("/x:", "/{{ .Release.Name }}:")
        + "---\n"
        + &patch("x", 1)
            .replace("Deployment", "Scale")
            .replace(" x", " {{ .Release.Name }}")
            .replace(": 1", ": {{ .Values.replicas }}");
    let mut files: Files = vec![
        ("hydromote.yaml".to_owned(), STRATEGY.to_owned()),
        ("charts/service/Chart.yaml".to_owned(), chart.to_owned()),
        ("charts/service/values.yaml".to_owned(), "replicas: 1\n".to_owned()),
        ("charts/service/templates/all.yaml".to_owned(), template),
        ("README.md".to_owned(), "first".to_owned()),
    ];
    for root in 0..roots {
        let count = root / 10;
        match root % 10 {
            kind @ 0..6 => {
                let name = format!("a{}", count * 6 + kind);
                let (base, overlay) = (format!("apps/{name}/base"), format!("apps/{name}/overlays/dev"));
                files.extend([
                    (format!("{base}/kustomization.yaml"), "resources: [deployment.yaml, config.yaml]\n".to_owned()),
                    (format!("{base}/deployment.yaml"), deployment(&name)),
                    (format!("{base}/config.yaml"), config(&name, 0)),
                    (
                        format!("{overlay}/kustomization.yaml"),
                        "resources: [../../base]\nnamespace: dev\npatches: [{path: patch.yaml}]\n".to_owned(),
                    ),
                    (format!("{overlay}/patch.yaml"), patch(&name, 1)),
                ]);
            }
            kind @ 6..9 => {
                let name = format!("r{}", count * 3 + kind - 6);
                files.push((format!("releases/{name}/values.yaml"), "replicas: 1\n".to_owned()));
            }
            _ => files.push((format!("plain/p{count}/config.yaml"), config(&format!("p{count}"), 0))),
        }
    }
    files
}
