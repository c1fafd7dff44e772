//! `hydromote promote`: a person's word.

use super::{Acting, Failure, Service, service::segment, table};
use crate::{
    cli::output,
    domain::ids::LaneName,
    server::api::history::{Overridable, PromoteRequest, PromotedView},
};

/// Flags of `promote`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment
    environment: String,
    /// The lane, where there are several
    #[arg(long)]
    lane: Option<String>,
    /// Merge it although windows are closed; needs `--reason`
    #[arg(long = "override", value_name = "WHAT", requires = "reason")]
    overriding: Option<Overridable>,
    /// Why that is overridden; written into the commit
    #[arg(long, requires = "overriding")]
    reason: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

/// Promotes what is proposed.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let request = PromoteRequest {
        lane: args.lane.map(LaneName::new).transpose()?,
        proposed: None,
        overriding: args.overriding,
        reason: args.reason,
        by: args.acting.by,
    };
    let promoted: PromotedView = service.act(&format!("/promote/{}", segment(&args.environment)?), &request).await?;
    output::line(table::printable(&promoted.words));
    for gate in &promoted.waits {
        output::line(table::printable(&format!("  {gate}")));
    }
    Ok(())
}
