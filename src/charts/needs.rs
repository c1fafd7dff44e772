//! What the roots of a dry tree ask for that is not in it: charts from elsewhere, and dependencies of charts.

use std::collections::BTreeSet;

use hydrators::{
    ChartPlace, Entry, EntryKind, IndexedTree, Input, REMOTE_CHARTS, Root, SourceTree, TreeError, asked_charts,
    has_helm_charts,
};
use serde_json::Value;

use crate::domain::chart::{ChartOrigin, VersionRange, WantedChart, parse_version};

/// The largest file of a chart that is looked at here, bytes.
const MOST_BYTES: u64 = 1 << 20;
/// How deep charts may lie in charts.
const DEEPEST: usize = 10;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The charts.
    pub needs: Vec<Need>,
    /// What stands in the way of knowing them.
    pub mistakes: Vec<NeedMistake>,
}

/// A chart that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The chart.
    pub wanted: WantedChart,
    /// Where in the tree it has to be.
    pub place: Place,
    /// Which roots cannot be rendered without it.
    pub of: Asker,
    /// The file that asks for it; absent for the strategy.
    pub file: Option<String>,
    /// The line in that file, or of the source in the strategy, from 1.
    pub line: Option<u64>,
}

/// What asks for charts: every root that renders it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asker {
    /// The chart in this folder.
    Chart(String),
    /// The kustomization in this folder, with all that it builds on.
    Kustomization(String),
}

/// Where in a tree a chart has to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Its files in this folder.
    Files(String),
    /// Its archive in this folder of a chart's dependencies.
    Archive(String),
}

/// What stands in the way of knowing what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedMistake {
    /// Which roots cannot be rendered.
    pub of: Asker,
    /// The file that is at fault; absent for the strategy.
    pub file: Option<String>,
    /// The line in that file, or of the source in the strategy, from 1.
    pub line: Option<u64>,
    /// What is wrong, and the remedy.
    pub message: String,
}

/// Returns what roots of a tree ask for.
///
/// # Errors
/// When the tree cannot be read.
pub fn needs(tree: &dyn SourceTree, indexed: &IndexedTree, roots: &[Root]) -> Result<Needs, TreeError> {
    let has_charts = has_helm_charts(indexed);
    let asks = |root: &&Root| match root.input {
        Input::Helm(_) => true,
        Input::Kustomize { .. } => has_charts,
        Input::Plain { .. } => false,
    };
    let mut roots = roots.iter().filter(asks).peekable();
    let of = Asker::Chart(String::new());
    let mut search = Search { tree, entries: Vec::new(), of, needs: Needs::default() };
    if roots.peek().is_none() {
        return Ok(search.needs);
    }
    search.entries = tree.entries()?;
    search.entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let mut seen = BTreeSet::new();
    for root in roots {
        let Some(of) = Asker::of(&root.input).filter(|of| seen.insert(of.clone())) else { continue };
        search.of = of;
        match &root.input {
            Input::Helm(release) => match &release.remote {
                Some(remote) => search.remote(remote, None, Some(root.line)),
                None => search.chart(&release.chart, &mut BTreeSet::new(), 0)?,
            },
            input => search.kustomization(indexed, input.dir())?,
        }
    }
    Ok(search.needs)
}

impl Asker {
    /// Returns what a root renders, when that may ask for charts.
    pub fn of(input: &Input) -> Option<Self> {
        match input {
            Input::Helm(release) => Some(Self::Chart(release.chart.clone())),
            Input::Kustomize { dir } => Some(Self::Kustomization(dir.clone())),
            Input::Plain { .. } => None,
        }
    }
}

struct Search<'a> {
    tree: &'a dyn SourceTree,
    /// By path.
    entries: Vec<Entry>,
    /// What is searched.
    of: Asker,
    needs: Needs,
}

/// A file of a chart.
struct ChartFile {
    path: String,
    text: String,
    value: Value,
}

