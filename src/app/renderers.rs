//! Finds the renderers, and what shuts them in.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf};

use anyhow::Context;
use hydrators::{Confinement, Launcher, Renderers, Sandbox};

use crate::reconcile::hydrate::Hydrator;

/// Finds the renderers, in `folders` first and then in `PATH`.
pub async fn hydrator(
    folders: &[PathBuf],
    limits: hydrators::Limits,
    parallelism: Option<NonZeroUsize>,
) -> anyhow::Result<Hydrator> {
    hydrator_with(folders, limits, parallelism, launcher(Sandbox::default())?).await
}

/// Returns what starts renderers: this program.
pub fn launcher(sandbox: Sandbox) -> anyhow::Result<Launcher> {
    Ok(Launcher { program: own_program()?, args: vec![OsString::from("launch"), OsString::from("--")], sandbox })
}

/// Says in the log what holds of the renderers' sandbox, and fails when less holds than the settings require.
pub(super) async fn check_sandbox(launcher: &Launcher) -> anyhow::Result<()> {
    let found = Confinement::of(launcher).await;
    match (launcher.sandbox, found) {
        (Sandbox::Required, Ok(found)) if !found.holds() => {
            anyhow::bail!("`sandbox = \"required\"` of `[renderers]` cannot be: {found}")
        }
        (Sandbox::Required, Err(reason)) => {
            anyhow::bail!("`sandbox = \"required\"` of `[renderers]` cannot be: {reason}")
        }
        (Sandbox::Off, _) => tracing::warn!("renderers run without a sandbox: `sandbox` of `[renderers]` is \"off\""),
        (_, Ok(found)) if found.holds() => tracing::info!("{found}"),
        (_, Ok(found)) => tracing::warn!("{found}"),
        (_, Err(reason)) => tracing::warn!("it is not known what renderers can do: {reason}"),
    }
    Ok(())
}

/// Finds the renderers, to be started by `launcher`.
pub async fn hydrator_with(
    folders: &[PathBuf],
    limits: hydrators::Limits,
    parallelism: Option<NonZeroUsize>,
    launcher: Launcher,
) -> anyhow::Result<Hydrator> {
    let path = std::env::var_os("PATH");
    let own: Vec<PathBuf> = tools_of_the_checkout().into_iter().collect();
    let folders = if folders.is_empty() { own.as_slice() } else { folders };
    let renderers = Renderers::find(folders, path.as_deref(), launcher, limits).await?;
    let parallelism = parallelism.or(std::thread::available_parallelism().ok()).map_or(2, NonZeroUsize::get);
    Ok(Hydrator::new(renderers, parallelism))
}

/// Returns where `make tools` puts renderers, when this program was built in a checkout: beside
/// `target`. The current folder is never searched, since it may be anybody's.
fn tools_of_the_checkout() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let target = program.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "target"))?;
    Some(target.parent()?.join(".tools/bin")).filter(|folder| folder.is_dir())
}

fn own_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("could not find the program itself, which starts the renderers")
}
