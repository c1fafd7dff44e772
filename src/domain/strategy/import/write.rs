//! Writes what was read as a commented strategy.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    argocd::Application,
    promoter::{Pipeline, Stage, Window},
};
use crate::domain::strategy::proposal::header;

/// What a variable is called where an environment does not have the folder that it names.
const ABSENT: &str = "absent";

/// How one root is rendered, with `{environment}` where the environment's name stood.
#[derive(Debug, Clone, PartialEq)]
struct Template {
    is_chart: bool,
    path: String,
    output: String,
    release: Option<String>,
    namespace: Option<String>,
    value_files: Vec<String>,
    values: Option<String>,
}

/// One source, and the environments that have it.
#[derive(Debug)]
struct Source<'a> {
    template: Template,
    applications: Vec<(usize, &'a Application)>,
    /// The label that stands for the last segment of its folder, where only some environments have it.
    label: Option<String>,
}

/// Returns the text of a strategy file.
pub(super) fn strategies(
    pipelines: &[Pipeline],
    applications: &[Application],
    charts: &BTreeSet<&str>,
    mut notes: Vec<String>,
) -> String {
    for application in applications {
        let has_branch =
            |pipeline: &Pipeline| pipeline.environments.iter().any(|stage| stage.branch == application.branch);
        if !pipelines.iter().any(has_branch) {
            notes.push(format!(
                "Application `{}` hydrates `{}`, which is in no strategy: it is left out.",
                application.name, application.branch
            ));
        }
    }
    let repositories: BTreeSet<&str> = applications.iter().map(|application| application.repository.as_str()).collect();
    if repositories.len() > 1 {
        let list = repositories.into_iter().collect::<Vec<_>>().join(", ");
        notes.push(format!(
            "The applications hydrate from several repositories ({list}): each needs a strategy of its own."
        ));
    }
    let documents = pipelines.iter().enumerate().map(|(position, pipeline)| {
        let notes = if position == 0 { notes.as_slice() } else { &[] };
        strategy(pipeline, applications, charts, notes)
    });
    documents.collect::<Vec<_>>().join("---\n")
}

fn strategy(pipeline: &Pipeline, applications: &[Application], charts: &BTreeSet<&str>, notes: &[String]) -> String {
    let mut text = String::new();
    if !notes.is_empty() || !pipeline.lost.is_empty() {
        add(&mut text, "# Made from another tool's documents. Read what could not be carried over:");
        notes.iter().chain(&pipeline.lost).for_each(|note| comment(&mut text, "", note));
        add(&mut text, "#");
    }
    text += &header(&pipeline.name);
    let sources = sources(pipeline, applications, charts);
    write_sources(&mut text, &sources, pipeline);
    if sources.iter().any(|source| source.label.is_some()) {
        add(&mut text, "\n  # Names of folders that only some environments have: they say so below.");
        add(&mut text, "  vars:");
        for label in sources.iter().filter_map(|source| source.label.as_ref()) {
            add(&mut text, &format!("    {label}: {ABSENT}"));
        }
    }
    write_statuses(&mut text, pipeline);
    add(&mut text, "\n  # In this order, unless `dependsOn` says otherwise.\n  environments:");
    for (index, stage) in pipeline.environments.iter().enumerate() {
        write_stage(&mut text, index, stage, &sources);
    }
    text
}

/// Puts applications that differ by the environment alone into one source.
fn sources<'a>(pipeline: &Pipeline, applications: &'a [Application], charts: &BTreeSet<&str>) -> Vec<Source<'a>> {
    let mut sources: Vec<Source<'a>> = Vec::new();
    for (index, stage) in pipeline.environments.iter().enumerate() {
        for application in applications.iter().filter(|application| application.branch == stage.branch) {
            let template = template(application, &stage.name, charts);
            let is_same = |source: &&mut Source<'a>| {
                source.template == template && source.applications.iter().all(|(other, _)| *other != index)
            };
            match sources.iter_mut().find(is_same) {
                Some(source) => source.applications.push((index, application)),
                None => sources.push(Source { template, applications: vec![(index, application)], label: None }),
            }
        }
    }
    let mut labels = BTreeSet::new();
    for source in &mut sources {
        if source.applications.len() < pipeline.environments.len() {
            source.label = Some(label(&source.template.output, &mut labels));
        }
    }
    sources
}

