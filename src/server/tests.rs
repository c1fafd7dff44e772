//! What senders get for good and bad deliveries, and what operators see.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use hmac::{Hmac, Mac};
use http::{Request, Response};
use sha2::Sha256;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use super::{
    webhooks::{Delivery, DeliveryInbox, InboxError, Recorded, WebhookSource},
    *,
};
use crate::{
    domain::ids::RepositoryId,
    forge::webhook::{Dialect, HintKind},
    settings::{RepositoryPattern, ServedRepositories},
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const STATUS: &[u8] = include_bytes!("../../tests/data/webhooks-github/status.json");
const PING: &[u8] = include_bytes!("../../tests/data/webhooks-github/ping.json");
const LIMIT: usize = 25 << 20;

#[derive(Default)]
struct Memory {
    fails: bool,
    panics: bool,
    ids: Mutex<HashSet<String>>,
    deliveries: Mutex<Vec<Delivery>>,
}

#[async_trait]
impl DeliveryInbox for Memory {
    async fn record(&self, delivery: Delivery) -> Result<Recorded, InboxError> {
        assert!(!self.panics, "as the test asks");
        if self.fails {
            return Err(InboxError(anyhow::anyhow!("the disk is full")));
        }
        let mut ids = self.ids.lock().expect("because no test panics while it holds the lock");
        if !ids.insert(format!("{}/{}", delivery.forge, delivery.id)) {
            return Ok(Recorded::Duplicate);
        }
        self.deliveries.lock().expect("because no test panics while it holds the lock").push(delivery);
        Ok(Recorded::New)
    }
}

struct World {
    router: Router,
    inbox: Arc<Memory>,
    woken: mpsc::Receiver<RepositoryId>,
    readiness: watch::Sender<Readiness>,
}

impl World {
    fn new() -> Self {
        Self::serving(Memory::default(), &["codertocat/*"], &["new", "old"])
    }

    fn serving(inbox: Memory, repositories: &[&str], secrets: &[&str]) -> Self {
        let inbox = Arc::new(inbox);
        let (wake, woken) = mpsc::channel(1);
        let (readiness, ready) = watch::channel(Readiness::Starting);
        let source = |dialect| WebhookSource {
            dialect,
            secrets: secrets.iter().map(|secret| (*secret).into()).collect(),
            repositories: ServedRepositories(
                repositories.iter().filter_map(|text| RepositoryPattern::parse(text)).collect(),
            ),
        };
        let store = Arc::clone(&inbox) as Arc<dyn DeliveryInbox>;
        let sources = [("github", Dialect::GitHub), ("gitea", Dialect::Gitea)];
        let sources = sources.map(|(name, dialect)| (name.to_owned(), source(dialect)));
        let receiver = Receiver::new(sources.into(), store, wake, LIMIT, Arc::new(super::sample::now));
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let metrics = Some(recorder.handle());
        let state = ServerState { receiver: Arc::new(receiver), readiness: ready, metrics, site: None };
        Self { router: router(state), inbox, woken, readiness }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("because the router never fails")
    }

    async fn status_of(&self, request: Request<Body>) -> u16 {
        self.send(request).await.status().as_u16()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).expect("because the path is plain");
        let response = self.send(request).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn deliveries(&self) -> Vec<Delivery> {
        self.inbox.deliveries.lock().expect("because no test panics while it holds the lock").clone()
    }
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("because any length is a key");
    format!("sha256={}", hex::encode(mac.chain_update(body).finalize().into_bytes()))
}

fn delivery(event: &str, id: &str, signature: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post("/webhooks/github").header("x-github-event", event).header("x-github-delivery", id);
    if let Some(signature) = signature {
        request = request.header("x-hub-signature-256", signature);
    }
    request.body(body.into()).expect("because the headers are plain")
}

fn signed(event: &str, id: &str, body: &'static [u8]) -> Request<Body> {
    delivery(event, id, Some(&signature("old", body)), body)
}

#[tokio::test]
async fn a_genuine_delivery_is_written_down_before_the_queue_wakes() {
    let mut world = World::new();
    assert_eq!(world.status_of(signed("status", "id-1", STATUS)).await, 202);
    let written = world.deliveries();
    assert_eq!(written.len(), 1);
    assert_eq!((&*written[0].forge, &*written[0].id, &*written[0].event), ("github", "id-1", "status"));
    assert!(matches!(&written[0].hint.about, HintKind::Commit { sha, .. } if sha.starts_with("6113728")));
    assert_eq!(world.woken.try_recv().map(|repository| repository.to_string()), Ok("Codertocat/Hello-World".into()));
}

#[tokio::test]
async fn each_forge_is_understood_by_its_own_headers() {
    let world = World::serving(Memory::default(), &["acme/*"], &["new", "old"]);
    let body = include_bytes!("../../tests/data/webhooks-gitea/push.json").as_slice();
    let signature = signature("old", body);
    let digits = signature.trim_start_matches("sha256=");
    let send = |headers: &[(&'static str, &str)]| {
        let mut request = Request::post("/webhooks/gitea");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        world.status_of(request.body(Body::from(body)).expect("because the headers are plain"))
    };
    let gitea = [("x-gitea-signature", digits), ("x-gitea-event", "push"), ("x-gitea-delivery", "1")];
    assert_eq!(send(&gitea).await, 202);
    assert_eq!(send(&gitea).await, 200, "it is known already");
    let forgejo = [("x-forgejo-signature", digits), ("x-forgejo-event", "push"), ("x-forgejo-delivery", "2")];
    assert_eq!(send(&forgejo).await, 202);
    let as_github = [("x-hub-signature-256", &*signature), ("x-github-event", "push"), ("x-github-delivery", "3")];
    assert_eq!(send(&as_github).await, 400);
    assert_eq!(send(&[("x-gitea-event", "push"), ("x-gitea-delivery", "4")]).await, 401);
    let guessed = [("x-gitea-signature", "00"), ("x-gitea-event", "push"), ("x-gitea-delivery", "5")];
    assert_eq!(send(&guessed).await, 401);
    let events: Vec<_> = world.deliveries().into_iter().map(|delivery| (delivery.forge, delivery.event)).collect();
    assert_eq!(events, [("gitea".into(), "push".to_owned()), ("gitea".into(), "push".to_owned())]);
}

#[tokio::test]
async fn deliveries_without_a_fitting_signature_are_refused() {
    let world = World::new();
    let fitting = signature("new", STATUS);
    assert_eq!(world.status_of(delivery("status", "1", None, STATUS)).await, 401);
    assert_eq!(world.status_of(delivery("status", "1", Some("sha256=00"), STATUS)).await, 401);
    assert_eq!(world.status_of(delivery("status", "1", Some(&signature("guess", STATUS)), STATUS)).await, 401);
    assert_eq!(world.status_of(delivery("status", "1", Some(&fitting), PING)).await, 401);
    assert_eq!(world.deliveries(), []);
    assert_eq!(world.status_of(delivery("status", "1", Some(&fitting), STATUS)).await, 202, "the id is still free");
    let no_secret = World::serving(Memory::default(), &["codertocat/*"], &[]);
    assert_eq!(no_secret.status_of(delivery("status", "1", Some(&fitting), STATUS)).await, 401);
}

#[tokio::test]
async fn genuine_events_that_are_nothing_to_us_are_a_success() {
    let mut world = World::new();
    assert_eq!(world.status_of(signed("never_heard_of", "1", b"{}")).await, 200);
    assert_eq!(world.status_of(signed("ping", "2", PING)).await, 200);
    assert_eq!(world.status_of(signed("push", "3", br#"{"ref": 7}"#)).await, 200);
    let elsewhere = World::serving(Memory::default(), &["acme/shop"], &["old"]);
    assert_eq!(elsewhere.status_of(signed("status", "4", STATUS)).await, 200);
    assert_eq!((world.deliveries(), elsewhere.deliveries()), (vec![], vec![]));
    assert!(world.woken.try_recv().is_err());
}

#[tokio::test]
async fn large_bodies_are_taken_up_to_the_limit() {
    let world = World::new();
    let large = |size: usize| vec![b' '; size];
    let just = delivery("x", "1", Some(&signature("old", &large(LIMIT))), large(LIMIT));
    assert_eq!(world.status_of(just).await, 400, "it is read, and is no JSON");
    let request = delivery("x", "1", Some("sha256=00"), large(30_000_000));
    assert_eq!(world.status_of(request).await, 413);
    let chunks = futures::stream::iter((0..30).map(move |_| Ok::<_, std::io::Error>(large(1_000_000))));
    let unsaid = delivery("x", "1", Some("sha256=00"), Body::from_stream(chunks));
    assert_eq!(world.status_of(unsaid).await, 413);
}

#[tokio::test]
async fn what_is_no_delivery_is_named() {
    let world = World::new();
    assert_eq!(world.status_of(signed("push", "1", b"payload=%7B%7D")).await, 400);
    assert_eq!(world.status_of(signed("push", "", STATUS)).await, 400);
    assert_eq!(world.status_of(signed("", "1", STATUS)).await, 400);
    let long = "x".repeat(129);
    assert_eq!(world.status_of(signed("status", &long, STATUS)).await, 400);
    assert_eq!(world.get("/webhooks/github").await.0, 405);
    let mut other = signed("status", "1", STATUS);
    *other.uri_mut() = http::Uri::from_static("/webhooks/gitlab");
    assert_eq!(world.status_of(other).await, 404);
    assert_eq!(world.deliveries(), []);
}

#[tokio::test]
async fn a_repeated_delivery_is_a_success_and_counts_once() {
    let mut world = World::new();
    assert_eq!(world.status_of(signed("status", "1", STATUS)).await, 202);
    assert!(world.woken.try_recv().is_ok());
    assert_eq!(world.status_of(signed("status", "1", STATUS)).await, 200);
    assert_eq!(world.deliveries().len(), 1);
    assert!(world.woken.try_recv().is_err());
}

#[tokio::test]
async fn a_full_queue_loses_nothing() {
    let world = World::new();
    for id in ["1", "2", "3"] {
        assert_eq!(world.status_of(signed("status", id, STATUS)).await, 202);
    }
    assert_eq!(world.deliveries().len(), 3);
}

#[tokio::test]
async fn a_store_that_fails_is_told_to_the_sender() {
    let mut world = World::serving(Memory { fails: true, ..Memory::default() }, &["codertocat/*"], &["old"]);
    assert_eq!(world.status_of(signed("status", "1", STATUS)).await, 503);
    assert!(world.woken.try_recv().is_err());
}

#[tokio::test]
async fn a_handler_that_panics_takes_nothing_else_down() {
    let world = World::serving(Memory { panics: true, ..Memory::default() }, &["codertocat/*"], &["old"]);
    assert_eq!(world.status_of(signed("status", "1", STATUS)).await, 500);
    assert_eq!(world.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn health_readiness_and_metrics_are_shown() -> TestResult {
    let world = World::new();
    assert_eq!(world.get("/healthz").await, (200, "ok\n".into()));
    assert_eq!(world.get("/readyz").await, (503, "starting\n".into()));
    world.readiness.send(Readiness::Ready)?;
    assert_eq!(world.get("/readyz").await, (200, "ready\n".into()));
    world.readiness.send(Readiness::Stopping)?;
    assert_eq!(world.get("/readyz").await.0, 503);
    assert_eq!(world.get("/metrics").await.0, 200);
    assert_eq!(world.get("/else").await.0, 404);
    Ok(())
}
