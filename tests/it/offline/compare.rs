//! `hydromote diff` and `hydromote verify`.

use serde_json::Value;

use super::Shop;

#[test]
fn diff_shows_resources_that_are_added_removed_and_changed() {
    let mut shop = Shop::new();
    shop.edit("deploy/base/settings.yaml", "level: low", "level: high");
    shop.edit("plain/prod/limits.yaml", "name: limits", "name: quota");
    shop.commit("Raise the level");
    let run = shop.run(&["diff", "--repo", ".", "HEAD~1", "HEAD"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    dev: shop
      changed ConfigMap shop-dev/settings

    --- ConfigMap shop-dev/settings
    +++ ConfigMap shop-dev/settings
    @@ -1,6 +1,6 @@
     apiVersion: v1
     data:
    -  level: low
    +  level: high
     kind: ConfigMap
     metadata:
       name: settings

    prod: limits
      removed ConfigMap limits
      added ConfigMap quota

    --- ConfigMap limits
    +++ /dev/null
    @@ -1,6 +0,0 @@
    -apiVersion: v1
    -data:
    -  level: low
    -kind: ConfigMap
    -metadata:
    -  name: limits

    --- /dev/null
    +++ ConfigMap quota
    @@ -0,0 +1,6 @@
    +apiVersion: v1
    +data:
    +  level: low
    +kind: ConfigMap
    +metadata:
    +  name: quota

    prod: shop
      changed ConfigMap shop-prod/settings

    --- ConfigMap shop-prod/settings
    +++ ConfigMap shop-prod/settings
    @@ -1,6 +1,6 @@
     apiVersion: v1
     data:
    -  level: low
    +  level: high
     kind: ConfigMap
     metadata:
       name: settings
    ");
    let json = shop.run(&["diff", "--environment", "dev", "HEAD~1", "HEAD", "--output", "json"]).expect(1).json();
    let resource = &json["environments"][0]["outputs"][0]["resources"][0];
    assert_eq!((&resource["kind"], &resource["change"]), (&Value::from("ConfigMap"), &Value::from("changed")));
    shop.edit("deploy/overlays/prod/kustomization.yaml", "../../base", "../../basis");
    shop.commit("Break production");
    let run = shop.run(&["diff", "HEAD~1", "HEAD"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    dev: no difference
    prod: not compared, fails at dry-3: `shop`: deploy/overlays/prod/kustomization.yaml:1: `resources` names `../../basis`, which does not exist
    ");
    let run = shop.run(&["diff", "HEAD", "main"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    dev: no difference
    prod: no difference
    prod: not compared, fails at both revisions: `shop`: deploy/overlays/prod/kustomization.yaml:1: `resources` names `../../basis`, which does not exist
    ");
}

#[test]
fn verify_tells_branches_that_hold_what_they_claim_from_those_that_do_not() {
    let shop = Shop::new();
    shop.hydrate(&[]).expect(0);
    shop.write("out/dev/CODEOWNERS", "* @ada\n");
    for environment in ["dev", "prod"] {
        shop.commit_folder(&format!("env/{environment}"), &shop.out().join(environment));
    }
    let run = shop.run(&["verify"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: equal (claims dry-1)
      limits: equal
      shop: equal
      web: equal
      not ours  CODEOWNERS
    env/prod: equal (claims dry-1)
      limits: equal
      shop: equal
      web: equal
    ");

    shop.edit("out/dev/web/manifest.yaml", "80", "81");
    std::fs::remove_dir_all(shop.out().join("dev/limits")).expect("removed");
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    let run = shop.run(&["verify", "--repo", "."]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: differs (claims dry-1)
      limits: missing on the branch
      shop: equal
      web: differs
        changed web/manifest.yaml
      not ours  CODEOWNERS
    env/prod: equal (claims dry-1)
      limits: equal
      shop: equal
      web: equal
    ");
    shop.run(&["verify", "--environment", "prod"]).expect(0);
    shop.run(&["verify", "--branch", "env/prod"]).expect(0);
    let clone = tempfile::tempdir().expect("a folder");
    let into = clone.path().to_str().expect("text");
    assert!(shop.program("git", &["clone", "-q", ".", into]).status().expect("git runs").success());
    shop.run(&["verify", "--repo", into, "--environment", "prod"]).expect(0);
    shop.run(&["verify", "--repo", into]).expect(1);
    let json = shop.run(&["verify", "--branch", "env/dev", "--output", "json"]).expect(1).json();
    assert_eq!(json["branches"][0]["environment"], "dev");
    assert_eq!(json["branches"][0]["foreignFiles"], serde_json::json!(["CODEOWNERS"]));
}

#[test]
fn verify_renders_the_dry_sha_that_is_claimed_and_not_the_newest() {
    let mut shop = Shop::new();
    shop.hydrate(&["--environment", "dev"]).expect(0);
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    shop.edit("deploy/base/settings.yaml", "low", "high");
    shop.commit("Raise the level");
    let run = shop.run(&["verify"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: equal (claims dry-1)
      limits: equal
      shop: equal
      web: equal
    env/prod: absent
    ");
}

#[test]
fn verify_compares_a_root_that_kept_what_it_had_with_its_own_dry_sha() {
    let mut shop = Shop::with_strategy(|text| text.replace("output: shop", "output: shop\n      onFailure: keepLast"));
    shop.hydrate(&["--environment", "dev"]).expect(0);
    shop.edit("deploy/base/kustomization.yaml", "settings", "absent");
    shop.edit("charts/web/values.yaml", "80", "81");
    shop.commit("Break one and change another");
    std::fs::rename(shop.out(), shop.path().join("out1")).expect("renamed");
    let run = shop.hydrate(&["--environment", "dev"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    Rendered dry-3 to out

    dev: 2 roots, tree <id>
      limits
      web
      kept as it was: `shop`: deploy/base/kustomization.yaml:1: `resources` names `absent.yaml`, which does not exist
    ");
    std::fs::rename(shop.path().join("out1/dev/shop"), shop.out().join("dev/shop")).expect("renamed");
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    let run = shop.run(&["verify"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: equal (claims dry-3)
      limits: equal
      shop: equal
      web: equal
    env/prod: absent
    ");
    shop.edit("out/dev/shop/manifest.yaml", "low", "high");
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    let run = shop.run(&["verify"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: differs (claims dry-3)
      limits: equal
      shop: differs
        changed shop/manifest.yaml
      web: equal
    env/prod: absent
    ");
}
