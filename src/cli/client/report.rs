//! `hydromote report`: a commit status for those who have no access to the forge.

use super::{Acting, Failure, Service, table};
use crate::{
    cli::output,
    domain::status::StatusState,
    server::api::history::{ReportRequest, ReportedView},
};

/// Flags of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The key, such as `health`
    key: String,
    /// The verdict
    #[arg(value_parser = ["pending", "success", "failure", "error"])]
    state: String,
    /// The commit, as its id or the beginning of one that the board shows
    #[arg(long)]
    sha: String,
    /// What there is to say
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    acting: Acting,
}

/// Reports on a commit.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let service = Service::find(&args.acting.target).await?;
    let state = match args.state.as_str() {
        "success" => StatusState::Success,
        "failure" => StatusState::Failure,
        "error" => StatusState::Error,
        _ => StatusState::Pending,
    };
    let Args { key, sha, description, acting, .. } = args;
    let request = ReportRequest { key, state, sha, description, by: acting.by };
    let reported: ReportedView = service.act("/report", &request).await?;
    output::line(table::printable(&reported.words));
    Ok(())
}
