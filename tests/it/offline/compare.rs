//! `hydromote diff` and `hydromote verify`.

use serde_json::Value;

use super::{STRATEGY, Shop};

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
fn diff_says_what_to_look_at_first_and_folds_what_says_nothing() {
    let mut shop = Shop::new();
    let generator = "resources: [../../base, web.yaml]\nconfigMapGenerator:\n- name: flags\n  literals: [mode=slow]\n\
                     secretGenerator:\n- name: key\n  literals: [password=hunter2]\n";
    let web = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels: {helm.sh/chart: web-1}\n  name: web\nspec:\n  replicas: 1\n  \
               template:\n    spec:\n      containers:\n      - {name: web, image: \"web:1\", envFrom: [{configMapRef: {name: flags}}, \
               {secretRef: {name: key}}]}\n";
    let worker = web.replace("name: web", "name: worker");
    shop.edit("hydromote.yaml", "\n  sources:", "\n  render: {secrets: allow}\n  sources:");
    shop.write("deploy/overlays/dev/kustomization.yaml", generator);
    shop.write("deploy/overlays/dev/web.yaml", &format!("{web}---\n{worker}"));
    shop.commit("Generate");
    shop.edit("deploy/overlays/dev/kustomization.yaml", "slow", "fast");
    shop.edit("deploy/overlays/dev/kustomization.yaml", "hunter2", "hunter3");
    let web = web.replace("web:1", "web:2").replace("web-1", "web-2").replace("replicas: 1", "replicas: 3");
    shop.write("deploy/overlays/dev/web.yaml", &format!("{web}---\n{worker}"));
    shop.edit("deploy/base/kustomization.yaml", "[settings.yaml]", "[]");
    shop.commit("Change much");
    let run = shop.run(&["diff", "--environment", "dev", "HEAD~1", "HEAD"]).expect(1);
    assert!(!run.stdout.contains("hunter") && !run.stdout.contains("aHVudGVy"), "{}", run.stdout);
    insta::assert_snapshot!(run.stdout, @"
    dev: shop
      removed ConfigMap settings
      changed Secret key-m9m7f2t65m (was key-cf85kd65mm)
      changed apps/Deployment web: image web:1 -> web:2, replicas 1 -> 3 (not shown: helm.sh/chart)
      changed ConfigMap flags-t82mkhg8fd (was flags-md9b6k94g2)
      nothing but the hash of what is referred to differs in 1 resource: apps/Deployment worker

    --- ConfigMap settings
    +++ /dev/null
    @@ -1,6 +0,0 @@
    -apiVersion: v1
    -data:
    -  level: low
    -kind: ConfigMap
    -metadata:
    -  name: settings

    --- Secret key-m9m7f2t65m
    +++ Secret key-m9m7f2t65m
    @@ -1,6 +1,6 @@
     apiVersion: v1
     data:
    -  password: (not shown, as it is before)
    +  password: (not shown, as it is after)
     kind: Secret
     metadata:
       name: key-m9m7f2t65m

    --- apps/Deployment web
    +++ apps/Deployment web
    @@ -5,7 +5,7 @@
         helm.sh/chart: web-2
       name: web
     spec:
    -  replicas: 1
    +  replicas: 3
       template:
         spec:
           containers:
    @@ -14,5 +14,5 @@
                 name: flags-t82mkhg8fd
             - secretRef:
                 name: key-m9m7f2t65m
    -        image: web:1
    +        image: web:2
             name: web

    --- ConfigMap flags-t82mkhg8fd
    +++ ConfigMap flags-t82mkhg8fd
    @@ -1,6 +1,6 @@
     apiVersion: v1
     data:
    -  mode: slow
    +  mode: fast
     kind: ConfigMap
     metadata:
       name: flags-t82mkhg8fd
    ");
    let json = shop.run(&["diff", "--environment", "dev", "HEAD~1", "HEAD", "--output", "json"]).expect(1).json();
    let output = &json["environments"][0]["outputs"][0];
    assert_eq!(output["referencesAlone"], serde_json::json!(["apps/Deployment worker"]));
    assert!(!json.to_string().contains("hunter"));
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
      limits: equal, of shop at dry-1
      shop: equal, of shop at dry-1
      web: equal, of shop at dry-1
      not ours  CODEOWNERS
    env/prod: equal (claims dry-1)
      limits: equal, of shop at dry-1
      shop: equal, of shop at dry-1
      web: equal, of shop at dry-1
    ");

    shop.edit("out/dev/web/manifest.yaml", "80", "81");
    std::fs::remove_dir_all(shop.out().join("dev/limits")).expect("removed");
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    let run = shop.run(&["verify", "--repo", "."]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: differs (claims dry-1)
      limits: missing on the branch
      shop: equal, of shop at dry-1
      web: differs, of shop at dry-1
        changed web/manifest.yaml
      not ours  CODEOWNERS
    env/prod: equal (claims dry-1)
      limits: equal, of shop at dry-1
      shop: equal, of shop at dry-1
      web: equal, of shop at dry-1
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
      limits: equal, of shop at dry-1
      shop: equal, of shop at dry-1
      web: equal, of shop at dry-1
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
      limits: equal, of shop at dry-3
      shop: equal, of shop at dry-2
      web: equal, of shop at dry-3
    env/prod: absent
    ");
    shop.edit("out/dev/shop/manifest.yaml", "low", "high");
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    let run = shop.run(&["verify"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: differs (claims dry-3)
      limits: equal, of shop at dry-3
      shop: differs, of shop at dry-2
        changed shop/manifest.yaml
      web: equal, of shop at dry-3
    env/prod: absent
    ");
}

#[test]
fn verify_asks_every_output_for_its_own_strategy_and_dry_sha() {
    let mut shop = Shop::new();
    std::fs::remove_file(shop.path().join("hydromote.yaml")).expect("removed");
    shop.write(".hydromote/shop.yaml", STRATEGY);
    let mut blog = STRATEGY.replace("name: shop", "name: blog").replace("output: limits", "output: \"notes\"");
    let sources =
        (blog.find("    - path: deploy").expect("a source"), blog.find("    - path: plain").expect("a source"));
    blog.replace_range(sources.0..sources.1, "");
    shop.write(
        ".hydromote/blog.yaml",
        &blog
            .replace("/dev\n", "/dev\n      proposedBranch: env/dev-blog-next\n")
            .replace("/prod\n", "/prod\n      proposedBranch: env/prod-blog-next\n"),
    );
    shop.commit("Write a blog, too");
    let hydrate = |shop: &Shop, name: &str| {
        shop.hydrate(&["--environment", "dev", "--strategy", &format!(".hydromote/{name}.yaml")]).expect(0);
    };
    hydrate(&shop, "shop");
    let branch = shop.path().join("out1");
    std::fs::rename(shop.out().join("dev"), &branch).expect("renamed");
    shop.edit("plain/dev/limits.yaml", "low", "high");
    shop.commit("Raise the limits");
    std::fs::remove_dir_all(shop.out()).expect("removed");
    hydrate(&shop, "blog");
    std::fs::rename(shop.out().join("dev/notes"), branch.join("notes")).expect("renamed");
    shop.commit_folder("env/dev", &branch);
    insta::assert_snapshot!(shop.run(&["verify"]).expect(0).stdout, @"
    env/dev: equal (claims dry-2)
      limits: equal, of shop at dry-2
      notes: equal, of blog at dry-3
      shop: equal, of shop at dry-2
      web: equal, of shop at dry-2
    env/prod: absent
    ");

    // Where lanes or strategies share no file, each output says what it is.
    let root = branch.join("hydrator.metadata");
    let claim = std::fs::read_to_string(&root).expect("a file");
    std::fs::remove_file(&root).expect("removed");
    shop.commit_folder("env/dev", &branch);
    insta::assert_snapshot!(shop.run(&["verify", "--branch", "env/dev"]).expect(0).stdout, @"
    env/dev: equal
      limits: equal, of shop at dry-2
      notes: equal, of blog at dry-3
      shop: equal, of shop at dry-2
      web: equal, of shop at dry-2
    ");

    std::fs::write(&root, claim).expect("written");
    shop.edit("out1/notes/manifest.yaml", "high", "higher");
    shop.commit_folder("env/dev", &branch);
    insta::assert_snapshot!(shop.run(&["verify"]).expect(1).stdout, @"
    env/dev: differs (claims dry-2)
      limits: equal, of shop at dry-2
      notes: differs, of blog at dry-3
        changed notes/manifest.yaml
      shop: equal, of shop at dry-2
      web: equal, of shop at dry-2
    env/prod: absent
    ");

    shop.edit("out1/notes/hydrator.metadata", &shop.commits[2].clone(), &shop.commits[0].clone());
    shop.commit_folder("env/dev", &branch);
    let run = shop.run(&["verify"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: could not be verified (claims dry-2)
      limits: equal, of shop at dry-2
      notes: could not be verified, of blog at dry-1: the strategy `blog` had no environment `dev` at dry-1
      shop: equal, of shop at dry-2
      web: equal, of shop at dry-2
    env/prod: absent
    ");
    let json = shop.run(&["verify", "--output", "json"]).expect(1).json();
    let output = |name: &str| {
        let outputs = json["branches"][0]["outputs"].as_array().expect("a list");
        outputs.iter().find(|output| output["output"] == name).cloned().expect("it is there")
    };
    assert_eq!((&output("notes")["strategy"], &output("notes")["state"]), (&"blog".into(), &"unverifiable".into()));
    assert_eq!((&output("shop")["strategy"], &output("shop")["drySha"]), (&"shop".into(), &"dry-2".into()));
}
