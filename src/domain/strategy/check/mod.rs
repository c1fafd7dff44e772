//! Finds what is wrong in a well-formed document, and builds the strategy when nothing is.
//!
//! Every check goes on after a mistake, so that one run names them all.

mod across;
mod approvals;
mod branches;
mod environments;
mod labels;
mod lanes;
mod order;
pub(in crate::domain::strategy) mod permissions;
mod render;
mod sources;
mod statuses;
#[cfg(test)]
mod tests;
mod windows;

pub(super) use across::check_across;

use super::{
    Destination, PromotionStrategy, Sources,
    document::{Document, EnvironmentDocument, Spec},
    mistake::Report,
    position::At,
};
use crate::domain::{
    ids::{BranchName, ForgeName, InvalidId, RepositoryId, StrategyName},
    lane::Lanes,
};

/// Returns the strategy of `document`, or nothing when it has mistakes; they are in `report` then.
pub(super) fn strategy(
    document: &Document,
    repository: Option<&RepositoryId>,
    report: &mut Report<'_>,
) -> Option<PromotionStrategy> {
    let spec = &document.spec;
    document.api_version.read(report);
    document.kind.read(report);
    refuse_not_yet(spec, report);

    if environments::are_too_many(spec, report) {
        return None;
    }
    let name = identifier(&document.metadata.name, StrategyName::new, report);
    let dry_branch = spec.dry_branch.as_ref().map(|branch| identifier(branch, BranchName::new, report));
    let destination = destination(spec, repository, report);
    let environments = environments::environments(spec, report);
    branches::check(spec, report);
    order::check(spec, report);
    let permissions = permissions::grants(spec.permissions.as_ref(), report);
    let (sources, lanes) = sources(spec, &environments, report);

    let environments = environments.into_iter().collect::<Option<Vec<_>>>()?;
    Some(PromotionStrategy {
        name: name?,
        dry_branch: dry_branch.map_or(Some(None), |branch| branch.map(Some))?,
        destination,
        sources,
        lanes,
        environments,
        permissions,
    })
}

fn sources(spec: &Spec, environments: &[Option<super::Environment>], report: &mut Report<'_>) -> (Sources, Lanes) {
    let named: Vec<_> = spec.environments.value.iter().zip(environments).collect();
    let bound = labels::Bound::new(spec, report);
    let (listed, captures) = sources::sources(&spec.sources, &bound, report);
    let lanes = lanes::lanes(spec, &captures, &bound, report);
    statuses::check_labels(spec, &captures, &bound, report);
    let sources = Sources {
        sources: listed,
        vars: labels::values(&spec.vars),
        environment_vars: named
            .iter()
            .filter_map(|(document, built)| Some((built.as_ref()?.name.clone(), labels::values(&document.value.vars))))
            .filter(|(_, vars)| !vars.is_empty())
            .collect(),
        render: spec.render.as_ref().map(|options| render::options(options, report)).unwrap_or_default(),
        environment_render: named
            .iter()
            .filter_map(|(document, built)| {
                let options = render::options(document.value.render.as_ref()?, report);
                Some((built.as_ref()?.name.clone(), options))
            })
            .collect(),
    };
    (sources, lanes)
}

/// Refuses words that ask for a behaviour that is not there: a gate that is read and not kept
/// would be worse than none.
fn refuse_not_yet(spec: &Spec, report: &mut Report<'_>) {
    refuse_words(&spec.not_yet(), report);
    for At { value: environment, .. } in &spec.environments.value {
        refuse_words(&environment.not_yet(), report);
    }
}

fn refuse_words(words: &[(&str, &super::document::NotYet)], report: &mut Report<'_>) {
    for (word, value) in words {
        if let Some(value) = value {
            let position = report.key(word, value.position);
            report.mistake(
                position,
                format!("`{word}` is not yet supported"),
                format!("remove `{word}`; it would have no effect"),
            );
        }
    }
}

/// Returns where the branches are; the repository of the file itself is no other one.
fn destination(spec: &Spec, repository: Option<&RepositoryId>, report: &mut Report<'_>) -> Option<Destination> {
    let document = spec.destination.as_ref()?;
    let forge = document.forge.as_ref().map(|text| identifier(text, ForgeName::new, report));
    let destination = identifier(&document.repository, RepositoryId::new, report)?;
    let forge = forge.map_or(Some(None), |forge| forge.map(Some))?;
    let is_this = repository.is_some_and(|this| this.is(&destination));
    (forge.is_some() || !is_this).then_some(Destination { repository: destination, forge })
}

/// Returns the identifier that `text` spells, or reports a mistake.
fn identifier<T>(
    text: &At<String>,
    new: impl Fn(String) -> Result<T, InvalidId>,
    report: &mut Report<'_>,
) -> Option<T> {
    match new(text.value.clone()) {
        Ok(id) => Some(id),
        Err(error) => {
            let message = error.to_string();
            let expected = message.rsplit(" is not ").next().unwrap_or("another text");
            report.mistake(text.position, &message, format!("write {expected}"));
            None
        }
    }
}

/// Returns the name that an environment goes by, valid or not.
fn name_of(environment: &EnvironmentDocument) -> &str {
    match &environment.name {
        Some(name) => &name.value,
        None => environment.branch.value.rsplit('/').next().unwrap_or(&environment.branch.value),
    }
}
