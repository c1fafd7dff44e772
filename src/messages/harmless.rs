//! Text from users, made harmless for where it stands, and short.

use crate::domain::{ids::RootName, unseen::in_one_line};

/// The most characters of a subject that stand in a title.
pub(super) const SUBJECT_LIMIT: usize = 120;

/// The most characters of a reason.
pub(super) const REASON_LIMIT: usize = 500;

/// The most roots named in one list.
pub(super) const NAMES_LIMIT: usize = 40;

/// The most characters of a title: forges take 255.
pub(super) const TITLE_LIMIT: usize = 250;

/// Returns a title: one line that forges take.
pub(super) fn one_line(title: &str) -> String {
    cut(&title.split_whitespace().collect::<Vec<_>>().join(" "), TITLE_LIMIT)
}

/// Makes text from users harmless in a title: one line that mentions nobody.
pub(super) fn plain(text: &str) -> String {
    in_one_line(text).replace('@', "@\u{200b}")
}

/// Makes text from users harmless in Markdown: no mentions, no HTML, no fences, one line.
pub(super) fn escape(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('`', "'")
}

/// Returns at most `limit` characters.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

/// Returns the folder of a root as a code span.
pub(super) fn root_name(root: &RootName) -> String {
    format!("`{}`", plain(root.as_str()).replace('`', "'"))
}

/// Returns names, of which those beyond the limit are only counted.
pub(super) fn listed(mut names: Vec<String>) -> Vec<String> {
    let more = names.len().saturating_sub(NAMES_LIMIT);
    if more > 0 {
        names.truncate(NAMES_LIMIT);
        names.push(format!("and {more} more"));
    }
    names
}
