//! The service as operators run it: the program, a settings file, and a forge beside it.
//!
//! Nothing sleeps: [`until`] asks again and again, and gives up after a time.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hmac::{Hmac, Mac};
use hydromote::local_forge::{
    CommitFiles, LocalForge, Observer, Options, Permission, RepositoryOptions, Secret, StatusState,
};
use reqwest::{Client, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::world::{BOT, DEVELOPER, Fallible, REPOSITORY, TestResult};

/// How long anything may take to happen.
const WITHIN: Duration = Duration::from_secs(60);
/// How often it is asked for.
const ASK_EVERY: Duration = Duration::from_millis(40);
/// What the operator calls the forge; it is a part of the webhook's path.
pub(crate) const FORGE: &str = "acme_hub";
/// The webhook's secret.
pub(crate) const WEBHOOK_SECRET: &str = "s3cret-of-the-webhook";
/// The bearer token of everything that acts.
pub(crate) const API_TOKEN: &str = "s3cret-of-the-api";

/// Asks until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Fallible<Option<T>>) -> Fallible<T> {
    let mut ticks = tokio::time::interval(ASK_EVERY);
    let asked = tokio::time::timeout(WITHIN, async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await? {
                return Fallible::Ok(answer);
            }
        }
    });
    asked.await.map_err(|_| format!("it took too long until {what}"))?
}

/// A forge and the settings of a service.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) forge: LocalForge,
    pub(crate) bot_token: Secret,
    /// The repository with the environments.
    pub(crate) home: &'static str,
    client: Client,
}

/// What differs from service to service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    /// After how long everything is read again.
    pub(crate) poll: &'a str,
    /// The repositories that it serves.
    pub(crate) served: &'a str,
    /// The GitHub App that it is, whose key is beside its settings; an account with a token where it is none.
    pub(crate) app: Option<u64>,
    /// The largest file that it may write.
    pub(crate) largest_file: Option<u64>,
    /// How much is logged.
    pub(crate) log: Option<&'a str>,
    /// What else stands in its environment.
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

impl Default for Start<'_> {
    fn default() -> Self {
        Self { poll: "1h", served: REPOSITORY, app: None, largest_file: None, log: None, environment: &[] }
    }
}

/// A running service.
pub(crate) struct Served {
    child: Child,
    log: Arc<Mutex<String>>,
    pub(crate) url: String,
    client: Client,
}

impl Site {
    /// Starts a forge with an empty repository.
    pub(crate) async fn new() -> Fallible<Self> {
        Self::observed(None).await
    }

    /// Starts a forge whose calls are observed.
    pub(crate) async fn observed(observer: Option<Observer>) -> Fallible<Self> {
        Self::with_home(REPOSITORY, observer).await
    }

    /// Starts a forge with the environments in this repository.
    pub(crate) async fn with_home(home: &'static str, observer: Option<Observer>) -> Fallible<Self> {
        Self::with(home, |options| Options { observer, ..options }).await
    }

    /// Starts a forge that is reached through what stands in front of it.
    pub(crate) async fn behind(url: &str) -> Fallible<Self> {
        Self::with(REPOSITORY, |options| Options { url: Some(url.to_owned()), ..options }).await
    }

    async fn with(home: &'static str, options: impl FnOnce(Options) -> Options) -> Fallible<Self> {
        hydromote::app::install_tls();
        let dir = tempfile::tempdir()?;
        let options = options(Options::new(dir.path().join("forge")));
        let forge = LocalForge::start(options).await?;
        let (_, bot_token) = forge.create_user(BOT).await?;
        forge.create_user(DEVELOPER).await?;
        for repository in BTreeSet::from([REPOSITORY, home]) {
            let (owner, name) = repository.split_once('/').ok_or("the repository has no owner")?;
            forge.create_repository(owner, name, RepositoryOptions::default()).await?;
            for (login, permission) in [(BOT, Permission::Write), (DEVELOPER, Permission::Admin)] {
                forge.grant(repository, login, permission).await?;
            }
        }
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let site = Self { dir, forge, bot_token, home, client };
        site.write("token", site.bot_token.expose())?;
        site.write("webhook-secret", WEBHOOK_SECRET)?;
        site.write("api-token", API_TOKEN)?;
        Ok(site)
    }

    /// Writes a file beside the settings.
    pub(crate) fn write(&self, name: &str, text: &str) -> TestResult {
        Ok(std::fs::write(self.dir.path().join(name), text)?)
    }

