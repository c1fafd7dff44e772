//! `hydromote restore` and `adopt`: end drift, by bringing back what was promoted last or by taking
//! what is there.

use super::{Acting, Failure, Service, service::segment, table};
use crate::{
    cli::output,
    domain::ids::{ActiveSha, LaneName},
    server::api::history::{DriftRequest, StoppedView},
};

/// Flags of either.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment
    environment: String,
    /// Why; it is written down
    #[arg(long, default_value = "")]
    reason: String,
    /// The commit of drift that you saw; refused when somebody has changed the branch since
    #[arg(long, value_name = "SHA")]
    seen: Option<String>,
    /// The lane, where there are several
    #[arg(long)]
    lane: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

/// What ends the drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// What was promoted last comes back.
    Restore,
    /// What is there is what runs.
    Adopt,
}

/// Restores or adopts.
pub(super) async fn run(act: Act, args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let request = DriftRequest {
        lane: args.lane.map(LaneName::new).transpose()?,
        reason: args.reason,
        seen: args.seen.map(ActiveSha::new).transpose()?,
        by: args.acting.by,
    };
    let environment = segment(&args.environment)?;
    let path = match act {
        Act::Restore => format!("/restore/{environment}"),
        Act::Adopt => format!("/adopt/{environment}"),
    };
    let done: StoppedView = service.act(&path, &request).await?;
    output::line(table::printable(&done.words));
    Ok(())
}
