//! A chart repository.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, stream};

use super::*;

/// A repository with these versions of `redis`, by the path of their archive.
async fn repository(digest_of: impl Fn(&[u8]) -> String) -> Host {
    let versions = ["20.0.0", "20.1.0", "20.2.0-rc.1", "21.0.0"];
    let archives: BTreeMap<String, Vec<u8>> =
        versions.iter().map(|v| (format!("/files/redis-{v}.tgz"), packed("redis", v))).collect();
    let mut index = "apiVersion: v1\nentries:\n  other: []\n  redis:\n".to_owned();
    for version in versions {
        let path = format!("/files/redis-{version}.tgz");
        let digest = digest_of(&archives[&path]);
        index += &format!("  - {{version: {version}, digest: {digest}, urls: ['{}']}}\n", &path[1..]);
    }
    index += "  - {version: nightly, urls: [x]}\n";
    Host::serve(move |seen: &Seen| match seen.path.as_str() {
        "/index.yaml" => Answer::ok(index.clone()),
        path => archives.get(path).map_or_else(|| Answer::status(404), |archive| Answer::ok(archive.clone())),
    })
    .await
}

fn redis(host: &Host, range: &str) -> WantedChart {
    wanted(ChartOrigin::repository(&host.url(), "redis").expect("an origin"), range)
}

#[tokio::test]
async fn the_newest_version_that_will_do_is_pinned_and_brought() {
    let host = repository(digest).await;
    let chart = redis(&host, "^20");
    let pinned = pin(&downloads(&[&host], Vec::new()), &chart).await.expect("it is pinned");
    assert_eq!(pinned.version, "20.1.0");
    assert_eq!(pinned.url, format!("{}/files/redis-20.1.0.tgz", host.url()));
    assert_eq!(pinned.sha256, digest(&packed("redis", "20.1.0")));
    assert_eq!(host.asked(), ["/index.yaml -", "/files/redis-20.1.0.tgz -"]);
    let brought = bring(downloads(&[&host], Vec::new()), &chart, &pinned).await.expect("it is brought");
    assert_eq!(brought, packed("redis", "20.1.0"));
    assert_eq!(host.asked(), ["/files/redis-20.1.0.tgz -"], "the index is not needed for what is pinned");
}

#[tokio::test]
async fn what_is_pinned_needs_no_network() {
    let host = repository(digest).await;
    let chart = redis(&host, "^20");
    let pinned = pin(&downloads(&[&host], Vec::new()), &chart).await.expect("it is pinned");
    host.seen();
    let before = LockFile { charts: BTreeMap::from([(chart.clone(), pinned)]) };
    let (cache, asked) = (Cache::new("/nowhere", 1), BTreeSet::from([chart]));
    let locked = lock(&downloads(&[&host], Vec::new()), &cache, &asked, &before, |_| false, |_| {}).await;
    assert_eq!((locked.file, host.asked()), (before.clone(), Vec::new()));
    let locked = lock(&downloads(&[&host], Vec::new()), &cache, &asked, &before, |_| true, |_| {}).await;
    assert_eq!((locked.file, host.asked().len()), (before, 2));
}

#[tokio::test]
async fn archives_are_kept_and_brought_again_when_they_are_damaged() {
    let host = repository(digest).await;
    let chart = redis(&host, "20.1.0");
    let pinned = pin(&downloads(&[&host], Vec::new()), &chart).await.expect("it is pinned");
    host.seen();
    let folder = tempfile::tempdir().expect("a folder");
    let charts = Charts::new(Cache::new(folder.path(), 1 << 20), Some(downloads(&[&host], Vec::new())));
    for _ in 0..3 {
        charts.bring(&chart, &pinned).await.expect("it is brought");
    }
    assert_eq!(host.asked().len(), 1);
    std::fs::write(folder.path().join(format!("{}.tgz", pinned.sha256)), "damaged").expect("written");
    charts.bring(&chart, &pinned).await.expect("it is brought");
    assert_eq!(host.asked().len(), 1);
    drop(host);
    charts.bring(&chart, &pinned).await.expect("it is kept");
    let elsewhere = Charts::new(Cache::new(folder.path().join("other"), 1 << 20), None);
    insta::assert_snapshot!(told(elsewhere.bring(&chart, &pinned).await, &[]), @"Operator: the chart `redis` 20.1.0 is not on this machine; `hydromote lock --fetch` brings what is pinned");
}