/// Returns a label that is not taken.
fn label(output: &str, taken: &mut BTreeSet<String>) -> String {
    let last = output.rsplit('/').next().unwrap_or(output).replace("{environment}", "");
    let plain: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let base = format!("only_{}", plain.trim_matches('_'));
    let base = base.trim_end_matches('_').to_owned();
    let numbered = (2..).map(|number| format!("{base}_{number}"));
    let free = std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(base);
    taken.insert(free.clone());
    free
}

fn template(application: &Application, environment: &str, charts: &BTreeSet<&str>) -> Template {
    let filled = |text: &str| with_environment(text, environment);
    let is_chart = application.helm.is_some() || charts.contains(application.path.as_str());
    let helm = application.helm.clone().unwrap_or_default();
    let release = helm.release.unwrap_or_else(|| application.name.clone());
    Template {
        is_chart,
        // A chart is the same folder for every environment, whatever it is called.
        path: if is_chart { application.path.clone() } else { filled(&application.path) },
        output: filled(&application.output),
        release: is_chart.then(|| filled(&release)),
        namespace: application.namespace.as_deref().filter(|_| is_chart).map(filled),
        value_files: helm.value_files.iter().map(|file| filled(&below(&application.path, file))).collect(),
        values: (!helm.values.is_empty()).then(|| filled(&serde_json::Value::Object(helm.values).to_string())),
    }
}

