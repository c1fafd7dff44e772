//! Writes manifests in one canonical text, so that a renderer which means the same changes nothing.
//!
//! Guarantees:
//!
//! - Documents are ordered by group, kind, namespace and name, custom resource definitions and
//!   namespaces first. Mapping keys are sorted, indentation is two spaces, comments are dropped,
//!   flow collections are written as block collections.
//! - Every scalar keeps its own text and quoting, so that no reader can read another value. Only
//!   line folding inside a scalar is undone.
//! - A document with anchors, aliases, tags or merge keys stays byte for byte as it was, and so
//!   does one that could not be read back as the same thing after it was written. Empty lines after
//!   its end are not a part of it.
//! - Canonical text is a fixed point: written again, it does not change.

use std::collections::BTreeMap;
use std::fmt;

use crate::emit;
use crate::yaml::{self, Node, Tree, Unreadable};

/// How many documents a root may have; each takes some of the service's own memory.
const MOST_DOCUMENTS: usize = 20_000;

/// What a document is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty when the document names none.
    pub namespace: String,
    /// The name; empty for lists and generated names.
    pub name: String,
}

/// One document in canonical text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What the document is about.
    pub identity: Identity,
    /// Where the document comes from, as far as that is known.
    pub origin: Origin,
    /// Whether this is a `Secret`, or a list with one, that holds data in the clear.
    pub has_secret_data: bool,
    text: String,
}

impl Document {
    /// Returns the document in canonical text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Where a document comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The file: the one that was read, or the template that Helm names above the document.
    pub file: Option<String>,
    /// The line, from 1, when the file itself was read.
    pub line: Option<u64>,
}

/// Why text is not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadManifest {
    /// Where the fault is.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
}

/// Returns the canonical text of `text`, a stream of YAML documents.
///
/// # Errors
///
/// When a document cannot be read, is no Kubernetes object, has a key twice, or two documents are
/// about the same object.
pub fn canonical(text: &str) -> Result<String, BadManifest> {
    write_documents(read_documents(text, None)?)
}

/// Reads the documents of one text. `file` names it, when it is a file that people know.
///
/// # Errors
///
/// When a document cannot be read, is no Kubernetes object, or has a key twice.
pub fn read_documents(text: &str, file: Option<&str>) -> Result<Vec<Document>, BadManifest> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    for chunk in split(text) {
        let origin = chunk.origin(file);
        let fault = |line: u64, message: String| {
            let line = file.map(|_| chunk.line + line.saturating_sub(1));
            BadManifest { origin: Origin { line, ..origin.clone() }, message }
        };
        let tree = yaml::read_document(chunk.text).map_err(|Unreadable { line, message }| fault(line, message))?;
        let Some(tree) = tree else { continue };
        if documents.len() >= MOST_DOCUMENTS {
            return Err(fault(1, format!("there are more than {MOST_DOCUMENTS} documents")));
        }
        documents.push(document(&chunk, &tree, &origin).map_err(|(line, message)| fault(line, message))?);
    }
    Ok(documents)
}

/// Puts documents into order and joins them to canonical text.
///
/// # Errors
///
/// When two documents are about the same object.
pub fn write_documents(mut documents: Vec<Document>) -> Result<String, BadManifest> {
    refuse_doubles(&documents)?;
    documents.sort_by(|a, b| (rank(&a.identity), &a.identity).cmp(&(rank(&b.identity), &b.identity)));
    let mut out = String::new();
    for document in documents {
        if !out.is_empty() && !document.text.starts_with("---") {
            out.push_str("---\n");
        }
        out.push_str(&document.text);
    }
    Ok(out)
}

/// Fails when two documents are about the same object.
pub(crate) fn refuse_doubles(documents: &[Document]) -> Result<(), BadManifest> {
    let mut seen: BTreeMap<&Identity, &Origin> = BTreeMap::new();
    for document in documents.iter().filter(|document| !document.identity.name.is_empty()) {
        if let Some(first) = seen.insert(&document.identity, &document.origin) {
            let message = format!("{} is there twice: {first} and {}", document.identity, document.origin);
            return Err(BadManifest { origin: document.origin.clone(), message });
        }
    }
    Ok(())
}

