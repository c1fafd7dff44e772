//! `hydromote diff`: what changes in the rendered manifests between two dry revisions.

mod explain;

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

use self::explain::Explained;
use super::{
    checkout::Checkout,
    format::Output,
    renderer::{Failure, Renderer, Rendering, Tools},
    strategies::{self, StrategyArgument, Target},
};
use crate::{
    cli::{Outcome, output},
    domain::ids::{DrySha, EnvironmentName, RootName},
    git::resources,
    reconcile::hydrate::open_tree,
};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the manifests are the same, 1 they differ or a root fails at one of the revisions, \
                        2 could not run."
)]
pub struct Args {
    /// A work tree, a bare repository or a bundle
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    #[command(flatten)]
    strategy: StrategyArgument,
    /// Only this environment; may be given several times
    #[arg(long, value_name = "NAME", value_parser = |name: &str| EnvironmentName::new(name))]
    environment: Vec<EnvironmentName>,
    /// The older dry revision
    a: String,
    /// The newer dry revision
    b: String,
    #[command(flatten)]
    tools: Tools,
    #[command(flatten)]
    output: Output,
}

/// What differs between two dry revisions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    /// The older dry SHA.
    from: DrySha,
    /// The newer dry SHA.
    to: DrySha,
    /// Every environment that either has, also those without a difference.
    environments: Vec<EnvironmentDifference>,
}

/// What differs in one environment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentDifference {
    /// The environment.
    name: EnvironmentName,
    /// Output folders with another rendering.
    outputs: Vec<OutputDifference>,
    /// Roots that could not be compared, since they fail at the older revision.
    failures_before: Vec<Failure>,
    /// Roots that could not be compared, since they fail at the newer revision.
    failures_after: Vec<Failure>,
}

/// What differs in one output folder.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputDifference {
    /// The output folder.
    output: RootName,
    /// What differs in it.
    #[serde(flatten)]
    explained: Explained,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    let checkout = Checkout::open(&args.repo).await?;
    let (from, to) = (checkout.resolve(Some(&args.a))?, checkout.resolve(Some(&args.b))?);
    let (before, after) = (targets(&checkout, &from, &args).await?, targets(&checkout, &to, &args).await?);
    if before.is_empty() && after.is_empty() {
        return Err(strategies::none_found(&checkout));
    }
    let names = names(&before, &after, &args.environment)?;
    let renderer = Renderer::new(&checkout, &args.tools).await?;
    let mut environments = Vec::new();
    for name in names {
        let old = render(&renderer, &from, before.get(&name)).await?;
        let new = render(&renderer, &to, after.get(&name)).await?;
        let compared = compare(&checkout, name, old, new)?;
        output::progress(format_args!("{}: {} outputs differ", compared.name, compared.outputs.len()));
        environments.push(compared);
    }
    let same = environments.iter().all(EnvironmentDifference::is_same);
    args.output.write(&Difference { from, to, environments }, Difference::text);
    Ok(if same { Outcome::Done } else { Outcome::No })
}

/// Returns the environments at a dry SHA; none when there is no strategy yet.
async fn targets(checkout: &Checkout, dry: &DrySha, args: &Args) -> anyhow::Result<BTreeMap<EnvironmentName, Target>> {
    let tree = open_tree(checkout.mirror(), dry).await?;
    let strategies = strategies::read(checkout, &*tree, &args.strategy)?;
    if strategies.is_empty() {
        output::progress(format_args!("note: there is no strategy at {}, so nothing is rendered there", dry.short()));
    }
    let targets = strategies::targets(&strategies, &[])?;
    Ok(targets.into_iter().map(|target| (target.environment.name.clone(), target)).collect())
}

fn names(
    before: &BTreeMap<EnvironmentName, Target>,
    after: &BTreeMap<EnvironmentName, Target>,
    wanted: &[EnvironmentName],
) -> anyhow::Result<Vec<EnvironmentName>> {
    // In the order of the strategies, which their targets have lost in the map.
    let order = |targets: &BTreeMap<EnvironmentName, Target>| -> Vec<EnvironmentName> {
        let strategies = targets.values().map(|target| &target.strategy);
        strategies.flat_map(|s| s.environments.iter().map(|e| e.name.clone())).collect()
    };
    let mut names: Vec<EnvironmentName> = Vec::new();
    for name in order(after).into_iter().chain(order(before)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        let known = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        anyhow::bail!("there is no environment `{unknown}`; there are {known}");
    }
    names.retain(|name| wanted.is_empty() || wanted.contains(name));
    Ok(names)
}

async fn render(renderer: &Renderer<'_>, dry: &DrySha, target: Option<&Target>) -> anyhow::Result<Rendering> {
    match target {
        Some(target) => renderer.render(dry, target).await,
        None => Ok(Rendering::default()),
    }
}

fn compare(
    checkout: &Checkout,
    name: EnvironmentName,
    old: Rendering,
    new: Rendering,
) -> anyhow::Result<EnvironmentDifference> {
    let repository = checkout.repository()?;
    let failures = || old.failures.iter().chain(&new.failures);
    let failed = |root: &RootName| failures().any(|f| f.output.as_deref().is_none_or(|output| output == root.as_str()));
    let mut outputs = Vec::new();
    for root in old.content.differing(&new.content).into_iter().filter(|root| !failed(root)) {
        let before = resources::of_rendering(&repository, old.content.get(root))?;
        let after = resources::of_rendering(&repository, new.content.get(root))?;
        outputs.push(OutputDifference { output: root.clone(), explained: Explained::of(&before, &after) });
    }
    Ok(EnvironmentDifference { name, outputs, failures_before: old.failures, failures_after: new.failures })
}

impl EnvironmentDifference {
    /// Says whether nothing differs; what fails in the same way at both revisions does not.
    fn is_same(&self) -> bool {
        self.outputs.is_empty() && self.failures_before == self.failures_after
    }
}

impl Difference {
    fn text(&self) -> String {
        let mut text = String::new();
        for environment in &self.environments {
            let name = &environment.name;
            if environment.is_same() {
                text += &format!("{name}: no difference\n");
            }
            for output in &environment.outputs {
                text += &format!("{name}: {}\n", output.output);
                text += &output.explained.text();
            }
            let (before, after) = (&environment.failures_before, &environment.failures_after);
            for failure in before {
                let until = if after.contains(failure) { "both revisions" } else { self.from.short() };
                text += &format!("{name}: not compared, fails at {until}: {failure}\n");
            }
            for failure in after.iter().filter(|failure| !before.contains(failure)) {
                text += &format!("{name}: not compared, fails at {}: {failure}\n", self.to.short());
            }
        }
        text
    }
}
