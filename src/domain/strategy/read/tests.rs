//! What is read from a sound document, and that nothing makes reading panic.

use jiff::SignedDuration;
use proptest::prelude::*;

use crate::domain::ids::BranchName;

use super::super::{
    Layout, MergeMethod, Newer, OnFailure, PromotionStrategy, SecretPolicy, SourceKind, parse_strategies,
};

const FULL: &str = r#"
apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata: {name: shop}
spec:
  dryBranch: main
  sources:
    - path: deploy/overlays/{environment}
      output: shop
    - path: services/{service}/overlays/{environment}
      kind: kustomize
      exclude: ["**/base"]
      output: "{service}"
      onFailure: keepLast
    - each: releases/{release}
      chart: charts/service
      releaseName: "{release}"
      namespace: "{team}-{environment}"
      valueFiles: [charts/service/values.yaml, "releases/{release}/values-{tier}.yaml?"]
      values: {replicas: 2, on: "yes"}
      render: {includeCRDs: false}
  vars: {team: shop, tier: "{environment}"}
  render: {kubeVersion: v1.34, apiVersions: [], skipTests: true, layout: manifest, secrets: allow, helmVersion: 3.19.0}
  activeCommitStatuses: [{key: health, settle: 30s, deadline: 30m}]
  environments:
    - branch: env/dev
    - name: staging
      branch: env/stage
      soak: 1h30m
      render: {kustomizeVersion: 5.8.0}
    - name: prod
      branch: env/prod
      vars: {tier: production}
      dependsOn: [dev, staging]
      autoMerge: false
      mergeMethod: squash
      activeCommitStatuses: [{key: smoke}]
      proposedCommitStatuses: [{key: change-ticket}]
"#;

fn strategies(text: &str) -> Vec<PromotionStrategy> {
    let mut files = parse_strategies(&[("hydromote.yaml", text)]);
    let file = files.pop().expect("because one file gives one answer");
    file.strategies.expect("because the document is sound")
}

fn full() -> PromotionStrategy {
    strategies(FULL).pop().expect("because the file has one strategy")
}

