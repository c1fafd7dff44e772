//! Kustomizations.

use std::fs;
use std::io::Write;

use hydrators::{FailureKind, Limits, Renderers, prepare};

use crate::repository::{Repository, kustomization, launcher, manifest, tools};

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 80\n";
const LABELS: &str = "apiVersion: builtin\nkind: LabelTransformer\nmetadata:\n  name: labels\nlabels:\n  team: shop\n\
                      fieldSpecs:\n- path: metadata/labels\n  create: true\n";

fn overlays(extra: &[(&str, &str)]) -> Repository {
    let repository = Repository::with(&[
        ("base/kustomization.yaml", "resources: [service.yaml]\n"),
        ("base/service.yaml", SERVICE),
        (
            "labels/kustomization.yaml",
            "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\ntransformers: [labels.yaml]\n",
        ),
        ("labels/labels.yaml", LABELS),
        (
            "overlays/dev/kustomization.yaml",
            "resources: [../../base]\ncomponents: [../../labels]\nnamespace: dev\n\
             configMapGenerator:\n- name: c\n  files: [x=settings.txt]\n\
             patches:\n- path: patch.yaml\n",
        ),
        ("overlays/dev/settings.txt", "on\n"),
        ("overlays/dev/patch.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  type: NodePort\n"),
    ]);
    for (path, text) in extra {
        repository.write(path, text);
    }
    repository
}

#[tokio::test]
async fn a_renderer_is_known_by_its_file() {
    let (repository, programs) = (overlays(&[]), tempfile::tempdir().expect("a folder"));
    let copy = |name: &str| {
        let (from, to) = (tools().join(name), programs.path().join(name));
        fs::copy(from, &to).expect("a copy");
        to
    };
    let (_, kustomize) = (copy("helm"), copy("kustomize"));
    let folders = [programs.path().to_owned()];
    let find = || Renderers::find(&folders, None, launcher(), Limits::default());
    let renderers = find().await.expect("renderers");
    let (tree, root) = (repository.tree(), kustomization("overlays/dev"));
    let key = |renderers: &Renderers| prepare(renderers, &tree, &root).map(|prepared| (prepared.key.clone(), prepared));
    let (first, prepared) = key(&renderers).expect("a key");

    // Another build of the same version.
    let other = programs.path().join("other");
    fs::copy(&kustomize, &other).expect("a copy");
    fs::OpenOptions::new().append(true).open(&other).expect("a file").write_all(b"other").expect("written");
    fs::rename(&other, &kustomize).expect("replaced");
    for failure in
        [key(&renderers).expect_err("a refusal"), prepared.render(&renderers, &tree).await.expect_err("a refusal")]
    {
        assert_eq!(failure.kind, FailureKind::Operator, "{failure}");
        assert!(failure.message.contains("was replaced while this runs"), "{failure}");
    }
    let renderers = find().await.expect("renderers");
    let (second, prepared) = key(&renderers).expect("a key");
    assert_ne!(second, first);
    prepared.render(&renderers, &tree).await.expect("a rendering");
}