/// Returns the path in the repository of a value file of a chart.
fn below(chart: &str, file: &str) -> String {
    let full = match file.strip_prefix('/') {
        Some(from_root) => from_root.to_owned(),
        None => format!("{chart}/{file}"),
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in full.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        match segment {
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

/// Writes `{environment}` wherever the environment's name stands as a word of its own.
fn with_environment(text: &str, environment: &str) -> String {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let (mut filled, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(environment) {
        let (before, found) = rest.split_at(at);
        let after = &found[environment.len()..];
        filled += before;
        let is_word = !is_part(filled.chars().next_back()) && !is_part(after.chars().next());
        filled += if is_word { "{environment}" } else { environment };
        rest = after;
    }
    filled + rest
}

fn write_sources(text: &mut String, sources: &[Source<'_>], pipeline: &Pipeline) {
    add(text, "\n  # What is rendered. `hydromote validate` prints the table of what these match.\n  sources:");
    if sources.is_empty() {
        add(text, "    # No application of Argo CD with a `sourceHydrator` was given for these branches:");
        add(text, "    # name what is to be rendered.");
        add(text, "    - path: \"deploy/{environment}\"");
    }
    for source in sources {
        let lost: BTreeMap<&String, &str> = source
            .applications
            .iter()
            .flat_map(|(_, application)| application.lost.iter().map(|lost| (lost, application.name.as_str())))
            .collect();
        for (lost, application) in lost {
            comment(text, "    ", &format!("Application `{application}`: {lost}"));
        }
        if source.label.is_some() {
            let names = source.applications.iter().filter_map(|(index, _)| pipeline.environments.get(*index));
            let names = names.map(|stage| stage.name.as_str()).collect::<Vec<_>>().join(", ");
            comment(text, "    ", &format!("In {names} alone."));
        }
        write_source(text, source);
    }
}

fn write_source(text: &mut String, source: &Source<'_>) {
    let Template { is_chart, path, output, release, namespace, value_files, values } = &source.template;
    let folder = match (&source.label, path.rsplit_once('/')) {
        (Some(label), Some((parent, _))) => format!("{parent}/{{{label}}}"),
        (Some(label), None) => format!("{{{label}}}"),
        (None, _) => path.clone(),
    };
    match (is_chart, &source.label) {
        (false, _) => add(text, &format!("    - path: {}", quoted(&folder))),
        (true, None) => add(text, &format!("    - chart: {}", quoted(path))),
        (true, Some(_)) => {
            add(text, &format!("    - each: {}", quoted(&folder)));
            add(text, &format!("      chart: {}", quoted(path)));
        }
    }
    add(text, &format!("      output: {}", quoted(output)));
    for (key, value) in [("releaseName", release), ("namespace", namespace)] {
        if let Some(value) = value {
            add(text, &format!("      {key}: {}", quoted(value)));
        }
    }
    if !value_files.is_empty() {
        add(text, "      valueFiles:");
        value_files.iter().for_each(|file| add(text, &format!("        - {}", quoted(file))));
    }
    if let Some(values) = values {
        add(text, &format!("      values: {values}"));
    }
}

fn write_statuses(text: &mut String, pipeline: &Pipeline) {
    if pipeline.active.is_empty() {
        add(
            text,
            "\n  # No commit status is asked for everywhere: content counts as verified when it was merged and soaked.",
        );
    } else {
        add(text, "\n  # Whoever deploys the branches below reports these on their heads.\n  activeCommitStatuses:");
        pipeline.active.iter().for_each(|key| add(text, &format!("    - key: {}", quoted(key))));
    }
    if !pipeline.proposed.is_empty() {
        add(text, "\n  # Reported on the proposed commits.\n  proposedCommitStatuses:");
        pipeline.proposed.iter().for_each(|key| add(text, &format!("    - key: {}", quoted(key))));
    }
}

fn write_stage(text: &mut String, index: usize, stage: &Stage, sources: &[Source<'_>]) {
    stage.lost.iter().for_each(|lost| comment(text, "    ", lost));
    add(text, &format!("    - name: {}", quoted(&stage.name)));
    add(text, &format!("      branch: {}", quoted(&stage.branch)));
    let has_here = |source: &&Source<'_>| source.applications.iter().any(|(other, _)| *other == index);
    let folders = sources.iter().filter(has_here).filter_map(|source| {
        let application = source.applications.iter().find(|(other, _)| *other == index)?.1;
        let last = application.path.rsplit('/').next().unwrap_or(&application.path);
        Some(format!("{}: {}", source.label.as_ref()?, quoted(last)))
    });
    let folders: Vec<String> = folders.collect();
    if !folders.is_empty() {
        add(text, &format!("      vars: {{{}}}", folders.join(", ")));
    }
    if let Some(soak) = &stage.soak {
        add(text, &format!("      soak: {soak}"));
    }
    if !stage.auto_merge {
        add(text, "      autoMerge: false");
    }
    for (word, keys) in [("activeCommitStatuses", &stage.active), ("proposedCommitStatuses", &stage.proposed)] {
        if !keys.is_empty() {
            add(text, &format!("      {word}:"));
            keys.iter().for_each(|key| add(text, &format!("        - key: {}", quoted(key))));
        }
    }
    if !stage.allow.is_empty() || !stage.deny.is_empty() {
        add(text, "      windows:");
        write_windows(text, "allow", &stage.allow);
        write_windows(text, "deny", &stage.deny);
    }
}

fn write_windows(text: &mut String, word: &str, windows: &[Window]) {
    if windows.is_empty() {
        return;
    }
    add(text, &format!("        {word}:"));
    for window in windows {
        let reason = window.reason.as_ref().map(|reason| format!(", reason: {}", quoted(reason))).unwrap_or_default();
        let (cron, duration, zone) = (quoted(&window.cron), &window.duration, quoted(&window.timezone));
        add(text, &format!("          - {{cron: {cron}, duration: {duration}, timezone: {zone}{reason}}}"));
    }
}

/// Returns a text as a scalar that every reader takes for that text.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn comment(text: &mut String, indent: &str, words: &str) {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    add(text, &format!("{indent}# - {line}"));
}

fn add(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("because writing to a string cannot fail");
}
