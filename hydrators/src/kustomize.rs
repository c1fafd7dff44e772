//! Renders a kustomization with the `kustomize` program, after a walk over everything it names.
//!
//! Kustomize has no switch against remote bases, and runs what a kustomization tells it to when it
//! is allowed to. So the whole graph is read first, and what is not a file of the tree, or would
//! run or fetch anything, is refused; `--enable-helm`, `--enable-exec` and `--network` are never
//! passed. Charts are rendered [before](crate::inflation). The same walk finds the closure.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use serde_json::Value;

use crate::canonical::read_documents;
use crate::closure::Closure;
use crate::failure::{RenderFailure, line_of};
use crate::helm::kube_version;
use crate::helm_charts;
use crate::indexed::IndexedTree;
use crate::inflation::{BASE, Inflation};
use crate::kustomization::{self, Kustomization, Reference, Role, is_inline, is_remote};
use crate::messages::{Words, shell};
use crate::program::Limits;
use crate::render::{Raw, Room, no_room, refuse_incomplete};
use crate::renderers::{Renderers, Tool, killed};
use crate::source::RenderOptions;
use crate::tree::Place;
use crate::yaml;

/// The annotations that make an object a program to run; the second is the older one.
const FUNCTIONS: [&str; 2] = ["config.kubernetes.io/function", "config.k8s.io/function"];
/// The fields in which a plugin of Kustomize names files.
const PLUGIN_FILES: [&str; 5] = ["path", "paths", "files", "envs", "env"];
/// How many charts the graph of a kustomization may have rendered, each by a process.
const MOST_CHARTS: usize = 50;
/// What Kustomize can be told to write into objects about where they come from. Of charts it would tell what is ours.
const ORIGINS: [&str; 2] = ["originAnnotations", "transformerAnnotations"];
/// The field that holds paths inside of objects instead.
const FIELD_SPECS: &str = "fieldspecs";
/// The fields of a kustomization that leave the objects of others as they are.
const LEAVES_OBJECTS: [&str; 6] = ["apiVersion", "kind", "metadata", "resources", "bases", "components"];

/// A kustomization whose graph was walked.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) closure: Closure,
    folders: BTreeSet<String>,
    taken: Vec<Taken>,
    /// By folder.
    inflations: BTreeMap<String, Inflation>,
}

/// A file that is taken as it is; what is in it is looked at right before it is rendered.
#[derive(Debug)]
struct Taken {
    file: String,
    /// The failure of a file that is not here, where it is named.
    absent: RenderFailure,
    /// Whether it is read as YAML.
    is_yaml: bool,
}

/// Walks over everything that the kustomization in `dir` names.
pub(crate) fn walk(tree: &IndexedTree, dir: &str, options: &RenderOptions) -> Result<Walked, RenderFailure> {
    let walked = Walked {
        closure: Closure::default(),
        folders: BTreeSet::new(),
        taken: Vec::new(),
        inflations: BTreeMap::new(),
    };
    let (seen, builders, charts) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    let mut walk = Walk { tree, dir, seen, builders, charts, walked };
    walk.folder(dir, None)?;
    walk.inflations(options)?;
    if walk.walked.has_charts() {
        refuse_origins(tree, dir)?;
    }
    Ok(walk.walked)
}

impl Walked {
    /// Returns whether Helm has to render, too.
    pub(crate) fn has_charts(&self) -> bool {
        !self.inflations.is_empty()
    }

    /// Returns the names and versions of the programs that render.
    pub(crate) fn label(&self, renderers: &Renderers) -> String {
        self.tools().map(|tool| renderers.label(tool)).collect::<Vec<_>>().join(", ")
    }

    /// Returns what a rendering by these programs [follows from](Renderers::identity).
    pub(crate) fn identity(&self, renderers: &Renderers) -> Result<String, RenderFailure> {
        Ok(self.tools().map(|tool| renderers.identity(tool)).collect::<Result<Vec<_>, _>>()?.join(", "))
    }

    /// Returns the programs that render.
    fn tools(&self) -> impl Iterator<Item = Tool> {
        std::iter::once(Tool::Kustomize).chain(self.has_charts().then_some(Tool::Helm))
    }
}

