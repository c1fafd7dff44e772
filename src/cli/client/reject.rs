//! `hydromote reject` and `unreject`: keep a dry commit from being promoted, and take that back.

use super::{Acting, Failure, Service, table};
use crate::{
    cli::output,
    server::api::history::{RejectRequest, RejectedView, UnrejectRequest},
};

/// Flags of `reject`.
#[derive(Debug, clap::Args)]
pub struct RejectArgs {
    /// The dry commit: its id, or 7 or more characters of its beginning
    sha: String,
    /// Why; shown wherever the commit is
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    acting: Acting,
}

/// Flags of `unreject`.
#[derive(Debug, clap::Args)]
pub struct UnrejectArgs {
    /// The dry commit: its id, or 7 or more characters of its beginning
    sha: String,
    #[command(flatten)]
    acting: Acting,
}

/// Rejects a dry commit everywhere.
pub(super) async fn reject(args: RejectArgs) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let request = RejectRequest { sha: args.sha, reason: args.reason, by: args.acting.by };
    let rejected: RejectedView = service.act("/reject", &request).await?;
    output::line(table::printable(&rejected.words));
    Ok(())
}

/// Takes a rejection back.
pub(super) async fn unreject(args: UnrejectArgs) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let request = UnrejectRequest { sha: args.sha, by: args.acting.by };
    let taken_back: RejectedView = service.act("/unreject", &request).await?;
    output::line(table::printable(&taken_back.words));
    Ok(())
}
