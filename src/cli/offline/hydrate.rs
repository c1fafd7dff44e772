//! `hydromote hydrate`: renders environments to a folder, exactly as they would be committed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use git2::{Oid, Repository};
use serde::Serialize;

use super::{
    checkout::Checkout,
    progress::Progress,
    renderer::{Failure, Renderer, Rendering, Tools, repo_url},
    roots::UnmatchedSource,
    strategies::{self, StrategyArgument, Target},
};
use crate::{
    app,
    cli::{Outcome, output},
    domain::ids::{BranchName, DrySha, EnvironmentName, RenderingId, RootName, StrategyName, TreeId},
    git::{metadata, tree},
    reconcile::hydrate::open_tree,
};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 everything was rendered, 1 a root failed (the others are written), \
                        2 could not run.")]
pub struct Args {
    /// A work tree, a bare repository or a bundle
    #[arg(long, value_name = "DIR")]
    repo: PathBuf,
    /// The dry revision; HEAD when absent. Edits that are not committed do not count
    #[arg(long)]
    rev: Option<String>,
    #[command(flatten)]
    strategy: StrategyArgument,
    /// Only this environment; may be given several times
    #[arg(long, value_name = "NAME", value_parser = |name: &str| EnvironmentName::new(name))]
    environment: Vec<EnvironmentName>,
    /// Where to write: an empty folder, or none yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replaces what an earlier run wrote for the same environments
    #[arg(long)]
    force: bool,
    /// The repository's address in metadata; that of the remote `origin` when absent
    #[arg(long, value_name = "URL")]
    repo_url: Option<String>,
    /// The service's folder of texts (`[messages] templates`); of them `readme.md` is in the output
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    #[command(flatten)]
    tools: Tools,
    /// How the result is written to standard output
    #[arg(long = "output", value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// A line of JSON for each root and each environment, as soon as the environment is written
    JsonLines,
}

/// One line of JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
enum Line<'a> {
    /// A root that was rendered.
    #[serde(rename_all = "camelCase")]
    Root {
        dry_sha: &'a DrySha,
        environment: &'a EnvironmentName,
        #[serde(flatten)]
        root: &'a HydratedRoot,
    },
    /// A root that failed, or all of an environment.
    #[serde(rename_all = "camelCase")]
    Failure {
        dry_sha: &'a DrySha,
        environment: &'a EnvironmentName,
        #[serde(flatten)]
        failure: &'a Failure,
    },
    /// An environment that was written.
    #[serde(rename_all = "camelCase")]
    Environment {
        dry_sha: &'a DrySha,
        environment: &'a EnvironmentName,
        strategy: &'a StrategyName,
        branch: &'a BranchName,
        tree: &'a TreeId,
        unmatched: &'a [UnmatchedSource],
        duration_ms: u128,
    },
}

/// What was written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Hydrated {
    /// The dry SHA.
    dry_sha: DrySha,
    /// The repository's address in metadata.
    #[serde(rename = "repoURL")]
    repo_url: String,
    /// The environments, in the order of the strategy.
    environments: Vec<HydratedEnvironment>,
}

/// What was written for one environment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HydratedEnvironment {
    /// The environment: also its folder in `--out`.
    name: EnvironmentName,
    /// Its strategy.
    strategy: StrategyName,
    /// Its active branch.
    branch: BranchName,
    /// The git tree that the folder equals: what a commit to an empty branch would hold.
    tree: TreeId,
    /// The roots that were rendered, by output folder.
    roots: Vec<HydratedRoot>,
    /// What failed.
    failures: Vec<Failure>,
    /// Sources without a root in this environment.
    unmatched: Vec<UnmatchedSource>,
    /// How long it took, milliseconds.
    duration_ms: u128,
}

/// One rendered root.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HydratedRoot {
    /// The output folder.
    output: RootName,
    /// The git tree of the rendered files, without those that name the dry SHA.
    rendering: RenderingId,
    /// Name and version of the renderer.
    renderer: String,
    /// What the rendering follows from: equal keys, equal files.
    key: String,
    /// Whether it had to be rendered, or another environment of this run has the same.
    cache: Cache,
}

