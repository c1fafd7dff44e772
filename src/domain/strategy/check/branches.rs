//! Branches that cannot be side by side in one repository.

use std::collections::BTreeSet;

use crate::domain::strategy::{default_proposed, document::Spec, mistake::Report, position::Position};

/// A branch that this strategy reads or writes.
pub(super) struct Branch {
    pub(super) name: String,
    pub(super) role: Role,
    /// Where the branch, or the one that its name is made from, is written.
    pub(super) position: Position,
    /// The environment it is of, as an index; the dry branch has none.
    environment: Option<usize>,
}

/// What a branch is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// People commit to it.
    Dry,
    /// What runs in an environment.
    Active,
    /// What is proposed for this active branch; each lane, rollback and restoration has one that begins so.
    Proposed(String),
}

impl Branch {
    fn words(&self) -> String {
        match &self.role {
            Role::Dry => "the dry branch".to_owned(),
            Role::Active => format!("the active branch of line {}", self.position.line),
            Role::Proposed(active) => format!("the proposed branch of `{active}`"),
        }
    }
}

/// Reports branches that are the same, or of which git can hold only one, or one of which would be read as a lane.
pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let branches = branches(spec);
    let mut reported = BTreeSet::new();
    for kind in [Conflict::Same, Conflict::Nested, Conflict::Lane] {
        if kind == Conflict::Lane && !reported.is_empty() {
            break;
        }
        for (index, later) in branches.iter().enumerate() {
            let before = branches.iter().take(index);
            let earlier = before
                .filter(|earlier| earlier.environment != later.environment || earlier.role == Role::Active)
                .find(|earlier| conflict(earlier, later) == Some(kind));
            if let Some(earlier) = earlier
                && reported.insert(later.environment)
            {
                let (message, help) = explain(earlier, later, kind);
                report.mistake(later.position, message, help);
            }
        }
    }
}

/// Returns the branches of a strategy in one repository: dry, active, proposed.
pub(super) fn branches(spec: &Spec) -> Vec<Branch> {
    let dry = spec.dry_branch.iter().filter(|_| spec.destination.is_none()).map(|branch| Branch {
        name: branch.value.clone(),
        role: Role::Dry,
        position: branch.position,
        environment: None,
    });
    let active = spec.environments.value.iter().enumerate().map(|(index, environment)| {
        let branch = &environment.value.branch;
        Branch { name: branch.value.clone(), role: Role::Active, position: branch.position, environment: Some(index) }
    });
    let proposed = spec.environments.value.iter().enumerate().map(|(index, environment)| {
        let (branch, named) = (&environment.value.branch, environment.value.proposed_branch.as_ref());
        Branch {
            name: named.map_or_else(|| default_proposed(&branch.value), |named| named.value.clone()),
            role: Role::Proposed(branch.value.clone()),
            position: named.unwrap_or(branch).position,
            environment: Some(index),
        }
    });
    dry.chain(active).chain(proposed).collect()
}

/// How two branches are in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    Same,
    /// One would be a file and a directory at once in `refs/heads`.
    Nested,
    /// One is called as a lane of what the other proposes would be.
    Lane,
}

/// Says how two branches are in each other's way.
pub(super) fn conflict(a: &Branch, b: &Branch) -> Option<Conflict> {
    let begins =
        |outer: &str, inner: &str, with: char| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with(with));
    let is_lane = |of: &Branch, name: &str| matches!(of.role, Role::Proposed(_)) && begins(&of.name, name, '-');
    if a.name == b.name {
        Some(Conflict::Same)
    } else if begins(&a.name, &b.name, '/') || begins(&b.name, &a.name, '/') {
        Some(Conflict::Nested)
    } else if is_lane(a, &b.name) || is_lane(b, &a.name) {
        Some(Conflict::Lane)
    } else {
        None
    }
}

fn explain(earlier: &Branch, later: &Branch, problem: Conflict) -> (String, &'static str) {
    match problem {
        Conflict::Same if earlier.role == Role::Dry => (
            format!("`{}` is the dry branch too", later.name),
            "give the environment a branch of its own, such as `env/dev`: rendered files are committed there",
        ),
        Conflict::Same => (
            format!("`{}`, {}, is {} too", later.name, later.words(), earlier.words()),
            "give each environment a branch of its own; proposals go to that name with `-next` behind it, unless \
             `proposedBranch` names another",
        ),
        Conflict::Nested => (
            format!(
                "git cannot hold both `{}`, {}, and `{}`, {}",
                earlier.name,
                earlier.words(),
                later.name,
                later.words()
            ),
            "a branch cannot be a folder of another one: rename one of them, such as `env/dev` and `env/prod`",
        ),
        Conflict::Lane => (
            format!(
                "`{}`, {}, and `{}`, {}, cannot be told apart",
                earlier.name,
                earlier.words(),
                later.name,
                later.words()
            ),
            "rename one of them: a proposed branch with `-` and more behind it is the one of a lane, a rollback or a \
             restoration",
        ),
    }
}
