//! What is said about a document and its words.

use std::fmt::Write as _;

use super::{HEADER, said, said_of, said_of_environments, said_of_sources, told};
use crate::domain::strategy::parse_strategies;

#[test]
fn a_word_with_a_slip_gets_the_right_word() {
    insta::assert_snapshot!(said_of_environments("  - branch: env/dev\n    dependOn: []\n"), @r"
    error: `dependOn` is not a field here
     --> hydromote.yaml:9:5
      |
    9 |     dependOn: []
      |     ^^^^^^^^
      = help: did you mean `dependsOn`?
    ");
}

#[test]
fn an_unknown_word_gets_the_words_that_are_known_there() {
    insta::assert_snapshot!(said_of(&format!("{HEADER}replicas: 3\nspec: {{}}\n")), @r"
    error: `replicas` is not a field here
     --> hydromote.yaml:4:1
      |
    4 | replicas: 3
      | ^^^^^^^^
      = help: fields here are `apiVersion`, `kind`, `metadata` and `spec`
    ");
}

#[test]
fn a_missing_word_is_named() {
    insta::assert_snapshot!(said("  sources: [{path: deploy}]\n"), @r"
    error: `environments` is missing here
     --> hydromote.yaml:5:3
      |
    5 |   sources: [{path: deploy}]
      |   ^^^^^^^
      = help: add `environments:` to this entry
    ");
}

#[test]
fn a_key_twice_is_refused() {
    insta::assert_snapshot!(said_of_environments("  - branch: env/dev\n    branch: env/prod\n"), @r"
    error: `branch` stands here twice
     --> hydromote.yaml:9:5
      |
    9 |     branch: env/prod
      |     ^^^^^^
      = help: keep one of them
    ");
}

#[test]
fn yes_is_not_a_boolean() {
    insta::assert_snapshot!(said_of_environments("  - branch: env/dev\n    autoMerge: yes\n"), @r"
    error: this is neither `true` nor `false`
     --> hydromote.yaml:9:16
      |
    9 |     autoMerge: yes
      |                ^^^
      = help: write `true` or `false`
    ");
}

#[test]
fn a_list_where_a_text_belongs_is_refused() {
    insta::assert_snapshot!(said_of_environments("  - branch: [env/dev]\n"), @r"
    error: a text belongs here
     --> hydromote.yaml:8:13
      |
    8 |   - branch: [env/dev]
      |             ^
      = help: write one text; quote it when it begins with `{`, `[`, `*` or `&`
    ");
}

#[test]
fn what_is_not_yaml_is_refused() {
    insta::assert_snapshot!(said_of("apiVersion: {{ .Values.x }}\n"), @r"
    error: a text belongs here
     --> hydromote.yaml:1:13
      |
    1 | apiVersion: {{ .Values.x }}
      |             ^
      = help: write one text; quote it when it begins with `{`, `[`, `*` or `&`
    ");
    insta::assert_snapshot!(said_of("apiVersion: \"b\nkind: d\n"), @r"
    error: this is not YAML: invalid indentation in multiline quoted scalar
     --> hydromote.yaml:2:1
      |
    2 | kind: d
      | ^^^^
      = help: check quotes, colons and indentation
    ");
    insta::assert_snapshot!(told(&parse_strategies(&[("hydromote.yaml", b"a: \xff")])), @r"
    error: byte 3 of the file is not UTF-8 text
     --> hydromote.yaml:1:4
      |
    1 | a:
      = help: save the file as UTF-8
    ");
    insta::assert_snapshot!(said_of("# nothing yet\n"), @r"
    error: the file holds no strategy
     --> hydromote.yaml:1:1
      |
    1 | # nothing yet
      | ^^^^^^^^^^^^^
      = help: write one, or remove the file; `hydromote init` proposes one
    ");
}

#[test]
fn files_that_are_too_large_or_too_deep_are_refused() {
    insta::assert_snapshot!(said_of(&"#".repeat(256 * 1024 + 1)), @r"
    error: the file has 262145 bytes; at most 262144 are read
     --> hydromote.yaml:1:1
      |
    1 | ################################################################################################################################################################
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: divide it into several files under `.hydromote/`
    ");
    let values = |values: &str| said(&format!("  sources:\n  - path: a\n    values:\n{values}"));
    insta::assert_snapshot!(values(&format!("      a: {}", "[".repeat(100))), @r"
    error: this is not YAML: recursion limit exceeded
     --> hydromote.yaml:8:42
      |
    8 |       a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
      |                                          ^
      = help: check quotes, colons and indentation
    ");
    let mut bomb = "      a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let last = level - 1;
        let nine = vec![format!("*a{last}"); 9].join(",");
        writeln!(bomb, "      a{level}: &a{level} [{nine}]").expect("because writing to a string cannot fail");
    }
    insta::assert_snapshot!(values(&bomb), @r"
    error: the file is larger, deeper or has more aliases than a strategy needs
      --> hydromote.yaml:13:16
       |
    13 |       a5: &a5 [*a4,*a4,*a4,*a4,*a4,*a4,*a4,*a4,*a4]
       |                ^^^
       = help: write it out, or divide it into several files under `.hydromote/`
    ");
}

#[test]
fn another_version_or_kind_is_refused() {
    let text = "apiVersion: hydromote.dev/v1alpha2\nkind: PromotionStrategies\nmetadata: {name: -x}\n\
                spec: {sources: [{path: a}], environments: [{branch: b}], activeCommitStatuses: [{key: c}]}\n";
    insta::assert_snapshot!(said_of(text), @r"
    error: `hydromote.dev/v1alpha2` is not a version of this format
     --> hydromote.yaml:1:13
      |
    1 | apiVersion: hydromote.dev/v1alpha2
      |             ^^^^^^^^^^^^^^^^^^^^^^
      = help: did you mean `hydromote.dev/v1alpha1`?
    error: `PromotionStrategies` is not a kind of document that Hydromote reads
     --> hydromote.yaml:2:7
      |
    2 | kind: PromotionStrategies
      |       ^^^^^^^^^^^^^^^^^^^
      = help: did you mean `PromotionStrategy`?
    error: `-x` is not a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit
     --> hydromote.yaml:3:18
      |
    3 | metadata: {name: -x}
      |                  ^^
      = help: write a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit
    ");
}

#[test]
fn behaviour_that_is_not_built_is_never_ignored() {
    let spec = "
  lanes: {by: service}
  permissions:
    rollback: [\"team:qa\"]
  mergeMode: direct
  activeCommitStatuses: [{key: health}]
  sources:
  - {path: \"clusters/{target}\"}
  environments:
  - branch: env/dev
    soak: 1m
    newer: finish
    maxOpenPullRequests: 1
    waves: []
    targets: []
    mergeMethod: fast-forward
";
    insta::assert_snapshot!(said(spec), @r#"
    error: roots of this source have no label `service`, by which `lanes` divides
      --> hydromote.yaml:12:5
       |
    12 |   - {path: "clusters/{target}"}
       |     ^
       = help: capture it with `{service}` in `path` or `each`, or add it to `vars` of the strategy
    error: targets are not yet supported
      --> hydromote.yaml:12:12
       |
    12 |   - {path: "clusters/{target}"}
       |            ^^^^^^^^^^^^^^^^^^^
       = help: use another label than `{target}`
    error: `waves` is not yet supported
      --> hydromote.yaml:18:5
       |
    18 |     waves: []
       |     ^^^^^
       = help: remove `waves`; it would have no effect
    error: `targets` is not yet supported
      --> hydromote.yaml:19:5
       |
    19 |     targets: []
       |     ^^^^^^^
       = help: remove `targets`; it would have no effect
    error: `fast-forward` is not yet supported
      --> hydromote.yaml:20:18
       |
    20 |     mergeMethod: fast-forward
       |                  ^^^^^^^^^^^^
       = help: write `merge`, `squash` or `rebase`
    "#);
}

#[test]
fn words_that_ask_for_what_is_there_are_accepted() {
    let spec = "
  mergeMode: pull-request
  activeCommitStatuses: [{key: health}]
  render: {layout: resources, prove: true}
  rollback: {automatic: true}
  sources: [{path: deploy}]
  environments: [{branch: env/dev, mergeMode: pull-request, rollback: {}}]
";
    insta::assert_snapshot!(said(spec), @"nothing");
}

#[test]
fn charts_from_elsewhere_are_named_in_one_of_two_ways() {
    let chart = |chart: &str| said_of_sources(&format!("  - {{chart: {chart}, output: a}}\n"));
    assert_eq!(chart("{oci: \"oci://registry.example.com/charts/redis\", version: 20.1.0}"), "nothing");
    let labelled = "{repository: \"https://charts.example.com\", name: redis, version: \"{environment}\"}";
    assert_eq!(chart(labelled), "nothing");
    insta::assert_snapshot!(chart("{oci: \"https://example.com/redis\", version: latest}"), @r#"
    error: `https://example.com/redis` does not begin with `oci://`
     --> hydromote.yaml:8:19
      |
    8 |   - {chart: {oci: "https://example.com/redis", version: latest}, output: a}
      |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: write it like `oci://registry.example.com/charts/redis`
    error: `latest` is no version of a chart and no range of versions
     --> hydromote.yaml:8:57
      |
    8 |   - {chart: {oci: "https://example.com/redis", version: latest}, output: a}
      |                                                         ^^^^^^
      = help: write one such as `20.1.0`, `^20.1` or `>=20.1.0 <21`
    "#);
    insta::assert_snapshot!(chart("{oci: \"oci://example.com/redis\"}"), @r#"
    error: this chart from elsewhere has no version
     --> hydromote.yaml:8:6
      |
    8 |   - {chart: {oci: "oci://example.com/redis"}, output: a}
      |      ^^^^^
      = help: add its `version`, such as `version: "20.1.0"` or `version: "^20.1"`
    "#);
    insta::assert_snapshot!(chart("{repository: \"https://u:p@example.com\", name: redis, version: \"{nobody}\"}"), @r#"
    error: the address of the chart repository has credentials in it
     --> hydromote.yaml:8:26
      |
    8 |   - {chart: {repository: "https://u:p@example.com", name: redis, version: "{nobody}"}, output: a}
      |                          ^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: leave them out: credentials are settings of whoever fetches
    error: the label `nobody` is used but never bound
     --> hydromote.yaml:8:75
      |
    8 |   - {chart: {repository: "https://u:p@example.com", name: redis, version: "{nobody}"}, output: a}
      |                                                                           ^^^^^^^^^^
      = help: capture it with `{nobody}` in `path` or `each`, or add it to `vars`
    "#);
    insta::assert_snapshot!(chart("{repository: \"https://example.com\", version: \"1\"}"), @r#"
    error: a chart from elsewhere has either `oci`, or `repository` and `name`
     --> hydromote.yaml:8:6
      |
    8 |   - {chart: {repository: "https://example.com", version: "1"}, output: a}
      |      ^^^^^
      = help: write `{oci: oci://registry.example.com/charts/redis, version: "20.1.0"}` or `{repository: https://charts.example.com, name: redis, version: "20.1.0"}`
    "#);
    insta::assert_snapshot!(chart("{git: \"https://example.com\", version: \"1\"}"), @r#"
    error: `git` is not a field here
     --> hydromote.yaml:8:14
      |
    8 |   - {chart: {git: "https://example.com", version: "1"}, output: a}
      |              ^^^
      = help: fields here are `oci`, `repository`, `name` and `version`
    "#);
}
