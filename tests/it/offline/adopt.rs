//! `hydromote take-over` and `hydromote init --from` on a real branch of another hydrator; its origin and licence stand
//! in `tests/data/gitops-promoter-demo/README.md`.

use std::path::{Path, PathBuf};

use super::{Shop, files};

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gitops-promoter-demo").join(path)
}

/// The demo's chart, its branch `env/dev`, and the strategy that is made of its documents.
fn demo() -> Shop {
    let mut shop = Shop::new();
    std::fs::remove_file(shop.path().join("hydromote.yaml")).expect("removed");
    for (path, text) in files(&data("dry")) {
        shop.write(&path, &text);
    }
    shop.commit("Bring the demo");
    let from = ["promoter/promotion-strategy.yaml", "promoter/timed-commit-status.yaml", "applications.yaml"].map(data);
    let from = from.map(|path| path.to_string_lossy().into_owned());
    let mut arguments = vec!["init", ".", "--from"];
    arguments.extend(from.iter().map(String::as_str));
    shop.run(&arguments).expect(0);
    shop.commit("Add the strategy");
    shop.commit_folder("env/dev", &data("branch"));
    let mut config = shop.repository.config().expect("a configuration");
    config.set_str("user.name", "developer").expect("set");
    config.set_str("user.email", "developer@example.com").expect("set");
    shop
}

#[test]
fn a_real_branch_is_taken_over_with_a_strategy_made_of_the_demos_own_documents() {
    let shop = demo();
    shop.run(&["validate"]).expect(0);
    let run = shop.run(&["take-over", "dev", "--remote", ".", "--push"]).expect(0);
    let head = shop.repository.refname_to_id("refs/heads/env/dev").expect("a branch").to_string();
    insta::assert_snapshot!(run.stdout.replace(&head[..7], "(commit)"), @"
    dev: `env/dev` at 8222c07
      What runs counts as dry-3, the newest that renders to what is there.
      owned     `hydrated/guestbook-github-dev`: 3 files
                  hydrated/guestbook-github-dev/README.md
                  hydrated/guestbook-github-dev/hydrator.metadata
                  hydrated/guestbook-github-dev/manifest.yaml
      orphaned  `hydrated/guestbook-dev`: 3 files: nothing renders to it; it stays, unless `--take hydrated/guestbook-dev` takes it over
      foreign   .gitattributes

      What runs says what dry-3 renders to.

      Taken over by (commit), which changes nothing but formatting: that was proved. The next promotion shows real changes only.
    ");
    let run = shop.run(&["verify", "--environment", "dev"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: equal (claims dry-3)
      hydrated/guestbook-github-dev: equal, of demo-github at dry-3
      not ours  .gitattributes
      not ours  hydrated/guestbook-dev/README.md
      not ours  hydrated/guestbook-dev/hydrator.metadata
      not ours  hydrated/guestbook-dev/manifest.yaml
    ");
    let again = shop.run(&["take-over", "dev", "--remote", ".", "--output", "json"]).expect(1);
    assert_eq!(again.json()["state"], "refused");
}

#[test]
fn an_orphaned_folder_is_taken_over_by_name_and_waits_for_its_removal() {
    let shop = demo();
    let take =
        ["take-over", "dev", "--remote", ".", "--dry", "HEAD", "--take", "hydrated/guestbook-dev", "--output", "json"];
    let json = shop.run(&take).expect(0).json();
    insta::assert_json_snapshot!(json["orphaned"], @r#"
    [
      {
        "folder": "hydrated/guestbook-dev",
        "resource": null,
        "taken": true,
        "files": [
          "hydrated/guestbook-dev/README.md",
          "hydrated/guestbook-dev/hydrator.metadata",
          "hydrated/guestbook-dev/manifest.yaml"
        ]
      }
    ]
    "#);
    let resources: Vec<_> = json["differences"].as_array().expect("a list").iter().map(|d| &d["resource"]).collect();
    insta::assert_json_snapshot!(resources, @r#"
    [
      "Service guestbook-dev",
      "apps/Deployment guestbook-dev"
    ]
    "#);
}

#[test]
fn what_cannot_be_taken_over_with_certainty_is_named_and_left() {
    let shop = demo();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: guestbook-github-dev}\n";
    write("hydrated/guestbook-github-dev/kustomization.yaml", "resources: [a.yaml]\n");
    write("hydrated/guestbook-github-dev/a.yaml", service);
    write(
        "hydrated/guestbook-github-dev/sub/b.json",
        r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"guestbook-github-dev"}}"#,
    );
    write("hydrated/guestbook-github-dev/manifest.yaml", "a: [\n");
    write("other/web.yaml", service);
    shop.commit_folder("env/dev", folder.path());
    let run = shop.run(&["take-over", "dev", "--remote", ".", "--dry", "HEAD", "--push"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    dev: `env/dev` at 5d5b981
      What runs counts as dry-3, as you say.
      owned     `hydrated/guestbook-github-dev`: 2 files
                  hydrated/guestbook-github-dev/a.yaml
                  hydrated/guestbook-github-dev/sub/b.json
      foreign   other/web.yaml: what it holds is rendered to `hydrated/guestbook-github-dev`; `output: other` would take it over

      Stopped: `hydrated/guestbook-github-dev/kustomization.yaml` makes a source of the output folder `hydrated/guestbook-github-dev`, which then is no place for rendered manifests; take it off the branch, or give the source another `output`.

      Stopped: hydrated/guestbook-github-dev/manifest.yaml:1: unclosed bracket '['.

      Stopped: `Service guestbook-github-dev` is in `hydrated/guestbook-github-dev` twice, hydrated/guestbook-github-dev/a.yaml:1 and hydrated/guestbook-github-dev/sub/b.json:1; take one of them off the branch.

      Nothing was written.
    ");
    let run = shop.run(&["take-over", "e2e", "--remote", "."]).expect(2);
    insta::assert_snapshot!(run.stderr, @"error: `env/e2e` is not in this repository as a branch of `.`; fetch it first, or name its remote with `--remote`");
}
