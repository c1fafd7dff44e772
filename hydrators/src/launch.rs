//! The launcher: gives up what a renderer may not have, then becomes the renderer.
//!
//! Neither limits nor a sandbox can be set between fork and exec without unsafe code, so every
//! renderer is started through a small program of ours that calls [`run`], and that knows nothing
//! but its arguments: words `name=value`, then `--`, the program, and the program's own.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Command};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::program::Call;
use crate::sandbox::{self, Grants, Layers, Sandbox};

/// The exit code when the program could not be started; renderers do not use it.
pub(crate) const EXIT_NOT_STARTED: i32 = 125;
/// Address space that a Go program reserves and does not use. It has to come on top of the memory
/// limit: Go's heap is not counted as data by the kernel, and less than this stops it at its start.
const RESERVED_BYTES: u64 = 1536 << 20;
/// How the launcher's own message begins.
pub(crate) const MESSAGE: &str = "launcher: ";
/// How it begins to say what of the sandbox is not there, when it was asked to.
pub(crate) const EXPLAINED: &str = "launcher: without: ";

/// The words for how much of the sandbox must hold.
const AVAILABLE: &str = "sandbox=available";
const REQUIRED: &str = "sandbox=required";
const OFF: &str = "sandbox=off";
/// The word that has the launcher say what of it does not.
const EXPLAINS: &str = "explain=yes";

/// The program that calls [`run`], and the arguments that make it do so.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// Its absolute path.
    pub program: PathBuf,
    /// What comes before the arguments of [`run`].
    pub args: Vec<OsString>,
    /// How much of the sandbox must hold.
    pub sandbox: Sandbox,
}

impl Launcher {
    /// Returns the arguments that start a program, without the program's own.
    pub(crate) fn arguments(&self, call: &Call<'_>) -> Vec<OsString> {
        let limits = call.limits;
        let word = |name: &str, value: &OsStr| {
            let mut word = OsString::from(format!("{name}="));
            word.push(value);
            word
        };
        let number = |name: &str, value: u64| OsString::from(format!("{name}={value}"));
        let mut args = self.args.clone();
        args.extend([
            number("data", limits.memory_bytes),
            number("address-space", limits.memory_bytes.saturating_add(RESERVED_BYTES)),
            number("cpu", limits.cpu.as_secs().max(1)),
            number("file-size", limits.file_bytes),
            number("open-files", limits.open_files),
            number("threads", limits.threads),
            word("read", call.folder.as_os_str()),
            word("read", call.scratch.path().as_os_str()),
        ]);
        args.extend(call.scratch.writable().iter().map(|folder| word("write", folder.as_os_str())));
        args.push(match self.sandbox {
            Sandbox::Available => AVAILABLE.into(),
            Sandbox::Required => REQUIRED.into(),
            Sandbox::Off => OFF.into(),
        });
        args.extend(call.explains.then(|| OsString::from(EXPLAINS)));
        args.extend(["--".into(), call.program.as_os_str().to_os_string()]);
        args
    }
}

/// What the launcher was told.
#[derive(Debug, Default)]
struct Order {
    limits: Vec<(Resource, u64)>,
    threads: Option<u64>,
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    sandbox: Sandbox,
    explains: bool,
    program: PathBuf,
}

/// Gives up what `args` say and becomes the program that they name. `args` are what comes after the
/// launcher's own arguments. Does not return.
///
/// This must be called before the process has a second thread.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ! {
    let mut args = args.into_iter().peekable();
    if args.next_if(|word| word == sandbox::PROBE).is_some() {
        sandbox::probe(args)
    }
    let message = match launch(&mut args) {
        Ok(error) => format!("could not start the program: {error}"),
        Err(message) => message,
    };
    tell(MESSAGE, &message);
    process::exit(EXIT_NOT_STARTED)
}

/// Returns why the program did not start.
fn launch(args: &mut impl Iterator<Item = OsString>) -> Result<std::io::Error, String> {
    let order = Order::read(args)?;
    for (resource, limit) in &order.limits {
        set_limit(*resource, *limit)?;
    }
    if order.sandbox != Sandbox::Off {
        confine(&order)?;
    }
    #[expect(clippy::disallowed_methods, reason = "this is the wrapper's inner half")]
    let mut command = Command::new(&order.program);
    Ok(command.args(args).exec())
}

fn confine(order: &Order) -> Result<(), String> {
    let layers = Layers::apply(&Grants { program: &order.program, read: &order.read, write: &order.write });
    if order.explains {
        layers.absent().for_each(|reason| tell(EXPLAINED, reason));
    }
    if order.sandbox == Sandbox::Required
        && let Some(reason) = layers.missing().next()
    {
        return Err(format!("the sandbox, which the settings require, does not hold: {reason}"));
    }
    match order.threads {
        // Where it has a user namespace, only what is in there is counted; else it is everything of the service's user.
        Some(threads) if layers.namespaces.is_ok() => set_limit(Resource::Nproc, threads),
        _ => Ok(()),
    }
}

impl Order {
    fn read(args: &mut impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut order = Self { limits: vec![(Resource::Core, 0)], ..Self::default() };
        loop {
            let word = args.next().ok_or("the program is missing")?;
            let mut sides = word.as_bytes().splitn(2, |byte| *byte == b'=');
            let (name, value) = (sides.next().unwrap_or_default(), sides.next());
            let number = || -> Result<u64, String> {
                let text = value.and_then(|value| std::str::from_utf8(value).ok());
                let text = text.ok_or_else(|| format!("`{}` has no number", word.display()))?;
                text.parse().map_err(|_| format!("`{}` has no number", word.display()))
            };
            let path = || PathBuf::from(OsString::from_vec(value.unwrap_or_default().to_vec()));
            match name {
                b"data" => order.limits.push((Resource::Data, number()?)),
                b"address-space" => order.limits.push((Resource::As, number()?)),
                b"cpu" => order.limits.push((Resource::Cpu, number()?)),
                b"file-size" => order.limits.push((Resource::Fsize, number()?)),
                b"open-files" => order.limits.push((Resource::Nofile, number()?)),
                b"threads" => order.threads = Some(number()?),
                b"read" => order.read.push(path()),
                b"write" => order.write.push(path()),
                _ if word == AVAILABLE => order.sandbox = Sandbox::Available,
                _ if word == REQUIRED => order.sandbox = Sandbox::Required,
                _ if word == OFF => order.sandbox = Sandbox::Off,
                _ if word == EXPLAINS => order.explains = true,
                b"--" => break,
                _ => return Err(format!("`{}` is no word of the launcher", word.display())),
            }
        }
        order.program = args.next().ok_or("the program is missing")?.into();
        Ok(order)
    }
}

/// Sets a limit; what is set already, by a service manager perhaps, is never loosened.
fn set_limit(resource: Resource, limit: u64) -> Result<(), String> {
    let limit = getrlimit(resource).maximum.map_or(limit, |there| there.min(limit));
    let both = Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(resource, both).map_err(|error| format!("could not set a limit: {error}"))
}

fn tell(what: &str, message: &str) {
    // There is no one else to tell when standard error is closed.
    drop(writeln!(std::io::stderr(), "{what}{message}"));
}
