//! Environment branches that another hydrator, or people, wrote until now.

use crate::world::{TestResult, World, everywhere, strategy};

/// What Argo CD's source hydrator wrote at the dry commit `before`: the same as we would, in its own order
/// and quotes, and a resource that nothing renders any more.
const THEIRS: &str = "\
kind: ConfigMap
apiVersion: v1
metadata:
    name: \"web\"
data: {version: 'v1'}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: old
";

/// The same without that resource.
fn theirs() -> &'static str {
    THEIRS.split("---\n").next().unwrap_or_default()
}

/// A world in which Argo CD hydrated `env/dev` before Hydromote came.
async fn hydrated_by_argo_cd(manifest: &str) -> Result<World, Box<dyn std::error::Error>> {
    let mut world = World::empty().await?;
    world.push_dry("before", everywhere("v1")).await?;
    world.hydrate_as_argo_cd("env/dev", "shop", "before", manifest).await?;
    world.push_dry("strategy", vec![("hydromote.yaml".to_owned(), strategy(&["dev"]))]).await?;
    world.settle().await?;
    Ok(world)
}

#[tokio::test]
async fn a_branch_of_argo_cd_is_taken_over_and_the_next_promotion_shows_real_changes_only() -> TestResult {
    let mut world = hydrated_by_argo_cd(theirs()).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants strategy
             - `shop/README.md` on the branch was written by Argo CD's source hydrator; take `sourceHydrator` out of the applications that write it, then `hydromote take-over dev` takes the branch over
    ");
    let (code, text) = world.take_over(&["dev"]).await?;
    insta::assert_snapshot!(text, @"
    dev: `env/dev` at (commit)
      What runs counts as before, as `hydrator.metadata` says.
      owned     `shop`: 3 files
                  shop/README.md
                  shop/hydrator.metadata
                  shop/manifest.yaml
      foreign   .gitattributes

      What runs says what before renders to.

      One commit would take it over, and change nothing but formatting: that was proved. Switch the other tool off, then run this with `--push`.
    ");
    assert_eq!(code, 0);
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants strategy
             - `shop/README.md` on the branch was written by Argo CD's source hydrator; take `sourceHydrator` out of the applications that write it, then `hydromote take-over dev` takes the branch over
    ");
    let (code, text) = world.take_over(&["dev", "--push"]).await?;
    insta::assert_snapshot!(text, @"
    dev: `env/dev` at (commit)
      What runs counts as before, as `hydrator.metadata` says.
      owned     `shop`: 3 files
                  shop/README.md
                  shop/hydrator.metadata
                  shop/manifest.yaml
      foreign   .gitattributes

      What runs says what before renders to.

      Taken over by (commit), which changes nothing but formatting: that was proved. The next promotion shows real changes only.
    ");
    assert_eq!(code, 0);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      before, `health` has not been reported; strategy changes nothing");
    insta::assert_debug_snapshot!(world.changed_files("env/dev").await?, @r#"
    [
        "hydrator.metadata",
        "shop/README.md",
        "shop/hydrator.metadata",
        "shop/manifest.yaml",
    ]
    "#);
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      before, is verified; strategy changes nothing");
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    insta::assert_snapshot!(world.file("env/dev", "shop/manifest.yaml").await?.unwrap_or_default(), @"
    apiVersion: v1
    data:
      version: v2
    kind: ConfigMap
    metadata:
      name: web
    ");
    let (code, text) = world.take_over(&["dev"]).await?;
    insta::assert_snapshot!(text, @"
    dev: `env/dev` at (commit)

      Stopped: Hydromote has promoted to `env/dev` already, so there is nothing to take over; where somebody changed it since, `hydromote explain dev` says what to do about the drift.

      Nothing was written.
    ");
    assert_eq!(code, 1);
    world.finish().await
}

#[tokio::test]
async fn what_differs_and_what_nothing_renders_waits_for_the_next_promotion() -> TestResult {
    let mut world = World::empty().await?;
    world.push_dry("before", everywhere("v1")).await?;
    let files = [
        ("shop/config-web.yml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: web}\ndata: {version: v0}\n"),
        ("shop/config-old.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: old}\n"),
        ("shop/values.yaml", "replicas: 3\n"),
        ("legacy/web.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: web, namespace: legacy}\n"),
        ("CODEOWNERS", "* @ops\n"),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec();
    world.commit_as("deployer", "env/dev", "deploy", files).await?;
    world.push_dry("strategy", vec![("hydromote.yaml".to_owned(), strategy(&["dev", "staging"]))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants strategy
             - `shop/config-old.yaml` on the branch was not written by Hydromote, and would stand beside what is rendered to `shop`; `hydromote take-over dev` takes the branch over
    staging  nothing; wants strategy in #1
             - waits for dev, which does not run it yet
    ");
    let (code, text) = world.take_over(&["dev"]).await?;
    insta::assert_snapshot!(text, @"
    dev: `env/dev` at (commit)

      Stopped: none of the 2 newest dry commits renders to what is on the branch; strategy comes nearest, with 1 output folder that differ; name the one that it counts as with `--dry`.

      Nothing was written.
    comparing with strategy
    comparing with before
    ");
    assert_eq!(code, 1);
    let before = world.dry_sha("before")?;
    let (code, text) = world.take_over(&["dev", "--dry", &before, "--push"]).await?;
    insta::assert_snapshot!(text, @"
    dev: `env/dev` at (commit)
      What runs counts as before, as you say.
      owned     `shop`: 2 files
                  shop/config-old.yaml
                  shop/config-web.yml
      orphaned  ConfigMap old in shop/config-old.yaml: nothing renders it any more; the next promotion removes it
      foreign   CODEOWNERS
      foreign   legacy/web.yaml
      foreign   shop/values.yaml: it is no manifest: shop/values.yaml:1: this document is no Kubernetes object: it has no `kind`

      What runs differs from what before renders to in 2 resources; the next promotion brings:
      removed ConfigMap old in `shop`
        --- ConfigMap old
        +++ /dev/null
        @@ -1,4 +0,0 @@
        -apiVersion: v1
        -kind: ConfigMap
        -metadata:
        -  name: old
      changed ConfigMap web in `shop`
        --- ConfigMap web
        +++ ConfigMap web
        @@ -1,6 +1,6 @@
         apiVersion: v1
         data:
        -  version: v0
        +  version: v1
         kind: ConfigMap
         metadata:
           name: web

      Taken over by (commit), which changes nothing but formatting: that was proved. The next promotion shows real changes only.
    ");
    assert_eq!(code, 0);
    insta::assert_snapshot!(world.file("env/dev", "shop/manifest.yaml").await?.unwrap_or_default(), @"
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: old
    ---
    apiVersion: v1
    data:
      version: v0
    kind: ConfigMap
    metadata:
      name: web
    ");
    assert_eq!(world.file("env/dev", "shop/config-old.yaml").await?, None);
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      strategy, is verified
    staging  strategy, `health` has not been reported
    ");
    insta::assert_snapshot!(world.file("env/dev", "shop/manifest.yaml").await?.unwrap_or_default(), @"
    apiVersion: v1
    data:
      version: v1
    kind: ConfigMap
    metadata:
      name: web
    ");
    assert_eq!(world.file("env/dev", "CODEOWNERS").await?.as_deref(), Some("* @ops\n"));
    world.finish().await
}

#[tokio::test]
async fn a_hydrator_that_still_writes_stops_the_environment_and_is_named() -> TestResult {
    let mut world = hydrated_by_argo_cd(theirs()).await?;
    world.take_over(&["dev", "--push"]).await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      before, is verified; strategy changes nothing");
    let taken_over = world.branch("env/dev").await?;
    // The other hydrator is the first to render it.
    world.stop().await;
    world.push_dry("second", everywhere("v2")).await?;
    world.hydrate_as_argo_cd("env/dev", "shop", "second", &theirs().replace("v1", "v2")).await?;
    world.restart().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      before, is verified; strategy changes nothing; wants second
             - Argo CD's source hydrator still writes this branch: it changed `shop` in (commit); take `sourceHydrator` out of the applications that write it, then revert that commit
    hydromote/drift/dev on (commit): Argo CD's source hydrator still writes this branch: it changed `shop` in (commit); take `sourceHydrator` out of the applications that write …
    ");
    world.fast_forward_by_hand("dev", &taken_over).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    hydromote/drift/dev on (commit): Argo CD's source hydrator still writes this branch: it changed `shop` in (commit); take `sourceHydrator` out of the applications that write …
    ");
    world.finish().await
}

#[tokio::test]
async fn a_hydrator_that_writes_the_proposed_branch_too_is_not_fought_with() -> TestResult {
    let mut world = hydrated_by_argo_cd(theirs()).await?;
    world.hydrate_as_argo_cd("env/dev-next", "shop", "before", theirs()).await?;
    world.take_over(&["dev", "--push"]).await?;
    world.pass_minutes(1)?;
    world.hydrate_as_argo_cd("env/dev-next", "shop", "before", THEIRS).await?;
    let theirs = world.branch("env/dev-next").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      before, `health` has not been reported; strategy changes nothing; wants second
             - Argo CD pushed (commit) onto the proposal, which changes `shop`; `restore` proposes anew
             - Argo CD's source hydrator writes `env/dev-next` too, last in (commit); take `sourceHydrator` out of the applications that write it, then delete that branch
    ");
    assert_eq!(world.branch("env/dev-next").await?, theirs);
    world.delete_branch("env/dev-next").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}