#[test]
fn sources_are_read_whole() {
    let sources = full().sources;
    let [overlays, services, releases] = sources.sources.as_slice() else { panic!("there are three sources") };
    assert_eq!(overlays.path.as_deref(), Some("deploy/overlays/{environment}"));
    assert_eq!((overlays.line, services.line, releases.line), (8, 10, 15));
    assert_eq!(services.kind, Some(SourceKind::Kustomize));
    assert_eq!(services.on_failure, OnFailure::KeepLast);
    assert_eq!(services.exclude, ["**/base"]);
    assert_eq!(releases.chart.as_deref(), Some("charts/service"));
    assert_eq!(releases.render.include_crds, Some(false));
    let values = releases.values.as_ref().expect("because it has values");
    assert_eq!(serde_json::to_string(values).ok().as_deref(), Some(r#"{"replicas":2,"on":"yes"}"#));
}

#[test]
fn render_options_and_labels_are_kept_by_environment() {
    let sources = full().sources;
    assert_eq!(sources.render.kube_version.as_deref(), Some("1.34"));
    assert_eq!(sources.render.layout, Some(Layout::Manifest));
    assert_eq!(sources.render.secrets, Some(SecretPolicy::Allow));
    assert_eq!(sources.render.api_versions, Some(Vec::new()));
    let pins: Vec<_> =
        sources.environment_render.iter().map(|(e, r)| (e.as_str(), r.kustomize_version.clone())).collect();
    assert_eq!(pins, [("staging", Some("5.8.0".to_owned()))]);
    let tiers: Vec<_> = sources.environment_vars.iter().map(|(e, vars)| (e.as_str(), vars["tier"].as_str())).collect();
    assert_eq!(tiers, [("prod", "production")]);
    assert_eq!(sources.vars["tier"], "{environment}");
}

#[test]
fn environments_have_their_defaults() {
    let strategy = full();
    let [dev, staging, prod] = strategy.environments.as_slice() else { panic!("there are three environments") };
    assert_eq!(dev.name.as_str(), "dev");
    assert!(dev.depends_on.is_empty() && dev.auto_merge && dev.soak.is_zero());
    assert_eq!(dev.merge_method, MergeMethod::Merge);
    assert_eq!(dev.active_statuses[0].settle, SignedDuration::from_secs(30));
    assert_eq!(dev.active_statuses[0].deadline, Some(SignedDuration::from_mins(30)));
    assert_eq!(staging.depends_on, std::slice::from_ref(&dev.name));
    assert_eq!(staging.soak, SignedDuration::from_mins(90));
    assert_eq!(prod.depends_on, [dev.name.clone(), staging.name.clone()]);
    assert!(!prod.auto_merge);
    let keys: Vec<_> = prod.active_statuses.iter().map(|rule| rule.key.as_str()).collect();
    assert_eq!(keys, ["health", "smoke"]);
    assert_eq!(prod.proposed_statuses[0].key.as_str(), "change-ticket");
    // What a check waited for is bound to the proposed commit.
    assert_eq!((dev.newer, prod.newer), (Newer::Supersede, Newer::Finish));
}

#[test]
fn what_happens_to_a_proposal_may_be_said_for_all_and_for_one() {
    let text = "
apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata: {name: shop}
spec:
  sources: [{path: deploy}]
  newer: finish
  environments:
  - {branch: env/dev, newer: supersede}
  - branch: env/prod
";
    let strategy = strategies(text).remove(0);
    assert_eq!(strategy.environments[0].newer, Newer::Supersede);
    assert_eq!(strategy.environments[1].newer, Newer::Finish);
}

#[test]
fn the_branch_that_the_document_was_read_from_may_be_in_the_way() {
    let strategy = full();
    let conflict = |dry: &str| {
        let dry = BranchName::new(dry).expect("because it is a branch name");
        strategy.conflict_with_dry_branch(&dry).map(|environment| environment.name.as_str())
    };
    assert_eq!(conflict("main"), None);
    assert_eq!(conflict("env/stage"), Some("staging"));
    assert_eq!(conflict("env"), Some("dev"));
    assert_eq!(conflict("env/prod-next/x"), Some("prod"));
}

#[test]
fn a_file_may_hold_several_strategies() {
    let second = FULL.replace("name: shop}", "name: search}").replace("env/", "search/");
    let names: Vec<_> =
        strategies(&format!("{FULL}---\n{second}---\n")).into_iter().map(|s| s.name.to_string()).collect();
    assert_eq!(names, ["shop", "search"]);
}

#[test]
fn anchors_and_long_comments_are_ordinary_yaml() {
    let comments = "# a line of an explanation\n".repeat(100);
    let text = FULL
        .replace("autoMerge: false", "autoMerge: &no false")
        .replace("soak: 1h30m", "soak: 1h30m\n      autoMerge: true")
        .replace("  environments:\n", &format!("  environments:\n{comments}"));
    assert_eq!(strategies(&text).len(), 1);
}

#[test]
fn the_examples_have_no_mistakes_and_no_warnings() {
    for example in [
        include_str!("../../../../examples/podinfo/hydromote.yaml"),
        include_str!("../../../../examples/gitops-catalog/hydromote.yaml"),
    ] {
        let files = parse_strategies(&[("hydromote.yaml", example)]);
        assert!(files.iter().all(|file| file.strategies.is_ok() && file.warnings.is_empty()), "{files:?}");
    }
}

#[test]
fn mistakes_are_json_with_documented_fields() {
    let files = parse_strategies(&[("hydromote.yaml", FULL.replace("soak: 1h30m", "soak: 90"))]);
    let mistakes = files[0].strategies.as_ref().expect_err("because 90 is no duration");
    insta::assert_snapshot!(serde_json::to_string_pretty(mistakes).unwrap_or_default(), @r#"
    [
      {
        "severity": "error",
        "file": "hydromote.yaml",
        "line": 29,
        "column": 13,
        "snippet": "90",
        "message": "`90` is not a duration",
        "help": "write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year"
      }
    ]
    "#);
}

/// A sound document with one slice of it replaced: deeper into the checks than noise gets.
fn damaged() -> impl Strategy<Value = String> {
    let noise = prop_oneof![
        "[ \\-:{}\\[\\]\"'*&#|>!%@,?\n\t~a-z0-9./é\u{0}]{0,12}",
        Just("*x".to_owned()),
        Just("&x".to_owned()),
        Just("<<: *x".to_owned()),
        Just("~".to_owned()),
        Just("{environment".to_owned()),
    ];
    (0..FULL.len(), 0..24usize, noise).prop_map(|(start, length, noise)| {
        let end = (start + length).min(FULL.len());
        format!("{}{noise}{}", &FULL[..start], &FULL[end..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        parse_strategies(&[("hydromote.yaml", bytes)]);
    }

    #[test]
    fn no_text_makes_reading_or_telling_panic(text in "[ \\-:{}\\[\\]\"'*&#|>!%@,?\n\t~a-zé\u{feff}\u{2028}]{0,120}") {
        for file in parse_strategies(&[("hydromote.yaml", text)]) {
            for mistake in file.strategies.err().into_iter().flatten() {
                prop_assert!(!mistake.to_string().is_empty() && !mistake.help.is_empty());
            }
        }
    }

    #[test]
    fn no_damage_to_a_document_makes_reading_panic(text in damaged()) {
        for file in parse_strategies(&[("a.yaml", text.as_str()), ("b.yaml", FULL)]) {
            for mistake in file.strategies.err().into_iter().flatten() {
                let lines = if file.path == "a.yaml" { text.lines().count() } else { FULL.lines().count() };
                prop_assert!(mistake.line >= 1 && mistake.line <= lines.max(1) as u64, "{mistake}");
                prop_assert!(!mistake.to_string().is_empty());
            }
        }
    }
}
