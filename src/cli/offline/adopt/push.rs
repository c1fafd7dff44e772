//! Pushes the commit that takes a branch over, with the git that the person uses: their remote, their
//! credentials, their hooks.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, bail};
use git2::Oid;
use tokio::process::Command;

use super::super::checkout::Checkout;
use crate::{
    domain::ids::BranchName,
    git::{GitError, mirror},
};

/// The longest that the push may take.
const PUSH_LIMIT: Duration = Duration::from_secs(300);

/// Moves the branch from `seen` to `commit`, and from nowhere else.
pub(super) async fn push(
    checkout: &Checkout,
    remote: &str,
    branch: &BranchName,
    seen: Oid,
    commit: &str,
) -> anyhow::Result<()> {
    if remote != "." && !checkout.has_remote(remote) {
        bail!(
            "the repository has no remote `{remote}` to push to; name it with `--remote`, or `--remote .` for the repository itself"
        );
    }
    #[expect(clippy::disallowed_methods, reason = "it is the person's own git that pushes, with their credentials")]
    let mut command = Command::new("git");
    command
        .arg("--git-dir")
        .arg(checkout.git_dir())
        .args(["push", "--porcelain", "--quiet"])
        .arg(format!("--force-with-lease=refs/heads/{branch}:{seen}"))
        .arg(remote)
        .arg(format!("{commit}:refs/heads/{branch}"))
        .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", checkout.mirror().join("objects"))
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PUSH_LIMIT, command.output())
        .await
        .with_context(|| format!("the push of `{branch}` took longer than {} s", PUSH_LIMIT.as_secs()))?
        .context("could not start `git`")?;
    if output.status.success() {
        return Ok(());
    }
    match mirror::refusal(&String::from_utf8_lossy(&output.stdout), &String::from_utf8_lossy(&output.stderr)) {
        Some(GitError::Moved { .. }) => {
            bail!("`{branch}` has moved since it was fetched; `git fetch {remote}`, and run this again")
        }
        Some(error) => Err(error.into()),
        None => bail!("could not push `{branch}` to `{remote}`; git says why above"),
    }
}
