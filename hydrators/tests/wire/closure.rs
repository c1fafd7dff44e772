//! The proof that closures are exact: a root renders from its closure alone as it does from the whole tree, and
//! whatever is done to a file, no rendering of the whole tree changes while the key stays.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hydrators::{
    DirectoryTree, IndexedTree, Labels, Limits, Prepared, Renderers, Root, SecretPolicy, Source, SourceTree, Tool,
    TreeLimits, canonical, discover, prepare,
};
use tokio::task::JoinSet;

use crate::repository::{Repository, renderers};

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Change,
    Delete,
    Rename,
    /// A file beside it, of the same kind.
    Add,
}

const DEEDS: [Deed; 4] = [Deed::Change, Deed::Delete, Deed::Rename, Deed::Add];

/// A dry tree on disk that is changed, with all of its roots.
struct Ground {
    folder: PathBuf,
    renderers: Arc<Renderers>,
}

/// The roots of a tree, by output: their keys and inputs, or nothing where they are refused.
type Keyed = BTreeMap<String, Option<Prepared>>;

/// What came of all deeds.
#[derive(Debug, Default)]
struct Told {
    deeds: usize,
    compared: usize,
    /// How often a rendering and its key changed.
    changed: usize,
    faults: Vec<String>,
}

impl Ground {
    fn roots(&self) -> (Arc<IndexedTree>, Keyed) {
        let tree = Arc::new(DirectoryTree::new(&self.folder));
        let tree = Arc::new(IndexedTree::read(tree, TreeLimits::default()).expect("a tree"));
        let options = hydrators::RenderOptions { secrets: SecretPolicy::Allow, ..hydrators::RenderOptions::default() };
        let source = Source { path: Some("**".into()), options, ..Source::default() };
        let roots = discover(&tree, &[source], &Labels::new()).map(|found| found.roots).unwrap_or_default();
        let keyed = |root: Root| (root.output.clone(), prepare(&self.renderers, &tree, &root).ok());
        let keyed = roots.into_iter().map(keyed).collect();
        (tree, keyed)
    }

    /// Renders from the whole tree with the command that a rendering names, without our checks.
    async fn whole(&self, command: &str) -> Option<String> {
        let (program, args) = command.split_once(' ')?;
        if args.contains("--enable-helm") {
            return self.whole_with_helm(args).await;
        }
        let tool = if program == "helm" { Tool::Helm } else { Tool::Kustomize };
        let args: Vec<OsString> = args.split(' ').map(|word| word.trim_matches('\'').into()).collect();
        let output = self.renderers.run_unchecked(tool, &args, &self.folder).await.ok()?;
        output.status.success().then(|| canonical(&String::from_utf8_lossy(&output.stdout)).ok()).flatten()
    }

    /// The same where Kustomize has to start Helm, which the sandbox forbids.
    #[expect(clippy::disallowed_methods, reason = "what we do is compared with what happens without us")]
    async fn whole_with_helm(&self, args: &str) -> Option<String> {
        let home = tempfile::tempdir().expect("a folder");
        let output = tokio::process::Command::new(self.renderers.path(Tool::Kustomize))
            .arg("--helm-command")
            .arg(self.renderers.path(Tool::Helm))
            .args(args.split(' ').map(|word| word.trim_matches('\'')))
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", home.path())
            .output()
            .await
            .expect("Kustomize runs");
        output.status.success().then(|| canonical(&String::from_utf8_lossy(&output.stdout)).ok()).flatten()
    }

    /// Renders many from the whole tree, by their commands.
    async fn wholes(self: &Arc<Self>, commands: BTreeSet<String>) -> BTreeMap<String, Option<String>> {
        let permits = Arc::new(tokio::sync::Semaphore::new(4));
        let mut work = JoinSet::new();
        for command in commands {
            let (ground, permits) = (self.clone(), permits.clone());
            work.spawn(async move {
                let _permit = permits.acquire().await.expect("a permit");
                let rendered = ground.whole(&command).await;
                (command, rendered)
            });
        }
        work.join_all().await.into_iter().collect()
    }

