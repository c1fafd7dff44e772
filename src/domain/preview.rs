//! What a dry pull request would change once it is merged: in which environments, and what may hurt first.
//!
//! - A preview tells; it decides nothing. No gate asks for one, and what it rendered is never promoted
//!   from here.
//! - It is bounded: what is beyond the limits is counted and not named.

mod risk;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

pub use self::risk::Risk;
use super::{
    content::Content,
    hydration::HydrationFailure,
    ids::{DrySha, EnvironmentName, HeadSha, RenderingId, RootName, StrategyName},
    status::StatusState,
    strategy::nearest::list,
};

/// The most resources that are named.
const NAMED_LIMIT: usize = 50;

/// How many bytes of differences are kept, the riskiest first.
const DIFFERENCE_LIMIT: usize = 20_000;

/// The most bytes of one resource's difference.
const ONE_DIFFERENCE_LIMIT: usize = 4_000;

/// The most paths in conflict that are named in one sentence.
const PATHS_NAMED: usize = 3;

/// What a dry pull request would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The head that was rendered.
    pub head: HeadSha,
    /// The newest dry commit, onto which it was merged and with which it is compared.
    pub dry: DrySha,
    /// The strategy files as they would be after the merge, when it changes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy_files: Option<Vec<StrategyText>>,
    /// What came of it.
    pub outcome: Previewed,
}

/// A strategy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyText {
    /// Its path.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What came of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Previewed {
    /// It does not merge, so there is nothing to render.
    Conflict {
        /// What both sides changed, in the order of the tree; empty when the histories share no commit.
        paths: Vec<String>,
    },
    /// Nothing could be rendered for a reason that says nothing about the pull request.
    Unavailable {
        /// Why, for people.
        message: String,
    },
    /// Each environment was rendered, or tried.
    Rendered {
        /// Every environment of every strategy on the branch.
        environments: Vec<PreviewedEnvironment>,
        /// The resources that change, what may hurt first.
        resources: Vec<ChangedResource>,
        /// How many more there are.
        more: usize,
    },
}

/// One environment of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewedEnvironment {
    /// Its strategy.
    pub strategy: StrategyName,
    /// The environment.
    pub environment: EnvironmentName,
    /// What it would be.
    pub result: EnvironmentResult,
}

/// What an environment would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum EnvironmentResult {
    /// It was rendered and compared.
    Changes {
        /// How many resources change, and how.
        counts: Counts,
        /// What the roots that change would be; none for those that go.
        roots: ChangedRoots,
        /// Roots that do not render and keep what they have, with the reason.
        kept: BTreeMap<RootName, String>,
        /// Those of them that render without the pull request.
        broken: BTreeSet<RootName>,
        /// Roots that change and are too large to be compared.
        uncompared: BTreeSet<RootName>,
    },
    /// It renders, and the dry branch as it is does not: there is nothing to compare with.
    Mended {
        /// What its roots would be.
        roots: ChangedRoots,
    },
    /// It does not render.
    Failed {
        /// Why.
        failure: HydrationFailure,
    },
    /// The pull request takes the environment out of the strategy.
    Gone,
}

/// The renderings of roots that change; none where the root goes.
pub type ChangedRoots = BTreeMap<RootName, Option<RenderingId>>;

/// How many resources change, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Gone.
    pub removed: usize,
    /// With another text.
    pub changed: usize,
    /// New.
    pub added: usize,
}

/// What happens to a resource; what may hurt most comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceChange {
    /// It is gone.
    Removed,
    /// It has another text.
    Changed,
    /// It is new.
    Added,
}

/// A resource as manifests name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty when the manifest names none.
    pub namespace: String,
    /// The name; empty when the manifest names none.
    pub name: String,
}

/// How much of a difference is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// All of it.
    Whole,
    /// Its beginning, or nothing.
    Cut,
    /// Nothing, since it is a Secret.
    Secret,
}

/// What happens to one resource in one environment, as it was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedResource {
    /// The resource.
    pub resource: Resource,
    /// What happens to it.
    pub change: ResourceChange,
    /// A unified diff.
    pub difference: String,
    /// How much of it that is.
    pub extent: Extent,
}

/// What happens to a resource, in every environment where the very same happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedResource {
    /// The resource.
    pub resource: Resource,
    /// What happens to it.
    pub change: ResourceChange,
    /// Why somebody should look at it, beyond that it changes.
    pub risk: Option<Risk>,
    /// Where, in the order of the strategies.
    pub environments: Vec<String>,
    /// A unified diff.
    pub difference: String,
    /// How much of it that is.
    pub extent: Extent,
}

/// One line for a commit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Whether it renders.
    pub state: StatusState,
    /// What changes, or why it does not render.
    pub words: String,
}

