//! What environments depend on: known ones, never themselves, never in a circle.

use std::collections::BTreeSet;

use super::name_of;
use crate::domain::strategy::{
    document::Spec,
    mistake::Report,
    nearest::{list, nearest},
    position::Position,
};

/// One environment in the graph: its name, what it depends on and where that is written.
struct Node<'a> {
    name: &'a str,
    depends_on: Vec<&'a str>,
    by_default: bool,
    position: Position,
}

/// Reports what is wrong with `dependsOn`.
pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let nodes = nodes(spec);
    refuse_unknown(spec, &nodes, report);
    let mut reported = BTreeSet::new();
    for start in &nodes {
        let Some(cycle) = cycle_from(start, &nodes) else { continue };
        let members: BTreeSet<&str> = cycle.iter().map(|node| node.name).collect();
        if cycle.len() > 1 && reported.insert(members) {
            report_cycle(&cycle, report);
        }
    }
}

fn nodes(spec: &Spec) -> Vec<Node<'_>> {
    let mut before = None;
    spec.environments
        .value
        .iter()
        .map(|environment| {
            let document = &environment.value;
            let name = name_of(document);
            let by_default = before.replace(name);
            let listed = document.depends_on.as_deref();
            Node {
                name,
                depends_on: match listed {
                    Some(names) => names.iter().map(|name| name.value.as_str()).collect(),
                    None => by_default.into_iter().collect(),
                },
                by_default: listed.is_none(),
                position: listed.and_then(|names| names.first()).map_or(environment.position, |name| name.position),
            }
        })
        .collect()
}

fn refuse_unknown(spec: &Spec, nodes: &[Node<'_>], report: &mut Report<'_>) {
    let known: Vec<&str> = nodes.iter().map(|node| node.name).collect();
    for (environment, node) in spec.environments.value.iter().zip(nodes) {
        let mut seen = BTreeSet::new();
        for name in environment.value.depends_on.iter().flatten() {
            let text = name.value.as_str();
            if text == node.name {
                report.mistake(
                    name.position,
                    format!("environment `{text}` depends on itself"),
                    "name environments that come before it, or write `dependsOn: []` for none",
                );
            } else if !known.contains(&text) {
                let help = match nearest(text, &known) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => format!("environments are {}", list(&known, "and")),
                };
                report.mistake(name.position, format!("there is no environment `{text}`"), help);
            } else if !seen.insert(text) {
                report.mistake(name.position, format!("`{text}` stands here twice"), "keep one of them");
            }
        }
    }
}

/// Returns the circle that begins and ends at `start`, if there is one: a walk over everything
/// that `start` depends on, remembering by which way each environment was reached.
fn cycle_from<'a, 'n>(start: &'n Node<'a>, nodes: &'n [Node<'a>]) -> Option<Vec<&'n Node<'a>>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start]];
    while let Some(way) = ways.pop() {
        for name in &way.last()?.depends_on {
            if *name == start.name {
                return Some(way);
            }
            if let Some(next) = nodes.iter().find(|node| node.name == *name)
                && seen.insert(next.name)
            {
                ways.push(way.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}

fn report_cycle(cycle: &[&Node<'_>], report: &mut Report<'_>) {
    let names: Vec<&str> = cycle.iter().map(|node| node.name).chain(cycle.first().map(|node| node.name)).collect();
    let written = cycle.iter().find(|node| !node.by_default).or(cycle.first());
    let help = match cycle.iter().find(|node| node.by_default) {
        Some(node) => format!(
            "`{}` depends on the environment listed before it; write `dependsOn` there, or list it earlier",
            node.name
        ),
        None => "remove one of these from `dependsOn`".to_owned(),
    };
    if let Some(node) = written {
        let message = format!("environments depend on each other in a circle: {}", names.join(" → "));
        report.mistake(node.position, message, help);
    }
}
