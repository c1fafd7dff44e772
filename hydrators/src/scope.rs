//! Finds the roots of one source: matches its pattern, and fills in its labels.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::Value;

use crate::discover::{Mistake, Unmatched};
use crate::folders::Folders;
use crate::pattern::{self, Match, Pattern};
use crate::remote_chart::RemoteChart;
use crate::source::{Input, Labels, Release, Root, Source, SourceKind, ValueFile};
use crate::tree::{self, Index, segments};

/// The label that every root has.
const ENVIRONMENT: &str = "environment";

/// One source in one environment.
pub(crate) struct Scope<'a> {
    pub(crate) index: &'a Index,
    pub(crate) folders: &'a Folders,
    /// The position of the source.
    pub(crate) position: usize,
    pub(crate) source: &'a Source,
    /// The labels that are bound before anything is matched.
    pub(crate) labels: &'a Labels,
}

/// A folder that a source matches.
struct Found {
    folder: String,
    kind: SourceKind,
    labels: Labels,
    /// The folder without the segment that is the environment.
    output: String,
    /// The chart from elsewhere that the folder is for.
    remote: Option<RemoteChart>,
}

impl Scope<'_> {
    fn mistake(&self, text: &str, message: impl Into<String>) -> Mistake {
        Mistake { source: self.position, line: self.source.line, text: text.to_string(), message: message.into() }
    }

    /// Says what the source looked for.
    pub(crate) fn unmatched(&self) -> Unmatched {
        let source = self.source;
        let remote = source.remote.as_ref().map(|remote| &remote.location);
        let text = source.each.as_ref().or(source.path.as_ref()).or(source.chart.as_ref()).or(remote);
        let pattern = pattern::expand_bound(text.map_or("", String::as_str), self.labels);
        Unmatched { source: self.position, line: source.line, pattern }
    }

    /// Returns the roots of the source; none when it matches nothing.
    pub(crate) fn roots(&self) -> Result<Vec<Root>, Vec<Mistake>> {
        let source = self.source;
        let found = match (&source.path, &source.each, &source.chart, &source.remote) {
            (Some(path), None, None, None) => self.by_path(path),
            (None, Some(each), Some(chart), None) => {
                self.by_each(each, |labels| Ok((self.chart(chart, labels)?, None)))
            }
            (None, Some(each), None, Some(remote)) => self.by_each(each, |labels| {
                let remote = self.remote(remote, labels)?;
                Ok((remote.folder(), Some(remote)))
            }),
            (None, None, Some(chart), None) => self.by_chart(chart),
            (None, None, None, Some(remote)) => self.by_remote(remote),
            _ => Err(self.mistake("", "a source has either `path`, or `chart` with or without `each`")),
        };
        let mut roots = Vec::new();
        let mut mistakes = Vec::new();
        for found in found.map_err(|mistake| vec![mistake])? {
            match self.root(found) {
                Ok(root) => roots.push(root),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() { Ok(roots) } else { Err(mistakes) }
    }

    /// With wildcards, only folders that can be rendered match, and never the tree's own.
    fn by_path(&self, text: &str) -> Result<Vec<Found>, Mistake> {
        let excluded = self.excluded()?;
        let pattern = self.pattern(text)?;
        if let Some(folder) = pattern.literal() {
            return self.literal(text, &folder, &pattern);
        }
        let mut found = Vec::new();
        let candidates =
            self.folders.candidates().filter(|(_, kind)| self.source.kind.is_none_or(|wanted| wanted == *kind));
        for (folder, kind) in candidates.filter(|(folder, _)| !folder.is_empty() && !excluded.is_match(folder)) {
            if let Some(matched) = pattern.matches(folder) {
                found.push(self.found(folder, kind, matched));
            }
        }
        Ok(without_nested_plain(found))
    }

    /// A path without wildcards names its folder, whatever lies around it.
    fn literal(&self, text: &str, folder: &str, pattern: &Pattern) -> Result<Vec<Found>, Mistake> {
        if self.folders.is_component(folder) {
            return Err(self.mistake(
                text,
                format!("`{folder}` is a kustomize Component, which is only a part of other kustomizations"),
            ));
        }
        let kind = match self.source.kind {
            Some(kind) => self.folders.is(folder, kind).then_some(kind),
            None => self.folders.kind(folder),
        };
        let matched = kind.and_then(|kind| Some((kind, pattern.matches(folder)?)));
        Ok(matched.map(|(kind, matched)| self.found(folder, kind, matched)).into_iter().collect())
    }

    fn by_each(
        &self,
        each: &str,
        chart: impl Fn(&Labels) -> Result<(String, Option<RemoteChart>), Mistake>,
    ) -> Result<Vec<Found>, Mistake> {
        let excluded = self.excluded()?;
        let pattern = self.pattern(each)?;
        let folders = self.index.folders().filter(|folder| !folder.is_empty() && !excluded.is_match(folder));
        let matches = folders.filter_map(|folder| Some((folder, pattern.matches(folder)?)));
        matches
            .map(|(folder, matched)| {
                let mut found = self.found(folder, SourceKind::Helm, matched);
                (found.folder, found.remote) = chart(&found.labels)?;
                Ok(found)
            })
            .collect()
    }

    fn by_chart(&self, chart: &str) -> Result<Vec<Found>, Mistake> {
        let folder = self.chart(chart, self.labels)?;
        let matched = self.pattern(chart)?.matches(&folder);
        let matched = matched.unwrap_or(Match { captures: Labels::new(), label_segments: Vec::new() });
        Ok(vec![self.found(&folder, SourceKind::Helm, matched)])
    }

    /// Whether it is there is not asked: whoever fetches it says so.
    fn by_remote(&self, remote: &RemoteChart) -> Result<Vec<Found>, Mistake> {
        let remote = self.remote(remote, self.labels)?;
        let (folder, output) = (remote.folder(), remote.chart_name().to_owned());
        let (kind, labels) = (SourceKind::Helm, self.labels.clone());
        Ok(vec![Found { folder, kind, labels, output, remote: Some(remote) }])
    }

    fn remote(&self, remote: &RemoteChart, labels: &Labels) -> Result<RemoteChart, Mistake> {
        let location = self.expand(&remote.location, labels)?;
        let name = self.expand_some(&remote.name, labels)?;
        Ok(RemoteChart { location, name, version: self.expand(&remote.version, labels)? })
    }

    fn chart(&self, text: &str, labels: &Labels) -> Result<String, Mistake> {
        let folder = segments(&self.expand(text, labels)?).filter(|s| *s != ".").collect::<Vec<_>>().join("/");
        if self.folders.is(&folder, SourceKind::Helm) {
            Ok(folder)
        } else {
            Err(self.mistake(text, format!("there is no chart in `{folder}`: a chart is a folder with a `Chart.yaml`")))
        }
    }

    fn pattern(&self, text: &str) -> Result<Pattern, Mistake> {
        if text.starts_with('/') || segments(text).any(|segment| segment == "..") {
            return Err(self.mistake(text, format!("`{text}` must be a path inside the repository, without `..`")));
        }
        Ok(Pattern::new(text, self.labels))
    }

    fn excluded(&self) -> Result<GlobSet, Mistake> {
        let mut globs = GlobSetBuilder::new();
        for text in &self.source.exclude {
            let glob = GlobBuilder::new(&pattern::expand_bound(text, self.labels)).literal_separator(true).build();
            globs.add(glob.map_err(|error| self.mistake(text, format!("`{text}` is no glob: {}", error.kind())))?);
        }
        globs.build().map_err(|error| self.mistake("exclude", format!("the globs cannot be used: {error}")))
    }

    fn found(&self, folder: &str, kind: SourceKind, matched: Match) -> Found {
        let mut labels = self.labels.clone();
        labels.extend(matched.captures);
        let environment = self.labels.get(ENVIRONMENT).map(String::as_str);
        let is_environment =
            |position: &usize, segment: &str| matched.label_segments.contains(position) && Some(segment) == environment;
        let kept = segments(folder).enumerate().filter(|(position, segment)| !is_environment(position, segment));
        let output = kept.map(|(_, segment)| segment).collect::<Vec<_>>().join("/");
        Found { folder: folder.to_string(), kind, labels, output, remote: None }
    }

    fn root(&self, found: Found) -> Result<Root, Mistake> {
        let source = self.source;
        let release_name = self.expand_some(&source.release_name, &found.labels)?;
        let output = match self.expand_some(&source.output, &found.labels)? {
            Some(output) => self.output(source.output.as_deref().unwrap_or_default(), &output)?,
            None => {
                let text = release_name.as_ref().filter(|_| found.kind == SourceKind::Helm).unwrap_or(&found.output);
                self.output(&found.folder, text)?
            }
        };
        let input = match found.kind {
            SourceKind::Kustomize => Input::Kustomize { dir: found.folder },
            SourceKind::Plain => Input::Plain { dir: found.folder },
            SourceKind::Helm => Input::Helm(Box::new(self.release(&found, release_name)?)),
        };
        Ok(Root {
            output,
            labels: found.labels,
            source: self.position,
            line: source.line,
            input,
            on_failure: source.on_failure,
            options: source.options.clone(),
            base_of: Vec::new(),
        })
    }

    fn release(&self, found: &Found, name: Option<String>) -> Result<Release, Mistake> {
        let source = self.source;
        let mut value_files = Vec::new();
        for text in &source.value_files {
            let path = self.expand(text, &found.labels)?;
            let optional = path.ends_with('?');
            value_files.push(ValueFile { path: path.trim_end_matches('?').to_string(), optional });
        }
        let values = match &source.values {
            Some(values) => Some(self.expand_values(values, &found.labels)?),
            None => None,
        };
        let namespace = self.expand_some(&source.namespace, &found.labels)?;
        Ok(Release {
            chart: found.folder.clone(),
            remote: found.remote.clone(),
            name: name.unwrap_or_else(|| tree::name(&found.output).to_string()),
            namespace: namespace.unwrap_or_else(|| "default".into()),
            value_files,
            values,
        })
    }

    fn expand(&self, text: &str, labels: &Labels) -> Result<String, Mistake> {
        pattern::expand(text, labels).map_err(|label| {
            let known = labels.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            self.mistake(text, format!("the label `{{{label}}}` in `{text}` is never bound; there are {known}"))
        })
    }

    fn expand_some(&self, text: &Option<String>, labels: &Labels) -> Result<Option<String>, Mistake> {
        text.as_deref().map(|text| self.expand(text, labels)).transpose()
    }

    fn expand_values(
        &self,
        values: &serde_json::Map<String, Value>,
        labels: &Labels,
    ) -> Result<serde_json::Map<String, Value>, Mistake> {
        values.iter().map(|(key, value)| Ok((key.clone(), self.expand_value(value, labels)?))).collect()
    }

    fn expand_value(&self, value: &Value, labels: &Labels) -> Result<Value, Mistake> {
        Ok(match value {
            Value::String(text) => Value::String(self.expand(text, labels)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.expand_value(item, labels)).collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => Value::Object(self.expand_values(entries, labels)?),
            other => other.clone(),
        })
    }

    /// Returns an output folder in one form.
    fn output(&self, text: &str, output: &str) -> Result<String, Mistake> {
        let normal = segments(output).filter(|segment| *segment != ".").collect::<Vec<_>>().join("/");
        if normal.is_empty() {
            let message = "this would be rendered to the branch's own folder; name another with `output`";
            return Err(self.mistake(text, message));
        }
        if output.starts_with('/') || !tree::is_safe(&normal) {
            return Err(
                self.mistake(text, format!("`{output}` is no folder of a branch; use names without `..` and `.git`"))
            );
        }
        Ok(normal)
    }
}

/// Plain folders are rendered with what is below them, so one inside another is not a root too.
fn without_nested_plain(mut found: Vec<Found>) -> Vec<Found> {
    let plain: BTreeSet<String> =
        found.iter().filter(|found| found.kind == SourceKind::Plain).map(|found| found.folder.clone()).collect();
    let is_nested = |folder: &str| {
        std::iter::successors(Some(folder), |folder| (!folder.is_empty()).then(|| tree::parent(folder)))
            .skip(1)
            .any(|above| plain.contains(above))
    };
    found.retain(|found| found.kind != SourceKind::Plain || !is_nested(&found.folder));
    found
}
