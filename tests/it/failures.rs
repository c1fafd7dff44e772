//! Sources that cannot be rendered.

use crate::world::{Files, TestResult, World, everywhere, strategy};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const TEMPLATE: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: web
data:
  version: {{ .Values.version }}
";

/// Returns a strategy with a chart beside the plain folders.
fn with_chart(more: &str) -> String {
    let source = format!("  sources:\n    - chart: charts/web\n      releaseName: web\n      output: web\n{more}");
    strategy(&["dev", "staging"]).replace("  sources:\n", &source)
}

fn chart(template: &str) -> Files {
    vec![
        ("charts/web/Chart.yaml".to_owned(), CHART.to_owned()),
        ("charts/web/values.yaml".to_owned(), "version: v1\n".to_owned()),
        ("charts/web/templates/config.yaml".to_owned(), template.to_owned()),
    ]
}

async fn begin(strategy: &str) -> Result<World, Box<dyn std::error::Error>> {
    let mut world = World::empty().await?;
    let strategy = ("hydromote.yaml".to_owned(), strategy.to_owned());
    let files = everywhere("v1").into_iter().chain(chart(TEMPLATE)).chain([strategy]).collect();
    world.push_dry("first", files).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    Ok(world)
}

#[tokio::test]
async fn a_chart_that_fails_is_reported_with_file_and_line_and_a_fix_flows() -> TestResult {
    let mut world = begin(&with_chart("")).await?;
    let broken = TEMPLATE.replace(".Values.version", ".Values.version | nonsense");
    world.push_dry("broken", chart(&broken)).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
             ! broken could not be hydrated: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
    staging  first, is verified
             ! broken could not be hydrated: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
    hydromote/hydrate on broken: dev: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
    "#);
    world.push_dry("still broken", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
             ! still broken could not be hydrated: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
             ! broken could not be hydrated: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
    staging  first, is verified
             ! still broken could not be hydrated: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
             ! broken could not be hydrated: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
    hydromote/hydrate on broken: dev: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
    hydromote/hydrate on still broken: dev: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
    "#);
    world.push_dry("fix", chart(&TEMPLATE.replace("name: web", "name: shop"))).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      fix, is verified
    staging  fix, is verified
    hydromote/hydrate on broken: dev: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
    hydromote/hydrate on still broken: dev: charts/web/templates/config.yaml:6: `web`: parse error at (web/templates/config.yaml:6): function "nonsense" not defined
    "#);
    world.finish().await
}

#[tokio::test]
async fn a_root_that_may_keep_its_last_rendering_lets_the_rest_go_on() -> TestResult {
    let mut world = begin(&with_chart("      onFailure: keepLast\n")).await?;
    let broken = TEMPLATE.replace(".Values.version", "required \"a version is needed\" .Values.nothing");
    let files = chart(&broken).into_iter().chain(everywhere("v2")).collect();
    world.push_dry("broken", files).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      broken, is verified
             ! in broken a root keeps its last good rendering: `web`: charts/web/templates/config.yaml:6: execution error at (web/templates/config.yaml:6:14): a version is needed
    staging  broken, `health` has not been reported
             ! in broken a root keeps its last good rendering: `web`: charts/web/templates/config.yaml:6: execution error at (web/templates/config.yaml:6:14): a version is needed
    ");
    let kept = world.file("env/staging", "web/manifest.yaml").await?.unwrap_or_default();
    assert!(kept.contains("version: v1"), "{kept}");
    let went_on = world.file("env/staging", "shop/manifest.yaml").await?.unwrap_or_default();
    assert!(went_on.contains("version: v2"), "{went_on}");
    world.finish().await
}
