//! Runs one program: the only place that starts processes.
//!
//! Guarantees:
//!
//! - The program sees no environment but ours: no variables of the service, no home folder, no
//!   programs on its path, no proxies, no terminal; standard input is closed.
//! - It runs in a process group of its own, which is killed whole when it takes too long, writes
//!   too much, or when nobody waits for it any more.
//! - Memory, processor time, file sizes, open files and threads are limited by the kernel.
//! - What else of the machine it can reach is for [`sandbox`](crate::sandbox) to say.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::launch::{EXIT_NOT_STARTED, Launcher, MESSAGE};
use crate::temporary::TemporaryFolder;

/// By how many percent of what is alive memory grows before Go's collector runs. Renderers live for milliseconds: with
/// Go's own 100, Helm spends twice the processor time on a small chart.
const GO_COLLECTS: &str = "400";

/// Share of the memory limit that Go's collector aims to stay under.
const GO_SOFT_SHARE: f64 = 0.8;

/// How often the scratch folder of a program is looked at, which no limit of the kernel covers.
const LOOK: Duration = Duration::from_millis(100);
/// How many files and folders a program may leave there.
const SCRATCH_ENTRIES: u64 = 10_000;

/// What one run of a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time on the clock.
    pub wall: Duration,
    /// Time on processors, in whole seconds.
    pub cpu: Duration,
    /// Memory, per process; what a runtime reserves and does not use comes on top of it.
    pub memory_bytes: u64,
    /// What it may write to standard output.
    pub stdout_bytes: usize,
    /// What it may write to standard error.
    pub stderr_bytes: usize,
    /// The largest file that it may write.
    pub file_bytes: u64,
    /// How much it may have in its scratch folder, all files together.
    pub scratch_bytes: u64,
    /// How many files it may have open.
    pub open_files: u64,
    /// How many threads it may have. The kernel counts them by user, so this holds where the program
    /// has a user namespace of its own, and not for root.
    pub threads: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(60),
            cpu: Duration::from_secs(60),
            memory_bytes: 2 << 30,
            stdout_bytes: 64 << 20,
            stderr_bytes: 1 << 20,
            file_bytes: 64 << 20,
            scratch_bytes: 256 << 20,
            open_files: 1024,
            threads: 512,
        }
    }
}

/// A private folder of one rendering: home, temporary files, and what we give to the program.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TemporaryFolder,
}

impl Scratch {
    pub(crate) fn new() -> std::io::Result<Self> {
        let scratch = Self { folder: TemporaryFolder::new()? };
        for name in ["home", "temporary", "plugins", "programs"] {
            std::fs::create_dir(scratch.path().join(name))?;
        }
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folders in which a program may write.
    pub(crate) fn writable(&self) -> [PathBuf; 2] {
        ["home", "temporary"].map(|name| self.path().join(name))
    }
}

/// One run of a program.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: &'a [OsString],
    /// Where it runs, and what it may read.
    pub(crate) folder: &'a Path,
    pub(crate) scratch: &'a Scratch,
    pub(crate) limits: &'a Limits,
    /// Whether the launcher says on standard error what of the sandbox is not there.
    pub(crate) explains: bool,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// Why a program did not come to an end of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("could not start `{program}`: {reason}")]
    NotStarted { program: String, reason: String },
    #[error("it took longer than {} s", .0.as_secs_f64())]
    TooSlow(Duration),
    #[error("it wrote more than {0} bytes")]
    TooMuchOutput(usize),
    #[error("it keeps more than {0} bytes or {SCRATCH_ENTRIES} temporary files")]
    TooMuchKept(u64),
    #[error("could not read its output")]
    Pipe(#[source] std::io::Error),
}

/// Starts programs and counts them.
#[derive(Debug)]
pub(crate) struct Runner {
    launcher: Launcher,
    starts: AtomicU64,
}

impl Runner {
    pub(crate) fn new(launcher: Launcher) -> Self {
        Self { launcher, starts: AtomicU64::new(0) }
    }

    pub(crate) fn starts(&self) -> u64 {
        self.starts.load(Ordering::Relaxed)
    }

