//! The windows of the server, from what the operator wrote.

use globset::GlobMatcher;

use super::{
    file::{WindowSection, WindowsSection},
    mistake::Mistakes,
};
use crate::domain::windows::{Field, PolicyWindow, ServerWindows, WindowText, Windows};

/// Where they stand in the file.
const SECTION: &str = "policies.windows";

/// More windows of one kind are refused: each is asked at every look.
const MOST: usize = 50;

/// Returns the windows; they are only good when no mistake was added.
pub(super) fn windows(section: &WindowsSection, mistakes: &mut Mistakes<'_>) -> ServerWindows {
    let windows = ServerWindows {
        allow: list("allow", &section.allow, mistakes),
        deny: list("deny", &section.deny, mistakes),
        overridable: section.overridable,
    };
    refuse_never_open(&windows, mistakes);
    windows
}

fn list(key: &str, sections: &[WindowSection], mistakes: &mut Mistakes<'_>) -> Vec<PolicyWindow> {
    if sections.len() > MOST {
        mistakes.add(&format!("{SECTION}.{key}.{MOST}"), format!("is one more than the {MOST} windows that are read"));
    }
    let numbered = sections.iter().take(MOST).enumerate();
    numbered.filter_map(|(number, section)| window(&format!("{SECTION}.{key}.{number}"), section, mistakes)).collect()
}

fn window(key: &str, section: &WindowSection, mistakes: &mut Mistakes<'_>) -> Option<PolicyWindow> {
    let text = WindowText {
        cron: section.cron.as_deref(),
        duration: section.duration.as_deref(),
        from: section.from.as_deref(),
        to: section.to.as_deref(),
        timezone: section.timezone.as_deref(),
        reason: section.reason.as_deref(),
    };
    let window = text.read().map_err(|found| {
        for wrong in found {
            let key = word(wrong.field).map_or_else(|| key.to_owned(), |word| format!("{key}.{word}"));
            mistakes.add(&key, format!("is wrong: {}; {}", wrong.message, wrong.help));
        }
    });
    let repositories = patterns(&format!("{key}.repositories"), &section.repositories, Of::Repositories, mistakes);
    let environments = patterns(&format!("{key}.environments"), &section.environments, Of::Environments, mistakes);
    Some(PolicyWindow { window: window.ok()?, repositories, environments })
}

/// What patterns are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Repositories,
    Environments,
}

/// Reads patterns of repositories, or of environments: with a slash too few or too many they would silently match nothing.
fn patterns(key: &str, texts: &[String], of: Of, mistakes: &mut Mistakes<'_>) -> Vec<GlobMatcher> {
    let mut patterns = Vec::new();
    for text in texts {
        match PolicyWindow::pattern(text) {
            Some(pattern) if text.contains('/') == (of == Of::Repositories) => patterns.push(pattern),
            Some(_) if of == Of::Environments => {
                mistakes.add(key, format!("holds `{text}`; write names of environments, which have no `/`"));
            }
            Some(_) => mistakes.add(
                key,
                format!("holds `{text}`, which is no `owner/name`; write `owner/*`, or `*/*` for every repository"),
            ),
            None => mistakes.add(
                key,
                format!(
                    "holds `{text}`, which is no name with `*` in it; use letters, digits, `-`, `_`, `.`, `/` and `*`"
                ),
            ),
        }
    }
    patterns
}

/// Refuses windows that keep everything closed for ever. Those that hold somewhere only are not compared.
fn refuse_never_open(windows: &ServerWindows, mistakes: &mut Mistakes<'_>) {
    let everywhere = |windows: &[PolicyWindow]| {
        let is = |window: &&PolicyWindow| window.repositories.is_empty() && window.environments.is_empty();
        windows.iter().filter(is).map(|window| window.window.clone()).collect()
    };
    if !(Windows { allow: everywhere(&windows.allow), deny: everywhere(&windows.deny) }).ever_opens() {
        mistakes.add(SECTION, "never opens: what denies covers all that allows; shorten a window that denies");
    }
}

fn word(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::Cron => "cron",
        Field::Duration => "duration",
        Field::From => "from",
        Field::To => "to",
        Field::Timezone => "timezone",
        Field::Reason => "reason",
        Field::Whole => return None,
    })
}
