//! What an environment branch holds, and how that differs from what it should hold.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Oid, Repository};
use serde::Serialize;

use super::renderer::{Failure, Rendering};
use crate::{
    domain::ids::{DrySha, RenderingId, RootName, StrategyName},
    git::{
        batch::Entry,
        metadata::{self, BranchMetadata, OutputMetadata},
        tree::{self, Owned},
    },
};

/// What an environment branch holds.
#[derive(Debug, Clone)]
pub struct BranchContent {
    /// The metadata at its root.
    pub metadata: Option<BranchMetadata>,
    /// Hydromote's files.
    pub owned: Owned,
    /// The dry SHA in the metadata of each output.
    pub dry_shas: BTreeMap<RootName, DrySha>,
    /// The files of other people.
    pub foreign: Vec<String>,
}

/// What the metadata of an output says that it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The strategy.
    pub strategy: StrategyName,
    /// The last dry SHA that changed it, where it names one.
    pub dry: Option<DrySha>,
}

/// One output folder.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputComparison {
    /// The output folder.
    output: String,
    /// `equal`, `differs` (see `files`), `missing` on the branch, `unexpected` there, `failed`: it could not be
    /// rendered again (see `reason`), or `unverifiable`: what it claims is not to be had (see `reason`).
    state: OutputState,
    /// The strategy that it is of, by its own metadata.
    strategy: Option<StrategyName>,
    /// The last dry SHA that changed it, by its own metadata.
    dry_sha: Option<DrySha>,
    /// The files that differ.
    files: Vec<FileComparison>,
    /// Why it could not be rendered.
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum OutputState {
    Equal,
    Differs,
    Missing,
    Unexpected,
    Failed,
    Unverifiable,
}

/// One file of an output that differs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileComparison {
    /// The file, from the branch's root.
    path: String,
    /// `changed`, `missing` on the branch, or `unexpected` there.
    state: &'static str,
}

impl BranchContent {
    /// Reads the tree of a commit.
    pub fn read(repository: &Repository, commit: Oid) -> anyhow::Result<Self> {
        let id = repository.find_commit(commit)?.tree_id();
        let owned = tree::owned(repository, id)?;
        let all = tree::files(repository, id)?;
        let read = |path: &str| {
            let blob = repository.find_blob(all.get(path)?.id).ok()?;
            Some(blob.content().to_vec())
        };
        let metadata = read(metadata::FILE_NAME).and_then(|bytes| BranchMetadata::parse(&bytes));
        let mut dry_shas = BTreeMap::new();
        for root in owned.files.keys() {
            let parsed = read(&format!("{root}/{}", metadata::FILE_NAME)).and_then(|b| OutputMetadata::parse(&b));
            if let Some(dry) = parsed.and_then(|parsed| DrySha::new(parsed.dry_sha).ok()) {
                dry_shas.insert(root.clone(), dry);
            }
        }
        let ours = owned.paths();
        let is_ours = |path: &str| ours.contains(path) || (path == metadata::FILE_NAME && metadata.is_some());
        let foreign = all.keys().filter(|path| !is_ours(path)).cloned().collect();
        Ok(Self { metadata, owned, dry_shas, foreign })
    }

    /// Returns the outputs by what their own metadata claims.
    pub fn claims(&self) -> BTreeMap<Claim, BTreeSet<RootName>> {
        let mut claims: BTreeMap<Claim, BTreeSet<RootName>> = BTreeMap::new();
        for (root, strategy) in &self.owned.strategies {
            let claim = Claim { strategy: strategy.clone(), dry: self.dry_shas.get(root).cloned() };
            claims.entry(claim).or_default().insert(root.clone());
        }
        claims
    }

    /// Returns the part of it in these roots.
    pub fn only(&self, is_in: impl Fn(&RootName) -> bool) -> Self {
        Self { owned: self.owned.only(is_in), ..self.clone() }
    }

    /// Returns the roots that failed, may keep what they have and are on the branch, each with the
    /// dry SHA that it claims by itself.
    pub fn kept(&self, failures: &[Failure]) -> Vec<(RootName, DrySha)> {
        let kept = failures.iter().filter(|failure| failure.keeps_last);
        let roots = kept.filter_map(|failure| RootName::new(failure.output.clone()?).ok());
        roots.filter_map(|root| Some((root.clone(), self.dry_shas.get(&root)?.clone()))).collect()
    }
}

