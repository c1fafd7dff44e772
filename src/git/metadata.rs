//! The files beside rendered manifests that name the dry SHA, in the layout of Argo CD's source
//! hydrator (`hydrator.metadata` at the branch's root and in each output, and a README), so that
//! Argo CD and gitops-promoter can read an environment branch.
//!
//! What is ours alone stands under the key `hydromote`; other readers ignore it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::{DrySha, EnvironmentName, LaneName, RootName, StrategyName},
    rollback::{Restored, Rollback, Trigger},
};

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

/// The trailers by which a commit of ours is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailers {
    /// The dry SHA.
    pub dry: DrySha,
    /// Where it belongs.
    pub origin: Origin,
    /// On the commit of a rollback: what it left, and why.
    pub restored: Option<Restored>,
}

const DRY_SHA: &str = "Hydromote-Dry-Sha";
const STRATEGY: &str = "Hydromote-Strategy";
const ENVIRONMENT: &str = "Hydromote-Environment";
const LANE: &str = "Hydromote-Lane";
const FROM: &str = "Hydromote-Rollback-From";
const TRIGGER: &str = "Hydromote-Rollback-Trigger";
const BY: &str = "Hydromote-Rollback-By";
const ROOTS: &str = "Hydromote-Rollback-Roots";

impl Trailers {
    /// Makes the trailers of a promotion.
    pub fn of_promotion(dry: DrySha, origin: Origin) -> Self {
        Self { dry, origin, restored: None }
    }

    /// Makes the trailers of a rollback.
    pub fn of_rollback(rollback: &Rollback, origin: Origin) -> Self {
        let restored = Restored {
            from: rollback.bad.clone(),
            roots: rollback.roots.clone(),
            trigger: rollback.trigger,
            by: rollback.by.clone(),
            released: false,
        };
        Self { dry: rollback.target.dry.clone(), origin, restored: Some(restored) }
    }

    /// Returns the trailer lines, to stand as the last paragraph of a message.
    pub fn render(&self) -> String {
        let mut lines = format!(
            "{DRY_SHA}: {}\n{STRATEGY}: {}\n{ENVIRONMENT}: {}\n{LANE}: {}\n",
            self.dry, self.origin.strategy, self.origin.environment, self.origin.lane
        );
        if let Some(restored) = &self.restored {
            let by = restored.by.split_whitespace().collect::<Vec<_>>().join(" ");
            lines += &format!("{FROM}: {}\n{TRIGGER}: {}\n{BY}: {by}\n", restored.from, restored.trigger.word());
            for root in &restored.roots {
                lines += &format!("{ROOTS}: {root}\n");
            }
        }
        lines
    }

    /// Reads the trailers from the last paragraph of a message.
    pub fn parse(message: &str) -> Option<Self> {
        let last = message.trim_end().rsplit("\n\n").next()?;
        let value = |key: &str| last.lines().rev().find_map(|l| l.strip_prefix(key)?.strip_prefix(": ")).map(str::trim);
        Some(Self {
            dry: DrySha::new(value(DRY_SHA)?).ok()?,
            origin: Origin {
                strategy: StrategyName::new(value(STRATEGY)?).ok()?,
                environment: EnvironmentName::new(value(ENVIRONMENT)?).ok()?,
                lane: LaneName::new(value(LANE)?).ok()?,
            },
            restored: value(FROM).and_then(|from| DrySha::new(from).ok()).map(|from| Restored {
                from,
                roots: last
                    .lines()
                    .filter_map(|line| RootName::new(line.strip_prefix(ROOTS)?.strip_prefix(": ")?.trim()).ok())
                    .collect(),
                trigger: match value(TRIGGER) {
                    Some(word) if word == Trigger::Automatic.word() => Trigger::Automatic,
                    _ => Trigger::Person,
                },
                by: value(BY).unwrap_or_default().to_owned(),
                released: false,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_read_back_from_the_end_of_a_message() {
        let trailers = Trailers {
            dry: DrySha::new("dry-1").expect("a word"),
            origin: Origin {
                strategy: StrategyName::new("shop").expect("a name"),
                environment: EnvironmentName::new("dev").expect("a name"),
                lane: LaneName::single(),
            },
            restored: Some(Restored {
                from: DrySha::new("dry-2").expect("a word"),
                roots: [RootName::new("shop").expect("a folder"), RootName::new("web/api").expect("a folder")].into(),
                trigger: Trigger::Automatic,
                by: "Hydromote".into(),
                released: false,
            }),
        };
        let message = format!("Promote\n\nHydromote-Dry-Sha: forged\n\n{}", trailers.render());
        assert_eq!(Trailers::parse(&message), Some(trailers));
        assert_eq!(Trailers::parse("Promote\n\nHydromote-Dry-Sha: dry-1"), None);
    }

    #[test]
    fn listed_files_never_leave_the_output_folder() {
        let parsed = OutputMetadata::parse(
            br#"{"drySha":"a","hydromote":{"files":["a.yaml","../x","/etc/y","a//b"],"renderer":"","labels":{}}}"#,
        );
        assert_eq!(parsed.expect("is ours").files(), ["a.yaml"]);
    }
}
