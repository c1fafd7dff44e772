//! Proposals for several layouts; each must read without mistakes.

use proptest::prelude::*;

use super::propose_strategy;
use crate::domain::strategy::{PromotionStrategy, parse_strategies};

fn proposed(name: &str, listing: &[&str]) -> String {
    propose_strategy(name, listing.iter().copied(), |_| None)
}

fn read(text: &str) -> PromotionStrategy {
    let files = parse_strategies(&[("hydromote.yaml", text)]);
    let [file] = files.as_slice() else { panic!("one file gives one answer") };
    assert_eq!(file.warnings, [], "{text}");
    match file.strategies.as_deref() {
        Ok([strategy]) => strategy.clone(),
        Ok(other) => panic!("{} strategies in {text}", other.len()),
        Err(mistakes) => panic!("{}", mistakes.iter().map(|mistake| format!("{mistake}\n")).collect::<String>()),
    }
}

fn environments(strategy: &PromotionStrategy) -> Vec<&str> {
    strategy.environments.iter().map(|environment| environment.name.as_str()).collect()
}

fn paths(strategy: &PromotionStrategy) -> Vec<&str> {
    strategy.sources.sources.iter().filter_map(|source| source.path.as_deref().or(source.chart.as_deref())).collect()
}

#[test]
fn overlays_and_a_chart_are_proposed_together() {
    let text = proposed(
        "podinfo",
        &[
            "LICENSE",
            ".github/workflows/test.yaml",
            "charts/podinfo/Chart.yaml",
            "charts/podinfo/templates/deployment.yaml",
            "charts/podinfo/values-prod.yaml",
            "charts/podinfo/values.yaml",
            "deploy/bases/backend/kustomization.yaml",
            "deploy/overlays/dev/kustomization.yaml",
            "deploy/overlays/dev/namespace.yaml",
            "deploy/overlays/production/kustomization.yaml",
            "deploy/overlays/staging/kustomization.yaml",
            "deploy/webapp/common/namespace.yaml",
            "kustomize/kustomization.yaml",
        ],
    );
    read(&text);
    insta::assert_snapshot!(text, @r#"
    # What Hydromote renders from this repository, and in which order environments take it.
    # `hydromote validate` checks this file; `hydromote hydrate --repo . --out OUT` shows what it renders.
    apiVersion: hydromote.dev/v1alpha1
    kind: PromotionStrategy
    metadata:
      name: "podinfo"
    spec:

      # What is rendered. `hydromote validate` prints the table of what these match.
      sources:
        # One folder per environment; `{environment}` is the name of an environment below.
        - path: "deploy/overlays/{environment}"
        # Charts, rendered once per environment.
        - chart: charts/podinfo
          valueFiles:                 # over the chart's own values.yaml; `?`: may be absent
            - "charts/podinfo/values-{tier}.yaml?"

      # Labels for the sources above; an environment can have its own.
      vars:
        tier: "{environment}"

      # Whoever deploys the branches below reports this commit status on their heads; until then nothing
      # is promoted further. `hydromote report health success --sha SHA` does it by hand.
      activeCommitStatuses:
        - key: health

      # In this order, unless `dependsOn` says otherwise.
      environments:
        - name: dev
          branch: env/dev
        - name: staging
          branch: env/staging
        - name: production
          branch: env/production
          vars: {tier: prod}
          autoMerge: false              # waits for /promote, or for a merge by hand
    "#);
}

#[test]
fn an_environment_may_be_in_the_middle_of_a_path() {
    let strategy = read(&proposed(
        "shop",
        &[
            "clusters/prod/web/kustomization.yaml",
            "clusters/prod/db/kustomization.yaml",
            "clusters/dev/web/kustomization.yaml",
            "services/cart/overlays/dev/kustomization.yaml",
            "services/cart/overlays/dev/patches/dev/patch.yaml",
            "services/cart/base/kustomization.yaml",
        ],
    ));
    assert_eq!(environments(&strategy), ["dev", "prod"]);
    assert_eq!(
        paths(&strategy),
        ["clusters/{environment}/db", "clusters/{environment}/web", "services/cart/overlays/{environment}"]
    );
}

#[test]
fn charts_alone_name_the_environments_by_their_value_files() {
    let listing = ["chart/Chart.yaml", "chart/values-live.yaml", "chart/values-qa.yaml", "chart/values-minimal.yaml"];
    let strategy = read(&proposed("shop", &listing));
    assert_eq!(environments(&strategy), ["qa", "live"]);
    assert_eq!(strategy.sources.sources[0].value_files, ["chart/values-{tier}.yaml?"]);
}

#[test]
fn library_charts_are_not_rendered() {
    let listing = ["charts/lib/Chart.yaml", "charts/app/Chart.yaml"];
    let library = |path: &str| (path == "charts/lib/Chart.yaml").then(|| "name: lib\ntype: library\n".to_owned());
    let strategy = read(&propose_strategy("shop", listing, library));
    assert_eq!(paths(&strategy), ["charts/app"]);
}

#[test]
fn plain_folders_are_the_same_everywhere() {
    let strategy = read(&proposed("shop", &["manifests/a.yaml", "manifests/sub/b.yaml", "more/c.yml", "README.md"]));
    assert_eq!(environments(&strategy), ["dev", "staging", "prod"]);
    assert_eq!(paths(&strategy), ["manifests", "more"]);
}

#[test]
fn an_empty_repository_gets_a_beginning() {
    let strategy = read(&proposed("", &[]));
    assert_eq!(paths(&strategy), ["deploy/{environment}"]);
    assert_eq!(strategy.name.as_str(), "main");
}

#[test]
fn folders_that_differ_in_case_only_are_not_proposed_together() {
    let listing = ["dev/PROD/prod/Chart.yaml", "dev/prod/PROD/dev/kustomization.yaml", "Dev/Prod/prod/Chart.yaml"];
    let text = proposed("shop", &listing);
    assert_eq!(text.matches("/PROD").count(), 1, "{text}");
    read(&text);
}

proptest! {
    #[test]
    fn every_proposal_is_valid(
        name in ".{0,12}",
        listing in prop::collection::vec(
            "(-?[abD. \"{}*]{0,2}|dev|Dev|prod|production|staging|charts|[a-z{}]{1,3})(/(dev|prod|PROD|base|a|[.:#é]{1,2})){0,3}/(kustomization.yaml|Chart.yaml|values-(prod|dev|live).yaml|a.yml|b)",
            0..12,
        ),
    ) {
        let listing: Vec<&str> = listing.iter().map(String::as_str).collect();
        read(&proposed(&name, &listing));
    }
}