    /// Runs a program to its end, or to the first limit that it reaches.
    pub(crate) async fn run(&self, call: Call<'_>) -> Result<Output, ProgramError> {
        let not_started = |reason: String| ProgramError::NotStarted {
            program: call.program.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            reason,
        };
        let mut child = self.command(&call).spawn().map_err(|error| not_started(error.to_string()))?;
        self.starts.fetch_add(1, Ordering::Relaxed);
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let stdout = child.stdout.take().expect("because standard output is a pipe");
        let stderr = child.stderr.take().expect("because standard error is a pipe");
        let work = async {
            let (stdout, stderr) =
                tokio::try_join!(read(stdout, call.limits.stdout_bytes), read(stderr, call.limits.stderr_bytes))?;
            let status = child.wait().await.map_err(ProgramError::Pipe)?;
            Ok(Output { status, stdout, stderr })
        };
        let result = tokio::select! {
            result = tokio::time::timeout(call.limits.wall, work) => {
                result.unwrap_or(Err(ProgramError::TooSlow(call.limits.wall)))
            }
            () = fills(call.scratch, call.limits.scratch_bytes) => {
                Err(ProgramError::TooMuchKept(call.limits.scratch_bytes))
            }
        };
        drop(group);
        let output = result?;
        let message = String::from_utf8_lossy(&output.stderr);
        match message.trim().strip_prefix(MESSAGE) {
            Some(reason) if output.status.code() == Some(EXIT_NOT_STARTED) => Err(not_started(reason.to_string())),
            _ => Ok(output),
        }
    }

    fn command(&self, call: &Call<'_>) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the wrapper")]
        let mut command = Command::new(&self.launcher.program);
        command
            .args(self.launcher.arguments(call))
            .args(call.args)
            .current_dir(call.folder)
            .env_clear()
            .envs(environment(call.scratch, call.limits))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// Returns the whole environment of a program.
fn environment(scratch: &Scratch, limits: &Limits) -> Vec<(&'static str, OsString)> {
    let folder = |name: &str| scratch.path().join(name).into_os_string();
    // Truncation is what is wanted: a number of bytes.
    let go_memory = (limits.memory_bytes as f64 * GO_SOFT_SHARE) as u64;
    vec![
        ("PATH", folder("programs")),
        ("HOME", folder("home")),
        ("TMPDIR", folder("temporary")),
        ("XDG_CACHE_HOME", folder("home")),
        ("XDG_CONFIG_HOME", folder("home")),
        ("XDG_DATA_HOME", folder("home")),
        ("HELM_CACHE_HOME", folder("home")),
        ("HELM_CONFIG_HOME", folder("home")),
        ("HELM_DATA_HOME", folder("home")),
        ("HELM_PLUGINS", folder("plugins")),
        ("KUSTOMIZE_PLUGIN_HOME", folder("plugins")),
        ("GOGC", GO_COLLECTS.into()),
        ("GOMEMLIMIT", go_memory.to_string().into()),
        ("GIT_TERMINAL_PROMPT", "0".into()),
        ("TZ", "UTC".into()),
        ("LC_ALL", "C".into()),
    ]
}

/// A process group that does not outlive this value.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It fails when nothing of the group is left, which is as wanted.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Waits until a scratch folder holds more than it may.
async fn fills(scratch: &Scratch, limit: u64) {
    loop {
        tokio::time::sleep(LOOK).await;
        if kept(&scratch.writable()).is_none_or(|bytes| bytes > limit) {
            return;
        }
    }
}

/// Returns how many bytes folders hold; nothing when they hold too many entries, or cannot be looked at.
fn kept(folders: &[PathBuf]) -> Option<u64> {
    let (mut ahead, mut bytes, mut entries) = (folders.to_vec(), 0, 0);
    while let Some(folder) = ahead.pop() {
        let items = match std::fs::read_dir(&folder) {
            Ok(items) => items,
            // The program may clean up while this looks.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(_) => return None,
        };
        for item in items {
            let Ok(metadata) = item.as_ref().map_err(|_| ()).and_then(|item| item.metadata().map_err(|_| ())) else {
                continue;
            };
            entries += 1;
            bytes += metadata.blocks() * 512;
            if metadata.is_dir() {
                ahead.push(item.ok()?.path());
            }
        }
        if entries > SCRATCH_ENTRIES {
            return None;
        }
    }
    Some(bytes)
}

/// Reads a pipe to its end, or to the limit.
async fn read(pipe: impl AsyncRead + Unpin, limit: usize) -> Result<Vec<u8>, ProgramError> {
    let mut content = Vec::new();
    let more = limit as u64 + 1;
    pipe.take(more).read_to_end(&mut content).await.map_err(ProgramError::Pipe)?;
    if content.len() > limit { Err(ProgramError::TooMuchOutput(limit)) } else { Ok(content) }
}
