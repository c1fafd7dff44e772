//! Renders a release of a chart with the `helm` program.
//!
//! Everything that comes from users is checked before it becomes an argument: names are DNS names,
//! paths are files of the tree, nothing begins with `-`. Dependencies come from the chart's own
//! `charts/`, or from a folder of the repository; nothing is fetched.

use std::ffi::OsString;

use serde_json::Value;

use crate::archive;
use crate::canonical::{Document, read_documents};
use crate::closure::Closure;
use crate::failure::{RenderFailure, line_of};
use crate::indexed::IndexedTree;
use crate::messages::{Words, shell};
use crate::render::{Raw, Room, no_room, refuse_incomplete};
use crate::renderers::{Renderers, Tool, killed};
use crate::source::{Release, RenderOptions};
use crate::tree::{Place, join, name, parent};

/// The longest release name that Helm takes.
const LONGEST_RELEASE: usize = 53;
/// The longest name of a namespace.
const LONGEST_NAMESPACE: usize = 63;
/// The file of a chart's schema for values.
const SCHEMA: &str = "values.schema.json";
/// How the repository of a dependency begins that is a folder.
const FILE: &str = "file://";
/// How deep such dependencies may lie in each other.
const DEEPEST: usize = 10;
/// The file of values that are in no file of the tree, in the scratch folder.
const GIVEN_VALUES: &str = "given-values.yaml";

/// A release that was looked at, ready to be rendered.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) closure: Closure,
    arguments: Vec<String>,
    /// Where the value files begin in the arguments.
    value_files: usize,
    chart: Chart,
}

/// Values that are in no file of the tree.
#[derive(Debug)]
pub(crate) enum Given {
    /// Value files are laid over them.
    Under(String),
    /// They are laid over value files.
    Over(String),
}

/// Looks at a release: what it names, and what Helm is to be told.
pub(crate) fn look(tree: &IndexedTree, release: &Release, options: &RenderOptions) -> Result<Looked, RenderFailure> {
    let mut closure = Closure::default();
    let mut arguments = arguments(release, options)?;
    let value_files = arguments.len();
    for path in self::value_files(tree, release, &mut closure)? {
        arguments.extend(["--values".into(), path]);
    }
    let chart = Chart::read(tree, &release.chart)?;
    closure.add_folder(tree, &release.chart);
    chart.check(tree, &mut closure)?;
    Ok(Looked { closure, arguments, value_files, chart })
}

/// Renders one release.
pub(crate) async fn render(
    renderers: &Renderers,
    tree: &IndexedTree,
    release: &Release,
    looked: &Looked,
    room: &Room,
) -> Result<Raw, RenderFailure> {
    let given = release.values.as_ref().map(|values| Given::Over(Value::Object(values.clone()).to_string()));
    let text = run(renderers, tree, looked, given, room).await?;
    let documents = looked.documents(&text)?;
    let commands = vec![command(&looked.arguments, release)];
    Ok(Raw { documents, commands, renderer: renderers.label(Tool::Helm) })
}

