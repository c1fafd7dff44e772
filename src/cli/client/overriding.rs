//! `hydromote override`: lets a changed strategy in that drops what is under way.

use super::{Acting, Failure, Service, table};
use crate::{
    cli::output,
    server::api::history::{OverriddenView, OverrideRequest},
};

/// Flags of `override`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Why what is under way may be dropped; it is written into the record
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    acting: Acting,
}

/// Lets the changed strategy in that stays out now.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let request = OverrideRequest { reason: args.reason, by: args.acting.by };
    let overridden: OverriddenView = service.act("/override", &request).await?;
    output::line(table::printable(&overridden.words));
    Ok(())
}
