//! The files beside rendered manifests that name the dry SHA, in the layout of Argo CD's source
//! hydrator (`hydrator.metadata` at the branch's root and in each output, and a README), so that
//! Argo CD and gitops-promoter can read an environment branch.
//!
//! What is ours alone stands under the key `hydromote`; other readers ignore it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{EnvironmentName, LaneName, StrategyName};

/// The name of a metadata file.
pub const FILE_NAME: &str = "hydrator.metadata";
/// The name of an output's README.
pub const README: &str = "README.md";

/// Says whether a file of an output names the dry SHA and so is no part of the rendering.
pub fn names_the_dry_sha(path: &str) -> bool {
    path == FILE_NAME || path == README
}

/// `hydrator.metadata` of one output: the last dry SHA that changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputMetadata {
    /// What rendered it, reproducible in a checkout of the dry SHA.
    #[serde(default)]
    pub commands: Vec<String>,
    /// The dry SHA.
    pub dry_sha: String,
    /// The dry repository.
    #[serde(rename = "repoURL", default)]
    pub repo_url: String,
    /// Our own part.
    pub hydromote: OutputOwnership,
}

/// Which files of an output are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputOwnership {
    /// The strategy that it is of: several may share a branch.
    pub strategy: StrategyName,
    /// The owned files, relative to the output folder, sorted.
    pub files: Vec<String>,
    /// Name and version of the renderer.
    pub renderer: String,
    /// The labels of the root.
    pub labels: BTreeMap<String, String>,
}

impl OutputMetadata {
    /// Reads the metadata of an output of ours; another tool's is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Returns the owned files whose paths stay in the output folder.
    pub fn files(&self) -> Vec<&str> {
        let inside = |path: &&str| path.split('/').all(|s| !s.is_empty() && s != "." && s != "..");
        self.hydromote.files.iter().map(String::as_str).filter(inside).collect()
    }

    /// Returns the file's text.
    pub fn render(&self) -> Vec<u8> {
        to_json(self)
    }
}

/// `hydrator.metadata` at the root of the branch: the last dry SHA that changed anything on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BranchMetadata {
    /// The dry repository.
    #[serde(rename = "repoURL", default)]
    pub repo_url: String,
    /// The dry SHA.
    pub dry_sha: String,
    /// `"Name" <mail>` of the dry commit's author.
    #[serde(default)]
    pub author: String,
    /// When the dry commit was authored, RFC 3339.
    #[serde(default)]
    pub date: String,
    /// The dry commit's subject.
    #[serde(default)]
    pub subject: String,
    /// The rest of its message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Our own part.
    pub hydromote: Origin,
}

/// Which place a branch or a commit belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The strategy.
    pub strategy: StrategyName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The lane.
    pub lane: LaneName,
}

impl BranchMetadata {
    /// Reads the metadata of a branch of ours; another tool's is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Returns the file's text.
    pub fn render(&self) -> Vec<u8> {
        to_json(self)
    }
}

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("because these types have text keys only");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_files_never_leave_the_output_folder() {
        let parsed = OutputMetadata::parse(
            br#"{"drySha":"a","hydromote":{"strategy":"shop","files":["a.yaml","../x","/etc/y","a//b"],"renderer":"","labels":{}}}"#,
        );
        assert_eq!(parsed.expect("is ours").files(), ["a.yaml"]);
    }
}
