//! An OCI registry.

use super::*;

/// What a registry asks of whoever reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Anyone,
    Basic,
    /// A token that its own host gives, to whom it knows.
    OwnToken,
    /// A token of another host.
    OtherToken,
}

/// The registry's content: `charts/redis` in some versions.
#[derive(Clone)]
struct Content {
    manifests: BTreeMap<String, String>,
    blobs: BTreeMap<String, Vec<u8>>,
}

fn content(versions: &[&str]) -> Content {
    let (mut manifests, mut blobs) = (BTreeMap::new(), BTreeMap::new());
    for version in versions {
        let archive = packed("redis", version);
        let (sha256, size) = (digest(&archive), archive.len());
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": "sha256:0", "size": 2},
            "layers": [
                {"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": format!("sha256:{sha256}"), "size": size},
                {"mediaType": "application/vnd.cncf.helm.chart.provenance.v1.prov", "digest": "sha256:1", "size": 3},
            ],
        });
        manifests.insert(version.replace('+', "_"), manifest.to_string());
        blobs.insert(sha256, archive);
    }
    Content { manifests, blobs }
}

impl Content {
    /// Answers as the distribution specification says; tags come two at a time.
    fn answer(&self, path: &str) -> Answer {
        let Some(rest) = path.strip_prefix("/v2/charts/redis/") else { return Answer::status(404) };
        if let Some(query) = rest.strip_prefix("tags/list?") {
            let last = query.split('&').find_map(|pair| pair.strip_prefix("last=")).unwrap_or_default();
            let page: Vec<&String> = self.manifests.keys().filter(|tag| tag.as_str() > last).take(2).collect();
            let answer = Answer::ok(serde_json::json!({"name": "charts/redis", "tags": page}).to_string());
            return match page.last() {
                Some(last) => {
                    answer.with("link", format!("</v2/charts/redis/tags/list?n=2&last={last}>; rel=\"next\""))
                }
                None => answer,
            };
        }
        if let Some(manifest) = rest.strip_prefix("manifests/").and_then(|tag| self.manifests.get(tag)) {
            return Answer::ok(manifest.clone());
        }
        let blob = rest.strip_prefix("blobs/sha256:").and_then(|sha256| self.blobs.get(sha256));
        blob.map_or_else(|| Answer::status(404), |blob| Answer::ok(blob.clone()))
    }
}

/// Serves a registry; `tokens` is where it says that tokens are.
async fn registry(access: Access, tokens: Option<&Host>, content: Content) -> Host {
    let tokens = tokens.map(Host::url);
    Host::serve(move |seen: &Seen| {
        let authorization = seen.authorization.as_deref();
        if seen.path.starts_with("/token") {
            return token(seen);
        }
        let (is_open, challenge) = match access {
            Access::Anyone => (true, String::new()),
            Access::Basic => (authorization == Some(BASIC), "Basic realm=\"registry\"".to_owned()),
            Access::OwnToken | Access::OtherToken => {
                let realm = tokens.clone().unwrap_or_else(|| "/token".into());
                let scope = "repository:charts/redis:pull";
                let challenge = format!("Bearer realm=\"{realm}/token\",service=\"registry\",scope=\"{scope}\"");
                (authorization == Some("Bearer t0ken"), challenge)
            }
        };
        if is_open { content.answer(&seen.path) } else { Answer::status(401).with("www-authenticate", challenge) }
    })
    .await
}

/// Gives a token to whom it knows.
fn token(seen: &Seen) -> Answer {
    let is_right =
        seen.path.contains("service=registry") && seen.path.contains("scope=repository%3Acharts%2Fredis%3Apull");
    match seen.authorization.as_deref() {
        Some(BASIC) if is_right => Answer::ok("{\"token\": \"t0ken\", \"expires_in\": 60}"),
        _ => Answer::status(401),
    }
}

fn redis(host: &Host, range: &str) -> WantedChart {
    wanted(ChartOrigin::oci(&format!("oci://{}/charts/redis", host.name())).expect("an origin"), range)
}

