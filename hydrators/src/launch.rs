//! The launcher: sets limits on itself, then becomes the program.
//!
//! Limits cannot be set between fork and exec without unsafe code, so every renderer is started
//! through a small program of ours that calls [`run`]. It is also the place for a sandbox of the
//! kernel, and knows nothing but its arguments.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Command};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::program::Limits;

/// The exit code when the program could not be started; renderers do not use it.
pub(crate) const EXIT_NOT_STARTED: i32 = 125;
/// Address space that a Go program reserves and does not use. It has to come on top of the memory
/// limit: Go's heap is not counted as data by the kernel, and less than this stops it at its start.
const RESERVED_BYTES: u64 = 1536 << 20;
/// How the launcher's own message begins.
pub(crate) const MESSAGE: &str = "launcher: ";

/// The program that calls [`run`], and the arguments that make it do so.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// Its absolute path.
    pub program: PathBuf,
    /// What comes before the arguments of [`run`].
    pub args: Vec<OsString>,
}

impl Launcher {
    /// Returns the arguments that start `program` under `limits`, without the program's own.
    pub(crate) fn arguments(&self, limits: &Limits, program: &OsStr) -> Vec<OsString> {
        let mut args = self.args.clone();
        let numbers = [
            limits.memory_bytes,
            limits.memory_bytes.saturating_add(RESERVED_BYTES),
            limits.cpu.as_secs().max(1),
            limits.file_bytes,
            limits.open_files,
            limits.processes.unwrap_or(0),
        ];
        args.extend(numbers.iter().map(|number| number.to_string().into()));
        args.push(program.to_os_string());
        args
    }
}

/// Sets limits on this process and replaces it by a program. `args` are what comes after the
/// launcher's own arguments. Does not return.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ! {
    let message = match launch(args.into_iter()) {
        Ok(error) => format!("could not start the program: {error}"),
        Err(message) => message,
    };
    // There is no one else to tell when standard error is closed.
    drop(writeln!(std::io::stderr(), "{MESSAGE}{message}"));
    process::exit(EXIT_NOT_STARTED)
}

/// Returns why the program did not start.
fn launch(mut args: impl Iterator<Item = OsString>) -> Result<std::io::Error, String> {
    let mut number = |name: &str| -> Result<u64, String> {
        let text = args.next().ok_or_else(|| format!("the {name} limit is missing"))?;
        text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("the {name} limit is no number"))
    };
    let limits = [
        (Resource::Data, number("memory")?),
        (Resource::As, number("address space")?),
        (Resource::Cpu, number("processor time")?),
        (Resource::Fsize, number("file size")?),
        (Resource::Nofile, number("open files")?),
        (Resource::Nproc, number("processes")?),
        (Resource::Core, 0),
    ];
    for (resource, limit) in limits {
        let is_unset = matches!(resource, Resource::Nproc) && limit == 0;
        if !is_unset {
            // What is set already, by a service manager perhaps, is never loosened.
            let limit = getrlimit(resource).maximum.map_or(limit, |there| there.min(limit));
            let both = Rlimit { current: Some(limit), maximum: Some(limit) };
            setrlimit(resource, both).map_err(|error| format!("could not set a limit: {error}"))?;
        }
    }
    let program = args.next().ok_or("the program is missing")?;
    #[expect(clippy::disallowed_methods, reason = "this is the wrapper's inner half")]
    let mut command = Command::new(program);
    Ok(command.args(args).exec())
}