/// Renders the kustomization in `dir`.
pub(crate) async fn render(
    renderers: &Renderers,
    tree: &IndexedTree,
    dir: &str,
    walked: &Walked,
    options: &RenderOptions,
    room: &Room,
) -> Result<Raw, RenderFailure> {
    walked.taken.iter().try_for_each(|taken| check(tree, taken))?;
    let file = kustomization::find(tree.index(), dir).unwrap_or_default();
    inflate(renderers, tree, walked, room).await.map_err(|failure| failure.of(&file))?;
    let target = if dir.is_empty() { "." } else { dir };
    let args: [OsString; 2] = ["build".into(), target.into()];
    let run = renderers.run(Tool::Kustomize, &args, &room.sources, &room.scratch).await;
    let output = run.map_err(|failure| failure.of(&file))?;
    if !output.status.success() {
        let said = || Words::new(tree, room).kustomize(dir, &walked.folders, &output.stderr);
        return Err(killed(Tool::Kustomize, &output).map_or_else(said, |failure| failure.of(&file)));
    }
    let documents = read_documents(&String::from_utf8_lossy(&output.stdout), None)?;
    let commands = vec![command(target, walked, options)?];
    Ok(Raw { documents, commands, renderer: walked.label(renderers) })
}

/// Renders all charts, in the time and to the size that one program is allowed, and lays them for Kustomize.
async fn inflate(renderers: &Renderers, tree: &IndexedTree, walked: &Walked, room: &Room) -> Result<(), RenderFailure> {
    let Limits { wall, stdout_bytes: mut most, .. } = *renderers.limits();
    let all = async {
        let mut inflated = Vec::with_capacity(walked.inflations.len());
        for inflation in walked.inflations.values() {
            let texts = inflation.render(renderers, tree, room, most).await?;
            most -= texts.bytes();
            inflated.push(texts);
        }
        Ok::<_, RenderFailure>(inflated)
    };
    let too_slow = || RenderFailure::limit(format!("its charts took longer than {} s together", wall.as_secs_f64()));
    let inflated = tokio::time::timeout(wall, all).await.map_err(|_| too_slow())??;
    inflated.iter().try_for_each(|texts| texts.lay(room)).map_err(no_room)
}

/// Returns the command that renders the same from a checkout.
fn command(target: &str, walked: &Walked, options: &RenderOptions) -> Result<String, RenderFailure> {
    let mut words = vec!["kustomize".to_string(), "build".into()];
    if walked.has_charts() {
        words.extend(["--enable-helm".into(), "--helm-kube-version".into(), kube_version(&options.kube_version)?]);
        for version in &options.api_versions {
            words.extend(["--helm-api-versions".into(), shell(version)]);
        }
    }
    words.push(shell(target));
    Ok(words.join(" "))
}

fn check(tree: &IndexedTree, taken: &Taken) -> Result<(), RenderFailure> {
    if tree.is_pointer(&taken.file)? {
        return Err(taken.absent.clone());
    }
    let bomb = if taken.is_yaml { yaml::alias_bomb(&tree.read_text(&taken.file)?) } else { None };
    bomb.map_or(
        Ok(()),
        |line| Err(RenderFailure::author(yaml::alias_bomb_message()).at(taken.file.clone(), Some(line))),
    )
}

/// The walk over a kustomization's graph.
struct Walk<'a> {
    tree: &'a IndexedTree,
    /// The folder that is rendered.
    dir: &'a str,
    /// Folders that were walked, and from where their objects name files if they configure plugins.
    seen: BTreeSet<(String, Option<String>)>,
    /// By folder, those that build on it.
    builders: BTreeMap<String, BTreeSet<String>>,
    /// How many charts a folder has.
    charts: BTreeMap<String, usize>,
    walked: Walked,
}

