//! Bundles: repositories in one file.

use std::{io::Read, path::Path};

use git2::{Oid, Repository};

use super::{GitError, program};

/// How every version of the format begins.
const SIGNATURE: &[u8] = b"# v";

/// Where the bundle's own `HEAD` is kept, when it has one.
const HEAD: &str = "refs/bundle/HEAD";

/// Says whether the file at `path` is a bundle.
pub fn is_bundle(path: &Path) -> bool {
    let mut start = [0; SIGNATURE.len()];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *SIGNATURE
}

/// Brings everything in a bundle into the empty bare repository `into`, whose `HEAD` becomes the
/// bundle's when it names one.
pub async fn unbundle(bundle: &Path, into: &Path) -> Result<(), GitError> {
    let head = head(bundle, into).await?;
    let bundle = bundle.to_string_lossy().into_owned();
    let mut arguments: Vec<String> =
        ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-head-ok"].map(str::to_owned).into();
    arguments.extend([bundle, "+refs/*:refs/*".to_owned()]);
    arguments.extend(head.map(|_| format!("+HEAD:{HEAD}")));
    call(into, &arguments).await?;
    let repository = Repository::open_bare(into)?;
    if let Some(head) = head {
        repository.set_head_detached(head)?;
    }
    Ok(())
}

async fn head(bundle: &Path, into: &Path) -> Result<Option<Oid>, GitError> {
    let arguments = ["bundle".to_owned(), "list-heads".to_owned(), bundle.to_string_lossy().into_owned()];
    let listed = call(into, &arguments).await?;
    let head = listed.lines().find_map(|line| line.strip_suffix(" HEAD"));
    Ok(head.and_then(|id| Oid::from_str(id).ok()))
}

async fn call(repository: &Path, arguments: &[String]) -> Result<String, GitError> {
    let what = "read the bundle".to_owned();
    let run = program::run(repository, None, arguments, &what).await?;
    if run.ok { Ok(run.stdout) } else { Err(GitError::Transfer { what, words: run.stderr }) }
}
