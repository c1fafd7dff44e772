//! Finds the roots of one environment in a dry tree.

use std::collections::BTreeMap;
use std::fmt;

use crate::folders::Folders;
use crate::indexed::IndexedTree;
use crate::kustomization;
use crate::pattern;
use crate::scope::Scope;
use crate::source::{Input, Labels, Root, Source};

/// The roots of one environment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Discovery {
    /// The roots, by output folder.
    pub roots: Vec<Root>,
    /// Sources that match nothing for this environment.
    pub unmatched: Vec<Unmatched>,
}

/// A source that matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// The source, by position.
    pub source: usize,
    /// Its line in the strategy.
    pub line: u64,
    /// What was looked for, with the labels that are bound.
    pub pattern: String,
}

/// A mistake in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The source, by position.
    pub source: usize,
    /// Its line in the strategy.
    pub line: u64,
    /// The text that it points to.
    pub text: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Why the roots could not be found: all mistakes in the sources, at least one.
#[derive(Debug, thiserror::Error)]
#[error("{} mistakes in the sources, first: {}", .0.len(), .0[0])]
pub struct Mistakes(pub Vec<Mistake>);

/// Returns the roots that `sources` have in `tree`. `labels` are the variables and the
/// `environment`; the value of a variable may contain other labels.
///
/// # Errors
///
/// When a label is never bound, an output folder is missing, not
/// allowed, or that of two roots.
pub fn discover(tree: &IndexedTree, sources: &[Source], labels: &Labels) -> Result<Discovery, Mistakes> {
    let folders = Folders::of(tree);
    let labels = bind(labels).map_err(|mistake| Mistakes(vec![mistake]))?;

    let mut discovery = Discovery::default();
    let mut mistakes = Vec::new();
    for (position, source) in sources.iter().enumerate() {
        let scope = Scope { index: tree.index(), folders: &folders, position, source, labels: &labels };
        match scope.roots() {
            Ok(roots) if roots.is_empty() => discovery.unmatched.push(scope.unmatched()),
            Ok(roots) => discovery.roots.extend(roots),
            Err(found) => mistakes.extend(found),
        }
    }
    mistakes.extend(equal_outputs(&discovery.roots));
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes));
    }
    mark_bases(&mut discovery.roots, tree);
    discovery.roots.sort_by(|a, b| a.output.cmp(&b.output));
    Ok(discovery)
}

/// Replaces labels in the values of labels, to any depth that ends.
fn bind(labels: &Labels) -> Result<Labels, Mistake> {
    let mut bound = labels.clone();
    for _ in 0..=labels.len() {
        let mut next = Labels::new();
        for (name, value) in &bound {
            let value = pattern::expand(value, &bound).map_err(|label| Mistake {
                source: 0,
                line: 0,
                text: format!("{name}: {value}"),
                message: format!("the label `{{{label}}}` in the variable `{name}` is never bound"),
            })?;
            next.insert(name.clone(), value);
        }
        if next == bound {
            return Ok(bound);
        }
        bound = next;
    }
    Err(Mistake {
        source: 0,
        line: 0,
        text: labels.keys().cloned().collect::<Vec<_>>().join(", "),
        message: "these variables are made of each other".into(),
    })
}

fn equal_outputs(roots: &[Root]) -> Vec<Mistake> {
    let mut first: BTreeMap<String, &Root> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for root in roots {
        let Some(other) = first.get(&root.output.to_lowercase()) else {
            first.insert(root.output.to_lowercase(), root);
            continue;
        };
        mistakes.push(Mistake {
            source: root.source,
            line: root.line,
            text: root.output.clone(),
            message: format!(
                "`{}` and `{}` (line {}) would both be rendered to `{}`; give them different outputs",
                root.input.dir(),
                other.input.dir(),
                other.line,
                root.output
            ),
        });
    }
    mistakes
}

