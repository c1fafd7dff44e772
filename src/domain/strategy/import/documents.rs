//! Documents of other tools, each with where it stands.

use std::fmt;

use serde_json::Value;

/// Larger files are not read, bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// One document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) value: Value,
}

/// Why nothing can be made of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMistake {
    /// The file.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for ImportMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl Document {
    /// Returns a value below the document, by JSON pointer.
    pub(super) fn at(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer).filter(|value| !value.is_null())
    }

    /// Returns a text below the document.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer)?.as_str()
    }

    /// Returns a list below the document; none is an empty one.
    pub(super) fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Returns kind and name, for notes.
    pub(super) fn place(&self) -> String {
        format!("{} `{}`", self.kind, self.name)
    }

    /// Says that something is wrong with it.
    pub(super) fn mistake(&self, message: impl Into<String>) -> ImportMistake {
        let message = format!("{}: {}", self.place(), message.into());
        ImportMistake { file: self.file.clone(), line: Some(self.line), message }
    }
}

/// Reads the documents of a file; lists are taken apart.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Document>, Vec<ImportMistake>> {
    if text.len() > SIZE_LIMIT {
        let message = format!("the file is larger than {} MiB; give only the documents that matter", SIZE_LIMIT >> 20);
        return Err(vec![ImportMistake { file: file.to_owned(), line: None, message }]);
    }
    let (mut documents, mut mistakes) = (Vec::new(), Vec::new());
    for (line, chunk) in chunks(text) {
        match serde_saphyr::from_str::<Value>(chunk) {
            Ok(Value::Null) => {}
            Ok(value) => take_apart(file, line, value, &mut documents),
            Err(error) => {
                let inside = error.location().map_or(1, |location| usize::try_from(location.line()).unwrap_or(1));
                let words = error.to_string().lines().next().unwrap_or("it cannot be read").to_owned();
                let message = match chunk.contains("{{") {
                    true => {
                        format!("this is no YAML but a template ({words}); render it first, as with `helm template`")
                    }
                    false => format!("this is no YAML: {words}"),
                };
                mistakes.push(ImportMistake { file: file.to_owned(), line: Some(line + inside - 1), message });
            }
        }
    }
    if mistakes.is_empty() { Ok(documents) } else { Err(mistakes) }
}

fn take_apart(file: &str, line: usize, value: Value, documents: &mut Vec<Document>) {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    if kind.ends_with("List")
        && let Some(items) = value.get("items").and_then(Value::as_array)
    {
        items.iter().for_each(|item| take_apart(file, line, item.clone(), documents));
        return;
    }
    let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
    documents.push(Document { file: file.to_owned(), line, group, kind, name, value });
}

/// Splits a text at its document markers; each chunk with the line that it begins at.
fn chunks(text: &str) -> Vec<(usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut chunks, mut start, mut start_line, mut offset) = (Vec::new(), 0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let next = offset + line.len();
        if line.trim_end() == "---" || line.starts_with("--- #") {
            chunks.push((start_line, &text[start..offset]));
            (start, start_line) = (next, number + 2);
        }
        offset = next;
    }
    chunks.push((start_line, &text[start..]));
    chunks
}
