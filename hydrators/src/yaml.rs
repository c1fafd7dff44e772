//! Reads YAML into a tree that remembers how each scalar was written.
//!
//! Values are never interpreted here: a scalar is its text and its style. What a Kubernetes tool
//! makes of `0777` or `on` stays its own business.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput};

/// One node of a document.
#[derive(Debug, Clone)]
pub(crate) enum Node<'t> {
    Scalar(Scalar<'t>),
    Sequence(Vec<Node<'t>>),
    Mapping(Vec<(Node<'t>, Node<'t>)>),
    /// Stands for a node elsewhere; only in documents that are kept as they are.
    Alias,
}

/// A scalar as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Scalar<'t> {
    /// The text after escapes and folding.
    pub(crate) value: Cow<'t, str>,
    pub(crate) style: ScalarStyle,
    /// The scalar in the source, with its quotes.
    pub(crate) raw: &'t str,
    /// The line in the source, from 1.
    pub(crate) line: u64,
}

/// One document.
#[derive(Debug, Clone)]
pub(crate) struct Tree<'t> {
    pub(crate) root: Node<'t>,
    /// Whether the document has anchors, aliases or tags, which cannot be moved about freely.
    pub(crate) has_properties: bool,
    /// Whether the document has tags, of which each reader makes what it likes.
    pub(crate) has_tags: bool,
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// The line, from 1.
    pub(crate) line: u64,
    pub(crate) message: String,
}

impl<'t> Node<'t> {
    /// Returns the text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Node::Scalar(scalar) => Some(&scalar.value),
            _ => None,
        }
    }

    /// Returns the value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Node::Mapping(entries) => entries.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns the items of a sequence.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        match self {
            Node::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the line of the first scalar, from 1.
    pub(crate) fn line(&self) -> Option<u64> {
        match self {
            Node::Scalar(scalar) => Some(scalar.line),
            Node::Sequence(items) => items.first()?.line(),
            Node::Mapping(entries) => entries.first()?.0.line(),
            Node::Alias => None,
        }
    }

    /// Returns the text of the last scalar in it.
    pub(crate) fn last_text(&self) -> Option<&str> {
        match self {
            Node::Scalar(scalar) => Some(&scalar.value),
            Node::Sequence(items) => items.last().and_then(Node::last_text),
            Node::Mapping(entries) => entries.last().and_then(|(_, value)| value.last_text()),
            Node::Alias => None,
        }
    }

    /// Returns whether there is nothing: `null` in one of its plain forms, or an empty collection.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Node::Scalar(s) => {
                s.style == ScalarStyle::Plain && matches!(&*s.value, "" | "~" | "null" | "Null" | "NULL")
            }
            Node::Sequence(items) => items.is_empty(),
            Node::Mapping(entries) => entries.is_empty(),
            Node::Alias => false,
        }
    }
}

/// Reads the one document of `text`; `None` when there is nothing in it.
pub(crate) fn read_document(text: &str) -> Result<Option<Tree<'_>>, Unreadable> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { text, parser, has_properties: false, has_tags: false, nodes: 0 };
    let mut root = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            Event::StreamEnd => break,
            _ if root.is_some() => {
                return Err(Unreadable { line: line_of(&span), message: "more than one document".into() });
            }
            event => root = Some(reader.node(event, &span)?),
        }
    }
    let Reader { has_properties, has_tags, .. } = reader;
    Ok(root.filter(|root| !is_void(root)).map(|root| Tree { root, has_properties, has_tags }))
}

/// Returns where the fields of a mapping are in its text: from each key to the end of its value. What cannot be read,
/// or is no mapping, has none.
pub(crate) fn fields(text: &str) -> Vec<(String, Range<usize>)> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let (mut found, mut depth, mut open) = (Vec::new(), 0, None::<(String, Range<usize>)>);
    while let Some(Ok((event, span))) = parser.next_event() {
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            Event::Scalar(ref key, ..) if depth == 1 && open.is_none() => {
                open = Some((key.to_string(), range));
                continue;
            }
            _ => {}
        }
        let Some((key, mut field)) = open.take() else { continue };
        // The ends of block collections are empty, and lie where the next thing begins.
        if !range.is_empty() {
            field.end = field.end.max(range.end);
        }
        match depth {
            1 => found.push((key, field)),
            _ => open = Some((key, field)),
        }
    }
    found
}

/// How many nodes a document may have: each takes about a hundred bytes of the service's own memory.
const MOST_NODES: u64 = 500_000;
/// How many nodes all aliases of a document may stand for together.
const MOST_ALIASED: u64 = 100_000;

