//! A dry tree in a temporary folder, and the renderers of this machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hydrators::{
    DirectoryTree, IndexedTree, Input, Labels, Launcher, Limits, OnFailure, Release, RenderFailure, RenderOptions,
    Rendered, Renderers, Root, Sandbox, TreeLimits,
};
use tokio::sync::OnceCell;

/// The real programs, found once for all tests.
static RENDERERS: OnceCell<Renderers> = OnceCell::const_new();

/// A dry tree under construction.
pub(crate) struct Repository(tempfile::TempDir);

impl Repository {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self(tempfile::tempdir().expect("a folder"));
        for (path, text) in files {
            repository.write(path, text);
        }
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let target = self.path().join(path);
        fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
        fs::write(target, text).expect("a file");
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        symlink(target, self.path().join(path)).expect("a link");
    }

    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        self.write(name, &format!("#!/bin/sh\n{script}"));
        let path = self.path().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
        path
    }

    pub(crate) fn tree(&self) -> Arc<IndexedTree> {
        let tree = Arc::new(DirectoryTree::new(self.path()));
        Arc::new(IndexedTree::read(tree, TreeLimits::default()).expect("a tree"))
    }

    /// Renders with the real programs.
    pub(crate) async fn render(&self, root: &Root) -> Result<Rendered, RenderFailure> {
        let renderers = RENDERERS.get_or_init(|| renderers(Limits::default())).await;
        let result = hydrators::render_root(renderers, &self.tree(), root).await;
        if let Err(failure) = &result {
            assert!(!failure.to_string().contains("/hydrate-"), "a path of the machine is in: {failure}");
        }
        result
    }

    pub(crate) async fn manifest(&self, root: &Root) -> String {
        manifest(&self.render(root).await.expect("a rendering"))
    }

    pub(crate) async fn failure(&self, root: &Root) -> RenderFailure {
        self.render(root).await.expect_err("a failure")
    }
}

pub(crate) fn manifest(rendered: &Rendered) -> String {
    assert_eq!(rendered.files.keys().collect::<Vec<_>>(), ["manifest.yaml"]);
    String::from_utf8(rendered.files["manifest.yaml"].clone()).expect("text")
}

pub(crate) fn launcher() -> Launcher {
    with_sandbox(Sandbox::Required)
}

pub(crate) fn with_sandbox(sandbox: Sandbox) -> Launcher {
    Launcher { program: env!("CARGO_BIN_EXE_hydrator-launch").into(), args: Vec::new(), sandbox }
}

/// Where `make tools` puts the renderers.
pub(crate) fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin")
}

pub(crate) async fn renderers(limits: Limits) -> Renderers {
    let found = Renderers::find(&[tools()], std::env::var_os("PATH").as_deref(), launcher(), limits).await;
    found.unwrap_or_else(|error| panic!("these tests need the real renderers: {error}"))
}

pub(crate) fn root(input: Input) -> Root {
    Root {
        output: "out".into(),
        labels: Labels::new(),
        source: 0,
        line: 1,
        input,
        on_failure: OnFailure::Hold,
        options: RenderOptions::default(),
        base_of: Vec::new(),
    }
}

pub(crate) fn kustomization(dir: &str) -> Root {
    root(Input::Kustomize { dir: dir.into() })
}

pub(crate) fn release(chart: &str, name: &str) -> Release {
    Release { chart: chart.into(), name: name.into(), namespace: "shop".into(), ..Release::default() }
}
