//! `hydromote doctor`: whether this machine can render, and what the kernel keeps renderers from.

use hydrators::{Confinement, Sandbox, Tool};
use serde::Serialize;

use super::{format::Output, renderer::Tools};
use crate::{app, cli::Outcome};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all is well, 1 something is missing, 2 could not run.\n\
                        Run it as the service runs: as its user, in its container, under its service manager.")]
pub struct Args {
    #[command(flatten)]
    tools: Tools,
    #[command(flatten)]
    output: Output,
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Whether nothing is missing.
    well: bool,
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: &'static str,
    well: bool,
    found: String,
    /// What is not there, and what to do about it. It may be made good by something else.
    absent: Vec<String>,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut checks = renderers(&args.tools).await;
    checks.push(sandbox().await?);
    let well = checks.iter().all(|check| check.well);
    args.output.write(&Report { well, checks }, text);
    Ok(if well { Outcome::Done } else { Outcome::No })
}

async fn renderers(tools: &Tools) -> Vec<Check> {
    let check = |name, well, found| Check { name, well, found, absent: Vec::new() };
    match tools.hydrator().await {
        Ok(hydrator) => {
            let found = |tool| {
                let (version, path) = (hydrator.renderers().version(tool), hydrator.renderers().path(tool));
                check(tool.name(), true, format!("{version}, {}", path.display()))
            };
            [Tool::Helm, Tool::Kustomize].map(found).into()
        }
        Err(error) => vec![check("renderers", false, format!("{error:#}"))],
    }
}

async fn sandbox() -> anyhow::Result<Check> {
    let name = "sandbox";
    Ok(match Confinement::of(&app::launcher(Sandbox::Available)?).await {
        Ok(found) => Check { name, well: found.holds(), found: found.summary(), absent: found.absent },
        Err(reason) => Check { name, well: false, found: reason, absent: Vec::new() },
    })
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    for check in &report.checks {
        let mark = if check.well { "ok" } else { "NO" };
        lines.push(format!("{mark}  {:<10} {}", check.name, check.found));
        let is_made_good = if check.well { " (the rest holds without it)" } else { "" };
        lines.extend(check.absent.iter().map(|reason| format!("    {:<10} {reason}{is_made_good}", "")));
    }
    lines.join("\n")
}
