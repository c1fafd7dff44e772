//! Folders of YAML.

use hydrators::Input;

use crate::repository::{Repository, root};

#[tokio::test]
async fn all_manifests_are_read_in_order_and_hidden_files_are_not() {
    let repository = Repository::with(&[
        ("app/b.yml", "# b\napiVersion: v1\nkind: Service\nmetadata: {name: b}\n"),
        ("app/sub/a.json", "{\"kind\": \"Service\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"a\"}}\n"),
        ("app/.hidden.yaml", "x"),
        ("app/.ci/x.yaml", "x"),
        ("app/README.md", "x"),
    ]);
    let manifest = repository.manifest(&root(Input::Plain { dir: "app".into() })).await;
    insta::assert_snapshot!(manifest, @r#"
    "apiVersion": "v1"
    "kind": "Service"
    "metadata":
      "name": "a"
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: b
    "#);
}

#[tokio::test]
async fn mistakes_name_file_and_line() {
    let object = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n";
    for (text, place) in [
        ("apiVersion: v1\nkind: Service\n", "app/b.yaml:1: this `Service` has no `metadata.name`"),
        ("---\n\nimage: x\n", "app/b.yaml:3: this document is no Kubernetes object: it has no `kind`"),
        ("a: b\nc: [\n", "app/b.yaml:2: "),
        (object, "app/b.yaml:1: `Service a` is there twice: app/a.yaml:1 and app/b.yaml:1"),
    ] {
        let repository = Repository::with(&[("app/a.yaml", object), ("app/b.yaml", text)]);
        let failure = repository.failure(&root(Input::Plain { dir: "app".into() })).await;
        assert!(failure.to_string().starts_with(place), "{failure}");
    }
}
