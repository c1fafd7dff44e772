//! Merges the values of a chart in a kustomization as Kustomize does, with each scalar as it was written.
//!
//! Kustomize merges with rules of its own, which are not those of Helm: a `null` of the upper layer takes a value away,
//! `$patch` deletes and replaces, lists are never merged. The rules are those of its `merge2`.

use std::collections::HashMap;

use granit_parser::ScalarStyle;

use crate::yaml::{Node, Scalar};

/// The key of a directive.
const DIRECTIVE: &str = "$patch";

/// What YAML 1.1 takes for true, and then for false; so do Kustomize where it reads kustomizations and Helm, and only
/// where Kustomize merges value files it takes them for text.
const OLDER_BOOLEANS: [&str; 16] =
    ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"];

/// Values before they are merged: a mapping by its keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    /// A scalar, or a whole list, as it is written.
    Text(String),
    List(Vec<Values>),
    Map(Vec<(Key, Values)>),
    /// `null`, written out.
    Null,
    /// `null` that is not written.
    Absent,
}

/// A key: what it says, and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    name: String,
    text: String,
}

/// Which of Kustomize's readers reads a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// That of value files that are merged.
    Values,
    /// That of kustomizations, which is Helm's too.
    Kustomization,
}

impl Values {
    /// Returns a document's values.
    pub(crate) fn of(node: &Node<'_>, reader: Reader) -> Self {
        match node {
            // What a kustomization says has been written out once before it is merged.
            Node::Scalar(scalar) if node.is_nothing() => match scalar.raw.is_empty() && reader == Reader::Values {
                true => Self::Absent,
                false => Self::Null,
            },
            Node::Scalar(scalar) => Self::Text(text(scalar, reader)),
            Node::Sequence(items) => Self::List(items.iter().map(|item| Self::of(item, reader)).collect()),
            Node::Mapping(entries) => {
                Self::Map(entries.iter().map(|(key, value)| (Key::of(key, reader), Self::of(value, reader))).collect())
            }
            Node::Alias => Self::Absent,
        }
    }

    /// Lays `over` over these values.
    ///
    /// # Errors
    ///
    /// With words that begin with the path of what cannot be merged.
    pub(crate) fn merge(self, over: Self) -> Result<Self, String> {
        Ok(merged(Some(self), Some(over), "")?.unwrap_or(Self::Map(Vec::new())))
    }

    /// Returns the values as text, on one line.
    pub(crate) fn write(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out);
        out.push('\n');
        out
    }

    fn write_to(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Null | Self::Absent => out.push_str("null"),
            Self::List(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    out.push_str(if position > 0 { ", " } else { "" });
                    item.write_to(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (position, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if position > 0 { ", " } else { "" });
                    out.push_str(&key.text);
                    out.push_str(": ");
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Absent)
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Null | Self::Absent => "nothing",
        }
    }
}

impl Key {
    fn of(node: &Node<'_>, reader: Reader) -> Self {
        match node {
            Node::Scalar(scalar) => {
                let boolean = OLDER_BOOLEANS.iter().position(|word| *word == scalar.value);
                let boolean = boolean.filter(|_| scalar.style == ScalarStyle::Plain && reader == Reader::Kustomization);
                let name = match boolean {
                    Some(position) => (position < OLDER_BOOLEANS.len() / 2).to_string(),
                    None => scalar.value.to_string(),
                };
                Self { name, text: text(scalar, reader) }
            }
            _ => Self { name: String::new(), text: quoted("") },
        }
    }
}

/// Returns what becomes of one field; nothing when it is taken away.
fn merged(under: Option<Values>, over: Option<Values>, path: &str) -> Result<Option<Values>, String> {
    match (under, over) {
        // What nobody lays anything over loses what is null without being written.
        (Some(Values::Map(under)), None) => fields(under, Vec::new(), path),
        (Some(Values::Absent), None) | (None, None) | (_, Some(Values::Null | Values::Absent)) => Ok(None),
        (Some(under), None) => Ok(Some(under)),
        (Some(Values::Map(under)), Some(Values::Map(over))) => match directive(over) {
            (Some("delete"), _) => Ok(None),
            (Some("replace"), over) => without_nulls(over, path),
            (Some("merge") | None, over) => fields(under, over, path),
            (Some(other), _) => {
                Err(format!("`{path}`: `{DIRECTIVE}: {other}` is none of `replace`, `delete`, `merge`"))
            }
        },
        (under, Some(Values::Map(over))) if under.as_ref().is_none_or(Values::is_null) => match directive(over) {
            (Some("delete"), _) => Ok(None),
            (_, over) => without_nulls(over, path),
        },
        (Some(under), Some(over)) if !under.is_null() && under.kind() != over.kind() => {
            Err(format!("`{path}` is {} in one place and {} in the other", under.kind(), over.kind()))
        }
        (_, Some(over)) => Ok(Some(over)),
    }
}

