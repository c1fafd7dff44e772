//! `hydromote rollback`: bring earlier content back.

use super::{Acting, Failure, Service, service::segment, table};
use crate::{
    cli::output,
    domain::ids::LaneName,
    server::api::history::{RollbackRequest, StoppedView},
};

/// Flags of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment
    environment: String,
    /// The dry SHA whose content comes back, or its beginning; last known-good when left out
    #[arg(long, value_name = "SHA", conflicts_with = "steps")]
    to: Option<String>,
    /// How many contents to go back
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Roots by their labels, such as `service=web`; all when left out
    #[arg(long, value_name = "LABELS")]
    only: Option<String>,
    /// Why; it is written into the commit
    #[arg(long)]
    reason: String,
    /// Bring content back that is not known to be good
    #[arg(long)]
    force: bool,
    /// The lane, where there are several
    #[arg(long)]
    lane: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

/// Rolls an environment back.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let request = RollbackRequest {
        lane: args.lane.map(LaneName::new).transpose()?,
        to: args.to,
        steps: args.steps,
        only: args.only,
        reason: args.reason,
        force: args.force,
        running: None,
        by: args.acting.by,
    };
    let accepted: StoppedView = service.act(&format!("/rollback/{}", segment(&args.environment)?), &request).await?;
    output::line(table::printable(&accepted.words));
    Ok(())
}
