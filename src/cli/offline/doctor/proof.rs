//! Renders the roots of a repository twice each, and names those that are not the same both times.

use std::path::PathBuf;

use super::Check;
use crate::{
    app,
    cli::{
        offline::{
            checkout::Checkout,
            renderer::Tools,
            strategies::{self, StrategyArgument, Target},
        },
        output::{self, counted},
    },
    domain::ids::{DrySha, EnvironmentName},
    reconcile::hydrate::{Hydrator, ProvenRoot, open_tree},
};

/// What is to be done about a root that is not deterministic.
const REMEDY: &str = "a function such as `randAlphaNum`, `genCA`, `now` or `uuidv4` does that; give the value instead";

/// What to prove.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Renders each root of a repository twice: it must be the same both times
    #[arg(long)]
    prove: bool,
    /// A work tree, a bare repository or a bundle
    #[arg(long, value_name = "DIR", default_value = ".", requires = "prove")]
    repo: PathBuf,
    /// The dry revision; HEAD when absent. Edits that are not committed do not count
    #[arg(long, requires = "prove")]
    rev: Option<String>,
    #[command(flatten)]
    strategy: StrategyArgument,
    /// Only this environment; may be given several times
    #[arg(long, value_name = "NAME", value_parser = |name: &str| EnvironmentName::new(name), requires = "prove")]
    environment: Vec<EnvironmentName>,
}

impl Args {
    /// Says whether anything is to be proved.
    pub(super) fn is_wanted(&self) -> bool {
        self.prove
    }
}

/// Returns a check for each environment, and one for each root of it that is not proved.
pub(super) async fn checks(args: &Args, tools: &Tools) -> anyhow::Result<Vec<Check>> {
    let checkout = Checkout::open(&args.repo).await?;
    let dry = checkout.resolve(args.rev.as_deref())?;
    let strategies = strategies::read(&checkout, &*open_tree(checkout.mirror(), &dry).await?, &args.strategy)?;
    if strategies.is_empty() {
        return Err(strategies::none_found(&checkout));
    }
    let hydrator = tools.hydrator().await?;
    let mut checks = Vec::new();
    for target in strategies::targets(&strategies, &args.environment)? {
        checks.extend(of_environment(&hydrator, &checkout, &dry, &target).await?);
        output::progress(format_args!("{}: rendered twice", target.environment.name));
    }
    Ok(checks)
}

async fn of_environment(
    hydrator: &Hydrator,
    checkout: &Checkout,
    dry: &DrySha,
    target: &Target,
) -> anyhow::Result<Vec<Check>> {
    let (mirror, name) = (checkout.mirror(), &target.environment.name);
    let (tree, now) = (open_tree(mirror, dry).await?, (app::wall_clock())());
    let mut proven = match hydrator.prove(mirror, tree, &target.strategy, name, now).await? {
        Ok(proven) => proven,
        Err(failure) => return Ok(vec![Check::new(name.to_string(), false, format!("no roots: {failure}"))]),
    };
    proven.sort_by(|a, b| a.root.output.cmp(&b.root.output));
    let roots = counted(proven.len(), "root");
    let unproven: Vec<Check> = proven.into_iter().filter_map(|root| unproven(name, root)).collect();
    let found = match unproven.len() {
        0 => format!("{roots}, the same both times"),
        count => format!("{roots}, {count} of them not proved to be the same each time"),
    };
    Ok([vec![Check::new(name.to_string(), unproven.is_empty(), found)], unproven].concat())
}

/// Returns what is told of a root, unless it is the same both times.
fn unproven(environment: &EnvironmentName, ProvenRoot { root, outcome }: ProvenRoot) -> Option<Check> {
    let name = format!("{environment} {}", root.output);
    match outcome {
        Ok(differs) if differs.is_empty() => None,
        Ok(differs) => {
            let found = format!("`{}` renders to something else each time", root.input.dir());
            Some(Check { differs, advice: vec![REMEDY.to_owned()], ..Check::new(name, false, found) })
        }
        Err(failure) => Some(Check::new(name, false, format!("does not render: {failure}"))),
    }
}
