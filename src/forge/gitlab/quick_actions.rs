//! Keeps what we write from being obeyed by GitLab.
//!
//! GitLab takes a line that begins with `/` and one of its words for a command, in comments and descriptions alike: it
//! leaves the line out of the text and does what it says, with the rights of whoever wrote it. What we write repeats the
//! words of people (subjects of commits, reasons), and our account may merge. Its list of words grows with each release
//! (<https://docs.gitlab.com/user/project/quick_actions/>), so every line that begins so is changed, but for our own
//! commands.

use std::borrow::Cow;

use crate::domain::comment::PREFIX;

/// Stands before a slash in code, where a backslash would be shown.
const UNSEEN: char = '\u{200b}';

/// Returns `text` with nothing in it that GitLab would obey; people read the same.
pub(super) fn defused(text: &str) -> Cow<'_, str> {
    if !text.contains('/') {
        return text.into();
    }
    let (mut defused, mut fence) = (String::with_capacity(text.len()), None);
    for line in text.split_inclusive(['\n', '\r']) {
        let bare = line.trim_start();
        if is_command(bare) {
            let indent = &line[..line.len() - bare.len()];
            defused.push_str(indent);
            defused.push(if fence.is_some() { UNSEEN } else { '\\' });
            defused.push_str(bare);
        } else {
            fence = next_fence(fence, bare);
            defused.push_str(line);
        }
    }
    defused.into()
}

/// Says whether GitLab may take a line for a command of its own.
fn is_command(line: &str) -> bool {
    let is_ours = line
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX) && !continues_word(&line[PREFIX.len()..]));
    !is_ours && line.strip_prefix('/').is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn continues_word(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-')
}

/// A fence around code: its character and how many of them.
type Fence = (char, usize);

/// Returns the fence that is open after a line.
fn next_fence(open: Option<Fence>, line: &str) -> Option<Fence> {
    let run = |mark: char| line.chars().take_while(|c| *c == mark).count();
    match open {
        Some((mark, length)) => {
            let closes = run(mark) >= length && line.trim_end().chars().all(|c| c == mark);
            if closes { None } else { open }
        }
        None => ['`', '~'].into_iter().map(|mark| (mark, run(mark))).find(|(_, length)| *length >= 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_gitlab_would_obey_are_shown_instead() {
        let text = "Subject:\n/merge\n  /close now\r\n/Approve\ndone";
        assert_eq!(defused(text), "Subject:\n\\/merge\n  \\/close now\r\n\\/Approve\ndone");
        assert_eq!(defused("/merge"), "\\/merge");
        assert_eq!(defused("a\r/merge"), "a\r\\/merge");
    }

    #[test]
    fn other_slashes_stay() {
        for text in ["no slash", "a /merge inside", "// comment", "/", "- /merge", "| /merge |", "/ merge", "\\/merge"]
        {
            assert_eq!(defused(text), text);
        }
    }

    #[test]
    fn our_own_commands_can_be_copied() {
        assert_eq!(defused("/hydromote promote dev"), "/hydromote promote dev");
        assert_eq!(defused("/Hydromote\n"), "/Hydromote\n");
        assert_eq!(defused("/hydromotes"), "\\/hydromotes");
    }

    #[test]
    fn code_is_changed_without_being_seen() {
        let text = "```\n/merge\n``` \n/merge\n~~~~\n~~~\n/close\n~~~~";
        assert_eq!(defused(text), "```\n\u{200b}/merge\n``` \n\\/merge\n~~~~\n~~~\n\u{200b}/close\n~~~~");
    }
}