impl Search<'_> {
    /// Finds what the charts in kustomizations ask for.
    fn kustomization(&mut self, indexed: &IndexedTree, dir: &str) -> Result<(), TreeError> {
        let mut seen = BTreeSet::new();
        for asked in asked_charts(indexed, dir) {
            match asked.place {
                ChartPlace::Folder(folder) => self.chart(&folder, &mut seen, 0)?,
                ChartPlace::Remote(remote) => self.remote(&remote, Some(&asked.file), asked.line),
            }
        }
        Ok(())
    }

    /// `line` is of `file`, and without one of the strategy.
    fn remote(&mut self, remote: &hydrators::RemoteChart, file: Option<&str>, line: Option<u64>) {
        let is_taken = |folder: &str| self.entry(folder).is_some();
        if self.has_below(REMOTE_CHARTS) || REMOTE_CHARTS.split_once('/').is_some_and(|(above, _)| is_taken(above)) {
            let message = format!(
                "`{REMOTE_CHARTS}` is where charts from elsewhere are put; move what this repository has there elsewhere"
            );
            return self.mistake(file, line, message);
        }
        let origin = match &remote.name {
            Some(name) => ChartOrigin::repository(&remote.location, name),
            None => ChartOrigin::oci(&remote.location),
        };
        let wanted = origin.and_then(|origin| Ok(WantedChart { origin, range: VersionRange::parse(&remote.version)? }));
        match wanted {
            Ok(wanted) => {
                let (of, place, file) = (self.of.clone(), Place::Files(remote.folder()), file.map(str::to_owned));
                self.needs.needs.push(Need { wanted, place, of, file, line });
            }
            Err(malformed) => self.mistake(file, line, malformed.to_string()),
        }
    }

    /// Finds the dependencies of a chart that are not beside it, of those that are, and of those elsewhere in the tree.
    fn chart(&mut self, folder: &str, seen: &mut BTreeSet<String>, depth: usize) -> Result<(), TreeError> {
        if depth > DEEPEST || !seen.insert(folder.to_owned()) {
            return Ok(());
        }
        let within = |name: &str| join(folder, name);
        let (file, lock) = match self.read(&within("requirements.yaml"))? {
            Some(file) => (file, self.read(&within("requirements.lock"))?),
            None => match self.read(&within("Chart.yaml"))? {
                Some(file) => (file, self.read(&within("Chart.lock"))?),
                None => return Ok(()),
            },
        };
        let charts = within("charts");
        if self.entry(&charts).is_some() {
            // A link to where they are, or a file: the renderer says what is wrong with it.
            return Ok(());
        }
        let vendored = self.vendored(&charts)?;
        for dependency in dependencies(&file.value) {
            let repository = text(dependency, "repository");
            if let Some(path) = repository.strip_prefix("file://") {
                if let Some(folder) = resolved(folder, path) {
                    self.chart(&folder, seen, depth + 1)?;
                }
            } else if !repository.is_empty() && !vendored.contains(text(dependency, "name")) {
                self.dependency(dependency, &file, lock.as_ref(), &charts);
            }
        }
        for folder in self.folders_in(&charts) {
            self.chart(&folder, seen, depth + 1)?;
        }
        Ok(())
    }

    fn dependency(&mut self, dependency: &Value, file: &ChartFile, lock: Option<&ChartFile>, charts: &str) {
        let (name, repository) = (text(dependency, "name"), text(dependency, "repository"));
        let line = line_of(&file.text, name);
        if repository.starts_with('@') || repository.starts_with("alias:") {
            let message = format!(
                "the dependency `{name}` names its repository as `{repository}`, which means something on one machine \
                 alone; write its address"
            );
            return self.mistake(Some(&file.path), line, message);
        }
        let wanted = ChartOrigin::dependency(repository, name)
            .and_then(|origin| Ok(WantedChart { origin, range: VersionRange::parse(text(dependency, "version"))? }));
        let mut wanted = match wanted {
            Ok(wanted) => wanted,
            Err(malformed) => {
                return self.mistake(Some(&file.path), line, format!("the dependency `{name}`: {malformed}"));
            }
        };
        if let Some(lock) = lock {
            match locked(lock, dependency, &wanted) {
                Some(range) => wanted.range = range,
                None => {
                    let message = format!(
                        "what is locked for the dependency `{name}` is not what `{}` asks for; run `helm dependency \
                         update`, and commit the file",
                        file.path
                    );
                    return self.mistake(Some(&lock.path), line_of(&lock.text, name), message);
                }
            }
        }
        let (of, place, file) = (self.of.clone(), Place::Archive(charts.to_owned()), Some(file.path.clone()));
        self.needs.needs.push(Need { wanted, place, of, file, line });
    }

    /// Returns the names of the charts in a folder of dependencies.
    fn vendored(&self, charts: &str) -> Result<BTreeSet<String>, TreeError> {
        let mut names = BTreeSet::new();
        for folder in self.folders_in(charts) {
            if let Some(file) = self.read(&join(&folder, "Chart.yaml"))? {
                names.insert(text(&file.value, "name").to_owned());
            }
        }
        for path in self.below(charts) {
            if let Some(name) = path.strip_suffix(".tgz").filter(|name| !name.contains('/')) {
                // `redis-20.1.0`, and names have dashes too.
                let versioned = name.match_indices('-').filter(|(end, _)| parse_version(&name[end + 1..]).is_some());
                names.extend(versioned.map(|(end, _)| name[..end].to_owned()));
            }
        }
        Ok(names)
    }

    fn folders_in(&self, folder: &str) -> Vec<String> {
        let names: BTreeSet<&str> = self.below(folder).filter_map(|path| Some(path.split_once('/')?.0)).collect();
        names.into_iter().map(|name| join(folder, name)).collect()
    }

    fn entry(&self, path: &str) -> Option<&Entry> {
        let found = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        self.entries.get(found)
    }

    fn has_below(&self, folder: &str) -> bool {
        self.entry(folder).is_some() || self.below(folder).next().is_some()
    }

    /// Returns the paths below a folder, from there on.
    fn below<'b>(&'b self, folder: &str) -> impl Iterator<Item = &'b str> + use<'b> {
        let prefix = format!("{folder}/");
        let first = self.entries.partition_point(|entry| entry.path < prefix);
        let paths = self.entries[first..].iter().map(|entry| entry.path.as_str());
        paths.map_while(move |path| path.strip_prefix(prefix.as_str()))
    }

    /// Reads a file, when there is an ordinary one of a usual size; whatever is wrong with it, the renderer says.
    fn read(&self, path: &str) -> Result<Option<ChartFile>, TreeError> {
        let entry = self.entry(path).filter(|entry| entry.size <= MOST_BYTES);
        let Some(_) = entry.filter(|entry| matches!(entry.kind, EntryKind::File | EntryKind::Executable)) else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&self.tree.read(path)?).into_owned();
        let value = serde_saphyr::from_str(&text).ok();
        Ok(value.map(|value| ChartFile { path: path.to_owned(), text, value }))
    }

    fn mistake(&mut self, file: Option<&str>, line: Option<u64>, message: String) {
        let (of, file) = (self.of.clone(), file.map(str::to_owned));
        self.needs.mistakes.push(NeedMistake { of, file, line, message });
    }
}

