//! Charts from elsewhere: where they are, and which versions of them are asked for.

mod origin;
mod version;

pub use self::{
    origin::{ChartOrigin, Malformed},
    version::{VersionRange, parse_version},
};

/// A chart from elsewhere as a source or another chart asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedChart {
    /// Where it is.
    pub origin: ChartOrigin,
    /// Which of its versions will do.
    pub range: VersionRange,
}

impl std::fmt::Display for WantedChart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.origin, self.range)
    }
}
