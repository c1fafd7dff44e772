//! Which of the known words somebody may have meant.

/// Returns the word that is nearest to `text`, when one is near enough to be meant.
pub(crate) fn nearest<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    /// Nothing that anybody types by mistake is longer; bounds the work on hostile input.
    const LONGEST: usize = 64;
    if text.len() > LONGEST {
        return None;
    }
    let text = text.to_lowercase();
    let near = (text.chars().count() / 3).clamp(1, 3);
    words
        .iter()
        .map(|word| (distance(&text, &word.to_lowercase()), *word))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Returns `words` as prose: `` `a`, `b` or `c` ``.
pub(crate) fn list(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

/// Returns how many letters must be changed, added or removed to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        row[0] = left;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_a_slip_is_found_and_a_different_word_is_not() {
        let words = ["dependsOn", "branch", "soak", "vars"];
        assert_eq!(nearest("dependOn", &words), Some("dependsOn"));
        assert_eq!(nearest("depends_on", &words), Some("dependsOn"));
        assert_eq!(nearest("brnach", &words), Some("branch"));
        assert_eq!(nearest("sok", &words), Some("soak"));
        assert_eq!(nearest("replicas", &words), None);
    }

    #[test]
    fn lists_read_as_prose() {
        assert_eq!(list(&[], "or"), "");
        assert_eq!(list(&["a"], "or"), "`a`");
        assert_eq!(list(&["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
