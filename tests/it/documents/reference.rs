//! The references of what people write are made from what reads it: two files, and texts.
//!
//! What stands above the mark is written by hand. `make references` writes anew what stands below.

use std::fmt::Write;

use hydromote::{domain::strategy::schema, messages::TEMPLATES, settings::SettingsFile};
use serde_json::Value;

use super::{project, read};
use crate::world::TestResult;

/// Where the part begins that is made.
const MARK: &str = "<!-- Made from the types by `make references`; do not edit below. -->\n";
/// What `make references` sets.
const REFRESH: &str = "HYDROMOTE_REFRESH_REFERENCES";

#[test]
fn the_reference_of_the_settings_is_that_of_the_types() -> TestResult {
    let schema = serde_json::to_value(schemars::schema_for!(SettingsFile))?;
    let heading = |path: &str| match path.strip_suffix("[]") {
        Some(list) => format!("[[{list}]]"),
        None => format!("[{path}]"),
    };
    compare("docs/configuration.md", &reference(&schema, heading))
}

#[test]
fn the_reference_of_the_strategy_is_that_of_the_types() -> TestResult {
    compare("docs/strategy.md", &reference(&schema(), str::to_owned))
}

#[test]
fn the_reference_of_the_texts_is_that_of_the_texts() -> TestResult {
    let mut text = String::new();
    for template in TEMPLATES {
        let then = if template.then.is_empty() { String::new() } else { format!(" {}", template.then) };
        write!(text, "\n## `{}`\n\n{}{then}\n\n| variable | |\n|---|---|\n", template.name, template.purpose)?;
        for variable in template.variables {
            writeln!(text, "| `{}` | {} |", variable.name, variable.about)?;
        }
    }
    compare("docs/messages.md", &text)
}

/// Compares the made part of a page, or writes it.
fn compare(page: &str, made: &str) -> TestResult {
    assert!(made.lines().count() > 40, "{made}");
    let text = read(page)?;
    let (by_hand, there) = text.split_once(MARK).ok_or_else(|| format!("{page} has lost its mark: {MARK}"))?;
    if std::env::var_os(REFRESH).is_some() {
        std::fs::write(project(page), format!("{by_hand}{MARK}{made}"))?;
        return Ok(());
    }
    let first = made.lines().zip(there.lines()).find(|(made, there)| made != there);
    assert!(
        there == made,
        "{page} is not up to date, refresh it with `make references`; it differs first in {first:?}"
    );
    Ok(())
}

/// One mapping of the file, which may stand in several places.
struct Section<'a> {
    paths: Vec<String>,
    schema: &'a Value,
}

/// Returns a section for each mapping, in the order in which they are met.
fn reference(root: &Value, heading: impl Fn(&str) -> String) -> String {
    let mut sections = Vec::new();
    visit(root, root, "", &mut sections);
    let mut text = String::new();
    for section in &sections {
        let headings: Vec<_> = section.paths.iter().map(|path| format!("`{}`", heading(path))).collect();
        write!(text, "\n## {}\n\n{}\n\n", headings.join(", "), prose(section.schema)).expect("because it is memory");
        text += "| key | value | |\n|---|---|---|\n";
        let required = section.schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (key, value) in section.schema["properties"].as_object().into_iter().flatten() {
            let needed = if required.iter().any(|name| name == key) { ", required" } else { "" };
            writeln!(text, "| `{key}` | {}{needed} | {} |", form(root, value), prose(value).replace('|', "\\|"))
                .expect("because it is memory");
        }
    }
    text
}

/// Adds the mapping that `schema` describes, unless it is only a frame around others, and those inside.
fn visit<'a>(root: &'a Value, schema: &'a Value, path: &str, sections: &mut Vec<Section<'a>>) {
    let known = sections.iter_mut().find(|section| std::ptr::eq(section.schema, schema));
    match known {
        Some(section) => section.paths.push(path.to_owned()),
        None if path.is_empty() => {}
        None => sections.push(Section { paths: vec![path.to_owned()], schema }),
    }
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let inner = without_null(value);
        let (inner, path) = match (inner.get("items"), inner.get("additionalProperties")) {
            (Some(items), _) => (items, format!("{path}[]")),
            (None, Some(values)) if values.is_object() => (values, format!("{path}.NAME")),
            _ => (inner, path),
        };
        let inner = resolve(root, inner);
        if inner.get("properties").is_some() {
            visit(root, inner, &path, sections);
        }
    }
}

/// Returns what a value looks like, in a few words.
fn form(root: &Value, value: &Value) -> String {
    let value = without_null(value);
    if let Some(words) = value["enum"].as_array() {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    if value["$ref"].as_str().is_some_and(|name| name.ends_with("/Duration")) {
        return "duration".to_owned();
    }
    if let Some(items) = value.get("items") {
        return format!("list of {}s", form(root, items));
    }
    match (resolve(root, value), value["additionalProperties"].is_object()) {
        (inner, _) if inner.get("properties").is_some() => "mapping".to_owned(),
        (inner, true) if inner["additionalProperties"]["type"] == "string" => "mapping of texts".to_owned(),
        (inner, true) => format!("mapping of {}s", form(root, &inner["additionalProperties"])),
        (inner, false) => match scalar(inner) {
            "string" => "text",
            "integer" => "number",
            "boolean" => "`true`, `false`",
            "object" => "mapping",
            other => other,
        }
        .to_owned(),
    }
}

/// Returns the type that is not null.
fn scalar(value: &Value) -> &str {
    let first = value["type"].as_array().and_then(|types| types.iter().find(|name| *name != "null"));
    first.unwrap_or(&value["type"]).as_str().unwrap_or("anything")
}

/// Returns what may be left out as it is when it is there.
fn without_null(value: &Value) -> &Value {
    let either = value["anyOf"].as_array();
    either.and_then(|either| either.iter().find(|one| one["type"] != "null")).unwrap_or(value)
}

/// Returns the definition behind a reference.
fn resolve<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    let name = value["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/"));
    name.map_or(value, |name| &root["$defs"][name])
}

/// Returns the description on one line.
fn prose(value: &Value) -> String {
    value["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
