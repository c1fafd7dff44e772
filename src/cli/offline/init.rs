//! `hydromote init`: writes a commented strategy for what is in a repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hydrators::SourceTree;

use super::{checkout::Checkout, strategies};
use crate::{
    cli::{Outcome, output},
    domain::strategy::{import_strategy, propose_strategy},
    messages::TEMPLATES,
    reconcile::strategy_files::{FILE, FOLDER},
};

/// No more of a file of another tool is read, bytes; what is larger than strategies are is refused later.
const INPUT_LIMIT: u64 = 16 << 20;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A work tree
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Writes over a strategy that is there
    #[arg(long)]
    force: bool,
    /// Makes the strategy from those of gitops-promoter with their gates, and from applications of Argo CD with a
    /// `sourceHydrator`, in these files; `-` is standard input
    #[arg(long, value_name = "FILE", num_args = 1..)]
    from: Vec<PathBuf>,
    /// Writes the built-in texts of pull requests, comments and commits to a folder instead, to begin one's own with
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dir", "from", "cd"])]
    templates: Option<PathBuf>,
    /// Prints what to configure so that what deploys reports health, and writes nothing
    #[arg(long, value_name = "TOOL", conflicts_with_all = ["dir", "from"])]
    cd: Option<Cd>,
}

/// What deploys, and reports health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Cd {
    /// Argo CD, by its notifications
    #[value(name = "argocd")]
    Argo,
    /// Flux, by its notification controller
    Flux,
    /// A workflow of GitHub Actions
    Actions,
    /// A pipeline of GitLab
    GitlabCi,
}

impl Cd {
    /// Returns what to configure.
    fn recipe(self) -> &'static str {
        match self {
            Self::Argo => include_str!("../../../docs/recipes/argocd.yaml"),
            Self::Flux => include_str!("../../../docs/recipes/flux.yaml"),
            Self::Actions => include_str!("../../../docs/recipes/actions.yaml"),
            Self::GitlabCi => include_str!("../../../docs/recipes/gitlab-ci.yaml"),
        }
    }
}

/// Runs the command.
pub async fn run(args: &Args) -> anyhow::Result<Outcome> {
    if let Some(folder) = &args.templates {
        return write_templates(folder, args.force);
    }
    if let Some(cd) = args.cd {
        output::line(cd.recipe().trim_end());
        return Ok(Outcome::Done);
    }
    let checkout = Checkout::open(&args.dir).await?;
    let (Some(folder), Some(tree)) = (checkout.work_folder(), checkout.work_tree()?) else {
        bail!("`{}` has no work tree to write to; clone it first", args.dir.display());
    };
    let there = strategies::files(&checkout, &tree, &strategies::StrategyArgument::default())?;
    let target = folder.join(FILE);
    if let Some((path, _)) = there.first().filter(|_| !args.force) {
        bail!("there is a strategy already, `{path}`; `--force` writes over `{FILE}`");
    }
    let is_free = args.force || !target.exists();
    anyhow::ensure!(is_free, "`{FILE}` is there already, and ignored by git; `--force` writes over it");
    let listing = tree.entries().context("could not list the work tree")?;
    let read = |path: &str| tree.read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let paths = listing.iter().map(|entry| entry.path.as_str());
    let text = match args.from.as_slice() {
        [] => propose_strategy(&checkout.name(), paths, read),
        from => imported(&checkout.name(), from, paths)?,
    };
    std::fs::write(&target, text).with_context(|| format!("could not write `{}`", target.display()))?;
    output::line(format_args!("Wrote {}\n\n{}", target.display(), next(&args.dir)));
    Ok(Outcome::Done)
}

/// Makes the strategy from files of other tools; mistakes go to standard error.
fn imported<'a>(name: &str, from: &[PathBuf], paths: impl Iterator<Item = &'a str>) -> anyhow::Result<String> {
    let inputs = from.iter().map(|path| read_input(path)).collect::<anyhow::Result<Vec<_>>>()?;
    import_strategy(name, &inputs, paths).map_err(|mistakes| {
        mistakes.iter().for_each(output::progress);
        match mistakes.len() {
            1 => anyhow::anyhow!("nothing was written: the mistake above stands in what `--from` names"),
            more => anyhow::anyhow!("nothing was written: the {more} mistakes above stand in what `--from` names"),
        }
    })
}

/// Reads a file, or standard input.
fn read_input(path: &Path) -> anyhow::Result<(String, String)> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let source: Box<dyn std::io::Read> = match is_stdin {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(std::fs::File::open(path).with_context(|| format!("could not read `{name}`"))?),
    };
    let mut text = String::new();
    let mut bounded = std::io::Read::take(source, INPUT_LIMIT);
    std::io::Read::read_to_string(&mut bounded, &mut text)
        .with_context(|| format!("could not read `{name}` as text"))?;
    Ok((name, text))
}

/// Writes the built-in texts; those that are there stay, unless they are to be written over.
fn write_templates(folder: &Path, force: bool) -> anyhow::Result<Outcome> {
    let targets: Vec<_> = TEMPLATES.iter().map(|template| (folder.join(template.name), template.built_in)).collect();
    if let Some((target, _)) = targets.iter().find(|(target, _)| !force && target.exists()) {
        bail!("there is `{}` already; name another folder, or `--force` writes over the texts in it", target.display());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("could not make `{}`", folder.display()))?;
    for (target, text) in &targets {
        std::fs::write(target, text).with_context(|| format!("could not write `{}`", target.display()))?;
    }
    let (folder, count) = (folder.display(), targets.len());
    output::line(format_args!(
        "Wrote {count} texts to {folder}\n\n\
         Next:\n  \
         1. Change those that are to say something else, and delete the others: they stay as the program brings them.\n  \
         2. Name the folder in hydromote.toml: `templates = \"{folder}\"` under `[messages]`.\n  \
         3. Start the service again; a text that cannot be right keeps it from starting, and is named with its line."
    ));
    Ok(Outcome::Done)
}

fn next(dir: &std::path::Path) -> String {
    let dir = dir.display();
    format!(
        "Next:\n  \
         1. Read it: what could not be known is marked in its comments. Further strategies go to {FOLDER}/.\n  \
         2. hydromote validate {dir}\n  \
         3. git add {FILE} && git commit\n  \
         4. hydromote hydrate --repo {dir} --out rendered"
    )
}