/// Has Helm render one release; returns what it wrote.
pub(crate) async fn run(
    renderers: &Renderers,
    tree: &IndexedTree,
    looked: &Looked,
    given: Option<Given>,
    room: &Room,
) -> Result<String, RenderFailure> {
    let Looked { closure, arguments, value_files, chart } = looked;
    chart.check_content(tree, closure)?;
    let mut args: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    if let Some(given) = given {
        let (text, at) = match given {
            Given::Under(text) => (text, *value_files),
            Given::Over(text) => (text, args.len()),
        };
        let file = room.scratch.path().join(GIVEN_VALUES);
        std::fs::write(&file, text).map_err(no_room)?;
        args.splice(at..at, ["--values".into(), file.into_os_string()]);
    }
    let run = renderers.run(Tool::Helm, &args, &room.sources, &room.scratch).await;
    let output = run.map_err(|failure| failure.of(&chart.file))?;
    if !output.status.success() {
        let words = Words::new(tree, room);
        let said = || words.helm(&chart.folder, &chart.name, closure, &output.stderr);
        return Err(killed(Tool::Helm, &output).map_or_else(said, |failure| failure.of(&chart.file)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Looked {
    /// Has Helm leave out hooks.
    pub(crate) fn without_hooks(&mut self) {
        self.arguments.insert(self.value_files, "--no-hooks".into());
        self.value_files += 1;
    }

    /// Reads what Helm wrote.
    pub(crate) fn documents(&self, text: &str) -> Result<Vec<Document>, RenderFailure> {
        let path_of = |file: &String| self.closure.origin(&self.chart.path_of(file)).to_string();
        let mut documents = read_documents(text, None).map_err(|mut bad| {
            bad.origin.file = bad.origin.file.as_ref().map(path_of);
            bad
        })?;
        for document in &mut documents {
            document.origin.file = document.origin.file.as_ref().map(path_of);
        }
        Ok(documents)
    }
}

/// Returns the arguments for Helm, without values.
fn arguments(release: &Release, options: &RenderOptions) -> Result<Vec<String>, RenderFailure> {
    check_name("release name", &release.name, LONGEST_RELEASE)?;
    check_name("namespace", &release.namespace, LONGEST_NAMESPACE)?;
    // The leading `./` keeps Helm from taking it for the name of a chart repository.
    let mut args: Vec<String> = vec!["template".into(), release.name.clone(), format!("./{}", release.chart)];
    args.extend(["--namespace".into(), release.namespace.clone()]);
    args.extend(["--kube-version".into(), kube_version(&options.kube_version)?]);
    for version in &options.api_versions {
        if version.starts_with('-') || version.is_empty() || version.contains([',', ' ']) {
            return Err(RenderFailure::author(format!("`{version}` is no API version, such as `example.com/v1`")));
        }
        args.extend(["--api-versions".into(), version.clone()]);
    }
    if options.include_crds {
        args.push("--include-crds".into());
    }
    if options.skip_tests {
        args.push("--skip-tests".into());
    }
    Ok(args)
}

/// Returns the value files that are there.
fn value_files(tree: &IndexedTree, release: &Release, closure: &mut Closure) -> Result<Vec<String>, RenderFailure> {
    let mut found = Vec::new();
    for file in &release.value_files {
        let path = file.path.trim_start_matches("./");
        // Helm splits at commas, and fetches what has a scheme.
        if path.starts_with('-') || path.contains("://") || path.contains(',') {
            return Err(RenderFailure::author(format!("`{path}` is no path of a value file in this repository")));
        }
        if let Some(entry) = tree.left_out().iter().find(|entry| entry.path == path) {
            return Err(
                RenderFailure::author(format!("the value file cannot be used: {}", entry.reason)).at(path, None)
            );
        }
        match closure.follow(tree, "", path) {
            Place::File(file) if tree.is_pointer(&file)? => return Err(RenderFailure::pointer(&file)),
            Place::File(_) => found.push(path.to_string()),
            Place::Missing if file.optional => {}
            Place::Missing => {
                let message = format!("the value file `{path}` does not exist; end it with `?` when it may be absent");
                return Err(RenderFailure::author(message));
            }
            Place::Folder(_) => return Err(RenderFailure::author(format!("the value file `{path}` is a folder"))),
            Place::Outside => {
                return Err(RenderFailure::author(format!("the value file `{path}` is outside of the repository")));
            }
        }
    }
    Ok(found)
}

/// Returns the command that renders the same from a checkout, for bash.
fn command(arguments: &[String], release: &Release) -> String {
    let mut words = vec!["helm".to_string()];
    for argument in arguments {
        match &release.remote {
            Some(remote) if *argument == format!("./{}", release.chart) => {
                words.extend(remote.arguments().iter().map(|word| shell(word)));
            }
            _ => words.push(shell(argument)),
        }
    }
    if let Some(values) = &release.values {
        words.push("--values".into());
        words.push(format!("<(echo {})", shell(&Value::Object(values.clone()).to_string())));
    }
    words.join(" ")
}

fn check_name(what: &str, text: &str, longest: usize) -> Result<(), RenderFailure> {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_label = |label: &str| {
        label.starts_with(is_letter) && label.ends_with(is_letter) && label.chars().all(|c| is_letter(c) || c == '-')
    };
    if text.len() <= longest && text.split('.').all(is_label) {
        return Ok(());
    }
    Err(RenderFailure::author(format!(
        "`{text}` is no {what}: use at most {longest} lower-case letters, digits and `-`, beginning and ending with \
         a letter or digit"
    )))
}

/// Returns a version in the form that clusters have, with three numbers.
pub(crate) fn kube_version(text: &str) -> Result<String, RenderFailure> {
    let numbers: Vec<&str> = text.trim_start_matches('v').split('.').collect();
    let is_number = |text: &&str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if matches!(numbers.len(), 2 | 3) && numbers.iter().all(is_number) {
        let patch = numbers.get(2).unwrap_or(&"0");
        return Ok(format!("{}.{}.{patch}", numbers[0], numbers[1]));
    }
    Err(RenderFailure::author(format!("`{text}` is no Kubernetes version; write one such as `1.34`")))
}

/// A chart of the tree.
#[derive(Debug)]
struct Chart {
    folder: String,
    file: String,
    text: String,
    name: String,
    value: Value,
}

impl Chart {
    fn read(tree: &IndexedTree, folder: &str) -> Result<Self, RenderFailure> {
        if folder.split('/').any(|segment| segment.starts_with('-')) {
            return Err(RenderFailure::author(format!("the folder `{folder}` begins with `-`; rename it")));
        }
        refuse_incomplete(tree, folder)?;
        let file = join(folder, "Chart.yaml");
        let Place::File(_) = tree.index().resolve("", &file) else {
            return Err(RenderFailure::author(format!("there is no chart in `{folder}`")));
        };
        let text = tree.read_text(&file)?;
        let value: Value = parse(&file, &text)?;
        let name = value.get("name").and_then(Value::as_str).unwrap_or_default().to_string();
        if name.contains(['/', '\\']) || name.starts_with('.') {
            let message = format!("the chart's name `{name}` is a path; name it as a folder is named");
            return Err(RenderFailure::author(message).at(file, line_of(&text, &name)));
        }
        Ok(Self { folder: folder.to_string(), file, text, name, value })
    }

    /// Returns a path of Helm's, which begins with the chart's name, as one of the tree.
    fn path_of(&self, path: &str) -> String {
        let inner = path.strip_prefix(&self.name).and_then(|path| path.strip_prefix('/'));
        inner.map_or_else(|| path.to_string(), |inner| join(&self.folder, inner))
    }

    /// Fails when the chart cannot be rendered by itself; lays dependencies where Helm looks for them.
    fn check(&self, tree: &IndexedTree, closure: &mut Closure) -> Result<(), RenderFailure> {
        if self.value.get("type").and_then(Value::as_str) == Some("library") {
            let line = line_of(&self.text, "type:");
            let message = "this is a library chart, which other charts use and which renders nothing";
            return Err(RenderFailure::author(message).at(self.file.clone(), line));
        }
        self.lay_dependencies(tree, closure, &self.folder, 0)
    }

    /// Lays the dependencies that are elsewhere in the repository into the `charts` folder of this chart, which itself
    /// is laid at `laid`.
    fn lay_dependencies(
        &self,
        tree: &IndexedTree,
        closure: &mut Closure,
        laid: &str,
        depth: usize,
    ) -> Result<(), RenderFailure> {
        let requirements = join(&self.folder, "requirements.yaml");
        let (file, text, value) = match tree.index().resolve("", &requirements) {
            Place::File(_) => {
                let text = tree.read_text(&requirements)?;
                let value = parse(&requirements, &text)?;
                (requirements, text, value)
            }
            _ => (self.file.clone(), self.text.clone(), self.value.clone()),
        };
        let charts = join(&self.folder, "charts");
        let vendored = vendored(tree, &charts)?;
        for dependency in value.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let field = |key| dependency.get(key).and_then(Value::as_str).unwrap_or_default();
            let (wanted, repository) = (field("name"), field("repository"));
            if vendored.iter().any(|chart| chart.is(wanted)) {
                continue;
            }
            let fault = |message: String| RenderFailure::author(message).at(file.clone(), line_of(&text, wanted));
            let Some(path) = repository.strip_prefix(FILE) else {
                return Err(fault(format!(
                    "the dependency `{wanted}` is not in `{charts}`; run `helm dependency build` and commit \
                     `charts/`"
                )));
            };
            let Place::Folder(folder) = tree.index().resolve(&self.folder, path) else {
                return Err(fault(format!(
                    "the dependency `{wanted}` is not in `{charts}`, and `{repository}` is no folder of this repository"
                )));
            };
            let chart = Self::read(tree, &folder)?;
            if chart.name != wanted {
                return Err(fault(format!("the chart in `{folder}` is `{}`, not `{wanted}`", chart.name)));
            }
            if depth == DEEPEST {
                return Err(fault(format!("the dependency `{wanted}` is the {DEEPEST}th below another")));
            }
            let laid = join(&join(laid, "charts"), wanted);
            closure.lay_folder(tree, &folder, &laid);
            chart.lay_dependencies(tree, closure, &laid, depth + 1)?;
        }
        Ok(())
    }

    /// Looks into the files right before they are rendered. A schema can name other schemas by URL, which Helm would
    /// fetch, or by any path.
    fn check_content(&self, tree: &IndexedTree, closure: &Closure) -> Result<(), RenderFailure> {
        // What a link leads to is there by itself.
        for (laid, path) in closure.files().filter(|(_, path)| tree.index().link_target(path).is_none()) {
            if tree.is_pointer(path)? {
                return Err(RenderFailure::pointer(path));
            }
            if name(laid) == SCHEMA {
                tree.index().check_size(path, archive::FILE_BYTES)?;
                check_schema(&tree.read_text(path)?)
                    .map_err(|(message, line)| RenderFailure::author(message).at(path, line))?;
            } else if is_packed_chart(laid) {
                let fault = |message: String| {
                    RenderFailure::author(format!("the packed chart cannot be used: {message}")).at(path, None)
                };
                for file in archive::files(&tree.read_bytes(path)?, SCHEMA).map_err(fault)? {
                    check_schema(&file.text).map_err(|(message, _)| fault(format!("{}: {message}", file.path)))?;
                }
            }
        }
        Ok(())
    }
}

/// Returns whether Helm takes a file for a dependency; it skips those that begin with `.` or `_`.
fn is_packed_chart(path: &str) -> bool {
    path.ends_with(".tgz") && !name(path).starts_with(['.', '_']) && name(parent(path)) == "charts"
}

/// Returns what is wrong with a schema, and in which line.
fn check_schema(text: &str) -> Result<(), (String, Option<u64>)> {
    // What cannot be read here could still be read by Helm, which goes deeper.
    let schema: Value = serde_json::from_str(text)
        .map_err(|error| (format!("the schema cannot be read: {error}"), u64::try_from(error.line()).ok()))?;
    match foreign_reference(&schema) {
        Some(target) => {
            let message = format!("the schema refers to `{target}`, which is not part of it and is not fetched");
            Err((message, line_of(text, target)))
        }
        None => Ok(()),
    }
}

/// A chart in a `charts` folder.
enum Vendored {
    Folder { name: String },
    Archive { file: String },
}

impl Vendored {
    fn is(&self, wanted: &str) -> bool {
        match self {
            Self::Folder { name } => name == wanted,
            Self::Archive { file } => file.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('-')),
        }
    }
}

fn vendored(tree: &IndexedTree, charts: &str) -> Result<Vec<Vendored>, RenderFailure> {
    let Place::Folder(charts) = tree.index().resolve("", charts) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let names: std::collections::BTreeSet<&str> =
        tree.index().below(&charts).filter_map(|entry| entry.path[charts.len() + 1..].split('/').next()).collect();
    for item in names {
        let chart = format!("{charts}/{item}/Chart.yaml");
        match tree.index().resolve("", &chart) {
            Place::File(file) => {
                let value = parse(&file, &tree.read_text(&file)?)?;
                let name = value.get("name").and_then(Value::as_str).unwrap_or(item).to_string();
                found.push(Vendored::Folder { name });
            }
            _ if item.ends_with(".tgz") => found.push(Vendored::Archive { file: item.to_string() }),
            _ => {}
        }
    }
    Ok(found)
}

/// Returns what a schema refers to that is not in it.
fn foreign_reference(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(entries) => entries.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target)) if !target.starts_with('#') => {
                Some(target.as_str())
            }
            ("$schema", Value::String(target)) if !is_known_draft(target) => Some(target.as_str()),
            (_, value) => foreign_reference(value),
        }),
        Value::Array(items) => items.iter().find_map(foreign_reference),
        _ => None,
    }
}

