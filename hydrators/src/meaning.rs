//! What a document says, whatever its quotes, order of keys and comments: to compare manifests that
//! different tools wrote.
//!
//! Readers of YAML disagree about plain words such as `on`, `0777` or `1:30`. Here such a word is the
//! same as itself and as nothing else, so two documents that are equal by meaning are so for every
//! reader. The other way round is not promised.

use std::collections::BTreeMap;

use granit_parser::ScalarStyle;

use crate::{
    canonical::Document,
    emit,
    yaml::{self, Node, Scalar, Tree},
};

/// What a document, or a part of one, says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number in decimal digits.
    Integer(String),
    /// Text.
    Text(String),
    /// A plain word that readers take for different things, as it was written.
    Ambiguous(String),
    /// A list.
    Sequence(Vec<Meaning>),
    /// A mapping; the order of its keys says nothing.
    Mapping(BTreeMap<Meaning, Meaning>),
    /// A document with references to its own parts, or tags, in which readers may disagree; as it was written.
    AsWritten(String),
}

impl Document {
    /// Returns what the document says.
    pub fn meaning(&self) -> Meaning {
        let as_written = || Meaning::AsWritten(self.text().to_owned());
        match yaml::read_document(self.text()) {
            Ok(Some(tree)) if is_plain(&tree) => of_node(&tree.root).unwrap_or_else(as_written),
            Ok(Some(tree)) if !tree.has_tags && !is_ambiguous(&tree.root) => {
                resolved(self.text()).unwrap_or_else(as_written)
            }
            _ => as_written(),
        }
    }
}

/// Says whether nothing in a document refers to another part of it, or changes how one is read.
fn is_plain(tree: &Tree<'_>) -> bool {
    !tree.has_properties && !has_merge_key(&tree.root)
}

fn has_merge_key(node: &Node<'_>) -> bool {
    match node {
        Node::Mapping(entries) => entries.iter().any(|(key, value)| emit::is_merge_key(key) || has_merge_key(value)),
        Node::Sequence(items) => items.iter().any(has_merge_key),
        Node::Scalar(_) | Node::Alias => false,
    }
}

fn is_ambiguous(node: &Node<'_>) -> bool {
    match node {
        Node::Mapping(entries) => {
            entries.iter().any(|(key, value)| (!emit::is_merge_key(key) && is_ambiguous(key)) || is_ambiguous(value))
        }
        Node::Sequence(items) => items.iter().any(is_ambiguous),
        Node::Scalar(scalar) => matches!(of_scalar(scalar), Meaning::Ambiguous(_)),
        Node::Alias => false,
    }
}

/// Returns nothing when a key stands in a mapping twice.
fn of_node(node: &Node<'_>) -> Option<Meaning> {
    match node {
        Node::Scalar(scalar) => Some(of_scalar(scalar)),
        Node::Sequence(items) => items.iter().map(of_node).collect::<Option<_>>().map(Meaning::Sequence),
        Node::Mapping(entries) => {
            let mut mapping = BTreeMap::new();
            for (key, value) in entries {
                if mapping.insert(of_node(key)?, of_node(value)?).is_some() {
                    return None;
                }
            }
            Some(Meaning::Mapping(mapping))
        }
        Node::Alias => None,
    }
}

fn of_scalar(scalar: &Scalar<'_>) -> Meaning {
    let text = scalar.value.as_ref();
    if scalar.style != ScalarStyle::Plain {
        return Meaning::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        _ if is_integer(text) => Meaning::Integer(text.to_owned()),
        _ if is_disputed(text) => Meaning::Ambiguous(text.to_owned()),
        _ => Meaning::Text(text.to_owned()),
    }
}

/// Says whether every reader takes this for the same whole number.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_short = digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_short && (text == "0" || digits.starts_with(|first: char| ('1'..='9').contains(&first)))
}

/// Says whether readers may take a plain word for a truth value, a number, a time or a merge.
fn is_disputed(text: &str) -> bool {
    const WORDS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "=", "<<"];
    let lower = text.to_ascii_lowercase();
    let looks_like_a_number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && lower.bytes().all(|byte| byte.is_ascii_hexdigit() || b"xo_.:+-tz ".contains(&byte));
    let is_no_number = [".inf", "-.inf", "+.inf", ".nan", "inf", "-inf", "+inf", "nan"].contains(&lower.as_str());
    WORDS.contains(&lower.as_str()) || looks_like_a_number || is_no_number
}

/// Reads a document with anchors, aliases and merge keys resolved.
fn resolved(text: &str) -> Option<Meaning> {
    serde_saphyr::from_str(text).ok().map(|value| of_value(&value))
}

fn of_value(value: &serde_json::Value) -> Meaning {
    use serde_json::Value;
    match value {
        Value::Null => Meaning::Null,
        Value::Bool(value) => Meaning::Bool(*value),
        Value::Number(number) => Meaning::Integer(number.to_string()),
        Value::String(text) => Meaning::Text(text.clone()),
        Value::Array(items) => Meaning::Sequence(items.iter().map(of_value).collect()),
        Value::Object(entries) => {
            Meaning::Mapping(entries.iter().map(|(key, value)| (Meaning::Text(key.clone()), of_value(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::canonical::read_documents;

    /// Says whether `a: A` and `a: B` say the same.
    fn is_same(a: &str, b: &str) -> bool {
        let meaning = |value: &str| {
            let text = format!("apiVersion: v1\nkind: A\nmetadata: {{name: a}}\nspec: {value}\n");
            read_documents(&text, None).expect("a manifest").remove(0).meaning()
        };
        meaning(a) == meaning(b)
    }

    #[test]
    fn quotes_order_and_style_say_nothing() {
        for (a, b) in [
            ("web", "\"web\""),
            ("'80'", "\"80\""),
            ("{a: 1, b: 2}", "{b: 2, a: 1}"),
            ("~", "null"),
            ("100m", "'100m'"),
            ("\"a\\nb\\n\"", "|\n  a\n  b"),
            ("[a, b]", "\n- a\n- b"),
            ("&x {a: b}", "{a: b}"),
        ] {
            assert!(is_same(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn what_a_reader_could_tell_apart_is_not_the_same() {
        for (a, b) in [
            ("80", "\"80\""),
            ("yes", "\"yes\""),
            ("on", "true"),
            ("0777", "777"),
            ("0777", "\"0777\""),
            ("1e3", "1000"),
            ("1.0", "1"),
            ("2024-01-01", "'2024-01-01'"),
            ("[a, b]", "[b, a]"),
            ("{}", "~"),
            ("{a: }", "{}"),
            ("true", "'true'"),
            ("&x {a: yes}", "{a: yes}"),
            ("!!str 1", "\"1\""),
            ("!x", "~"),
        ] {
            assert!(!is_same(a, b), "{a} and {b}");
        }
    }
}
