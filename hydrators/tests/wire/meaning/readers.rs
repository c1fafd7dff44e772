//! What others read in a stream of documents: Kustomize, and Helm's `fromYaml`, which is the reader of `kubectl` and of
//! the API server (`sigs.k8s.io/yaml`). They are of different ages, and disagree about `yes` and `0777`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use hydrators::{Identity, Renderers, Tool, read_documents};

/// How many documents one process reads.
const BATCH: usize = 400;

const CHART: &str = "apiVersion: v2\nname: reader\nversion: 1.0.0\n";

/// Says what is in each file, as a list of JSON.
const TEMPLATE: &str = r#"{{- $read := list -}}
{{- range $path, $_ := .Files.Glob "files/*" -}}
{{- $read = append $read (list (base $path) ($.Files.Get $path | fromYaml | toJson)) -}}
{{- end -}}
{{- dict "apiVersion" "v1" "kind" "ConfigMap" "metadata" (dict "name" "read") "data" $read | toJson }}
"#;

/// What stands between two streams that Kustomize reads together.
const BETWEEN: &str = "kind: BetweenStreams";

/// Returns what the reader of the API server reads in each stream, its documents in the order of their text; nothing
/// where it cannot read one.
pub(crate) async fn api_server(renderers: &Renderers, streams: &[String]) -> Vec<Option<Vec<String>>> {
    let split: Vec<Vec<String>> = streams.iter().map(|stream| documents(stream)).collect();
    let mut read = BTreeMap::new();
    let all: Vec<(String, &String)> = split
        .iter()
        .enumerate()
        .flat_map(|(stream, parts)| {
            parts.iter().enumerate().map(move |(part, text)| (format!("{stream}-{part}"), text))
        })
        .collect();
    for batch in all.chunks(BATCH) {
        read.extend(from_yaml(renderers, batch).await);
    }
    let mut found: Vec<Option<Vec<String>>> = Vec::new();
    for (stream, parts) in split.iter().enumerate() {
        let texts = (0..parts.len()).map(|part| read.remove(&format!("{stream}-{part}")).expect("it was read"));
        // Nothing is an empty mapping here, and what cannot be read is one with the reason.
        let texts = texts.filter(|text| text != "{}");
        let texts: Option<Vec<String>> = texts.map(|text| text.contains("\"kind\":").then_some(text)).collect();
        found.push(texts.map(|mut texts| {
            texts.sort();
            texts
        }));
    }
    found
}

/// Splits a stream into documents, each with what else stands on the line of its three dashes.
pub(crate) fn documents(stream: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in stream.trim_start_matches('\u{feff}').split_inclusive('\n') {
        let is = |marker| {
            line.strip_prefix(marker).is_some_and(|rest: &str| rest.trim_start().len() < rest.len() || rest.is_empty())
        };
        if is("---") || is("...") {
            documents.push(String::new());
            if is("---") && !line[3..].trim().is_empty() {
                documents.last_mut().expect("one").push_str(line);
            }
        } else if !line.starts_with("%YAML") {
            documents.last_mut().expect("one").push_str(line);
        }
    }
    documents
}

async fn from_yaml(renderers: &Renderers, files: &[(String, &String)]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "Chart.yaml", CHART);
    write(folder.path(), "templates/read.yaml", TEMPLATE);
    for (name, text) in files {
        write(folder.path(), &format!("files/{name}"), text);
    }
    let args = ["template", "read", "."].map(OsString::from);
    let output = renderers.run_unchecked(Tool::Helm, &args, folder.path()).await.expect("Helm runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let json = text.lines().find(|line| line.starts_with('{')).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    json["data"].as_array().expect("a list").iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

/// Returns what Kustomize makes of each stream, its documents in the order of their text; nothing where it refuses one.
pub(crate) async fn kustomize(renderers: &Renderers, streams: &[String]) -> Vec<Option<Vec<String>>> {
    let mut read = vec![None; streams.len()];
    let mut open = batches(streams);
    while let Some(batch) = open.pop() {
        let texts: Vec<&String> = batch.iter().map(|position| &streams[*position]).collect();
        match build(renderers, &texts).await {
            Some(built) => batch.iter().zip(built).for_each(|(position, built)| read[*position] = Some(built)),
            None if batch.len() == 1 => {}
            None => {
                let (first, second) = batch.split_at(batch.len() / 2);
                open.extend([first.to_vec(), second.to_vec()]);
            }
        }
    }
    read
}

/// Returns the positions of streams that one process can read together: no two are about the same object.
fn batches(streams: &[String]) -> Vec<Vec<usize>> {
    let mut batches: Vec<(BTreeSet<Identity>, Vec<usize>)> = Vec::new();
    for (position, stream) in streams.iter().enumerate() {
        let ids: BTreeSet<Identity> =
            read_documents(stream, None).into_iter().flatten().map(|document| document.identity).collect();
        match batches.iter_mut().find(|(taken, batch)| batch.len() < BATCH && taken.is_disjoint(&ids)) {
            Some((taken, batch)) => {
                taken.extend(ids);
                batch.push(position);
            }
            None => batches.push((ids, vec![position])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

/// Has one process read several streams.
async fn build(renderers: &Renderers, streams: &[&String]) -> Option<Vec<Vec<String>>> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut kustomization = String::from("resources:\n");
    for (number, stream) in streams.iter().enumerate() {
        write(folder.path(), &format!("{number}.yaml"), stream);
        let between = format!("apiVersion: example.com/v1\n{BETWEEN}\nmetadata:\n  name: between-{number}\n");
        write(folder.path(), &format!("{number}-between.yaml"), &between);
        kustomization.push_str(&format!("- {number}.yaml\n- {number}-between.yaml\n"));
    }
    write(folder.path(), "kustomization.yaml", &kustomization);
    let args = ["build", "."].map(OsString::from);
    let output = renderers.run_unchecked(Tool::Kustomize, &args, folder.path()).await.expect("Kustomize runs");
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).expect("text");
    let (mut read, mut stream) = (Vec::new(), Vec::new());
    for document in text.split("\n---\n") {
        if document.lines().any(|line| line == BETWEEN) {
            stream.sort();
            read.push(std::mem::take(&mut stream));
        } else {
            stream.push(document.trim_end_matches('\n').to_owned());
        }
    }
    assert_eq!(read.len(), streams.len(), "{text}");
    Some(read)
}

fn write(folder: &Path, path: &str, text: &str) {
    let target = folder.join(path);
    fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
    fs::write(target, text).expect("a file");
}
