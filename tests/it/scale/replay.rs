//! How long a service takes for one dry commit, beside a script that clones, renders and pushes.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use super::hydration::{STRATEGY, config, files, patch};
use crate::world::{Fallible, Files, World};

/// How many commits are played.
const COMMITS: usize = 200;

/// How many of them each script does, which takes seconds for each.
const SCRIPTED: usize = 10;

/// How many roots the repository has that is generated.
const ROOTS: usize = 300;

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
    */overlays/*) "$TOOLS/kustomize" build "$1" >"$out/manifest.yaml" 2>/dev/null || true ;;
    apps/*) "$TOOLS/kustomize" build "$1/overlays/dev" >"$out/manifest.yaml" ;;
    releases/*) "$TOOLS/helm" template "${1#releases/}" ./charts/service --values "$1/values.yaml" >"$out/manifest.yaml" ;;
    plain/*) cat "$1"/*.yaml >"$out/manifest.yaml" ;;
    esac
}
export -f render; export work
case "$WANTED" in
every) ls -d $ROOTS ;;
changed) git diff --name-only HEAD~1 HEAD | { grep -oE "$ROOT" || true; } | sort -u | xargs -r ls -d 2>/dev/null || true ;;
esac | xargs -P 2 -I {} bash -euc 'render {}'
cd "$work/env"; git add -A
git -c user.name=script -c user.email=script@example.com commit -q --allow-empty -m hydrated; git push -q origin dev
"#;

/// A repository as the script sees it.
pub(super) struct Layout {
    strategy: &'static str,
    /// The folders of all roots, as patterns of the shell.
    roots: &'static str,
    /// How the path of a file begins that belongs to a root, as an extended regular expression.
    root: &'static str,
}

/// What [`files`] makes.
pub(super) const GENERATED: Layout =
    Layout { strategy: STRATEGY, roots: "apps/* releases/* plain/*", root: "^(apps|releases|plain)/[^/]+" };

/// gitops-catalog of redhat-cop, whose overlays of operators and their instances are the roots.
pub(super) const CATALOG: Layout = Layout {
    strategy: r#"apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata:
  name: shop
spec:
  render: {secrets: allow}
  sources:
    - {path: "{group}/overlays/{overlay}", output: "{group}/overlays/{overlay}", onFailure: keepLast}
    - {path: "{group}/{part}/overlays/{overlay}", output: "{group}/{part}/overlays/{overlay}", onFailure: keepLast}
  activeCommitStatuses: [{key: health}]
  environments:
    - {name: dev, branch: env/dev}
"#,
    roots: "*/overlays/* */*/overlays/*",
    root: "^[^/]+(/[^/]+)?/overlays/[^/]+",
};

/// How long one commit takes, at the median.
pub(super) struct Replay {
    pub(super) roots: usize,
    pub(super) service: Duration,
    /// A script that renders every root.
    pub(super) every: Duration,
    /// One that renders those whose folder has changed.
    pub(super) changed: Duration,
}

/// Plays commits: the newest of a repository, or generated ones.
pub(super) async fn replay(layout: &Layout, of: Option<&Path>) -> Fallible<Replay> {
    let mut world = World::empty().await?;
    let strategy = [("hydromote.yaml", layout.strategy)];
    let copied = match of {
        None => {
            world.push_dry("first", files(ROOTS)).await?;
            Vec::new()
        }
        Some(from) => {
            let head = world.bring_history(from)?;
            let mut commits = world.newest(head, COMMITS + 1)?;
            world.push_copy("first", commits.remove(0), &strategy).await?;
            commits
        }
    };
    world.settle().await?;
    let (of_every, of_changed) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for environments in [&of_every, &of_changed] {
        git2::Repository::init_bare(environments.path())?;
    }
    let (mut service, mut every, mut changing) = (Vec::new(), Vec::new(), Vec::new());
    let commits = if of.is_some() { copied.len() } else { COMMITS };
    for commit in 0..commits {
        let subject = format!("commit {commit}");
        match copied.get(commit) {
            Some(other) => world.push_copy(&subject, *other, &strategy).await?,
            None => drop(world.push_dry(&subject, changes(commit)).await?),
        }
        let began = Instant::now();
        world.look().await??;
        service.push(began.elapsed());
        if commit < SCRIPTED {
            let dry = world.dry_folder()?;
            every.push(run_script(layout, "every", &dry, of_every.path()).await?);
            changing.push(run_script(layout, "changed", &dry, of_changed.path()).await?);
        }
        world.settle().await?;
    }
    let board = world.board().await?;
    assert!(board.contains(&format!("commit {}", commits - 1)), "{board}");
    let paths = world.paths("env/dev").await?;
    let roots = paths.lines().filter(|path| path.ends_with("/manifest.yaml")).count();
    world.finish().await?;
    Ok(Replay { roots, service: median(service), every: median(every), changed: median(changing) })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn run_script(layout: &Layout, wanted: &str, dry: &Path, environments: &Path) -> Fallible<Duration> {
    let began = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "a pipeline runs programs")]
    let mut command = tokio::process::Command::new("bash");
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    command
        .args(["-c", SCRIPT])
        .env("DRY", dry)
        .env("ENVIRONMENTS", environments)
        .env("TOOLS", tools)
        .env("WANTED", wanted)
        .env("ROOTS", layout.roots)
        .env("ROOT", layout.root);
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
