//! Versions of renderers: an upgrade is a dry change that goes from environment to environment.

use crate::world::{Fallible, Files, TestResult, World, strategy};

const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata:\n  \
                        by: \"{{ .Capabilities.HelmVersion.Version }}\"\n  text: \"{{ .Values.text }}\"\n";

/// Returns a strategy that renders a chart with this version of Helm.
fn pinned(version: &str) -> String {
    let source = format!("chart: charts/web\n      releaseName: web\n      render: {{helmVersion: {version}}}");
    strategy(&["dev", "prod"]).replace("path: apps/{environment}", &source)
}

fn chart(text: &str) -> Files {
    let files = [
        ("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n".to_owned()),
        ("charts/web/values.yaml", format!("text: {text}\n")),
        ("charts/web/templates/web.yaml", TEMPLATE.to_owned()),
    ];
    files.map(|(path, text)| (path.to_owned(), text)).into()
}

/// Returns what the open pull request of an environment says of renderers.
async fn told(world: &World, environment: &str) -> Fallible<String> {
    let body = world.open_pull(environment).await?.body.unwrap_or_default();
    Ok(body.lines().filter(|line| line.contains("endered by")).collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn an_upgrade_of_helm_goes_through_the_environments_in_order() -> TestResult {
    let mut world = World::empty().await?;
    let first = [chart("one"), vec![("hydromote.yaml".to_owned(), pinned("3.17.3"))]].concat();
    world.push_dry("first", first).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "prod"]).await?;
    let by = async |world: &World, environment: &str| -> Fallible<String> {
        let branch = format!("env/{environment}");
        let manifest = world.file(&branch, "shop/manifest.yaml").await?.ok_or("there is no manifest")?;
        let metadata = world.file(&branch, "shop/hydrator.metadata").await?.ok_or("there is no metadata")?;
        let line = |text: &str, key: &str| {
            text.lines().find(|line| line.contains(key)).unwrap_or_default().trim().trim_end_matches(',').to_owned()
        };
        Ok(format!("{}; {}", line(&manifest, "by:"), line(&metadata, "\"renderer\"")))
    };
    insta::assert_snapshot!(by(&world, "prod").await?, @r#"by: "v3.17.3"; "renderer": "helm v3.17.3""#);

    world.push_dry("upgrade Helm", vec![("hydromote.yaml".to_owned(), pinned("4.3.1"))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      upgrade Helm, `health` has not been reported
    prod     first, is verified; wants upgrade Helm in #4
             - waits for `health` on dev, which has not been reported
    ");
    insta::assert_snapshot!(by(&world, "dev").await?, @r#"by: "v4.3.1"; "renderer": "helm v4.3.1""#);
    insta::assert_snapshot!(by(&world, "prod").await?, @r#"by: "v3.17.3"; "renderer": "helm v3.17.3""#);
    insta::assert_snapshot!(told(&world, "prod").await?, @"Rendered by Helm 4.3.1, where prod runs what Helm 3.17.3 rendered: `shop`");
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(by(&world, "prod").await?, @r#"by: "v4.3.1"; "renderer": "helm v4.3.1""#);

    world.push_dry("another version", vec![("hydromote.yaml".to_owned(), pinned("4.0.99"))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      upgrade Helm, is verified
             ! another version could not be hydrated: `shop`: the strategy pins helm 4.0.99, but this server has 4.3.1 and 3.17.3; change the pin, or install that version
    prod     upgrade Helm, `health` has not been reported
             ! another version could not be hydrated: `shop`: the strategy pins helm 4.0.99, but this server has 4.3.1 and 3.17.3; change the pin, or install that version
    hydromote/hydrate on another version: dev: `shop`: the strategy pins helm 4.0.99, but this server has 4.3.1 and 3.17.3; change the pin, or install that version
    ");
    insta::assert_snapshot!(by(&world, "dev").await?, @r#"by: "v4.3.1"; "renderer": "helm v4.3.1""#);
    world
        .push_dry("text of two", [chart("two"), vec![("hydromote.yaml".to_owned(), pinned("4.3.1"))]].concat())
        .await?;
    world.settle().await?;
    insta::assert_snapshot!(told(&world, "prod").await?, @"");
    insta::assert_snapshot!(world.board().await?, @"
    dev      text of two, `health` has not been reported
    prod     upgrade Helm, `health` has not been reported; wants text of two in #6
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
             ! another version could not be hydrated: `shop`: the strategy pins helm 4.0.99, but this server has 4.3.1 and 3.17.3; change the pin, or install that version
    hydromote/hydrate on another version: dev: `shop`: the strategy pins helm 4.0.99, but this server has 4.3.1 and 3.17.3; change the pin, or install that version
    ");
    world.finish().await
}
