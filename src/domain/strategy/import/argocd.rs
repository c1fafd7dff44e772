//! Argo CD's applications with a `sourceHydrator`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::documents::{Document, ImportMistake};

/// What one application renders, to where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Application {
    pub(super) name: String,
    pub(super) repository: String,
    /// The folder in the dry repository.
    pub(super) path: String,
    /// The active branch.
    pub(super) branch: String,
    /// The folder on it.
    pub(super) output: String,
    /// Set for what is said to be a chart.
    pub(super) helm: Option<Helm>,
    /// The namespace that Argo CD gives to Helm.
    pub(super) namespace: Option<String>,
    /// What is not carried over.
    pub(super) lost: Vec<String>,
}

/// How a chart is rendered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Helm {
    pub(super) release: Option<String>,
    pub(super) value_files: Vec<String>,
    pub(super) values: Map<String, Value>,
}

pub(super) fn is_known(document: &Document) -> bool {
    document.group == "argoproj.io" && ["Application", "ApplicationSet"].contains(&document.kind.as_str())
}

/// Returns the applications that hydrate.
pub(super) fn applications(documents: &[Document], notes: &mut Vec<String>) -> Result<Vec<Application>, ImportMistake> {
    let mut found = Vec::new();
    for document in documents.iter().filter(|document| is_known(document)) {
        let expanded = match document.kind.as_str() {
            "ApplicationSet" => expand(document, notes),
            _ => vec![document.clone()],
        };
        for document in expanded {
            if document.at("/spec/sourceHydrator").is_none() {
                notes.push(format!("{} has no `sourceHydrator`: nothing of it is hydrated.", document.place()));
                continue;
            }
            found.push(application(&document)?);
        }
    }
    Ok(found)
}

fn application(document: &Document) -> Result<Application, ImportMistake> {
    let needed = |field: &str| {
        let text = document.text(&format!("/spec/sourceHydrator/{field}")).filter(|text| !text.is_empty());
        let name = field.replace('/', ".");
        text.map(str::to_owned).ok_or_else(|| document.mistake(format!("`spec.sourceHydrator.{name}` is missing")))
    };
    let mut lost = Vec::new();
    let mut note = |field: &str, words: &str| lost.push(format!("`{field}` {words}"));
    for (field, words) in [
        ("kustomize", "is not carried over; write what it changes into the kustomization"),
        ("directory", "is not carried over; the folder is read as plain YAML"),
        ("plugin", "is not carried over: Hydromote runs no plugins; render with Helm, Kustomize or plain YAML"),
    ] {
        if let Some(value) = document.at(&format!("/spec/sourceHydrator/drySource/{field}")).filter(|v| !is_empty(v)) {
            note(&format!("drySource.{field}: {value}"), words);
        }
    }
    if let Some(revision) = document.text("/spec/sourceHydrator/drySource/targetRevision")
        && !["HEAD", "main", "master", ""].contains(&revision)
    {
        note(&format!("drySource.targetRevision: {revision}"), "is `spec.dryBranch`, one for the whole strategy");
    }
    if let Some(other) = document.text("/spec/sourceHydrator/syncSource/repoURL") {
        note(&format!("syncSource.repoURL: {other}"), "is not carried over: the branches are in this repository");
    }
    let branch = needed("syncSource/targetBranch")?;
    if let Some(staging) = document.text("/spec/sourceHydrator/hydrateTo/targetBranch")
        && staging != format!("{branch}-next")
    {
        note(&format!("hydrateTo.targetBranch: {staging}"), &format!("is always `{branch}-next` here"));
    }
    let helm = document.at("/spec/sourceHydrator/drySource/helm").map(|helm| helm_of(helm, &mut lost));
    Ok(Application {
        name: document.name.clone(),
        repository: needed("drySource/repoURL")?,
        path: clean(&needed("drySource/path")?),
        branch,
        output: clean(&needed("syncSource/path")?),
        helm,
        namespace: document.text("/spec/destination/namespace").map(str::to_owned),
        lost,
    })
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn clean(path: &str) -> String {
    path.split('/').filter(|segment| !segment.is_empty() && *segment != ".").collect::<Vec<_>>().join("/")
}

fn helm_of(helm: &Value, lost: &mut Vec<String>) -> Helm {
    let mut read = Helm { release: helm["releaseName"].as_str().map(str::to_owned), ..Helm::default() };
    let may_be_absent = helm["ignoreMissingValueFiles"] == true;
    for file in helm["valueFiles"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if file.contains("://") || file.starts_with('$') {
            lost.push(format!("`helm.valueFiles: {file}` is not carried over: it is not in this repository"));
            continue;
        }
        read.value_files.push(format!("{file}{}", if may_be_absent { "?" } else { "" }));
    }
    if let Some(text) = helm["values"].as_str().filter(|text| !text.trim().is_empty()) {
        match serde_saphyr::from_str::<Value>(text) {
            Ok(Value::Object(values)) => read.values = values,
            _ => lost.push("`helm.values` is not carried over: it is no mapping".to_owned()),
        }
    }
    // As in Argo CD, the object wins over the text.
    if let Some(values) = helm["valuesObject"].as_object() {
        read.values = values.clone();
    }
    for parameter in helm["parameters"].as_array().into_iter().flatten() {
        let (name, value) =
            (parameter["name"].as_str().unwrap_or_default(), parameter["value"].as_str().unwrap_or_default());
        let is_plain =
            !name.is_empty() && name.split('.').all(|key| !key.is_empty() && !key.contains(['\\', '[', ',', '=']));
        let value = match parameter["forceString"] == true {
            true => Some(Value::String(value.to_owned())),
            false => scalar(value),
        };
        match value.filter(|_| is_plain) {
            Some(value) if set(&mut read.values, name, &value) => {}
            _ => lost.push(format!("`helm.parameters: {name}` is not carried over; write it into `values`")),
        }
    }
    let known = ["releaseName", "valueFiles", "values", "valuesObject", "parameters", "ignoreMissingValueFiles"];
    let others = helm.as_object().into_iter().flatten().filter(|(key, _)| !known.contains(&key.as_str()));
    lost.extend(
        others.map(|(key, value)| format!("`helm.{key}: {value}` is not carried over; see `render` in the strategy")),
    );
    read
}

/// Reads a value as `helm --set` does; nothing for what it would take apart.
fn scalar(text: &str) -> Option<Value> {
    match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        "0" => Some(Value::from(0)),
        _ if text.contains([',', '{', '}', '\\']) => None,
        _ if text.starts_with('0') => Some(Value::String(text.to_owned())),
        _ => Some(text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from)),
    }
}

