//! What several strategies of one repository must not share.

use std::collections::BTreeMap;

use super::{
    super::{PromotionStrategy, document::Document, mistake::Report},
    branches::{Branch, Conflict, Role, branches},
};

/// The longest branch that is compared with others, in bytes: git holds none that is longer.
const LONGEST_NAME: usize = 255;

/// The documents of a file and the strategies built from them.
type Read = (Vec<Document>, Vec<Option<PromotionStrategy>>);

/// Reports names and branches that two strategies of the same repository use. `reports` is in the
/// order of `found`.
pub(in crate::domain::strategy) fn check_across(found: &[Read], reports: &mut [Report<'_>]) {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut taken: BTreeMap<Option<Where>, Taken> = BTreeMap::new();
    for ((documents, _), report) in found.iter().zip(reports) {
        for document in documents {
            let name = &document.metadata.name;
            let here = format!("{}:{}", report.path(), name.position.line);
            if let Some(other) = names.insert(name.value.to_lowercase(), here) {
                report.mistake(
                    name.position,
                    format!("another strategy, at {other}, is called `{}` too", name.value),
                    "give each strategy of a repository its own name; upper and lower case count as equal",
                );
            }
            let there = document.spec.destination.as_ref().map(|destination| {
                let forge = destination.forge.as_ref().map(|forge| forge.value.clone());
                (forge, destination.repository.value.to_lowercase())
            });
            refuse_shared_branches(document, taken.entry(there).or_default(), report);
        }
    }
}

/// Another repository, in which branches are: a forge, and a name on it.
type Where = (Option<String>, String);

/// The branches of the strategies before, by name, with where each is named.
#[derive(Default)]
struct Taken(BTreeMap<String, (Role, String)>);

impl Taken {
    /// Returns the branch that is in the way of `branch`, where it is named, and how it is in the way.
    fn conflict(&self, branch: &Branch) -> Option<(&str, &Role, &str, Conflict)> {
        let found = |name: &str| self.0.get_key_value(name);
        let beginning = |with: String| {
            let next = self.0.range(with.clone()..).next();
            next.filter(|(name, _)| name.starts_with(&with))
        };
        let is_shared = |role: &Role| *role == branch.role && !matches!(role, Role::Proposed(_));
        let same = found(&branch.name).filter(|(_, (role, _))| !is_shared(role)).map(|other| (other, Conflict::Same));
        let nested = || {
            let outer = beginnings(&branch.name, '/').find_map(found);
            Some((outer.or_else(|| beginning(format!("{}/", branch.name)))?, Conflict::Nested))
        };
        let lane = || {
            let proposed = beginnings(&branch.name, '-').filter_map(found);
            let mut of = proposed.filter(|(_, (role, _))| matches!(role, Role::Proposed(_)));
            let of_this = || match branch.role {
                Role::Proposed(_) => beginning(format!("{}-", branch.name)),
                Role::Dry | Role::Active => None,
            };
            Some((of.next().or_else(of_this)?, Conflict::Lane))
        };
        let ((name, (role, place)), conflict) = same.or_else(nested).or_else(lane)?;
        Some((name, role, place, conflict))
    }

    fn add(&mut self, branch: &Branch, path: &str) {
        let place = format!("{path}:{}", branch.position.line);
        self.0.entry(branch.name.clone()).or_insert((branch.role.clone(), place));
    }
}

/// Returns what stands before each `separator` of a name.
fn beginnings(name: &str, separator: char) -> impl Iterator<Item = &str> {
    name.match_indices(separator).filter_map(|(at, _)| name.get(..at))
}

fn refuse_shared_branches(document: &Document, taken: &mut Taken, report: &mut Report<'_>) {
    let own = branches(&document.spec);
    let mut last = None;
    // Longer ones are refused by themselves.
    for branch in own.iter().filter(|branch| branch.name.len() <= LONGEST_NAME) {
        if let Some((other, role, place, conflict)) = taken.conflict(branch)
            && last != Some(branch.position)
        {
            last = Some(branch.position);
            let (message, help) = explain(branch, &document.metadata.name.value, (other, role, place), conflict);
            report.mistake(branch.position, message, help);
        }
    }
    own.iter().filter(|branch| branch.name.len() <= LONGEST_NAME).for_each(|branch| taken.add(branch, report.path()));
}

fn explain(
    branch: &Branch,
    strategy: &str,
    (other, role, place): (&str, &Role, &str),
    conflict: Conflict,
) -> (String, String) {
    let of_its_own = || "give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`".to_owned();
    match (conflict, role, &branch.role) {
        (Conflict::Same, Role::Proposed(_), Role::Proposed(active)) => (
            format!("promotions of the strategy at {place} are proposed on `{other}` too"),
            format!(
                "strategies share an active branch when each proposes on a branch of its own: name one with \
                 `proposedBranch`, such as `{active}-{strategy}-next`"
            ),
        ),
        (Conflict::Same, ..) => {
            (format!("the strategy at {place} uses the branch `{other}` too, for something else"), of_its_own())
        }
        (Conflict::Nested, ..) => (
            format!("git cannot hold both `{}` and `{other}`, which the strategy at {place} uses", branch.name),
            of_its_own(),
        ),
        (Conflict::Lane, ..) => (
            format!("`{}` and `{other}`, which the strategy at {place} uses, cannot be told apart", branch.name),
            "rename one of them: a proposed branch with `-` and more behind it is the one of a lane, a rollback or a \
             restoration"
                .to_owned(),
        ),
    }
}