fn mark_bases(roots: &mut [Root], tree: &IndexedTree) {
    let mut base_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for root in roots.iter() {
        if let Input::Kustomize { dir } = &root.input {
            for base in kustomization::bases(tree, dir) {
                base_of.entry(base).or_default().push(root.output.clone());
            }
        }
    }
    for root in roots {
        let outputs = base_of.get(root.input.dir()).into_iter().flatten();
        root.base_of = outputs.filter(|output| **output != root.output).cloned().collect();
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexed::TreeLimits;
    use crate::source::{SourceKind, ValueFile};
    use crate::tree::{Entry, EntryKind, SourceTree, TreeError};

    /// A tree in memory: paths and texts.
    struct Files(Vec<(&'static str, &'static str)>);

    impl SourceTree for Files {
        fn entries(&self) -> Result<Vec<Entry>, TreeError> {
            let entry = |(path, text): &(&str, &str)| Entry {
                path: (*path).to_string(),
                kind: EntryKind::File,
                size: text.len() as u64,
            };
            Ok(self.0.iter().map(entry).collect())
        }

        fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
            let found = self.0.iter().find(|(name, _)| *name == path);
            Ok(found.map(|(_, text)| text.as_bytes().to_vec()).unwrap_or_default())
        }
    }

    fn shop() -> IndexedTree {
        let files = Files(vec![
            ("services/web/base/kustomization.yaml", "resources: [a.yaml]"),
            ("services/web/overlays/dev/kustomization.yaml", "resources: [../../base]"),
            ("services/web/overlays/prod/kustomization.yaml", "resources: [../../base]"),
            ("services/api/overlays/dev/kustomization.yaml", "resources: [../dev-base]"),
            ("services/api/overlays/dev-base/kustomization.yml", ""),
            ("services/api/values.yaml", ""),
            ("parts/labels/kustomization.yaml", "kind: Component"),
            ("charts/service/Chart.yaml", "name: service"),
            ("charts/service/charts/dep/Chart.yaml", "name: dep"),
            ("charts/service/templates/a.yaml", ""),
            ("charts/lib/Chart.yaml", "type: library"),
            ("ci.yaml", ""),
            ("plain/dev/a.yaml", ""),
            ("plain/dev/more/b.yaml", ""),
        ]);
        IndexedTree::read(std::sync::Arc::new(files), TreeLimits::default()).expect("a tree")
    }

    fn labels() -> Labels {
        let pairs = [("environment", "dev"), ("team", "shop"), ("tier", "{environment}")];
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn path(text: &str) -> Source {
        Source { path: Some(text.into()), line: 7, ..Source::default() }
    }

    fn found(sources: &[Source]) -> Discovery {
        discover(&shop(), sources, &labels()).expect("no mistakes")
    }

    fn outputs(sources: &[Source]) -> Vec<String> {
        found(sources).roots.into_iter().map(|root| format!("{} <- {}", root.output, root.input.dir())).collect()
    }

    fn mistakes(sources: &[Source]) -> String {
        match discover(&shop(), sources, &labels()) {
            Err(Mistakes(mistakes)) => {
                let line = |m: &Mistake| format!("{}:{} {}: {m}", m.source, m.line, m.text);
                mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
            }
            other => panic!("no mistakes: {other:?}"),
        }
    }

    #[test]
    fn one_root_is_found_per_match_and_the_environment_is_left_out_of_its_output() {
        let source = path("services/{service}/overlays/{environment}");
        let discovery = found(std::slice::from_ref(&source));
        assert_eq!(
            outputs(&[source]),
            [
                "services/api/overlays <- services/api/overlays/dev",
                "services/web/overlays <- services/web/overlays/dev"
            ]
        );
        assert_eq!(discovery.roots[1].labels["service"], "web");
        assert_eq!(discovery.roots[1].labels["tier"], "dev");
    }

    #[test]
    fn outputs_are_made_from_labels() {
        let source =
            Source { output: Some("./{team}//{service}/".into()), ..path("services/{service}/overlays/{environment}") };
        assert_eq!(outputs(&[source])[0], "shop/api <- services/api/overlays/dev");
    }

    #[test]
    fn wildcards_find_what_can_be_rendered_and_nothing_inside_of_it() {
        assert_eq!(
            outputs(&[Source { exclude: vec!["services/**".into()], ..path("**") }]),
            ["charts/service <- charts/service", "plain/dev <- plain/dev"]
        );
        assert_eq!(
            outputs(&[Source { kind: Some(SourceKind::Helm), ..path("**") }]),
            ["charts/service <- charts/service"]
        );
        assert_eq!(outputs(&[Source { kind: Some(SourceKind::Kustomize), ..path("**/base") }]).len(), 1);
    }

    #[test]
    fn one_chart_is_released_for_each_folder() {
        let values = serde_json::json!({"tier": "{tier}", "list": ["{service}"], "text": "{{ .x }}"});
        let source = Source {
            each: Some("services/{service}".into()),
            chart: Some("charts/service".into()),
            release_name: Some("{service}".into()),
            namespace: Some("{team}-{environment}".into()),
            value_files: vec!["services/{service}/values.yaml?".into()],
            values: values.as_object().cloned(),
            ..Source::default()
        };
        let discovery = found(&[source]);
        let outputs: Vec<_> = discovery.roots.iter().map(|root| root.output.as_str()).collect();
        assert_eq!(outputs, ["api", "web"]);
        let Input::Helm(release) = &discovery.roots[0].input else { panic!("a release") };
        assert_eq!((release.name.as_str(), release.namespace.as_str()), ("api", "shop-dev"));
        assert_eq!(release.value_files, [ValueFile { path: "services/api/values.yaml".into(), optional: true }]);
        let values = serde_json::json!({"tier": "dev", "list": ["api"], "text": "{{ .x }}"});
        assert_eq!(release.values.as_ref(), values.as_object());
    }

    #[test]
    fn a_root_that_others_build_on_is_marked() {
        let roots = found(&[path("services/web/base"), path("services/web/overlays/{environment}")]).roots;
        assert_eq!(roots[0].base_of, ["services/web/overlays"]);
        assert!(roots[1].base_of.is_empty());
    }

    #[test]
    fn a_source_that_matches_nothing_is_reported() {
        let discovery = found(&[path("services/{service}/{environment}"), path("missing/{environment}")]);
        let patterns: Vec<_> = discovery.unmatched.iter().map(|unmatched| unmatched.pattern.as_str()).collect();
        assert_eq!(patterns, ["services/{service}/dev", "missing/dev"]);
    }

    #[test]
    fn mistakes_are_named_with_their_source() {
        let output = |text: &str, output: &str| Source { output: Some(output.into()), ..path(text) };
        insta::assert_snapshot!(mistakes(&[output("plain/dev", "{nobody}")]), @"0:7 {nobody}: the label `{nobody}` in `{nobody}` is never bound; there are `environment`, `team`, `tier`");
        insta::assert_snapshot!(mistakes(&[output("plain/dev", "Shop"), output("charts/service", "shop/")]), @"1:7 shop: `charts/service` and `plain/dev` (line 7) would both be rendered to `shop`; give them different outputs");
        insta::assert_snapshot!(mistakes(&[output("plain/dev", "./")]), @"0:7 ./: this would be rendered to the branch's own folder; name another with `output`");
        insta::assert_snapshot!(mistakes(&[output("plain/dev", "../x")]), @"0:7 ../x: `../x` is no folder of a branch; use names without `..` and `.git`");
        insta::assert_snapshot!(mistakes(&[path("../x")]), @"0:7 ../x: `../x` must be a path inside the repository, without `..`");
        insta::assert_snapshot!(mistakes(&[path("parts/labels")]), @"0:7 parts/labels: `parts/labels` is a kustomize Component, which is only a part of other kustomizations");
        let chart = Source { chart: Some("charts/none".into()), ..Source::default() };
        insta::assert_snapshot!(mistakes(&[chart]), @"0:0 charts/none: there is no chart in `charts/none`: a chart is a folder with a `Chart.yaml`");
    }

    #[test]
    fn a_folder_inside_another_is_allowed_as_output() {
        let inner = Source { output: Some("shop/inner".into()), ..path("plain/dev") };
        let outer = Source { output: Some("shop".into()), ..path("charts/service") };
        assert_eq!(outputs(&[inner, outer]).len(), 2);
    }
}
