//! What several strategies of one repository must not share.

use std::collections::BTreeMap;

use super::super::{PromotionStrategy, document::Document, mistake::Report};

/// Reports names and branches that two strategies of the same repository use. `found` has, for
/// each file, its documents and the strategies built from them; `reports` has the same order.
pub(in crate::domain::strategy) fn check_across(
    found: &[(Vec<Document>, Vec<Option<PromotionStrategy>>)],
    reports: &mut [Report<'_>],
) {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut branches: BTreeMap<String, String> = BTreeMap::new();
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
            refuse_shared_branches(document, &mut branches, report);
        }
    }
}

fn refuse_shared_branches(document: &Document, branches: &mut BTreeMap<String, String>, report: &mut Report<'_>) {
    let mut own = BTreeMap::new();
    for environment in &document.spec.environments.value {
        let branch = &environment.value.branch;
        if let Some(other) = branches.get(&branch.value) {
            report.mistake(
                branch.position,
                format!(
                    "the strategy at {other} uses the branch `{}` too; sharing one is not yet supported",
                    branch.value
                ),
                "give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`",
            );
        }
        own.insert(branch.value.clone(), format!("{}:{}", report.path(), branch.position.line));
    }
    branches.extend(own);
}
