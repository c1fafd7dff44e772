//! Characters that no eye sees, and that make text look like what it is not.
//!
//! The ranges are those of the Unicode property `Default_Ignorable_Code_Point` that mislead in a
//! line of text: zero-width and bidirectional format characters (Unicode Standard Annex #9).

/// Says whether a character ends a line, moves a cursor, or turns the text round that follows.
pub fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Says whether a character misleads, or is shown as nothing: also joiners, which some scripts need.
pub fn is_unseen(c: char) -> bool {
    misleads(c) || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns text on one line that reads as it is written; joiners stay.
pub fn in_one_line(text: &str) -> String {
    let shown = text.chars().filter(|c| c.is_whitespace() || c.is_control() || !misleads(*c));
    shown.map(|c| if misleads(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_and_turns_nothing_round() {
        assert_eq!(in_one_line("a\nb\u{2028}c\u{1b}[31m\u{202e}d"), "a b c [31md");
        assert_eq!(in_one_line("\u{645}\u{6cc}\u{200c}\u{62e}"), "\u{645}\u{6cc}\u{200c}\u{62e}");
    }
}
