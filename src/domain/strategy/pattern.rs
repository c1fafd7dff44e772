//! Patterns and templates: text with labels, such as `services/{service}/overlays/{environment}`.
//!
//! A *template* has labels only. A *pattern* of folders may also have `*` (one segment) and `**`
//! (any number of segments, also none). A label that has a value stands for it; in a pattern, any
//! other label captures one segment or a part of one.

/// One piece of a template or pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands for itself, slashes included.
    Text(String),
    /// `{name}`.
    Label(String),
    /// `*`.
    Segment,
    /// `**`.
    Segments,
}

/// Longer patterns and templates are refused; git and the file systems have lower limits.
const LONGEST: usize = 1024;

/// Why a text is not a pattern or template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Malformed {
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

/// Returns the pieces of a pattern of folders.
///
/// # Errors
/// When braces are unbalanced, or the pattern could leave the repository.
pub fn parse_pattern(text: &str) -> Result<Vec<Piece>, Malformed> {
    check_path(text)?;
    for segment in text.split('/') {
        if segment.contains('*') && segment != "*" && segment != "**" {
            return Err(malformed(
                format!("`*` is only a part of the segment `{segment}`"),
                "use `{name}` for a part of a segment, `*` for one whole segment and `**` for any number",
            ));
        }
        if let Some(c) = segment.chars().find(|c| "[]?!\\".contains(*c)) {
            return Err(malformed(
                format!("`{c}` has no meaning in a pattern"),
                "use `{name}` for a part of a segment, `*` for one segment and `**` for any number",
            ));
        }
    }
    let pieces = parse_template(text)?;
    let adjacent = pieces.windows(2).any(|pair| matches!(pair, [Piece::Label(_), Piece::Label(_)]));
    if adjacent {
        return Err(malformed("two labels touch, so it is open where one ends", "put a letter or `-` between them"));
    }
    Ok(pieces.into_iter().flat_map(split_stars).collect())
}

/// Returns the pieces of a template: text and labels.
///
/// # Errors
/// When braces are unbalanced or hold something that is not a name.
pub fn parse_template(text: &str) -> Result<Vec<Piece>, Malformed> {
    if text.len() > LONGEST {
        return Err(malformed(format!("the text is longer than {LONGEST} characters"), "make it shorter"));
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braces) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let Some(inner) = braces.strip_prefix('{') else {
            return Err(malformed("`}` closes nothing", "write a label as `{name}`"));
        };
        let Some((name, after)) = inner.split_once('}') else {
            return Err(malformed("`{` is never closed", "write a label as `{name}`"));
        };
        if !is_label(name) {
            return Err(malformed(
                format!("`{name}` is not the name of a label"),
                "write a label as `{name}`, with letters, digits, `-` and `_`",
            ));
        }
        pieces.push(Piece::Label(name.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// Checks that `text` is a path inside the repository.
///
/// # Errors
/// When it is empty, absolute, has `.` or `..` segments, or could be read as an option.
pub fn check_path(text: &str) -> Result<(), Malformed> {
    let relative = "write a path relative to the root of the repository, without `.` and `..`";
    if text.is_empty() {
        return Err(malformed("the path is empty", relative));
    }
    if text.starts_with('/') {
        return Err(malformed("the path is absolute", relative));
    }
    if text.starts_with('-') {
        return Err(malformed("the path begins with `-` and could be read as an option", "rename the folder"));
    }
    if text.contains(char::is_control) || text.contains('\\') {
        return Err(malformed("the path has a control character or a backslash", "separate folders with `/`"));
    }
    match text.split('/').find(|s| matches!(*s, "" | "." | ".." | ".git")) {
        Some("") => {
            Err(malformed("the path has an empty segment", "write one `/` between folders and none at the end"))
        }
        Some(segment) => Err(malformed(format!("the path has the segment `{segment}`"), relative)),
        None => Ok(()),
    }
}

/// Returns the names of the labels of `pieces`, in their order.
pub fn labels(pieces: &[Piece]) -> impl Iterator<Item = &str> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Label(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Says whether `name` can name a label: letters, digits, `-` and `_`, beginning with a letter.
pub fn is_label(name: &str) -> bool {
    name.len() <= 63
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn split_stars(piece: Piece) -> Vec<Piece> {
    let Piece::Text(text) = piece else { return vec![piece] };
    let mut pieces = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('*') {
        let (before, stars) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        if let Some(after) = stars.strip_prefix("**") {
            pieces.push(Piece::Segments);
            rest = after;
        } else {
            pieces.push(Piece::Segment);
            rest = stars.trim_start_matches('*');
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    pieces
}

fn malformed(problem: impl Into<String>, remedy: &str) -> Malformed {
    Malformed { problem: problem.into(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_text_labels_and_stars() {
        let text = |text: &str| Piece::Text(text.into());
        let label = |name: &str| Piece::Label(name.into());
        assert_eq!(
            parse_pattern("{component}/**/overlays/v-{variant}/*"),
            Ok(vec![
                label("component"),
                text("/"),
                Piece::Segments,
                text("/overlays/v-"),
                label("variant"),
                text("/"),
                Piece::Segment
            ])
        );
    }

    #[test]
    fn what_could_leave_the_repository_or_is_unbalanced_is_refused() {
        for bad in ["", "/a", "a/../b", "./a", "-x", "a//b", "a/", "a\\b", "a/{b", "a/b}", "{}", "{a b}", "{a}{b}"] {
            assert!(parse_pattern(bad).is_err(), "{bad}");
        }
        for bad in ["a*/b", "***", "[ab]", "a?"] {
            assert!(parse_pattern(bad).is_err(), "{bad}");
        }
    }
}