impl Walk<'_> {
    /// Walks over a folder. Its objects configure plugins of the kustomization in the folder `plugins_of`, if that is
    /// given: that is where the files are sought that they name.
    fn folder(&mut self, folder: &str, plugins_of: Option<&str>) -> Result<(), RenderFailure> {
        if !self.seen.insert((folder.to_string(), plugins_of.map(str::to_string))) {
            return Ok(());
        }
        self.walked.folders.insert(folder.to_string());
        if folder.split('/').any(|segment| segment.starts_with('-')) {
            return Err(RenderFailure::author(format!("the folder `{folder}` begins with `-`; rename it")));
        }
        refuse_incomplete(self.tree, folder)?;
        let Some(known) = self.tree.kustomization(folder) else {
            return Err(RenderFailure::author(format!("there is no kustomization in `{folder}`")));
        };
        // Kustomize takes none of several, so all of them count.
        for name in kustomization::NAMES {
            self.walked.closure.follow(self.tree, folder, name);
        }
        let kustomization = known.as_ref().as_ref().map_err(RenderFailure::clone)?;
        if let Some((found, meant)) = kustomization.misspelt() {
            let message =
                format!("`{found}`: write `{meant}`, as Kustomize means it; other letters hide it from readers");
            return Err(
                RenderFailure::author(message).at(kustomization.file.clone(), line_of(&kustomization.text, found))
            );
        }
        self.count_charts(folder, kustomization, plugins_of)?;
        if plugins_of.is_some() {
            refuse_changes(kustomization)?;
        }
        for reference in kustomization.references() {
            let plugins_of = match reference.role {
                Role::Plugin => Some(folder),
                Role::Build => plugins_of,
                Role::File => None,
            };
            self.reference(folder, kustomization, &reference, plugins_of)?;
        }
        Ok(())
    }

    fn count_charts(
        &mut self,
        folder: &str,
        from: &Kustomization,
        plugins_of: Option<&str>,
    ) -> Result<(), RenderFailure> {
        let count = helm_charts::read(from)?.len();
        if count == 0 {
            return Ok(());
        }
        self.charts.insert(folder.to_string(), count);
        let message = if plugins_of.is_some() {
            "`helmCharts`: what a chart renders to cannot configure plugins; write the objects out".to_string()
        } else if self.charts.values().sum::<usize>() > MOST_CHARTS {
            format!("`helmCharts`: this is built from more than {MOST_CHARTS} charts; make roots of some")
        } else {
            return Ok(());
        };
        Err(RenderFailure::author(message).at(from.file.clone(), line_of(&from.text, helm_charts::FIELD)))
    }

    /// Looks at all charts, once it is known what builds on them.
    fn inflations(&mut self, options: &RenderOptions) -> Result<(), RenderFailure> {
        for folder in self.charts.keys() {
            let Some(known) = self.tree.kustomization(folder) else { continue };
            let kustomization = known.as_ref().as_ref().map_err(RenderFailure::clone)?;
            let inherited = self.namespaces_of_builders(folder);
            if let Some(inflation) = Inflation::look(self.tree, folder, kustomization, &inherited, options)? {
                inflation.add_to(&mut self.walked.closure);
                self.walked.inflations.insert(folder.clone(), inflation);
            }
        }
        Ok(())
    }

    /// Returns the namespaces that a folder gets from those that build on it; from those that have none, theirs.
    fn namespaces_of_builders(&self, folder: &str) -> BTreeSet<Option<String>> {
        let (mut found, mut seen, mut ahead) = (BTreeSet::new(), BTreeSet::new(), vec![folder]);
        while let Some(folder) = ahead.pop() {
            if folder == self.dir {
                found.insert(None);
            }
            for builder in self.builders.get(folder).into_iter().flatten().filter(|builder| seen.insert(*builder)) {
                let known = self.tree.kustomization(builder);
                match known.as_ref().and_then(|known| known.as_ref().as_ref().ok()?.namespace()) {
                    Some(namespace) => drop(found.insert(Some(namespace))),
                    None => ahead.push(builder),
                }
            }
        }
        found
    }

    fn reference(
        &mut self,
        folder: &str,
        from: &Kustomization,
        reference: &Reference,
        plugins_of: Option<&str>,
    ) -> Result<(), RenderFailure> {
        let Reference { field, text, role } = reference;
        let fault = |message: String| {
            let first = text.lines().next().unwrap_or_default();
            RenderFailure::author(message).at(from.file.clone(), line_of(&from.text, first))
        };
        if let Some(plugins_of) = plugins_of
            && is_inline(text)
        {
            return self.plugins(plugins_of, text).map_err(fault);
        }
        let place = self.walked.closure.follow(self.tree, folder, text);
        // Of a component or a base Kustomize never asks whether it is a file.
        let is_folder = matches!(*field, "components" | "bases");
        if text.contains("://") || is_remote(text) && (is_folder || !matches!(place, Place::File(_))) {
            return Err(fault(not_here(field, text)));
        }
        if text.starts_with('-') {
            return Err(fault(format!("`{field}` names `{text}`, which begins with `-`; rename it")));
        }
        let file = match place {
            Place::Outside => {
                return Err(fault(format!("`{field}` names `{text}`, which is outside of the repository")));
            }
            Place::Missing => return Err(fault(format!("`{field}` names `{text}`, which does not exist"))),
            Place::Folder(_) if *role == Role::File => {
                return Err(fault(format!("`{field}` names `{text}`, which is a folder")));
            }
            Place::Folder(base) => {
                self.builders.entry(base.clone()).or_default().insert(folder.to_string());
                return self.folder(&base, plugins_of);
            }
            Place::File(file) => file,
        };
        if let Some(plugins_of) = plugins_of {
            let plugin = self.tree.read_text(&file)?;
            self.plugins(plugins_of, &plugin)
                .map_err(|message| RenderFailure::author(message).at(file.clone(), line_of(&plugin, "apiVersion")))?;
        }
        let absent =
            fault(format!("`{field}` names `{text}`, whose content is kept by Git LFS and not fetched; commit it"));
        // What a generator takes is copied, not read.
        self.walked.taken.push(Taken { file, absent, is_yaml: !field.ends_with("Generator") });
        Ok(())
    }

    /// Fails when the objects in `text` make Kustomize run anything but its own code, or reach for what
    /// is not in the tree.
    fn plugins(&mut self, folder: &str, text: &str) -> Result<(), String> {
        let objects: Vec<Value> =
            serde_saphyr::from_multiple(text).map_err(|error| error.without_snippet().to_string())?;
        objects.iter().try_for_each(|object| {
            refuse_program(object)?;
            self.plugin_files(folder, object)
        })
    }

    fn plugin_files(&mut self, folder: &str, object: &Value) -> Result<(), String> {
        match object {
            Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
                let key = kustomization::folded(key);
                if key == FIELD_SPECS {
                    return Ok(());
                }
                if PLUGIN_FILES.contains(&key.as_str()) {
                    let texts = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    texts.iter().filter_map(Value::as_str).try_for_each(|text| self.plugin_file(folder, &key, text))?;
                }
                self.plugin_files(folder, value)
            }),
            Value::Array(items) => items.iter().try_for_each(|item| self.plugin_files(folder, item)),
            _ => Ok(()),
        }
    }

    fn plugin_file(&mut self, folder: &str, field: &str, text: &str) -> Result<(), String> {
        let path = text.split_once('=').map_or(text, |(_, path)| path);
        if path.split('/').any(|segment| segment == BASE) {
            return Err(format!("`{field}` names `{path}`, where Hydromote puts what charts render to"));
        }
        if path.contains("://") {
            return Err(not_here(field, path));
        }
        // Not every field of that name has a key before the path.
        for path in [text, path] {
            if self.walked.closure.follow(self.tree, folder, path) == Place::Outside {
                return Err(format!("`{field}` names `{path}`, which is outside of the repository"));
            }
        }
        Ok(())
    }
}

