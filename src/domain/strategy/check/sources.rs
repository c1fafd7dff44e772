//! Sources: which fields go together, and whether their patterns and outputs make sense.

use std::collections::BTreeMap;

use super::{
    super::{
        RemoteChart, Source, SourceKind,
        document::{ChartReference, RemoteChartDocument, SourceDocument},
        mistake::Report,
        pattern::{Malformed, Piece, check_path, labels, parse_pattern, parse_template},
        position::{At, Position},
    },
    labels::Bound,
    render,
};
use crate::domain::{
    chart::{ChartOrigin, Malformed as MalformedChart, VersionRange},
    ids::RootName,
};

/// Returns the sources; what is wrong with them is in `report`.
pub(super) fn sources(
    documents: &At<Vec<At<SourceDocument>>>,
    bound: &Bound<'_>,
    report: &mut Report<'_>,
) -> (Vec<Source>, Vec<Vec<String>>) {
    if documents.value.is_empty() {
        let position = report.key("sources", documents.position);
        report.mistake(position, "there are no sources", "list at least one, such as `path: deploy/{environment}`");
    }
    let mut outputs = BTreeMap::new();
    documents
        .value
        .iter()
        .map(|document| {
            let captures = check_source(document, bound, report);
            refuse_same_output(document, &captures, &mut outputs, report);
            (source(document, report), captures)
        })
        .unzip()
}

fn source(At { value: document, position }: &At<SourceDocument>, report: &mut Report<'_>) -> Source {
    let text = |field: &Option<At<String>>| field.as_ref().map(|field| field.value.clone());
    let texts = |fields: &[At<String>]| fields.iter().map(|field| field.value.clone()).collect();
    Source {
        path: text(&document.path),
        each: text(&document.each),
        chart: document.chart.as_ref().and_then(|chart| folder(&chart.value)).map(str::to_owned),
        remote: document.chart.as_ref().and_then(|chart| remote(&chart.value)).and_then(remote_chart),
        kind: document.kind.as_ref().and_then(|kind| kind.read(report)),
        exclude: texts(&document.exclude),
        output: text(&document.output),
        on_failure: document.on_failure.as_ref().and_then(|on_failure| on_failure.read(report)).unwrap_or_default(),
        release_name: text(&document.release_name),
        namespace: text(&document.namespace),
        value_files: texts(&document.value_files),
        values: document.values.as_ref().map(|values| values.value.clone()),
        render: document.render.as_ref().map(|options| render::options(options, report)).unwrap_or_default(),
        line: position.line,
    }
}

/// Checks one source and returns the labels that its pattern captures.
fn check_source(
    At { value: document, position }: &At<SourceDocument>,
    bound: &Bound<'_>,
    report: &mut Report<'_>,
) -> Vec<String> {
    check_combination(document, *position, report);
    check_kind(document, report);
    let mut captures = Vec::new();
    for pattern in [&document.path, &document.each].into_iter().flatten() {
        captures.extend(check_pattern(pattern, bound, report));
    }
    for exclude in &document.exclude {
        check_exclude(exclude, bound, report);
    }
    check_chart(document, &captures, bound, report);
    check_output(document, &captures, bound, report);
    if let Some(name) = &document.release_name {
        check_name(name, "a release name", 53, &captures, bound, report);
    }
    if let Some(namespace) = &document.namespace {
        check_name(namespace, "a namespace", 63, &captures, bound, report);
    }
    for file in &document.value_files {
        check_value_file(file, &captures, bound, report);
    }
    captures
}

