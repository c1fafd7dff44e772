//! The lines of a comment that are plain text of its own: no code, no quote, no link, no HTML.
//!
//! Only paragraphs on the outermost level count. What stands in a list, a heading or a table tells of
//! commands more often than it gives them.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::domain::unseen::is_unseen;

/// Stands in a line for what is not plain text. Nobody can type a command around it.
pub(super) const NO_TEXT: char = '\u{fffc}';

/// HTML elements whose content is not the author's own plain text.
const APART: [&str; 13] =
    ["a", "blockquote", "code", "del", "details", "kbd", "pre", "q", "s", "samp", "strike", "table", "tt"];

/// Returns the lines of text of a comment.
pub(super) fn lines(body: &str) -> Vec<String> {
    let mut reader = Reader { body, lines: Vec::new(), line: String::new(), inside: 0, apart: 0, in_comment: false };
    for (event, at) in Parser::new_ext(body, Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES).into_offset_iter()
    {
        reader.read(&event, at);
    }
    reader.end_line();
    reader.lines
}

/// Shows a line without what no eye sees or what turns words around, and without what ends a code span.
pub(super) fn visible(text: &str) -> String {
    text.chars().filter(|c| *c != '`' && !is_unseen(*c)).map(|c| if c == NO_TEXT { '…' } else { c }).collect()
}

struct Reader<'a> {
    body: &'a str,
    lines: Vec<String>,
    line: String,
    /// How many elements are open around the event that are no paragraph of the outermost level.
    inside: usize,
    /// How many HTML elements of [`APART`] are open.
    apart: usize,
    /// Whether an HTML comment is open, which may go over many lines.
    in_comment: bool,
}

impl Reader<'_> {
    fn read(&mut self, event: &Event<'_>, at: Range<usize>) {
        match event {
            Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) => self.end_line(),
            // Emphasis changes how words look, not whose they are.
            Event::Start(Tag::Emphasis | Tag::Strong) | Event::End(TagEnd::Emphasis | TagEnd::Strong) => {}
            Event::Start(tag) => {
                self.inside += 1;
                if !matches!(tag, Tag::HtmlBlock) {
                    self.push_foreign();
                }
            }
            Event::End(_) => self.inside = self.inside.saturating_sub(1),
            Event::Text(text) if self.inside == 0 && self.apart == 0 => {
                if self.line.trim().is_empty() && self.is_escaped(&at) {
                    // `\/promote` shows the command, and does not give it.
                    self.push_foreign();
                }
                self.line.push_str(text);
            }
            Event::SoftBreak | Event::HardBreak if self.inside == 0 => self.end_line(),
            Event::Html(html) | Event::InlineHtml(html) => self.read_html(html),
            _ => self.push_foreign(),
        }
    }

    fn is_escaped(&self, at: &Range<usize>) -> bool {
        at.start > 0 && self.body.as_bytes().get(at.start - 1) == Some(&b'\\')
    }

    /// Follows tags; comments are nothing, other programs leave theirs in people's comments.
    fn read_html(&mut self, html: &str) {
        let mut rest = html;
        while !rest.is_empty() {
            let end = if self.in_comment { "-->" } else { "<" };
            let Some((_, after)) = rest.split_once(end) else { return };
            rest = after;
            if self.in_comment {
                self.in_comment = false;
            } else if after.starts_with("!--") {
                self.in_comment = true;
            } else {
                self.read_tag(after);
            }
        }
    }

    /// Follows one tag, without its opening bracket.
    fn read_tag(&mut self, tag: &str) {
        let (closes, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
        if APART.iter().any(|apart| name.eq_ignore_ascii_case(apart)) {
            self.push_foreign();
            self.apart = if closes { self.apart.saturating_sub(1) } else { self.apart + 1 };
        }
    }

    fn push_foreign(&mut self) {
        if !self.line.ends_with(NO_TEXT) {
            self.line.push(NO_TEXT);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if self.inside == 0 && !line.trim().is_empty() {
            self.lines.push(line);
        }
    }
}
