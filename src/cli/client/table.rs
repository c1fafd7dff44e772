//! Tables and lists on a terminal.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

/// Makes a table with these titles.
pub(super) fn new(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(titles);
    table
}

/// Returns a table without the blanks at the ends of its lines.
pub(super) fn render(table: &Table) -> String {
    table.to_string().lines().map(|line| printable(line.trim())).collect::<Vec<_>>().join("\n")
}

/// Returns text that moves no cursor: people wrote parts of it.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// Returns a time as people read it.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