#[tokio::test]
async fn a_range_is_looked_for_among_all_tags() {
    let host =
        registry(Access::Anyone, None, content(&["19.0.0", "20.0.0", "20.1.0+a.1", "20.2.0-rc.1", "21.0.0"])).await;
    let chart = redis(&host, "^20");
    let pinned = pin(&downloads(&[&host], Vec::new()), &chart).await.expect("it is pinned");
    assert_eq!(pinned.version, "20.1.0+a.1");
    assert_eq!(pinned.url, format!("oci://{}/charts/redis:20.1.0_a.1", host.name()));
    assert_eq!(pinned.sha256, digest(&packed("redis", "20.1.0+a.1")));
    assert_eq!(host.asked().iter().filter(|asked| asked.contains("/tags/")).count(), 4);
    let brought = bring(downloads(&[&host], Vec::new()), &chart, &pinned).await.expect("it is brought");
    assert_eq!(brought, packed("redis", "20.1.0+a.1"));
    assert_eq!(host.asked(), [format!("/v2/charts/redis/blobs/sha256:{} -", pinned.sha256)]);
}

#[tokio::test]
async fn one_version_is_asked_for_by_its_tag() {
    let host = registry(Access::Anyone, None, content(&["20.0.0"])).await;
    pin(&downloads(&[&host], Vec::new()), &redis(&host, "20.0.0")).await.expect("it is pinned");
    assert!(host.asked().iter().all(|asked| !asked.contains("/tags/")));
    let words = [(&host, "HOST")];
    let missing = pin(&downloads(&[&host], Vec::new()), &redis(&host, "20.0.1")).await;
    insta::assert_snapshot!(told(missing, &words), @"Author: `HOST` does not have `charts/redis:20.0.1` (404)");
}

#[tokio::test]
async fn registries_get_the_credentials_in_the_way_that_they_ask_for() {
    for access in [Access::Basic, Access::OwnToken] {
        let other = Host::serve(|_: &Seen| Answer::status(500)).await;
        // The realm is a whole address, which is known only when the registry listens.
        let host = match access {
            Access::OwnToken => own_tokens().await,
            _ => registry(access, None, content(&["20.0.0"])).await,
        };
        let known = || vec![credentials(&host, None), credentials(&other, None)];
        let chart = redis(&host, "^20");
        let pinned = pin(&downloads(&[&host], known()), &chart).await.expect("it is pinned");
        bring(downloads(&[&host], known()), &chart, &pinned).await.expect("it is brought");
        let words = [(&host, "HOST")];
        let refused = told(bring(downloads(&[&host], Vec::new()), &chart, &pinned).await, &words);
        assert!(refused.starts_with("Operator: `HOST` refuses "), "{refused}");
    }
}

/// Serves a registry that gives tokens itself.
async fn own_tokens() -> Host {
    let content = content(&["20.0.0"]);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let realm = format!("http://{}", listener.local_addr().expect("an address"));
    Host::serve_on(listener, move |seen: &Seen| {
        if seen.path.starts_with("/token") {
            return token(seen);
        }
        let challenge = format!("Bearer realm=\"{realm}/token\",service=\"registry\"");
        match seen.authorization.as_deref() {
            Some("Bearer t0ken") => content.answer(&seen.path),
            _ => Answer::status(401).with("www-authenticate", challenge),
        }
    })
}

#[tokio::test]
async fn tokens_of_another_host_are_asked_for_with_credentials_only_when_it_is_named() {
    let tokens = Host::serve(token).await;
    let host = registry(Access::OtherToken, Some(&tokens), content(&["20.0.0"])).await;
    let chart = redis(&host, "20.0.0");
    let words = [(&host, "HOST"), (&tokens, "TOKENS")];
    let unnamed = downloads(&[&host, &tokens], vec![credentials(&host, None)]);
    insta::assert_snapshot!(told(pin(&unnamed, &chart).await, &words), @"Operator: `HOST` has its tokens from `TOKENS`, which is shown no credentials; name it as the `token_host` of `HOST` in `[[charts.credentials]]`");
    assert!(tokens.seen().iter().all(|seen| seen.authorization.is_none()));
    let named = downloads(&[&host, &tokens], vec![credentials(&host, Some(&tokens))]);
    pin(&named, &chart).await.expect("it is pinned");
    assert!(tokens.seen().iter().all(|seen| seen.authorization.as_deref() == Some(BASIC)));
    let unlisted = downloads(&[&host], vec![credentials(&host, Some(&tokens))]);
    insta::assert_snapshot!(told(pin(&unlisted, &chart).await, &words), @"Operator: charts are not fetched from `TOKENS`: it is none of the `hosts` of `[charts]` in the server's settings");
    assert!(tokens.seen().is_empty());
}

