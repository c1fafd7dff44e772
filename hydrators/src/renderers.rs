//! The renderer programs of this machine: found once, with their versions.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::executable::Executable;
use crate::failure::RenderFailure;
use crate::launch::Launcher;
use crate::program::{Call, Limits, Output, ProgramError, Runner, Scratch};
use crate::source::RenderOptions;

/// How long a program may take to say its version.
const VERSION_WAIT: Duration = Duration::from_secs(20);

/// The exit code of Go's runtime when it gives up; a template cannot cause it by its own words.
const GO_FATAL: i32 = 2;

/// One of the programs that render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Helm.
    Helm,
    /// Standalone Kustomize.
    Kustomize,
}

/// The renderer programs, ready to run.
///
/// There may be several versions of one: the first is used, and the others where they are pinned.
#[derive(Debug, Clone)]
pub struct Renderers {
    helm: Program,
    kustomize: Program,
    /// All that were found, each version once, the one in use first.
    versions: Arc<Vec<(Tool, Program)>>,
    limits: Limits,
    runner: Arc<Runner>,
}

/// A program and what it says about itself.
#[derive(Debug, Clone)]
struct Program {
    path: PathBuf,
    version: String,
    executable: Arc<Executable>,
}

/// Why the renderers cannot be used; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum RenderersError {
    /// A program is nowhere.
    #[error("could not find `{tool}` in {looked}; run `make tools`, or put it on PATH")]
    Absent {
        /// Which one.
        tool: Tool,
        /// Where it was looked for.
        looked: String,
    },
    /// There are programs, but none that fits.
    #[error("could not use `{path}`: {reason}; this needs {needs}: run `make tools`, or put it on PATH")]
    Unfit {
        /// The program.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// What would be right.
        needs: &'static str,
    },
}

impl Tool {
    /// Returns the name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Helm => "helm",
            Self::Kustomize => "kustomize",
        }
    }

    fn needs(self) -> &'static str {
        match self {
            Self::Helm => "Helm 3.17 or later, or Helm 4",
            Self::Kustomize => "standalone Kustomize 5.8 or later",
        }
    }

    fn version_arguments(self) -> Vec<OsString> {
        match self {
            Self::Helm => vec!["version".into(), "--template".into(), "{{.Version}}".into()],
            Self::Kustomize => vec!["version".into()],
        }
    }

    fn fits(self, version: &str) -> bool {
        let mut numbers = version.split(['.', '-', '+']).map(|number| number.parse::<u32>().unwrap_or(0));
        let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        match self {
            Self::Helm => major == 4 || (major == 3 && minor >= 17),
            Self::Kustomize => major == 5 && minor >= 8,
        }
    }
}

