//! Charts in kustomizations: what Helm renders for us is what Kustomize has Helm render for itself.

use std::path::{Path, PathBuf};

use hydrators::{FailureKind, Limits, RenderFailure, Rendered, Renderers, Root, SecretPolicy, canonical};
use tokio::sync::OnceCell;

use crate::repository::{Repository, kustomization, launcher, manifest};

/// Kustomize and Helm 3.
static RENDERERS: OnceCell<Renderers> = OnceCell::const_new();

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const VALUES: &str = "tier: none
size: {cpu: 1, memory: small}
list: [a, b]
on: yes
gone: here
nothing: null
empty:
day: 2020-01-31
octal: 0777
text: \"12\"
big: 12345678901
";
/// Everything that a release can be told, and objects of several kinds.
const OBJECTS: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  namespace: {{ .Release.Namespace }}
  kube: {{ .Capabilities.KubeVersion.Version }}
  more: {{ .Capabilities.APIVersions.Has "example.com/v1" | quote }}
  values: |
    {{- .Values | toYaml | nindent 4 }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  annotations: {own: annotation}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web:v1
        envFrom: [{configMapRef: {name: {{ .Release.Name }}}}]
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
spec: {selector: {app: web}}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: {{ .Release.Name }}-listed}
"#;
const HOOK: &str = "apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-hook
  annotations: {helm.sh/hook: pre-install}
spec: {containers: [{name: a, image: b}]}
";
const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec: {group: example.com}
";

/// A repository with a chart beside the kustomization in `app`, which is given.
fn app(kustomization: &str, more: &[(&str, &str)]) -> Repository {
    let repository = Repository::with(&[("app/kustomization.yaml", kustomization)]);
    lay_chart(&repository, "app/charts/web");
    for (path, text) in more {
        repository.write(path, text);
    }
    repository
}

fn lay_chart(repository: &Repository, folder: &str) {
    for (path, text) in [
        ("Chart.yaml", CHART),
        ("values.yaml", VALUES),
        ("templates/objects.yaml", OBJECTS),
        ("templates/hook.yaml", HOOK),
        ("templates/tests/test.yaml", &HOOK.replace("-hook", "-test").replace("pre-install", "test")),
        ("crds/crd.yaml", CRD),
    ] {
        repository.write(&format!("{folder}/{path}"), text);
    }
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools")
}

async fn render(repository: &Repository, root: &Root) -> Result<Rendered, RenderFailure> {
    let find = || async {
        let folders = [tools().join("helm-3"), tools().join("bin")];
        let found = Renderers::find(&folders, None, launcher(), Limits::default()).await;
        found.unwrap_or_else(|error| panic!("these tests need Helm 3 too, `make tools`: {error}"))
    };
    let result = hydrators::render_root(RENDERERS.get_or_init(find).await, &repository.tree(), root).await;
    if let Err(failure) = &result {
        assert!(!failure.to_string().contains("/hydrate-"), "a path of the machine is in: {failure}");
    }
    result
}

fn root(dir: &str) -> Root {
    let mut root = kustomization(dir);
    root.options.secrets = SecretPolicy::Allow;
    root
}

