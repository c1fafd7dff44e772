//! Git over HTTP: `git http-backend` as a CGI program behind our own rights and rules.
//!
//! - Bodies are streamed in both directions, except a push's answer: what follows a push (heads of pull requests,
//!   webhooks) is done before `git push` returns.
//! - The program gets a cleared environment; a push also gets the rules of protected branches, which the repository's
//!   update hook enforces per ref, so that `--atomic` holds.

use std::{process::Stdio, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header},
};
use futures::{StreamExt, TryStreamExt};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout, Command},
};
use tokio_util::io::{ReaderStream, StreamReader};

use super::{
    credentials,
    faults::FaultKind,
    hub::Hub,
    protection,
    refusal::Refusal,
    state::{Account, Permission},
};

/// How long one git request may take.
const GIT_WITHIN: Duration = Duration::from_secs(300);
/// How long the CGI headers may be.
const HEADER_BYTES: usize = 16 * 1024;
/// How long a push's answer may be.
const PUSH_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// A request to a repository.
struct Asked {
    key: String,
    /// What follows `<name>.git`, with its slash.
    rest: String,
    query: String,
    account: Option<Account>,
}

impl Asked {
    fn is_push(&self) -> bool {
        self.rest == "/git-receive-pack" || self.query.contains("service=git-receive-pack")
    }
}

/// Answers a git request for `key`.
pub(super) async fn handle(hub: Arc<Hub>, key: String, rest: String, request: Request<Body>) -> Response<Body> {
    let fault = hub.faults.take(request.method().as_str(), &format!("/{key}.git{rest}"));
    match fault {
        Some(FaultKind::Status(status)) => return refuse(&Refusal::new(status, "Server Error")),
        Some(FaultKind::RateLimited { .. }) => return refuse(&Refusal::new(429, "Too Many Requests")),
        Some(FaultKind::Hang(time)) => {
            tokio::time::sleep(time).await;
            return refuse(&Refusal::new(504, "Gateway Timeout"));
        }
        Some(FaultKind::AnswerLost(_)) | None => {}
    }
    let response = answer(hub, key, rest, request).await;
    match fault {
        Some(FaultKind::AnswerLost(status)) => refuse(&Refusal::new(status, "Server Error")),
        _ => response,
    }
}

async fn answer(hub: Arc<Hub>, key: String, rest: String, request: Request<Body>) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let account = match credentials::caller(&hub, request.headers()) {
        Ok(caller) => caller.account(),
        Err(refusal) => return refuse(&refusal),
    };
    let asked = Asked { key, rest, query, account };
    let rules = match admit(&hub, &asked) {
        Ok(rules) => rules,
        Err(refusal) => return refuse(&refusal),
    };
    match tokio::time::timeout(GIT_WITHIN, run(&hub, &asked, &rules, request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::error!(error = format!("{error:#}"), "the local forge could not answer git");
            refuse(&Refusal::new(500, "Server Error"))
        }
        Err(_) => refuse(&Refusal::new(504, "Gateway Timeout")),
    }
}

/// Checks the right to fetch or push, and returns the rules for the update hook.
fn admit(hub: &Hub, asked: &Asked) -> Result<String, Refusal> {
    let known = ["/info/refs", "/git-upload-pack", "/git-receive-pack"];
    if !known.contains(&asked.rest.as_str()) {
        return Err(Refusal::not_found());
    }
    let login = asked.account.as_ref().map(|account| account.login.as_str());
    let state = hub.lock();
    let repository = state.repositories.get(&asked.key);
    let has = repository.map(|repository| repository.permission(login)).unwrap_or_default();
    let need = if asked.is_push() { Permission::Write } else { Permission::Read };
    match (repository, login) {
        (Some(repository), Some(login)) if has >= need => Ok(protection::push_rules(repository, login)),
        (Some(_), None) if has >= need => Ok(String::new()),
        // Without credentials git must be told that it may try with them.
        (_, None) => Err(Refusal::requires_authentication()),
        (Some(_), Some(_)) if has >= Permission::Read => Err(Refusal::new(403, "Permission denied.")),
        _ => Err(Refusal::not_found()),
    }
}

