//! Charts from elsewhere: pinned in the dry branch, promoted like everything else.

use hydromote::{
    charts::{Cache, ChartLimits, Charts, Downloads, HostRule, Hosts, LockFile, Pinned, lock},
    domain::chart::{ChartOrigin, VersionRange, WantedChart},
    network::Network,
};

use crate::{
    chart_host::ChartHost,
    world::{Fallible, TestResult, World, everywhere, strategy},
};

/// What fetches from one host, and where it keeps that.
fn charts(host: &ChartHost, world: &World) -> Charts {
    let rules = Vec::from_iter(HostRule::parse(&host.url()));
    let downloads = Downloads::new(Network::default(), Hosts::Listed(rules), Vec::new(), ChartLimits::default());
    Charts::new(Cache::new(world.data().join("charts"), 1 << 20), Some(downloads))
}

/// A strategy that renders `redis` of a host, too.
fn with_redis(host: &ChartHost, range: &str) -> String {
    let source = format!(
        "- chart: {{repository: \"{}\", name: redis, version: \"{range}\"}}\n      releaseName: cache\n    ",
        host.url()
    );
    let text = strategy(&["dev", "prod"]);
    let at = text.find("- path:").expect("a source");
    format!("{}{source}{}", &text[..at], &text[at..])
}

/// Pins one range as `hydromote lock` does.
async fn locked(host: &ChartHost, range: &str) -> Fallible<LockFile> {
    let chart = WantedChart {
        origin: ChartOrigin::repository(&host.url(), "redis").map_err(|error| error.to_string())?,
        range: VersionRange::parse(range).map_err(|error| error.to_string())?,
    };
    let rules = Vec::from_iter(HostRule::parse(&host.url()));
    let downloads = Downloads::new(Network::default(), Hosts::Listed(rules), Vec::new(), ChartLimits::default());
    let folder = tempfile::tempdir()?;
    let cache = Cache::new(folder.path(), 1 << 20);
    let locked = lock(&downloads, &cache, &[chart].into(), &LockFile::default(), |_| false, |_| {}).await;
    assert!(locked.failed.is_empty(), "{:?}", locked.failed);
    host.asked();
    Ok(locked.file)
}

fn file(path: &str, text: impl ToString) -> (String, String) {
    (path.to_owned(), text.to_string())
}

/// Returns the board without what differs from run to run.
async fn board(world: &mut World, host: &ChartHost) -> Fallible<String> {
    Ok(world.board().await?.replace(&host.url(), "HOST"))
}

/// A world whose dry branch takes `redis` from a host, in a version that runs everywhere.
async fn running(host: &ChartHost) -> Fallible<World> {
    host.publish("redis", "20.0.0", "low");
    let mut world = World::empty().await?;
    world.charts = Some(charts(host, &world));
    world.restart().await?;
    let files = [file("hydromote.yaml", with_redis(host, "^20")), file("hydromote.lock", locked(host, "^20").await?)];
    world.push_dry("first", files.into_iter().chain(everywhere("v1")).collect()).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "prod"]).await?;
    Ok(world)
}

async fn redis(world: &World, environment: &str) -> Fallible<String> {
    let text = world.file(&format!("env/{environment}"), "cache/manifest.yaml").await?;
    Ok(text.unwrap_or_default())
}

