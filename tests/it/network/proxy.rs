//! A proxy that opens tunnels to one place, whatever it is asked for, and remembers what it was asked for.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// More than any request for a tunnel.
const MOST_BYTES: usize = 16 << 10;

pub(super) struct TestProxy {
    /// Its address, without a slash at its end.
    pub(super) url: String,
    tunnels: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    /// Starts a proxy whose tunnels end at `target`, for one user.
    pub(super) async fn start(target: SocketAddr, user: &str, password: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let tunnels = Arc::new(Mutex::new(Vec::new()));
        let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
        let seen = tunnels.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, target, expected.clone(), seen.clone()));
            }
        });
        Ok(Self { url, tunnels })
    }

    /// Returns the places that tunnels were opened to, and forgets them.
    pub(super) fn tunnels(&self) -> Vec<String> {
        std::mem::take(&mut *self.tunnels.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(
    mut stream: TcpStream,
    target: SocketAddr,
    expected: String,
    seen: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MOST_BYTES {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Some(place) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
        return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n").await;
    };
    let credentials = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim().to_owned())
    });
    if credentials.as_deref() != Some(&expected) {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"test\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(refusal.as_bytes()).await;
    }
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(place.to_owned());
    let mut there = TcpStream::connect(target).await?;
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut there).await.map(drop)
}
