//! Runs the `git` program for transfers: fetch, push, and the lists that `listing` does not get.
//!
//! The environment is cleared, prompts are off, configuration of the machine is not read, and
//! credentials travel in the environment only. Each run has a time limit; it is killed with it, and with it what it
//! started itself.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret, SecretString};
use tokio::process::Command;

use super::{GitError, mirror::Remote};
use crate::{
    network::{Network, TRUST},
    secret::RENEW,
};

/// The longest that one transfer may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(120);

/// The longest that work within a mirror may take.
const LOCAL_LIMIT: Duration = Duration::from_secs(600);

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

/// Where a transfer goes, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach<'a> {
    pub(super) remote: &'a Remote,
    pub(super) network: &'a Network,
}

impl Reach<'_> {
    /// Returns what git has to be told; some of it is secret.
    fn configuration(self) -> Vec<(&'static str, SecretString)> {
        let mut configuration = self.network.git_configuration(&self.remote.url);
        if let Some(value) = &self.remote.authorization {
            configuration.push(("http.extraHeader", format!("Authorization: {}", value.expose_secret()).into()));
        }
        configuration
    }
}

/// Runs git in `mirror` with the given arguments.
pub(super) async fn run(
    mirror: &Path,
    reach: Option<Reach<'_>>,
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
        // A fetch that comes to no end leaves no objects behind whose parts are missing.
        .args(["-c", "transfer.unpackLimit=1"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let configuration = reach.map(Reach::configuration).unwrap_or_default();
    command.env("GIT_CONFIG_COUNT", configuration.len().to_string());
    for (number, (key, value)) in configuration.iter().enumerate() {
        command
            .env(format!("GIT_CONFIG_KEY_{number}"), key)
            .env(format!("GIT_CONFIG_VALUE_{number}"), value.expose_secret());
    }
    STARTED.fetch_add(1, Ordering::Relaxed);
    metrics::counter!("hydromote_git_processes_total").increment(1);
    let limit = if reach.is_some() { TRANSFER_LIMIT } else { LOCAL_LIMIT };
    let not_run =
        |error: std::io::Error| transfer(format!("the `git` program could not be started ({})", error.kind()));
    let child = command.spawn().map_err(not_run)?;
    let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let late = |_| GitError::TooSlow { what: what.to_owned(), limit };
    let output = tokio::time::timeout(limit, child.wait_with_output()).await.map_err(late)?.map_err(not_run)?;
    group.has_ended();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let untrusted = reach.and_then(|reach| untrusted(&stderr, &reach.remote.url));
    let mut stderr = untrusted.or_else(|| refused(&stderr)).unwrap_or_else(|| words(&stderr));
    if stderr.is_empty() && !output.status.success() {
        // A signal leaves no words; one of them is that a file became too large.
        stderr = format!("`git` ended with {}", output.status);
    }
    Ok(Run { ok: output.status.success(), stdout: String::from_utf8_lossy(&output.stdout).into_owned(), stderr })
}

/// A git and what it started, by the process group that they are in; they are killed when nobody waits for them any more.
struct Group(Option<Pid>);

impl Group {
    /// Notes that it has ended: by now the number may be another's.
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // They may have ended meanwhile.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Says what to do about a certificate that git refuses; its own words name files of the machine.
fn untrusted(stderr: &str, url: &str) -> Option<String> {
    // The words of both libraries that git is built with.
    let is_about_it = ["certificate verification failed", "SSL certificate problem", "certificate subject name"]
        .iter()
        .any(|words| stderr.contains(words));
    let host = url::Url::parse(url).ok()?.host_str()?.to_owned();
    is_about_it.then(|| format!("the certificate of `{host}` is not trusted: {TRUST}"))
}

/// Says what to do about credentials that are refused; git's own words are about a prompt.
fn refused(stderr: &str) -> Option<String> {
    let is_about_it = ["Authentication failed for", "could not read Username for", "could not read Password for"]
        .iter()
        .any(|words| stderr.contains(words));
    is_about_it.then(|| format!("the forge refused the credentials; {RENEW}"))
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
    fn a_certificate_that_is_refused_is_told_without_files() {
        let url = "https://git.example.com/acme/shop.git";
        let told = |words: &str| untrusted(&format!("fatal: unable to access '{url}/': {words}"), url);
        let expected = Some(format!("the certificate of `git.example.com` is not trusted: {TRUST}"));
        assert_eq!(told("server certificate verification failed. CAfile: /secret/ca.pem CRLfile: none"), expected);
        assert_eq!(told("SSL certificate problem: unable to get local issuer certificate"), expected);
        assert_eq!(told("Could not resolve host: git.example.com"), None);
    }

    #[test]
    fn credentials_that_are_refused_are_told_with_what_to_do() {
        let prompt = "fatal: could not read Username for 'https://git.example.com': terminal prompts disabled";
        assert_eq!(refused(prompt), Some(format!("the forge refused the credentials; {RENEW}")));
        assert!(refused("fatal: Authentication failed for 'https://git.example.com/a.git/'").is_some());
        assert_eq!(refused("fatal: unable to access 'https://git.example.com/': Failed to connect"), None);
    }

    #[test]
    fn words_hold_no_addresses() {
        assert_eq!(
            words("fatal: unable to access 'http://x:secret@host/a.git/': refused\n\n"),
            "fatal: unable to access <address> refused"
        );
    }
}
