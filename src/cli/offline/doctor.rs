//! `hydromote doctor`: whether this machine can render, what the kernel keeps renderers from, with a settings file
//! whether the forges let the service do its work, and with `--prove` whether roots render to the same each time.

mod forges;
mod proof;

use std::path::PathBuf;

use hydrators::{Confinement, Sandbox, Tool};
use serde::Serialize;

use super::{format::Output, renderer::Tools};
use crate::{app, cli::Outcome};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all is well, 1 something is missing, 2 could not run.\n\
                        Run it as the service runs: as its user, in its container, under its service manager.")]
pub struct Args {
    /// The settings file of the service: its forges are looked at too
    #[arg(long, value_name = "FILE", env = "HYDROMOTE_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    proof: proof::Args,
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
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: String,
    well: bool,
    found: String,
    /// What is not there, and what to do about it. It may be made good by something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    absent: Vec<String>,
    /// Where the two renderings of a root differ: resources with JSON pointers into them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differs: Vec<String>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    advice: Vec<String>,
}

impl Check {
    fn new(name: impl Into<String>, well: bool, found: impl Into<String>) -> Self {
        let (absent, differs, advice) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.into(), well, found: found.into(), absent, differs, advice }
    }
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut checks = renderers(&args.tools).await;
    checks.push(sandbox().await?);
    if let Some(config) = &args.config {
        checks.extend(forges::checks(config).await?);
    }
    if args.proof.is_wanted() {
        let nothing_proved = |error| vec![Check::new("prove", false, format!("{error:#}"))];
        checks.extend(proof::checks(&args.proof, &args.tools).await.unwrap_or_else(nothing_proved));
    }
    let well = checks.iter().all(|check| check.well);
    args.output.write(&Report { well, checks }, text);
    Ok(if well { Outcome::Done } else { Outcome::No })
}

async fn renderers(tools: &Tools) -> Vec<Check> {
    match tools.hydrator().await {
        Ok(hydrator) => {
            let found = |tool: Tool| {
                let mut versions = hydrator.renderers().versions(tool);
                let told = |(version, path): (&str, &std::path::Path)| format!("{version}, {}", path.display());
                let first = versions.next().map(told).unwrap_or_default();
                let advice = versions.map(|other| format!("{}, for what pins it", told(other))).collect();
                Check { advice, ..Check::new(tool.name(), true, first) }
            };
            [Tool::Helm, Tool::Kustomize].map(found).into()
        }
        Err(error) => vec![Check::new("renderers", false, format!("{error:#}"))],
    }
}

async fn sandbox() -> anyhow::Result<Check> {
    let name = "sandbox";
    Ok(match Confinement::of(&app::launcher(Sandbox::Available)?).await {
        Ok(found) => Check { absent: found.absent.clone(), ..Check::new(name, found.holds(), found.summary()) },
        Err(reason) => Check::new(name, false, reason),
    })
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    let width = report.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default().max(10);
    for check in &report.checks {
        let mark = if check.well { "ok" } else { "NO" };
        lines.push(format!("{mark}  {:<width$} {}", check.name, check.found));
        let is_made_good = if check.well { " (the rest holds without it)" } else { "" };
        lines.extend(check.absent.iter().map(|reason| format!("    {:<width$} {reason}{is_made_good}", "")));
        lines.extend(check.differs.iter().map(|place| format!("    {:<width$} {place}", "")));
        lines.extend(check.advice.iter().map(|advice| format!("    {:<width$} {advice}", "")));
    }
    lines.join("\n")
}
