//! What is ours on an environment's branch: roots that go, are renamed and moved, files of others among them, and
//! Secrets that are not to be there.

use crate::world::{Fallible, Files, TestResult, World, config, strategy};

/// A strategy with every application in a folder of its own.
fn of_apps() -> String {
    strategy(&["dev"])
        .replace("path: apps/{environment}", "path: apps/{environment}/{app}")
        .replace("shop\n  active", "\"{app}\"\n  active")
}

fn app(name: &str, version: &str) -> Files {
    vec![(format!("apps/dev/{name}/web.yaml"), config(version).replace("name: web", &format!("name: {name}")))]
}

fn written(strategy: &str) -> Files {
    vec![("hydromote.yaml".to_owned(), strategy.to_owned())]
}

/// Begins with two applications, and somebody's file in the folder of one.
async fn begin() -> Fallible<World> {
    let mut world = World::empty().await?;
    world.push_dry("first", [written(&of_apps()), app("cart", "v1"), app("pay", "v1")].concat()).await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.push_foreign("dev", vec![("cart/NOTES.txt".to_owned(), "by hand\n".to_owned())]).await?;
    world.settle().await?;
    Ok(world)
}

#[tokio::test]
async fn a_root_that_is_removed_takes_its_files_along_and_no_others() -> TestResult {
    let mut world = begin().await?;
    insta::assert_snapshot!(world.paths("env/dev").await?, @"
    cart/NOTES.txt
    cart/README.md
    cart/hydrator.metadata
    cart/manifest.yaml
    hydrator.metadata
    pay/README.md
    pay/hydrator.metadata
    pay/manifest.yaml
    ");
    // What is ours is told by the branch itself.
    world.restart_without_database().await?;
    world.settle().await?;
    world.delete_dry("remove cart", "apps/dev/cart/web.yaml").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.paths("env/dev").await?, @"
    cart/NOTES.txt
    hydrator.metadata
    pay/README.md
    pay/hydrator.metadata
    pay/manifest.yaml
    ");
    insta::assert_snapshot!(world.board().await?, @"dev      remove cart, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn a_root_that_is_renamed_is_in_its_new_folder_alone() -> TestResult {
    let mut world = begin().await?;
    let renamed = of_apps().replace("\"{app}\"", "\"all/{app}\"");
    world.push_dry("rename", written(&renamed)).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.paths("env/dev").await?, @"
    all/cart/README.md
    all/cart/hydrator.metadata
    all/cart/manifest.yaml
    all/pay/README.md
    all/pay/hydrator.metadata
    all/pay/manifest.yaml
    cart/NOTES.txt
    hydrator.metadata
    ");
    insta::assert_snapshot!(world.board().await?, @"dev      rename, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn a_root_that_another_source_takes_over_is_replaced_at_once() -> TestResult {
    let mut world = begin().await?;
    let chart = "    - path: apps/{environment}/{app}\n      exclude: [apps/*/cart]\n      output: \"{app}\"\n    - chart: charts/cart\n      releaseName: cart\n      output: cart\n";
    let from = of_apps();
    let begin = from.find("    - path:").ok_or("there is no source")?;
    let end = from.find("  activeCommitStatuses").ok_or("there is no end")?;
    let moved = format!("{}{chart}{}", &from[..begin], &from[end..]);
    let files_of_chart = vec![
        ("charts/cart/Chart.yaml".to_owned(), "apiVersion: v2\nname: cart\nversion: 1.0.0\n".to_owned()),
        ("charts/cart/templates/web.yaml".to_owned(), config("v2").replace("name: web", "name: {{ .Release.Name }}")),
    ];
    world.push_dry("move", [written(&moved), files_of_chart].concat()).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      move, `health` has not been reported");
    insta::assert_snapshot!(world.paths("env/dev").await?, @"
    cart/NOTES.txt
    cart/README.md
    cart/hydrator.metadata
    cart/manifest.yaml
    hydrator.metadata
    pay/README.md
    pay/hydrator.metadata
    pay/manifest.yaml
    ");
    insta::assert_snapshot!(world.file("env/dev", "cart/manifest.yaml").await?.unwrap_or_default(), @"
    apiVersion: v1
    data:
      version: v2
    kind: ConfigMap
    metadata:
      name: cart
    ");
    world.finish().await
}

#[tokio::test]
async fn a_file_of_somebody_else_where_a_new_root_is_to_be_written_is_not_written_over() -> TestResult {
    let mut world = begin().await?;
    world.push_foreign("dev", vec![("site/manifest.yaml".to_owned(), config("by hand"))]).await?;
    world.settle().await?;
    world.push_dry("site", app("site", "v1")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants site
             - `site/manifest.yaml` on the branch was not written by Hydromote, and would be overwritten
    ");
    let theirs = world.file("env/dev", "site/manifest.yaml").await?;
    assert_eq!(theirs.as_deref(), Some(config("by hand").as_str()));
    world.finish().await
}

#[tokio::test]
async fn a_secret_in_the_clear_is_not_promoted_unless_the_strategy_says_so() -> TestResult {
    let mut world = begin().await?;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n";
    let sealed = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: s}\nspec: {encryptedData: {password: AgBy}}\n";
    let at = |text: &str| vec![("apps/dev/pay/secret.yaml".to_owned(), text.to_owned())];
    world.push_dry("secret", at(secret)).await?;
    world.settle().await?;
    let board = world.board().await?;
    insta::assert_snapshot!(board, @"
    dev      first, is verified
             ! secret could not be hydrated: apps/dev/pay/secret.yaml:1: `pay`: `Secret s` has data in the clear, and would be committed to the environment branch; use a sealed, external or SOPS-encrypted secret, or set `render.secrets: allow`
    hydromote/hydrate on secret: dev: apps/dev/pay/secret.yaml:1: `pay`: `Secret s` has data in the clear, and would be committed to the environment branch; use a sealed, e…
    ");
    assert!(!board.contains("hunter2"));
    world.push_dry("sealed", at(sealed)).await?;
    world.settle().await?;
    assert!(world.file("env/dev", "pay/manifest.yaml").await?.unwrap_or_default().contains("SealedSecret"));
    world.healthy("dev").await?;
    let allowed = of_apps().replace("\n  sources:", "\n  render: {secrets: allow}\n  sources:");
    world.push_dry("allowed", [written(&allowed), at(secret)].concat()).await?;
    world.settle().await?;
    assert!(world.file("env/dev", "pay/manifest.yaml").await?.unwrap_or_default().contains("hunter2"));
    insta::assert_snapshot!(world.board().await?, @"
    dev      allowed, `health` has not been reported
    hydromote/hydrate on secret: dev: apps/dev/pay/secret.yaml:1: `pay`: `Secret s` has data in the clear, and would be committed to the environment branch; use a sealed, e…
    ");
    world.finish().await
}