#[tokio::test]
async fn a_new_version_of_a_chart_goes_through_the_environments_in_their_order() -> TestResult {
    let host = ChartHost::start().await;
    let mut world = running(&host).await?;
    assert_eq!(host.asked(), ["/redis-20.0.0.tgz"], "it is fetched once, and no index is read");
    insta::assert_snapshot!(redis(&world, "prod").await?, @r#"
    apiVersion: v1
    data:
      level: low
      version: "20.0.0"
    kind: ConfigMap
    metadata:
      name: cache-redis
    "#);
    host.publish("redis", "20.1.0", "high");
    world.push_dry("something else", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "prod"]).await?;
    assert!(redis(&world, "dev").await?.contains("20.0.0"), "what is pinned stays");
    assert_eq!(host.asked(), [""; 0]);
    world.push_dry("new redis", vec![file("hydromote.lock", locked(&host, "^20").await?)]).await?;
    world.settle().await?;
    assert!(redis(&world, "dev").await?.contains("20.1.0"));
    assert!(redis(&world, "prod").await?.contains("20.0.0"));
    insta::assert_snapshot!(board(&mut world, &host).await?, @"
    dev      new redis, `health` has not been reported
    prod     something else, is verified; wants new redis in #6
             - waits for `health` on dev, which has not been reported
    ");
    world.healthy_all(&["dev", "prod"]).await?;
    assert!(redis(&world, "prod").await?.contains("20.1.0"));
    assert_eq!(host.asked(), ["/redis-20.1.0.tgz"]);
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn what_is_not_pinned_is_not_fetched_and_the_lock_file_mends_it() -> TestResult {
    let host = ChartHost::start().await;
    let mut world = running(&host).await?;
    host.publish("redis", "21.0.0", "high");
    host.asked();
    world.push_dry("ask for 21", vec![file("hydromote.yaml", with_redis(&host, "^21"))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(board(&mut world, &host).await?, @"
    dev      first, is verified
             ! ask for 21 could not be hydrated: `cache`: `redis of HOST ^21` is not pinned in `hydromote.lock`; run `hydromote lock`, and commit that file
    prod     first, is verified
             ! ask for 21 could not be hydrated: `cache`: `redis of HOST ^21` is not pinned in `hydromote.lock`; run `hydromote lock`, and commit that file
    hydromote/hydrate on ask for 21: dev: `cache`: `redis of HOST ^21` is not pinned in `hydromote.lock`; run `hydromote lock`, and commit that file
    ");
    assert_eq!(host.asked(), [""; 0]);
    world.push_dry("a lock file that is none", vec![file("hydromote.lock", "charts: []\n")]).await?;
    world.settle().await?;
    insta::assert_snapshot!(board(&mut world, &host).await?, @"
    dev      first, is verified
             ! a lock file that is none could not be hydrated: hydromote.lock:1: `cache`: missing field `apiVersion` at line 1, column 1; `hydromote lock` writes it, and mends it once the file is removed
             ! ask for 21 could not be hydrated: `cache`: `redis of HOST ^21` is not pinned in `hydromote.lock`; run `hydromote lock`, and commit that file
    prod     first, is verified
             ! a lock file that is none could not be hydrated: hydromote.lock:1: `cache`: missing field `apiVersion` at line 1, column 1; `hydromote lock` writes it, and mends it once the file is removed
             ! ask for 21 could not be hydrated: `cache`: `redis of HOST ^21` is not pinned in `hydromote.lock`; run `hydromote lock`, and commit that file
    hydromote/hydrate on ask for 21: dev: `cache`: `redis of HOST ^21` is not pinned in `hydromote.lock`; run `hydromote lock`, and commit that file
    hydromote/hydrate on a lock file that is none: dev: hydromote.lock:1: `cache`: missing field `apiVersion` at line 1, column 1; `hydromote lock` writes it, and mends it once the file is r…
    ");
    world.push_dry("pin 21", vec![file("hydromote.lock", locked(&host, "^21").await?)]).await?;
    world.settle().await?;
    assert!(redis(&world, "dev").await?.contains("21.0.0"));
    world.healthy_all(&["dev", "prod"]).await?;
    insta::assert_snapshot!(board(&mut world, &host).await?, @"
    dev      pin 21, is verified
    prod     pin 21, is verified
    hydromote/hydrate on ask for 21: dev: `cache`: `redis of HOST ^21` is not pinned in `hydromote.lock`; run `hydromote lock`, and commit that file
    hydromote/hydrate on a lock file that is none: dev: hydromote.lock:1: `cache`: missing field `apiVersion` at line 1, column 1; `hydromote lock` writes it, and mends it once the file is r…
    ");
    world.finish().await
}

#[tokio::test]
async fn what_was_changed_behind_a_version_never_runs() -> TestResult {
    let host = ChartHost::start().await;
    let mut world = running(&host).await?;
    host.publish("redis", "20.1.0", "low");
    let file_of = locked(&host, "^20").await?;
    host.publish("redis", "20.1.0", "evil");
    world.push_dry("new redis", vec![file("hydromote.lock", &file_of)]).await?;
    world.settle().await?;
    let text = board(&mut world, &host).await?;
    assert!(text.contains("is not the one that `hydromote.lock` pins"), "{text}");
    assert!(redis(&world, "dev").await?.contains("20.0.0"));
    host.set_away(true);
    let pinned = |pinned: &Pinned| Pinned { sha256: "0".repeat(64), ..pinned.clone() };
    let other = LockFile { charts: file_of.charts.iter().map(|(chart, one)| (chart.clone(), pinned(one))).collect() };
    world.push_dry("while it is away", vec![file("hydromote.lock", &other)]).await?;
    world.settle().await?;
    let text = board(&mut world, &host).await?;
    assert!(text.contains("does not answer with the archive of"), "{text}");
    assert!(redis(&world, "dev").await?.contains("20.0.0"));
    world.finish().await
}

#[tokio::test]
async fn dependencies_are_laid_beside_the_chart_that_has_them() -> TestResult {
    let host = ChartHost::start().await;
    host.publish("redis", "20.0.0", "low");
    let mut world = World::empty().await?;
    world.charts = Some(charts(&host, &world));
    world.restart().await?;
    let dependency = format!("- {{name: redis, version: ^20, repository: '{}'}}", host.url());
    let chart = format!("apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n{dependency}\n");
    let source = "- chart: charts/web\n      releaseName: cache\n    - path:";
    let files = [
        file("hydromote.yaml", strategy(&["dev", "prod"]).replacen("- path:", source, 1)),
        file("hydromote.lock", locked(&host, "^20").await?),
        file("charts/web/Chart.yaml", chart),
        file("charts/web/values.yaml", "redis: {level: own}\n"),
    ];
    world.push_dry("first", files.into_iter().chain(everywhere("v1")).collect()).await?;
    world.settle().await?;
    insta::assert_snapshot!(redis(&world, "dev").await?, @r#"
    apiVersion: v1
    data:
      level: own
      version: "20.0.0"
    kind: ConfigMap
    metadata:
      name: cache-redis
    "#);
    world.board().await?;
    world.finish().await
}
