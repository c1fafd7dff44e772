//! `hydromote status`: what runs where.

use super::{Failure, Output, Reading, Service, table};
use crate::{
    cli::output,
    server::api::documents::{EnvironmentView, StrategiesView, StrategyView},
};

/// Flags of `status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    reading: Reading,
}

/// Prints the state of one strategy, or of all.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.reading.target).await?;
    let json = args.reading.output == Output::Json;
    if service.names_strategy() {
        let board: StrategyView = service.read("").await?;
        if json {
            output::json(&board)
        } else {
            output::line(render(&board))
        }
        return Ok(());
    }
    let all: StrategiesView = service.get("/strategies").await?;
    match (json, all.strategies.as_slice()) {
        (true, [one]) if all.troubles.is_empty() => output::json(one),
        (true, _) => output::json(&all),
        (false, _) => output::line(render_all(&all)),
    }
    Ok(())
}

/// Returns every strategy, and why others are not known.
pub(super) fn render_all(all: &StrategiesView) -> String {
    let troubles = all
        .troubles
        .iter()
        .map(|one| table::printable(&format!("{} could not be looked at: {}", one.repository, one.trouble)));
    let parts: Vec<String> = all.strategies.iter().map(render).chain(troubles).collect();
    if parts.is_empty() { "No strategy has been found yet.".to_owned() } else { parts.join("\n\n") }
}

/// Returns the table of a strategy with everything that people should know.
pub(super) fn render(board: &StrategyView) -> String {
    let mut lines = vec![format!("{}: {}", board.strategy, board.summary)];
    lines.extend(board.trouble.iter().map(|trouble| format!("The last look could not be finished: {trouble}")));
    lines.extend(board.webhook.iter().cloned());
    lines.extend(board.mistake.iter().map(|mistake| format!("The newest strategy has a mistake:\n{mistake}")));
    let mut rows = table::new(&["ENVIRONMENT", "STATE", "RUNS", "SINCE", "VERIFIED", "NEXT", "PULL REQUEST"]);
    for place in &board.environments {
        rows.add_row(row(place));
    }
    lines.push(table::render(&rows));
    for place in &board.environments {
        lines.extend(place.drift_alone().map(|words| format!("{}: {words}", place.place)));
        let gates = place.gates.iter().map(|gate| format!("{}: {}", place.place, gate.words));
        let notices = place.notices.iter().map(|notice| format!("{}: {}", place.place, notice.words));
        lines.extend(gates.chain(notices));
    }
    table::printable(&lines.join("\n"))
}

fn row(place: &EnvironmentView) -> Vec<String> {
    let none = || "-".to_owned();
    let running = place.running.as_ref();
    let verified = |verified: bool| if verified { "yes" } else { "no" }.to_owned();
    vec![
        place.place.clone(),
        place.state_words.clone(),
        running.map_or_else(none, |running| running.commit.short.clone()),
        running.map_or_else(none, |running| table::time(running.since)),
        running.map_or_else(none, |running| verified(running.verified)),
        place.wanted.as_ref().map_or_else(none, |wanted| wanted.short.clone()),
        place.pull_request.as_ref().map_or_else(none, |pull_request| pull_request.url.clone()),
    ]
}
