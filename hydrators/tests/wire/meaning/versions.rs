//! Helm 3 and Helm 4 give one canonical text.

use std::path::{Path, PathBuf};

use hydrators::{Input, Limits, Renderers, SecretPolicy, Tool, canonical, render_root};

use crate::repository::{Repository, launcher, manifest, release, root};

/// Everything in which a Helm could write something another way.
const TEMPLATES: &[(&str, &str)] = &[
    (
        "charts/web/Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 1.2.3+build.5\nappVersion: \"1.10\"\ndependencies:\n- {name: db, version: 1.0.0, condition: db.enabled}\n",
    ),
    (
        "charts/web/values.yaml",
        "text: \"on\"\nnumber: 12345678\nlarge: 1e10\nfloat: 0.10\noctal: 0777\nyes: yes\nempty: {}\nlist: []\ndate: 2024-01-01\n\
         script: |\n  #!/bin/sh\n  echo \"é\" \\\n    done\n\nfolded: >-\n  one\n  two\nnested: {b: 1, a: [x, {z: ~, y: '0'}], \"c d\": true}\ndb: {enabled: true}\n",
    ),
    (
        "charts/web/templates/_helpers.tpl",
        "{{- define \"labels\" -}}\napp.kubernetes.io/name: {{ .Chart.Name }}\nhelm.sh/chart: {{ printf \"%s-%s\" .Chart.Name .Chart.Version | replace \"+\" \"_\" }}\napp.kubernetes.io/version: {{ .Chart.AppVersion | quote }}\n{{- end }}\n",
    ),
    (
        "charts/web/templates/config.yaml",
        "# comment\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n  labels:\n    {{- include \"labels\" . | nindent 4 }}\n  annotations:\n    checksum/values: {{ toJson .Values | sha256sum }}\ndata:\n  all.yaml: |\n    {{- toYaml .Values | nindent 4 }}\n  json: {{ toJson .Values | quote }}\n  pretty: |\n    {{- toPrettyJson .Values.nested | nindent 4 }}\n  toml: |\n    {{- toToml .Values.nested | nindent 4 }}\n  script: {{ .Values.script | quote }}\n  kube: {{ .Capabilities.KubeVersion.Version }}\n  number: {{ .Values.number | quote }}\n  large: {{ .Values.large | int64 | quote }}\n  file: {{ .Files.Get \"files/a.txt\" | b64enc }}\n",
    ),
    ("charts/web/files/a.txt", "é\r\n\tx\n"),
    (
        "charts/web/templates/many.yaml",
        "{{- range $index, $word := list \"b\" \"a\" }}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ $word }}, namespace: {{ $.Release.Namespace }}}\nspec:\n  replicas: {{ $index }}\n  template:\n    spec: {{- toYaml $.Values.nested | nindent 6 }}\n{{- end }}\n---\n---\n# nothing\n",
    ),
    (
        "charts/web/templates/hook.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: before\n  annotations:\n    helm.sh/hook: pre-install,pre-upgrade\n    \"helm.sh/hook-weight\": \"-5\"\n",
    ),
    (
        "charts/web/templates/test.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n",
    ),
    ("charts/web/templates/empty.yaml", "{{ if .Values.nothing }}x{{ end }}\n# only this\n"),
    ("charts/web/templates/windows.yaml", "apiVersion: v1\r\nkind: Service\r\nmetadata:\r\n  name: crlf\r\n"),
    (
        "charts/web/templates/anchors.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: anchors}\ndata: &d\n  a: b\nmore:\n  <<: *d\n",
    ),
    (
        "charts/web/templates/json.json",
        "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"json\"}}",
    ),
    ("charts/web/templates/NOTES.txt", "Thank you for installing {{ .Chart.Name }}\n"),
    (
        "charts/web/crds/crd.yaml",
        "---\n# A CRD.\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: things.example.com\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: others.example.com}\n",
    ),
    ("charts/web/charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n"),
    ("charts/web/charts/db/values.yaml", "size: 0.5\nglobal: {x: y}\n"),
    (
        "charts/web/charts/db/templates/db.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  size: {{ .Values.size | quote }}\n  all: {{ toYaml .Values | quote }}\n",
    ),
];

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

async fn helm(folder: &str) -> Renderers {
    let folders = [checkout().join(".tools").join(folder), checkout().join(".tools/bin")];
    assert!(folders[0].join("helm").is_file(), "these tests need both Helms: `make test` brings them");
    Renderers::find(&folders, None, launcher(), Limits::default()).await.expect("the real renderers")
}

/// Takes over a folder of this checkout.
fn copy(repository: &Repository, from: &Path, to: &str) {
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let to = format!("{to}/{}", entry.file_name().to_str().expect("text"));
        match entry.path().is_dir() {
            true => copy(repository, &entry.path(), &to),
            false => repository.write(&to, &std::fs::read_to_string(entry.path()).expect("a text file")),
        }
    }
}

#[tokio::test]
async fn both_helms_give_the_same_bytes() {
    let repository = Repository::with(TEMPLATES);
    copy(&repository, &checkout().join("examples/shop/charts/web"), "charts/shop");
    copy(&repository, &checkout().join("tests/data/gitops-promoter-demo/dry/demo-apps/guestbook"), "charts/guestbook");
    let (older, newer) = (helm("helm-3").await, helm("bin").await);
    assert!(older.version(Tool::Helm).starts_with("3.") && newer.version(Tool::Helm).starts_with("4."));
    for chart in ["charts/web", "charts/shop", "charts/guestbook"] {
        let mut root = root(Input::Helm(Box::new(release(chart, "web"))));
        root.options.secrets = SecretPolicy::Allow;
        let tree = repository.tree();
        let texts = [&older, &newer].map(|renderers| render_root(renderers, &tree, &root));
        let [older, newer] = texts;
        let (older, newer) = (older.await.expect("rendered"), newer.await.expect("rendered"));
        assert_ne!(older.renderer, newer.renderer);
        assert_eq!(manifest(&older), manifest(&newer), "{chart}");
        assert_eq!(canonical(&manifest(&newer)).expect("a manifest"), manifest(&newer));
    }
}

#[tokio::test]
async fn a_root_is_rendered_by_the_version_that_it_pins() {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {by: \"{{ .Capabilities.HelmVersion.Version }}\"}\n";
    let repository = Repository::with(&[
        ("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("charts/web/templates/by.yaml", template),
    ]);
    let folders = ["bin", "helm-3"].map(|folder| checkout().join(".tools").join(folder));
    let renderers = Renderers::find(&folders, None, launcher(), Limits::default()).await.expect("the real renderers");
    let versions: Vec<&str> = renderers.versions(Tool::Helm).map(|(version, _)| version).collect();
    let [newer, older] = versions[..] else { panic!("{versions:?}") };
    let mut root = root(Input::Helm(Box::new(release("charts/web", "web"))));
    for (pinned, by) in [(None, newer), (Some(older), older), (Some(newer), newer)] {
        root.options.helm_version = pinned.map(str::to_owned);
        let rendered = render_root(&renderers, &repository.tree(), &root).await.expect("rendered");
        assert_eq!(rendered.renderer, format!("helm v{by}"));
        assert!(manifest(&rendered).contains(&format!("\"v{by}\"")), "{}", manifest(&rendered));
    }
    root.options.helm_version = Some("3.99.0".to_owned());
    let failure = render_root(&renderers, &repository.tree(), &root).await.expect_err("it is not here");
    assert!(failure.message.contains(&format!("has {newer} and {older}")), "{failure}");
}
