//! What several strategies of one repository must not share.

use std::collections::BTreeMap;

use super::{
    super::{PromotionStrategy, document::Document, mistake::Report},
    branches::{Branch, branches},
};

/// The documents of a file and the strategies built from them.
type Read = (Vec<Document>, Vec<Option<PromotionStrategy>>);

/// Reports names and branches that two strategies of the same repository use. `reports` is in the
/// order of `found`.
pub(in crate::domain::strategy) fn check_across(found: &[Read], reports: &mut [Report<'_>]) {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut taken = Taken::default();
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
            refuse_shared_branches(document, &mut taken, report);
        }
    }
}

/// The branches of the strategies before.
#[derive(Default)]
struct Taken {
    /// Where each branch is named, and whether it is a dry branch.
    branches: BTreeMap<String, (String, bool)>,
    /// Folders of `refs/heads` that a branch is in, with that branch.
    folders: BTreeMap<String, String>,
}

impl Taken {
    /// Returns the branch that is in the way of `branch`, and where it is named.
    fn conflict(&self, branch: &Branch) -> Option<(&str, &str)> {
        let find = |name: &str| self.branches.get_key_value(name);
        let same = find(&branch.name).filter(|(_, (_, is_dry))| !(*is_dry && branch.is_dry()));
        let (name, (place, _)) =
            same.or_else(|| folders(&branch.name).find_map(find)).or_else(|| find(self.folders.get(&branch.name)?))?;
        Some((name, place))
    }

    fn add(&mut self, branch: &Branch, path: &str) {
        for folder in folders(&branch.name) {
            self.folders.entry(folder.to_owned()).or_insert_with(|| branch.name.clone());
        }
        let place = format!("{path}:{}", branch.position.line);
        self.branches.entry(branch.name.clone()).or_insert((place, branch.is_dry()));
    }
}

fn folders(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').filter_map(|(at, _)| name.get(..at))
}

fn refuse_shared_branches(document: &Document, taken: &mut Taken, report: &mut Report<'_>) {
    let own = branches(&document.spec);
    let mut last = None;
    for branch in &own {
        if let Some((other, place)) = taken.conflict(branch)
            && last != Some(branch.position)
        {
            last = Some(branch.position);
            let message = if other == branch.name {
                format!("the strategy at {place} uses the branch `{other}` too; sharing one is not yet supported")
            } else {
                format!("git cannot hold both `{}` and `{other}`, which the strategy at {place} uses", branch.name)
            };
            let help = "give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`";
            report.mistake(branch.position, message, help);
        }
    }
    own.iter().for_each(|branch| taken.add(branch, report.path()));
}
