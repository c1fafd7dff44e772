//! `hydromote history`: what ran when.

use super::{Failure, Output, Reading, Service, service::segment, table};
use crate::{cli::output, server::api::history::HistoryView};

/// Flags of `history`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment; all when left out
    environment: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

/// Prints promotions and what else happened, newest first.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.reading.target).await?;
    let query = match &args.environment {
        Some(environment) => format!("/history?environment={}", segment(environment)?),
        None => "/history".to_owned(),
    };
    let history: HistoryView = service.read(&query).await?;
    match args.reading.output {
        Output::Json => output::json(&history),
        Output::Text => output::line(render(&history)),
    }
    Ok(())
}

fn render(history: &HistoryView) -> String {
    let mut promotions = table::new(&["WHEN", "ENVIRONMENT", "DRY", "PULL REQUEST", "MERGED BY", "ASKED BY", "WHY"]);
    for promotion in &history.promotions {
        let pull_request = promotion.pull_request.as_ref().map_or("-".into(), |pull_request| pull_request.url.clone());
        promotions.add_row([
            table::time(promotion.at),
            promotion.environment.to_string(),
            promotion.commit.short.clone(),
            pull_request,
            promotion.merged_by.clone().unwrap_or_else(|| "-".into()),
            promotion.asked_by.clone().unwrap_or_else(|| "-".into()),
            promotion.why.clone(),
        ]);
    }
    let mut rollbacks = table::new(&["WHEN", "ENVIRONMENT", "FROM", "TO", "PULL REQUEST", "BY", "WHY"]);
    for rollback in &history.rollbacks {
        let pull_request = rollback.pull_request.as_ref().map_or("-".into(), |pull_request| pull_request.url.clone());
        rollbacks.add_row([
            table::time(rollback.at),
            rollback.environment.to_string(),
            rollback.from.short.clone(),
            rollback.to.short.clone(),
            pull_request,
            rollback.by.clone(),
            rollback.reason.clone(),
        ]);
    }
    let mut events = table::new(&["WHEN", "ENVIRONMENT", "WHAT", "WHO"]);
    for event in &history.events {
        let environment = event.environment.as_ref().map_or("-".into(), ToString::to_string);
        events.add_row([table::time(event.at), environment, event.what.clone(), event.who.clone()]);
    }
    let rolled_back = (!history.rollbacks.is_empty()).then(|| table::render(&rollbacks));
    let tables = [Some(table::render(&promotions)), rolled_back, Some(table::render(&events))];
    tables.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}
