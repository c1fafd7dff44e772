//! Tries from inside what a renderer may not do, and tells what of it was possible.
//!
//! Asking the kernel for version numbers would say what should hold; this says what does, behind
//! whatever a container or a service manager adds.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::launch::{EXPLAINED, Launcher};
use crate::program::{Call, Limits, ProgramError, Runner, Scratch};
use crate::temporary::TemporaryFolder;

/// The word before its arguments, in the place of the launcher's.
pub(crate) const WORD: &str = "probe";
/// What it ends with, so that silence is no good news.
const TRIED: &str = "tried";
/// The file that lies outside of the sandbox, and the socket.
const CANARY: &str = "canary";
const SOCKET: &str = "socket";
/// How long it may take, connections included.
const LIMIT: Duration = Duration::from_secs(20);

/// Something that a renderer may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    /// Read a file that was not given to it.
    Read,
    /// List such a folder.
    List,
    /// Write there.
    Write,
    /// Connect to another program by TCP.
    Connect,
    /// Wait for connections.
    Listen,
    /// Send a datagram, as questions for names are.
    Datagram,
    /// Talk to another program of this machine by a socket that is a file.
    LocalSocket,
    /// Start a process.
    StartProcess,
    /// Signal the process that started it.
    Signal,
}

impl Attempt {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::List,
        Self::Write,
        Self::Connect,
        Self::Listen,
        Self::Datagram,
        Self::LocalSocket,
        Self::StartProcess,
        Self::Signal,
    ];

    /// Returns it in words, after "a renderer could".
    pub fn words(self) -> &'static str {
        match self {
            Self::Read => "read other files",
            Self::List => "list other folders",
            Self::Write => "write other files",
            Self::Connect => "open connections",
            Self::Listen => "wait for connections",
            Self::Datagram => "send datagrams",
            Self::LocalSocket => "use sockets of this machine",
            Self::StartProcess => "start programs",
            Self::Signal => "signal other processes",
        }
    }

    fn succeeds(self, ground: &Ground) -> bool {
        match self {
            Self::Read => fs::read(ground.folder.join(CANARY)).is_ok(),
            Self::List => fs::read_dir(&ground.folder).is_ok(),
            Self::Write => fs::write(ground.folder.join("written"), "x").is_ok(),
            Self::Connect => TcpStream::connect((Ipv4Addr::LOCALHOST, ground.port)).is_ok(),
            Self::Listen => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).is_ok(),
            Self::Datagram => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|socket| socket.send_to(b"x", (Ipv4Addr::LOCALHOST, ground.port)))
                .is_ok(),
            Self::LocalSocket => UnixStream::connect(ground.folder.join(SOCKET)).is_ok(),
            Self::StartProcess => can_start(&ground.program),
            Self::Signal => rustix::process::getppid().is_some_and(|it| rustix::process::test_kill_process(it).is_ok()),
        }
    }
}

/// What the attempts are made on.
struct Ground {
    folder: PathBuf,
    port: u16,
    program: PathBuf,
}

/// What holds of the sandbox on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// What a renderer could do although it should not.
    pub possible: Vec<Attempt>,
    /// The layers that are not there, and what to do about it. Some can be without what others hold too.
    pub absent: Vec<String>,
}

impl Confinement {
    /// Finds out, by way of a process that tries.
    ///
    /// # Errors
    ///
    /// When the process cannot be started or does not come to its end, in words for the operator.
    pub async fn of(launcher: &Launcher) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("could not try out the sandbox: {error}");
        let outside = TemporaryFolder::new().map_err(told)?;
        fs::write(outside.path().join(CANARY), "canary").map_err(told)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(told)?;
        let _socket = UnixListener::bind(outside.path().join(SOCKET)).map_err(told)?;
        let port = listener.local_addr().map_err(told)?.port();

        let scratch = Scratch::new().map_err(told)?;
        let mut args = launcher.args.clone();
        args.extend([WORD.into(), outside.path().into(), port.to_string().into()]);
        let limits = Limits { wall: LIMIT, ..Limits::default() };
        let call = Call {
            program: &launcher.program,
            args: &args,
            folder: scratch.path(),
            scratch: &scratch,
            limits: &limits,
            explains: true,
        };
        let output = Runner::new(launcher.clone()).run(call).await.map_err(|error| match error {
            ProgramError::NotStarted { reason, .. } => reason,
            other => format!("could not try out the sandbox: {other}"),
        })?;
        let (said, explained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let words: Vec<&str> = said.lines().collect();
        if words.last() != Some(&TRIED) {
            return Err(format!("could not try out the sandbox: {}", explained.trim()));
        }
        let absent = explained.lines().filter_map(|line| line.strip_prefix(EXPLAINED)).map(str::to_string).collect();
        let possible = Attempt::ALL.into_iter().filter(|attempt| words.contains(&attempt.words())).collect();
        Ok(Self { possible, absent })
    }

    /// Returns whether a renderer can do nothing that it should not.
    pub fn holds(&self) -> bool {
        self.possible.is_empty()
    }

    /// Returns what holds or does not, in words.
    pub fn summary(&self) -> String {
        if self.holds() {
            return "renderers reach their own files only, no network, and no other program".into();
        }
        let words: Vec<&str> = self.possible.iter().map(|attempt| attempt.words()).collect();
        format!("the kernel does not keep renderers in: one that is taken over could {}", words.join(", "))
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        match self.absent.as_slice() {
            [] => Ok(()),
            absent => write!(f, "; {}", absent.join("; ")),
        }
    }
}

/// Tries everything, as the program that the launcher has become. Does not return.
pub(crate) fn run(mut args: impl Iterator<Item = OsString>) -> ! {
    let folder = args.next().map(PathBuf::from);
    let port = args.next().and_then(|port| port.to_str()?.parse().ok());
    if let (Some(folder), Some(port), Ok(program)) = (folder, port, std::env::current_exe()) {
        let ground = Ground { folder, port, program };
        let possible = Attempt::ALL.into_iter().filter(|attempt| attempt.succeeds(&ground));
        let words: Vec<&str> = possible.map(Attempt::words).chain([TRIED]).collect();
        // When nobody listens any more, nobody wants to know.
        drop(writeln!(std::io::stdout(), "{}", words.join("\n")));
    }
    std::process::exit(0)
}

/// Only its start counts, not what comes of it.
fn can_start(program: &Path) -> bool {
    #[expect(clippy::disallowed_methods, reason = "this tries to get around the wrapper")]
    let started = Command::new(program).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    started.is_ok()
}
