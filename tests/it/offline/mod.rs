//! Commands without a server, as people run them: the real program, real renderers, real git.

mod adopt;
mod begin;
mod compare;
mod doctor;
mod hydrate;
mod lock;
mod validate;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use git2::{Oid, Repository, Signature, Time};
use serde_json::Value;
use tempfile::TempDir;

const STRATEGY: &str = r#"apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata:
  name: shop
spec:
  sources:
    - path: deploy/overlays/{environment}
      kind: kustomize
      output: shop
    - chart: charts/web
      releaseName: web
      namespace: "web-{environment}"
      valueFiles: ["charts/web/values-{environment}.yaml?"]
    - path: plain/{environment}
      output: limits
  activeCommitStatuses:
    - key: health
  environments:
    - name: dev
      branch: env/dev
    - name: prod
      branch: env/prod
"#;

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  level: low\n";

const TEMPLATE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n  \
    namespace: {{ .Release.Namespace }}\nspec:\n  ports:\n  - port: {{ .Values.port }}\n";

/// A work tree with a kustomization, a chart and plain YAML for two environments.
struct Shop {
    folder: TempDir,
    repository: Repository,
    commits: Vec<String>,
}

/// What a run of the program came to.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main");
        let repository = Repository::init_opts(folder.path(), &options).expect("a repository");
        let mut shop = Self { folder, repository, commits: Vec::new() };
        shop.write("hydromote.yaml", STRATEGY);
        shop.write("deploy/base/kustomization.yaml", "resources: [settings.yaml]\n");
        shop.write("deploy/base/settings.yaml", CONFIG_MAP);
        shop.write("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n");
        shop.write("charts/web/values.yaml", "port: 80\n");
        shop.write("charts/web/values-prod.yaml", "port: 443\n");
        shop.write("charts/web/templates/service.yaml", TEMPLATE);
        for environment in ["dev", "prod"] {
            let overlay = format!("resources: [../../base]\nnamespace: shop-{environment}\n");
            shop.write(&format!("deploy/overlays/{environment}/kustomization.yaml"), &overlay);
            let limits = CONFIG_MAP.replace("settings", "limits");
            shop.write(&format!("plain/{environment}/limits.yaml"), &limits);
        }
        shop.commit("Open the shop");
        shop
    }

    fn with_strategy(change: impl FnOnce(String) -> String) -> Self {
        let mut shop = Self::new();
        shop.write("hydromote.yaml", &change(STRATEGY.to_owned()));
        shop.commit("Change the strategy");
        shop
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn out(&self) -> PathBuf {
        self.path().join("out")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path().join(path)).expect("a file");
        assert!(text.contains(from), "{path} has no `{from}`");
        self.write(path, &text.replace(from, to));
    }

    fn commit(&mut self, message: &str) {
        let mut index = self.repository.index().expect("an index");
        let not_out = &mut |path: &Path, _: &[u8]| i32::from(path.to_string_lossy().starts_with("out"));
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, Some(not_out)).expect("added");
        index.update_all(["*"], None).expect("updated");
        index.write().expect("written");
        let tree = self.repository.find_tree(index.write_tree().expect("a tree")).expect("a tree");
        let time = Time::new(1_700_000_000 + i64::try_from(self.commits.len()).expect("few") * 60, 0);
        let who = Signature::new("developer", "developer@example.com", &time).expect("a signature");
        let parent = self.repository.head().ok().and_then(|head| head.peel_to_commit().ok());
        let id = self.repository.commit(Some("HEAD"), &who, &who, message, &tree, &Vec::from_iter(&parent));
        self.commits.push(id.expect("a commit").to_string());
    }

    /// Commits a folder as the whole content of a branch; returns its tree.
    fn commit_folder(&self, branch: &str, folder: &Path) -> String {
        let tree = self.tree_of(folder);
        let who = Signature::new("Bot", "bot@example.com", &Time::new(1_700_000_000, 0)).expect("a signature");
        let tree = self.repository.find_tree(tree).expect("a tree");
        let id = self.repository.commit(None, &who, &who, "Promote", &tree, &[]).expect("a commit");
        self.repository.reference(&format!("refs/heads/{branch}"), id, true, "test").expect("a branch");
        tree.id().to_string()
    }

    fn tree_of(&self, folder: &Path) -> Oid {
        let mut builder = self.repository.treebuilder(None).expect("a builder");
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name");
            let (id, mode) = match path.is_dir() {
                true => (self.tree_of(&path), 0o040_000),
                false => (self.repository.blob_path(&path).expect("a blob"), 0o100_644),
            };
            builder.insert(name, id, mode).expect("inserted");
        }
        builder.write().expect("a tree")
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.redacted(self.program(env!("CARGO_BIN_EXE_hydromote"), arguments))
    }

    /// Starts a program in the work tree.
    fn program(&self, program: &str, arguments: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "programs are run here as people run them")]
        let mut command = Command::new(program);
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
        command.args(arguments).current_dir(self.path()).env("HYDROMOTE_TOOLS", tools).env_remove("RUST_LOG");
        command
    }

    fn redacted(&self, mut command: Command) -> Run {
        let output = command.output().expect("the program runs");
        Run {
            code: output.status.code().expect("an exit code"),
            stdout: self.redact(&String::from_utf8_lossy(&output.stdout)),
            stderr: self.redact(&String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Makes a file of the whole repository.
    fn bundle(&self) {
        let status = self.program("git", &["bundle", "create", "-q", "out.bundle", "--all", "HEAD"]).status();
        assert!(status.expect("git runs").success());
    }

    fn hydrate(&self, more: &[&str]) -> Run {
        self.run(&[["hydrate", "--repo", ".", "--out", "out"].as_slice(), more].concat())
    }

    /// Replaces what differs from run to run.
    fn redact(&self, text: &str) -> String {
        let folder = self.path().canonicalize().expect("a path");
        let mut text =
            text.replace(&*folder.to_string_lossy(), "<repo>").replace(&*self.path().to_string_lossy(), "<repo>");
        for (position, commit) in self.commits.iter().enumerate() {
            let word = format!("dry-{}", position + 1);
            text = text.replace(commit, &word).replace(&commit[..7], &word);
        }
        let words = text.split_inclusive([' ', '\n', '"', ',']).map(|word| {
            let bare = word.trim_end_matches([' ', '\n', '"', ',']);
            let is_id = bare.len() == 40 && bare.bytes().all(|b| b.is_ascii_hexdigit());
            if is_id { word.replace(bare, "<id>") } else { word.to_owned() }
        });
        words.collect()
    }
}

impl Run {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("JSON")
    }

    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Returns all files below a folder.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(next) = ahead.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                ahead.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("inside").to_string_lossy().into_owned();
                found.insert(name, std::fs::read_to_string(&path).expect("text"));
            }
        }
    }
    found
}
