//! The strategy's sources in the terms of the renderers' library.

use hydrators::{DEFAULT_KUBE_VERSION, Labels};

use crate::domain::{
    ids::EnvironmentName,
    strategy::{Layout, OnFailure, RenderOptions, SecretPolicy, Source, SourceKind, Sources},
};

/// Returns the sources with their options resolved for one environment: the source's own lie over
/// the environment's, and those over the strategy's.
pub fn resolve(sources: &Sources, environment: &EnvironmentName) -> Vec<hydrators::Source> {
    let outer = sources.environment_render.get(environment);
    sources.sources.iter().map(|source| resolve_source(source, outer, &sources.render)).collect()
}

/// Returns the labels that every root of an environment has.
pub fn labels(sources: &Sources, environment: &EnvironmentName) -> Labels {
    let own = sources.environment_vars.get(environment).into_iter().flatten();
    let mut labels: Labels = sources.vars.iter().chain(own).map(|(k, v)| (k.clone(), v.clone())).collect();
    labels.insert("environment".to_owned(), environment.to_string());
    labels
}

fn resolve_source(source: &Source, environment: Option<&RenderOptions>, all: &RenderOptions) -> hydrators::Source {
    let layers: Vec<&RenderOptions> = [Some(&source.render), environment, Some(all)].into_iter().flatten().collect();
    hydrators::Source {
        path: source.path.clone(),
        each: source.each.clone(),
        chart: source.chart.clone(),
        remote: source.remote.as_ref().map(|remote| hydrators::RemoteChart {
            location: remote.location.clone(),
            name: remote.name.clone(),
            version: remote.version.clone(),
        }),
        kind: source.kind.map(|kind| match kind {
            SourceKind::Kustomize => hydrators::SourceKind::Kustomize,
            SourceKind::Helm => hydrators::SourceKind::Helm,
            SourceKind::Plain => hydrators::SourceKind::Plain,
        }),
        exclude: source.exclude.clone(),
        output: source.output.clone(),
        on_failure: match source.on_failure {
            OnFailure::Hold => hydrators::OnFailure::Hold,
            OnFailure::KeepLast => hydrators::OnFailure::KeepLast,
        },
        release_name: source.release_name.clone(),
        namespace: source.namespace.clone(),
        value_files: source.value_files.clone(),
        values: source.values.clone(),
        options: options(&layers),
        line: source.line,
    }
}

/// Takes each option from the first layer that sets it.
fn options(layers: &[&RenderOptions]) -> hydrators::RenderOptions {
    fn first<T: Clone>(layers: &[&RenderOptions], pick: impl Fn(&RenderOptions) -> Option<T>) -> Option<T> {
        layers.iter().find_map(|layer| pick(layer))
    }
    hydrators::RenderOptions {
        kube_version: first(layers, |l| l.kube_version.clone()).unwrap_or_else(|| DEFAULT_KUBE_VERSION.to_owned()),
        api_versions: first(layers, |l| l.api_versions.clone()).unwrap_or_default(),
        include_crds: first(layers, |l| l.include_crds).unwrap_or(true),
        skip_tests: first(layers, |l| l.skip_tests).unwrap_or(true),
        layout: match first(layers, |l| l.layout) {
            Some(Layout::Manifest) | None => hydrators::Layout::Manifest,
            Some(Layout::Resources) => hydrators::Layout::Resources,
        },
        secrets: match first(layers, |l| l.secrets) {
            Some(SecretPolicy::Allow) => hydrators::SecretPolicy::Allow,
            Some(SecretPolicy::Refuse) | None => hydrators::SecretPolicy::Refuse,
        },
        prove: first(layers, |l| l.prove).unwrap_or(false),
        helm_version: first(layers, |l| l.helm_version.clone()),
        kustomize_version: first(layers, |l| l.kustomize_version.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_innermost_option_counts_and_the_environments_own_vars_win() {
        let dev = EnvironmentName::new("dev").expect("a name");
        let kube = |v: &str| RenderOptions { kube_version: Some(v.into()), ..Default::default() };
        let of = |k: &str, v: &str| BTreeMap::from([(k.to_owned(), v.to_owned())]);
        let sources = Sources {
            sources: vec![Source { render: kube("1.33"), ..Default::default() }, Source::default()],
            vars: of("tier", "{environment}"),
            environment_vars: BTreeMap::from([(dev.clone(), of("tier", "small"))]),
            render: RenderOptions { include_crds: Some(false), ..kube("1.30") },
            environment_render: BTreeMap::from([(dev.clone(), kube("1.32"))]),
        };
        let resolved = resolve(&sources, &dev);
        assert_eq!(resolved.iter().map(|s| s.options.kube_version.as_str()).collect::<Vec<_>>(), ["1.33", "1.32"]);
        assert!(!resolved[0].options.include_crds);
        assert_eq!(labels(&sources, &dev)["tier"], "small");
        assert_eq!(labels(&sources, &dev)["environment"], "dev");
    }
}
