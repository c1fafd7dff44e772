//! Other hydrators, and the command that takes their branches over.

use std::{path::Path, process::Command};

use git2::{Oid, Signature, build::TreeUpdateBuilder};

use super::{DEVELOPER, Fallible, REPOSITORY, STRANGER, TestResult, World, dry::Files};

impl World {
    /// Pushes to a branch what Argo CD's source hydrator writes for one output folder of a dry commit.
    pub(crate) async fn hydrate_as_argo_cd(&self, branch: &str, folder: &str, dry: &str, manifest: &str) -> TestResult {
        let dry = self.dry_sha(dry)?;
        let attributes = "**/README.md linguist-generated=true\n**/hydrator.metadata linguist-generated=true";
        let metadata = format!("{{\n  \"commands\": [\n    \"kustomize build .\"\n  ],\n  \"drySha\": \"{dry}\"\n}}");
        let root =
            format!("{{\n  \"drySha\": \"{dry}\",\n  \"author\": \"developer\",\n  \"subject\": \"a commit\"\n}}");
        let files = vec![
            (".gitattributes".to_owned(), attributes.to_owned()),
            ("hydrator.metadata".to_owned(), root),
            (format!("{folder}/README.md"), "# Manifest Hydration\n".to_owned()),
            (format!("{folder}/hydrator.metadata"), metadata),
            (format!("{folder}/manifest.yaml"), manifest.to_owned()),
        ];
        self.commit_as("Argo CD", branch, &format!("{}: a commit", &dry[..7]), files).await
    }

    /// Pushes a commit by somebody to a branch, which begins with it where there is none.
    pub(crate) async fn commit_as(&self, name: &str, branch: &str, message: &str, files: Files) -> TestResult {
        {
            let git = self.git()?;
            let reference = format!("refs/heads/{branch}");
            let parent = git.refname_to_id(&reference).ok().map(|id| git.find_commit(id)).transpose()?;
            let mut change = TreeUpdateBuilder::new();
            for (path, text) in files {
                change.upsert(path, git.blob(text.as_bytes())?, git2::FileMode::Blob);
            }
            let base = match &parent {
                Some(parent) => parent.tree()?,
                None => git.find_tree(git.treebuilder(None)?.write()?)?,
            };
            let tree = git.find_tree(change.create_updated(&git, &base)?)?;
            let seconds = (self.clock.tell())().as_second();
            let who = Signature::new(name, "tool@example.com", &git2::Time::new(seconds, 0))?;
            let commit = git.commit(None, &who, &who, message, &tree, &Vec::from_iter(&parent))?;
            git.reference(&reference, commit, true, "pushed")?;
        }
        self.home().refresh(self.home_name(), STRANGER).await
    }

    /// Deletes a branch by hand.
    pub(crate) async fn delete_branch(&self, branch: &str) -> TestResult {
        self.git()?.find_reference(&format!("refs/heads/{branch}"))?.delete()?;
        self.home().refresh(self.home_name(), STRANGER).await
    }

    /// Clones the repository as a person does, and runs `hydromote take-over` in it; returns the exit code and
    /// what it printed.
    pub(crate) async fn take_over(&self, arguments: &[&str]) -> Fallible<(i32, String)> {
        let folder = tempfile::tempdir()?;
        let token = self.developer_token.expose();
        let url = self.forge.clone_url(REPOSITORY).replace("http://", &format!("http://{DEVELOPER}:{token}@"));
        run(folder.path(), "git", &["clone", "--quiet", &url, "."]).await?;
        run(folder.path(), "git", &["config", "user.name", DEVELOPER]).await?;
        run(folder.path(), "git", &["config", "user.email", "developer@example.com"]).await?;
        let found = run(folder.path(), env!("CARGO_BIN_EXE_hydromote"), &[&["take-over"], arguments].concat()).await?;
        Ok((found.0, self.in_words(&found.1)))
    }

    /// Returns what the commit at the head of a branch changes, by path.
    pub(crate) async fn changed_files(&self, branch: &str) -> Fallible<Vec<String>> {
        let head = self.branch(branch).await?;
        let git = self.git()?;
        let commit = git.find_commit(Oid::from_str(&head)?)?;
        let diff = git.diff_tree_to_tree(Some(&commit.parent(0)?.tree()?), Some(&commit.tree()?), None)?;
        let path = |delta: git2::DiffDelta<'_>| {
            let path = delta.new_file().path().or(delta.old_file().path());
            path.map(|path| path.to_string_lossy().into_owned())
        };
        Ok(diff.deltas().filter_map(path).collect())
    }
}

async fn run(folder: &Path, program: &str, arguments: &[&str]) -> Fallible<(i32, String)> {
    #[expect(clippy::disallowed_methods, reason = "programs are run here as people run them")]
    let mut command = Command::new(program);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    command.args(arguments).current_dir(folder).env("HYDROMOTE_TOOLS", tools).env_remove("RUST_LOG");
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let code = output.status.code().ok_or("the program was killed")?;
    let text = format!("{}{}", String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    if program == "git" && code != 0 {
        return Err(text.into());
    }
    Ok((code, text))
}
