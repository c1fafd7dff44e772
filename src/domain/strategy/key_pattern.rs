//! Keys of commit statuses as strategies write them: `health`, `kustomization/{service}/*`.
//!
//! `*` stands for anything within one segment, also for nothing, and never for a `/`; `{name}` stands for the label of a
//! root. Statuses of our own match no pattern: waiting for them would be waiting for ourselves.

use std::fmt;

use super::pattern::{Malformed, Piece as TemplatePiece, labels, parse_template};
use crate::domain::ids::StatusKey;

/// How the keys of our own statuses begin.
pub const OWN_PREFIX: &str = "hydromote/";

/// A key with the places at which it may differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPattern(Vec<Piece>);

/// One piece of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    /// Text that stands for itself, slashes included.
    Text(String),
    /// `{name}`.
    Label(String),
    /// `*`.
    Anything,
}

impl KeyPattern {
    /// Reads a key.
    ///
    /// # Errors
    /// When braces are unbalanced, or stars touch.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.contains("**") {
            return Err(Malformed {
                problem: "`**` has no meaning in a key".to_owned(),
                remedy: "use `*` for anything within one segment; the number of segments is fixed".to_owned(),
            });
        }
        let mut pieces = Vec::new();
        for piece in parse_template(text)? {
            match piece {
                TemplatePiece::Label(name) => pieces.push(Piece::Label(name)),
                TemplatePiece::Text(text) => {
                    for (index, part) in text.split('*').enumerate() {
                        pieces.extend((index > 0).then_some(Piece::Anything));
                        pieces.extend((!part.is_empty()).then(|| Piece::Text(part.to_owned())));
                    }
                }
                TemplatePiece::Segment | TemplatePiece::Segments => {}
            }
        }
        Ok(Self(pieces))
    }

    /// Returns the pattern of exactly this key, whatever characters it has.
    pub fn exactly(key: &StatusKey) -> Self {
        Self(vec![Piece::Text(key.to_string())])
    }

    /// Returns the names of its labels, in their order.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Label(name) => Some(name.as_str()),
            Piece::Text(_) | Piece::Anything => None,
        })
    }

    /// Says whether several keys can match, labels aside.
    pub fn has_stars(&self) -> bool {
        self.0.contains(&Piece::Anything)
    }

    /// Returns the pattern with the labels that have a value replaced by it.
    pub fn bind<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Self {
        let bind = |piece: &Piece| match piece {
            Piece::Label(name) => value(name).map_or_else(|| piece.clone(), |value| Piece::Text(value.to_owned())),
            Piece::Text(_) | Piece::Anything => piece.clone(),
        };
        Self(self.0.iter().map(bind).collect())
    }

    /// Says whether a key is meant. While a label has no value, none is.
    pub fn matches(&self, key: &StatusKey) -> bool {
        let key = key.as_str();
        !key.starts_with(OWN_PREFIX) && self.labels().next().is_none() && self.fits(key)
    }

    /// Says whether keys of our own would match if we did not leave them out; a label may have any value.
    pub fn reaches_our_own(&self) -> bool {
        let written = self.to_string();
        if written.starts_with(OWN_PREFIX) {
            return true;
        }
        // What a label of a root is, is not known here; nobody means our own by it.
        let Some(first) = self.first_segment().filter(|first| first.contains(&Piece::Anything)) else { return false };
        written.contains('/') && Self(first).fits(OWN_PREFIX.trim_end_matches('/'))
    }

    /// Returns the pieces up to the first slash; none when there is a label among them.
    fn first_segment(&self) -> Option<Vec<Piece>> {
        let mut first = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => match text.split_once('/') {
                    None => first.push(piece.clone()),
                    Some((before, _)) => {
                        first.extend((!before.is_empty()).then(|| Piece::Text(before.to_owned())));
                        break;
                    }
                },
                Piece::Label(_) => return None,
                Piece::Anything => first.push(Piece::Anything),
            }
        }
        Some(first)
    }

    /// Compares piece by piece, going back to the last star where that fails; a star that would have to take a `/` is
    /// where it ends.
    fn fits(&self, key: &str) -> bool {
        let (mut at, mut rest) = (0, key);
        let mut star: Option<(usize, &str)> = None;
        loop {
            match self.0.get(at) {
                Some(Piece::Text(text)) if rest.starts_with(text.as_str()) => {
                    rest = &rest[text.len()..];
                    at += 1;
                }
                Some(Piece::Anything) => {
                    star = Some((at, rest));
                    at += 1;
                }
                None if rest.is_empty() => return true,
                _ => {
                    let Some((begun, from)) = star else { return false };
                    let mut chars = from.chars();
                    match chars.next() {
                        None | Some('/') => return false,
                        Some(_) => {}
                    }
                    star = Some((begun, chars.as_str()));
                    (at, rest) = (begun + 1, chars.as_str());
                }
            }
        }
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Label(name) => write!(f, "{{{name}}}"),
            Piece::Anything => f.write_str("*"),
        })
    }
}

/// Returns the labels of a text that may be a key or a template; none where it is neither.
pub(super) fn labels_of(text: &str) -> Vec<String> {
    parse_template(text).map(|pieces| labels(&pieces).map(str::to_owned).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, key: &str) -> bool {
        let pattern = KeyPattern::parse(pattern).expect("a pattern");
        let bound = pattern.bind(|label| (label == "service").then_some("web"));
        bound.matches(&StatusKey::new(key).expect("a key"))
    }

    #[test]
    fn a_star_is_anything_within_one_segment() {
        for (pattern, key) in [
            ("health", "health"),
            ("kustomization/{service}/*", "kustomization/web/1a2b3c4d"),
            ("kustomization/{service}/eu-*.flux-system", "kustomization/web/eu-1.flux-system"),
            ("*/*", "a/b"),
            ("a*b*c", "a-b-b-c"),
            ("*", "anything at all"),
            ("x*", "x"),
            ("*ü", "xü"),
        ] {
            assert!(matches(pattern, key), "{pattern} {key}");
        }
        for (pattern, key) in [
            ("health", "health2"),
            ("health", "Health"),
            ("kustomization/{service}/*", "kustomization/api/1a2b3c4d"),
            ("kustomization/{service}/*", "kustomization/web/a/b"),
            ("kustomization/{service}/*", "kustomization/web"),
            ("kustomization/*", "kustomization/web/1a2b3c4d"),
            ("*", "a/b"),
            ("a*b*c", "a-b/b-c"),
            ("{other}", "web"),
            ("*/*", "hydromote/dev"),
        ] {
            assert!(!matches(pattern, key), "{pattern} {key}");
        }
    }

    #[test]
    fn a_pattern_is_shown_as_it_was_written() {
        for text in ["health", "kustomization/{service}/*", "*-{a}*", "a b"] {
            assert_eq!(KeyPattern::parse(text).expect("a pattern").to_string(), text);
        }
        for bad in ["a/**", "{", "}", "{}", "{a b}"] {
            assert!(KeyPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_could_be_ours_is_known() {
        let reaches = |text: &str| KeyPattern::parse(text).expect("a pattern").reaches_our_own();
        for ours in ["hydromote/dev", "hydromote/*", "*/dev", "hydro*/*", "*/*", "hydromote/{service}"] {
            assert!(reaches(ours), "{ours}");
        }
        for other in ["health", "*", "hydromote", "kustomization/*", "{service}/health", "hydro*"] {
            assert!(!reaches(other), "{other}");
        }
    }
}
