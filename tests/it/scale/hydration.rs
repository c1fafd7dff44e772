//! What hydrating costs: everything for the first time, again, and after one change; and how long a service takes for
//! one dry commit beside a script that clones, renders every root and pushes.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::cost::{processor_of, resident};
use crate::{
    hydration::Lab,
    world::{Fallible, Files, TestResult, World},
};

/// How many roots are rendered.
const SIZES: [usize; 3] = [10, 100, 1_000];

/// How many roots the repository has whose commits are played, and how many commits are.
const REPLAYED_ROOTS: usize = 300;
const REPLAYED: usize = 200;

/// How many of them each script does, which takes seconds for each.
const SCRIPTED: usize = 10;

const STRATEGY: &str = r#"apiVersion: hydromote.dev/v1alpha1
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

/// Does what a pipeline would: clones, renders roots on both processors, and pushes what came of it. Every root, or those
/// whose folder the newest commit has changed.
const SCRIPT: &str = r#"set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
git clone -q --depth 2 --branch main "file://$DRY" "$work/dry"
git clone -q "file://$ENVIRONMENTS" "$work/env" 2>/dev/null
cd "$work/env"; git checkout -q dev 2>/dev/null || git checkout -q -b dev; cd "$work/dry"
render() {
    out="$work/env/$1"; rm -rf "$out"; mkdir -p "$out"
    case "$1" in
    apps/*) "$TOOLS/kustomize" build "$1/overlays/dev" >"$out/manifest.yaml" ;;
    releases/*) "$TOOLS/helm" template "${1#releases/}" ./charts/service --values "$1/values.yaml" >"$out/manifest.yaml" ;;
    plain/*) cat "$1"/*.yaml >"$out/manifest.yaml" ;;
    esac
}
export -f render; export work
case "$ROOTS" in
every) ls -d apps/* releases/* plain/* ;;
changed) git diff --name-only HEAD~1 HEAD | cut -d/ -f1,2 | sort -u ;;
esac | xargs -P 2 -I {} bash -euc 'render {}'
cd "$work/env"; git add -A
git -c user.name=script -c user.email=script@example.com commit -q --allow-empty -m hydrated; git push -q origin dev
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
    let mut rows = Vec::new();
    for roots in SIZES {
        rows.push(measure(roots).await?);
    }
    let Replay { service, every, changed } = replay().await?;
    let last = rows.last().ok_or("nothing was measured")?;
    let result = json!({
        "cold_ratio": ratio(last.cold, last.programs / processors()),
        "replay_median_ratio": ratio(every, service),
        "replay_changed_median_ratio": ratio(changed, service),
        "replay_service_ms": service.as_millis() as u64,
        "replay_script_ms": every.as_millis() as u64,
        "replay_changed_script_ms": changed.as_millis() as u64,
        "noop_processes": rows.iter().map(|row| row.processes[0] + row.processes[1]).sum::<u64>(),
        "tree_1000_s": last.noop.as_secs_f64(),
        "memory_mb": last.memory >> 20,
    });
    let told = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-hydrate.txt");
    Ok(std::fs::write(told, format!("{}{result}\n", table(&rows)))?)
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

async fn measure(roots: usize) -> Fallible<Row> {
    let mut lab = Lab::of(files(roots), STRATEGY).await?;
    let (before, began) = (processor_of("self")?.of_programs, Instant::now());
    lab.rendered("dev", roots).await?;
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
    lab.commit()?;
    let began = Instant::now();
    let processes = lab.rendered("dev", roots).await?;
    Ok((began.elapsed(), processes))
}

/// How long one commit takes, at the median.
struct Replay {
    service: Duration,
    /// A script that renders every root.
    every: Duration,
    /// One that renders those whose folder has changed.
    changed: Duration,
}

/// Plays commits.
async fn replay() -> Fallible<Replay> {
    let mut world = World::empty().await?;
    world.push_dry("first", files(REPLAYED_ROOTS)).await?;
    world.settle().await?;
    let mut lab = Lab::of(files(REPLAYED_ROOTS), STRATEGY).await?;
    lab.commit_to("main")?;
    let (of_every, of_changed) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for environments in [&of_every, &of_changed] {
        git2::Repository::init_bare(environments.path())?;
    }
    let (mut service, mut every, mut changing) = (Vec::new(), Vec::new(), Vec::new());
    for commit in 0..REPLAYED {
        let changed = changes(commit);
        world.push_dry(&format!("commit {commit}"), changed.clone()).await?;
        let began = Instant::now();
        world.look().await??;
        service.push(began.elapsed());
        for (path, text) in &changed {
            lab.set(path, text);
        }
        if commit < SCRIPTED {
            lab.commit_to("main")?;
            every.push(run_script("every", lab.path(), of_every.path()).await?);
            changing.push(run_script("changed", lab.path(), of_changed.path()).await?);
        }
        world.settle().await?;
    }
    let board = world.board().await?;
    assert!(board.contains(&format!("wants commit {}", REPLAYED - 1)), "{board}");
    world.finish().await?;
    Ok(Replay { service: median(service), every: median(every), changed: median(changing) })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn run_script(roots: &str, dry: &Path, environments: &Path) -> Fallible<Duration> {
    let began = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "a pipeline runs programs")]
    let mut command = tokio::process::Command::new("bash");
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    command
        .args(["-c", SCRIPT])
        .env("DRY", dry)
        .env("ENVIRONMENTS", environments)
        .env("TOOLS", tools)
        .env("ROOTS", roots);
    let output = command.stdin(Stdio::null()).output().await?;
    match output.status.success() {
        true => Ok(began.elapsed()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// What a commit changes: one root mostly, and now and then the base of an application with all that build on it.
fn changes(commit: usize) -> Files {
    let app = format!("a{}", commit % 100);
    match commit % 10 {
        9 => vec![(format!("apps/{app}/base/config.yaml"), config(&app, commit + 1))],
        3 => vec![(format!("releases/r{}/values.yaml", commit % 50), format!("replicas: {}\n", commit + 2))],
        _ => vec![(format!("apps/{app}/overlays/dev/patch.yaml"), patch(&app, commit + 2))],
    }
}

fn config(name: &str, version: usize) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  version: \"{version}\"\n")
}

fn patch(name: &str, replicas: usize) -> String {
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
fn files(roots: usize) -> Files {
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
