//! The `PromotionStrategy` document: sources, environments, their order and gates.
//!
//! The types here are what the rest of the product works with: complete, with defaults filled in.
//! How the document is read from YAML, and which mistakes are found in it, is in `document` and
//! `check`.

pub mod check;
pub mod document;
mod duration;
pub mod import;
pub mod key_pattern;
pub mod mistake;
pub(crate) mod nearest;
pub mod pattern;
pub mod position;
pub mod proposal;
pub mod read;
mod schema;
pub mod status_rule;
pub mod word;
mod yaml_error;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use jiff::SignedDuration;

pub(crate) use duration::parse_duration;
pub use import::{ImportMistake, import_strategy};
pub use mistake::{Mistake, Severity};
pub use proposal::propose_strategy;
pub use read::{StrategyFile, parse_strategies, parse_strategies_of};
pub use schema::schema;
pub use status_rule::{StatusRule, StatusScope};

use super::{
    approvals::ApprovalRule,
    ids::{BranchName, EnvironmentName, ForgeName, LaneName, Place, RepositoryId, StrategyName},
    lane::{LaneBranch, Lanes, RESTORE_SUFFIX, ROLLBACK_SUFFIX},
    permission::{Grantee, Grants},
    windows::EnvironmentWindows,
};

/// A strategy without mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct PromotionStrategy {
    /// `metadata.name`.
    pub name: StrategyName,
    /// `spec.dryBranch`; the branch that the document was read from when absent.
    pub dry_branch: Option<BranchName>,
    /// `spec.destination`: where the environment branches are, when in another repository.
    pub destination: Option<Destination>,
    /// What is rendered, and how.
    pub sources: Sources,
    /// How the roots are divided into lanes.
    pub lanes: Lanes,
    /// Environments in the order of the document.
    pub environments: Vec<Environment>,
    /// `spec.permissions`: who may give commands without the right on the repository.
    pub permissions: Grants,
}

/// The repository in which environments have their branches, when it is another one than the dry one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name.
    pub repository: RepositoryId,
    /// The forge that it is on, by its name in the server's settings; the dry one's when absent.
    pub forge: Option<ForgeName>,
}

/// Everything of a strategy that rendering depends on: read from the dry SHA that is rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct Sources {
    /// The sources in the order of the document.
    pub sources: Vec<Source>,
    /// Labels of every root; an environment's own `vars` win.
    pub vars: BTreeMap<String, String>,
    /// Labels by environment.
    pub environment_vars: BTreeMap<EnvironmentName, BTreeMap<String, String>>,
    /// Render options of the strategy.
    pub render: RenderOptions,
    /// Render options by environment, laid over the strategy's.
    pub environment_render: BTreeMap<EnvironmentName, RenderOptions>,
}

/// One entry of `spec.sources`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Source {
    /// A folder pattern: kustomization, chart or plain YAML.
    pub path: Option<String>,
    /// A folder pattern; one root per matching folder.
    pub each: Option<String>,
    /// A chart folder in the repository.
    pub chart: Option<String>,
    /// A chart from elsewhere, instead of a folder.
    pub remote: Option<RemoteChart>,
    /// Restricts `path` to folders of one kind.
    pub kind: Option<SourceKind>,
    /// Globs of folders that are never roots.
    pub exclude: Vec<String>,
    /// Output folder, with labels.
    pub output: Option<String>,
    /// What happens when a root of this source fails.
    pub on_failure: OnFailure,
    /// Helm release name, with labels.
    pub release_name: Option<String>,
    /// Helm namespace, with labels.
    pub namespace: Option<String>,
    /// Value files, with labels; one that ends in `?` may be absent.
    pub value_files: Vec<String>,
    /// Inline values.
    pub values: Option<serde_json::Map<String, serde_json::Value>>,
    /// Render options of this source, laid over the environment's and the strategy's.
    pub render: RenderOptions,
    /// The line of the entry in its file, from 1; for messages.
    pub line: u64,
}

/// A chart from elsewhere, with labels in each of its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteChart {
    /// Its address with `oci://`, or that of the chart repository.
    pub location: String,
    /// Its name in the chart repository.
    pub name: Option<String>,
    /// The version, or a range of versions.
    pub version: String,
}

/// The renderer that a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A folder with a kustomization.
    Kustomize,
    /// A folder with a `Chart.yaml`.
    Helm,
    /// A folder of YAML files.
    Plain,
}

/// What happens to the other roots of a lane when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The lane is not promoted.
    #[default]
    Hold,
    /// The root keeps what it has, or stays out; the rest goes on.
    KeepLast,
}

/// Options of rendering; `None` and empty lists mean "as outside".
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RenderOptions {
    /// Kubernetes version given to the renderers.
    pub kube_version: Option<String>,
    /// Additional API versions given to Helm.
    pub api_versions: Option<Vec<String>>,
    /// Whether a chart's `crds/` are rendered.
    pub include_crds: Option<bool>,
    /// Whether Helm test hooks are left out.
    pub skip_tests: Option<bool>,
    /// Whether each root is rendered twice, to prove that it is deterministic.
    pub prove: Option<bool>,
    /// How files are laid out on the branch.
    pub layout: Option<Layout>,
    /// What happens to a `Secret` with data.
    pub secrets: Option<SecretPolicy>,
    /// The Helm version that must render, when pinned.
    pub helm_version: Option<String>,
    /// The Kustomize version that must render, when pinned.
    pub kustomize_version: Option<String>,
}

