//! Patterns of folders, and labels in text.
//!
//! In a pattern `{name}` captures one segment or a part of one, `*` matches one segment or a part
//! of one, `**` any number of segments. A label that is bound already stands for its value. In any
//! text `{name}` stands for a label's value. Doubled braces, as in `{{ .Values.x }}`, and braces
//! around anything but a name are ordinary text.

use crate::source::Labels;
use crate::tree::segments;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`
    Any,
    Parts {
        parts: Vec<Part>,
        is_label: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `*`
    Star,
    Capture(String),
}

/// What a pattern found in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) captures: Labels,
    /// Positions of path segments that are a bound label and nothing else.
    pub(crate) label_segments: Vec<usize>,
}

/// A piece of text with labels.
#[derive(Debug, PartialEq, Eq)]
enum Token<'t> {
    Text(&'t str),
    Label(&'t str),
}

impl Pattern {
    /// Compiles a pattern; labels that are bound stand for their values.
    pub(crate) fn new(text: &str, bound: &Labels) -> Self {
        let segments = segments(text).filter(|segment| *segment != ".").flat_map(|segment| compile(segment, bound));
        Self { segments: segments.collect() }
    }

    /// Returns the only path that can match, when there are no wildcards and captures.
    pub(crate) fn literal(&self) -> Option<String> {
        let texts = self.segments.iter().map(|segment| match segment {
            Segment::Parts { parts, .. } => match parts.as_slice() {
                [Part::Text(text)] => Some(text.as_str()),
                _ => None,
            },
            Segment::Any => None,
        });
        Some(texts.collect::<Option<Vec<_>>>()?.join("/"))
    }

    /// Matches a folder's whole path. Captures take as little as they can, from the left.
    pub(crate) fn matches(&self, path: &str) -> Option<Match> {
        let path: Vec<&str> = segments(path).collect();
        let mut found = Match { captures: Labels::new(), label_segments: Vec::new() };
        match_segments(&self.segments, &path, 0, &mut found).then_some(found)
    }
}

fn compile(segment: &str, bound: &Labels) -> Vec<Segment> {
    if segment == "**" {
        return vec![Segment::Any];
    }
    let mut all = vec![Vec::new()];
    let tokens = tokens(segment);
    let is_label = matches!(tokens.as_slice(), [Token::Label(name)] if bound.contains_key(*name));
    for token in tokens {
        let parts = all.last_mut().expect("because it starts with one element");
        match token {
            Token::Label(name) => match bound.get(name) {
                Some(value) => {
                    let mut values = value.split('/');
                    push_text(parts, values.next().unwrap_or_default());
                    for value in values {
                        all.push(vec![Part::Text(value.to_string())]);
                    }
                }
                None => parts.push(Part::Capture(name.to_string())),
            },
            Token::Text(text) => {
                for (position, text) in text.split('*').enumerate() {
                    if position > 0 {
                        parts.push(Part::Star);
                    }
                    push_text(parts, text);
                }
            }
        }
    }
    all.into_iter().filter(|parts| !parts.is_empty()).map(|parts| Segment::Parts { parts, is_label }).collect()
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_string())),
    }
}

fn match_segments(pattern: &[Segment], path: &[&str], position: usize, found: &mut Match) -> bool {
    match (pattern.split_first(), path.get(position)) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((Segment::Any, rest)), _) => (position..=path.len()).any(|next| {
            let before = found.clone();
            let is_match = match_segments(rest, path, next, found);
            if !is_match {
                *found = before;
            }
            is_match
        }),
        (Some(_), None) => false,
        (Some((Segment::Parts { parts, is_label }, rest)), Some(text)) => {
            let before = found.clone();
            if *is_label {
                found.label_segments.push(position);
            }
            let is_match = match_parts(parts, text, found) && match_segments(rest, path, position + 1, found);
            if !is_match {
                *found = before;
            }
            is_match
        }
    }
}

fn match_parts(parts: &[Part], text: &str, found: &mut Match) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    match part {
        Part::Text(literal) => text.strip_prefix(literal.as_str()).is_some_and(|text| match_parts(rest, text, found)),
        Part::Star => splits(text, 0).any(|end| match_parts(rest, &text[end..], found)),
        Part::Capture(name) => match found.captures.get(name).cloned() {
            Some(value) => text.strip_prefix(value.as_str()).is_some_and(|text| match_parts(rest, text, found)),
            None => splits(text, 1).any(|end| {
                found.captures.insert(name.clone(), text[..end].to_string());
                let is_match = match_parts(rest, &text[end..], found);
                if !is_match {
                    found.captures.remove(name);
                }
                is_match
            }),
        },
    }
}

/// Returns the ends of all beginnings of `text` with at least that many characters.
fn splits(text: &str, least: usize) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(position, _)| position).chain([text.len()]).skip(least)
}

/// Replaces the labels in `text` by their values.
///
/// # Errors
///
/// Returns the first label that is not bound.
pub(crate) fn expand(text: &str, labels: &Labels) -> Result<String, String> {
    tokens(text).into_iter().try_fold(String::new(), |mut out, token| {
        match token {
            Token::Text(text) => out.push_str(text),
            Token::Label(name) => out.push_str(labels.get(name).ok_or_else(|| name.to_string())?),
        }
        Ok(out)
    })
}

/// Replaces the labels that are bound, and leaves the others.
pub(crate) fn expand_bound(text: &str, labels: &Labels) -> String {
    tokens(text).into_iter().fold(String::new(), |mut out, token| {
        match token {
            Token::Text(text) => out.push_str(text),
            Token::Label(name) => match labels.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&format!("{{{name}}}")),
            },
        }
        out
    })
}

/// Splits text into labels and what is between them.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut position = 0;
    while let Some(found) = text[position..].find('{') {
        let open = position + found;
        if text[open..].starts_with("{{") {
            position = text[open..].find("}}").map_or(text.len(), |close| open + close + 2);
            continue;
        }
        let name = text[open + 1..].split(|c: char| !is_name(c)).next().unwrap_or_default();
        let close = open + 1 + name.len();
        position = open + 1;
        if name.is_empty() || !text[close..].starts_with('}') {
            continue;
        }
        if start < open {
            tokens.push(Token::Text(&text[start..open]));
        }
        tokens.push(Token::Label(name));
        start = close + 1;
        position = start;
    }
    if start < text.len() {
        tokens.push(Token::Text(&text[start..]));
    }
    tokens
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn captures(pattern: &str, path: &str) -> Option<Labels> {
        Pattern::new(pattern, &labels(&[("environment", "dev"), ("area", "eu/west")])).matches(path).map(|m| m.captures)
    }

    #[test]
    fn captures_take_segments_and_parts_of_them() {
        assert_eq!(
            captures("services/{service}/overlays/{environment}", "services/web/overlays/dev"),
            Some(labels(&[("service", "web")]))
        );
        assert_eq!(captures("services/{service}/overlays/{environment}", "services/web/overlays/prod"), None);
        assert_eq!(captures("app-{name}", "app-web"), Some(labels(&[("name", "web")])));
        assert_eq!(captures("app-{name}", "app-"), None);
        assert_eq!(captures("{a}-{b}", "x-y-z"), Some(labels(&[("a", "x"), ("b", "y-z")])));
        assert_eq!(captures("{a}/x/{a}", "1/x/1"), Some(labels(&[("a", "1")])));
        assert_eq!(captures("{a}/x/{a}", "1/x/2"), None);
        assert_eq!(captures("{area}/{x}", "eu/west/web"), Some(labels(&[("x", "web")])));
    }

    #[test]
    fn stars_match_one_segment_and_two_any_number() {
        for (pattern, path, is_match) in [
            ("a/*", "a/b", true),
            ("a/*", "a/b/c", false),
            ("a/*", "a", false),
            ("a/x*y", "a/xy", true),
            ("a/x*y", "a/x-b-y", true),
            ("**/b", "b", true),
            ("**/b", "a/a/b", true),
            ("a/**", "a", true),
            ("a/**/c", "a/b/b/c", true),
            ("./a/", "a", true),
            ("**", "", true),
        ] {
            assert_eq!(captures(pattern, path).is_some(), is_match, "{pattern} on {path}");
        }
        assert_eq!(captures("**/{app}/overlays/*", "x/web/overlays/a"), Some(labels(&[("app", "web")])));
    }

    #[test]
    fn a_pattern_without_wildcards_is_one_path() {
        let bound = labels(&[("environment", "dev")]);
        assert_eq!(Pattern::new("deploy/{environment}/x", &bound).literal().as_deref(), Some("deploy/dev/x"));
        assert_eq!(Pattern::new(".", &bound).literal().as_deref(), Some(""));
        assert_eq!(Pattern::new("deploy/{other}", &bound).literal(), None);
        assert_eq!(Pattern::new("a/{environment}/b", &bound).matches("a/dev/b").expect("a match").label_segments, [1]);
    }

    #[test]
    fn labels_in_text_are_replaced_and_other_braces_left() {
        let labels = labels(&[("service", "web"), ("team", "shop")]);
        assert_eq!(expand("{team}-{service}", &labels), Ok("shop-web".into()));
        assert_eq!(
            expand("{{ .Values.team }} {{team}} { } {\"a\":1}", &labels),
            Ok("{{ .Values.team }} {{team}} { } {\"a\":1}".into())
        );
        assert_eq!(expand("{service}/{tier}", &labels), Err("tier".into()));
        assert_eq!(expand_bound("{service}/{tier}/{a,b}", &labels), "web/{tier}/{a,b}");
    }
}
