//! `hydromote hold` and `unhold`: stop an environment, and let it go on.

use jiff::{SignedDuration, Timestamp};

use super::{Acting, Failure, Service, service::segment, table};
use crate::{
    cli::output,
    domain::ids::LaneName,
    server::api::history::{HoldRequest, StoppedView, UnholdRequest},
};

/// Flags of `hold`.
#[derive(Debug, clap::Args)]
pub struct HoldArgs {
    /// The environment
    environment: String,
    /// Why; shown wherever the hold is
    #[arg(long)]
    reason: String,
    /// For how long, such as `2h`; until `unhold` when left out
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<SignedDuration>,
    /// The lane, where there are several
    #[arg(long)]
    lane: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

/// Flags of `unhold`.
#[derive(Debug, clap::Args)]
pub struct UnholdArgs {
    /// The environment
    environment: String,
    /// The lane, where there are several
    #[arg(long)]
    lane: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

/// Stops everything in an environment.
pub(super) async fn hold(args: HoldArgs, now: Timestamp) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let request = HoldRequest {
        lane: args.lane.map(LaneName::new).transpose()?,
        reason: args.reason,
        until: args.duration.map(|duration| now + duration),
        running: None,
        by: args.acting.by,
    };
    let held: StoppedView = service.act(&format!("/hold/{}", segment(&args.environment)?), &request).await?;
    output::line(table::printable(&held.words));
    Ok(())
}

/// Takes a hold, and what rollbacks keep out, back.
pub(super) async fn unhold(args: UnholdArgs) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let request = UnholdRequest { lane: args.lane.map(LaneName::new).transpose()?, since: None, by: args.acting.by };
    let released: StoppedView = service.act(&format!("/unhold/{}", segment(&args.environment)?), &request).await?;
    output::line(table::printable(&released.words));
    Ok(())
}
