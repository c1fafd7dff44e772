//! A forge that answers from a script and remembers what it was asked.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use http::HeaderMap;
use serde_json::Value;

pub(in crate::forge) type TestResult = Result<(), Box<dyn std::error::Error>>;

/// One scripted answer.
pub(in crate::forge) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    delay: Duration,
    writes: Option<(PathBuf, String)>,
}

impl Reply {
    pub(in crate::forge) fn json(status: u16, body: Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub(in crate::forge) fn message(status: u16, message: &str) -> Self {
        Self::json(status, serde_json::json!({ "message": message }))
    }

    pub(in crate::forge) fn empty(status: u16) -> Self {
        Self::text(status, "")
    }

    pub(in crate::forge) fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned(), delay: Duration::ZERO, writes: None }
    }

    pub(in crate::forge) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the answer that comes when this was written into a file.
    pub(in crate::forge) fn after_writing(mut self, file: &Path, text: &str) -> Self {
        self.writes = Some((file.to_owned(), text.to_owned()));
        self
    }

    /// Returns the answer held back for longer than the tests' clients wait.
    pub(in crate::forge) fn too_late(mut self) -> Self {
        self.delay = Duration::from_secs(30);
        self
    }
}

/// One request as it came in.
pub(in crate::forge) struct Seen {
    pub(in crate::forge) line: String,
    pub(in crate::forge) headers: HeaderMap,
    pub(in crate::forge) body: Value,
}

impl Seen {
    pub(in crate::forge) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[derive(Default)]
struct Script {
    replies: VecDeque<Reply>,
    seen: Vec<Seen>,
}

/// The server; it answers in the order of the script, whatever it is asked, and 599 after its end.
pub(in crate::forge) struct Scripted {
    script: Arc<Mutex<Script>>,
    /// Its address, without a slash at its end.
    pub(in crate::forge) url: String,
}

impl Scripted {
    pub(in crate::forge) async fn start(replies: Vec<Reply>) -> Result<Self, std::io::Error> {
        let script = Arc::new(Mutex::new(Script { replies: replies.into(), seen: Vec::new() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { script, url })
    }

    /// Returns the requests so far, and forgets them.
    pub(in crate::forge) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.script.lock().expect("because no test panics inside the server").seen)
    }

    /// Returns method, path and query of the requests so far, and forgets them.
    pub(in crate::forge) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let reply = {
        let mut script = script.lock().expect("because no test panics inside the server");
        script.seen.push(Seen {
            line: format!("{} {}", parts.method, parts.uri),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        });
        script.replies.pop_front().unwrap_or_else(|| Reply::message(599, "the script has ended"))
    };
    if let Some((file, text)) = reply.writes {
        std::fs::write(file, text).expect("because the folder is the test's own");
    }
    tokio::time::sleep(reply.delay).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).expect("because the scripts use valid codes and headers")
}