/// Returns the line from which on the aliases in `text` stand for more nodes than anybody means:
/// whoever writes them out runs out of memory. Takes the time of one reading, whatever they stand for.
pub(crate) fn alias_bomb(text: &str) -> Option<u64> {
    if !(text.contains('&') && text.contains('*')) {
        return None;
    }
    let mut parser = Parser::new_from_str_with_options(text, Options::default());
    let mut sizes: BTreeMap<usize, u64> = BTreeMap::new();
    let mut open: Vec<(Option<usize>, u64)> = Vec::new();
    let mut aliased: u64 = 0;
    // What cannot be read is for others to tell.
    while let Some(Ok((event, span))) = parser.next_event() {
        let anchor = event.anchor_id();
        let (anchor, size) = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                open.push((anchor, 1));
                continue;
            }
            Event::Scalar(..) => (anchor, 1),
            Event::Alias(id) => {
                let size = sizes.get(&id).copied().unwrap_or(1);
                aliased = aliased.saturating_add(size);
                (None, size)
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().unwrap_or((None, 0)),
            Event::DocumentStart(..) => {
                (sizes, aliased) = (BTreeMap::new(), 0);
                continue;
            }
            _ => continue,
        };
        if aliased > MOST_ALIASED {
            return Some(line_of(&span));
        }
        if let Some(anchor) = anchor {
            sizes.insert(anchor, size);
        }
        if let Some((_, parent)) = open.last_mut() {
            *parent = parent.saturating_add(size);
        }
    }
    None
}

/// What is told of it.
pub(crate) fn alias_bomb_message() -> String {
    format!("the aliases up to here stand for more than {MOST_ALIASED} values; write out what is meant")
}

fn is_void(root: &Node<'_>) -> bool {
    matches!(root, Node::Scalar(_)) && root.is_nothing()
}

fn line_of(span: &Span) -> u64 {
    span.start.line() as u64
}

struct Reader<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    has_properties: bool,
    has_tags: bool,
    nodes: u64,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Unreadable> {
        self.parser
            .next_event()
            .transpose()
            .map_err(|error| Unreadable { line: error.marker().line() as u64, message: error.info() })
    }

    fn next_in_collection(&mut self) -> Result<(Event<'t>, Span), Unreadable> {
        self.next()?.ok_or_else(|| Unreadable { line: 0, message: "the document ends too early".into() })
    }

    fn node(&mut self, event: Event<'t>, span: &Span) -> Result<Node<'t>, Unreadable> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            let message = format!("this document has more than {MOST_NODES} values");
            return Err(Unreadable { line: line_of(span), message });
        }
        self.has_tags |= event.tag().is_some();
        self.has_properties |= event.tag().is_some() || event.anchor_id().is_some();
        match event {
            Event::Scalar(value, style, ..) => {
                let raw = span.slice(self.text).unwrap_or("");
                Ok(Node::Scalar(Scalar { value, style, raw, line: line_of(span) }))
            }
            Event::SequenceStart(..) => self.sequence(),
            Event::MappingStart(..) => self.mapping(),
            _ => {
                self.has_properties = true;
                Ok(Node::Alias)
            }
        }
    }

    fn sequence(&mut self) -> Result<Node<'t>, Unreadable> {
        let mut items = Vec::new();
        loop {
            match self.next_in_collection()? {
                (Event::SequenceEnd, _) => return Ok(Node::Sequence(items)),
                (event, span) => items.push(self.node(event, &span)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Node<'t>, Unreadable> {
        let mut entries = Vec::new();
        loop {
            let key = match self.next_in_collection()? {
                (Event::MappingEnd, _) => return Ok(Node::Mapping(entries)),
                (event, span) => self.node(event, &span)?,
            };
            let (event, span) = self.next_in_collection()?;
            entries.push((key, self.node(event, &span)?));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_reach_from_their_key_to_the_end_of_their_value() {
        for (text, expected) in [
            ("a: 1\nb:\n- x: [1]\n  y: |\n    z\n\nc: {}\n", ["a: 1", "b:\n- x: [1]\n  y: |\n    z\n\n", "c: {}"]),
            ("{a: 1, b: {c: [d]}, e: f}", ["a: 1", "b: {c: [d]}", "e: f"]),
            ("a: 'x' # said\n\"b\": &b\n  c: \"d\"\n# end\ne: *b\n", ["a: 'x'", "\"b\": &b\n  c: \"d\"", "e: *b"]),
        ] {
            let found: Vec<_> = fields(text).into_iter().map(|(_, range)| &text[range]).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn aliases_of_aliases_are_counted_without_writing_them_out() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_string();
        for (from, to) in "abcdefghi".chars().zip("bcdefghij".chars()) {
            bomb.push_str(&format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 10].join(", ")));
        }
        assert_eq!(alias_bomb(&bomb), Some(5));
        assert_eq!(alias_bomb("a: &a {x: 1}\nb: *a\nc: [*a, *a]\n"), None);
        assert_eq!(alias_bomb("a: 'this & that * 2'\n"), None);
    }
}
