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
    domain::{
        deployed::{Deployed, Tool},
        ids::RepositoryId,
        status::StatusState,
    },
    forge::webhook::{Dialect, HintKind},
    reconcile::context::Clock,
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
    deployed: Mutex<Vec<(RepositoryId, Deployed)>>,
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
        let concerned = vec![delivery.hint.repository.clone()];
        self.deliveries.lock().expect("because no test panics while it holds the lock").push(delivery);
        Ok(Recorded::New(concerned))
    }

    async fn spelled(&self, repository: RepositoryId) -> Result<RepositoryId, InboxError> {
        Ok(repository)
    }

    async fn record_deployed(
        &self,
        id: String,
        repository: &RepositoryId,
        deployed: Deployed,
    ) -> Result<Recorded, InboxError> {
        if self.fails {
            return Err(InboxError(anyhow::anyhow!("the disk is full")));
        }
        let mut ids = self.ids.lock().expect("because no test panics while it holds the lock");
        if !ids.insert(format!("{}/{id}", deployed.tool.word())) {
            return Ok(Recorded::Duplicate);
        }
        self.deployed
            .lock()
            .expect("because no test panics while it holds the lock")
            .push((repository.clone(), deployed));
        Ok(Recorded::New(vec![repository.clone()]))
    }
}

struct World {
    router: Router,
    inbox: Arc<Memory>,
    woken: mpsc::Receiver<RepositoryId>,
    readiness: watch::Sender<Readiness>,
}