/// What other documents need to exist comes first.
fn rank(identity: &Identity) -> u8 {
    match (identity.group.as_str(), identity.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => 0,
        ("", "Namespace") => 1,
        _ => 2,
    }
}

fn document(chunk: &Chunk<'_>, tree: &Tree<'_>, origin: &Origin) -> Result<Document, (u64, String)> {
    refuse_double_keys(&tree.root)?;
    let text = match emit::emit(tree) {
        Some(text) => text,
        None => chunk.verbatim(tree),
    };
    let resolved;
    let (identity, has_secret_data) = if tree.has_properties || has_merge_key(&tree.root) {
        if let Some(line) = yaml::alias_bomb(chunk.text) {
            return Err((line, yaml::alias_bomb_message()));
        }
        resolved = resolve(chunk.text)?;
        (identity_of(&resolved), crate::secrets::has_data(&resolved))
    } else {
        let view = value_of(&tree.root);
        (identity_of(&view), crate::secrets::has_data(&view))
    };
    let identity = identity.map_err(|message| (first_line(&tree.root), message))?;
    let line = origin.line.map(|_| chunk.line + first_line(&tree.root).saturating_sub(1));
    Ok(Document { identity, origin: Origin { line, ..origin.clone() }, has_secret_data, text })
}

/// Reads a document with its anchors, aliases and merge keys resolved.
fn resolve(text: &str) -> Result<serde_json::Value, (u64, String)> {
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        (line, error.to_string().lines().next().unwrap_or("cannot be read").to_string())
    })
}

/// Returns the tree as plain data; every scalar as its text.
fn value_of(node: &Node<'_>) -> serde_json::Value {
    match node {
        _ if node.is_nothing() => serde_json::Value::Null,
        Node::Scalar(scalar) => scalar.value.as_ref().into(),
        Node::Sequence(items) => items.iter().map(value_of).collect(),
        Node::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.text().unwrap_or_default().to_string(), value_of(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Node::Alias => serde_json::Value::Null,
    }
}

fn identity_of(value: &serde_json::Value) -> Result<Identity, String> {
    if !value.is_object() {
        return Err("this document is no Kubernetes object: it is not a mapping".into());
    }
    let text = |pointer: &str| match value.pointer(pointer) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    if api_version.is_empty() || kind.is_empty() {
        let missing = if kind.is_empty() { "kind" } else { "apiVersion" };
        return Err(format!("this document is no Kubernetes object: it has no `{missing}`"));
    }
    let name = text("/metadata/name");
    if name.is_empty() && text("/metadata/generateName").is_empty() && !kind.ends_with("List") {
        return Err(format!("this `{kind}` has no `metadata.name`"));
    }
    let group = api_version.split_once('/').map_or("", |(group, _)| group).to_string();
    Ok(Identity { group, kind, namespace: text("/metadata/namespace"), name })
}

pub(crate) fn has_merge_key(node: &Node<'_>) -> bool {
    match node {
        Node::Mapping(entries) => entries.iter().any(|(key, value)| emit::is_merge_key(key) || has_merge_key(value)),
        Node::Sequence(items) => items.iter().any(has_merge_key),
        _ => false,
    }
}

fn refuse_double_keys(node: &Node<'_>) -> Result<(), (u64, String)> {
    match node {
        Node::Mapping(entries) => {
            let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
            for (key, value) in entries {
                if let Node::Scalar(scalar) = key
                    && !emit::is_merge_key(key)
                    && seen.insert(&scalar.value, scalar.line).is_some()
                {
                    return Err((scalar.line, format!("the key `{}` is there twice", scalar.value)));
                }
                refuse_double_keys(value)?;
            }
            Ok(())
        }
        Node::Sequence(items) => items.iter().try_for_each(refuse_double_keys),
        Node::Scalar(_) | Node::Alias => Ok(()),
    }
}

fn first_line(node: &Node<'_>) -> u64 {
    match node {
        Node::Scalar(scalar) => scalar.line,
        Node::Sequence(items) => items.first().map_or(1, first_line),
        Node::Mapping(entries) => entries.first().map_or(1, |(key, _)| first_line(key)),
        Node::Alias => 1,
    }
}

/// The text of one document, with its `---` line when something else stands on that line.
struct Chunk<'t> {
    text: &'t str,
    /// The line of its first character, from 1.
    line: u64,
}