    /// Returns `hydromote serve` with the settings as they are written.
    pub(crate) fn serve_command(&self, largest_file: Option<u64>) -> Command {
        serve_command(self.dir.path(), largest_file)
    }

    /// Starts the service, and waits until it listens.
    pub(crate) async fn serve(&self, start: Start<'_>) -> Fallible<Served> {
        self.serve_at(&self.forge.api_url(), start).await
    }

    /// Starts the service with the forge at another address, and waits until it listens.
    pub(crate) async fn serve_at(&self, api: &str, start: Start<'_>) -> Fallible<Served> {
        let mut settings = settings(api, start);
        if self.home != REPOSITORY {
            settings += &format!("[[destinations]]\nfrom = ['{REPOSITORY}']\nto = ['{}']\n", self.home);
        }
        serve_with(self.dir.path(), &settings, &self.client, start).await
    }

    /// Has the forge send its webhooks to a service.
    pub(crate) async fn tell(&self, served: &Served) -> TestResult {
        let url = format!("{}/webhooks/{FORGE}", served.url);
        for repository in BTreeSet::from([REPOSITORY, self.home]) {
            self.forge.add_webhook(repository, &url, Some(Secret::new(WEBHOOK_SECRET)), &["*"]).await?;
        }
        Ok(())
    }

    /// Pushes a commit to the dry branch.
    pub(crate) async fn push(&self, subject: &str, files: Vec<(String, String)>) -> Fallible<String> {
        let commit = CommitFiles { branch: "main".to_owned(), message: subject.to_owned(), files };
        Ok(self.forge.commit_files(REPOSITORY, DEVELOPER, commit).await?)
    }

    /// Reports `health` as success on what runs in an environment.
    pub(crate) async fn healthy(&self, environment: &str) -> TestResult {
        let sha = self.branch(environment).await?.ok_or("nothing runs")?;
        self.forge.as_user(DEVELOPER).report_status(self.home, &sha, "health", StatusState::Success).await?;
        Ok(())
    }

    /// Returns the head of an environment's branch.
    pub(crate) async fn branch(&self, environment: &str) -> Fallible<Option<String>> {
        let repository = self.forge.repository(self.home).await?;
        Ok(repository.branch(&format!("env/{environment}")).map(str::to_owned))
    }

    /// Returns a file on an environment's branch.
    pub(crate) async fn file(&self, environment: &str, path: &str) -> Fallible<Option<String>> {
        let Some(head) = self.branch(environment).await? else { return Ok(None) };
        let git = git2::Repository::open_bare(self.forge.git_dir(self.home))?;
        let tree = git.find_commit(git2::Oid::from_str(&head)?)?.tree()?;
        let Ok(entry) = tree.get_path(std::path::Path::new(path)) else { return Ok(None) };
        Ok(Some(String::from_utf8(git.find_blob(entry.id())?.content().to_vec())?))
    }

    /// Takes the forge away; returns where it was.
    pub(crate) async fn end_forge(self) -> Fallible<Gone> {
        let address = self.forge.address();
        self.forge.shutdown().await?;
        // Bound and not listened on: connections are refused, and nobody else gets the port.
        let socket = until("the forge has let go of its address", async || {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            Ok(socket.bind(address).ok().map(|()| socket))
        })
        .await?;
        Ok(Gone { dir: self.dir, bot_token: self.bot_token, home: self.home, client: self.client, address, socket })
    }
}

/// A site whose forge is not there.
pub(crate) struct Gone {
    dir: tempfile::TempDir,
    bot_token: Secret,
    home: &'static str,
    client: Client,
    address: SocketAddr,
    socket: tokio::net::TcpSocket,
}

impl Gone {
    /// Returns the folder of everything.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the service, and waits until it listens.
    pub(crate) async fn serve(&self, api: &str, start: Start<'_>) -> Fallible<Served> {
        serve_with(self.dir.path(), &settings(api, start), &self.client, start).await
    }

    /// Runs a command; returns what it prints.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Fallible<String> {
        run(self.dir.path(), arguments).await
    }

    /// Brings the forge back as it was.
    pub(crate) async fn bring_back(self) -> Fallible<Site> {
        drop(self.socket);
        let mut options = Options::new(self.dir.path().join("forge"));
        options.listen = self.address;
        let forge = until("the forge is back", async || Ok(LocalForge::start(options.clone()).await.ok())).await?;
        Ok(Site { dir: self.dir, forge, bot_token: self.bot_token, home: self.home, client: self.client })
    }
}