fn not_here(field: &str, text: &str) -> String {
    format!(
        "`{field}` names `{text}`, which is not in this repository; remote bases and files are not fetched, so vendor it"
    )
}

fn refuse_origins(tree: &IndexedTree, dir: &str) -> Result<(), RenderFailure> {
    let Some(known) = tree.kustomization(dir) else { return Ok(()) };
    let Ok(Kustomization { file, text, value }) = &*known else { return Ok(()) };
    let told = value.get("buildMetadata").and_then(Value::as_array).into_iter().flatten();
    match told.filter_map(Value::as_str).find(|told| ORIGINS.contains(told)) {
        Some(told) => {
            let message = format!("`buildMetadata`: `{told}` cannot be told of charts in kustomizations; remove it");
            Err(RenderFailure::author(message).at(file.clone(), line_of(text, told)))
        }
        None => Ok(()),
    }
}

/// Fails when a kustomization whose objects configure plugins changes them: they were judged as they are written.
fn refuse_changes(kustomization: &Kustomization) -> Result<(), RenderFailure> {
    let Kustomization { file, text, value } = kustomization;
    let mut fields = value.as_object().into_iter().flat_map(|fields| fields.keys());
    match fields.find(|field| !LEAVES_OBJECTS.contains(&field.as_str())) {
        Some(field) => {
            let message =
                format!("`{field}` would change what configures plugins; write the configuration out as it is");
            Err(RenderFailure::author(message).at(file.clone(), line_of(text, field)))
        }
        None => Ok(()),
    }
}

fn refuse_program(object: &Value) -> Result<(), String> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    let is_function = FUNCTIONS.iter().any(|name| annotations.is_some_and(|there| there.contains_key(*name)));
    if is_function || object.pointer("/metadata/configFn").is_some() {
        return Err(format!("`{kind}` is a function in a container or program, which is refused"));
    }
    if kind == "HelmChartInflationGenerator" {
        return Err(format!("`{kind}` is refused as a generator; write the chart as an entry of `helmCharts`"));
    }
    if let Some(items) = object.get("items").and_then(Value::as_array) {
        items.iter().try_for_each(refuse_program)?;
    } else if api_version != "builtin" {
        return Err(format!(
            "`{kind}` of `{api_version}` is a plugin program, which is refused; only `apiVersion: builtin` runs"
        ));
    }
    Ok(())
}