#[tokio::test]
async fn what_was_changed_since_it_was_pinned_is_refused() {
    let host = repository(digest).await;
    let chart = redis(&host, "20.1.0");
    let mut pinned = pin(&downloads(&[&host], Vec::new()), &chart).await.expect("it is pinned");
    pinned.sha256 = "0".repeat(64);
    let refused = bring(downloads(&[&host], Vec::new()), &chart, &pinned).await;
    let text = told(refused, &[(&host, "HOST")]).replace(&digest(&packed("redis", "20.1.0")), "FOUND");
    insta::assert_snapshot!(text, @"Wrong: the archive of `redis` 20.1.0 is not the one that `hydromote.lock` pins: its digest is FOUND and not 0000000000000000000000000000000000000000000000000000000000000000. Find out why it was changed; `hydromote lock --update` takes what is there now");
    let host = repository(|_| "0".repeat(64)).await;
    let refused = pin(&downloads(&[&host], Vec::new()), &redis(&host, "20.1.0")).await;
    let text = told(refused, &[(&host, "HOST")]).replace(&digest(&packed("redis", "20.1.0")), "FOUND");
    insta::assert_snapshot!(text, @"Wrong: the index of `HOST` says that the archive of `redis` 20.1.0 has the digest 0000000000000000000000000000000000000000000000000000000000000000, and it has FOUND");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let host = repository(digest).await;
    let words = [(&host, "HOST")];
    let of = |name: &str, range: &str| wanted(ChartOrigin::repository(&host.url(), name).expect("an origin"), range);
    let downloads = downloads(&[&host], Vec::new());
    insta::assert_snapshot!(told(pin(&downloads, &of("redis", "^22")).await, &words), @"Author: there is no version of `redis of HOST` that `^22` asks for");
    insta::assert_snapshot!(told(pin(&downloads, &of("mysql", "1")).await, &words), @"Author: `HOST` has no chart `mysql`");
    let chart = wanted(ChartOrigin::repository(&format!("{}/stable", host.url()), "redis").expect("an origin"), "1");
    insta::assert_snapshot!(told(pin(&downloads, &chart).await, &words), @"Author: `HOST` does not have the index of the chart repository (404)");
}

#[tokio::test]
async fn credentials_go_to_the_repository_alone() {
    let elsewhere = Host::serve(|_: &Seen| Answer::ok(packed("redis", "1.0.0"))).await;
    let archive = format!("{}/redis-1.0.0.tgz", elsewhere.url());
    let index =
        format!("entries: {{redis: [{{version: 1.0.0, urls: ['{archive}']}}, {{version: 2.0.0, urls: [moved]}}]}}");
    let host = Host::serve(move |seen: &Seen| match seen.path.as_str() {
        _ if seen.authorization.as_deref() != Some(BASIC) => Answer::status(401),
        "/index.yaml" => Answer::ok(index.clone()),
        "/moved" => Answer::redirect(archive.clone()),
        _ => Answer::status(404),
    })
    .await;
    let known = || vec![credentials(&host, None), credentials(&elsewhere, None)];
    let both = downloads(&[&host, &elsewhere], known());
    pin(&both, &redis(&host, "1.0.0")).await.expect("it is pinned");
    assert_eq!(host.asked(), [format!("/index.yaml {BASIC}")]);
    assert_eq!(elsewhere.asked(), ["/redis-1.0.0.tgz -"], "an index cannot have credentials sent to what it names");
    let refused = pin(&both, &redis(&host, "2.0.0")).await;
    assert_eq!(elsewhere.asked(), ["/redis-1.0.0.tgz -"], "nor can a redirect");
    let words = [(&host, "HOST"), (&elsewhere, "ELSEWHERE")];
    insta::assert_snapshot!(told(refused, &words), @"Wrong: the archive of `redis` 2.0.0 holds the chart `redis` 1.0.0");
    let one = downloads(&[&host], known());
    insta::assert_snapshot!(told(pin(&one, &redis(&host, "2.0.0")).await, &words), @"Operator: `HOST` sends to another host for the archive of `redis of HOST 2.0.0`, and charts are not fetched from `ELSEWHERE`: it is none of the `hosts` of `[charts]` in the server's settings");
    assert_eq!(elsewhere.asked(), [""; 0]);
    let nobody = downloads(&[&host], Vec::new());
    insta::assert_snapshot!(told(pin(&nobody, &redis(&host, "1.0.0")).await, &words), @"Operator: `HOST` refuses the index of the chart repository (401): it is not there, or needs other credentials than there are for `HOST`");
}

