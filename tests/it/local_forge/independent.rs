//! A client library of other people on the local forge: what we take for GitHub's API is what others take for it, too.

use std::{path::PathBuf, process::Stdio};

use hydromote::local_forge::Permission;
use tokio::process::Command;

use super::{REPOSITORY, Scene, TestResult};

#[tokio::test]
#[ignore = "it needs a client in Go: `make check-client`"]
async fn a_library_for_another_language_does_a_whole_promotion() -> TestResult {
    let scene = Scene::new().await?;
    let (_, reviewer) = scene.forge.create_user("reviewer").await?;
    scene.forge.grant(REPOSITORY, "reviewer", Permission::Write).await?;
    let client = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".tools/client/client");
    let path = std::env::var_os("PATH").unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "it is no program of the service")]
    let mut command = Command::new(&client);
    let ended = command
        .env_clear()
        .env("PATH", path)
        .env("CLIENT_API", scene.forge.api_url())
        .env("CLIENT_REPOSITORY", REPOSITORY)
        .env("CLIENT_TOKEN", scene.root.expose())
        .env("CLIENT_REVIEWER_TOKEN", reviewer.expose())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("`{}` could not be started ({error}): `make check-client`", client.display()))?;
    let (said, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{said}{complained}");
    assert!(said.trim_end().ends_with("everything was as the library reads it"), "{said}");
    scene.finish().await
}
