//! Writes one document again with sorted keys and fixed indentation, each scalar as it was.
//!
//! What cannot be written with certainty is not written at all: [`emit`] reads its own text back
//! and returns nothing when it is not the same document.

use granit_parser::ScalarStyle;

use crate::yaml::{self, Node, Scalar, Tree};

/// Keys longer than this need YAML's explicit form, which is left alone.
const LONGEST_KEY: usize = 512;
/// Spaces of one level.
const INDENT: usize = 2;

/// Returns the canonical text of one document; `None` when it has to stay as it is.
pub(crate) fn emit(tree: &Tree<'_>) -> Option<String> {
    if tree.has_properties {
        return None;
    }
    let mut writer = Writer { out: String::new() };
    writer.block(&tree.root, 0).ok()?;
    let again = yaml::read_document(&writer.out).ok()??;
    (!again.has_properties && is_same(&tree.root, &again.root)).then_some(writer.out)
}

/// Returns whether a key merges another mapping into this one.
pub(crate) fn is_merge_key(key: &Node<'_>) -> bool {
    matches!(key, Node::Scalar(scalar) if scalar.style == ScalarStyle::Plain && scalar.value == "<<")
}

/// The document has to stay as it is.
struct Unsure;

struct Writer {
    out: String,
}

impl Writer {
    /// Writes a node whose first line is indented already, and whose further lines start at `column`.
    fn block(&mut self, node: &Node<'_>, column: usize) -> Result<(), Unsure> {
        match node {
            Node::Mapping(entries) if !entries.is_empty() => self.mapping(entries, column),
            Node::Sequence(items) if !items.is_empty() => self.sequence(items, column),
            node => {
                self.inline(node, column)?;
                self.out.push('\n');
                Ok(())
            }
        }
    }

    fn mapping(&mut self, entries: &[(Node<'_>, Node<'_>)], column: usize) -> Result<(), Unsure> {
        let mut sorted: Vec<(&Scalar<'_>, &Node<'_>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match key {
                Node::Scalar(scalar) if !is_merge_key(key) => sorted.push((scalar, value)),
                _ => return Err(Unsure),
            }
        }
        sorted.sort_by(|(a, _), (b, _)| a.value.cmp(&b.value));
        for (position, (key, value)) in sorted.into_iter().enumerate() {
            if position > 0 {
                self.indent(column);
            }
            let text = one_line(key)?;
            if text.is_empty() || text.len() > LONGEST_KEY {
                return Err(Unsure);
            }
            self.out.push_str(&text);
            self.out.push(':');
            self.value(value, column)?;
        }
        Ok(())
    }

    /// Writes what follows `key:` in a mapping at `column`.
    fn value(&mut self, value: &Node<'_>, column: usize) -> Result<(), Unsure> {
        match value {
            Node::Mapping(entries) if !entries.is_empty() => {
                self.out.push('\n');
                self.indent(column + INDENT);
                self.mapping(entries, column + INDENT)
            }
            Node::Sequence(items) if !items.is_empty() => {
                self.out.push('\n');
                self.indent(column);
                self.sequence(items, column)
            }
            Node::Scalar(scalar) if scalar.raw.is_empty() && scalar.style == ScalarStyle::Plain => {
                self.out.push('\n');
                Ok(())
            }
            value => {
                self.out.push(' ');
                self.inline(value, column)?;
                self.out.push('\n');
                Ok(())
            }
        }
    }

