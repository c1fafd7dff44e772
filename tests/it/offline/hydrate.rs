//! `hydromote hydrate`.

use std::path::Path;

use serde_json::Value;

use super::{STRATEGY, Shop, files};

#[test]
fn hydrate_writes_what_would_be_committed() {
    let shop = Shop::new();
    shop.repository.remote("origin", "https://ada:secret@example.com/ada/shop.git").expect("a remote");
    let run = shop.hydrate(&[]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    Rendered dry-1 to out

    dev: 3 roots, tree <id>
      limits
      shop
      web

    prod: 3 roots, tree <id>
      limits
      shop
      web
    ");
    let written = files(&shop.out());
    insta::assert_snapshot!(written.keys().cloned().collect::<Vec<_>>().join("\n"), @"
    dev/hydrator.metadata
    dev/limits/README.md
    dev/limits/hydrator.metadata
    dev/limits/manifest.yaml
    dev/shop/README.md
    dev/shop/hydrator.metadata
    dev/shop/manifest.yaml
    dev/web/README.md
    dev/web/hydrator.metadata
    dev/web/manifest.yaml
    prod/hydrator.metadata
    prod/limits/README.md
    prod/limits/hydrator.metadata
    prod/limits/manifest.yaml
    prod/shop/README.md
    prod/shop/hydrator.metadata
    prod/shop/manifest.yaml
    prod/web/README.md
    prod/web/hydrator.metadata
    prod/web/manifest.yaml
    ");
    insta::assert_snapshot!(shop.redact(&written["prod/hydrator.metadata"]), @r#"
    {
      "repoURL": "https://example.com/ada/shop.git",
      "drySha": "dry-1",
      "author": "developer <developer@example.com>",
      "date": "2023-11-14T22:13:20Z",
      "subject": "Open the shop",
      "hydromote": {
        "strategy": "shop",
        "environment": "prod",
        "lane": "default"
      }
    }
    "#);
    insta::assert_snapshot!(shop.redact(&written["prod/shop/README.md"]), @"
    # shop

    Rendered by Hydromote from https://example.com/ada/shop.git at dry-1. Changes made here by hand stop the promotion of this environment.

    To render it again:

    ```shell
    git clone https://example.com/ada/shop.git
    git checkout dry-1
    kustomize build deploy/overlays/prod
    ```
    ");
    insta::assert_snapshot!(written["prod/web/manifest.yaml"], @"
    apiVersion: v1
    kind: Service
    metadata:
      name: web
      namespace: web-prod
    spec:
      ports:
      - port: 443
    ");
    let metadata: Value = serde_json::from_str(&written["prod/web/hydrator.metadata"]).expect("JSON");
    assert_eq!(metadata["repoURL"], "https://example.com/ada/shop.git");
    assert!(written.values().all(|text| !text.contains("secret")));
}

#[test]
fn the_folder_equals_the_composed_git_tree() {
    let shop = Shop::new();
    let arguments = ["hydrate", "--repo", ".", "--out", "out", "--environment", "dev", "--output", "json"];
    let output = shop.program(env!("CARGO_BIN_EXE_hydromote"), &arguments).output().expect("the program runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["drySha"], shop.commits[0]);
    let tree = shop.commit_folder("env/dev", &shop.out().join("dev"));
    assert_eq!(json["environments"][0]["tree"], tree);
    assert!(!shop.out().join("prod").exists());
}

#[test]
fn each_root_is_a_line_of_json_for_programs() {
    let mut shop = Shop::new();
    shop.edit("deploy/overlays/prod/kustomization.yaml", "../../base", "../../basis");
    shop.commit("Break production");
    let run = shop.hydrate(&["--output", "json-lines"]).expect(1);
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told = lines.iter().map(|line| {
        let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", text("type"), text("environment"), text("output"), text("cache"))
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @"
    root dev limits miss
    root dev shop miss
    root dev web miss
    environment dev - -
    root prod limits miss
    root prod web miss
    failure prod shop -
    environment prod - -
    ");
    let keys: Vec<&str> = lines.iter().filter_map(|line| line["key"].as_str()).collect();
    assert!(keys.len() == 5 && keys.iter().all(|key| key.len() == 64), "{keys:?}");
    assert_eq!(run.stderr.lines().filter(|line| line.contains(" failed, ")).count(), 2, "{}", run.stderr);
}

#[test]
fn a_source_that_matches_nothing_is_told() {
    let mut shop = Shop::new();
    shop.edit("hydromote.yaml", "plain/{environment}", "plane/{environment}");
    shop.commit("Mistype a folder");
    let run = shop.hydrate(&["--environment", "dev"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    Rendered dry-2 to out

    dev: 2 roots, tree <id>
      shop
      web
      no match here: `plane/dev` (line 14)
    ");
    let run = shop.hydrate(&["--force", "--output", "json"]).expect(0);
    let json: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(json["environments"][1]["unmatched"][0]["pattern"], "plane/prod");
}

#[test]
fn a_bare_repository_and_a_bundle_give_the_same_as_the_work_tree() {
    let shop = Shop::new();
    shop.bundle();
    let bare = shop.path().join(".git");
    shop.hydrate(&[]).expect(0);
    for (repo, out) in [(bare.to_str().expect("text"), "out2"), ("out.bundle", "out3")] {
        shop.run(&["hydrate", "--repo", repo, "--out", out]).expect(0);
        assert_eq!(files(&shop.out()), files(&shop.path().join(out)), "{repo}");
    }
    shop.run(&["validate", "out.bundle"]).expect(0);
}

#[test]
fn renderings_mean_what_the_plain_tools_give() {
    let shop = Shop::new();
    shop.hydrate(&["--environment", "prod"]).expect(0);
    let tool = |name: &str, arguments: &[&str]| {
        let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin").join(name);
        let program = if fetched.exists() { fetched.to_str().expect("text") } else { name };
        let output = shop.program(program, arguments).output().expect("the tool runs");
        hydrators::canonical(&String::from_utf8_lossy(&output.stdout)).expect("manifests")
    };
    let written = files(&shop.out());
    assert_eq!(written["prod/shop/manifest.yaml"], tool("kustomize", &["build", "deploy/overlays/prod"]));
    let helm = ["template", "web", "charts/web", "-n", "web-prod", "-f", "charts/web/values-prod.yaml"];
    assert_eq!(written["prod/web/manifest.yaml"], tool("helm", &helm));
}

#[test]
fn a_root_that_fails_is_named_and_the_others_are_written() {
    let mut shop = Shop::new();
    shop.edit("deploy/overlays/prod/kustomization.yaml", "../../base", "../../basis");
    shop.commit("Break production");
    let run = shop.hydrate(&[]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    Rendered dry-2 to out

    dev: 3 roots, tree <id>
      limits
      shop
      web

    prod: 2 roots, tree <id>
      limits
      web
      failed: `shop`: deploy/overlays/prod/kustomization.yaml:1: `resources` names `../../basis`, which does not exist
    ");
    let written = files(&shop.out());
    assert!(written.contains_key("prod/web/manifest.yaml") && !written.contains_key("prod/shop/manifest.yaml"));
    assert!(written.contains_key("dev/shop/manifest.yaml"));
    let json = shop.run(&["hydrate", "--repo", ".", "--out", "out2", "--output", "json"]).expect(1).json();
    assert_eq!(json["environments"][1]["failures"][0]["file"], "deploy/overlays/prod/kustomization.yaml");
}

#[test]
fn a_strategy_that_is_not_committed_is_pointed_out() {
    let mut shop = Shop::new();
    std::fs::rename(shop.path().join("hydromote.yaml"), shop.path().join("out.yaml")).expect("renamed");
    shop.commit("Remove the strategy");
    std::fs::rename(shop.path().join("out.yaml"), shop.path().join("hydromote.yaml")).expect("renamed");
    let run = shop.hydrate(&[]).expect(2);
    insta::assert_snapshot!(run.stderr, @"error: there is no strategy at this revision; commit `hydromote.yaml`, or name the file with `--strategy`");
    shop.hydrate(&["--strategy", "hydromote.yaml"]).expect(0);
}

#[test]
fn hydrate_writes_over_nothing_but_its_own() {
    let shop = Shop::new();
    shop.hydrate(&[]).expect(0);
    let run = shop.hydrate(&[]).expect(2);
    insta::assert_snapshot!(run.stderr, @"error: `out` is not empty; name another folder, or `--force` to replace what an earlier run wrote");
    shop.write("out/dev/stale.yaml", "");
    shop.hydrate(&["--force"]).expect(0);
    assert!(!shop.out().join("dev/stale.yaml").exists());
    std::fs::remove_file(shop.out().join("dev/hydrator.metadata")).expect("removed");
    let run = shop.hydrate(&["--force"]).expect(2);
    assert!(run.stderr.contains("was not written by this command"), "{}", run.stderr);
}

#[test]
fn a_strategy_outside_of_the_repository_is_used_instead_of_its_own() {
    let shop = Shop::new();
    let outside = tempfile::tempdir().expect("a folder");
    let file = outside.path().join("other.yaml");
    std::fs::write(&file, STRATEGY.replace("name: prod", "name: live")).expect("a file");
    let file = file.to_str().expect("text");
    shop.hydrate(&["--strategy", file, "--environment", "live"]).expect(0);
    assert!(shop.out().join("live/web/manifest.yaml").exists());
    shop.run(&["validate", "--strategy", file]).expect(0);
}
