//! Helm charts.

use hydrators::{FailureKind, Input, Release, Root, ValueFile};

use crate::repository::{Repository, manifest, release, root};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const TEMPLATE: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
data:
  tier: {{ .Values.tier | quote }}
  inline: {{ .Values.inline | default "none" }}
  kube: {{ .Capabilities.KubeVersion.Version }}
  more: {{ .Capabilities.APIVersions.Has "example.com/v1" | quote }}
"#;

fn chart(extra: &[(&str, &str)]) -> Repository {
    let repository = Repository::with(&[
        ("charts/web/Chart.yaml", CHART),
        ("charts/web/values.yaml", "tier: none\n"),
        ("charts/web/templates/config.yaml", TEMPLATE),
    ]);
    for (path, text) in extra {
        repository.write(path, text);
    }
    repository
}

fn web(release: Release) -> Root {
    root(Input::Helm(Box::new(release)))
}

fn file(path: &str, optional: bool) -> ValueFile {
    ValueFile { path: path.into(), optional }
}

#[tokio::test]
async fn value_files_and_inline_values_are_laid_over_each_other() {
    let repository = chart(&[("values/a.yaml", "tier: a\n"), ("values/b.yaml", "tier: b\ninline: file\n")]);
    let mut release = release("charts/web", "web");
    release.value_files = vec![file("values/a.yaml", false), file("values/b.yaml", false), file("values/c.yaml", true)];
    release.values = serde_json::json!({"inline": "it's ours"}).as_object().cloned();
    let mut root = web(release);
    root.options.api_versions = vec!["example.com/v1".into()];
    let rendered = repository.render(&root).await.expect("a rendering");
    insta::assert_snapshot!(manifest(&rendered), @r#"
    apiVersion: v1
    data:
      inline: it's ours
      kube: v1.34.0
      more: "true"
      tier: "b"
    kind: ConfigMap
    metadata:
      name: web
      namespace: shop
    "#);
    insta::assert_snapshot!(rendered.commands[0], @r#"helm template web ./charts/web --namespace shop --kube-version 1.34.0 --api-versions example.com/v1 --include-crds --skip-tests --values values/a.yaml --values values/b.yaml --values <(echo '{"inline":"it'\''s ours"}')"#);
    assert!(rendered.renderer.starts_with("helm v"), "{}", rendered.renderer);
}

#[tokio::test]
async fn dependencies_come_from_the_charts_folder_and_crds_come_first() {
    let repository = chart(&[
        (
            "charts/web/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- {name: db, version: 1.0.0}\n",
        ),
        ("charts/web/charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n"),
        ("charts/web/charts/db/templates/s.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: db}\n"),
        (
            "charts/web/crds/x.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x.example.com}\n",
        ),
        (
            "charts/web/templates/test.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n",
        ),
    ]);
    let manifest = repository.manifest(&web(release("charts/web", "web"))).await;
    let kinds: Vec<_> = manifest.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    assert_eq!(kinds, ["CustomResourceDefinition", "ConfigMap", "Service"]);
}

#[tokio::test]
async fn a_failing_template_is_named_with_its_line() {
    let repository = chart(&[("charts/web/templates/bad.yaml", "a: b\nc: d\ne: {{ .Values.a.b.c }}\n")]);
    let failure = repository.failure(&web(release("charts/web", "web"))).await;
    assert_eq!(failure.kind, FailureKind::Author);
    assert_eq!((failure.file.as_deref(), failure.line), (Some("charts/web/templates/bad.yaml"), Some(3)), "{failure}");
    assert!(failure.message.contains("nil pointer"), "{failure}");
}

#[tokio::test]
async fn templates_that_do_not_parse_or_fail_or_give_bad_yaml_are_named() {
    for (text, line, word) in [
        ("a: b\nc: {{ .Values.x\n", Some(2), "unclosed action"),
        ("a: b\n\nc: {{ required \"we need x\" .Values.x }}\n", Some(3), "we need x"),
        ("a: b\n  c: d\n e: f\n", None, "YAML"),
        ("kind: A\nkind: B\napiVersion: v1\nmetadata: {name: a}\n", None, "kind"),
    ] {
        let repository = chart(&[("charts/web/templates/bad.yaml", text)]);
        let failure = repository.failure(&web(release("charts/web", "web"))).await;
        assert_eq!((failure.file.as_deref(), failure.line), (Some("charts/web/templates/bad.yaml"), line), "{failure}");
        assert!(failure.message.contains(word), "{failure}");
    }
}

#[tokio::test]
async fn an_absent_dependency_says_what_to_do() {
    for (repository_url, remedy) in [("https://example.com", "commit `charts/`"), ("file://../db", "no folder of this")]
    {
        let text = format!("{CHART}dependencies:\n- name: db\n  version: 1.0.0\n  repository: {repository_url}\n");
        let failure = chart(&[("charts/web/Chart.yaml", &text)]).failure(&web(release("charts/web", "web"))).await;
        assert_eq!((failure.file.as_deref(), failure.line), (Some("charts/web/Chart.yaml"), Some(5)), "{failure}");
        assert!(failure.message.contains(remedy), "{failure}");
    }
}

#[tokio::test]
async fn what_differs_each_time_is_named_where_that_is_to_be_proved() {
    let template =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata:\n  fixed: a\n  a/b: {{ randAlphaNum 20 }}\n";
    let repository = chart(&[("charts/web/templates/random.yaml", template)]);
    let mut root = web(release("charts/web", "web"));
    repository.render(&root).await.expect("nobody asked for a proof");
    root.options.prove = true;
    let failure = repository.failure(&root).await;
    insta::assert_snapshot!(failure.message, @"it renders to something else each time (`prove`): `ConfigMap web` at `/data/a~1b`. A function such as `randAlphaNum`, `genCA`, `now` or `uuidv4` does that; give the value instead");
    repository.write("charts/web/templates/random.yaml", &template.replace("{{ randAlphaNum 20 }}", "b"));
    repository.render(&root).await.expect("the same each time");
}

#[tokio::test]
async fn each_resource_gets_a_file_where_that_is_the_layout() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n";
    let repository = chart(&[("charts/web/templates/service.yaml", service)]);
    let mut root = web(release("charts/web", "web"));
    root.options.layout = hydrators::Layout::Resources;
    let files = repository.render(&root).await.expect("a rendering").files;
    assert_eq!(
        files["service_shop_web.yaml"],
        b"apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\n"
    );
    assert!(files.len() > 1 && files.keys().all(|name| name.ends_with(".yaml")), "{:?}", files.keys());
}

#[tokio::test]
async fn dependencies_in_other_folders_are_rendered_with_the_chart() {
    let with = |name: &str, repository: &str| {
        format!(
            "apiVersion: v2\nname: {name}\nversion: 1.0.0\ndependencies:\n- name: db\n  version: 1.0.0\n  repository: {repository}\n"
        )
    };
    let template = "kind: Db\napiVersion: example.com/v1\nmetadata: {name: {{ .Release.Name }}-{{ .Values.size }}}\n";
    let repository = chart(&[
        ("charts/web/Chart.yaml", &with("web", "file://../../shared/db")),
        (
            "shared/db/Chart.yaml",
            "apiVersion: v2\nname: db\nversion: 1.0.0\ndependencies:\n- {name: deep, version: 1.0.0, repository: \"file://../deep\"}\n",
        ),
        ("shared/db/values.yaml", "size: small\n"),
        ("shared/db/templates/db.yaml", template),
        ("shared/deep/Chart.yaml", "apiVersion: v2\nname: deep\nversion: 1.0.0\n"),
        ("shared/deep/templates/deep.yaml", "kind: Deep\napiVersion: example.com/v1\nmetadata: {name: deep}\n"),
    ]);
    let manifest = repository.manifest(&web(release("charts/web", "web"))).await;
    assert!(manifest.contains("name: web-small") && manifest.contains("kind: Deep"), "{manifest}");
    repository.write("shared/db/templates/db.yaml", "{{ fail \"no\" }}");
    let failure = repository.failure(&web(release("charts/web", "web"))).await;
    assert_eq!((failure.file.as_deref(), failure.line), (Some("shared/db/templates/db.yaml"), Some(1)), "{failure}");
    repository.write("shared/db/Chart.yaml", &with("db", "file://."));
    let failure = repository.failure(&web(release("charts/web", "web"))).await;
    assert!(failure.message.contains("is the 10th below another"), "{failure}");
    repository.write("charts/web/Chart.yaml", &with("web", "file://../../other"));
    repository.write("other/Chart.yaml", "apiVersion: v2\nname: other\nversion: 1.0.0\n");
    let failure = repository.failure(&web(release("charts/web", "web"))).await;
    assert!(failure.message.contains("the chart in `other` is `other`, not `db`"), "{failure}");
}

#[tokio::test]
async fn value_files_must_be_files_of_the_repository() {
    let repository = chart(&[]);
    repository.link("link.yaml", "/etc/passwd");
    for path in
        ["../values.yaml", "/etc/passwd", "missing.yaml", "https://example.com/v.yaml", "-x", "link.yaml", "charts"]
    {
        let mut release = release("charts/web", "web");
        release.value_files = vec![file(path, false)];
        let failure = repository.failure(&web(release)).await;
        assert_eq!(failure.kind, FailureKind::Author, "{path}: {failure}");
    }
}

#[tokio::test]
async fn names_that_begin_with_a_dash_are_refused() {
    let repository = chart(&[("-x/Chart.yaml", CHART)]);
    for release in [
        release("charts/web", "--post-renderer=x"),
        Release { namespace: "-x".into(), ..release("charts/web", "web") },
        release("-x", "web"),
    ] {
        let failure = repository.failure(&web(release)).await;
        assert_eq!(failure.kind, FailureKind::Author, "{failure}");
    }
}

#[tokio::test]
async fn a_chart_with_a_link_out_of_the_repository_is_refused() {
    let repository = chart(&[]);
    repository.link("charts/web/secret.txt", "/etc/passwd");
    let failure = repository.failure(&web(release("charts/web", "web"))).await;
    insta::assert_snapshot!(failure, @"charts/web/secret.txt: `charts/web/secret.txt` cannot be rendered: it is a symbolic link that leaves the repository");
}

#[tokio::test]
async fn a_secret_in_the_clear_names_its_template() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n";
    let repository = chart(&[("charts/web/templates/secret.yaml", secret)]);
    let mut root = web(release("charts/web", "web"));
    let failure = repository.failure(&root).await;
    assert_eq!(failure.file.as_deref(), Some("charts/web/templates/secret.yaml"), "{failure}");
    root.options.secrets = hydrators::SecretPolicy::Allow;
    assert!(repository.manifest(&root).await.contains("kind: Secret"));
}

#[tokio::test]
async fn a_pinned_version_that_is_not_here_is_named() {
    let mut root = web(release("charts/web", "web"));
    root.options.helm_version = Some("3.99.0".into());
    let failure = chart(&[]).failure(&root).await;
    assert_eq!(failure.kind, FailureKind::Operator);
    assert!(failure.message.contains("helm 3.99.0"), "{failure}");
}
