//! `hydromote explain`: why not yet.

use super::{Failure, Output, Reading, Service, service::segment, table};
use crate::{
    cli::output,
    server::api::history::{CommitFateView, ExplainView},
};

/// Flags of `explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment; all when left out
    #[arg(conflicts_with = "dry")]
    environment: Option<String>,
    /// A dry commit, or its beginning: says what became of it in each environment
    #[arg(long, value_name = "SHA")]
    dry: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

/// Prints why environments run what they run.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.reading.target).await?;
    if let Some(dry) = &args.dry {
        let fates: CommitFateView = service.read(&format!("/commits/{}", segment(dry)?)).await?;
        match args.reading.output {
            Output::Json => output::json(&fates),
            Output::Text => output::line(render_fates(&fates)),
        }
        return Ok(());
    }
    let path = match &args.environment {
        Some(environment) => format!("/explain/{}", segment(environment)?),
        None => "/explain".to_owned(),
    };
    let explained: ExplainView = service.read(&path).await?;
    match args.reading.output {
        Output::Json => output::json(&explained),
        Output::Text => output::line(render(&explained)),
    }
    Ok(())
}

fn render_fates(fates: &CommitFateView) -> String {
    let subject = fates.commit.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default();
    let mut lines = vec![format!("{}{subject}", fates.commit.short)];
    for place in &fates.environments {
        lines.push(format!("  {}: {}", place.place, place.words));
        for gate in &place.gates {
            lines.push(format!("    closed since {}: {}", table::time(gate.since), gate.words));
        }
    }
    table::printable(&lines.join("\n"))
}

fn render(explained: &ExplainView) -> String {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(explained.trouble.iter().map(|trouble| format!("The last look could not be finished: {trouble}")));
    lines.extend(explained.mistake.iter().map(|mistake| format!("The newest strategy has a mistake:\n{mistake}")));
    for explanation in &explained.environments {
        lines.extend(explanation.sentences.iter().cloned());
        for gate in &explanation.environment.gates {
            let until = gate.until.map(|until| format!(", until {}", table::time(until))).unwrap_or_default();
            lines.push(format!("  closed since {}{until}: {}", table::time(gate.since), gate.words));
            lines.extend(gate.seen.as_ref().map(|seen| format!("    seen: {seen}")));
            lines.push(format!("    opened by: {}", gate.remedy));
        }
        let diff = explanation.drift_diff.iter().flat_map(|diff| diff.lines());
        lines.extend(diff.map(|line| format!("    {line}")));
        lines.extend(explanation.environment.open.iter().map(|gate| format!("  open: {}", gate.words)));
        lines.extend(explanation.environment.unasked.iter().map(|words| format!("  seen: {words}")));
        let changes_at = explanation.environment.changes_at;
        lines.extend(changes_at.map(|at| format!("  next change by time alone: {}", table::time(at))));
        lines.extend(explanation.environment.notices.iter().map(|notice| format!("  {}", notice.words)));
        let pull_request = explanation.environment.pull_request.as_ref();
        lines.extend(pull_request.map(|pull_request| format!("  pull request: {}", pull_request.url)));
        let to_open = explanation.environment.open_url.as_ref();
        lines.extend(to_open.map(|url| format!("  open the pull request at: {url}")));
    }
    table::printable(&lines.join("\n"))
}
