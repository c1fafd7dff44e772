//! What is said of windows, once for every place where it is read.

use std::fmt;

use jiff::Timestamp;

use super::{WindowName, WindowSource};
use crate::domain::gate::clock;

/// Says why windows keep a promotion waiting.
///
/// # Errors
/// As the formatter's.
pub fn write_closed(
    f: &mut fmt::Formatter<'_>,
    of: WindowSource,
    window: Option<&WindowName>,
    until: Option<Timestamp>,
) -> fmt::Result {
    match (window, of) {
        (Some(window), WindowSource::Strategy) => write!(f, "closed by a window ({window})")?,
        (Some(window), WindowSource::Server) => write!(f, "closed by a window of the server ({window})")?,
        (None, WindowSource::Strategy) => f.write_str("outside of the windows that allow promotions")?,
        (None, WindowSource::Server) => f.write_str("outside of the server's windows that allow promotions")?,
    }
    match until {
        Some(until) => write!(f, " until {}", clock(until)),
        None => f.write_str(", with no opening in sight"),
    }
}

/// Says which window let a promotion through.
///
/// # Errors
/// As the formatter's.
pub fn write_open(
    f: &mut fmt::Formatter<'_>,
    of: WindowSource,
    window: Option<&WindowName>,
    until: Option<Timestamp>,
) -> fmt::Result {
    match (window, of) {
        (Some(window), WindowSource::Strategy) => write!(f, "inside of a window ({window})")?,
        (Some(window), WindowSource::Server) => write!(f, "inside of a window of the server ({window})")?,
        (None, WindowSource::Strategy) => f.write_str("no window closed it")?,
        (None, WindowSource::Server) => f.write_str("no window of the server closed it")?,
    }
    until.map_or(Ok(()), |until| write!(f, ", open until {}", clock(until)))
}

/// Says who went past closed windows, and why.
///
/// # Errors
/// As the formatter's.
pub fn write_overridden(
    f: &mut fmt::Formatter<'_>,
    of: WindowSource,
    window: Option<&WindowName>,
    by: &str,
    at: Timestamp,
    reason: &str,
) -> fmt::Result {
    write!(f, "{by} overrode the windows of {of} at {}: {reason}", clock(at))?;
    window.map_or(Ok(()), |window| write!(f, " (closed by {window})"))
}