    /// Does something to a file; returns how it is undone, or nothing when there is nothing to be done.
    fn act(&self, path: &str, deed: Deed) -> Option<Box<dyn FnOnce()>> {
        let file = self.folder.join(path);
        let before = fs::read(&file).ok()?;
        let beside = match path.rsplit_once('.') {
            Some((stem, extension)) => self.folder.join(format!("{stem}-2.{extension}")),
            None => self.folder.join(format!("{path}-2")),
        };
        // Through a new file: what is written in place would be seen through links of the file system.
        let replace = |file: &Path, bytes: &[u8]| {
            fs::remove_file(file).expect("removed");
            fs::write(file, bytes).expect("written");
        };
        Some(match deed {
            Deed::Change => {
                replace(&file, changed(&String::from_utf8_lossy(&before))?.as_bytes());
                Box::new(move || replace(&file, &before))
            }
            Deed::Delete => {
                fs::remove_file(&file).expect("removed");
                Box::new(move || fs::write(&file, before).expect("written"))
            }
            Deed::Rename if !beside.exists() => {
                fs::rename(&file, &beside).expect("renamed");
                Box::new(move || fs::rename(beside, file).expect("renamed"))
            }
            Deed::Add if !beside.exists() => {
                let bytes = changed(&String::from_utf8_lossy(&before)).map_or(before, String::into_bytes);
                fs::write(&beside, bytes).expect("written");
                Box::new(move || fs::remove_file(beside).expect("removed"))
            }
            Deed::Rename | Deed::Add => return None,
        })
    }

    /// Compares every root's rendering with that from the whole tree; returns the commands of those that are equal.
    async fn compare(self: &Arc<Self>, told: &mut Told) -> BTreeMap<String, (String, String)> {
        let (tree, keyed) = self.roots();
        let mut equal = BTreeMap::new();
        for (output, prepared) in keyed {
            let Some(prepared) = prepared else { continue };
            let Ok(rendered) = prepared.render(&self.renderers, &tree).await else { continue };
            // A plain folder has no command, and nothing but its closure is ever read for it.
            let Some(command) = rendered.commands.first() else { continue };
            told.compared += 1;
            let own = rendered.files.into_values().next().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            match self.whole(command).await {
                // What the whole tree does not have is laid into the closure.
                None if own.is_some() && command.starts_with("helm") => {}
                whole if whole != own => told.faults.push(format!("{output} differs from what the whole tree gives")),
                Some(whole) => drop(equal.insert(output, (command.clone(), whole))),
                None => {}
            }
        }
        equal
    }

    /// Does everything to each of these files; no rendering may change while its key stays.
    async fn try_out(self: &Arc<Self>, files: &[String], nearest: Option<usize>) -> Told {
        let mut told = Told::default();
        let renderings = self.compare(&mut told).await;
        let (_, before) = self.roots();
        for path in files {
            let looked_at = near(path, &before, nearest);
            for deed in DEEDS {
                let Some(undo) = self.act(path, deed) else { continue };
                told.deeds += 1;
                let (_, after) = self.roots();
                let stays = |output: &String| {
                    let key = |keyed: &Keyed| keyed.get(output)?.as_ref().map(|prepared| prepared.key.clone());
                    key(&before).is_some() && key(&before) == key(&after)
                };
                let known = looked_at.iter().filter_map(|output| Some((output, renderings.get(output)?)));
                let (same, other): (Vec<_>, Vec<_>) = known.partition(|(output, _)| stays(output));
                told.changed += other.len();
                let found = self.wholes(same.iter().map(|(_, (command, _))| command.clone()).collect()).await;
                told.compared += found.len();
                for (output, (command, text)) in same {
                    if found.get(command).is_none_or(|found| found.as_ref() != Some(text)) {
                        told.faults.push(format!("{deed:?} of {path} changes {output}, and its key stays"));
                    }
                }
                undo();
            }
        }
        told
    }
}

/// Returns the roots in which a file can matter: all, or those whose inputs lie nearest to it.
fn near(path: &str, keyed: &Keyed, most: Option<usize>) -> Vec<String> {
    let shared = |prepared: &Option<Prepared>| {
        let paths = prepared.as_ref().map(|prepared| prepared.closure().paths()).unwrap_or_default();
        let common = |other: &str| path.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        paths.into_iter().map(common).max().unwrap_or(0)
    };
    let mut ranked: Vec<(usize, &String)> = keyed.iter().map(|(output, one)| (shared(one), output)).collect();
    ranked.sort_by(|a, b| b.cmp(a));
    ranked.into_iter().take(most.unwrap_or(usize::MAX)).map(|(_, output)| output.clone()).collect()
}

/// Returns a text with another value in its last line that has one.
fn changed(text: &str) -> Option<String> {
    let is_simple = |value: &str| value.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    let lines: Vec<&str> = text.lines().collect();
    let has_value =
        |line: &&str| line.split_once([':', '=']).is_some_and(|(_, v)| !v.trim().is_empty() && is_simple(v.trim()));
    let last = lines.iter().rposition(has_value)?;
    let line = format!("{}x", lines[last]);
    Some([&lines[..last], &[line.as_str()], &lines[last + 1..]].concat().join("\n") + "\n")
}