    fn sequence(&mut self, items: &[Node<'_>], column: usize) -> Result<(), Unsure> {
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                self.indent(column);
            }
            self.out.push('-');
            match item {
                Node::Scalar(scalar) if scalar.raw.is_empty() && scalar.style == ScalarStyle::Plain => {
                    self.out.push('\n');
                }
                Node::Mapping(_) | Node::Sequence(_) => {
                    self.out.push(' ');
                    self.block(item, column + INDENT)?;
                }
                _ => {
                    self.out.push(' ');
                    self.inline(item, column)?;
                    self.out.push('\n');
                }
            }
        }
        Ok(())
    }

    /// Writes a scalar or an empty collection, without its last line break. `column` is that of
    /// the collection that it stands in.
    fn inline(&mut self, node: &Node<'_>, column: usize) -> Result<(), Unsure> {
        match node {
            Node::Mapping(_) => self.out.push_str("{}"),
            Node::Sequence(_) => self.out.push_str("[]"),
            Node::Alias => return Err(Unsure),
            Node::Scalar(scalar) => match scalar.style {
                ScalarStyle::Literal => self.literal(scalar, column + INDENT)?,
                ScalarStyle::Folded => self.folded(scalar, column + INDENT)?,
                _ => self.out.push_str(&one_line(scalar)?),
            },
        }
        Ok(())
    }

    fn literal(&mut self, scalar: &Scalar<'_>, column: usize) -> Result<(), Unsure> {
        refuse_odd_breaks(&scalar.value)?;
        let text = scalar.value.trim_end_matches('\n');
        let breaks = scalar.value.len() - text.len();
        if text.is_empty() {
            return Err(Unsure);
        }
        self.out.push('|');
        if text.starts_with([' ', '\n', '\t']) {
            self.out.push('2');
        }
        match breaks {
            0 => self.out.push('-'),
            1 => {}
            _ => self.out.push('+'),
        }
        self.lines(text.split('\n'), column);
        self.out.push_str(&"\n".repeat(breaks.saturating_sub(1)));
        Ok(())
    }

    /// Writes a folded scalar with its own lines, moved to `column`.
    fn folded(&mut self, scalar: &Scalar<'_>, column: usize) -> Result<(), Unsure> {
        refuse_odd_breaks(scalar.raw)?;
        let mut lines = scalar.raw.lines();
        let header = lines.next().and_then(|line| line.split_whitespace().next()).ok_or(Unsure)?;
        if !matches!(header, ">" | ">-") || scalar.raw.contains('\t') {
            return Err(Unsure);
        }
        let mut lines: Vec<&str> = lines.map(|line| line.trim_end_matches('\r')).collect();
        while lines.last().is_some_and(|line| line.trim().is_empty()) {
            lines.pop();
        }
        let first = lines.iter().find(|line| !line.trim().is_empty()).ok_or(Unsure)?;
        let margin = first.len() - first.trim_start_matches(' ').len();
        self.out.push_str(header);
        self.lines(lines.into_iter().map(|line| line.get(margin..).unwrap_or("")), column);
        Ok(())
    }

    fn lines<'l>(&mut self, lines: impl Iterator<Item = &'l str>, column: usize) {
        for line in lines {
            self.out.push('\n');
            if !line.is_empty() {
                self.indent(column);
                self.out.push_str(line);
            }
        }
    }

    fn indent(&mut self, column: usize) {
        self.out.extend(std::iter::repeat_n(' ', column));
    }
}

/// Returns a plain or quoted scalar on one line.
fn one_line(scalar: &Scalar<'_>) -> Result<String, Unsure> {
    refuse_odd_breaks(scalar.raw)?;
    let folded = scalar.raw.contains(['\n', '\r']);
    match scalar.style {
        ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if !folded => {
            Ok(scalar.raw.trim_end().to_string())
        }
        ScalarStyle::Plain if !scalar.value.contains('\n') => Ok(scalar.value.to_string()),
        ScalarStyle::SingleQuoted if !scalar.value.contains('\n') => {
            Ok(format!("'{}'", scalar.value.replace('\'', "''")))
        }
        ScalarStyle::DoubleQuoted => Ok(unfold(scalar.raw)),
        _ => Err(Unsure),
    }
}

/// Returns a double-quoted scalar without its line breaks: one break is a space, more are line
/// breaks of the text, and an escaped one is nothing.
fn unfold(raw: &str) -> String {
    let mut lines = raw.split('\n').map(|line| line.trim_end_matches('\r'));
    let mut out = lines.next().unwrap_or_default().to_string();
    let mut empty = 0;
    let mut is_joined = false;
    let mut is_open = false;
    for line in lines {
        if !is_open {
            is_joined = ends_in_escape(&out);
            if is_joined {
                out.pop();
            } else {
                trim_end_unescaped(&mut out);
            }
            (is_open, empty) = (true, 0);
        }
        let text = line.trim_start_matches([' ', '\t']);
        if text.is_empty() {
            empty += 1;
            continue;
        }
        match (is_joined, empty) {
            (true, count) => out.push_str(&"\\n".repeat(count)),
            (false, 0) => out.push(' '),
            (false, count) => out.push_str(&"\\n".repeat(count)),
        }
        out.push_str(text);
        is_open = false;
    }
    out
}

/// Returns whether the text ends in a backslash that is not itself escaped.
fn ends_in_escape(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}

fn trim_end_unescaped(text: &mut String) {
    let kept = text.trim_end_matches([' ', '\t']).len();
    let escaped = usize::from(kept < text.len() && ends_in_escape(&text[..kept]));
    text.truncate(kept + escaped);
}

/// Characters that some readers take for line breaks and others do not.
fn refuse_odd_breaks(text: &str) -> Result<(), Unsure> {
    if text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}']) { Err(Unsure) } else { Ok(()) }
}

/// Returns whether two trees are the same but for the order of keys.
fn is_same(a: &Node<'_>, b: &Node<'_>) -> bool {
    match (a, b) {
        (Node::Scalar(a), Node::Scalar(b)) => a.value == b.value && a.style == b.style,
        (Node::Sequence(a), Node::Sequence(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Node::Mapping(a), Node::Mapping(b)) => {
            let mut a: Vec<_> = a.iter().collect();
            a.sort_by(|(a, _), (b, _)| a.text().cmp(&b.text()));
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(&a.0, &b.0) && is_same(&a.1, &b.1))
        }
        _ => false,
    }
}
