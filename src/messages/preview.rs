//! What a preview says in the comment on its pull request.
//!
//! Manifests are the author's text: their names stand in code spans, their differences in one fence, and
//! neither can be ended from inside.

use serde_json::{Value, json};

use super::{
    comment::{WORDS_LIMIT, cell, fenced},
    cut,
    dry_comment::DryRow,
    plain,
};
use crate::domain::{
    preview::{ChangedResource, EnvironmentResult, Extent, Preview, Previewed, PreviewedEnvironment, label},
    strategy::nearest::list,
};

/// The most environments that are named at once.
const ENVIRONMENTS_NAMED: usize = 12;

/// Returns what the comment may say of a preview.
pub(super) fn preview_context(preview: &Preview) -> Value {
    let (environments, resources, more): (&[_], &[_], _) = match &preview.outcome {
        Previewed::Rendered { environments, resources, more } => (environments, resources, *more),
        Previewed::Conflict { .. } | Previewed::Unavailable { .. } => (&[], &[], 0),
    };
    let problem = match &preview.outcome {
        Previewed::Conflict { .. } => preview.conflict(),
        Previewed::Unavailable { message } => Some(message.clone()),
        Previewed::Rendered { .. } => None,
    };
    json!({
        "head": preview.head.short(),
        "dry": preview.dry.short(),
        "problem": problem.map(|problem| cell(&problem)),
        "failures": failures(environments),
        "resources": resources.iter().map(resource).collect::<Vec<_>>(),
        "more": more,
        "differences": differences(resources),
    })
}

/// Returns what a preview says of a place, in the cell of its row.
pub(super) fn words_of(preview: &Preview, row: &DryRow<'_>) -> String {
    let found = environments(preview).iter().find(|one| is_of(one, row));
    found.map(|one| one.result.to_string()).unwrap_or_default()
}

/// Returns what the comment may say of a preview once the pull request is merged: none while nobody knows
/// whether it came as it was told.
pub(super) fn foretold_context(preview: &Preview, rows: &[DryRow<'_>]) -> Option<Value> {
    let known = rows.iter().filter(|row| row.foretold.is_some()).count();
    let differs = rows.iter().filter(|row| row.foretold == Some(false));
    let differs: Vec<&str> = differs.map(|row| row.view.place.environment.as_str()).collect();
    (known > 0).then(|| json!({"dry": preview.dry.short(), "differs": list(&differs, "and")}))
}

/// Returns the environments that no row is about.
pub(super) fn unknown_environments<'a>(
    preview: &'a Preview,
    rows: &[DryRow<'_>],
) -> impl Iterator<Item = &'a PreviewedEnvironment> {
    environments(preview).iter().filter(|one| !rows.iter().any(|row| is_of(one, row)))
}

fn environments(preview: &Preview) -> &[PreviewedEnvironment] {
    match &preview.outcome {
        Previewed::Rendered { environments, .. } => environments,
        Previewed::Conflict { .. } | Previewed::Unavailable { .. } => &[],
    }
}

fn is_of(one: &PreviewedEnvironment, row: &DryRow<'_>) -> bool {
    one.strategy == row.strategy.name && one.environment == row.view.place.environment
}

/// Returns what does not render, and where; the same reason is told once.
fn failures(environments: &[PreviewedEnvironment]) -> Vec<Value> {
    let mut told: Vec<(Vec<String>, String)> = Vec::new();
    let mut tell = |place: String, message: String| match told.iter_mut().find(|(_, same)| *same == message) {
        Some((places, _)) => places.push(place),
        None => told.push((vec![place], message)),
    };
    for one in environments {
        let place = label(one, environments);
        match &one.result {
            EnvironmentResult::Failed { failure } => tell(place, failure.to_string()),
            EnvironmentResult::Changes { kept, .. } => {
                for (root, message) in kept {
                    let root = plain(root.as_str()).replace('`', "'");
                    tell(format!("{place} (`{root}` keeps what it has)"), message.clone());
                }
            }
            EnvironmentResult::Mended { .. } | EnvironmentResult::Gone => {}
        }
    }
    told.iter().map(|(places, message)| json!({"where": named(places), "message": quoted(message)})).collect()
}

/// Returns words of the author as one code span: nothing in them is read as markup.
fn quoted(words: &str) -> String {
    cell(&format!("`{}`", cut(words, WORDS_LIMIT - 2).replace('`', "'")))
}

fn resource(changed: &ChangedResource) -> Value {
    json!({
        "change": changed.change.word(),
        "name": quoted(&changed.resource.to_string()),
        "environments": named(&changed.environments),
        "risk": changed.risk.map(|risk| risk.words()),
    })
}

/// Returns names in words, of which those beyond the limit are only counted.
fn named(environments: &[String]) -> String {
    let more = environments.len().saturating_sub(ENVIRONMENTS_NAMED);
    let shown = environments[..environments.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// Returns the differences in one fence; empty when there are none to show.
fn differences(resources: &[ChangedResource]) -> String {
    let mut text = String::new();
    for one in resources.iter().filter(|one| !one.difference.is_empty()) {
        text.push_str(&format!("# {}\n{}", named(&one.environments), one.difference));
        if one.extent == Extent::Cut {
            text.push_str("# cut here\n");
        }
    }
    if text.is_empty() { text } else { fenced(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        hydration::HydrationFailure,
        ids::{DrySha, EnvironmentName, HeadSha, StrategyName},
        preview::{Resource, ResourceChange},
    };

    #[test]
    fn a_long_list_of_environments_is_cut() {
        let names = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(named(&names(2)), "0, 1");
        assert_eq!(named(&names(15)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 3 more");
    }

    #[test]
    fn manifests_break_out_of_nothing() {
        let hostile = |text: &str| Resource {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: String::new(),
            name: text.into(),
        };
        let changed = ChangedResource {
            resource: hostile("a` | @all <!-- x"),
            change: ResourceChange::Changed,
            risk: None,
            environments: vec!["dev".into()],
            difference: "+`````\n+</details>\n".into(),
            extent: Extent::Cut,
        };
        let message = "``` <img src=x> `, [sign in](https://x.example) @all".to_owned();
        let failed = PreviewedEnvironment {
            strategy: StrategyName::new("shop").expect("a name"),
            environment: EnvironmentName::new("dev").expect("a name"),
            result: EnvironmentResult::Failed { failure: HydrationFailure::of_author(message) },
        };
        let preview = Preview {
            head: HeadSha::new("head-1").expect("an id"),
            dry: DrySha::new("dry-1").expect("an id"),
            strategy_files: None,
            outcome: Previewed::Rendered { environments: vec![failed], resources: vec![changed], more: 3 },
        };
        let context = preview_context(&preview);
        let name = context["resources"][0]["name"].as_str().expect("a text").replace('\u{200b}', "[nothing]");
        assert_eq!(name, "`ConfigMap a' \\| @[nothing]all <!-- x`");
        let failure = context["failures"][0]["message"].as_str().expect("a text").replace('\u{200b}', "");
        assert_eq!(failure, "`''' <img src=x> ', [sign in](https://x.example) @all`");
        let differences = context["differences"].as_str().expect("a text");
        assert_eq!(differences.matches("````").count(), 2, "{differences}");
        assert!(differences.contains("# dev\n") && differences.ends_with("# cut here\n````"), "{differences}");
    }
}
