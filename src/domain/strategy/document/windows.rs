//! Deployment windows as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, DurationText};

/// When promotions may be merged. A window that denies wins over any that allows; where some allow, promotions are
/// merged only inside of one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowsDocument {
    /// Windows inside of which promotions are merged, and outside of which they wait.
    pub allow: Option<At<Vec<At<WindowDocument>>>>,
    /// Windows inside of which promotions wait.
    pub deny: Option<At<Vec<At<WindowDocument>>>>,
}

/// One window: `cron` and `duration` for one that comes again, `from` and `to` for one that comes once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowDocument {
    /// When it begins, in five fields: minute, hour, day of the month, month, day of the week, such as `0 18 * * FRI`.
    pub cron: Option<At<String>>,
    /// How long it is from each beginning on, as time that passes.
    pub duration: Option<At<DurationText>>,
    /// The local time at which it begins, such as `2026-12-20T18:00`.
    pub from: Option<At<String>>,
    /// The local time at which it ends.
    pub to: Option<At<String>>,
    /// Whose clocks its times are read by: a name of the IANA database, such as `Europe/Berlin`. Default: `UTC`.
    pub timezone: Option<At<String>>,
    /// What it is for, in a few words; shown wherever a promotion waits for it.
    pub reason: Option<At<String>>,
}
