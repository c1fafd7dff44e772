//! A host that answers over HTTP, and remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
    response::Response,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// A host on this machine.
pub(super) struct Host {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// With its query.
    pub(super) path: String,
    pub(super) authorization: Option<String>,
}

/// An answer.
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl Answer {
    pub(super) fn ok(body: impl Into<Body>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub(super) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: "a page with s3cret inside".into() }
    }

    pub(super) fn redirect(to: String) -> Self {
        Self::status(307).with("location", to)
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Host {
    pub(super) async fn serve(answer: impl Fn(&Seen) -> Answer + Clone + Send + Sync + 'static) -> Self {
        Self::serve_on(TcpListener::bind(("127.0.0.1", 0)).await.expect("a port"), answer)
    }

    /// Serves on a port whose number its answers hold.
    pub(super) fn serve_on(
        listener: TcpListener,
        answer: impl Fn(&Seen) -> Answer + Clone + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let remembered = seen.clone();
        let app = Router::new().fallback(move |request: Request| {
            let one = Seen {
                path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
                authorization: text(request.headers(), header::AUTHORIZATION.as_str()),
            };
            remembered.lock().expect("a lock").push(one.clone());
            let Answer { status, headers, body } = answer(&one);
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            let response = response.body(body).expect("a response");
            async move { response }
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("a server") });
        Self { address, seen, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns it with its port.
    pub(super) fn name(&self) -> String {
        self.address.to_string()
    }

    /// Returns what it was asked since the last time.
    pub(super) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("a lock"))
    }

    /// Returns the paths that it was asked for, each with what was shown to it.
    pub(super) fn asked(&self) -> Vec<String> {
        let shown = |seen: Seen| format!("{} {}", seen.path, seen.authorization.as_deref().unwrap_or("-"));
        self.seen().into_iter().map(shown).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
