//! A chart repository on this machine, whose content a test changes.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse};
use flate2::{Compression, write::GzEncoder};
use tokio::{net::TcpListener, task::JoinHandle};

/// A chart repository.
pub(crate) struct ChartHost {
    address: SocketAddr,
    content: Arc<Mutex<Content>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Content {
    /// Archives by name and version.
    archives: BTreeMap<(String, String), Vec<u8>>,
    is_away: bool,
    asked: Vec<String>,
}

impl ChartHost {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let content = Arc::<Mutex<Content>>::default();
        let answering = content.clone();
        let app = Router::new().fallback(async move |request: Request| {
            let mut content = answering.lock().unwrap_or_else(PoisonError::into_inner);
            content.asked.push(request.uri().path().to_owned());
            match content.answer(request.uri().path()) {
                Some(bytes) => bytes.into_response(),
                None if content.is_away => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("a server") });
        Self { address, content, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Packs a chart with one ConfigMap that says `level`, and has the index name it.
    pub(crate) fn publish(&self, name: &str, version: &str, level: &str) {
        let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
        let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-{{ .Chart.Name }}\ndata:\n  \
                        version: {{ .Chart.Version | quote }}\n  level: {{ .Values.level }}\n";
        let values = format!("level: {level}\n");
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, text) in [("Chart.yaml", &*chart), ("templates/map.yaml", template), ("values.yaml", &values)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).expect("an entry");
        }
        let archive = builder.into_inner().and_then(GzEncoder::finish).expect("an archive");
        self.content().archives.insert((name.to_owned(), version.to_owned()), archive);
    }

    /// Has it answer nothing any more, or again.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.content().is_away = is_away;
    }

    /// Returns the paths that it was asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.content().asked)
    }

    fn content(&self) -> std::sync::MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn answer(&self, path: &str) -> Option<Vec<u8>> {
        if self.is_away {
            return None;
        }
        if path == "/index.yaml" {
            let mut entries: BTreeMap<&str, Vec<serde_json::Value>> = BTreeMap::new();
            for (name, version) in self.archives.keys() {
                let urls = [format!("{name}-{version}.tgz")];
                entries.entry(name).or_default().push(serde_json::json!({"version": version, "urls": urls}));
            }
            return Some(serde_json::json!({"apiVersion": "v1", "entries": entries}).to_string().into_bytes());
        }
        let of = |(name, version): &(String, String)| format!("/{name}-{version}.tgz");
        self.archives.iter().find_map(|(key, archive)| (of(key) == path).then(|| archive.clone()))
    }
}

impl Drop for ChartHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}