#[tokio::test]
async fn hosts_that_are_not_named_are_not_asked() {
    let host = repository(digest).await;
    let refused = pin(&downloads(&[], Vec::new()), &redis(&host, "20.1.0")).await;
    insta::assert_snapshot!(told(refused, &[(&host, "HOST")]), @"Operator: charts are not fetched from `HOST`: it is none of the `hosts` of `[charts]` in the server's settings");
    let open = Downloads::new(Network::default(), Hosts::Public(Vec::new()), Vec::new(), ChartLimits::default());
    for (url, why) in [
        ("https://localhost:1", "private"),
        ("https://127.0.0.1:1", "private"),
        ("https://169.254.169.254/latest/meta-data", "metadata"),
        ("https://[fd00:ec2::254]", "metadata"),
    ] {
        let chart = wanted(ChartOrigin::repository(url, "redis").expect("an origin"), "1");
        let refused = told(pin(&open, &chart).await, &[]);
        assert!(refused.contains(why), "{url}: {refused}");
    }
    assert_eq!(host.asked(), [""; 0]);
}

#[tokio::test]
async fn redirects_to_metadata_and_in_circles_are_refused() {
    let host = Host::serve(|seen: &Seen| match seen.path.as_str() {
        "/a/index.yaml" => Answer::redirect("http://169.254.169.254/latest/meta-data".into()),
        "/b/index.yaml" => Answer::redirect("/b/index.yaml".into()),
        "/c/index.yaml" => Answer::redirect("http://user:password@example.com/".into()),
        _ => Answer::redirect("file:///etc/passwd".into()),
    })
    .await;
    let rules = [host.url(), "http://169.254.169.254".into()];
    let rules = rules.iter().map(|text| HostRule::parse(text).expect("a host")).collect();
    let downloads = Downloads::new(Network::default(), Hosts::Listed(rules), Vec::new(), ChartLimits::default());
    let mut refused = String::new();
    for path in ["a", "b", "c", "d"] {
        let chart = wanted(ChartOrigin::repository(&format!("{}/{path}", host.url()), "redis").expect("one"), "1");
        refused += &format!("{}\n", told(pin(&downloads, &chart).await, &[(&host, "HOST")]));
    }
    insta::assert_snapshot!(refused, @"
    Operator: `HOST` sends to another host for the index of the chart repository, and charts are not fetched from `http://169.254.169.254`: its address is one where machines give out their metadata, or of the link
    Wrong: `HOST` sends in circles for the index of the chart repository
    Wrong: `HOST` sends to an address for the index of the chart repository that is none
    Wrong: `HOST` sends to an address for the index of the chart repository that is none
    ");
    assert_eq!(host.asked().iter().filter(|asked| asked.starts_with("/b/")).count(), 6);
}

#[tokio::test]
async fn what_is_too_large_is_not_read_to_its_end() {
    /// Sends 100 MB unless somebody hangs up, and counts.
    fn endless(sent: &Arc<AtomicUsize>) -> Answer {
        let sent = sent.clone();
        let chunks = stream::iter(0..1600).map(move |_| {
            sent.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(vec![b' '; 64 << 10])
        });
        Answer::ok(axum::body::Body::from_stream(chunks))
    }
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let host = Host::serve(move |seen: &Seen| match seen.path.as_str() {
        "/small/index.yaml" => Answer::ok("entries: {redis: [{version: 1.0.0, urls: [redis.tgz]}]}"),
        "/said/index.yaml" => Answer::ok(vec![b' '; 2 << 20]),
        _ => endless(&counted),
    })
    .await;
    let downloads = downloads(&[&host], Vec::new());
    let mut refused = String::new();
    for path in ["large", "said", "small"] {
        let chart = wanted(ChartOrigin::repository(&format!("{}/{path}", host.url()), "redis").expect("one"), "1");
        refused += &format!("{}\n", told(pin(&downloads, &chart).await, &[(&host, "HOST")]));
    }
    insta::assert_snapshot!(refused, @"
    Wrong: the index of the chart repository at `HOST` is larger than 1 MiB, the most that is taken
    Wrong: the index of the chart repository at `HOST` is larger than 1 MiB, the most that is taken
    Wrong: the archive of `redis of HOST/small 1` at `HOST` is larger than 65536 bytes, the most that is taken
    ");
    assert!(sent.load(Ordering::Relaxed) < 400, "{} chunks were sent", sent.load(Ordering::Relaxed));
}

#[tokio::test]
async fn archives_that_are_no_such_chart_are_refused() {
    let host = Host::serve(|seen: &Seen| match seen.path.as_str() {
        "/index.yaml" => Answer::ok(
            "entries: {redis: [{version: 1.0.0, urls: [other]}, {version: 2.0.0, urls: [rubbish]}, {version: 3.0.0, urls: []}, \
             {version: 4.0.0, urls: ['ftp://example.com/x']}, {version: 5.0.0, digest: x, urls: [other]}]}",
        ),
        "/other" => Answer::ok(packed("mysql", "1.0.0")),
        _ => Answer::ok("rubbish"),
    })
    .await;
    let downloads = downloads(&[&host], Vec::new());
    let mut refused = String::new();
    for version in 1..=5 {
        let chart = redis(&host, &version.to_string());
        refused += &format!("{}\n", told(pin(&downloads, &chart).await, &[(&host, "HOST")]));
    }
    insta::assert_snapshot!(refused, @"
    Wrong: the archive of `redis` 1.0.0 holds the chart `mysql` 1.0.0
    Wrong: the archive of `redis` 2.0.0 cannot be used: it cannot be unpacked: unexpected end of file
    Wrong: the index of `HOST` names no archive for 3.0.0
    Wrong: the index of `HOST` names an address that cannot be used for 4.0.0
    Wrong: the index of `HOST` names a digest that is none for 5.0.0
    ");
}

#[tokio::test]
async fn an_index_that_is_none_is_refused() {
    let bomb = (0..30).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
        text + &format!("a{}: &a{0} [*a{n}, *a{n}, *a{n}, *a{n}]\n", n + 1)
    });
    let host = Host::serve(move |seen: &Seen| match seen.path.as_str() {
        "/bomb/index.yaml" => Answer::ok(format!("{bomb}entries: {{redis: *a30}}\n")),
        "/page/index.yaml" => Answer::ok("<html><body>Sign in: s3cret</body></html>"),
        _ => Answer::ok(vec![0xff; 100]),
    })
    .await;
    let downloads = downloads(&[&host], Vec::new());
    let mut refused = String::new();
    for path in ["bomb", "page", "bytes"] {
        let chart = wanted(ChartOrigin::repository(&format!("{}/{path}", host.url()), "redis").expect("one"), "1");
        refused += &format!("{}\n", told(pin(&downloads, &chart).await, &[(&host, "HOST")]));
    }
    insta::assert_snapshot!(refused, @"
    Wrong: the index of `HOST/bomb` cannot be read
    Author: `HOST/page` has no chart `redis`
    Wrong: the index of `HOST/bytes` cannot be read
    ");
}