/// Returns what Kustomize gives when it starts Helm itself.
#[expect(clippy::disallowed_methods, reason = "what we do is compared with what happens without us")]
fn whole(repository: &Repository, dir: &str) -> Result<String, String> {
    let home = tempfile::tempdir().expect("a folder");
    let output = std::process::Command::new(tools().join("bin/kustomize"))
        .args(["build", "--enable-helm", "--helm-kube-version", "1.34.0", "--helm-command"])
        .arg(tools().join("helm-3/helm"))
        .arg(dir)
        .current_dir(repository.path())
        .env_clear()
        .env("HOME", home.path())
        .output()
        .expect("Kustomize runs");
    match output.status.success() {
        true => Ok(canonical(&String::from_utf8_lossy(&output.stdout)).expect("manifests")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

async fn expect_equal(repository: &Repository, dir: &str, about: &str) -> String {
    let theirs = whole(repository, dir).unwrap_or_else(|words| panic!("{about}: {words}"));
    let rendered = render(repository, &root(dir)).await.unwrap_or_else(|failure| panic!("{about}: {failure}"));
    let ours = manifest(&rendered);
    let only = |a: &str, b: &str| {
        a.lines().filter(|line| !b.lines().any(|other| other == *line)).collect::<Vec<_>>().join("\n")
    };
    let (of_ours, of_theirs) = (only(&ours, &theirs), only(&theirs, &ours));
    assert!(ours == theirs, "{about}: only ours has:\n{of_ours}\nonly theirs has:\n{of_theirs}");
    ours
}

#[tokio::test]
async fn a_chart_renders_as_kustomize_renders_it() {
    for (about, text) in [
        ("as it is", "helmCharts:\n- name: web\n  releaseName: rel\n"),
        ("without a name", "helmCharts:\n- name: web\n"),
        ("with a version that nobody looks at", "helmCharts: [{name: web, version: 9.9.9, releaseName: rel}]"),
        ("with a constant template for its name", "helmCharts: [{name: web, nameTemplate: rel}]"),
        ("in a namespace", "helmCharts: [{name: web, releaseName: rel, namespace: own}]"),
        ("in the namespace of the kustomization", "namespace: dev\nhelmCharts: [{name: web, releaseName: rel}]"),
        ("in one of its own", "namespace: dev\nhelmCharts: [{name: web, releaseName: rel, namespace: own}]"),
        ("with definitions", "helmCharts: [{name: web, releaseName: rel, includeCRDs: true}]"),
        ("without hooks", "helmCharts: [{name: web, releaseName: rel, skipHooks: true}]"),
        ("without tests", "helmCharts: [{name: web, releaseName: rel, skipTests: true}]"),
        ("for another cluster", "helmCharts: [{name: web, kubeVersion: '1.29', apiVersions: [example.com/v1]}]"),
        ("with debugging", "helmCharts: [{name: web, releaseName: rel, debug: true}]"),
        ("from another home", "helmGlobals: {chartHome: charts/..//charts}\nhelmCharts: [{name: web}]"),
        (
            "twice, beside resources and generators",
            "resources: [settings.yaml]\nconfigMapGenerator: [{name: made, literals: [a=b]}]\nhelmCharts:\n- name: web\n  releaseName: one\n- name: web\n  releaseName: two\n  namespace: other\n",
        ),
        (
            "under transformers",
            "namePrefix: p-\nnameSuffix: -s\nnamespace: dev\ncommonAnnotations: {by: us}\nlabels: [{pairs: {team: shop}, includeSelectors: true, includeTemplates: true}]\nimages: [{name: example.com/web, newTag: v2}]\nreplicas: [{name: rel, count: 3}]\nhelmCharts: [{name: web, releaseName: rel}]",
        ),
        (
            "under patches and replacements",
            "helmCharts: [{name: web, releaseName: rel}]\npatches:\n- path: patch.yaml\n- target: {kind: Service}\n  patch: '[{\"op\": \"add\", \"path\": \"/spec/type\", \"value\": \"NodePort\"}]'\nreplacements:\n- source: {kind: ConfigMap, name: rel, fieldPath: data.namespace}\n  targets: [{select: {kind: Deployment}, fieldPaths: [metadata.annotations.own]}]\n",
        ),
    ] {
        let repository = app(
            text,
            &[
                ("app/settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"),
                (
                    "app/patch.yaml",
                    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: rel}\nspec: {template: {spec: {containers: [{name: web, env: [{name: A, value: b}]}]}}}\n",
                ),
            ],
        );
        expect_equal(&repository, "app", about).await;
    }
}

#[tokio::test]
async fn values_are_merged_as_kustomize_merges_them() {
    let inline = "
    tier: inline
    size: {cpu: 2, disk: yes}
    list: [c]
    gone: null
    new: {deep: [1, {a: null}], off: 010, nothing: ~, empty: }
    day: 2021-12-31
    words: |
      one
      two
    folded: >-
      three
      four
    quoted: 'yes'
    odd: \"a: {b}, #c \\u2028\"
    empty: []
";
    let more = [
        ("app/values.yaml", "tier: file\nsize: {memory: ~, cpu: }\nonly: {file: on}\nnew: {deep: file}\n"),
        ("app/mapped.yaml", "tier: mapped\nnew: {off: 1}\n"),
        ("app/a.yaml", "tier: a\nsize: {memory: a}\n"),
        ("app/b.yaml", "tier: b\ngone: null\n"),
        ("app/plain.yaml", "tier: &t anchored\nother: *t\non: off\n"),
    ];
    for fields in [
        format!("valuesInline: {inline}"),
        format!("valuesMerge: override\n  valuesInline: {inline}"),
        format!("valuesMerge: merge\n  valuesInline: {inline}"),
        format!("valuesMerge: replace\n  valuesInline: {inline}"),
        format!("valuesFile: mapped.yaml\n  valuesInline: {inline}"),
        format!("valuesFile: mapped.yaml\n  valuesMerge: merge\n  valuesInline: {inline}"),
        format!("valuesFile: values.yaml\n  valuesMerge: replace\n  valuesInline: {inline}"),
        format!("additionalValuesFiles: [a.yaml, b.yaml]\n  valuesInline: {inline}"),
        "valuesFile: values.yaml".into(),
        "valuesFile: plain.yaml\n  additionalValuesFiles: [b.yaml, a.yaml]".into(),
        "valuesMerge: merge\n  valuesInline: {tier: null, size: {$patch: delete}}".into(),
        "valuesInline: {size: {$patch: replace, disk: 1}, list: null}".into(),
        "valuesInline: {}".into(),
    ] {
        let repository = app(&format!("helmCharts:\n- name: web\n  releaseName: rel\n  {fields}\n"), &more);
        expect_equal(&repository, "app", &fields).await;
    }
}

#[tokio::test]
async fn charts_in_bases_and_components_render_as_kustomize_renders_them() {
    let repository = Repository::with(&[
        (
            "base/kustomization.yaml",
            "helmCharts: [{name: web, releaseName: rel, valuesInline: {tier: base}}]\nnamePrefix: b-\n",
        ),
        ("one/kustomization.yaml", "resources: [../base]\nnamePrefix: one-\n"),
        ("two/kustomization.yaml", "resources: [../base]\nnamePrefix: two-\nlabels: [{pairs: {overlay: two}}]\n"),
        ("all/kustomization.yaml", "resources: [../one, ../two]\nnamespace: dev\n"),
        (
            "part/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nhelmCharts: [{name: web, releaseName: part}]\nlabels: [{pairs: {part: one}}]\n",
        ),
        ("with/kustomization.yaml", "resources: [../base]\ncomponents: [../part]\nnamespace: test\n"),
        ("between/kustomization.yaml", "resources: [../with]\nnamespace: outer\n"),
    ]);
    lay_chart(&repository, "base/charts/web");
    lay_chart(&repository, "part/charts/web");
    for dir in ["base", "one", "all", "with", "between"] {
        expect_equal(&repository, dir, dir).await;
    }
}

#[tokio::test]
async fn charts_that_lie_elsewhere_in_the_repository_render_as_kustomize_renders_them() {
    let repository = app(
        "helmGlobals: {chartHome: ../shared}\nhelmCharts: [{name: web, releaseName: rel, valuesFile: values.yaml}]",
        &[("app/values.yaml", "tier: file\n"), ("app/empty/kustomization.yaml", "helmCharts: [{name: none}]")],
    );
    lay_chart(&repository, "real/web");
    repository.link("shared", "real");
    repository.write("app/empty/charts/none/Chart.yaml", &CHART.replace("web", "none"));
    repository.write("app/empty/charts/none/values.yaml", "a: b\n");
    expect_equal(&repository, "app", "behind a link").await;
    let versioned = "helmCharts: [{name: web, releaseName: rel, version: 1.0.0, repo: 'https://charts.example.com'}]";
    repository.write("app/kustomization.yaml", versioned);
    lay_chart(&repository, "app/charts/web-1.0.0/web");
    repository.write("app/charts/web-1.0.0/web/values.yaml", "tier: versioned\n");
    let rendered = expect_equal(&repository, "app", "by its version").await;
    assert!(rendered.contains("tier: versioned"), "{rendered}");
    assert_eq!(whole(&repository, "app/empty").as_deref(), Ok(""));
    let rendered = render(&repository, &root("app/empty")).await.expect("a rendering");
    assert_eq!(manifest(&rendered), "", "a chart may render to nothing");
}

#[tokio::test]
async fn what_kustomize_or_we_cannot_render_is_refused_at_the_entry() {
    let at_entry = |text: &str| text.lines().position(|line| line.contains("name: web")).map(|line| line as u64 + 1);
    for (text, words) in [
        ("helmCharts: [{name: web, valuesFile: ../values.yaml}]", "outside of the kustomization's folder"),
        ("helmCharts: [{name: web, valuesFile: none.yaml}]", "does not exist"),
        ("helmCharts: [{name: web, additionalValuesFiles: [charts]}]", "is a folder"),
        ("helmCharts: [{name: web, additionalValuesFiles: ['https://example.com/x']}]", "no path of a value file"),
        ("helmGlobals: {chartHome: ../elsewhere}\nhelmCharts: [{name: web}]", "name a `valuesFile`"),
        ("helmGlobals: {chartHome: values.yaml}\nhelmCharts: [{name: web}]", "there is no chart"),
        ("helmCharts: [{name: web, kubeVersion: latest}]", "no Kubernetes version"),
        ("helmCharts: [{name: web, releaseName: Web}]", "no release name"),
        (
            "helmCharts: [{name: web, valuesInline: {tier: [a]}}]",
            "`tier` is a value in one place and a list in the other",
        ),
        ("helmCharts: [{name: web, valuesInline: {<<: {tier: a}}}]", "cannot be read with certainty"),
        ("namePrefix: &p a-\nhelmCharts: [{name: web, valuesInline: {tier: a}}]", "cannot be read with certainty"),
    ] {
        let repository = app(text, &[("values.yaml", "tier: above\n"), ("app/values.yaml", "tier: beside\n")]);
        lay_chart(&repository, "elsewhere/web");
        let failure = render(&repository, &root("app")).await.expect_err(text);
        assert_eq!(failure.kind, FailureKind::Author, "{text}: {failure}");
        assert_eq!(failure.file.as_deref(), Some("app/kustomization.yaml"), "{text}: {failure}");
        assert_eq!(failure.line, at_entry(text), "{text}: {failure}");
        assert!(failure.message.contains(words), "{text}: {failure}");
    }
    for (text, words) in [
        ("bases: []\nhelmCharts: [{name: web}]", "move what it names to `resources`"),
        ("buildMetadata: [originAnnotations]\nhelmCharts: [{name: web}]", "`originAnnotations` cannot be told"),
    ] {
        let failure = render(&app(text, &[]), &root("app")).await.expect_err(text);
        assert_eq!((failure.file.as_deref(), failure.line), (Some("app/kustomization.yaml"), Some(1)), "{failure}");
        assert!(failure.message.contains(words), "{text}: {failure}");
    }
    let repository = app("helmCharts: [{name: web}]", &[("app/.hydromote-charts/a", "")]);
    let failure = render(&repository, &root("app")).await.expect_err("a refusal");
    assert!(failure.message.contains("rename what this repository has there"), "{failure}");
}

#[tokio::test]
async fn a_base_is_not_built_for_two_namespaces_in_one_root() {
    let repository = Repository::with(&[
        ("base/kustomization.yaml", "resources: []\nhelmCharts:\n- name: web\n"),
        ("one/kustomization.yaml", "resources: [../base]\nnamePrefix: one-\nnamespace: one\n"),
        ("two/kustomization.yaml", "resources: [../base]\nnamePrefix: two-\nnamespace: two\n"),
        ("all/kustomization.yaml", "resources: [../one, ../two]\n"),
    ]);
    lay_chart(&repository, "base/charts/web");
    let failure = render(&repository, &root("all")).await.expect_err("a refusal");
    assert_eq!((failure.file.as_deref(), failure.line), (Some("base/kustomization.yaml"), Some(3)), "{failure}");
    assert!(failure.message.contains("the namespaces `one` and `two` at once; give it a `namespace`"), "{failure}");
    for dir in ["one", "two"] {
        expect_equal(&repository, dir, dir).await;
    }
    repository.write("base/kustomization.yaml", "helmCharts:\n- name: web\n  namespace: own\n");
    expect_equal(&repository, "all", "in a namespace of its own").await;
}

#[tokio::test]
async fn a_chart_does_not_see_what_another_rendered() {
    let charts = "helmGlobals: {chartHome: ..}\nhelmCharts: [{name: web, releaseName: first}, {name: app}]\n";
    let lists = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seen}\ndata:\n  {{- range $path, $_ := .Files.Glob \
                 \"**\" }}\n  {{ $path | replace \"/\" \".\" }}: seen\n  {{- end }}\n";
    let repository = Repository::with(&[
        ("app/kustomization.yaml", charts),
        ("app/Chart.yaml", CHART),
        ("app/templates/seen.yaml", lists),
        ("app/own/file", ""),
        ("web/Chart.yaml", CHART),
        ("web/templates/objects.yaml", OBJECTS),
    ]);
    let rendered = manifest(&render(&repository, &root("app")).await.expect("a rendering"));
    assert!(rendered.contains("own.file: seen") && rendered.contains("kustomization.yaml: seen"), "{rendered}");
    assert!(!rendered.contains("hydromote"), "{rendered}");
}

#[tokio::test]
async fn what_helm_says_points_into_the_authors_file() {
    let text = "helmCharts:\n- name: web\n  valuesFile: values.yaml\n  valuesInline: {tier: a}\n";
    for (path, content, line, words) in [
        ("app/charts/web/templates/objects.yaml", "a: b\nc: {{ .Values.x.y }}\n", Some(2), "nil pointer"),
        ("app/charts/web/templates/objects.yaml", "a: b\n  c: d\n", None, "mapping values"),
        ("app/charts/web/templates/objects.yaml", "a: b\n", None, "no Kubernetes object"),
        ("app/values.yaml", "a: b\n c: d\n", Some(2), ""),
        ("app/values.yaml", "a: &a b\nc: *a\n", None, "are not merged with `valuesInline`"),
        ("app/charts/web/values.schema.json", "{\"properties\": {\"tier\": {\"type\": \"number\"}}}", None, "tier"),
    ] {
        let repository = app(text, &[("app/values.yaml", "tier: b\n"), (path, content)]);
        let failure = render(&repository, &root("app")).await.expect_err(content);
        assert_eq!(failure.kind, FailureKind::Author, "{content}: {failure}");
        let expected = if path.ends_with("schema.json") { "app/kustomization.yaml" } else { path };
        assert_eq!(failure.file.as_deref(), Some(expected), "{content}: {failure}");
        assert!(line.is_none() || failure.line == line, "{content}: {failure}");
        assert!(failure.message.contains(words), "{content}: {failure}");
    }
}

#[tokio::test]
async fn helms_version_belongs_to_the_root_and_can_be_pinned() {
    let repository = app("helmCharts: [{name: web}]", &[("plain/kustomization.yaml", "namePrefix: a-\n")]);
    let rendered = render(&repository, &root("app")).await.expect("a rendering");
    assert!(rendered.renderer.starts_with("kustomize v5.") && rendered.renderer.contains(", helm v3."), "{rendered:?}");
    assert_eq!(rendered.commands, ["kustomize build --enable-helm --helm-kube-version 1.34.0 app"]);
    let pinned = |dir| {
        let mut root = root(dir);
        root.options.helm_version = Some("2.0.0".into());
        root
    };
    let failure = render(&repository, &pinned("app")).await.expect_err("a refusal");
    assert_eq!(failure.kind, FailureKind::Operator);
    assert!(failure.message.contains("pins helm 2.0.0"), "{failure}");
    assert!(render(&repository, &pinned("plain")).await.is_ok(), "it has no charts");
}