#[tokio::test]
async fn a_fault_without_a_file_points_to_the_kustomization_that_is_to_blame() {
    let overlay = "overlays/dev/kustomization.yaml";
    let patch = SERVICE.replace("web", "other");
    for (path, text, line, words) in [
        (overlay, "resources: [../../base]\npatches:\n- path: patch.yaml\n", Some(2), "no resource matches"),
        (overlay, "resources: [../../base]\npatchs: []\n", Some(2), "unknown field"),
        ("base/kustomization.yaml", "resources: [service.yaml]\nimages:\n- newTagg: x\n", Some(3), "unknown field"),
        (overlay, "resources: [../../base, ../../base]\n", None, "already registered"),
        (
            overlay,
            "resources: [../../base]\nreplacements:\n- source: {kind: ConfigMap, name: none}\n  targets: [{select: \
             {kind: Service}, fieldPaths: [spec.x]}]\n",
            Some(2),
            "nothing selected",
        ),
    ] {
        let repository = overlays(&[("overlays/dev/patch.yaml", &patch), (path, text)]);
        let failure = repository.failure(&kustomization("overlays/dev")).await;
        assert_eq!((failure.kind, failure.file.as_deref()), (FailureKind::Author, Some(path)), "{failure}");
        assert_eq!(failure.line, line, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
    }
}

#[tokio::test]
async fn an_overlay_with_components_and_builtin_transformers_is_rendered() {
    let rendered = overlays(&[]).render(&kustomization("overlays/dev")).await.expect("a rendering");
    insta::assert_snapshot!(manifest(&rendered), @r"
    apiVersion: v1
    data:
      x: |
        on
    kind: ConfigMap
    metadata:
      labels:
        team: shop
      name: c-22k9gm7cf9
      namespace: dev
    ---
    apiVersion: v1
    kind: Service
    metadata:
      labels:
        team: shop
      name: web
      namespace: dev
    spec:
      ports:
      - port: 80
      type: NodePort
    ");
    assert_eq!(rendered.commands, ["kustomize build overlays/dev"]);
    assert!(rendered.renderer.starts_with("kustomize v5."), "{}", rendered.renderer);
}

#[tokio::test]
async fn what_would_fetch_or_run_anything_is_refused_with_its_line() {
    let function = "apiVersion: x/v1\nkind: F\nmetadata:\n  name: f\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: ./x}\n";
    for (text, line, word) in [
        ("namespace: dev\nhelmGlobals:\n  configHome: x\n", 3, "helmGlobals"),
        ("helmCharts:\n- name: x\n", 2, "there is no chart in `overlays/dev/charts/x`"),
        ("helmCharts:\n- name: x\n  repo: https://example.com\n", 2, "run `hydromote lock`"),
        ("resources:\n- ../../base\n- https://example.com/x.yaml\n", 3, "vendor it"),
        ("resources:\n- github.com/org/repo//x?ref=v1\n", 2, "vendor it"),
        ("components:\n- git::ssh://x\n", 2, "vendor it"),
        ("resources:\n- ../../..\n", 2, "outside"),
        ("resources:\n- ../../missing\n", 2, "does not exist"),
        ("resources:\n- -x.yaml\n", 2, "begins with `-`"),
        ("configMapGenerator:\n- name: c\n  files:\n  - x=https://example.com/x\n", 4, "vendor it"),
        ("patches:\n- path: ../../../x.yaml\n", 2, "outside"),
        ("transformers:\n- f.yaml\n", 6, ""),
        ("generators:\n- |-\n  apiVersion: someteam.example.com/v1\n  kind: Runs\n", 3, "plugin program"),
        (
            "generators:\n- |-\n  apiVersion: builtin\n  kind: HelmChartInflationGenerator\n",
            3,
            "an entry of `helmCharts`",
        ),
    ] {
        let repository = overlays(&[("overlays/dev/kustomization.yaml", text), ("overlays/dev/f.yaml", function)]);
        let failure = repository.failure(&kustomization("overlays/dev")).await;
        assert_eq!(failure.kind, FailureKind::Author, "{text}: {failure}");
        assert!(failure.message.contains(word), "{text}: {failure}");
        if text.starts_with("transformers") {
            assert_eq!(failure.file.as_deref(), Some("overlays/dev/f.yaml"), "{failure}");
        } else {
            assert_eq!(
                (failure.file.as_deref(), failure.line),
                (Some("overlays/dev/kustomization.yaml"), Some(line)),
                "{failure}"
            );
        }
    }
}

#[tokio::test]
async fn a_base_below_is_checked_too() {
    let repository =
        overlays(&[("base/kustomization.yaml", "resources: [service.yaml]\nhelmGlobals: {configHome: .}\n")]);
    let failure = repository.failure(&kustomization("overlays/dev")).await;
    assert_eq!((failure.file.as_deref(), failure.line), (Some("base/kustomization.yaml"), Some(2)), "{failure}");
}

#[tokio::test]
async fn a_file_that_is_no_yaml_is_named() {
    let repository = overlays(&[("base/service.yaml", "apiVersion: v1\nkind: Service\n  bad: indent\n")]);
    let failure = repository.failure(&kustomization("overlays/dev")).await;
    assert_eq!(failure.kind, FailureKind::Author);
    assert_eq!(failure.file.as_deref(), Some("base/service.yaml"), "{failure}");
}

#[tokio::test]
async fn a_link_out_of_the_tree_is_refused() {
    let repository = overlays(&[]);
    repository.link("base/passwd.yaml", "/etc/passwd");
    let failure = repository.failure(&kustomization("overlays/dev")).await;
    assert_eq!(failure.file.as_deref(), Some("base/passwd.yaml"), "{failure}");
}
