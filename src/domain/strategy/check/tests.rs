//! Every mistake with its whole text.

use std::fmt::Write as _;

use crate::domain::{
    ids::RepositoryId,
    strategy::{StrategyFile, parse_strategies, parse_strategies_of},
};

const HEADER: &str = "\
apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata: {name: shop}
";

/// Returns what is said about a document with this `spec`.
fn said(spec: &str) -> String {
    said_of(&format!("{HEADER}spec:\n{spec}"))
}

/// Returns what is said about a document with these sources and some sound environments.
fn said_of_sources(sources: &str) -> String {
    said(&format!(
        "  activeCommitStatuses: [{{key: health}}]
  environments: [{{branch: env/dev}}, {{branch: env/prod, vars: {{tier: high}}}}]
  sources:\n{sources}"
    ))
}

/// Returns what is said about a document with these environments and some sound sources.
fn said_of_environments(environments: &str) -> String {
    said(&format!(
        "  sources: [{{path: deploy}}]\n  activeCommitStatuses: [{{key: health}}]\n  environments:\n{environments}"
    ))
}

fn said_of(text: &str) -> String {
    told(&parse_strategies(&[("hydromote.yaml", text)]))
}

fn told(files: &[StrategyFile]) -> String {
    let mut told = String::new();
    for file in files {
        for mistake in file.strategies.as_ref().err().into_iter().flatten().chain(&file.warnings) {
            writeln!(told, "{mistake}").expect("because writing to a string cannot fail");
        }
    }
    if told.is_empty() { "nothing".to_owned() } else { told }
}

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
    promote: [\"team:qa\"]
  mergeMode: direct
  activeCommitStatuses: [{key: health}]
  render: {layout: resources, prove: true}
  destination: {repository: org/environments}
  sources:
  - {chart: {oci: \"oci://registry.example.com/charts/redis\", version: 20.1.0}, releaseName: redis}
  - {path: \"clusters/{target}\"}
  environments:
  - branch: env/dev
    windows: {deny: []}
    approvals: 2
    newer: finish
    maxOpenPullRequests: 1
    waves: []
    targets: []
    rollback: {automatic: true}
    mergeMethod: fast-forward
";
    insta::assert_snapshot!(said(spec), @r#"
    error: `lanes` is not yet supported
     --> hydromote.yaml:6:3
      |
    6 |   lanes: {by: service}
      |   ^^^^^
      = help: remove `lanes`; it would have no effect
    error: `permissions` is not yet supported
     --> hydromote.yaml:7:3
      |
    7 |   permissions:
      |   ^^^^^^^^^^^
      = help: remove `permissions`; it would have no effect
    error: `direct` is not yet supported
     --> hydromote.yaml:9:14
      |
    9 |   mergeMode: direct
      |              ^^^^^^
      = help: write `pull-request`
    error: `resources` is not yet supported
      --> hydromote.yaml:11:20
       |
    11 |   render: {layout: resources, prove: true}
       |                    ^^^^^^^^^
       = help: write `manifest`
    error: rendering twice as a proof is not yet supported
      --> hydromote.yaml:11:38
       |
    11 |   render: {layout: resources, prove: true}
       |                                      ^^^^
       = help: remove `prove`
    error: environment branches in another repository, `org/environments`, are not yet supported
      --> hydromote.yaml:12:29
       |
    12 |   destination: {repository: org/environments}
       |                             ^^^^^^^^^^^^^^^^
       = help: remove `destination`; the branches are then in the repository of this file
    error: charts from registries and chart repositories are not yet supported
      --> hydromote.yaml:14:6
       |
    14 |   - {chart: {oci: "oci://registry.example.com/charts/redis", version: 20.1.0}, releaseName: redis}
       |      ^^^^^
       = help: copy the chart into this repository and name its folder: `chart: charts/redis`
    error: targets are not yet supported
      --> hydromote.yaml:15:12
       |
    15 |   - {path: "clusters/{target}"}
       |            ^^^^^^^^^^^^^^^^^^^
       = help: use another label than `{target}`
    error: `windows` is not yet supported
      --> hydromote.yaml:18:5
       |
    18 |     windows: {deny: []}
       |     ^^^^^^^
       = help: remove `windows`; it would have no effect
    error: `approvals` is not yet supported
      --> hydromote.yaml:19:5
       |
    19 |     approvals: 2
       |     ^^^^^^^^^
       = help: remove `approvals`; it would have no effect
    error: `newer` is not yet supported
      --> hydromote.yaml:20:5
       |
    20 |     newer: finish
       |     ^^^^^
       = help: remove `newer`; it would have no effect
    error: `maxOpenPullRequests` is not yet supported
      --> hydromote.yaml:21:5
       |
    21 |     maxOpenPullRequests: 1
       |     ^^^^^^^^^^^^^^^^^^^
       = help: remove `maxOpenPullRequests`; it would have no effect
    error: `waves` is not yet supported
      --> hydromote.yaml:22:5
       |
    22 |     waves: []
       |     ^^^^^
       = help: remove `waves`; it would have no effect
    error: `targets` is not yet supported
      --> hydromote.yaml:23:5
       |
    23 |     targets: []
       |     ^^^^^^^
       = help: remove `targets`; it would have no effect
    error: automatic rollback is not yet supported
      --> hydromote.yaml:24:27
       |
    24 |     rollback: {automatic: true}
       |                           ^^^^
       = help: write `false`, or remove `rollback`
    error: `fast-forward` is not yet supported
      --> hydromote.yaml:25:18
       |
    25 |     mergeMethod: fast-forward
       |                  ^^^^^^^^^^^^
       = help: write `merge`, `squash` or `rebase`
    "#);
}

#[test]
fn words_that_ask_for_what_is_there_are_accepted() {
    let spec = "
  mergeMode: pull-request
  activeCommitStatuses: [{key: health}]
  render: {layout: manifest, prove: false}
  rollback: {automatic: false}
  sources: [{path: deploy}]
  environments: [{branch: env/dev, mergeMode: pull-request, rollback: {}}]
";
    insta::assert_snapshot!(said(spec), @"nothing");
}

#[test]
fn a_destination_may_be_the_repository_itself() {
    let text = format!(
        "{HEADER}spec: {{destination: {{repository: org/shop}}, sources: [{{path: a}}], environments: [{{branch: b}}], \
         activeCommitStatuses: [{{key: c}}]}}\n"
    );
    let files = [("hydromote.yaml", text)];
    let repository = RepositoryId::new("org/shop").expect("because it is owner/name");
    insta::assert_snapshot!(told(&parse_strategies_of(&repository, &files)), @"nothing");
    insta::assert_snapshot!(told(&parse_strategies(&files)), @r"
    error: environment branches in another repository, `org/shop`, are not yet supported
     --> hydromote.yaml:4:34
      |
    4 | spec: {destination: {repository: org/shop}, sources: [{path: a}], environments: [{branch: b}], activeCommitStatuses: [{key: c}]}
      |                                  ^^^^^^^^
      = help: remove `destination`; the branches are then in the repository of this file
    ");
}

#[test]
fn lists_must_not_be_empty() {
    insta::assert_snapshot!(said("  sources: []\n  environments: []\n"), @r"
    error: there are no sources
     --> hydromote.yaml:5:3
      |
    5 |   sources: []
      |   ^^^^^^^
      = help: list at least one, such as `path: deploy/{environment}`
    error: there are no environments
     --> hydromote.yaml:6:3
      |
    6 |   environments: []
      |   ^^^^^^^^^^^^
      = help: list at least one, with its `branch`
    ");
}

#[test]
fn names_of_environments_are_unique_and_valid() {
    let environments = "
  - branch: env/dev
  - {name: Dev, branch: env/other}
  - {name: \"a b\", branch: env/third}
  - branch: env/ünï
  - {name: x, branch: \"a..b\"}
";
    insta::assert_snapshot!(said_of_environments(environments), @r#"
    error: another environment, in line 9, is called `Dev` too
      --> hydromote.yaml:10:12
       |
    10 |   - {name: Dev, branch: env/other}
       |            ^^^
       = help: give each environment its own `name`; upper and lower case count as equal
    error: `a b` is not a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit
      --> hydromote.yaml:11:12
       |
    11 |   - {name: "a b", branch: env/third}
       |            ^^^^^
       = help: write a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit
    error: the environment has no name, and `ünï`, the end of its branch, cannot be one
      --> hydromote.yaml:12:13
       |
    12 |   - branch: env/ünï
       |             ^^^^^^^
       = help: add `name:` with letters, digits, `-`, `_` and `.`
    error: `a..b` is not a branch name
      --> hydromote.yaml:13:23
       |
    13 |   - {name: x, branch: "a..b"}
       |                       ^^^^^^
       = help: write a branch name
    "#);
}

#[test]
fn environments_depend_on_known_others() {
    let environments = "
  - branch: env/dev
    dependsOn: [dev]
  - branch: env/staging
    dependsOn: [devv, dev, dev]
  - branch: env/prod
    dependsOn: [somewhere]
";
    insta::assert_snapshot!(said_of_environments(environments), @r"
    error: environment `dev` depends on itself
      --> hydromote.yaml:10:17
       |
    10 |     dependsOn: [dev]
       |                 ^^^
       = help: name environments that come before it, or write `dependsOn: []` for none
    error: there is no environment `devv`
      --> hydromote.yaml:12:17
       |
    12 |     dependsOn: [devv, dev, dev]
       |                 ^^^^
       = help: did you mean `dev`?
    error: `dev` stands here twice
      --> hydromote.yaml:12:28
       |
    12 |     dependsOn: [devv, dev, dev]
       |                            ^^^
       = help: keep one of them
    error: there is no environment `somewhere`
      --> hydromote.yaml:14:17
       |
    14 |     dependsOn: [somewhere]
       |                 ^^^^^^^^^
       = help: environments are `dev`, `staging` and `prod`
    ");
}

#[test]
fn a_circle_is_printed_once() {
    let environments = "
  - branch: env/a
    dependsOn: [c]
  - branch: env/b
    dependsOn: [a]
  - branch: env/c
    dependsOn: [b]
  - branch: env/d
    dependsOn: [c]
";
    insta::assert_snapshot!(said_of_environments(environments), @r"
    error: environments depend on each other in a circle: a → c → b → a
      --> hydromote.yaml:10:17
       |
    10 |     dependsOn: [c]
       |                 ^
       = help: remove one of these from `dependsOn`
    ");
}

#[test]
fn a_circle_by_the_order_of_the_list_is_explained() {
    insta::assert_snapshot!(said_of_environments("  - branch: env/a\n    dependsOn: [b]\n  - branch: env/b\n"), @r"
    error: environments depend on each other in a circle: a → b → a
     --> hydromote.yaml:9:17
      |
    9 |     dependsOn: [b]
      |                 ^
      = help: `b` depends on the environment listed before it; write `dependsOn` there, or list it earlier
    ");
}

#[test]
fn branches_are_not_in_each_others_way() {
    let spec = "
  dryBranch: main
  sources: [{path: deploy}]
  activeCommitStatuses: [{key: health}]
  environments:
  - {name: a, branch: main}
  - {name: b, branch: env}
  - {name: c, branch: env/dev}
  - {name: d, branch: env-next}
  - {name: e, branch: main/e}
  - {name: f, branch: env/dev}
  - {name: g, branch: env/dev-next/x}
";
    insta::assert_snapshot!(said(spec), @r"
    error: `main` is the dry branch too
      --> hydromote.yaml:10:23
       |
    10 |   - {name: a, branch: main}
       |                       ^^^^
       = help: give the environment a branch of its own, such as `env/dev`: rendered files are committed there
    error: `env-next`, the proposed branch of `env`, is the active branch of line 13 too
      --> hydromote.yaml:11:23
       |
    11 |   - {name: b, branch: env}
       |                       ^^^
       = help: give each environment a branch of its own; proposals go to that name with `-next` behind it
    error: git cannot hold both `env`, the active branch of line 11, and `env/dev`, the active branch of line 12
      --> hydromote.yaml:12:23
       |
    12 |   - {name: c, branch: env/dev}
       |                       ^^^^^^^
       = help: a branch cannot be a folder of another one: rename one of them, such as `env/dev` and `env/prod`
    error: git cannot hold both `main`, the dry branch, and `main/e`, the active branch of line 14
      --> hydromote.yaml:14:23
       |
    14 |   - {name: e, branch: main/e}
       |                       ^^^^^^
       = help: a branch cannot be a folder of another one: rename one of them, such as `env/dev` and `env/prod`
    error: `env/dev`, the active branch of line 15, is the active branch of line 12 too
      --> hydromote.yaml:15:23
       |
    15 |   - {name: f, branch: env/dev}
       |                       ^^^^^^^
       = help: give each environment a branch of its own; proposals go to that name with `-next` behind it
    error: git cannot hold both `env`, the active branch of line 11, and `env/dev-next/x`, the active branch of line 16
      --> hydromote.yaml:16:23
       |
    16 |   - {name: g, branch: env/dev-next/x}
       |                       ^^^^^^^^^^^^^^
       = help: a branch cannot be a folder of another one: rename one of them, such as `env/dev` and `env/prod`
    ");
}

#[test]
fn statuses_are_unique_and_never_our_own() {
    let environments = "
  - branch: env/dev
    activeCommitStatuses: [{key: health}, {key: hydromote/dev}]
    proposedCommitStatuses:
    - {key: ticket, settle: 30}
    - {key: ticket, deadline: soon}
  - branch: env/prod
    soak: 1.5h
    proposedCommitStatuses: [{key: health}, {key: ''}]
";
    insta::assert_snapshot!(said_of_environments(environments), @r"
    error: `health` is asked for already, in line 6
      --> hydromote.yaml:10:34
       |
    10 |     activeCommitStatuses: [{key: health}, {key: hydromote/dev}]
       |                                  ^^^^^^
       = help: remove one of them; the statuses of the strategy hold for each environment
    error: `hydromote/dev` is a status that Hydromote reports itself
      --> hydromote.yaml:10:49
       |
    10 |     activeCommitStatuses: [{key: health}, {key: hydromote/dev}]
       |                                                 ^^^^^^^^^^^^^
       = help: name a status that your own checks or your delivery tool report
    error: `30` is not a duration
      --> hydromote.yaml:12:29
       |
    12 |     - {key: ticket, settle: 30}
       |                             ^^
       = help: write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year
    error: `ticket` is asked for already, in line 12
      --> hydromote.yaml:13:13
       |
    13 |     - {key: ticket, deadline: soon}
       |             ^^^^^^
       = help: remove one of them; the statuses of the strategy hold for each environment
    error: `soon` is not a duration
      --> hydromote.yaml:13:31
       |
    13 |     - {key: ticket, deadline: soon}
       |                               ^^^^
       = help: write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year
    error: `1.5h` is not a duration
      --> hydromote.yaml:15:11
       |
    15 |     soak: 1.5h
       |           ^^^^
       = help: write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year
    error: `` is not a status key
      --> hydromote.yaml:16:51
       |
    16 |     proposedCommitStatuses: [{key: health}, {key: ''}]
       |                                                   ^^
       = help: write a status key
    ");
}

#[test]
fn an_environment_that_verifies_nothing_is_a_warning() {
    let spec = "
  sources: [{path: deploy}]
  environments:
  - branch: env/dev
  - branch: env/prod
    activeCommitStatuses: [{key: health}]
";
    insta::assert_snapshot!(said(spec), @r"
    warning: environment `dev` has no active commit status
     --> hydromote.yaml:8:5
      |
    8 |   - branch: env/dev
      |     ^^^^^^
      = help: content counts as verified when it is merged and its soak has passed; add `activeCommitStatuses` to ask more
    ");
    let text = format!("{HEADER}spec:{spec}");
    let files = parse_strategies(&[("hydromote.yaml", text)]);
    assert!(files.iter().all(|file| file.strategies.is_ok()));
}

#[test]
fn fields_of_a_source_go_together() {
    let sources = "
  - {path: a, each: b}
  - {each: c}
  - {path: d, chart: charts/d}
  - {output: e}
  - {path: f, kind: kustomize, releaseName: f, namespace: f, valueFiles: [f], values: {f: 1}}
  - {path: g, kind: kustom}
  - {chart: charts/h, kind: plain}
  - {chart: charts/i, exclude: [i]}
  - {chart: \"charts/*\"}
";
    insta::assert_snapshot!(said_of_sources(sources), @r#"
    error: a source has either `path` or `each`
     --> hydromote.yaml:9:15
      |
    9 |   - {path: a, each: b}
      |               ^^^^
      = help: keep `path` for folders that are rendered themselves, or `each` with `chart` for one chart per folder
    error: `each` needs a `chart` that is rendered for each folder
      --> hydromote.yaml:10:6
       |
    10 |   - {each: c}
       |      ^^^^
       = help: add `chart:`, or write `path:` when the folders are to be rendered themselves
    error: a source has either `path` or `chart`
      --> hydromote.yaml:11:15
       |
    11 |   - {path: d, chart: charts/d}
       |               ^^^^^
       = help: keep `path` for charts found by a pattern, or `chart` for one chart
    error: this source says nothing to render
      --> hydromote.yaml:12:5
       |
    12 |   - {output: e}
       |     ^
       = help: add `path:` with a folder, or `chart:` with a folder that has a `Chart.yaml`
    error: `releaseName` is for charts, and this source is of kind `kustomize`
      --> hydromote.yaml:13:32
       |
    13 |   - {path: f, kind: kustomize, releaseName: f, namespace: f, valueFiles: [f], values: {f: 1}}
       |                                ^^^^^^^^^^^
       = help: remove `releaseName`: a kustomization has its own way to set these
    error: `namespace` is for charts, and this source is of kind `kustomize`
      --> hydromote.yaml:13:48
       |
    13 |   - {path: f, kind: kustomize, releaseName: f, namespace: f, valueFiles: [f], values: {f: 1}}
       |                                                ^^^^^^^^^
       = help: remove `namespace`: a kustomization has its own way to set these
    error: `valueFiles` is for charts, and this source is of kind `kustomize`
      --> hydromote.yaml:13:62
       |
    13 |   - {path: f, kind: kustomize, releaseName: f, namespace: f, valueFiles: [f], values: {f: 1}}
       |                                                              ^^^^^^^^^^
       = help: remove `valueFiles`: a kustomization has its own way to set these
    error: `values` is for charts, and this source is of kind `kustomize`
      --> hydromote.yaml:13:79
       |
    13 |   - {path: f, kind: kustomize, releaseName: f, namespace: f, valueFiles: [f], values: {f: 1}}
       |                                                                               ^^^^^^
       = help: remove `values`: a kustomization has its own way to set these
    error: `kustom` is not a kind of source
      --> hydromote.yaml:14:21
       |
    14 |   - {path: g, kind: kustom}
       |                     ^^^^^^
       = help: write `kustomize`, `helm` or `plain`
    error: a chart is not of kind `plain`
      --> hydromote.yaml:15:29
       |
    15 |   - {chart: charts/h, kind: plain}
       |                             ^^^^^
       = help: remove `kind`, or write `helm`
    error: `exclude` has no folders to choose from
      --> hydromote.yaml:16:23
       |
    16 |   - {chart: charts/i, exclude: [i]}
       |                       ^^^^^^^
       = help: use it together with `path` or `each`
    error: `chart` names one folder
      --> hydromote.yaml:17:13
       |
    17 |   - {chart: "charts/*"}
       |             ^^^^^^^^^^
       = help: use `path:` for charts found by a pattern, or `each:` for one chart and many releases
    "#);
}

#[test]
fn patterns_are_well_formed_and_stay_inside() {
    let sources = "
  - path: \"a/{environment\"
  - path: a/b}
  - path: /etc
  - path: ../secrets
  - path: -rf
  - path: a//b
  - path: \"a/v*\"
  - path: \"a/{}\"
  - path: \"a/{x}{y}\"
  - {path: c, exclude: [\"[\", ../x]}
  - {chart: charts/../..}
  - {chart: d, valueFiles: [/etc/passwd, \"*.yaml\", -f, \"ok.yaml?\"]}
";
    insta::assert_snapshot!(said_of_sources(sources), @r#"
    error: `{` is never closed
     --> hydromote.yaml:9:11
      |
    9 |   - path: "a/{environment"
      |           ^^^^^^^^^^^^^^^^
      = help: write a label as `{name}`
    error: `}` closes nothing
      --> hydromote.yaml:10:11
       |
    10 |   - path: a/b}
       |           ^^^
       = help: write a label as `{name}`
    error: the path is absolute
      --> hydromote.yaml:11:11
       |
    11 |   - path: /etc
       |           ^^^^
       = help: write a path relative to the root of the repository, without `.` and `..`
    error: the path has the segment `..`
      --> hydromote.yaml:12:11
       |
    12 |   - path: ../secrets
       |           ^^^^^^^^^^
       = help: write a path relative to the root of the repository, without `.` and `..`
    error: the path begins with `-` and could be read as an option
      --> hydromote.yaml:13:11
       |
    13 |   - path: -rf
       |           ^^^
       = help: rename the folder
    error: the path has an empty segment
      --> hydromote.yaml:14:11
       |
    14 |   - path: a//b
       |           ^^^^
       = help: write one `/` between folders and none at the end
    error: `*` is only a part of the segment `v*`
      --> hydromote.yaml:15:11
       |
    15 |   - path: "a/v*"
       |           ^^^^^^
       = help: use `{name}` for a part of a segment, `*` for one whole segment and `**` for any number
    error: `` is not the name of a label
      --> hydromote.yaml:16:11
       |
    16 |   - path: "a/{}"
       |           ^^^^^^
       = help: write a label as `{name}`, with letters, digits, `-` and `_`
    error: two labels touch, so it is open where one ends
      --> hydromote.yaml:17:11
       |
    17 |   - path: "a/{x}{y}"
       |           ^^^^^^^^^^
       = help: put a letter or `-` between them
    error: this is not a pattern: unclosed character class; missing ']'
      --> hydromote.yaml:18:25
       |
    18 |   - {path: c, exclude: ["[", ../x]}
       |                         ^^^
       = help: write one such as `**/base`
    error: the path has the segment `..`
      --> hydromote.yaml:18:30
       |
    18 |   - {path: c, exclude: ["[", ../x]}
       |                              ^^^^
       = help: write a path relative to the root of the repository, without `.` and `..`
    error: the path has the segment `..`
      --> hydromote.yaml:19:13
       |
    19 |   - {chart: charts/../..}
       |             ^^^^^^^^^^^^
       = help: write a path relative to the root of the repository, without `.` and `..`
    error: the path is absolute
      --> hydromote.yaml:20:29
       |
    20 |   - {chart: d, valueFiles: [/etc/passwd, "*.yaml", -f, "ok.yaml?"]}
       |                             ^^^^^^^^^^^
       = help: write a path relative to the root of the repository, without `.` and `..`
    error: a value file is not a pattern
      --> hydromote.yaml:20:42
       |
    20 |   - {chart: d, valueFiles: [/etc/passwd, "*.yaml", -f, "ok.yaml?"]}
       |                                          ^^^^^^^^
       = help: name each file; a `?` at the end says that it may be absent
    error: the path begins with `-` and could be read as an option
      --> hydromote.yaml:20:52
       |
    20 |   - {chart: d, valueFiles: [/etc/passwd, "*.yaml", -f, "ok.yaml?"]}
       |                                                    ^^
       = help: rename the folder
    "#);
}

#[test]
fn labels_are_bound_before_they_are_used() {
    let sources = "
  - {path: \"services/{service}\", output: \"{servce}\"}
  - {chart: charts/a, releaseName: \"{app}\", namespace: \"shop-{tier}\", valueFiles: [\"a-{environment}.yaml\"]}
  - {path: \"b/{tier}/x\"}
";
    insta::assert_snapshot!(said_of_sources(sources), @r#"
    error: the label `servce` is used but never bound
     --> hydromote.yaml:9:42
      |
    9 |   - {path: "services/{service}", output: "{servce}"}
      |                                          ^^^^^^^^^^
      = help: did you mean `{service}`?
    error: the label `app` is used but never bound
      --> hydromote.yaml:10:36
       |
    10 |   - {chart: charts/a, releaseName: "{app}", namespace: "shop-{tier}", valueFiles: ["a-{environment}.yaml"]}
       |                                    ^^^^^^^
       = help: capture it with `{app}` in `path` or `each`, or add it to `vars`
    error: `tier` has no value in environment `dev`
      --> hydromote.yaml:10:56
       |
    10 |   - {chart: charts/a, releaseName: "{app}", namespace: "shop-{tier}", valueFiles: ["a-{environment}.yaml"]}
       |                                                        ^^^^^^^^^^^^^
       = help: add `tier` to `vars` there, or to the `vars` of the strategy
    error: `tier` has no value in environment `dev`
      --> hydromote.yaml:11:12
       |
    11 |   - {path: "b/{tier}/x"}
       |            ^^^^^^^^^^^^
       = help: add `tier` to `vars` there, or to the `vars` of the strategy
    "#);
}

#[test]
fn vars_are_labels() {
    let spec = "
  vars: {environment: x, \"a b\": y, c: \"{d}\", e: \"{\", f: \"{environment}\", g: 3}
  sources: [{path: deploy}]
  activeCommitStatuses: [{key: health}]
  environments: [{branch: env/dev}]
";
    insta::assert_snapshot!(said(spec), @r#"
    error: `environment` is always set by Hydromote
     --> hydromote.yaml:6:10
      |
    6 |   vars: {environment: x, "a b": y, c: "{d}", e: "{", f: "{environment}", g: 3}
      |          ^^^^^^^^^^^
      = help: give the label another name
    error: `a b` cannot be the name of a label
     --> hydromote.yaml:6:27
      |
    6 |   vars: {environment: x, "a b": y, c: "{d}", e: "{", f: "{environment}", g: 3}
      |                           ^^^^
      = help: use letters, digits, `-` and `_`, beginning with a letter
    error: the value of a label cannot use `{d}`
     --> hydromote.yaml:6:39
      |
    6 |   vars: {environment: x, "a b": y, c: "{d}", e: "{", f: "{environment}", g: 3}
      |                                       ^^^^^
      = help: only `{environment}` may stand here
    error: `{` is never closed
     --> hydromote.yaml:6:49
      |
    6 |   vars: {environment: x, "a b": y, c: "{d}", e: "{", f: "{environment}", g: 3}
      |                                                 ^^^
      = help: write a label as `{name}`
    "#);
}

#[test]
fn outputs_are_folders_of_their_own() {
    let sources = "
  - {path: a, output: \"\"}
  - {path: b, output: .}
  - {path: c, output: ../c}
  - {path: \"{environment}\"}
  - {path: d, output: shop}
  - {path: e, output: Shop}
  - {path: \"{service}/x\", output: \"{service}\"}
  - {path: \"{service}/y\", output: \"{service}\"}
  - {path: f/shop, output: shop/redis}
  - {path: \"g/{environment}\"}
  - {path: g}
  - {chart: h, releaseName: Not_DNS, namespace: -x}
";
    insta::assert_snapshot!(said_of_sources(sources), @r#"
    error: `` is not a folder on the branch
     --> hydromote.yaml:9:23
      |
    9 |   - {path: a, output: ""}
      |                       ^^
      = help: write a folder such as `shop` or `apps/{service}`; it is never the root of the branch
    error: `.` is not a folder on the branch
      --> hydromote.yaml:10:23
       |
    10 |   - {path: b, output: .}
       |                       ^
       = help: write a folder such as `shop` or `apps/{service}`; it is never the root of the branch
    error: `../c` is not a folder on the branch
      --> hydromote.yaml:11:23
       |
    11 |   - {path: c, output: ../c}
       |                       ^^^^
       = help: write a folder such as `shop` or `apps/{service}`; it is never the root of the branch
    error: without `output`, this source would be written to the root of the branch
      --> hydromote.yaml:12:12
       |
    12 |   - {path: "{environment}"}
       |            ^^^^^^^^^^^^^^^
       = help: write a folder such as `shop` or `apps/{service}`; it is never the root of the branch
    error: the source in line 13 is written to the folder `Shop` too
      --> hydromote.yaml:14:23
       |
    14 |   - {path: e, output: Shop}
       |                       ^^^^
       = help: give each source its own `output`; upper and lower case count as equal
    error: the source in line 18 is written to the folder `g` too
      --> hydromote.yaml:19:12
       |
    19 |   - {path: g}
       |            ^
       = help: give each source its own `output`; upper and lower case count as equal
    error: `Not_DNS` is not a release name
      --> hydromote.yaml:20:29
       |
    20 |   - {chart: h, releaseName: Not_DNS, namespace: -x}
       |                             ^^^^^^^
       = help: use lower-case letters, digits and `-` between them, at most 53 characters
    error: `-x` is not a namespace
      --> hydromote.yaml:20:49
       |
    20 |   - {chart: h, releaseName: Not_DNS, namespace: -x}
       |                                                 ^^
       = help: use lower-case letters, digits and `-` between them, at most 63 characters
    "#);
}

#[test]
fn versions_are_versions() {
    let spec = "
  render: {kubeVersion: new, helmVersion: 3.19, apiVersions: [\"a b\", monitoring.coreos.com/v1/ServiceMonitor]}
  sources: [{path: deploy, render: {kustomizeVersion: latest, secrets: keep}, onFailure: ignore}]
  activeCommitStatuses: [{key: health}]
  environments: [{branch: env/dev}]
";
    insta::assert_snapshot!(said(spec), @r#"
    error: `new` is not a version
     --> hydromote.yaml:6:25
      |
    6 |   render: {kubeVersion: new, helmVersion: 3.19, apiVersions: ["a b", monitoring.coreos.com/v1/ServiceMonitor]}
      |                         ^^^
      = help: write one such as "1.34"
    error: `3.19` is not a version
     --> hydromote.yaml:6:43
      |
    6 |   render: {kubeVersion: new, helmVersion: 3.19, apiVersions: ["a b", monitoring.coreos.com/v1/ServiceMonitor]}
      |                                           ^^^^
      = help: write one such as "3.19.0"
    error: `a b` is not an API version
     --> hydromote.yaml:6:63
      |
    6 |   render: {kubeVersion: new, helmVersion: 3.19, apiVersions: ["a b", monitoring.coreos.com/v1/ServiceMonitor]}
      |                                                               ^^^^^
      = help: write one such as `monitoring.coreos.com/v1` or `monitoring.coreos.com/v1/ServiceMonitor`
    error: `latest` is not a version
     --> hydromote.yaml:7:55
      |
    7 |   sources: [{path: deploy, render: {kustomizeVersion: latest, secrets: keep}, onFailure: ignore}]
      |                                                       ^^^^^^
      = help: write one such as "5.8.0"
    error: `keep` is not a policy for secrets
     --> hydromote.yaml:7:72
      |
    7 |   sources: [{path: deploy, render: {kustomizeVersion: latest, secrets: keep}, onFailure: ignore}]
      |                                                                        ^^^^
      = help: write `refuse` or `allow`
    error: `ignore` is not a reaction to a failure
     --> hydromote.yaml:7:90
      |
    7 |   sources: [{path: deploy, render: {kustomizeVersion: latest, secrets: keep}, onFailure: ignore}]
      |                                                                                          ^^^^^^
      = help: write `hold` or `keepLast`
    "#);
}

#[test]
fn strategies_of_one_repository_have_their_own_names_and_branches() {
    let document = |name: &str, branch: &str| {
        format!(
            "apiVersion: hydromote.dev/v1alpha1\nkind: PromotionStrategy\nmetadata:\n  name: {name}\nspec:\n  \
             sources: [{{path: a}}]\n  activeCommitStatuses: [{{key: health}}]\n  environments:\n  - branch: {branch}\n"
        )
    };
    let first = format!("{}---\n{}", document("shop", "env/dev"), document("search", "env/search"));
    let files = [(".hydromote/a.yaml", first), (".hydromote/b.yaml", document("Shop", "env/dev"))];
    insta::assert_snapshot!(told(&parse_strategies(&files)), @r"
    error: another strategy, at .hydromote/a.yaml:4, is called `Shop` too
     --> .hydromote/b.yaml:4:9
      |
    4 |   name: Shop
      |         ^^^^
      = help: give each strategy of a repository its own name; upper and lower case count as equal
    error: the strategy at .hydromote/a.yaml:9 uses the branch `env/dev` too; sharing one is not yet supported
     --> .hydromote/b.yaml:9:13
      |
    9 |   - branch: env/dev
      |             ^^^^^^^
      = help: give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`
    ");
}

#[test]
fn strategies_keep_out_of_each_others_proposed_branches() {
    let document = |name: &str, dry: &str, branch: &str| {
        format!(
            "apiVersion: hydromote.dev/v1alpha1\nkind: PromotionStrategy\nmetadata: {{name: {name}}}\nspec:\n  \
             dryBranch: {dry}\n  sources: [{{path: a}}]\n  activeCommitStatuses: [{{key: health}}]\n  \
             environments: [{{branch: {branch}}}]\n"
        )
    };
    let files = [
        ("a.yaml", document("a", "main", "env/dev")),
        ("b.yaml", document("b", "main", "env/dev-next")),
        ("c.yaml", document("c", "main", "env")),
        ("d.yaml", document("d", "release", "main")),
        ("e.yaml", document("e", "main", "other")),
    ];
    insta::assert_snapshot!(told(&parse_strategies(&files)), @r"
    error: the strategy at a.yaml:8 uses the branch `env/dev-next` too; sharing one is not yet supported
     --> b.yaml:8:27
      |
    8 |   environments: [{branch: env/dev-next}]
      |                           ^^^^^^^^^^^^
      = help: give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`
    error: git cannot hold both `env` and `env/dev`, which the strategy at a.yaml:8 uses
     --> c.yaml:8:27
      |
    8 |   environments: [{branch: env}]
      |                           ^^^
      = help: give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`
    error: the strategy at a.yaml:5 uses the branch `main` too; sharing one is not yet supported
     --> d.yaml:8:27
      |
    8 |   environments: [{branch: main}]
      |                           ^^^^
      = help: give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`
    ");
}

#[test]
fn there_are_limits_to_what_a_strategy_holds() {
    let environments: String = (0..101).map(|i| format!("\n  - branch: env/e{i}")).collect();
    insta::assert_snapshot!(said_of_environments(&environments), @r"
    error: there are 101 environments; at most 100 can be in a strategy
     --> hydromote.yaml:7:3
      |
    7 |   environments:
      |   ^^^^^^^^^^^^
      = help: divide them into several strategies
    ");
    insta::assert_snapshot!(said_of_environments(&format!("\n  - {{name: a, branch: {}}}\n", "b".repeat(161))), @r"
    error: the name of the branch is longer than 160 characters
     --> hydromote.yaml:9:23
      |
    9 |   - {name: a, branch: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
      |                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: choose a shorter one; proposals add to it
    ");
    let many = "\n  - {path: /}".repeat(300);
    assert_eq!(said_of_sources(&many).matches("error:").count(), 100);
}

#[test]
fn warnings_never_crowd_out_a_mistake() {
    let document = |prefix: &str, tail: &str| {
        let environments: String = (0..100).map(|i| format!("  - branch: {prefix}/e{i}\n")).collect();
        format!("{HEADER}spec:\n  sources: [{{path: a}}]\n  environments:\n{environments}{tail}---\n")
    };
    let text = [document("a", ""), document("b", "    soak: soon\n")].concat().replacen("name: shop", "name: a", 1);
    let files = parse_strategies(&[("hydromote.yaml", text)]);
    assert_eq!(files[0].warnings.len(), 100);
    assert_eq!(files[0].strategies.as_ref().map_err(Vec::len), Err(1));
}
