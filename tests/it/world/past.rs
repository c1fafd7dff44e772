//! What happened, as git, the API, the command line and the forge tell it.

use std::collections::BTreeMap;

use hydromote::local_forge::Repository;
use serde_json::Value;
use tokio::process::Command;

use super::{Fallible, REPOSITORY, World};
use crate::program;

/// The trailers of a commit: each key with its values in order.
pub(crate) type Trailers = BTreeMap<String, Vec<String>>;

impl World {
    /// Returns the history as the API tells it.
    pub(crate) async fn history(&self) -> Fallible<Value> {
        self.api(&format!("/strategies/{REPOSITORY}/shop/history?limit=1000")).await
    }

    /// Returns what the API tells at a path.
    pub(crate) async fn api(&self, path: &str) -> Fallible<Value> {
        let url = format!("http://{}/api/v1{path}", self.service()?.address);
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(client.get(url).send().await?.error_for_status()?.json().await?)
    }

    /// Returns the history as the command prints it.
    pub(crate) async fn printed_history(&self, output: &str) -> Fallible<String> {
        let server = format!("http://{}", self.service()?.address);
        program::run(self.dir.path(), &["history", "--server", &server, "--output", output]).await
    }

    /// Returns the trailers of a commit, as git reads them.
    pub(crate) async fn trailers(&self, sha: &str) -> Fallible<Trailers> {
        #[expect(clippy::disallowed_methods, reason = "git itself says what a trailer is")]
        let mut git = Command::new("git");
        git.arg("--git-dir").arg(self.home().git_dir(self.home_name())?);
        git.args(["log", "-1", "--format=%(trailers:only,unfold)", sha]);
        let output = git.output().await?;
        let mut trailers = Trailers::new();
        for line in String::from_utf8(output.stdout)?.lines().filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once(": ").ok_or_else(|| format!("no trailer: {line}"))?;
            trailers.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        Ok(trailers)
    }

    /// Returns the message of a commit.
    pub(crate) fn message(&self, sha: &str) -> Fallible<String> {
        Ok(self.git()?.find_commit(git2::Oid::from_str(sha)?)?.message().unwrap_or_default().to_owned())
    }

    /// Returns the tree of a commit.
    pub(crate) fn tree(&self, sha: &str) -> Fallible<String> {
        Ok(self.git()?.find_commit(git2::Oid::from_str(sha)?)?.tree_id().to_string())
    }

    /// Writes subjects for dry SHAs, and words for what differs from run to run.
    pub(crate) fn told_in_words(&self, text: &str) -> String {
        self.in_words(text)
    }

    /// Returns the repository as it is on the forge.
    pub(crate) async fn on_forge(&self) -> Fallible<Repository> {
        self.home().repository(self.home_name()).await
    }
}