/// What is new is laid over itself.
fn without_nulls(entries: Vec<(Key, Values)>, path: &str) -> Result<Option<Values>, String> {
    fields(entries.clone(), entries, path)
}

fn fields(under: Vec<(Key, Values)>, over: Vec<(Key, Values)>, path: &str) -> Result<Option<Values>, String> {
    let mut over: Vec<Option<(Key, Values)>> = over.into_iter().map(Some).collect();
    let mut positions: HashMap<String, Vec<usize>> = HashMap::with_capacity(over.len());
    for (position, (key, _)) in over.iter().enumerate().rev().filter_map(|(at, entry)| Some((at, entry.as_ref()?))) {
        positions.entry(key.name.clone()).or_default().push(position);
    }
    let mut found = Vec::new();
    for (key, value) in under {
        let position = positions.get_mut(&key.name).and_then(Vec::pop);
        let upper = position.and_then(|position| over[position].take()).map(|(_, upper)| upper);
        let value = merged(Some(value), upper, &below(path, &key))?;
        found.extend(value.map(|value| (key, value)));
    }
    for (key, value) in over.into_iter().flatten() {
        let value = merged(None, Some(value), &below(path, &key))?;
        found.extend(value.map(|value| (key, value)));
    }
    Ok(Some(Values::Map(found)))
}

/// Takes a directive out of a mapping.
fn directive(mut entries: Vec<(Key, Values)>) -> (Option<&'static str>, Vec<(Key, Values)>) {
    let Some(position) = entries.iter().position(|(key, _)| key.name == DIRECTIVE) else { return (None, entries) };
    let (_, value) = entries.remove(position);
    let is = |word: &&str| value == Values::Text((*word).to_string()) || value == Values::Text(quoted(word));
    let word = ["replace", "delete", "merge"].into_iter().find(is);
    (Some(word.unwrap_or("?")), entries)
}

fn below(path: &str, key: &Key) -> String {
    if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) }
}

/// Returns a scalar for one line: plain when a reader could take it for anything but text, else quoted.
fn text(scalar: &Scalar<'_>, reader: Reader) -> String {
    let value = &*scalar.value;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-._~".contains(c);
    if scalar.style != ScalarStyle::Plain || value.is_empty() || !value.chars().all(is_plain) {
        return quoted(value);
    }
    match reader {
        Reader::Values if OLDER_BOOLEANS.contains(&value) => quoted(value),
        // Its reader takes a day for a moment, which it then writes out.
        Reader::Values if is_day(value) => quoted(&format!("{value}T00:00:00Z")),
        _ => value.to_string(),
    }
}

/// Says what of a value file cannot be merged as Kustomize merges it, with its line: keys that are numbers or nothing,
/// which Kustomize takes at its top alone, and moments written in other ways than a day.
pub(crate) fn doubt(node: &Node<'_>) -> Option<(u64, String)> {
    let of_key = |key: &Scalar<'_>| {
        let is_number = key.value.trim_start_matches(['+', '-', '.']).starts_with(|c: char| c.is_ascii_digit());
        (key.style == ScalarStyle::Plain && (is_number || is_nothing(&key.value)))
            .then(|| (key.line, format!("the key `{}` is no text; put it into quotes", key.value)))
    };
    match node {
        Node::Scalar(scalar) => {
            let is_moment = scalar.style == ScalarStyle::Plain && is_like_a_moment(&scalar.value);
            let message = || format!("`{}` may be read as a moment; put it into quotes", scalar.value);
            (is_moment && !is_day(&scalar.value)).then(|| (scalar.line, message()))
        }
        Node::Sequence(items) => items.iter().find_map(doubt),
        Node::Mapping(entries) => entries.iter().find_map(|(key, value)| {
            let key = if let Node::Scalar(key) = key { of_key(key) } else { None };
            key.or_else(|| doubt(value))
        }),
        Node::Alias => None,
    }
}

fn is_nothing(key: &str) -> bool {
    ["", "~", "null", "Null", "NULL"].contains(&key)
}

