//! `hydromote plan`: what is about to be done.

use super::{Failure, Output, Reading, Service, table};
use crate::{cli::output, server::api::history::PlanView};

/// Flags of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    reading: Reading,
}

/// Prints the next actions.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let plan: PlanView = Service::find(&args.reading.target).await?.read("/plan").await?;
    match args.reading.output {
        Output::Json => output::json(&plan),
        Output::Text => output::line(render(&plan)),
    }
    Ok(())
}

fn render(plan: &PlanView) -> String {
    let mut lines: Vec<String> = plan.next.iter().enumerate().map(|(i, act)| format!("{}. {act}", i + 1)).collect();
    if lines.is_empty() {
        lines.push("At rest: nothing is about to be done.".into());
    }
    for place in &plan.environments {
        lines.extend(place.drift_alone().map(|words| format!("{}: {words}", place.place)));
        lines.extend(place.gates.iter().map(|gate| format!("{}: {}", place.place, gate.words)));
    }
    lines.extend(plan.wake_at.map(|at| format!("Time alone changes something at {}.", table::time(at))));
    table::printable(&lines.join("\n"))
}
