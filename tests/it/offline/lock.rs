//! `hydromote lock`, and commands on what it pinned.

use serde_json::Value;

use super::{Run, Shop};
use crate::chart_host::ChartHost;

/// A shop that takes `redis` from a chart repository, and whose own chart has a dependency there.
struct Market {
    shop: Shop,
    host: ChartHost,
}

impl Market {
    async fn open() -> Self {
        let host = ChartHost::start().await;
        for version in ["20.0.0", "20.1.0", "21.0.0"] {
            host.publish("redis", version, "low");
        }
        host.publish("common", "1.4.0", "high");
        let remote = format!(
            "    - chart: {{repository: '{}', name: redis, version: ^20}}\n      releaseName: cache\n",
            host.url()
        );
        let mut shop =
            Shop::with_strategy(|text| text.replace("    - path: plain", &format!("{remote}    - path: plain")));
        let chart = format!(
            "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- name: common\n  version: 1.x\n  repository: {}\n",
            host.url()
        );
        shop.write("charts/web/Chart.yaml", &chart);
        shop.commit("Take charts from elsewhere");
        Self { shop, host }
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        let folder = self.shop.path().join(".git/charts");
        let mut command = self.shop.program(env!("CARGO_BIN_EXE_hydromote"), arguments);
        command.env("HYDROMOTE_CHARTS", folder);
        let output = tokio::task::block_in_place(|| command.output()).expect("the program runs");
        let text = |bytes: &[u8]| self.shop.redact(&String::from_utf8_lossy(bytes)).replace(&self.host.url(), "HOST");
        let code = output.status.code().expect("an exit code");
        Run { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Runs `lock` as somebody who may ask this host.
    async fn lock(&self, more: &[&str]) -> Run {
        let url = self.host.url();
        self.run(&[&["lock", "--allow-host", &url], more].concat()).await
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.shop.path().join("hydromote.lock"))
            .expect("a lock file")
            .replace(&self.host.url(), "HOST")
    }
}

/// Replaces digests of archives, which are others wherever they are packed.
fn without_digests(text: &str) -> String {
    let words = text.split_inclusive([' ', '"', '.']).map(|word| {
        let bare = word.trim_end_matches([' ', '"', '.']);
        let is_digest = bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digest { word.replace(bare, "<sha256>") } else { word.to_owned() }
    });
    words.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_pins_what_is_asked_for_and_asks_nobody_when_nothing_changed() {
    let market = Market::open().await;
    let run = market.run(&["lock", "--check"]).await.expect(1);
    insta::assert_snapshot!(run.stdout, @"
    common of HOST 1.x: not pinned
    redis of HOST ^20: not pinned
    hydromote.lock is not up to date; `hydromote lock` writes it
    ");
    let run = market.lock(&[]).await.expect(0);
    insta::assert_snapshot!(run.stdout, @"
    common of HOST 1.x: 1.4.0
    redis of HOST ^20: 20.1.0
    hydromote.lock was written; commit it
    ");
    insta::assert_snapshot!(run.stderr, @"
    looking for common of HOST 1.x
    looking for redis of HOST ^20
    ");
    insta::assert_snapshot!(without_digests(&market.file()), @r#"
    # Which archives stand for charts from elsewhere. Written by `hydromote lock`; commit it.
    apiVersion: hydromote.dev/v1alpha1
    kind: ChartLock
    charts:
    - repository: "HOST"
      name: "common"
      asked: "1.x"
      version: "1.4.0"
      url: "HOST/common-1.4.0.tgz"
      sha256: "<sha256>"
    - repository: "HOST"
      name: "redis"
      asked: "^20"
      version: "20.1.0"
      url: "HOST/redis-20.1.0.tgz"
      sha256: "<sha256>"
    "#);
    let (first, asked) = (market.file(), market.host.asked());
    assert_eq!(asked.len(), 4, "{asked:?}");
    market.host.publish("redis", "20.2.0", "low");
    insta::assert_snapshot!(market.lock(&[]).await.expect(0).stdout, @"
    common of HOST 1.x: 1.4.0
    redis of HOST ^20: 20.1.0
    hydromote.lock is up to date
    ");
    insta::assert_snapshot!(market.run(&["lock", "--check"]).await.expect(0).stdout, @"
    common of HOST 1.x: 1.4.0
    redis of HOST ^20: 20.1.0
    hydromote.lock is up to date
    ");
    assert_eq!((market.file(), market.host.asked()), (first, Vec::new()));
    insta::assert_snapshot!(market.lock(&["--update", "redis"]).await.expect(0).stdout, @"
    common of HOST 1.x: 1.4.0
    redis of HOST ^20: 20.1.0 -> 20.2.0
    hydromote.lock was written; commit it
    ");
    let json = market.lock(&["--output", "json"]).await.expect(0).json();
    assert_eq!(json["upToDate"], true);
    assert_eq!(json["charts"][1]["version"], "20.2.0");
    insta::assert_snapshot!(market.lock(&["--update", "mysql"]).await.expect(2).stderr, @"error: no chart `mysql` from elsewhere is asked for; there are `common`, `redis`");
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_leaves_the_file_when_something_cannot_be_pinned() {
    let market = Market::open().await;
    market.lock(&[]).await.expect(0);
    let before = market.file();
    market.shop.edit("hydromote.yaml", "version: ^20", "version: ^22");
    insta::assert_snapshot!(market.lock(&[]).await.expect(1).stdout, @"
    common of HOST 1.x: 1.4.0
    redis of HOST ^22: there is no version of `redis of HOST` that `^22` asks for
    redis of HOST ^20: not asked for any more
    hydromote.lock is not up to date; `hydromote lock` writes it
    ");
    market.host.set_away(true);
    let run = market.lock(&[]).await.expect(2);
    insta::assert_snapshot!(format!("{}{}", run.stdout, run.stderr), @"
    common of HOST 1.x: 1.4.0
    redis of HOST ^22: `HOST` does not answer with the index of the chart repository but with the status 503
    redis of HOST ^20: not asked for any more
    hydromote.lock is not up to date; `hydromote lock` writes it
    looking for redis of HOST ^22
    error: not everything could be looked for; `hydromote.lock` is as it was
    ");
    assert_eq!(market.file(), before);
    market.host.set_away(false);
    insta::assert_snapshot!(market.run(&["lock"]).await.expect(2).stdout, @"
    common of HOST 1.x: 1.4.0
    redis of HOST ^22: charts are not fetched from `HOST` without TLS; allow it with `--allow-host HOST`
    redis of HOST ^20: not asked for any more
    hydromote.lock is not up to date; `hydromote lock` writes it
    ");
    market.shop.edit("hydromote.yaml", "version: ^22", "version: 21.0.0");
    insta::assert_snapshot!(market.lock(&[]).await.expect(0).stdout, @"
    common of HOST 1.x: 1.4.0
    redis of HOST 21.0.0: 21.0.0
    redis of HOST ^20: not asked for any more
    hydromote.lock was written; commit it
    ");
    market.shop.write("hydromote.lock", "charts: 1\n");
    insta::assert_snapshot!(market.lock(&[]).await.expect(2).stderr, @"error: hydromote.lock:1: expected sequence start at line 1, column 9; `hydromote lock` writes it, and mends it once the file is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_is_rendered_and_nothing_else() {
    let mut market = Market::open().await;
    let hydrate = ["hydrate", "--repo", ".", "--out", "out", "--force", "--environment", "dev"];
    let run = market.run(&hydrate).await.expect(1);
    assert!(
        run.stdout.contains("`redis of HOST ^20` is not pinned in `hydromote.lock`; run `hydromote lock`"),
        "{}",
        run.stdout
    );
    market.lock(&[]).await.expect(0);
    market.shop.commit("Pin charts");
    market.host.asked();
    market.run(&hydrate).await.expect(0);
    assert_eq!(market.host.asked(), [""; 0]);
    let read = |path: &str| std::fs::read_to_string(market.shop.path().join(path)).expect(path);
    assert!(read("out/dev/cache/manifest.yaml").contains("version: \"20.1.0\""));
    assert!(read("out/dev/web/manifest.yaml").contains("name: web-common"));
    let metadata: Value = serde_json::from_str(&read("out/dev/cache/hydrator.metadata")).expect("JSON");
    let commands = metadata["commands"][0].as_str().expect("a command").replace(&market.host.url(), "HOST");
    assert!(commands.contains("helm template cache redis --repo HOST --version 20.1.0 "), "{commands}");
    std::fs::remove_dir_all(market.shop.path().join(".git/charts")).expect("removed");
    let run = market.run(&hydrate).await.expect(1);
    assert!(
        run.stdout.contains("is not on this machine; `hydromote lock --fetch` brings what is pinned"),
        "{}",
        run.stdout
    );
    market.lock(&["--fetch"]).await.expect(0);
    market.run(&hydrate).await.expect(0);
    let lock = std::fs::read_to_string(market.shop.path().join("hydromote.lock")).expect("a lock file");
    let first = lock.split("sha256: \"").nth(1).expect("a digest").split('"').next().expect("a digest").to_owned();
    market.shop.edit("hydromote.lock", &first, &"0".repeat(64));
    market.shop.commit("Break it");
    let run = market.lock(&["--fetch"]).await.expect(2);
    assert!(run.stderr.contains("is not the one that `hydromote.lock` pins"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_of_kustomizations_are_pinned_and_rendered_too() {
    let mut market = Market::open().await;
    let charts = format!(
        "namespace: shop\nhelmCharts:\n- name: redis\n  repo: {}\n  version: ^20\n  releaseName: inner\n  \
         valuesInline: {{level: high}}\n",
        market.host.url()
    );
    market.shop.write("plain/dev/kustomization.yaml", &charts);
    market.shop.edit("hydromote.yaml", "version: ^20", "version: 21.0.0");
    market.shop.commit("Take a chart in a kustomization");
    let hydrate = ["hydrate", "--repo", ".", "--out", "out", "--force", "--environment", "dev"];
    let run = market.run(&hydrate).await.expect(1);
    let refusal =
        "plain/dev/kustomization.yaml:3: `redis of HOST ^20` is not pinned in `hydromote.lock`; run `hydromote lock`";
    assert!(run.stdout.contains(refusal), "{}", run.stdout);
    insta::assert_snapshot!(market.lock(&[]).await.expect(0).stdout, @"
    common of HOST 1.x: 1.4.0
    redis of HOST 21.0.0: 21.0.0
    redis of HOST ^20: 20.1.0
    hydromote.lock was written; commit it
    ");
    market.shop.commit("Pin charts");
    market.host.asked();
    market.run(&hydrate).await.expect(0);
    assert_eq!(market.host.asked(), [""; 0]);
    let read = |path: &str| std::fs::read_to_string(market.shop.path().join(path)).expect(path);
    insta::assert_snapshot!(read("out/dev/limits/manifest.yaml"), @"
    apiVersion: v1
    data:
      level: high
      version: 20.1.0
    kind: ConfigMap
    metadata:
      name: inner-redis
    ");
    let metadata: Value = serde_json::from_str(&read("out/dev/limits/hydrator.metadata")).expect("JSON");
    assert_eq!(
        metadata["commands"][0].as_str(),
        Some("kustomize build --enable-helm --helm-kube-version 1.34.0 plain/dev")
    );
    let renderer = metadata["hydromote"]["renderer"].as_str().expect("renderers");
    assert!(renderer.starts_with("kustomize v5.") && renderer.contains(", helm v"), "{renderer}");
}