impl Program {
    fn new(path: PathBuf, version: String) -> Self {
        Self { executable: Arc::new(Executable::new(path.clone())), path, version }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Renderers {
    /// Finds Helm and Kustomize in `folders` first, then in those of `path` (the form of `PATH`),
    /// and asks them for their versions: the first that fits is used, and others where they are pinned.
    /// Every program is started through `launcher`, under `limits`.
    ///
    /// # Errors
    ///
    /// When one is absent or has a version that does not fit.
    pub async fn find(
        folders: &[PathBuf],
        path: Option<&OsStr>,
        launcher: Launcher,
        limits: Limits,
    ) -> Result<Self, RenderersError> {
        let mut places = folders.to_vec();
        places.extend(path.map(env::split_paths).into_iter().flatten().filter(|folder| folder.is_absolute()));
        let runner = Arc::new(Runner::new(launcher));
        let helms = find(Tool::Helm, &places, &runner, &limits).await?;
        let kustomizes = find(Tool::Kustomize, &places, &runner, &limits).await?;
        let first = |found: &[Program]| found.first().cloned().expect("because without one that is an error");
        let (helm, kustomize) = (first(&helms), first(&kustomizes));
        let of = |tool: Tool, found: Vec<Program>| found.into_iter().map(move |program| (tool, program));
        let versions = Arc::new(of(Tool::Helm, helms).chain(of(Tool::Kustomize, kustomizes)).collect());
        Ok(Self { helm, kustomize, versions, limits, runner })
    }

    /// Returns the renderers that these options pin, as far as they are here; [`prepare`](crate::prepare) refuses
    /// what is not.
    pub(crate) fn pinned(&self, options: &RenderOptions) -> Self {
        let chosen = |tool: Tool, pinned: &Option<String>| {
            let wanted = pinned.as_deref().map(|pinned| pinned.trim_start_matches('v'));
            let fits = |(of, program): &&(Tool, Program)| *of == tool && wanted == Some(program.version.as_str());
            self.versions.iter().find(fits).map_or_else(|| self.program(tool), |(_, program)| program).clone()
        };
        let helm = chosen(Tool::Helm, &options.helm_version);
        Self { helm, kustomize: chosen(Tool::Kustomize, &options.kustomize_version), ..self.clone() }
    }

    /// Returns every version of a program with where it is, the one that is used where none is pinned first.
    pub fn versions(&self, tool: Tool) -> impl Iterator<Item = (&str, &Path)> {
        let of_tool = self.versions.iter().filter(move |(of, _)| *of == tool);
        of_tool.map(|(_, program)| (program.version.as_str(), program.path.as_path()))
    }

    /// Returns a program's version, without the `v`.
    pub fn version(&self, tool: Tool) -> &str {
        &self.program(tool).version
    }

    /// Returns where a program is.
    pub fn path(&self, tool: Tool) -> &Path {
        &self.program(tool).path
    }

    /// Returns how many processes were started so far, also to ask for versions.
    pub fn process_starts(&self) -> u64 {
        self.runner.starts()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn program(&self, tool: Tool) -> &Program {
        match tool {
            Tool::Helm => &self.helm,
            Tool::Kustomize => &self.kustomize,
        }
    }

    /// Returns what a rendering by this program follows from: its name, its version and the SHA-256 of its file.
    ///
    /// # Errors
    ///
    /// When the file was replaced since this was first asked.
    pub(crate) fn identity(&self, tool: Tool) -> Result<String, RenderFailure> {
        let digest = self.program(tool).executable.digest();
        let digest = digest.map_err(|error| RenderFailure::operator(error.to_string()))?;
        Ok(format!("{} {digest}", self.label(tool)))
    }

    /// Returns the name and version that are recorded with a rendering.
    pub(crate) fn label(&self, tool: Tool) -> String {
        format!("{tool} v{}", self.version(tool))
    }

    /// Fails when a version is pinned and this is another.
    pub(crate) fn check_pin(&self, tool: Tool, pinned: Option<&str>) -> Result<(), RenderFailure> {
        let here = self.version(tool);
        match pinned.map(|pinned| pinned.trim_start_matches('v')) {
            Some(pinned) if pinned != here => {
                let all: Vec<&str> = self.versions(tool).map(|(version, _)| version).collect();
                Err(RenderFailure::operator(format!(
                    "the strategy pins {tool} {pinned}, but this server has {}; change the pin, or install that version",
                    all.join(" and ")
                )))
            }
            _ => Ok(()),
        }
    }

    /// Runs a program in `folder` with arguments that nobody has looked at: what keeps it in is the
    /// sandbox alone, which this is there to prove.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or reaches a limit.
    pub async fn run_unchecked(&self, tool: Tool, args: &[OsString], folder: &Path) -> Result<Output, RenderFailure> {
        let scratch = Scratch::new().map_err(|error| RenderFailure::operator(format!("no room to render: {error}")))?;
        let output = self.run(tool, args, folder, &scratch).await?;
        killed(tool, &output).map_or(Ok(output), Err)
    }

    /// Runs a program in `folder`. A program that fails by itself is no error here.
    pub(crate) async fn run(
        &self,
        tool: Tool,
        args: &[OsString],
        folder: &Path,
        scratch: &Scratch,
    ) -> Result<Output, RenderFailure> {
        let call = Call { program: self.path(tool), args, folder, scratch, limits: &self.limits, explains: false };
        let output = self.runner.run(call).await.map_err(|error| match error {
            ProgramError::TooSlow(_) | ProgramError::TooMuchOutput(_) | ProgramError::TooMuchKept(_) => {
                RenderFailure::limit(format!("{tool} was stopped: {error}"))
            }
            ProgramError::NotStarted { .. } => RenderFailure::operator(error.to_string()),
            ProgramError::Pipe(ref cause) => RenderFailure::operator(format!("{error} ({tool}): {cause}")),
        })?;
        // What another program wrote is not what is expected of this one.
        self.identity(tool)?;
        Ok(output)
    }
}

/// Returns the failure behind an output that is not a success, when it is not the author's.
pub(crate) fn killed(tool: Tool, output: &Output) -> Option<RenderFailure> {
    use std::os::unix::process::ExitStatusExt;
    let message = String::from_utf8_lossy(&output.stderr);
    let gave_up = output.status.code() == Some(GO_FATAL);
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match output.status.signal() {
        _ if gave_up && says(&["out of memory", "cannot allocate memory"]) => {
            Some(RenderFailure::limit(format!("{tool} was stopped: it needed more memory than its limit")))
        }
        _ if gave_up && says(&["stack overflow", "goroutine stack exceeds"]) => Some(RenderFailure::limit(format!(
            "{tool} was stopped: something in the sources refers to itself for ever"
        ))),
        // Its runtime does not survive everywhere that memory is refused; the rest of its words are about itself.
        _ if gave_up && says(&["goroutine "]) => {
            let first = message.lines().next().unwrap_or_default();
            Some(RenderFailure::limit(format!(
                "{tool} was stopped: it broke down, mostly for want of memory ({first})"
            )))
        }
        Some(signal) => Some(RenderFailure::limit(format!("{tool} was stopped by signal {signal}"))),
        None => None,
    }
}

/// Returns the programs that fit, each version once, in the order of the places.
async fn find(
    tool: Tool,
    places: &[PathBuf],
    runner: &Runner,
    limits: &Limits,
) -> Result<Vec<Program>, RenderersError> {
    let (mut found, mut unfit) = (Vec::<Program>::new(), None);
    let mut seen = BTreeSet::new();
    for path in places.iter().map(|folder| folder.join(tool.name())).filter(|path| is_program(path)) {
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            continue;
        }
        match version(tool, &path, runner, limits).await {
            Ok(version) if found.iter().any(|program| program.version == version) => {}
            Ok(version) if tool.fits(&version) => found.push(Program::new(path, version)),
            Ok(version) => unfit = unfit.or(Some((path, format!("it is version {version}")))),
            Err(reason) => unfit = unfit.or(Some((path, reason))),
        }
    }
    match unfit {
        _ if !found.is_empty() => Ok(found),
        Some((path, reason)) => {
            Err(RenderersError::Unfit { path: path.display().to_string(), reason, needs: tool.needs() })
        }
        None => {
            let looked = places.iter().map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(", ");
            Err(RenderersError::Absent { tool, looked })
        }
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

async fn version(tool: Tool, path: &Path, runner: &Runner, limits: &Limits) -> Result<String, String> {
    let scratch = Scratch::new().map_err(|error| format!("there is no room for temporary files: {error}"))?;
    let limits = Limits { wall: VERSION_WAIT, ..*limits };
    let args = tool.version_arguments();
    let call = Call {
        program: path,
        args: &args,
        folder: scratch.path(),
        scratch: &scratch,
        limits: &limits,
        explains: false,
    };
    let output = runner.run(call).await.map_err(|error| error.to_string())?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("it does not say its version: {}", message.lines().next().unwrap_or("no message")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_can_work_together_fit() {
        for (version, fits) in
            [("3.16.4", false), ("3.17.0", true), ("3.22.0-rc.1", true), ("4.3.1", true), ("5.0.0", false), ("", false)]
        {
            assert_eq!(Tool::Helm.fits(version), fits, "helm {version}");
        }
        for (version, fits) in [("5.7.1", false), ("5.8.1", true), ("5.10.0", true), ("(devel)", false)] {
            assert_eq!(Tool::Kustomize.fits(version), fits, "kustomize {version}");
        }
    }
}