/// What begins as YAML's moments do: a year of four digits, a month, a day.
fn is_like_a_moment(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let is_number = |part: Option<&str>, lengths: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    is_number(parts.next(), 4..=4)
        && is_number(parts.next(), 1..=2)
        && parts.next().is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A day that there is, in the form in which Kustomize takes it for a moment.
fn is_day(text: &str) -> bool {
    let numbers: Vec<&str> = text.split('-').collect();
    if !numbers.iter().map(|number| number.len()).eq([4, 2, 2]) {
        return false;
    }
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    let [Some(year), Some(month), Some(day)] = [numbers[0], numbers[1], numbers[2]].map(number) else { return false };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn quoted(text: &str) -> String {
    let text = serde_json::Value::from(text).to_string();
    // YAML takes these for line breaks.
    text.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn values(text: &str, reader: Reader) -> Values {
        Values::of(&yaml::read_document(text).expect("readable").expect("a document").root, reader)
    }

    fn merge(under: &str, over: &str) -> String {
        let merged = values(under, Reader::Kustomization).merge(values(over, Reader::Kustomization));
        merged.map_or_else(|problem| problem, |values| values.write().trim_end().to_string())
    }

    #[test]
    fn mappings_are_merged_and_all_else_is_replaced() {
        assert_eq!(merge("a: {b: 1, c: [1]}\nd: 2", "a: {b: 3, c: [4], e: 5}"), "{a: {b: 3, c: [4], e: 5}, d: 2}");
        assert_eq!(merge("a: {b: 1}", "a: 2"), "`a` is a mapping in one place and a value in the other");
        assert_eq!(merge("a:\nb: {c: 1}", "'a': {b: [1]}"), "{a: {b: [1]}, b: {c: 1}}");
    }

    #[test]
    fn null_takes_away() {
        assert_eq!(merge("a: 1\nb: {c: 2, d: 3}", "a: null\nb: {c: ~}"), "{b: {d: 3}}");
        let under = values("a: null\nb:\nc: {d: ~, e: }", Reader::Values);
        let merged = under.merge(values("f: {g: null, h: [null]}", Reader::Kustomization)).expect("values");
        assert_eq!(merged.write(), "{a: null, c: {d: null}, f: {h: [null]}}\n");
    }

    #[test]
    fn keys_are_the_same_when_a_reader_takes_them_for_the_same() {
        let under = values("off: 1\n'no': 2\nfalse: 3", Reader::Values);
        let merged = under.merge(values("off: 4\n'no': 5", Reader::Kustomization)).expect("values");
        assert_eq!(merged.write(), "{\"off\": 1, \"no\": 5, false: 4}\n");
    }

    #[test]
    fn what_only_some_readers_take_for_numbers_or_moments_is_refused() {
        let doubts = |text: &str| doubt(&yaml::read_document(text).expect("readable").expect("a document").root);
        assert_eq!(doubts("a: {1.10: b}").map(|(line, _)| line), Some(1));
        assert_eq!(doubts("a: 1\n~: 2").map(|(line, _)| line), Some(2));
        let doubted = ["2020-1-2", "2020-01-02 10:00:00", "2020-01-02T10:00:00Z", "2020-02-30", "1234-56-78"];
        assert_eq!(doubted.map(|moment| doubts(&format!("- x\n- {moment}")).map(|(line, _)| line)), [Some(2); 5]);
        let plain = "'1': a\nb: 2020-02-29\nc: 192-168-1\nd: '2020-1-2'\ne: 2020-01\nf: 1.10\n-x: 1\nyes: 1";
        assert_eq!(doubts(plain), None);
    }

    #[test]
    fn many_keys_are_merged_at_once() {
        let many: String = (0..100_000).map(|number| format!("k{number}: 1\n")).collect();
        let values = values(&many, Reader::Values);
        assert_eq!(values.clone().merge(values.clone()), Ok(values));
    }

    #[test]
    fn directives_are_followed() {
        assert_eq!(merge("'a': {b: 1}\nc: {d: 1}", "a: {$patch: delete}\nc: {$patch: replace, e: 2}"), "{c: {e: 2}}");
        assert_eq!(merge("a: {b: 1}", "a: {$patch: merge, c: 2}"), "{a: {b: 1, c: 2}}");
    }

    #[test]
    fn scalars_are_what_both_readers_take_them_for() {
        let text = "a: yes\nb: 0777\nc: 2020-01-31\nd: 'yes'\ne: |\n  x: y\n  z\nf: 12:30\ng: 1.10\non: no";
        assert_eq!(
            values(text, Reader::Kustomization).write(),
            "{a: yes, b: 0777, c: 2020-01-31, d: \"yes\", e: \"x: y\\nz\\n\", f: \"12:30\", g: 1.10, on: no}\n"
        );
        let of_file = values(text, Reader::Values).write();
        assert!(of_file.starts_with("{a: \"yes\", b: 0777, c: \"2020-01-31T00:00:00Z\""), "{of_file}");
        assert!(of_file.ends_with("\"on\": \"no\"}\n"), "{of_file}");
    }
}
