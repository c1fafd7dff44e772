//! Runs the `git` program for transfers: fetch, push, ls-remote.
//!
//! The environment is cleared, prompts are off, configuration of the machine is not read, and
//! credentials travel in the environment only. Each run has a time limit; it is killed with it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use tokio::process::Command;

use super::GitError;

/// The longest that one transfer may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(120);

/// How much of git's words is kept for messages.
const WORDS_LIMIT: usize = 600;

/// How many `git` programs this process has started.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// Returns how many `git` programs this process has started.
pub fn started() -> u64 {
    STARTED.load(Ordering::Relaxed)
}

/// Where git, and what it starts itself, is looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Returns the program. By its path it is started without a copy of this process's page tables, which takes longer
/// the larger the process is; by its name, with a `PATH` of its own, it would not be.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| which::which_in("git", Some(PATH), "/").unwrap_or_else(|_| "git".into()))
}

/// What a run of git printed and how it ended.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) ok: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs git in `mirror` with the given arguments.
pub(super) async fn run(
    mirror: &Path,
    authorization: Option<&SecretString>,
    arguments: &[String],
    what: &str,
) -> Result<Run, GitError> {
    let transfer = |words: String| GitError::Transfer { what: what.to_owned(), words };
    #[expect(clippy::disallowed_methods, reason = "this is the wrapper around git")]
    let mut command = Command::new(program());
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_DIR", mirror)
        .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "protocol.ext.allow=never"])
        .args(["-c", "credential.helper=", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(value) = authorization {
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: {}", value.expose_secret()));
    }
    STARTED.fetch_add(1, Ordering::Relaxed);
    metrics::counter!("hydromote_git_processes_total").increment(1);
    let output = tokio::time::timeout(TRANSFER_LIMIT, command.output())
        .await
        .map_err(|_| transfer(format!("it took longer than {} s", TRANSFER_LIMIT.as_secs())))?
        .map_err(|error| transfer(format!("the `git` program could not be started ({})", error.kind())))?;
    let mut stderr = words(&String::from_utf8_lossy(&output.stderr));
    if stderr.is_empty() && !output.status.success() {
        // A signal leaves no words; one of them is that a file became too large.
        stderr = format!("`git` ended with {}", output.status);
    }
    Ok(Run { ok: output.status.success(), stdout: String::from_utf8_lossy(&output.stdout).into_owned(), stderr })
}

/// Returns git's words without addresses, which may hold credentials or name internal hosts.
fn words(stderr: &str) -> String {
    let cleaned: Vec<String> = stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            line.split(' ').map(|w| if w.contains("://") { "<address>" } else { w }).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let mut text = cleaned.join("; ");
    if text.len() > WORDS_LIMIT {
        let cut = (0..=WORDS_LIMIT).rev().find(|i| text.is_char_boundary(*i)).unwrap_or_default();
        text.truncate(cut);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hold_no_addresses() {
        assert_eq!(
            words("fatal: unable to access 'http://x:secret@host/a.git/': refused\n\n"),
            "fatal: unable to access <address> refused"
        );
    }
}