impl Preview {
    /// Returns the preview in one line.
    pub fn summary(&self) -> Summary {
        let (state, words) = match &self.outcome {
            Previewed::Conflict { .. } => (StatusState::Failure, self.conflict().unwrap_or_default()),
            Previewed::Unavailable { message } => (StatusState::Error, message.clone()),
            Previewed::Rendered { environments, .. } => summary_of(environments),
        };
        Summary { state, words }
    }

    /// Says with what it conflicts, when it does.
    pub fn conflict(&self) -> Option<String> {
        let Previewed::Conflict { paths } = &self.outcome else { return None };
        let short = self.dry.short();
        if paths.is_empty() {
            return Some(format!("it shares no commit with {short}"));
        }
        let named: Vec<&str> = paths.iter().take(PATHS_NAMED).map(String::as_str).collect();
        let named = match paths.len() - named.len() {
            0 => list(&named, "and"),
            more => format!("`{}` and {more} more", named.join("`, `")),
        };
        Some(format!("it conflicts with {short} in {named}"))
    }

    /// Says whether an environment that holds this holds what the pull request was to bring there; nothing
    /// where it was to bring nothing, or nobody knew what.
    pub fn foretold(&self, strategy: &StrategyName, environment: &EnvironmentName, holds: &Content) -> Option<bool> {
        let Previewed::Rendered { environments, .. } = &self.outcome else { return None };
        let found = environments.iter().find(|one| one.strategy == *strategy && one.environment == *environment)?;
        let roots = match &found.result {
            EnvironmentResult::Changes { roots, .. } | EnvironmentResult::Mended { roots } => roots,
            EnvironmentResult::Failed { .. } | EnvironmentResult::Gone => return None,
        };
        (!roots.is_empty()).then(|| roots.iter().all(|(root, rendering)| holds.get(root) == rendering.as_ref()))
    }
}

/// Returns what the roots that differ between two contents are in the newer one.
pub fn changed_roots(before: &Content, after: &Content) -> ChangedRoots {
    before.differing(after).into_iter().map(|root| (root.clone(), after.get(root).cloned())).collect()
}

/// Sums environments up: those that do not render, else what changes.
fn summary_of(environments: &[PreviewedEnvironment]) -> (StatusState, String) {
    let failures: Vec<_> = environments
        .iter()
        .filter_map(|one| match &one.result {
            EnvironmentResult::Failed { failure } => Some((one, failure)),
            _ => None,
        })
        .collect();
    // A mistake of the author can be mended by the author; it is told before what cannot.
    let mistake = failures.iter().find(|(_, failure)| failure.retry_at.is_none());
    if let Some((one, failure)) = mistake.or(failures.first()) {
        let state = if failure.retry_at.is_none() { StatusState::Failure } else { StatusState::Error };
        return (state, format!("{}: {failure}", label(one, environments)));
    }
    let broken = environments.iter().find_map(|one| match &one.result {
        EnvironmentResult::Changes { broken, kept, .. } => broken.first().map(|root| (one, root, kept.get(root))),
        _ => None,
    });
    if let Some((one, root, why)) = broken {
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let words = format!("{}: `{root}` would keep what it has{why}", label(one, environments));
        return (StatusState::Failure, words);
    }
    let changing: Vec<String> = environments
        .iter()
        .filter_map(|one| Some(format!("{}: {}", label(one, environments), one.result.changes()?)))
        .collect();
    let words = if changing.is_empty() { "changes nothing that is rendered".to_owned() } else { changing.join("; ") };
    (StatusState::Success, words)
}

/// Returns what an environment is called: with its strategy when there are several.
pub fn label(one: &PreviewedEnvironment, among: &[PreviewedEnvironment]) -> String {
    if among.iter().all(|other| other.strategy == one.strategy) {
        one.environment.to_string()
    } else {
        format!("{}/{}", one.strategy, one.environment)
    }
}

impl EnvironmentResult {
    /// Says what changes; nothing when nothing does.
    fn changes(&self) -> Option<String> {
        match self {
            Self::Changes { counts, uncompared, .. } => {
                (*counts != Counts::default() || !uncompared.is_empty()).then(|| self.to_string())
            }
            other => Some(other.to_string()),
        }
    }
}

impl fmt::Display for EnvironmentResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changes { counts, uncompared, .. } if uncompared.is_empty() => write!(f, "{counts}"),
            Self::Changes { counts, uncompared, .. } => {
                if *counts != Counts::default() {
                    write!(f, "{counts}; ")?;
                }
                let first = uncompared.first().map(ToString::to_string).unwrap_or_default();
                match uncompared.len() {
                    1 => write!(f, "`{first}` changes and is too large to be compared"),
                    many => write!(f, "`{first}` and {} more change and are too large to be compared", many - 1),
                }
            }
            Self::Mended { .. } => f.write_str("renders, which it does not without it"),
            Self::Failed { .. } => f.write_str("does not render"),
            Self::Gone => f.write_str("is no longer in the strategy"),
        }
    }
}

