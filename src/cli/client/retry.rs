//! `hydromote retry`: has what failed tried again.

use super::{Acting, Failure, Service};
use crate::{
    cli::output,
    server::api::history::{CommandRequest, RetriedView},
};

/// Flags of `retry`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    acting: Acting,
}

/// Has everything that failed tried again.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let retried: RetriedView = service.act("/retry", &CommandRequest { lane: None, by: args.acting.by }).await?;
    output::line(retried.words);
    Ok(())
}