fn check_combination(document: &SourceDocument, position: Position, report: &mut Report<'_>) {
    match (&document.path, &document.each, &document.chart) {
        (Some(_), Some(each), _) => report.mistake(
            report.key("each", each.position),
            "a source has either `path` or `each`",
            "keep `path` for folders that are rendered themselves, or `each` with `chart` for one chart per folder",
        ),
        (Some(_), None, Some(chart)) => report.mistake(
            report.key("chart", chart.position),
            "a source has either `path` or `chart`",
            "keep `path` for charts found by a pattern, or `chart` for one chart",
        ),
        (None, Some(each), None) => report.mistake(
            report.key("each", each.position),
            "`each` needs a `chart` that is rendered for each folder",
            "add `chart:`, or write `path:` when the folders are to be rendered themselves",
        ),
        (None, None, None) => report.mistake(
            position,
            "this source says nothing to render",
            "add `path:` with a folder, or `chart:` with a folder that has a `Chart.yaml`",
        ),
        _ => {}
    }
    if let (None, None, Some(exclude)) = (&document.path, &document.each, document.exclude.first()) {
        report.mistake(
            report.key("exclude", exclude.position),
            "`exclude` has no folders to choose from",
            "use it together with `path` or `each`",
        );
    }
}

/// Reports fields that the kind of this source has no use for.
fn check_kind(document: &SourceDocument, report: &mut Report<'_>) {
    let Some(word) = &document.kind else { return };
    // An unknown word is reported when the source is built.
    let mut ignored = Report::new("", "");
    let Some(kind) = word.read(&mut ignored) else { return };
    let (name, only) = match kind {
        SourceKind::Helm => return,
        SourceKind::Kustomize => ("kustomize", "a kustomization has its own way to set these"),
        SourceKind::Plain => ("plain", "plain YAML is taken as it is"),
    };
    if document.chart.is_some() {
        report.mistake(word.position(), format!("a chart is not of kind `{name}`"), "remove `kind`, or write `helm`");
        return;
    }
    let helm_only = [
        ("releaseName", document.release_name.as_ref().map(|field| field.position)),
        ("namespace", document.namespace.as_ref().map(|field| field.position)),
        ("valueFiles", document.value_files.first().map(|field| field.position)),
        ("values", document.values.as_ref().map(|field| field.position)),
    ];
    for (field, position) in helm_only {
        if let Some(position) = position {
            let position = report.key(field, position);
            let message = format!("`{field}` is for charts, and this source is of kind `{name}`");
            report.mistake(position, message, format!("remove `{field}`: {only}"));
        }
    }
}

/// Checks a pattern of folders and returns the labels that it captures.
fn check_pattern(pattern: &At<String>, bound: &Bound<'_>, report: &mut Report<'_>) -> Vec<String> {
    let pieces = match parse_pattern(&pattern.value) {
        Ok(pieces) => pieces,
        Err(error) => {
            malformed(pattern.position, &error, report);
            // Its labels are still what the author meant to capture.
            return parse_template(&pattern.value).map(|pieces| unbound(&pieces, bound)).unwrap_or_default();
        }
    };
    for label in labels(&pieces) {
        bound.check_partly_bound(label, pattern.position, report);
    }
    unbound(&pieces, bound)
}

fn unbound(pieces: &[Piece], bound: &Bound<'_>) -> Vec<String> {
    labels(pieces).filter(|label| !bound.is_bound(label)).map(str::to_owned).collect()
}

/// Checks a glob of folders that are never roots. It may use labels that have a value before any
/// folder is matched; so braces are labels here, not alternatives.
fn check_exclude(pattern: &At<String>, bound: &Bound<'_>, report: &mut Report<'_>) {
    let Some(pieces) = checked_template(pattern, report) else { return };
    check_labels(&pieces, pattern, &[], bound, report);
    check_relative(pattern, &pieces, report);
    if let Err(error) = globset::GlobBuilder::new(&filled(&pieces)).literal_separator(true).build() {
        let message = format!("this is not a pattern: {}", error.kind());
        report.mistake(pattern.position, message, "write one such as `**/base`");
    }
}