impl Served {
    /// Returns what it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns its process.
    pub(crate) fn process(&self) -> Fallible<u32> {
        Ok(self.child.id().ok_or("it has ended")?)
    }

    /// Returns the arguments of its process.
    pub(crate) fn arguments(&self) -> Fallible<String> {
        let process = PathBuf::from(format!("/proc/{}/cmdline", self.child.id().ok_or("it has ended")?));
        Ok(String::from_utf8_lossy(&std::fs::read(process)?).replace('\0', " "))
    }

    /// Reads a path.
    pub(crate) async fn get(&self, path: &str) -> Fallible<(StatusCode, String)> {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// Reads a path of the API.
    pub(crate) async fn api(&self, path: &str) -> Fallible<Value> {
        Ok(serde_json::from_str(&self.get(&format!("/api/v1{path}")).await?.1)?)
    }

    /// Returns the only strategy, when there is one.
    pub(crate) async fn strategy(&self) -> Fallible<Option<Value>> {
        Ok(self.api("/strategies").await?["strategies"].get(0).cloned())
    }

    /// Returns what the service says of an environment.
    pub(crate) async fn environment(&self, name: &str) -> Fallible<Option<Value>> {
        let strategy = self.strategy().await?.unwrap_or_default();
        let places = strategy["environments"].as_array().cloned().unwrap_or_default();
        Ok(places.into_iter().find(|place| place["environment"] == name))
    }

    /// Returns what the service says of a place: `dev`, or `dev/cart` where there are lanes.
    pub(crate) async fn place(&self, name: &str) -> Fallible<Option<Value>> {
        let strategy = self.strategy().await?.unwrap_or_default();
        let places = strategy["environments"].as_array().cloned().unwrap_or_default();
        Ok(places.into_iter().find(|place| place["place"] == name))
    }

    /// Waits until an environment runs a dry SHA.
    pub(crate) async fn runs(&self, environment: &str, dry: &str) -> TestResult {
        let what = format!("{environment} runs {dry}");
        let asked = until(&what, async || {
            let place = self.environment(environment).await?.unwrap_or_default();
            Ok((place["drySha"] == dry).then_some(()))
        });
        asked.await.map_err(|error| format!("{error}\n{}", self.log()).into())
    }

    /// Waits until the service has a trouble, or none; returns its words.
    pub(crate) async fn trouble(&self) -> Fallible<String> {
        until("there is trouble", async || {
            let all = self.api("/strategies").await?;
            let trouble = all["strategies"][0]["trouble"].as_str().or(all["troubles"][0]["trouble"].as_str());
            Ok(trouble.map(str::to_owned))
        })
        .await
    }

    /// Waits until there is no trouble.
    pub(crate) async fn recovered(&self) -> TestResult {
        let asked = until("there is no trouble", async || {
            let all = self.api("/strategies").await?;
            let troubled = all["strategies"][0]["trouble"].is_string() || all["troubles"][0].is_object();
            Ok((!troubled).then_some(()))
        });
        asked.await.map_err(|error| format!("{error}\n{}", self.log()).into())
    }

    /// Delivers a webhook with a signature, or without.
    pub(crate) async fn deliver(
        &self,
        event: &str,
        id: &str,
        body: Vec<u8>,
        signature: Option<String>,
    ) -> Fallible<StatusCode> {
        let mut request = self.client.post(format!("{}/webhooks/{FORGE}", self.url));
        request = request.header("x-github-event", event).header("x-github-delivery", id);
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        Ok(request.body(body).send().await?.status())
    }

    /// Announces a signed delivery of so many bytes; returns how that is answered.
    pub(crate) async fn announce_body(&self, bytes: usize) -> Fallible<String> {
        let mut stream = tokio::net::TcpStream::connect(self.url.trim_start_matches("http://")).await?;
        let signature = "0".repeat(64);
        let head = format!(
            "POST /webhooks/{FORGE} HTTP/1.1\r\nHost: localhost\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: large\r\n\
             X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {bytes}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut line = String::new();
        tokio::time::timeout(WITHIN, BufReader::new(stream).read_line(&mut line)).await??;
        Ok(line)
    }

    /// Ends it as a service manager does.
    pub(crate) async fn terminate(mut self) -> Fallible<(ExitStatus, String)> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).ok_or("it has ended")?;
        kill_process(pid, Signal::TERM)?;
        let ended = tokio::time::timeout(WITHIN, self.child.wait()).await??;
        Ok((ended, self.log()))
    }

