//! Branches that cannot be side by side in one repository.

use std::collections::BTreeSet;

use crate::domain::strategy::{document::Spec, mistake::Report, position::Position};

/// A branch that this strategy reads or writes.
pub(super) struct Branch {
    pub(super) name: String,
    role: String,
    /// Where the branch, or the one that its name is made from, is written.
    pub(super) position: Position,
    /// The environment it is of, as an index; the dry branch has none.
    environment: Option<usize>,
}

impl Branch {
    /// Says whether people commit to it.
    pub(super) fn is_dry(&self) -> bool {
        self.environment.is_none()
    }
}

/// Reports branches that are the same, or of which git can hold only one.
pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let branches = branches(spec);
    let mut reported = BTreeSet::new();
    for kind in [Conflict::Same, Conflict::Nested] {
        for (index, later) in branches.iter().enumerate() {
            let earlier = branches
                .iter()
                .take(index)
                .filter(|earlier| earlier.environment != later.environment)
                .find(|earlier| conflict(&earlier.name, &later.name) == Some(kind));
            if let Some(earlier) = earlier
                && reported.insert(later.environment)
            {
                let (message, help) = explain(earlier, later, kind);
                report.mistake(later.position, message, help);
            }
        }
    }
}

/// Returns the branches of a strategy: dry, active, proposed.
pub(super) fn branches(spec: &Spec) -> Vec<Branch> {
    let dry = spec.dry_branch.iter().map(|branch| Branch {
        name: branch.value.clone(),
        role: "the dry branch".to_owned(),
        position: branch.position,
        environment: None,
    });
    let active = spec.environments.value.iter().enumerate().map(|(index, environment)| {
        let branch = &environment.value.branch;
        Branch {
            name: branch.value.clone(),
            role: format!("the active branch of line {}", branch.position.line),
            position: branch.position,
            environment: Some(index),
        }
    });
    let proposed = spec.environments.value.iter().enumerate().map(|(index, environment)| {
        let branch = &environment.value.branch;
        Branch {
            name: format!("{}-next", branch.value),
            role: format!("the proposed branch of `{}`", branch.value),
            position: branch.position,
            environment: Some(index),
        }
    });
    dry.chain(active).chain(proposed).collect()
}

/// How two branches are in each other's way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conflict {
    Same,
    /// One would be a file and a directory at once in `refs/heads`.
    Nested,
}

fn conflict(a: &str, b: &str) -> Option<Conflict> {
    let inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    if a == b {
        Some(Conflict::Same)
    } else if inside(a, b) || inside(b, a) {
        Some(Conflict::Nested)
    } else {
        None
    }
}

fn explain(earlier: &Branch, later: &Branch, problem: Conflict) -> (String, &'static str) {
    match problem {
        Conflict::Same if earlier.environment.is_none() => (
            format!("`{}` is the dry branch too", later.name),
            "give the environment a branch of its own, such as `env/dev`: rendered files are committed there",
        ),
        Conflict::Same => (
            format!("`{}`, {}, is {} too", later.name, later.role, earlier.role),
            "give each environment a branch of its own; proposals go to that name with `-next` behind it",
        ),
        Conflict::Nested => (
            format!("git cannot hold both `{}`, {}, and `{}`, {}", earlier.name, earlier.role, later.name, later.role),
            "a branch cannot be a folder of another one: rename one of them, such as `env/dev` and `env/prod`",
        ),
    }
}