impl Counts {
    /// Counts one more.
    pub fn count(&mut self, change: ResourceChange) {
        *match change {
            ResourceChange::Removed => &mut self.removed,
            ResourceChange::Changed => &mut self.changed,
            ResourceChange::Added => &mut self.added,
        } += 1;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [(self.removed, "removed"), (self.changed, "changed"), (self.added, "added")];
        let told: Vec<String> =
            all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        f.write_str(if told.is_empty() { "nothing" } else { "" })?;
        f.write_str(&told.join(", "))
    }
}

impl ResourceChange {
    /// Returns the word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Added => "added",
        }
    }
}

impl Resource {
    /// Returns it with other words.
    fn with(&self, other: impl Fn(&str) -> String) -> Self {
        let (group, kind) = (self.group.clone(), self.kind.clone());
        Self { group, kind, namespace: other(&self.namespace), name: other(&self.name) }
    }
}

impl fmt::Display for Resource {
    /// Writes `group/Kind namespace/name`, without what is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: &str| if text.is_empty() { String::new() } else { format!("{text}/") };
        write!(f, "{}{} {}{}", part(&self.group), self.kind, part(&self.namespace), self.name)
    }
}

/// What happens in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedEnvironment {
    /// What it is called in lists.
    pub label: String,
    /// Its name, as it may stand in manifests.
    pub name: EnvironmentName,
    /// The resources that change.
    pub resources: Vec<ComparedResource>,
}

/// Folds what happens in each environment into one list, what may hurt first; returns how many more
/// there are than the list may name.
///
/// What differs only by the environment's name, as namespaces often do, is the same.
pub fn fold(environments: Vec<ComparedEnvironment>) -> (Vec<ChangedResource>, usize) {
    let mut folded: Vec<ChangedResource> = Vec::new();
    let mut known: BTreeMap<(Resource, ResourceChange, String), usize> = BTreeMap::new();
    for ComparedEnvironment { label, name, resources } in environments {
        for ComparedResource { resource, change, difference, extent } in resources {
            let any = resource.with(|text| anonymous(text, &name));
            let key = (any, change, difference.split_inclusive('\n').map(|line| anonymous_line(line, &name)).collect());
            // What is cut may go on differently.
            match known.get(&key).filter(|_| extent != Extent::Cut) {
                Some(same) => {
                    let same = &mut folded[*same];
                    same.environments.push(label.clone());
                    if (&same.resource, &same.difference) != (&resource, &difference) {
                        (same.resource, same.difference) = (key.0, key.2);
                    }
                }
                None => {
                    known.insert(key, folded.len());
                    let (risk, environments) = (Risk::of(&resource), vec![label.clone()]);
                    folded.push(ChangedResource { resource, change, risk, environments, difference, extent });
                }
            }
        }
    }
    folded.sort_by(|a, b| order(a).cmp(&order(b)));
    let more = folded.len().saturating_sub(NAMED_LIMIT);
    folded.truncate(NAMED_LIMIT);
    bound(&mut folded);
    (folded, more)
}

/// Returns a line of a difference with `{environment}` where the environment's name stands.
fn anonymous_line(line: &str, name: &EnvironmentName) -> String {
    // An environment may be called `dev`.
    if matches!(line.trim_end(), "--- /dev/null" | "+++ /dev/null") { line.to_owned() } else { anonymous(line, name) }
}

/// Returns text with `{environment}` where the environment's name stands as a word of its own.
fn anonymous(text: &str, name: &EnvironmentName) -> String {
    let (mut said, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(name.as_str()) {
        let (before, after) = (&rest[..at], &rest[at + name.as_str().len()..]);
        said.push_str(before);
        let is_apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let is_word = is_apart(said.chars().next_back()) && is_apart(after.chars().next());
        said.push_str(if is_word { "{environment}" } else { name.as_str() });
        rest = after;
    }
    said + rest
}

/// Returns what a list is sorted by: removals, then kinds that are risky, then the rest.
fn order(one: &ChangedResource) -> (bool, bool, ResourceChange, &Resource) {
    (one.change != ResourceChange::Removed, one.risk.is_none(), one.change, &one.resource)
}

/// Cuts differences to what may be kept of them.
fn bound(folded: &mut [ChangedResource]) {
    let mut left = DIFFERENCE_LIMIT;
    for one in folded {
        let limit = left.min(ONE_DIFFERENCE_LIMIT);
        if one.difference.len() > limit {
            let end = one.difference.as_bytes()[..limit].iter().rposition(|byte| *byte == b'\n');
            one.difference.truncate(end.map_or(0, |at| at + 1));
            one.extent = Extent::Cut;
        }
        left -= one.difference.len();
    }
}

#[cfg(test)]
mod tests;
