//! Commands without a server, as people run them: the real program, real renderers, real git.

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

#[test]
fn validate_shows_the_table_of_roots() {
    let run = Shop::new().run(&["validate"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    strategy shop (hydromote.yaml)

    dev (branch env/dev): 3 roots
     SOURCE               LABELS  OUTPUT  LANE     KIND
     plain/dev            -       limits  default  plain
     deploy/overlays/dev  -       shop    default  kustomize
     charts/web           -       web     default  helm

    prod (branch env/prod): 3 roots
     SOURCE                LABELS  OUTPUT  LANE     KIND
     plain/prod            -       limits  default  plain
     deploy/overlays/prod  -       shop    default  kustomize
     charts/web            -       web     default  helm

    valid
    ");
    assert_eq!(run.stderr, "dev: 3 roots\nprod: 3 roots\n");
}

#[test]
fn validate_needs_no_renderers() {
    let shop = Shop::new();
    let mut command = shop.program(env!("CARGO_BIN_EXE_hydromote"), &["validate"]);
    command.env("HYDROMOTE_TOOLS", "").env("PATH", "");
    shop.redacted(command).expect(0);
}

#[test]
fn validate_reads_the_work_tree_unless_a_revision_is_named() {
    let shop = Shop::new();
    shop.edit("hydromote.yaml", "output: limits", "outputs: limits");
    let run = shop.run(&["validate"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    error: `outputs` is not a field here
      --> hydromote.yaml:15:7
       |
    15 |       outputs: limits
       |       ^^^^^^^
       = help: did you mean `output`?

    1 mistake
    ");
    shop.run(&["validate", "--rev", "HEAD"]).expect(0);
    let json = shop.run(&["validate", "--rev", "main", "--output", "json"]).expect(0).json();
    assert_eq!(json["valid"], true);
    assert_eq!(json["drySha"], "dry-1");
    assert_eq!(json["strategies"][0]["environments"][1]["roots"][2]["source"], "charts/web");
}

#[test]
fn validate_names_roots_that_are_a_base_of_another() {
    let shop = Shop::with_strategy(|text| {
        text.replace("    - path: plain", "    - path: deploy/base\n      output: base\n    - path: plain")
    });
    let json = shop.run(&["validate", "--output", "json"]).expect(0).json();
    assert_eq!(json["strategies"][0]["environments"][0]["roots"][0]["baseOf"], serde_json::json!(["shop"]));
}

#[test]
fn validate_finds_bad_input() {
    let cases: [(&str, &str, &str); 9] = [
        ("unknown key", "  activeCommitStatuses:", "  activeStatuses:"),
        ("wrong type", "  activeCommitStatuses:\n    - key: health", "  activeCommitStatuses: health"),
        ("cycle", "      branch: env/dev", "      branch: env/dev\n      dependsOn: [prod]"),
        ("equal outputs", "output: limits", "output: Shop"),
        ("unbound capture", "output: limits", "output: \"{service}\""),
        ("label in one environment", "- name: dev\n", "- name: dev\n      vars: {tier: small}\n"),
        ("matches nothing", "path: plain/{environment}", "path: simple/{environment}"),
        ("equal outputs by what is there", "path: plain/{environment}", "path: deploy/overlays/{which}"),
        ("no chart", "chart: charts/web", "chart: charts/wep"),
    ];
    let mut told = String::new();
    for (name, from, to) in cases {
        let shop = Shop::with_strategy(|text| {
            assert!(text.contains(from), "{name}");
            let text = text.replace(from, to);
            if name == "label in one environment" { text.replace("output: limits", "output: \"{tier}\"") } else { text }
        });
        let run = shop.run(&["validate", "--rev", "HEAD"]).expect(1);
        let mistakes: Vec<&str> = run.stdout.split("strategy shop").next().expect("a part").lines().collect();
        told += &format!("## {name}\n{}\n", mistakes.join("\n").trim_end());
    }
    insta::assert_snapshot!(told, @r#"
    ## unknown key
    error: `activeStatuses` is not a field here
      --> hydromote.yaml:16:3
       |
    16 |   activeStatuses:
       |   ^^^^^^^^^^^^^^
       = help: fields here are `dryBranch`, `destination`, `sources`, `vars`, `render`, `activeCommitStatuses`, `proposedCommitStatuses`, `mergeMode`, `rollback`, `environments`, `lanes`, `permissions`, `windows`, `approvals`, `newer`, `maxOpenPullRequests`, `targets`, `waves` and `hooks`

    1 mistake
    ## wrong type
    error: a list belongs here
      --> hydromote.yaml:16:25
       |
    16 |   activeCommitStatuses: health
       |                         ^^^^^^
       = help: begin each entry with `- `, or write `[]`

    1 mistake
    ## cycle
    error: environments depend on each other in a circle: dev → prod → dev
      --> hydromote.yaml:21:19
       |
    21 |       dependsOn: [prod]
       |                   ^^^^
       = help: `prod` depends on the environment listed before it; write `dependsOn` there, or list it earlier

    1 mistake
    ## equal outputs
    error: the source in line 7 is written to the folder `Shop` too
      --> hydromote.yaml:15:15
       |
    15 |       output: Shop
       |               ^^^^
       = help: give each source its own `output`; upper and lower case count as equal

    1 mistake
    ## unbound capture
    error: the label `service` is used but never bound
      --> hydromote.yaml:15:15
       |
    15 |       output: "{service}"
       |               ^^^^^^^^^^^
       = help: capture it with `{service}` in `path` or `each`, or add it to `vars`

    1 mistake
    ## label in one environment
    error: `tier` has no value in environment `prod`
      --> hydromote.yaml:15:15
       |
    15 |       output: "{tier}"
       |               ^^^^^^^^
       = help: add `tier` to `vars` there, or to the `vars` of the strategy

    1 mistake
    ## matches nothing
    error: this source matches nothing in any environment
      --> hydromote.yaml:14:5
       |
    14 |     - path: simple/{environment}
       |     ^^^^^^
       = help: name folders that are in the repository, or remove it
    ## equal outputs by what is there
    error: `deploy/overlays/prod` and `deploy/overlays/dev` (line 14) would both be rendered to `limits`
      --> hydromote.yaml:15:15
       |
    15 |       output: limits
       |               ^^^^^^
       = help: give them different outputs
    ## no chart
    error: there is no chart in `charts/wep`: a chart is a folder with a `Chart.yaml`
      --> hydromote.yaml:10:14
       |
    10 |     - chart: charts/wep
       |              ^^^^^^^^^^
       = help: change this source, or the files that it is about
    "#);
}

#[test]
fn commands_that_cannot_run_say_why() {
    let shop = Shop::new();
    let outside = tempfile::tempdir().expect("a folder");
    let outside = outside.path().to_str().expect("text");
    let missing = Shop::new();
    std::fs::remove_file(missing.path().join("hydromote.yaml")).expect("removed");
    let broken = Shop::with_strategy(|text| text.replace("spec:", "specs:"));
    let mut told = String::new();
    let mut tell = |shop: &Shop, arguments: &[&str]| {
        let run = shop.run(arguments).expect(2);
        assert_eq!(run.stdout, "");
        told += run.stderr.replace(outside, "<outside>").lines().last().expect("a line");
        told += "\n";
    };
    tell(&shop, &["validate", outside]);
    tell(&shop, &["validate", "--rev", "nowhere"]);
    tell(&shop, &["hydrate", "--repo", ".", "--rev", "nowhere", "--out", "out"]);
    tell(&shop, &["hydrate", "--repo", "hydromote.yaml", "--out", "out"]);
    tell(&shop, &["hydrate", "--repo", ".", "--environment", "test", "--out", "out"]);
    tell(&shop, &["hydrate", "--repo", ".", "--strategy", "absent.yaml", "--out", "out"]);
    tell(&missing, &["validate"]);
    tell(&broken, &["hydrate", "--repo", ".", "--out", "out"]);
    tell(&shop, &["diff", "--repo", ".", "nowhere", "HEAD"]);
    tell(&shop, &["verify", "--repo", "."]);
    tell(&shop, &["init"]);
    tell(&shop, &["init", "--from", "x.yaml"]);
    tell(&shop, &["init", "--cd", "argocd"]);
    insta::assert_snapshot!(told, @"
    error: `<outside>` is not in a git repository
    error: there is no revision `nowhere` in `<repo>`
    error: there is no revision `nowhere` in `<repo>`
    error: `hydromote.yaml` is neither a repository nor a bundle
    error: there is no environment `test`; there are `dev`, `prod`
    error: could not read the strategy `absent.yaml`: No such file or directory (os error 2)
    error: there is no strategy: neither `hydromote.yaml` nor `.hydromote/*.yaml`; `hydromote init` proposes one
    error: the strategy has a mistake; `hydromote validate` shows it
    error: there is no revision `nowhere` in `<repo>`
    error: the repository has none of the branches `env/dev`, `env/prod`; fetch them first
    error: there is a strategy already, `hydromote.yaml`; `--force` writes over `hydromote.yaml`
    error: `--from` is not yet supported; run `hydromote init` without it and move the settings by hand
    error: `--cd` is not yet supported; whatever deploys has to report a commit status on the branch's head
    ");
}

#[test]
fn a_missing_renderer_is_named() {
    let shop = Shop::new();
    let arguments = ["hydrate", "--repo", ".", "--out", "out", "--tools", "/nonexistent"];
    let mut command = shop.program(env!("CARGO_BIN_EXE_hydromote"), &arguments);
    command.env("PATH", "");
    let run = shop.redacted(command).expect(2);
    assert!(run.stderr.contains("could not find `helm` in `/nonexistent`"), "{}", run.stderr);
    assert!(!shop.out().exists());
}

#[test]
fn hydrate_writes_what_would_be_committed() {
    let shop = Shop::new();
    shop.repository.remote("origin", "https://ada:secret@example.com/ada/shop.git").expect("a remote");
    let run = shop.hydrate(&[]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    Rendered dry-1 to out

    dev: 3 roots, tree <id>
      limits
      shop
      web

    prod: 3 roots, tree <id>
      limits
      shop
      web
    ");
    let written = files(&shop.out());
    insta::assert_snapshot!(written.keys().cloned().collect::<Vec<_>>().join("\n"), @"
    dev/hydrator.metadata
    dev/limits/README.md
    dev/limits/hydrator.metadata
    dev/limits/manifest.yaml
    dev/shop/README.md
    dev/shop/hydrator.metadata
    dev/shop/manifest.yaml
    dev/web/README.md
    dev/web/hydrator.metadata
    dev/web/manifest.yaml
    prod/hydrator.metadata
    prod/limits/README.md
    prod/limits/hydrator.metadata
    prod/limits/manifest.yaml
    prod/shop/README.md
    prod/shop/hydrator.metadata
    prod/shop/manifest.yaml
    prod/web/README.md
    prod/web/hydrator.metadata
    prod/web/manifest.yaml
    ");
    insta::assert_snapshot!(shop.redact(&written["prod/hydrator.metadata"]), @r#"
    {
      "repoURL": "https://example.com/ada/shop.git",
      "drySha": "dry-1",
      "author": "developer <developer@example.com>",
      "date": "2023-11-14T22:13:20Z",
      "subject": "Open the shop",
      "hydromote": {
        "strategy": "shop",
        "environment": "prod",
        "lane": "default"
      }
    }
    "#);
    insta::assert_snapshot!(shop.redact(&written["prod/shop/README.md"]), @"
    # shop

    Rendered by Hydromote from https://example.com/ada/shop.git at dry-1. Changes made here by hand stop the promotion of this environment.

    To render it again:

    ```shell
    git clone https://example.com/ada/shop.git
    git checkout dry-1
    kustomize build deploy/overlays/prod
    ```
    ");
    insta::assert_snapshot!(written["prod/web/manifest.yaml"], @"
    apiVersion: v1
    kind: Service
    metadata:
      name: web
      namespace: web-prod
    spec:
      ports:
      - port: 443
    ");
    let metadata: Value = serde_json::from_str(&written["prod/web/hydrator.metadata"]).expect("JSON");
    assert_eq!(metadata["repoURL"], "https://example.com/ada/shop.git");
    assert!(written.values().all(|text| !text.contains("secret")));
}

#[test]
fn the_folder_equals_the_composed_git_tree() {
    let shop = Shop::new();
    let arguments = ["hydrate", "--repo", ".", "--out", "out", "--environment", "dev", "--output", "json"];
    let output = shop.program(env!("CARGO_BIN_EXE_hydromote"), &arguments).output().expect("the program runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["drySha"], shop.commits[0]);
    let tree = shop.commit_folder("env/dev", &shop.out().join("dev"));
    assert_eq!(json["environments"][0]["tree"], tree);
    assert!(!shop.out().join("prod").exists());
}

#[test]
fn a_bare_repository_and_a_bundle_give_the_same_as_the_work_tree() {
    let shop = Shop::new();
    shop.bundle();
    let bare = shop.path().join(".git");
    shop.hydrate(&[]).expect(0);
    for (repo, out) in [(bare.to_str().expect("text"), "out2"), ("out.bundle", "out3")] {
        shop.run(&["hydrate", "--repo", repo, "--out", out]).expect(0);
        assert_eq!(files(&shop.out()), files(&shop.path().join(out)), "{repo}");
    }
    shop.run(&["validate", "out.bundle"]).expect(0);
}

#[test]
fn renderings_mean_what_the_plain_tools_give() {
    let shop = Shop::new();
    shop.hydrate(&["--environment", "prod"]).expect(0);
    let tool = |name: &str, arguments: &[&str]| {
        let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin").join(name);
        let program = if fetched.exists() { fetched.to_str().expect("text") } else { name };
        let output = shop.program(program, arguments).output().expect("the tool runs");
        hydrators::canonical(&String::from_utf8_lossy(&output.stdout)).expect("manifests")
    };
    let written = files(&shop.out());
    assert_eq!(written["prod/shop/manifest.yaml"], tool("kustomize", &["build", "deploy/overlays/prod"]));
    let helm = ["template", "web", "charts/web", "-n", "web-prod", "-f", "charts/web/values-prod.yaml"];
    assert_eq!(written["prod/web/manifest.yaml"], tool("helm", &helm));
}

#[test]
fn a_root_that_fails_is_named_and_the_others_are_written() {
    let mut shop = Shop::new();
    shop.edit("deploy/overlays/prod/kustomization.yaml", "../../base", "../../basis");
    shop.commit("Break production");
    let run = shop.hydrate(&[]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    Rendered dry-2 to out

    dev: 3 roots, tree <id>
      limits
      shop
      web

    prod: 2 roots, tree <id>
      limits
      web
      failed: `shop`: deploy/overlays/prod/kustomization.yaml:1: `resources` names `../../basis`, which does not exist
    ");
    let written = files(&shop.out());
    assert!(written.contains_key("prod/web/manifest.yaml") && !written.contains_key("prod/shop/manifest.yaml"));
    assert!(written.contains_key("dev/shop/manifest.yaml"));
    let json = shop.run(&["hydrate", "--repo", ".", "--out", "out2", "--output", "json"]).expect(1).json();
    assert_eq!(json["environments"][1]["failures"][0]["file"], "deploy/overlays/prod/kustomization.yaml");
}

#[test]
fn a_strategy_that_is_not_committed_is_pointed_out() {
    let mut shop = Shop::new();
    std::fs::rename(shop.path().join("hydromote.yaml"), shop.path().join("out.yaml")).expect("renamed");
    shop.commit("Remove the strategy");
    std::fs::rename(shop.path().join("out.yaml"), shop.path().join("hydromote.yaml")).expect("renamed");
    let run = shop.hydrate(&[]).expect(2);
    insta::assert_snapshot!(run.stderr, @"error: there is no strategy at this revision; commit `hydromote.yaml`, or name the file with `--strategy`");
    shop.hydrate(&["--strategy", "hydromote.yaml"]).expect(0);
}

#[test]
fn hydrate_writes_over_nothing_but_its_own() {
    let shop = Shop::new();
    shop.hydrate(&[]).expect(0);
    let run = shop.hydrate(&[]).expect(2);
    insta::assert_snapshot!(run.stderr, @"error: `out` is not empty; name another folder, or `--force` to replace what an earlier run wrote");
    shop.write("out/dev/stale.yaml", "");
    shop.hydrate(&["--force"]).expect(0);
    assert!(!shop.out().join("dev/stale.yaml").exists());
    std::fs::remove_file(shop.out().join("dev/hydrator.metadata")).expect("removed");
    let run = shop.hydrate(&["--force"]).expect(2);
    assert!(run.stderr.contains("was not written by this command"), "{}", run.stderr);
}

#[test]
fn a_strategy_outside_of_the_repository_is_used_instead_of_its_own() {
    let shop = Shop::new();
    let outside = tempfile::tempdir().expect("a folder");
    let file = outside.path().join("other.yaml");
    std::fs::write(&file, STRATEGY.replace("name: prod", "name: live")).expect("a file");
    let file = file.to_str().expect("text");
    shop.hydrate(&["--strategy", file, "--environment", "live"]).expect(0);
    assert!(shop.out().join("live/web/manifest.yaml").exists());
    shop.run(&["validate", "--strategy", file]).expect(0);
}

#[test]
fn diff_shows_resources_that_are_added_removed_and_changed() {
    let mut shop = Shop::new();
    shop.edit("deploy/base/settings.yaml", "level: low", "level: high");
    shop.edit("plain/prod/limits.yaml", "name: limits", "name: quota");
    shop.commit("Raise the level");
    let run = shop.run(&["diff", "--repo", ".", "HEAD~1", "HEAD"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    dev: shop
      changed ConfigMap shop-dev/settings

    --- ConfigMap shop-dev/settings
    +++ ConfigMap shop-dev/settings
    @@ -1,6 +1,6 @@
     apiVersion: v1
     data:
    -  level: low
    +  level: high
     kind: ConfigMap
     metadata:
       name: settings

    prod: limits
      removed ConfigMap limits
      added ConfigMap quota

    --- ConfigMap limits
    +++ /dev/null
    @@ -1,6 +0,0 @@
    -apiVersion: v1
    -data:
    -  level: low
    -kind: ConfigMap
    -metadata:
    -  name: limits

    --- /dev/null
    +++ ConfigMap quota
    @@ -0,0 +1,6 @@
    +apiVersion: v1
    +data:
    +  level: low
    +kind: ConfigMap
    +metadata:
    +  name: quota

    prod: shop
      changed ConfigMap shop-prod/settings

    --- ConfigMap shop-prod/settings
    +++ ConfigMap shop-prod/settings
    @@ -1,6 +1,6 @@
     apiVersion: v1
     data:
    -  level: low
    +  level: high
     kind: ConfigMap
     metadata:
       name: settings
    ");
    let json = shop.run(&["diff", "--environment", "dev", "HEAD~1", "HEAD", "--output", "json"]).expect(1).json();
    let resource = &json["environments"][0]["outputs"][0]["resources"][0];
    assert_eq!((&resource["kind"], &resource["change"]), (&Value::from("ConfigMap"), &Value::from("changed")));
    shop.edit("deploy/overlays/prod/kustomization.yaml", "../../base", "../../basis");
    shop.commit("Break production");
    let run = shop.run(&["diff", "HEAD~1", "HEAD"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    dev: no difference
    prod: not compared, fails at dry-3: `shop`: deploy/overlays/prod/kustomization.yaml:1: `resources` names `../../basis`, which does not exist
    ");
    let run = shop.run(&["diff", "HEAD", "main"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    dev: no difference
    prod: no difference
    prod: not compared, fails at both revisions: `shop`: deploy/overlays/prod/kustomization.yaml:1: `resources` names `../../basis`, which does not exist
    ");
}

#[test]
fn verify_tells_branches_that_hold_what_they_claim_from_those_that_do_not() {
    let shop = Shop::new();
    shop.hydrate(&[]).expect(0);
    shop.write("out/dev/CODEOWNERS", "* @ada\n");
    for environment in ["dev", "prod"] {
        shop.commit_folder(&format!("env/{environment}"), &shop.out().join(environment));
    }
    let run = shop.run(&["verify"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: equal (claims dry-1)
      limits: equal
      shop: equal
      web: equal
      not ours  CODEOWNERS
    env/prod: equal (claims dry-1)
      limits: equal
      shop: equal
      web: equal
    ");

    shop.edit("out/dev/web/manifest.yaml", "80", "81");
    std::fs::remove_dir_all(shop.out().join("dev/limits")).expect("removed");
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    let run = shop.run(&["verify", "--repo", "."]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: differs (claims dry-1)
      limits: missing on the branch
      shop: equal
      web: differs
        changed web/manifest.yaml
      not ours  CODEOWNERS
    env/prod: equal (claims dry-1)
      limits: equal
      shop: equal
      web: equal
    ");
    shop.run(&["verify", "--environment", "prod"]).expect(0);
    shop.run(&["verify", "--branch", "env/prod"]).expect(0);
    let clone = tempfile::tempdir().expect("a folder");
    let into = clone.path().to_str().expect("text");
    assert!(shop.program("git", &["clone", "-q", ".", into]).status().expect("git runs").success());
    shop.run(&["verify", "--repo", into, "--environment", "prod"]).expect(0);
    shop.run(&["verify", "--repo", into]).expect(1);
    let json = shop.run(&["verify", "--branch", "env/dev", "--output", "json"]).expect(1).json();
    assert_eq!(json["branches"][0]["environment"], "dev");
    assert_eq!(json["branches"][0]["foreignFiles"], serde_json::json!(["CODEOWNERS"]));
}

#[test]
fn verify_renders_the_dry_sha_that_is_claimed_and_not_the_newest() {
    let mut shop = Shop::new();
    shop.hydrate(&["--environment", "dev"]).expect(0);
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    shop.edit("deploy/base/settings.yaml", "low", "high");
    shop.commit("Raise the level");
    let run = shop.run(&["verify"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: equal (claims dry-1)
      limits: equal
      shop: equal
      web: equal
    env/prod: absent
    ");
}

#[test]
fn verify_compares_a_root_that_kept_what_it_had_with_its_own_dry_sha() {
    let mut shop = Shop::with_strategy(|text| text.replace("output: shop", "output: shop\n      onFailure: keepLast"));
    shop.hydrate(&["--environment", "dev"]).expect(0);
    shop.edit("deploy/base/kustomization.yaml", "settings", "absent");
    shop.edit("charts/web/values.yaml", "80", "81");
    shop.commit("Break one and change another");
    std::fs::rename(shop.out(), shop.path().join("out1")).expect("renamed");
    let run = shop.hydrate(&["--environment", "dev"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    Rendered dry-3 to out

    dev: 2 roots, tree <id>
      limits
      web
      kept as it was: `shop`: deploy/base/kustomization.yaml:1: `resources` names `absent.yaml`, which does not exist
    ");
    std::fs::rename(shop.path().join("out1/dev/shop"), shop.out().join("dev/shop")).expect("renamed");
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    let run = shop.run(&["verify"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: equal (claims dry-3)
      limits: equal
      shop: equal
      web: equal
    env/prod: absent
    ");
    shop.edit("out/dev/shop/manifest.yaml", "low", "high");
    shop.commit_folder("env/dev", &shop.out().join("dev"));
    let run = shop.run(&["verify"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    env/dev: differs (claims dry-3)
      limits: equal
      shop: differs
        changed shop/manifest.yaml
      web: equal
    env/prod: absent
    ");
}

#[test]
fn init_proposes_a_strategy_that_is_valid_and_writes_over_none() {
    let mut shop = Shop::new();
    std::fs::remove_file(shop.path().join("hydromote.yaml")).expect("removed");
    shop.commit("Remove the strategy");
    let run = shop.run(&["init"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    Wrote <repo>/hydromote.yaml

    Next:
      1. Read it: what could not be known is marked in its comments. Further strategies go to .hydromote/.
      2. hydromote validate .
      3. git add hydromote.yaml && git commit
      4. hydromote hydrate --repo . --out rendered
    ");
    shop.run(&["validate"]).expect(0);
    shop.commit("Add what was proposed");
    shop.hydrate(&[]).expect(0);
    shop.run(&["init", "."]).expect(2);
    shop.run(&["init", "--force"]).expect(0);
}

#[test]
fn the_schema_is_printed_as_it_is_in_the_documentation() {
    let output = Shop::new().program(env!("CARGO_BIN_EXE_hydromote"), &["schema"]).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), include_str!("../../docs/strategy.schema.json"));
}