    /// Kills it.
    pub(crate) async fn kill(mut self) -> TestResult {
        Ok(self.child.kill().await?)
    }

    /// Tells it something; says how that was answered, and in which words.
    pub(crate) async fn act(&self, path: &str, body: &Value) -> Fallible<(StatusCode, String)> {
        let request = self.client.post(format!("{}/api/v1{path}", self.url)).bearer_auth(API_TOKEN);
        let answer = request.json(body).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// Returns how it ended, when it has.
    pub(crate) fn ended(&mut self) -> Fallible<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Says whether it still runs.
    pub(crate) fn is_up(&mut self) -> Fallible<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

/// Signs a body as the forge does.
pub(crate) fn sign(body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).ok()?;
    mac.update(body);
    Some(format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
}

/// Runs a command of the program in a folder; returns what it prints.
pub(crate) async fn run(dir: &Path, arguments: &[&str]) -> Fallible<String> {
    let output = program(dir).args(arguments).output().await?;
    Ok(String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?)
}

/// Returns the program, to be run in a folder.
fn program(dir: &Path) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the program is run here as operators run it")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_hydromote"));
    command
        .current_dir(dir)
        .env_clear()
        .env("XDG_RUNTIME_DIR", dir)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn serve_command(dir: &Path, largest_file: Option<u64>) -> Command {
    let mut command = program(dir);
    if let Some(bytes) = largest_file {
        let limit = format!("file-size={bytes}");
        command.args(["launch", "--", "sandbox=off", &limit, "--", env!("CARGO_BIN_EXE_hydromote")]);
    }
    command.args(["serve", "--config", "hydromote.toml"]);
    command
}

/// Loses everything that the service has written.
pub(crate) fn forget(dir: &Path) -> TestResult {
    std::fs::remove_dir_all(dir.join("data"))?;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hydromote.db")) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Starts the service with these settings in a folder, and waits until it listens.
pub(crate) async fn serve_with(dir: &Path, settings: &str, client: &Client, start: Start<'_>) -> Fallible<Served> {
    std::fs::write(dir.join("hydromote.toml"), settings)?;
    let mut command = serve_command(dir, start.largest_file);
    if let Some(log) = start.log {
        command.env("RUST_LOG", log);
    }
    command.envs(start.environment.iter().copied());
    let mut child = command.spawn()?;
    let log = Arc::new(Mutex::new(String::new()));
    let (lines, into) = (child.stderr.take().ok_or("no standard error")?, log.clone());
    let reading = tokio::spawn(async move {
        let mut lines = BufReader::new(lines).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            *into.lock().unwrap_or_else(PoisonError::into_inner) += &format!("{line}\n");
        }
    });
    let mut served = Served { child, log, url: String::new(), client: client.clone() };
    let address: SocketAddr = until("the service listens", async || {
        // What it said last is still to be read when it has ended.
        let ended = served.child.try_wait()?.filter(|_| reading.is_finished());
        let log = served.log();
        let found = log.split("serving on ").nth(1).and_then(|rest| rest.split_whitespace().next());
        match (found.and_then(|address| address.parse().ok()), ended) {
            (None, Some(ended)) => Err(format!("the service ended with {ended}:\n{log}").into()),
            (found, _) => Ok(found),
        }
    })
    .await?;
    served.url = format!("http://{address}");
    Ok(served)
}

fn settings(api: &str, Start { poll, served, app, .. }: Start<'_>) -> String {
    let credentials = match app {
        Some(id) => format!("app_id = {id}\nprivate_key_file = 'app-key.pem'"),
        None => "token_file = 'token'".to_owned(),
    };
    format!(
        "[server]
listen = '127.0.0.1:0'
[forges.{FORGE}]
kind = 'github'
api_url = '{api}'
{credentials}
webhook_secret_files = ['webhook-secret']
repositories = ['{served}']
[limits]
poll_interval = '{poll}'
forge_timeout = '1s'
forge_write_interval = '0s'
[service]
api_token_file = 'api-token'
"
    )
}
