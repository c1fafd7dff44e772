//! When promotions may be merged.

use crate::domain::{
    strategy::{
        document::{WindowDocument, WindowsDocument},
        mistake::Report,
        position::{At, Position},
    },
    windows::{Field, Window, WindowText, Windows},
};

/// More windows of one kind are refused.
const MOST: usize = 20;

/// The windows that the strategy has for every environment.
pub(super) struct Common {
    windows: Windows,
    /// Whether they alone never open, which was said once already.
    never_open: bool,
}

impl Common {
    /// Returns the windows that the strategy has for every environment.
    pub(super) fn read(document: Option<&WindowsDocument>, report: &mut Report<'_>) -> Self {
        let windows = windows(document, report);
        let never_open = refuse_never_open(&windows, document, report);
        Self { windows, never_open }
    }

    /// Returns these windows and those that an environment adds.
    pub(super) fn with(&self, document: Option<&WindowsDocument>, report: &mut Report<'_>) -> Windows {
        let both = self.windows.and(&windows(document, report));
        if !self.never_open {
            refuse_never_open(&both, document, report);
        }
        both
    }
}

fn windows(document: Option<&WindowsDocument>, report: &mut Report<'_>) -> Windows {
    let Some(document) = document else { return Windows::default() };
    Windows {
        allow: list("allow", document.allow.as_ref(), report),
        deny: list("deny", document.deny.as_ref(), report),
    }
}

fn list(key: &str, entries: Option<&At<Vec<At<WindowDocument>>>>, report: &mut Report<'_>) -> Vec<Window> {
    let Some(entries) = entries else { return Vec::new() };
    if entries.value.is_empty() {
        let position = report.key(key, entries.position);
        report.mistake(position, format!("`{key}` lists no window"), format!("list at least one, or remove `{key}`"));
    }
    if let Some(extra) = entries.value.get(MOST) {
        report.mistake(extra.position, format!("a list has at most {MOST} windows"), "combine some of them");
    }
    entries.value.iter().take(MOST).filter_map(|entry| window(entry, report)).collect()
}

fn window(At { value: document, position }: &At<WindowDocument>, report: &mut Report<'_>) -> Option<Window> {
    let text = |text: &Option<At<String>>| text.as_ref().map(|text| text.value.clone());
    let (cron, from, to) = (text(&document.cron), text(&document.from), text(&document.to));
    let (timezone, reason) = (text(&document.timezone), text(&document.reason));
    let read = WindowText {
        cron: cron.as_deref(),
        duration: document.duration.as_ref().map(|duration| duration.value.0.as_str()),
        from: from.as_deref(),
        to: to.as_deref(),
        timezone: timezone.as_deref(),
        reason: reason.as_deref(),
    };
    match read.read() {
        Ok(window) => {
            if let (Some(over), Some(to)) = (window.over(), &document.to) {
                let message = format!("the window is over since {}", to.value);
                report.warning_from(over, to.position, message, "remove it, or correct its times");
            }
            Some(window)
        }
        Err(found) => {
            for wrong in found {
                report.mistake(place_of(wrong.field, document, *position), wrong.message, wrong.help);
            }
            None
        }
    }
}

fn place_of(field: Field, document: &WindowDocument, whole: Position) -> Position {
    let text = match field {
        Field::Cron => document.cron.as_ref(),
        Field::Duration => return document.duration.as_ref().map_or(whole, |duration| duration.position),
        Field::From => document.from.as_ref(),
        Field::To => document.to.as_ref(),
        Field::Timezone => document.timezone.as_ref(),
        Field::Reason => document.reason.as_ref(),
        Field::Whole => None,
    };
    text.map_or(whole, |text| text.position)
}

/// Says whether there is no time at which they are open, and reports it where they are listed.
fn refuse_never_open(windows: &Windows, document: Option<&WindowsDocument>, report: &mut Report<'_>) -> bool {
    let Some(document) = document.filter(|_| !windows.ever_opens()) else { return false };
    let lists = [("deny", &document.deny), ("allow", &document.allow)];
    let Some((key, entries)) = lists.iter().find_map(|(key, list)| Some((key, list.as_ref()?))) else { return false };
    let position = report.key(key, entries.position);
    report.mistake(
        position,
        "the windows never open: what denies covers all that allows",
        "shorten a window of `deny`, or add one to `allow` at another time",
    );
    true
}