fn check_chart(document: &SourceDocument, captures: &[String], bound: &Bound<'_>, report: &mut Report<'_>) {
    let Some(chart) = &document.chart else { return };
    let folder = match &chart.value {
        ChartReference::Folder(folder) => folder,
        ChartReference::Remote(remote) => return check_remote(remote, chart.position, captures, bound, report),
    };
    let text = At { value: folder.clone(), position: chart.position };
    if folder.contains('*') {
        let help = "use `path:` for charts found by a pattern, or `each:` for one chart and many releases";
        report.mistake(chart.position, "`chart` names one folder", help);
    } else if let Some(pieces) = checked_template(&text, report) {
        check_labels(&pieces, &text, captures, bound, report);
        check_relative(&text, &pieces, report);
    }
}

/// Checks a chart from elsewhere; what its labels make of it is checked when they have values.
fn check_remote(
    remote: &RemoteChartDocument,
    position: Position,
    captures: &[String],
    bound: &Bound<'_>,
    report: &mut Report<'_>,
) {
    let filled_in = |text: &At<String>, report: &mut Report<'_>| {
        let pieces = checked_template(text, report)?;
        check_labels(&pieces, text, captures, bound, report);
        Some(filled(&pieces))
    };
    let Some(version) = &remote.version else {
        let help = "add its `version`, such as `version: \"20.1.0\"` or `version: \"^20.1\"`";
        report.mistake(report.key("chart", position), "this chart from elsewhere has no version", help);
        return;
    };
    if let Some(Err(wrong)) = filled_in(version, report).map(|text| VersionRange::parse(&text)) {
        report.mistake(version.position, wrong.problem, wrong.remedy);
    }
    let origin: (&At<String>, Option<Result<ChartOrigin, MalformedChart>>) =
        match (&remote.oci, &remote.repository, &remote.name) {
            (Some(oci), None, None) => (oci, filled_in(oci, report).map(|text| ChartOrigin::oci(&text))),
            (None, Some(repository), Some(name)) => {
                let texts = filled_in(repository, report).zip(filled_in(name, report));
                (repository, texts.map(|(url, name)| ChartOrigin::repository(&url, &name)))
            }
            _ => {
                report.mistake(
                    report.key("chart", position),
                    "a chart from elsewhere has either `oci`, or `repository` and `name`",
                    "write `{oci: oci://registry.example.com/charts/redis, version: \"20.1.0\"}` or `{repository: \
                     https://charts.example.com, name: redis, version: \"20.1.0\"}`",
                );
                return;
            }
        };
    if let (text, Some(Err(wrong))) = origin {
        report.mistake(text.position, wrong.problem, wrong.remedy);
    }
}

fn check_output(document: &SourceDocument, captures: &[String], bound: &Bound<'_>, report: &mut Report<'_>) {
    let help = "write a folder such as `shop` or `apps/{service}`; it is never the root of the branch";
    if let Some(output) = &document.output {
        let Some(pieces) = checked_template(output, report) else { return };
        check_labels(&pieces, output, captures, bound, report);
        let example = filled(&pieces);
        if RootName::new(example.as_str()).is_err() || check_path(&example).is_err() {
            report.mistake(output.position, format!("`{}` is not a folder on the branch", output.value), help);
        }
    } else if document.release_name.is_none()
        && let Some(path) = document.path.as_ref().or(document.each.as_ref())
        && path.value.split('/').all(|segment| segment == "{environment}")
    {
        report.mistake(path.position, "without `output`, this source would be written to the root of the branch", help);
    }
}

/// Checks a name that Kubernetes restricts: lower-case letters, digits and `-`.
fn check_name(
    name: &At<String>,
    what: &str,
    longest: usize,
    captures: &[String],
    bound: &Bound<'_>,
    report: &mut Report<'_>,
) {
    let Some(pieces) = checked_template(name, report) else { return };
    check_labels(&pieces, name, captures, bound, report);
    let example = filled(&pieces);
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_edge = |b: Option<u8>| b.is_some_and(|b| is_inner(b) && b != b'-');
    if !(example.len() <= longest
        && example.bytes().all(is_inner)
        && is_edge(example.bytes().next())
        && is_edge(example.bytes().last()))
    {
        report.mistake(
            name.position,
            format!("`{}` is not {what}", name.value),
            format!("use lower-case letters, digits and `-` between them, at most {longest} characters"),
        );
    }
}