/// What the secrets of a source begin with: each has its own.
fn of_source(dialect: Dialect) -> &'static str {
    if dialect == Dialect::GitHub { "" } else { "other-" }
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
            destinations: ServedRepositories::default(),
            dialect,
            secrets: secrets.iter().map(|secret| format!("{}{secret}", of_source(dialect)).into()).collect(),
            repositories: ServedRepositories(
                repositories.iter().filter_map(|text| RepositoryPattern::parse(text)).collect(),
            ),
        };
        let store = Arc::clone(&inbox) as Arc<dyn DeliveryInbox>;
        let sources = [("github", Dialect::GitHub), ("gitea", Dialect::Gitea)];
        let sources = sources.map(|(name, dialect)| (name.to_owned(), source(dialect)));
        let clock: Clock = Arc::new(super::sample::now);
        let served = source(Dialect::GitHub).repositories;
        let tools = Tool::ALL.map(|tool| (tool, secrets.iter().map(|secret| (*secret).into()).collect()));
        let receivers = Receivers::new(tools.into(), served, Arc::clone(&store), wake.clone(), clock.clone());
        let receiver = Receiver::new(sources.into(), store, wake, LIMIT, clock);
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let metrics = Some(recorder.handle());
        let state = ServerState {
            receiver: Arc::new(receiver),
            receivers: Some(Arc::new(receivers)),
            readiness: ready,
            metrics,
            site: None,
        };
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
    let signature = signature("other-old", body);
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
async fn the_secret_of_one_source_proves_nothing_to_another() {
    let world = World::new();
    let to_github = delivery("status", "1", Some(&signature("other-new", STATUS)), STATUS);
    assert_eq!(world.status_of(to_github).await, 401);
    for (secret, expected) in [("new", 401), ("other-new", 202)] {
        let request =
            Request::post("/webhooks/gitea").header("x-gitea-event", "status").header("x-gitea-delivery", "1");
        let proof = signature(secret, STATUS);
        let request = request.header("x-gitea-signature", proof.trim_start_matches("sha256="));
        let request = request.body(Body::from(STATUS)).expect("because the headers are plain");
        assert_eq!(world.status_of(request).await, expected, "{secret}");
    }
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

const TOOL_BODY: &str = include_str!("../../tests/data/deployed/flux-succeeded.json");

fn told(tool: Tool, proof: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(format!("/webhooks/{}", tool.word()));
    let header = if tool == Tool::Flux { "x-signature" } else { "authorization" };
    if let Some(proof) = proof {
        request = request.header(header, proof);
    }
    request.body(body.into()).expect("because the headers are plain")
}

fn tools(secrets: &[&str]) -> World {
    World::serving(Memory::default(), &["acme/shop"], secrets)
}

impl World {
    async fn answer(&self, request: Request<Body>) -> (u16, String) {
        let response = self.send(request).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default();
        (status, String::from_utf8_lossy(&body).trim_end().to_owned())
    }

    fn deployed(&self) -> Vec<(RepositoryId, Deployed)> {
        self.inbox.deployed.lock().expect("because no test panics while it holds the lock").clone()
    }
}

#[tokio::test]
async fn what_a_tool_tells_is_taken_with_either_active_secret_and_no_other() {
    let world = tools(&["new", "old"]);
    for secret in ["new", "old"] {
        let body = TOOL_BODY.replace("10:04", if secret == "new" { "10:04" } else { "10:05" });
        let proof = signature(secret, body.as_bytes());
        assert_eq!(world.status_of(told(Tool::Flux, Some(&proof), body)).await, 202, "{secret}");
        let argocd = include_str!("../../tests/data/deployed/argocd-healthy.json");
        let argocd = argocd.replace("10:04", if secret == "new" { "10:04" } else { "10:05" });
        let proof = format!("Bearer {secret}");
        assert_eq!(world.status_of(told(Tool::ArgoCd, Some(&proof), argocd)).await, 202, "{secret}");
    }
    assert_eq!(world.deployed().len(), 4);
    let tampered = signature("new", b"{}");
    let other = signature("other", TOOL_BODY.as_bytes());
    for proof in [None, Some(tampered.as_str()), Some(other.as_str()), Some("sha256="), Some("sha1=00"), Some("x")] {
        assert_eq!(world.status_of(told(Tool::Flux, proof, TOOL_BODY)).await, 401, "{proof:?}");
    }
    for proof in [None, Some("Bearer other"), Some("Bearer "), Some("Basic new"), Some("new")] {
        assert_eq!(world.status_of(told(Tool::ArgoCd, proof, TOOL_BODY)).await, 401, "{proof:?}");
    }
    assert_eq!(world.deployed().len(), 4);
    let nobody = tools(&[]);
    let proof = signature("", TOOL_BODY.as_bytes());
    assert_eq!(
        nobody.status_of(told(Tool::Flux, Some(&proof), TOOL_BODY)).await,
        404,
        "without a secret none is heard"
    );
}

#[tokio::test]
async fn what_a_tool_tells_is_written_down_once_and_wakes_who_works_on_it() {
    let mut world = tools(&["s"]);
    let proof = signature("s", TOOL_BODY.as_bytes());
    let (status, words) = world.answer(told(Tool::Flux, Some(&proof), TOOL_BODY)).await;
    assert_eq!(status, 202);
    insta::assert_snapshot!(words, @"`kustomization/shop/eu-1.flux-system` is success on 731f7eaddfb6af01cb2173e18f0f75b0ba780ef1");
    assert!(world.woken.try_recv().is_ok());
    assert_eq!(world.status_of(told(Tool::Flux, Some(&proof), TOOL_BODY)).await, 200);
    let [(repository, deployed)] = world.deployed().try_into().expect("because it was told once");
    assert_eq!((repository.as_str(), deployed.state), ("acme/shop", StatusState::Success));
    assert!(world.woken.try_recv().is_err());
    let fails = World::serving(Memory { fails: true, ..Memory::default() }, &["acme/shop"], &["s"]);
    assert_eq!(fails.status_of(told(Tool::Flux, Some(&proof), TOOL_BODY)).await, 503);
}

#[tokio::test]
async fn what_a_tool_tells_that_is_nothing_to_us_is_a_success_that_says_why() {
    let world = tools(&["s"]);
    let mut answers = String::new();
    for (what, with) in [
        ("acme/shop", "acme/other"),
        ("acme/shop", ""),
        ("env/dev@sha1:731f7eaddfb6af01cb2173e18f0f75b0ba780ef1", "6.5.4"),
        ("\"Kustomization\"", "\"GitRepository\""),
        ("\"severity\"", "\"gravity\""),
    ] {
        let body = TOOL_BODY.replace(what, with);
        let proof = signature("s", body.as_bytes());
        let (status, words) = world.answer(told(Tool::Flux, Some(&proof), body)).await;
        answers += &format!("{status} {words}\n");
    }
    insta::assert_snapshot!(answers, @"
    200 the repository `acme/other` is not served
    200 no repository is named; `hydromote init --cd` prints what has to be configured
    200 no commit is named, so there is nothing to report on
    200 nothing to do: only events of Kustomizations say what runs
    200 the body is not as expected: a field is missing or has another form
    ");
    let proof = signature("s", b"no JSON");
    assert_eq!(world.status_of(told(Tool::Flux, Some(&proof), "no JSON")).await, 400);
    let large = vec![b' '; (1 << 20) + 1];
    assert_eq!(world.status_of(told(Tool::Flux, Some(&signature("s", &large)), large)).await, 413);
    assert_eq!(world.deployed(), []);
}
