//! Turns what a renderer wrote to standard error into a failure with file and line.

use std::collections::BTreeSet;

use crate::closure::Closure;
use crate::failure::{RenderFailure, line_of};
use crate::indexed::IndexedTree;
use crate::kustomization;
use crate::render::Room;
use crate::tree::{Place, join};

/// The longest message that is passed on, in bytes.
const LONGEST: usize = 4_000;
/// How the lines begin in which Kustomize tells of fields that have got another name.
const KUSTOMIZE_ADVICE: &str = "# Warning: ";
/// Words of Kustomize's about what it was doing, and the fields that are about that.
const SPOKEN_OF: [(&str, &[&str]); 4] = [
    ("patch", &["patches", "patchesStrategicMerge", "patchesJson6902"]),
    ("nothing selected by", &["replacements"]),
    ("replacement", &["replacements"]),
    ("already registered id", &["resources"]),
];
/// Advice of Helm that helps nobody here.
const HELM_ADVICE: &str = "Use --debug flag to render out invalid YAML";

/// A renderer's words, without paths of this machine.
pub(crate) struct Words<'a> {
    tree: &'a IndexedTree,
    sources: String,
    scratch: String,
}

impl<'a> Words<'a> {
    pub(crate) fn new(tree: &'a IndexedTree, room: &Room) -> Self {
        let sources = room.sources.display().to_string();
        Self { tree, sources, scratch: room.scratch.path().display().to_string() }
    }

    /// Returns the failure that Helm told of a chart in a closure.
    pub(crate) fn helm(&self, chart: &str, chart_name: &str, closure: &Closure, stderr: &[u8]) -> RenderFailure {
        let message = self.clean(stderr);
        let place = template(&message).and_then(|(path, line)| {
            let file = join(chart, path.strip_prefix(chart_name)?.strip_prefix('/')?);
            Some((closure.origin(&file).to_string(), line))
        });
        match place.or_else(|| self.named_file(&message)) {
            Some((file, line)) => RenderFailure::author(message).at(file, line),
            None => RenderFailure::author(message),
        }
    }

    /// Returns the failure that Kustomize told of a folder, which builds on the others in `graph`.
    pub(crate) fn kustomize(&self, folder: &str, graph: &BTreeSet<String>, stderr: &[u8]) -> RenderFailure {
        let message = self.clean(stderr);
        let named = message.split_once("in File: ").map(|(_, rest)| first_word(rest));
        // The innermost base that it went into is the likeliest place of the file.
        let innermost =
            message.rsplit_once("recursed accumulation of path '").and_then(|(_, rest)| rest.split('\'').next());
        let folders = innermost.into_iter().chain([folder]).chain(graph.iter().map(String::as_str));
        let in_graph = named.and_then(|name| {
            folders.into_iter().find_map(|folder| match self.tree.index().resolve(folder, name) {
                Place::File(file) => Some((file, yaml_line(&message))),
                _ => None,
            })
        });
        let place = in_graph.or_else(|| self.named_file(&message));
        let (file, line) = place.unwrap_or_else(|| self.blamed(innermost.unwrap_or(folder), graph, &message));
        RenderFailure::author(message).at(file, line)
    }

    /// Returns the kustomization that is to blame when Kustomize names no file: the only one with the field that it
    /// speaks of, else that of the folder that it was in.
    fn blamed(&self, folder: &str, graph: &BTreeSet<String>, message: &str) -> (String, Option<u64>) {
        let unknown = message.split_once("unknown field \"").and_then(|(_, rest)| rest.split('"').next());
        let spoken: Vec<&str> = match unknown {
            Some(field) => vec![field],
            None => {
                let spoken = SPOKEN_OF.iter().filter(|(words, _)| message.contains(words));
                spoken.flat_map(|(_, fields)| fields.iter().copied()).collect()
            }
        };
        let index = self.tree.index();
        let has_field = |folder: &String| {
            let file = kustomization::find(index, folder)?;
            let text = self.tree.read_text(&file).ok()?;
            let line = spoken.iter().find_map(|field| line_of(&text, &format!("{field}:")))?;
            Some((file, Some(line)))
        };
        let mut found = graph.iter().filter_map(has_field);
        match (found.next(), found.next()) {
            (Some(only), None) => only,
            _ => (kustomization::find(index, folder).unwrap_or_else(|| folder.to_string()), None),
        }
    }