/// Returns the version that a lock file of Helm's has for a dependency, when it fits.
fn locked(lock: &ChartFile, dependency: &Value, wanted: &WantedChart) -> Option<VersionRange> {
    let repository = |value: &Value| text(value, "repository").trim_end_matches('/').to_owned();
    let is_same = |locked: &&Value| {
        text(locked, "name") == text(dependency, "name") && repository(locked) == repository(dependency)
    };
    let versions = dependencies(&lock.value).filter(is_same).map(|locked| text(locked, "version"));
    let mut fitting =
        versions.filter(|text| parse_version(text).is_some_and(|version| wanted.range.holds_for(&version)));
    VersionRange::parse(fitting.next()?).ok()
}

fn dependencies(value: &Value) -> impl Iterator<Item = &Value> {
    value.get("dependencies").and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Returns a path from a folder on, unless it leads out of the tree.
fn resolved(folder: &str, path: &str) -> Option<String> {
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in path.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
        match segment {
            ".." => drop(segments.pop()?),
            segment => segments.push(segment),
        }
    }
    (!path.starts_with('/')).then(|| segments.join("/"))
}

fn line_of(text: &str, word: &str) -> Option<u64> {
    let names = |line: &str| {
        let (_, after) = line.split_once("name:")?;
        let is_there = after.split(['{', '}', ',', '"', '\'', ' ', '\r']).any(|part| part == word);
        is_there.then_some(())
    };
    let found = text.lines().position(|line| names(line).is_some())?;
    u64::try_from(found + 1).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hydrators::{IndexedTree, TreeLimits};

    use super::*;

    /// A tree in memory: paths and texts.
    struct Files(Vec<(&'static str, &'static str)>);

    impl SourceTree for Files {
        fn entries(&self) -> Result<Vec<Entry>, TreeError> {
            let entry = |(path, text): &(&str, &str)| Entry {
                path: (*path).to_owned(),
                kind: EntryKind::File,
                size: text.len() as u64,
            };
            Ok(self.0.iter().map(entry).collect())
        }

        fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
            let found = self.0.iter().find(|(name, _)| *name == path);
            Ok(found.map(|(_, text)| text.as_bytes().to_vec()).unwrap_or_default())
        }
    }

    const WEB: &str = "name: web