/// A repository with everything that a kustomization or chart can be made of.
fn everything() -> Repository {
    let object =
        |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: value\n");
    let plugin =
        |kind: &str, more: &str| format!("apiVersion: builtin\nkind: {kind}\nmetadata:\n  name: plugin\n{more}");
    let chart = |name: &str, more: &str| format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n{more}");
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Chart.Name }}\ndata:\n  size: \"{{ .Values.size }}\"\n";
    let repository = Repository::with(&[
        (
            "base/kustomization.yaml",
            "resources:\n- object.yaml\n- more/object.yaml\ncrds:\n- crds/schema.json\nconfigurations:\n- config/names.yaml\n",
        ),
        ("base/object.yaml", &object("base")),
        ("base/more/object.yaml", &object("more")),
        ("base/unused.yaml", &object("unused")),
        ("base/crds/schema.json", "{}\n"),
        (
            "base/config/names.yaml",
            "nameReference:\n- kind: ConfigMap\n  version: v1\n  fieldSpecs:\n  - path: data/key\n    kind: Thing\n",
        ),
        (
            "parts/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels:\n- pairs:\n    part: one\n",
        ),
        (
            "overlays/dev/kustomization.yaml",
            "resources:\n- ../../base\n- ../../linked/other.yaml\ncomponents:\n- ../../parts\npatches:\n- path: patch.yaml\n- path: json.yaml\n  target:\n    kind: ConfigMap\n    name: more\nreplacements:\n- path: replace.yaml\ntransformers:\n- transform\ngenerators:\n- generate.yaml\nconfigMapGenerator:\n- name: files\n  files:\n  - text.txt\n  - key=renamed.txt\n  envs:\n  - more.env\nopenapi:\n  path: openapi.json\n",
        ),
        (
            "overlays/dev/patch.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: base\ndata:\n  patched: value\n",
        ),
        ("overlays/dev/json.yaml", "- op: add\n  path: /data/json\n  value: patched\n"),
        (
            "overlays/dev/replace.yaml",
            "source:\n  kind: ConfigMap\n  name: base\n  fieldPath: metadata.name\ntargets:\n- select:\n    name: more\n  fieldPaths:\n  - data.key\n",
        ),
        ("overlays/dev/transform/kustomization.yaml", "resources:\n- prefix.yaml\n- patch.yaml\n"),
        (
            "overlays/dev/transform/prefix.yaml",
            &plugin("PrefixSuffixTransformer", "prefix: dev-\nfieldSpecs:\n- path: metadata/name\n"),
        ),
        (
            "overlays/dev/transform/patch.yaml",
            &plugin("PatchTransformer", "path: late.yaml\n").replace("name: plugin", "name: patch"),
        ),
        ("overlays/dev/late.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: more\ndata:\n  late: value\n"),
        (
            "overlays/dev/transform/late.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: more\ndata:\n  late: other\n",
        ),
        ("overlays/dev/generate.yaml", &plugin("ConfigMapGenerator", "files:\n- generated.txt\n")),
        ("overlays/dev/generated.txt", "text: value\n"),
        ("overlays/dev/text.txt", "text: value\n"),
        ("overlays/dev/renamed.txt", "text: value\n"),
        ("overlays/dev/more.env", "KEY=value\n"),
        ("overlays/dev/openapi.json", "{\"definitions\": {}}\n"),
        ("overlays/dev/README.md", "title: unused\n"),
        ("real/other.yaml", &object("other")),
        ("charts/web/Chart.yaml", &chart("web", "dependencies:\n- name: db\n  version: 1.0.0\n")),
        ("charts/web/values.yaml", "size: small\n"),
        ("charts/web/values.schema.json", "{\"type\": \"object\"}\n"),
        ("charts/web/.helmignore", "*.bak\n"),
        ("charts/web/ignored.bak", "a: b\n"),
        ("charts/web/files/a.txt", "text: value\n"),
        (
            "charts/web/crds/crd.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: things.example.com\n",
        ),
        (
            "charts/web/templates/_helpers.tpl",
            "{{ define \"web.text\" }}{{ .Files.Get \"files/a.txt\" | quote }}{{ end }}\n",
        ),
        ("charts/web/templates/a.yaml", &format!("{template}  text: {{{{ include \"web.text\" . }}}}\n")),
        ("charts/web/templates/NOTES.txt", "note: value\n"),
        ("charts/web/charts/db/Chart.yaml", &chart("db", "")),
        ("charts/web/charts/db/values.yaml", "size: large\n"),
        ("charts/web/charts/db/templates/a.yaml", template),
        (
            "inflated/kustomization.yaml",
            "resources:\n- ../inflated-base\nhelmGlobals:\n  chartHome: home\nhelmCharts:\n- name: app\n  releaseName: merged\n  valuesFile: values.yaml\n  additionalValuesFiles:\n  - more.yaml\n  valuesInline:\n    inline: value\n",
        ),
        ("inflated/values.yaml", "size: file\n"),
        ("inflated/more.yaml", "more: value\n"),
        ("inflated/home/app/Chart.yaml", &chart("app", "")),
        ("inflated/home/app/values.yaml", "size: small\n"),
        ("inflated/home/app/values.schema.json", "{\"type\": \"object\"}\n"),
        ("inflated/home/app/files/a.txt", "text: value\n"),
        (
            "inflated/home/app/templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  values: {{ toJson .Values | quote }}\n  text: {{ .Files.Get \"files/a.txt\" | quote }}\n",
        ),
        ("inflated-base/kustomization.yaml", "helmCharts:\n- name: lib\n  releaseName: base\n"),
        ("inflated-base/charts/lib/Chart.yaml", &chart("lib", "")),
        ("inflated-base/charts/lib/values.yaml", "size: base\n"),
        ("inflated-base/charts/lib/templates/a.yaml", template),
        ("plain/a.yaml", &object("plain")),
    ]);
    repository.link("linked", "real");
    repository
}

