//! A proxy for HTTP: who stands [`Between`] decides what becomes of each request, and of its answer.
//!
//! A connection carries one request, so that what goes wrong with one is nothing to the next. Requests and answers are
//! read whole before anything is passed on: nothing large is sent here.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::Client;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::world::Fallible;

/// The longest line of a request's head.
const LINE: u64 = 16 << 10;
/// The most headers of a request.
const HEADERS: usize = 100;
/// The largest body of a request.
const BODY: u64 = 64 << 20;
/// How many pieces an answer is sent in that comes slowly, and the time between two of them.
const PIECES: (usize, Duration) = (8, Duration::from_millis(10));
/// What is not passed on: it is about one connection, or about the way in which a body is sent.
const OF_A_CONNECTION: [HeaderName; 7] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::EXPECT,
    // Answers are read here.
    header::ACCEPT_ENCODING,
    header::UPGRADE,
];

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Told {
    /// Returns an answer that nobody behind the proxy gave.
    pub(crate) fn made_up(status: u16, content: &'static str, headers: &[(HeaderName, &str)], body: &str) -> Self {
        let mut all = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content))]);
        for (name, value) in headers {
            all.extend(HeaderValue::from_str(value).ok().map(|value| (name.clone(), value)));
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, headers: all, body: Bytes::copy_from_slice(body.as_bytes()) }
    }
}

/// How a request is answered.
pub(crate) enum Fate {
    Answered(Told),
    /// A piece of it after another.
    Slowly(Told),
    /// Half of it; then the connection is reset.
    Torn(Told),
    /// Half of it, and nothing more until who asked goes away.
    Stalled(Told),
    /// The connection is reset.
    Reset,
    /// Nothing is said until who asked goes away.
    Silence,
}

/// Decides what becomes of requests.
#[async_trait]
pub(crate) trait Between: Send + Sync {
    async fn decide(&self, asked: Asked, behind: &Arc<Behind>) -> Fate;
}

/// What is behind a proxy.
pub(crate) struct Behind {
    client: Client,
    /// Its address, without a slash at the end.
    url: String,
    /// The proxy's own.
    own: String,
}

impl Behind {
    /// Asks it. Where it says how a repository is cloned, that leads through the proxy too.
    pub(crate) async fn ask(&self, asked: &Asked) -> Told {
        match self.exchange(asked).await {
            Ok(told) => told,
            Err(error) => Told::made_up(502, "text/plain", &[], &error.to_string()),
        }
    }

    async fn exchange(&self, asked: &Asked) -> reqwest::Result<Told> {
        let mut headers = asked.headers.clone();
        OF_A_CONNECTION.iter().for_each(|name| drop(headers.remove(name)));
        let request = self.client.request(asked.method.clone(), format!("{}{}", self.url, asked.path));
        let answer = request.headers(headers).body(asked.body.clone()).send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        let mut body = answer.bytes().await?;
        OF_A_CONNECTION.iter().for_each(|name| drop(headers.remove(name)));
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json")
            && let Ok(text) = std::str::from_utf8(&body)
        {
            let key = |url: &str| format!("\"clone_url\":\"{url}/");
            body = Bytes::from(text.replace(&key(&self.url), &key(&self.own)));
        }
        Ok(Told { status, headers, body })
    }
}

/// A running proxy.
pub(crate) struct Proxy {
    url: String,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Starts one before the server at `url`.
    pub(crate) async fn start(url: &str, between: Arc<dyn Between>) -> Fallible<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let own = format!("http://{}", listener.local_addr()?);
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let behind = Arc::new(Behind { client, url: url.trim_end_matches('/').to_owned(), own: own.clone() });
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (between, behind) = (between.clone(), behind.clone());
                // Who goes away early, or says what is no request, gets nothing.
                tokio::spawn(async move { drop(serve(stream, &*between, &behind).await) });
            }
        });
        Ok(Self { url: own, listening })
    }

    /// Returns its address, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(stream: TcpStream, between: &dyn Between, behind: &Arc<Behind>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(asked) = read(&mut stream).await? else { return Ok(()) };
    let fate = between.decide(asked, behind).await;
    let mut stream = stream.into_inner();
    match fate {
        Fate::Answered(told) => stream.write_all(&written(&told)).await?,
        Fate::Slowly(told) => {
            let all = written(&told);
            let mut ticks = tokio::time::interval(PIECES.1);
            for piece in all.chunks(all.len().div_ceil(PIECES.0)) {
                ticks.tick().await;
                stream.write_all(piece).await?;
            }
        }
        Fate::Torn(told) => {
            let all = written(&told);
            stream.write_all(&all[..all.len() / 2]).await?;
            stream.set_zero_linger()?;
        }
        Fate::Stalled(told) => {
            let all = written(&told);
            stream.write_all(&all[..all.len() / 2]).await?;
            gone(&mut stream).await;
        }
        Fate::Reset => stream.set_zero_linger()?,
        Fate::Silence => gone(&mut stream).await,
    }
    Ok(())
}

/// Waits until the other end has closed the connection.
async fn gone(stream: &mut TcpStream) {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

/// Reads a request whole; nothing when the other end said nothing.
async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Asked>> {
    let first = line(stream).await?;
    let mut words = first.split(' ');
    let (Some(method), Some(path)) = (words.next().filter(|word| !word.is_empty()), words.next()) else {
        return Ok(None);
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(odd)?;
    let mut headers = HeaderMap::new();
    loop {
        let line = line(stream).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        if headers.len() >= HEADERS {
            return Err(odd("too many headers"));
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(odd)?;
        headers.append(name, HeaderValue::from_str(value.trim()).map_err(odd)?);
    }
    if headers.contains_key(header::EXPECT) {
        stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = if headers.contains_key(header::TRANSFER_ENCODING) {
        chunks(stream).await?
    } else {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        exactly(stream, length.unwrap_or_default()).await?
    };
    Ok(Some(Asked { method, path: path.to_owned(), headers, body: body.into() }))
}

async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    stream.take(LINE).read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

async fn exactly(stream: &mut BufReader<TcpStream>, length: u64) -> std::io::Result<Vec<u8>> {
    if length > BODY {
        return Err(odd("the body is too large"));
    }
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body).await?;
    Ok(body)
}

/// Reads a body of which nobody knew the length when it was begun.
async fn chunks(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = line(stream).await?;
        let length = u64::from_str_radix(length.split(';').next().unwrap_or_default(), 16).map_err(odd)?;
        body.extend(exactly(stream, length).await?);
        line(stream).await?;
        if length == 0 {
            return Ok(body);
        }
        if body.len() as u64 > BODY {
            return Err(odd("the body is too large"));
        }
    }
}

fn odd(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error)
}

/// Returns the bytes of an answer.
fn written(told: &Told) -> Vec<u8> {
    let reason = told.status.canonical_reason().unwrap_or("Unknown");
    let mut all = format!("HTTP/1.1 {} {reason}\r\n", told.status.as_u16()).into_bytes();
    for (name, value) in &told.headers {
        all.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let length = match told.status {
        // These have no body, and say nothing of one.
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => String::new(),
        _ => format!("content-length: {}\r\n", told.body.len()),
    };
    all.extend(format!("{length}connection: close\r\n\r\n").into_bytes());
    all.extend_from_slice(&told.body);
    all
}