/// How the files of a root are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One `manifest.yaml`.
    Manifest,
    /// One file for each resource.
    Resources,
}

/// What happens to a `Secret` with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPolicy {
    /// The root fails.
    Refuse,
    /// It is committed.
    Allow,
}

/// One environment with its gates.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// The name; the branch's last segment when the document gives none.
    pub name: EnvironmentName,
    /// The active branch.
    pub branch: BranchName,
    /// Where promotions are proposed, when not on the active branch's name with `-next` behind it.
    pub proposed: Option<BranchName>,
    /// What must have verified a dry SHA before it is promoted here.
    pub depends_on: Vec<EnvironmentName>,
    /// Whether an open promotion is merged without being asked for.
    pub auto_merge: bool,
    /// How long the content must run before it is verified.
    pub soak: SignedDuration,
    /// Keys that must succeed on the active branch before the content is verified.
    pub active_statuses: Vec<StatusRule>,
    /// Keys that must succeed on the proposed SHA before it is merged.
    pub proposed_statuses: Vec<StatusRule>,
    /// What is asked of people before it is merged.
    pub approvals: Option<ApprovalRule>,
    /// How long a proposal may wait before people are told, whatever it waits for.
    pub deadline: Option<SignedDuration>,
    /// Who is told of waits that have passed their deadline.
    pub notify: Vec<Grantee>,
    /// What happens to a proposal when something newer may be promoted.
    pub newer: Newer,
    /// How pull requests are merged.
    pub merge_method: MergeMethod,
    /// How what is proposed reaches the active branch.
    pub merge_mode: MergeMode,
    /// Whether a failure of what runs is answered with a rollback.
    pub automatic_rollback: bool,
    /// When promotions may be merged.
    pub windows: EnvironmentWindows,
    /// How many promotion pull requests may be open at once.
    pub most_open: Option<NonZeroU32>,
    /// Which lanes share a pull request.
    pub proposing: Proposing,
}

/// What happens to a proposal that waits when something newer may be promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    /// The newer one takes its place, unless a person has promoted it.
    Supersede,
    /// It goes on: what its gates waited for is bound to it.
    Finish,
}

/// Which lanes of an environment share a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proposing {
    /// None: each has its own.
    #[default]
    EachLane,
    /// All: what is ready in each of them is a *bundle*.
    AllLanes,
}

/// How the forge merges a promotion pull request; the resulting tree is the same with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeMethod {
    /// A merge commit.
    #[default]
    Merge,
    /// One new commit.
    Squash,
    /// The commit again, on the base.
    Rebase,
}

/// How what is proposed reaches the active branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeMode {
    /// By a pull request that Hydromote opens, and that it or a person merges.
    #[default]
    PullRequest,
    /// Without a pull request: Hydromote pushes the merge once every gate is open.
    Direct,
    /// By a pull request that a person opens, from the branch that Hydromote prepared.
    Link,
}

/// Returns the branch on which promotions to an active branch are proposed, when the strategy names none.
pub(crate) fn default_proposed(branch: &str) -> String {
    format!("{branch}-next")
}

impl PromotionStrategy {
    /// Returns the environment of that name.
    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|e| &e.name == name)
    }

    /// Returns the place in whose name content of a place is proposed, which its pull request, our own status on it
    /// and what people say to it go by.
    pub fn proposer(&self, place: &Place) -> Place {
        match self.environment(&place.environment) {
            Some(environment) => {
                Place { environment: place.environment.clone(), lane: environment.proposing_lane(&place.lane) }
            }
            None => place.clone(),
        }
    }

    /// Returns what is left of the strategy once it was deleted: it has no environments, which no document can say.
    pub fn ended(&self) -> Self {
        Self { environments: Vec::new(), ..self.clone() }
    }

    /// Says whether it is what is left of one that was deleted.
    pub fn is_ended(&self) -> bool {
        self.environments.is_empty()
    }

    /// Says whether promotions of both are proposed on one branch: then only one of them can be in force.
    pub fn proposes_as(&self, other: &Self) -> bool {
        if self.destination != other.destination {
            return false;
        }
        let of = |strategy: &Self| -> BTreeSet<BranchName> {
            strategy.environments.iter().map(|environment| environment.branch_of_lane(&LaneName::single())).collect()
        };
        !of(self).is_disjoint(&of(other))
    }

    /// Says whether both have a branch in common, where their environments are in one repository.
    pub fn meets_branches_of(&self, other: &Self) -> bool {
        let of = |strategy: &Self| -> BTreeSet<BranchName> {
            let both = |one: &Environment| [one.branch.clone(), one.branch_of_lane(&LaneName::single())];
            strategy.environments.iter().flat_map(both).collect()
        };
        !of(self).is_disjoint(&of(other))
    }

    /// Returns the name by which what is reported on the active branch of a place is told from what other strategies
    /// report there, where others may.
    pub fn told_apart(&self, place: &Place) -> Option<&StrategyName> {
        let environment = self.environment(&place.environment)?;
        environment.is_named_apart().then_some(&self.name)
    }

    /// Returns the environment whose branches would be in the way of `dry`, when the document leaves
    /// the dry branch to the branch that it was read from.
    pub fn conflict_with_dry_branch(&self, dry: &BranchName) -> Option<&Environment> {
        if self.destination.is_some() {
            return None;
        }
        let inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        let is_in_the_way =
            |branch: &str| branch == dry.as_str() || inside(branch, dry.as_str()) || inside(dry.as_str(), branch);
        self.environments.iter().find(|environment| {
            let proposed = environment.branch_of_lane(&LaneName::single());
            let is_of_lane = dry.as_str().strip_prefix(proposed.as_str()).is_some_and(|rest| rest.starts_with('-'));
            is_of_lane || is_in_the_way(environment.branch.as_str()) || is_in_the_way(proposed.as_str())
        })
    }
}