    fn clean(&self, stderr: &[u8]) -> String {
        let text = String::from_utf8_lossy(stderr);
        let text = text.replace(&format!("{}/", self.sources), "").replace(&self.sources, "the repository");
        let text = text.replace(&format!("{}/", self.scratch), "").replace(&self.scratch, "a temporary folder");
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.contains(HELM_ADVICE))
            .filter(|line| !line.starts_with("level=") && !line.starts_with(KUSTOMIZE_ADVICE))
            .collect();
        let text = lines.join("\n");
        let text = text.trim_start_matches("Error: ").trim();
        match text {
            "" => "it failed without a word".to_string(),
            text => text[..text.floor_char_boundary(LONGEST)].to_string(),
        }
    }

    /// Returns a file of the tree that the message names.
    fn named_file(&self, message: &str) -> Option<(String, Option<u64>)> {
        let words = message.split(|c: char| c.is_whitespace() || "'\"`()=,;".contains(c));
        let paths = words.map(|word| word.trim_end_matches([':', '.']).trim_start_matches("./"));
        paths.filter(|path| path.contains(['.', '/'])).find_map(|path| match self.tree.index().resolve("", path) {
            Place::File(file) => Some((file, yaml_line(message))),
            _ => None,
        })
    }
}

/// Finds `chart/templates/x.yaml:12:34` or `(chart/templates/x.yaml:12)`, the last one being the
/// innermost; or `YAML parse error on chart/templates/x.yaml`, whose lines are of the output.
fn template(message: &str) -> Option<(&str, Option<u64>)> {
    if let Some((_, rest)) = message.split_once("parse error on ") {
        return Some((first_word(rest).trim_end_matches(':'), None));
    }
    let words = message.split(|c: char| c.is_whitespace() || "()<>\"".contains(c));
    words.filter(|word| word.contains('/')).filter_map(position).next_back()
}

/// Splits `path:12:34:` or `path:12` into path and line.
fn position(word: &str) -> Option<(&str, Option<u64>)> {
    let mut pieces = word.splitn(3, ':');
    let (path, line) = (pieces.next()?, pieces.next()?.parse().ok()?);
    path.contains('.').then_some((path, Some(line)))
}

/// Returns the line that a YAML reader names.
fn yaml_line(message: &str) -> Option<u64> {
    let (_, rest) = message.split_once("yaml: line ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// Returns a word as a shell reads it.
pub(crate) fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_templates_are_found_in_all_of_helms_forms() {
        for (message, expected) in [
            (
                "template: web/templates/a.yaml:12:34: executing \"web/templates/a.yaml\" at <.x>: nil",
                ("web/templates/a.yaml", Some(12)),
            ),
            ("parse error at (web/templates/a.yaml:3): unclosed action", ("web/templates/a.yaml", Some(3))),
            (
                "execution error at (web/charts/db/templates/a.yaml:5:4): needed",
                ("web/charts/db/templates/a.yaml", Some(5)),
            ),
            (
                "YAML parse error on web/templates/a.yaml: error converting YAML to JSON: yaml: line 9: x",
                ("web/templates/a.yaml", None),
            ),
        ] {
            assert_eq!(template(message), Some(expected), "{message}");
        }
        assert_eq!(template("no place at all: 3"), None);
    }

    #[test]
    fn words_are_quoted_for_the_shell_when_they_must_be() {
        assert_eq!(shell("apps/web"), "apps/web");
        assert_eq!(shell("it's"), r"'it'\''s'");
        assert_eq!(shell(""), "''");
    }
}