version: 1.0.0
dependencies:
- name: redis
  version: ^20
  repository: oci://registry.example.com/charts
- name: common
  version: 1.x
  repository: https://charts.example.com/
";

    fn told(files: &[(&'static str, &'static str)]) -> String {
        let chart = hydrators::Source { chart: Some("web".into()), line: 7, ..hydrators::Source::default() };
        told_of(files, chart)
    }

    fn told_of(files: &[(&'static str, &'static str)], source: hydrators::Source) -> String {
        let tree = Arc::new(Files(files.to_vec()));
        let indexed = IndexedTree::read(tree.clone(), TreeLimits::default()).expect("a tree");
        let labels = hydrators::Labels::from([("environment".to_owned(), "dev".to_owned())]);
        let roots = hydrators::discover(&indexed, &[source], &labels).expect("roots").roots;
        let Needs { needs, mistakes } = needs(&*tree, &indexed, &roots).expect("needs");
        let line = |line: Option<u64>| line.map_or_else(String::new, |line| format!(":{line}"));
        let needs = needs.iter().map(|need| {
            let file = need.file.as_deref().unwrap_or("strategy");
            format!("{file}{}: {} in {:?}\n", line(need.line), need.wanted, need.place)
        });
        let mistakes = mistakes.iter().map(|mistake| {
            let file = mistake.file.as_deref().unwrap_or("strategy");
            format!("{file}{}: {}\n", line(mistake.line), mistake.message)
        });
        needs.chain(mistakes).collect()
    }

    #[test]
    fn dependencies_are_asked_for_unless_they_are_there() {
        insta::assert_snapshot!(told(&[("web/Chart.yaml", WEB)]), @r#"
        web/Chart.yaml:4: oci://registry.example.com/charts/redis ^20 in Archive("web/charts")
        web/Chart.yaml:7: common of https://charts.example.com 1.x in Archive("web/charts")
        "#);
        insta::assert_snapshot!(told(&[
            ("web/Chart.yaml", WEB),
            ("web/charts/redis-20.1.0.tgz", ""),
            ("web/charts/common-extra-1.0.0.tgz", ""),
            ("web/charts/c/Chart.yaml", "{name: common2, dependencies: [{name: deep, version: '1', repository: 'https://a.example.com'}]}"),
        ]), @r#"
        web/Chart.yaml:7: common of https://charts.example.com 1.x in Archive("web/charts")
        web/charts/c/Chart.yaml:1: deep of https://a.example.com 1 in Archive("web/charts/c/charts")
        "#);
    }

    #[test]
    fn what_helm_locked_counts() {
        let lock = "dependencies:
- name: redis
  repository: oci://registry.example.com/charts
  version: 20.3.1
- name: common
  repository: https://charts.example.com
  version: 2.0.0
";
        insta::assert_snapshot!(told(&[("web/Chart.yaml", WEB), ("web/Chart.lock", lock)]), @r#"
        web/Chart.yaml:4: oci://registry.example.com/charts/redis 20.3.1 in Archive("web/charts")
        web/Chart.lock:5: what is locked for the dependency `common` is not what `web/Chart.yaml` asks for; run `helm dependency update`, and commit the file
        "#);
    }

    #[test]
    fn dependencies_elsewhere_in_the_tree_are_searched_too() {
        let web = "{name: web, dependencies: [{name: lib, repository: 'file://../lib'}, {name: out, repository: 'file://../../x'}]}";
        let lib = "{name: lib, dependencies: [{name: redis, version: '20', repository: 'oci://registry.example.com'}, {name: web, repository: 'file://../web'}]}";
        insta::assert_snapshot!(told(&[("lib/Chart.yaml", lib), ("web/Chart.yaml", web)]), @r#"lib/Chart.yaml:1: oci://registry.example.com/redis 20 in Archive("lib/charts")"#);
    }

    #[test]
    fn what_means_something_on_one_machine_alone_is_refused() {
        let web = "name: web\ndependencies:\n- name: a\n  repository: '@stable'\n  version: 1.0.0\n- name: b\n  repository: https://a.example.com\n  version: latest\n";
        insta::assert_snapshot!(told(&[("web/Chart.yaml", web)]), @"
        web/Chart.yaml:3: the dependency `a` names its repository as `@stable`, which means something on one machine alone; write its address
        web/Chart.yaml:6: the dependency `b`: `latest` is no version of a chart and no range of versions; write one such as `20.1.0`, `^20.1` or `>=20.1.0 <21`
        ");
    }

    #[test]
    fn charts_of_kustomizations_are_asked_for_unless_they_are_there() {
        let app = "resources: [../base]\nhelmCharts:\n- name: web\n- name: redis\n  repo: oci://registry.example.com/charts\n  version: ^20\n";
        let base = "helmCharts:\n- {name: common, repo: 'https://charts.example.com'}\n- {name: there, repo: 'https://charts.example.com', version: 1.0.0}\n- {name: bad, repo: 'evil://x', version: 1.0.0}\n";
        let files = [
            ("app/kustomization.yaml", app),
            ("app/charts/web/Chart.yaml", WEB),
            ("base/kustomization.yaml", base),
            ("base/charts/there-1.0.0/there/Chart.yaml", "{name: there}"),
        ];
        let source = hydrators::Source { path: Some("app".into()), line: 7, ..hydrators::Source::default() };
        insta::assert_snapshot!(told_of(&files, source), @r#"
        base/kustomization.yaml:2: common of https://charts.example.com * in Files(".hydromote/charts/https/charts.example.com/common/%2A")
        app/charts/web/Chart.yaml:4: oci://registry.example.com/charts/redis ^20 in Archive("app/charts/web/charts")
        app/charts/web/Chart.yaml:7: common of https://charts.example.com 1.x in Archive("app/charts/web/charts")
        app/kustomization.yaml:4: oci://registry.example.com/charts/redis ^20 in Files(".hydromote/charts/oci/registry.example.com/charts/redis/%5E20")
        base/kustomization.yaml:4: `evil://x` is no address of a chart repository; write it like `https://charts.example.com`
        "#);
    }

    #[test]
    fn a_chart_from_elsewhere_has_a_folder_of_its_own() {
        let remote = hydrators::RemoteChart {
            location: "oci://registry.example.com/charts/redis".into(),
            name: None,
            version: "20.{environment}".into(),
        };
        let source = |version: &str| hydrators::Source {
            remote: Some(hydrators::RemoteChart { version: version.into(), ..remote.clone() }),
            line: 7,
            ..hydrators::Source::default()
        };
        insta::assert_snapshot!(told_of(&[], source("20.1.0")), @r#"strategy:7: oci://registry.example.com/charts/redis 20.1.0 in Files(".hydromote/charts/oci/registry.example.com/charts/redis/20.1.0")"#);
        insta::assert_snapshot!(told_of(&[], source("20.{environment}")), @"strategy:7: `20.dev` is no version of a chart and no range of versions; write one such as `20.1.0`, `^20.1` or `>=20.1.0 <21`");
        insta::assert_snapshot!(told_of(&[(".hydromote/charts/a/x", "")], source("20.1.0")), @"strategy:7: `.hydromote/charts` is where charts from elsewhere are put; move what this repository has there elsewhere");
    }
}