/// Returns whether Helm knows a language of schemas by itself.
fn is_known_draft(target: &str) -> bool {
    let draft = target.split_once("://json-schema.org/").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    let known =
        ["draft-04/schema", "draft-06/schema", "draft-07/schema", "draft/2019-09/schema", "draft/2020-12/schema"];
    draft.is_some_and(|(_, draft)| known.contains(&draft.trim_end_matches('#')))
}

fn parse(file: &str, text: &str) -> Result<Value, RenderFailure> {
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map(|location| location.line());
        RenderFailure::author(error.without_snippet().to_string()).at(file, line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_flags_are_refused() {
        for text in ["-x", "--post-renderer", "", "a b", "A", "a/b", "a.-b", "a-", &"a".repeat(54)] {
            assert!(check_name("release name", text, LONGEST_RELEASE).is_err(), "{text}");
        }
        for text in ["web", "web-1", "1.web"] {
            assert!(check_name("release name", text, LONGEST_RELEASE).is_ok(), "{text}");
        }
        for text in ["-1.2", "1", "1.2.3.4", "1.x"] {
            assert!(kube_version(text).is_err(), "{text}");
        }
        assert_eq!(kube_version("1.34"), Ok("1.34.0".into()));
        assert_eq!(kube_version("v1.34.2"), Ok("1.34.2".into()));
    }

    #[test]
    fn schemas_that_lead_elsewhere_are_found() {
        let schema = serde_json::json!({"properties": {"a": {"$ref": "#/b"}, "c": [{"$ref": "file:///dev/zero"}]}});
        assert_eq!(foreign_reference(&schema), Some("file:///dev/zero"));
    }
}
