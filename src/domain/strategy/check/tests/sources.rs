//! What is said about sources, patterns, labels, outputs and versions.

use super::{said, said_of_sources};

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