/// Whether a rendering was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Cache {
    Hit,
    Miss,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    let checkout = Checkout::open(&args.repo).await?;
    let dry = checkout.resolve(args.rev.as_deref())?;
    let source = open_tree(checkout.mirror(), &dry).await?;
    let strategies = strategies::read(&checkout, &*source, &args.strategy)?;
    if strategies.is_empty() {
        return Err(strategies::none_found(&checkout));
    }
    let targets = strategies::targets(&strategies, &args.environment)?;
    let messages = app::messages(args.templates.as_deref())?;
    let progress = Progress::default();
    let watch = progress.clone();
    let renderer = Renderer::new(&checkout, &args.tools).await?.with_messages(messages);
    let renderer = renderer.watched_by(move |step| watch.step(step));
    prepare(&args.out, &targets, args.force)?;
    let repo_url = repo_url(&checkout, args.repo_url);
    let repository = checkout.repository()?;
    let mut environments = Vec::new();
    for target in &targets {
        let started = Instant::now();
        progress.begin(&target.environment.name);
        let rendering = renderer.render(&dry, target).await?;
        let tree = renderer.compose(&dry, target, &rendering, &repo_url)?;
        write(&repository, tree, &args.out.join(target.environment.name.as_str()))?;
        let done = sum_up(target, rendering, tree, started.elapsed().as_millis());
        progress.line(told(&done));
        if args.format == Format::JsonLines {
            done.lines(&dry);
        }
        environments.push(done);
    }
    progress.end();
    let failed = environments.iter().any(|environment| !environment.failures.is_empty());
    let hydrated = Hydrated { dry_sha: dry, repo_url, environments };
    match args.format {
        Format::Text => output::line(text(&hydrated, &args.out).trim_end()),
        Format::Json => output::json(&hydrated),
        Format::JsonLines => {}
    }
    Ok(if failed { Outcome::No } else { Outcome::Done })
}

/// Makes sure that nothing of anybody else is in the way.
fn prepare(out: &Path, targets: &[Target], force: bool) -> anyhow::Result<()> {
    let shown = out.display();
    let mut entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("could not use `{shown}`")),
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if !force {
        bail!("`{shown}` is not empty; name another folder, or `--force` to replace what an earlier run wrote");
    }
    for folder in targets.iter().map(|target| out.join(target.environment.name.as_str())).filter(|f| f.exists()) {
        if !folder.join(metadata::FILE_NAME).is_file() {
            bail!("`{}` was not written by this command, and is not replaced; remove it yourself", folder.display());
        }
        fs::remove_dir_all(&folder).with_context(|| format!("could not remove `{}`", folder.display()))?;
    }
    Ok(())
}

/// Writes the files of a tree below `folder`.
fn write(repository: &Repository, tree: Oid, folder: &Path) -> anyhow::Result<()> {
    for (path, entry) in tree::files(repository, tree)? {
        let target = folder.join(path);
        let parent = target.parent().expect("because a file is in a folder");
        let written = fs::create_dir_all(parent).and_then(|()| {
            fs::write(&target, repository.find_blob(entry.id).map_err(std::io::Error::other)?.content())
        });
        written.with_context(|| format!("could not write `{}`", target.display()))?;
    }
    Ok(())
}

fn sum_up(target: &Target, rendering: Rendering, tree: Oid, duration_ms: u128) -> HydratedEnvironment {
    let Rendering { content, mut roots, mut keys, known, failures, unmatched } = rendering;
    let root = |(output, rendering): (&RootName, &RenderingId)| HydratedRoot {
        output: output.clone(),
        rendering: rendering.clone(),
        renderer: roots.remove(output).map(|info| info.renderer).unwrap_or_default(),
        key: keys.remove(output).map(|key| key.as_str().to_owned()).unwrap_or_default(),
        cache: if known.contains(output) { Cache::Hit } else { Cache::Miss },
    };
    HydratedEnvironment {
        name: target.environment.name.clone(),
        strategy: target.strategy.name.clone(),
        branch: target.environment.branch.clone(),
        tree: TreeId::new(tree.to_string()).expect("because git's ids are hexadecimal"),
        roots: content.iter().map(root).collect(),
        failures,
        unmatched,
        duration_ms,
    }
}

impl HydratedEnvironment {
    /// Writes its lines of JSON.
    fn lines(&self, dry_sha: &DrySha) {
        let Self { name: environment, strategy, branch, tree, roots, failures, unmatched, duration_ms } = self;
        roots.iter().for_each(|root| output::json_line(&Line::Root { dry_sha, environment, root }));
        failures.iter().for_each(|failure| output::json_line(&Line::Failure { dry_sha, environment, failure }));
        let duration_ms = *duration_ms;
        let done = Line::Environment { dry_sha, environment, strategy, branch, tree, unmatched, duration_ms };
        output::json_line(&done);
    }
}

fn told(done: &HydratedEnvironment) -> String {
    let HydratedEnvironment { name, roots, failures, duration_ms, .. } = done;
    let roots = output::counted(roots.len(), "root");
    format!("{name}: {roots}, {} failed, {duration_ms} ms", failures.len())
}

fn text(hydrated: &Hydrated, out: &Path) -> String {
    let mut text = format!("Rendered {} to {}\n", hydrated.dry_sha.short(), out.display());
    for environment in &hydrated.environments {
        let (name, roots) = (&environment.name, output::counted(environment.roots.len(), "root"));
        text += &format!("\n{name}: {roots}, tree {}\n", environment.tree);
        for root in &environment.roots {
            text += &format!("  {}\n", root.output);
        }
        for failure in &environment.failures {
            let kept = if failure.keeps_last { "kept as it was" } else { "failed" };
            text += &format!("  {kept}: {failure}\n");
        }
        for source in &environment.unmatched {
            text += &format!("  {source}\n");
        }
    }
    text
}