async fn run(hub: &Arc<Hub>, asked: &Asked, rules: &str, request: Request<Body>) -> anyhow::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let mut child = backend(hub, asked, rules, head.method.as_str(), &head.headers).spawn()?;
    let stdin = child.stdin.take();
    let feed = async move {
        let mut stdin = stdin?;
        let mut body = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
        // Git may stop reading early, for instance when it refuses a push: its own answer says so.
        let _ = tokio::io::copy(&mut body, &mut stdin).await;
        let _ = stdin.shutdown().await;
        Some(())
    };
    let feed = tokio::spawn(tokio::time::timeout(GIT_WITHIN, feed));
    let stdout = child.stdout.take().ok_or_else(|| anyhow::anyhow!("git has no output"))?;
    let mut stdout = BufReader::new(stdout);
    let response = read_head(&mut stdout).await?;
    if asked.rest == "/git-receive-pack" {
        // In a task of its own: a client that goes away must not leave refs moved and nobody told.
        let login = asked.account.as_ref().map(|account| account.login.clone()).unwrap_or_default();
        let push = finish_push(Arc::clone(hub), asked.key.clone(), login, child, stdout);
        let answer = tokio::spawn(push).await??;
        feed.abort();
        return Ok(response.map(|()| Body::from(answer)));
    }
    // The child lives as long as the stream: dropped early, it is killed.
    let stream = ReaderStream::new(stdout).chain(futures::stream::once(async move {
        let _ = child.wait().await;
        Ok(bytes::Bytes::new())
    }));
    Ok(response.map(|()| Body::from_stream(stream)))
}

/// Waits for the end of a push, acts on what it moved, and returns git's answer.
async fn finish_push(
    hub: Arc<Hub>,
    key: String,
    login: String,
    mut child: Child,
    stdout: BufReader<ChildStdout>,
) -> anyhow::Result<Vec<u8>> {
    let mut answer = Vec::new();
    stdout.take(PUSH_ANSWER_BYTES).read_to_end(&mut answer).await?;
    child.wait().await?;
    hub.work(move |desk| desk.take_refs(&key, &login)).await?;
    Ok(answer)
}

fn backend(hub: &Hub, asked: &Asked, rules: &str, method: &str, headers: &HeaderMap) -> Command {
    #[expect(clippy::disallowed_methods, reason = "git's own HTTP server is run as a CGI program")]
    let mut command = Command::new(&hub.git_program);
    command.arg("http-backend").env_clear().kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // Git finds its own programs and the hook's shell there.
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
        .env("GIT_PROJECT_ROOT", hub.git_root())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("HOME", &hub.dir)
        .env("PATH_INFO", format!("/{}.git{}", asked.key, asked.rest))
        .env("REQUEST_METHOD", method)
        .env("QUERY_STRING", &asked.query)
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("LOCAL_FORGE_RULES", rules);
    if let Some(account) = &asked.account {
        command.env("REMOTE_USER", &account.login).env("GIT_COMMITTER_NAME", &account.login);
        command.env("GIT_COMMITTER_EMAIL", account.email());
    }
    let passed = [
        (header::CONTENT_TYPE, "CONTENT_TYPE"),
        (header::CONTENT_LENGTH, "CONTENT_LENGTH"),
        (header::CONTENT_ENCODING, "HTTP_CONTENT_ENCODING"),
        (HeaderName::from_static("git-protocol"), "GIT_PROTOCOL"),
    ];
    for (name, variable) in passed {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            command.env(variable, value);
        }
    }
    command
}

/// Reads the CGI headers.
async fn read_head(stdout: &mut BufReader<ChildStdout>) -> anyhow::Result<Response<()>> {
    let mut response = Response::new(());
    let mut read = 0;
    loop {
        let mut line = String::new();
        read += stdout.read_line(&mut line).await?;
        let line = line.trim_end();
        if line.is_empty() || read > HEADER_BYTES {
            return Ok(response);
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default();
            *response.status_mut() = StatusCode::from_bytes(code.as_bytes())?;
        } else {
            response.headers_mut().insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
    }
}

fn refuse(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{}\n", refusal.message)));
    *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if refusal.status == 401 {
        let realm = HeaderValue::from_static("Basic realm=\"local forge\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    response
}