fn check_value_file(file: &At<String>, captures: &[String], bound: &Bound<'_>, report: &mut Report<'_>) {
    let Some(pieces) = checked_template(file, report) else { return };
    check_labels(&pieces, file, captures, bound, report);
    let always = file.value.strip_suffix('?').unwrap_or(&file.value);
    if always.contains(['*', '?']) {
        let help = "name each file; a `?` at the end says that it may be absent";
        report.mistake(file.position, "a value file is not a pattern", help);
    } else {
        check_relative(file, &pieces, report);
    }
}

fn check_labels(pieces: &[Piece], text: &At<String>, captures: &[String], bound: &Bound<'_>, report: &mut Report<'_>) {
    for label in labels(pieces) {
        bound.check_used(label, captures, text.position, report);
    }
}

fn check_relative(text: &At<String>, pieces: &[Piece], report: &mut Report<'_>) {
    if let Err(error) = check_path(&filled(pieces)) {
        malformed(text.position, &error, report);
    }
}

fn checked_template(text: &At<String>, report: &mut Report<'_>) -> Option<Vec<Piece>> {
    parse_template(&text.value).map_err(|error| malformed(text.position, &error, report)).ok()
}

fn malformed(position: Position, error: &Malformed, report: &mut Report<'_>) {
    report.mistake(position, &error.problem, &error.remedy);
}

/// Returns the text with a harmless value for each label.
fn filled(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Label(_) | Piece::Segment | Piece::Segments => "x",
        })
        .collect()
}

fn folder(chart: &ChartReference) -> Option<&str> {
    match chart {
        ChartReference::Folder(folder) => Some(folder),
        ChartReference::Remote(_) => None,
    }
}

fn remote(chart: &ChartReference) -> Option<&RemoteChartDocument> {
    match chart {
        ChartReference::Folder(_) => None,
        ChartReference::Remote(remote) => Some(remote),
    }
}

fn remote_chart(document: &RemoteChartDocument) -> Option<RemoteChart> {
    let text = |field: &Option<At<String>>| field.as_ref().map(|field| field.value.clone());
    let location = text(&document.oci).or_else(|| text(&document.repository))?;
    Some(RemoteChart { location, name: text(&document.name), version: text(&document.version)? })
}

/// Reports a source whose one output folder is another source's too. Outputs that depend on what
/// is matched are compared when the folders are known.
fn refuse_same_output(
    document: &At<SourceDocument>,
    captures: &[String],
    outputs: &mut BTreeMap<String, u64>,
    report: &mut Report<'_>,
) {
    let Some(output) = output(&document.value) else { return };
    let depends = output.value.contains('*') || captures.iter().any(|c| output.value.contains(&format!("{{{c}}}")));
    if depends || output.value.is_empty() {
        return;
    }
    if let Some(line) = outputs.insert(output.value.to_lowercase(), document.position.line) {
        report.mistake(
            output.position,
            format!("the source in line {line} is written to the folder `{}` too", output.value),
            "give each source its own `output`; upper and lower case count as equal",
        );
    }
}

/// Returns the output folder of a source, with labels and stars, and where it is written.
fn output(document: &SourceDocument) -> Option<At<String>> {
    if let Some(named) = document.output.as_ref().or(document.release_name.as_ref()) {
        return Some(named.clone());
    }
    if let Some(path) = document.path.as_ref().or(document.each.as_ref()) {
        let segments: Vec<&str> = path.value.split('/').filter(|segment| *segment != "{environment}").collect();
        return Some(At { value: segments.join("/"), position: path.position });
    }
    let chart = document.chart.as_ref()?;
    let value = match &chart.value {
        ChartReference::Folder(folder) => folder.clone(),
        ChartReference::Remote(remote) => {
            let remote = remote_chart(remote)?;
            let name = remote.location.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
            remote.name.or(name)?
        }
    };
    Some(At { value, position: chart.position })
}