impl Chunk<'_> {
    /// Returns the document as it was, made to end with one line break where more of them say nothing.
    fn verbatim(&self, tree: &Tree<'_>) -> String {
        let text = format!("{}\n", self.text.trim_end_matches(['\r', '\n']));
        let last = |tree: &Tree<'_>| tree.root.last_text().map(str::to_owned);
        match yaml::read_document(&text) {
            Ok(Some(again)) if last(&again) == last(tree) => text,
            _ if self.text.ends_with('\n') => self.text.to_owned(),
            _ => format!("{}\n", self.text),
        }
    }

    fn origin(&self, file: Option<&str>) -> Origin {
        match file {
            Some(file) => Origin { file: Some(file.to_string()), line: Some(self.line) },
            None => Origin { file: self.template().map(str::to_string), line: None },
        }
    }

    /// Returns the template that Helm names in a comment above the document.
    fn template(&self) -> Option<&str> {
        let mut comments = self.text.lines().take_while(|line| line.starts_with('#'));
        comments.find_map(|line| line.strip_prefix("# Source: ")).map(str::trim)
    }
}

/// Splits a stream at its document markers, which no scalar can contain at the start of a line.
fn split(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let (mut offset, mut line_number) = (0, 1);
    for line in text.split_inclusive('\n') {
        let next = (offset + line.len(), line_number + 1);
        if is_marker(line, "---") || is_marker(line, "...") {
            chunks.push(Chunk { text: &text[start..offset], line: start_line });
            let bare = line[3..].trim().is_empty() || line.starts_with("...");
            (start, start_line) = if bare { next } else { (offset, line_number) };
        }
        (offset, line_number) = next;
    }
    chunks.push(Chunk { text: &text[start..], line: start_line });
    chunks.retain(|chunk| !is_only_a_version(chunk.text));
    chunks
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Returns whether there is nothing but a `%YAML` directive, which says nothing to Kubernetes.
fn is_only_a_version(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.starts_with("%YAML") || line.starts_with('#'))
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}", self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match self.namespace.as_str() {
            "" => write!(f, " {}`", self.name),
            namespace => write!(f, " {namespace}/{}`", self.name),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}"),
            (Some(file), None) => f.write_str(file),
            _ => f.write_str("in the output"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    fn written(text: &str) -> String {
        let once = canonical(text).expect("a good manifest");
        assert_eq!(canonical(&once).expect("canonical text is a manifest"), once, "writing it again changed it");
        assert_eq!(meaning(&once), meaning(text), "the meaning changed");
        assert!(meaning(text).is_some(), "the other parser cannot read this");
        once
    }

    /// Reads documents with an independent parser, a port of the one that Kubernetes' tools use.
    fn meaning(text: &str) -> Option<Vec<Value>> {
        let documents = serde_norway::Deserializer::from_str(text).map(Value::deserialize);
        let mut documents: Vec<Value> = documents.collect::<Result<_, _>>().ok()?;
        documents.retain(|document| !document.is_null());
        documents.sort_by_key(sorted_text);
        Some(documents)
    }

    fn sorted_text(value: &Value) -> String {
        match value {
            Value::Object(entries) => {
                let mut entries: Vec<_> = entries.iter().map(|(k, v)| format!("{k:?}:{}", sorted_text(v))).collect();
                entries.sort();
                format!("{{{}}}", entries.join(","))
            }
            Value::Array(items) => format!("[{}]", items.iter().map(sorted_text).collect::<Vec<_>>().join(",")),
            scalar => scalar.to_string(),
        }
    }

    fn fault(text: &str) -> String {
        canonical(text).expect_err("a mistake").to_string()
    }

    #[test]
    fn documents_and_keys_are_sorted_and_comments_dropped() {
        let text = "
# Source: web/templates/a.yaml
kind: Service   # core
apiVersion: v1
metadata: {name: web, namespace: shop, labels: {b: '1', a: \"x\"}}
---
---
apiVersion: apps/v1
kind: Deployment
metadata:
    name: web
spec:
    replicas: 0777
    containers:
        - name: a
          args: [--on, yes, 1e3]
          empty: []
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: x.example.com
";
        insta::assert_snapshot!(written(text), @r#"
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata:
          name: x.example.com
        ---
        apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
        ---
        apiVersion: v1
        kind: Service
        metadata:
          labels:
            a: "x"
            b: '1'
          name: web
          namespace: shop
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: web
        spec:
          containers:
          - args:
            - --on
            - yes
            - 1e3
            empty: []
            name: a
          replicas: 0777
        "#);
    }

    #[test]
    fn every_scalar_keeps_its_text_and_quoting() {
        let text = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: c
data:
  plain: on
  quoted: "on"
  null:
  tilde: ~
  colon: a:b
  escaped: "tab\there \u00e9 \" end"
  single: 'it''s'
  literal: |
    one
      two

    three
  keep: |+
    one


  strip: |-
    #!/bin/sh
  hint: |2-
      indented
    less
  folded: >-
    a
    b

    c
      d
    e
  last: x
"#;
        let out = written(text);
        for line in ["plain: on\n", "quoted: \"on\"", "null:\n", "tilde: ~", r#""tab\there \u00e9 \" end""#, "'it''s'"]
        {
            assert!(out.contains(line), "{line} is missing in\n{out}");
        }
        for line in
            ["literal: |\n", "keep: |+\n", "strip: |-\n    #!/bin/sh", "hint: |2-\n", "folded: >-\n    a\n    b\n"]
        {
            assert!(out.contains(line), "{line} is missing in\n{out}");
        }
    }

    #[test]
    fn scalars_that_were_folded_over_lines_are_written_on_one() {
        let text = "apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data:
  plain: one two
    three
  single: 'it''s one

    two'
  double: \"one  \\
    \\  two
    three


    four\\ \n    five\"
";
        insta::assert_snapshot!(written(text), @r#"
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: c}
        data:
          plain: one two
            three
          single: 'it''s one

            two'
          double: "one  \
            \  two
            three


            four\ 
            five"
        "#);
        insta::assert_snapshot!(written(&text.replace("\n\n    two'", "\n    two'")), @r#"
        apiVersion: v1
        data:
          double: "one  \  two three\n\nfour\  five"
          plain: one two three
          single: 'it''s one two'
        kind: ConfigMap
        metadata:
          name: c
        "#);
    }

    #[test]
    fn anchors_aliases_tags_and_merge_keys_stay_byte_for_byte() {
        for extra in ["a: &x 1\nb: *x\n", "a: !!str 1\n", "b: &m {c: 1}\nd:\n    <<: *m   # merged\n", "? [a]\n: b\n"] {
            let document = format!("# kept\nkind:   ConfigMap\napiVersion: v1\nmetadata: {{name: c}}\n{extra}");
            let out =
                canonical(&format!("---\n{document}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: n}}\n"))
                    .expect("a good manifest");
            assert!(out.ends_with(&format!("---\n{document}")), "{out}");
            assert_eq!(canonical(&out).expect("a good manifest"), out);
        }
    }

    #[test]
    fn empty_lines_after_a_document_that_stays_are_kept_where_they_are_text() {
        let document = "kind: A\napiVersion: v1\nmetadata: {name: a}\nspec: &a\n  text: |+\n    x\n\n\n";
        assert_eq!(written(document), document);
        let other = document.replace("|+", "|");
        assert_eq!(written(&other), other.trim_end().to_owned() + "\n");
        assert_eq!(written(&other.replace('\n', "\r\n")), other.trim_end().replace('\n', "\r\n") + "\n");
    }

    #[test]
    fn mistakes_are_named() {
        insta::assert_snapshot!(fault("apiVersion: v1\nkind: A\nmetadata: {name: a, name: b}\n"), @"the key `name` is there twice");
        insta::assert_snapshot!(fault("just text\n"), @"this document is no Kubernetes object: it is not a mapping");
        insta::assert_snapshot!(fault("kind: A\n"), @"this document is no Kubernetes object: it has no `apiVersion`");
        insta::assert_snapshot!(fault("apiVersion: v1\nkind: A\n"), @"this `A` has no `metadata.name`");
        let twice = "# Source: c/templates/a.yaml\napiVersion: x/v1\nkind: A\nmetadata: {name: a}\n---\n\
                     # Source: c/templates/b.yaml\napiVersion: x/v2\nkind: A\nmetadata: {name: a}\n";
        insta::assert_snapshot!(fault(twice), @"`A.x a` is there twice: c/templates/a.yaml and c/templates/b.yaml");
    }

    #[test]
    fn faults_of_files_have_their_line() {
        let bad = read_documents("a: b\n---\n\nkind: A\nkind: B\n", Some("x.yaml")).map(|_| ()).expect_err("a mistake");
        assert_eq!((bad.origin.file.as_deref(), bad.origin.line), (Some("x.yaml"), Some(1)));
        let text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\n\nkind: A\nkind: B\n";
        let bad = read_documents(text, Some("x.yaml")).map(|_| ()).expect_err("a mistake");
        assert_eq!(bad.origin.to_string(), "x.yaml:7");
    }

    #[test]
    fn empty_documents_versions_and_markers_are_dropped() {
        assert_eq!(
            written("%YAML 1.1\n---\n# nothing\n---\n--- {apiVersion: v1, kind: A, metadata: {name: a}}\n...\n"),
            "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n"
        );
        assert_eq!(canonical("").expect("nothing"), "");
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(Value::Null),
            "(yes|on|0777|1e3|~|null|<<|=|1:30|- a|# b|a: b|\\{x\\}|'|\"|\\|)".prop_map(Value::from),
            "[ a-z:#'\"\\\\{}\\[\\],&*!|>%@`\t\n-]{0,24}".prop_map(Value::from),
            "( ?[a-z]{1,12}[ \n]{1,2}){0,16}".prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        scalar().prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-z0-9 :./'\"-]{1,12}", inner, 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    /// Documents in the styles of several writers.
    fn stream() -> impl Strategy<Value = String> {
        prop::collection::vec((value(), 0..3_u8), 1..4).prop_map(|values| {
            let documents = values.into_iter().enumerate().map(|(number, (value, style))| {
                let object = serde_json::json!({
                    "kind": "A", "spec": value, "apiVersion": "v1", "metadata": {"name": format!("n{number}")}
                });
                match style {
                    0 => serde_json::to_string_pretty(&object).expect("JSON") + "\n",
                    1 => serde_norway::to_string(&object).expect("YAML"),
                    _ => serde_saphyr::to_string(&object).expect("YAML"),
                }
            });
            documents.collect::<Vec<_>>().join("---\n")
        })
    }

    proptest! {
        #[test]
        fn canonical_text_is_a_fixed_point(text in stream()) {
            let once = canonical(&text).expect("a good manifest");
            prop_assert_eq!(canonical(&once).expect("a good manifest"), once);
        }

        #[test]
        fn canonical_text_means_the_same_to_another_parser(text in stream()) {
            let before = meaning(&text);
            prop_assume!(before.is_some());
            prop_assert_eq!(meaning(&canonical(&text).expect("a good manifest")), before);
        }
    }
}
