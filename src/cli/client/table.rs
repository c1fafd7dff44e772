//! Tables and lists on a terminal.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

use crate::domain::unseen::in_one_line;

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

/// Returns text that moves no cursor and turns nothing round: people wrote parts of it.
pub(super) fn printable(text: &str) -> String {
    text.split('\n').map(in_one_line).collect::<Vec<_>>().join("\n")
}

/// Returns a time as people read it.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