/// Compares a branch with what it should hold, output by output.
pub fn compare(
    repository: &Repository,
    branch: &BranchContent,
    expected: &Rendering,
) -> anyhow::Result<Vec<OutputComparison>> {
    let roots: BTreeSet<&RootName> =
        branch.owned.content.iter().chain(expected.content.iter()).map(|(r, _)| r).collect();
    let failure = |root: &RootName| expected.failures.iter().find(|f| f.output.as_deref() == Some(root.as_str()));
    let mut outputs = Vec::new();
    for root in roots {
        let (there, wanted) = (branch.owned.content.get(root), expected.content.get(root));
        let state = match (there, wanted) {
            (Some(there), Some(wanted)) if there == wanted => OutputState::Equal,
            (Some(_), Some(_)) => OutputState::Differs,
            (None, _) => OutputState::Missing,
            (Some(_), None) if failure(root).is_some() => OutputState::Failed,
            (Some(_), None) => OutputState::Unexpected,
        };
        let files = match state {
            OutputState::Differs => files(repository, branch, root, wanted)?,
            _ => Vec::new(),
        };
        outputs.push(OutputComparison {
            output: root.to_string(),
            state,
            strategy: branch.owned.strategies.get(root).cloned(),
            dry_sha: branch.owned.content.get(root).and(branch.dry_shas.get(root)).cloned(),
            files,
            reason: failure(root).map(|failure| failure.message.clone()),
        });
    }
    let is_listed = |failure: &Failure| outputs.iter().any(|o| failure.output.as_deref() == Some(o.output.as_str()));
    // A root that fails, stays out and is not on the branch is as it should be.
    let absent = expected.failures.iter().filter(|failure| !failure.keeps_last && !is_listed(failure));
    let failed: Vec<OutputComparison> = absent.map(OutputComparison::failed).collect();
    outputs.extend(failed);
    Ok(outputs)
}

fn files(
    repository: &Repository,
    branch: &BranchContent,
    root: &RootName,
    wanted: Option<&RenderingId>,
) -> anyhow::Result<Vec<FileComparison>> {
    let Some(wanted) = wanted else { return Ok(Vec::new()) };
    let wanted = tree::files(repository, Oid::from_str(wanted.as_str())?)?;
    let wanted: BTreeMap<String, Entry> = wanted.into_iter().map(|(p, entry)| (format!("{root}/{p}"), entry)).collect();
    let names_dry = |path: &str| metadata::names_the_dry_sha(path.trim_start_matches(&format!("{root}/")));
    let empty = BTreeMap::new();
    let there = branch.owned.files.get(root).unwrap_or(&empty);
    let paths: BTreeSet<&String> = there.keys().chain(wanted.keys()).filter(|path| !names_dry(path)).collect();
    let compare = |path: &String| {
        let state = match (there.get(path), wanted.get(path)) {
            (Some(there), Some(wanted)) if there == wanted => return None,
            (Some(_), Some(_)) => "changed",
            (None, _) => "missing",
            (_, None) => "unexpected",
        };
        Some(FileComparison { path: path.clone(), state })
    };
    Ok(paths.into_iter().filter_map(compare).collect())
}

impl OutputComparison {
    fn failed(failure: &Failure) -> Self {
        Self {
            output: failure.output.clone().unwrap_or_default(),
            state: OutputState::Failed,
            strategy: None,
            dry_sha: None,
            files: Vec::new(),
            reason: Some(failure.message.clone()),
        }
    }

    /// Returns an output that claims what cannot be rendered again, and why.
    pub fn unverifiable(root: &RootName, claim: &Claim, reason: &str) -> Self {
        Self {
            output: root.to_string(),
            state: OutputState::Unverifiable,
            strategy: Some(claim.strategy.clone()),
            dry_sha: claim.dry.clone(),
            files: Vec::new(),
            reason: Some(reason.to_owned()),
        }
    }

    /// Returns the output folder.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// Says whether nobody can say what it should be.
    pub fn is_unverifiable(&self) -> bool {
        self.state == OutputState::Unverifiable
    }

    /// Says whether the branch holds what it should here.
    pub fn is_in_order(&self) -> bool {
        self.state == OutputState::Equal
    }

    /// Returns a line about it, and one for each file that differs.
    pub fn text(&self) -> String {
        let word = match self.state {
            OutputState::Equal => "equal",
            OutputState::Differs => "differs",
            OutputState::Missing => "missing on the branch",
            OutputState::Unexpected => "unexpected on the branch",
            OutputState::Failed => "could not be rendered again",
            OutputState::Unverifiable => "could not be verified",
        };
        let claim = match (&self.strategy, &self.dry_sha) {
            (Some(strategy), Some(dry)) => format!(", of {strategy} at {}", dry.short()),
            (Some(strategy), None) => format!(", of {strategy}"),
            (None, _) => String::new(),
        };
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let mut text = format!("  {}: {word}{claim}{reason}\n", self.output);
        for file in &self.files {
            text += &format!("    {} {}\n", file.state, file.path);
        }
        text
    }
}
