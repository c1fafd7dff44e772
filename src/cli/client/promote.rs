//! `hydromote promote`: a person's word.

use super::{Acting, Failure, Service, service::segment, table};
use crate::{
    cli::output,
    domain::ids::LaneName,
    server::api::history::{PromoteRequest, PromotedView},
};

/// Flags of `promote`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment
    environment: String,
    /// The lane, where there are several
    #[arg(long)]
    lane: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

/// Promotes what is proposed.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let request =
        PromoteRequest { lane: args.lane.map(LaneName::new).transpose()?, proposed: None, by: args.acting.by };
    let promoted: PromotedView = service.act(&format!("/promote/{}", segment(&args.environment)?), &request).await?;
    output::line(table::printable(&promoted.words));
    for gate in &promoted.waits {
        output::line(table::printable(&format!("  {gate}")));
    }
    Ok(())
}