#[tokio::test]
async fn blobs_on_another_host_are_fetched_without_the_token() {
    let content = content(&["20.0.0"]);
    let blobs = content.clone();
    let store = Host::serve(move |seen: &Seen| blobs.answer(&seen.path)).await;
    let to = store.url();
    let host = Host::serve(move |seen: &Seen| match seen.authorization.as_deref() {
        Some(BASIC) if seen.path.contains("/blobs/") => Answer::redirect(format!("{to}{}", seen.path)),
        Some(BASIC) => content.answer(&seen.path),
        _ => Answer::status(401).with("www-authenticate", "Basic realm=\"x\"".into()),
    })
    .await;
    let chart = redis(&host, "20.0.0");
    pin(&downloads(&[&host, &store], vec![credentials(&host, None), credentials(&store, None)]), &chart)
        .await
        .expect("it is pinned");
    assert!(store.seen().iter().all(|seen| seen.authorization.is_none()));
    let words = [(&host, "HOST"), (&store, "STORE")];
    let refused = pin(&downloads(&[&host], vec![credentials(&host, None)]), &chart).await;
    insta::assert_snapshot!(told(refused, &words), @"Operator: `HOST` sends to another host for the archive of `charts/redis`, and charts are not fetched from `STORE`: it is none of the `hosts` of `[charts]` in the server's settings");
    assert!(store.seen().is_empty());
}

#[tokio::test]
async fn what_is_not_what_the_registry_named_is_refused() {
    let right = content(&["20.0.0"]);
    let sha256 = digest(&packed("redis", "20.0.0"));
    let mut swapped = right.clone();
    swapped.blobs.insert(sha256.clone(), packed("redis", "20.0.1"));
    let host = registry(Access::Anyone, None, swapped).await;
    let words = [(&host, "HOST")];
    insta::assert_snapshot!(told(pin(&downloads(&[&host], Vec::new()), &redis(&host, "20.0.0")).await, &words), @"Wrong: `HOST` sends another archive of `charts/redis` than it names");
    let pinned = Pinned { version: "20.0.0".into(), url: String::new(), sha256: sha256.clone() };
    let refused = bring(downloads(&[&host], Vec::new()), &redis(&host, "20.0.0"), &pinned).await;
    assert_eq!(refused.map_err(|error| error.reaction), Err(Reaction::Wrong));

    let mut large = right.clone();
    let manifest = large.manifests["20.0.0"]
        .replace(&format!("\"size\":{}", packed("redis", "20.0.0").len()), "\"size\":99999999");
    large.manifests.insert("20.0.0".into(), manifest);
    let host = registry(Access::Anyone, None, large).await;
    let words = [(&host, "HOST")];
    insta::assert_snapshot!(told(pin(&downloads(&[&host], Vec::new()), &redis(&host, "20.0.0")).await, &words), @"Wrong: the archive of `charts/redis` is larger than 65536 bytes, the most that is taken");
    assert!(host.asked().iter().all(|asked| !asked.contains("/blobs/")));

    let mut image = right;
    let manifest = image.manifests["20.0.0"].replace("cncf.helm.chart.content", "docker.image.rootfs");
    image.manifests.insert("20.0.0".into(), manifest);
    let host = registry(Access::Anyone, None, image).await;
    let words = [(&host, "HOST")];
    insta::assert_snapshot!(told(pin(&downloads(&[&host], Vec::new()), &redis(&host, "20.0.0")).await, &words), @"Author: `charts/redis:20.0.0` of `HOST` is no chart");
}