/// Sets a value below a dotted name; says whether there was room for it.
fn set(values: &mut Map<String, Value>, name: &str, value: &Value) -> bool {
    match name.split_once('.') {
        None => {
            values.insert(name.to_owned(), value.clone());
            true
        }
        Some((first, rest)) => {
            let below = values.entry(first).or_insert_with(|| Value::Object(Map::new()));
            below.as_object_mut().is_some_and(|below| set(below, rest, value))
        }
    }
}

/// Expands an application set as far as its generators are lists.
fn expand(document: &Document, notes: &mut Vec<String>) -> Vec<Document> {
    let mut expanded = Vec::new();
    let template = document.at("/spec/template").cloned().unwrap_or_default();
    for generator in document.list("/spec/generators") {
        let Some(elements) = generator.pointer("/list/elements").and_then(Value::as_array) else {
            let kinds: Vec<&str> = generator.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
            notes.push(format!(
                "{}: the generator `{}` was not expanded, only lists are; give the applications that it makes \
                 (`kubectl get applications -o yaml`).",
                document.place(),
                kinds.join(", ")
            ));
            continue;
        };
        for element in elements {
            let mut parameters = BTreeMap::new();
            flatten("", element, &mut parameters);
            let filled = fill(&template, &parameters);
            let value = serde_json::json!({ "metadata": filled["metadata"], "spec": filled["spec"] });
            let name = filled.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            expanded.push(Document { kind: "Application".to_owned(), name, value, ..document.clone() });
        }
    }
    if document.list("/spec/generators").is_empty() {
        notes.push(format!("{} has no generators: it makes no application.", document.place()));
    }
    expanded
}

fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&name, value, into);
            }
        }
        Value::String(text) => {
            into.insert(prefix.to_owned(), text.clone());
        }
        other => {
            into.insert(prefix.to_owned(), other.to_string());
        }
    }
}

/// Puts parameters into every text: `{{x}}` and `{{ .x }}`.
fn fill(value: &Value, parameters: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, parameters)),
        Value::Array(items) => items.iter().map(|item| fill(item, parameters)).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.clone(), fill(value, parameters))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn fill_text(text: &str, parameters: &BTreeMap<String, String>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        filled += before;
        let trimmed = name.trim_matches([' ', '-']).trim_start_matches('.');
        match parameters.get(trimmed) {
            Some(value) => filled += value,
            None => filled += &format!("{{{{{name}}}}}"),
        }
        rest = behind;
    }
    filled + rest
}