impl Environment {
    /// Says whether promotions are proposed on a branch that the strategy names: then others may share the active
    /// branch, and what is reported on its commits says of which strategy it is.
    pub fn is_named_apart(&self) -> bool {
        self.proposed.is_some()
    }

    /// Says whether its lanes share one pull request.
    pub fn is_bundle(&self) -> bool {
        self.proposing == Proposing::AllLanes
    }

    /// Returns the lane in whose name content of `lane` is proposed: its own, or for all of them together the one
    /// that strategies without lanes have.
    pub fn proposing_lane(&self, lane: &LaneName) -> LaneName {
        match self.proposing {
            Proposing::EachLane => lane.clone(),
            Proposing::AllLanes => LaneName::single(),
        }
    }

    /// Returns the branch on which content of `lane` is proposed.
    pub fn proposed_branch(&self, lane: &LaneName) -> BranchName {
        self.branch_of_lane(&self.proposing_lane(lane))
    }

    /// Returns the branch on which content of `lane` is proposed where it goes by itself.
    pub fn branch_of_lane(&self, lane: &LaneName) -> BranchName {
        let proposed =
            self.proposed.as_ref().map_or_else(|| default_proposed(self.branch.as_str()), BranchName::to_string);
        let name = if *lane == LaneName::single() { proposed } else { format!("{proposed}-{lane}") };
        BranchName::new(name).expect("because a suffix of letters keeps a branch name valid")
    }

    /// Returns the branch on which earlier content of `lane` is brought back.
    pub fn rollback_branch(&self, lane: &LaneName) -> BranchName {
        let name = format!("{}-{ROLLBACK_SUFFIX}", self.branch_of_lane(lane));
        BranchName::new(name).expect("because a suffix of letters keeps a branch name valid")
    }

    /// Returns the branch on which what was promoted last to `lane` is restored over drift.
    pub fn restore_branch(&self, lane: &LaneName) -> BranchName {
        let name = format!("{}-{RESTORE_SUFFIX}", self.branch_of_lane(lane));
        BranchName::new(name).expect("because a suffix of letters keeps a branch name valid")
    }

    /// Returns what a branch is for, when it is one of those on which changes of this environment are proposed.
    pub fn lane_of_branch(&self, branch: &BranchName) -> Option<LaneBranch> {
        let rest = branch.as_str().strip_prefix(self.proposed_branch(&LaneName::single()).as_str())?;
        let lane = |name: &str| if name.is_empty() { Some(LaneName::single()) } else { LaneName::new(name).ok() };
        let name =
            |rest: &str| if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix('-').map(str::to_owned) };
        let of = |suffix: &str| rest.strip_suffix(suffix).and_then(|rest| rest.strip_suffix('-'));
        match (of(ROLLBACK_SUFFIX), of(RESTORE_SUFFIX)) {
            (Some(rest), _) => lane(&name(rest)?).map(LaneBranch::Rollback),
            (None, Some(rest)) => lane(&name(rest)?).map(LaneBranch::Restore),
            (None, None) => lane(&name(rest)?).map(LaneBranch::Proposed),
        }
    }

    /// Returns how long a proposal goes on under [`Newer::Finish`] while something newer may be promoted:
    /// the longest deadline of what is bound to it, keys and approvals, or a day when none is set.
    pub fn finish_deadline(&self) -> SignedDuration {
        let approvals = self.approvals.as_ref().and_then(|rule| rule.deadline);
        let waits = self.proposed_statuses.iter().filter_map(|rule| rule.deadline).chain(approvals).max();
        waits.unwrap_or(SignedDuration::from_hours(24))
    }

    /// Returns how long after a promotion the environment waits for a verdict before it moves on:
    /// the soak and the longest deadline of its keys, or one hour when none is set.
    pub fn settle_deadline(&self) -> SignedDuration {
        let waits = self.active_statuses.iter().filter_map(|rule| rule.deadline).max();
        self.soak + waits.unwrap_or(SignedDuration::from_hours(1))
    }
}