fn files(folder: &Path) -> Vec<String> {
    let entries = DirectoryTree::new(folder).entries().expect("entries");
    entries.into_iter().map(|entry| entry.path).filter(|path| folder.join(path).is_file()).collect()
}

#[tokio::test]
async fn nothing_that_is_done_to_a_file_changes_a_rendering_whose_key_stays() {
    let repository = everything();
    let ground = Arc::new(Ground {
        folder: repository.path().to_path_buf(),
        renderers: Arc::new(renderers(Limits::default()).await),
    });
    let (_, keyed) = ground.roots();
    assert_eq!(
        keyed.keys().collect::<Vec<_>>(),
        ["base", "charts/web", "inflated", "inflated-base", "overlays/dev", "overlays/dev/transform", "plain", "real"]
    );
    let files: Vec<String> = files(repository.path()).into_iter().filter(|path| path != "linked").collect();
    let told = ground.try_out(&files, None).await;
    assert_eq!(told.faults, Vec::<String>::new());
    assert!(told.deeds > 120 && told.changed > 50 && told.compared > 300, "{told:?}");
}

/// Which repository is tried out, and how many of its files, evenly spread.
const REPOSITORY: &str = "HYDROMOTE_PROVE";
const SAMPLE: &str = "HYDROMOTE_PROVE_FILES";

/// How many roots are looked at for each file of such a repository.
const NEAREST: usize = 6;

#[tokio::test]
#[ignore = "tries out a repository of one's own: make prove REPO=folder"]
async fn a_repository() {
    let from = std::env::var_os(REPOSITORY).unwrap_or_else(|| panic!("{REPOSITORY} is missing"));
    let sample = std::env::var_os(SAMPLE).and_then(|text| text.to_str()?.parse().ok()).unwrap_or(100);
    let copy = tempfile::tempdir().expect("a folder");
    let tree = DirectoryTree::new(&from);
    for entry in tree.entries().expect("entries") {
        let target = copy.path().join(&entry.path);
        fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
        let bytes = tree.read(&entry.path).expect("a file");
        match entry.kind {
            hydrators::EntryKind::Symlink => {
                std::os::unix::fs::symlink(String::from_utf8(bytes).expect("text"), target).expect("a link");
            }
            _ => fs::write(target, bytes).expect("a file"),
        }
    }
    let renderers = Arc::new(renderers(Limits::default()).await);
    let ground = Arc::new(Ground { folder: copy.path().to_path_buf(), renderers });
    let all = files(copy.path());
    let step = (all.len() / sample).max(1);
    let files: Vec<String> = all.into_iter().step_by(step).collect();
    let told = ground.try_out(&files, Some(NEAREST)).await;
    let (_, keyed) = ground.roots();
    let followed = keyed.values().flatten().count();
    let result = format!(
        "{} roots, {followed} of them followed; {} deeds on {} files; {} renderings compared, {} keys changed; {} faults\n{}",
        keyed.len(),
        told.deeds,
        files.len(),
        told.compared,
        told.changed,
        told.faults.len(),
        told.faults.join("\n")
    );
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("prove.txt"), &result).expect("written");
    assert!(told.faults.is_empty() && followed > 0 && told.changed > 0, "{result}");
}
