//! Charts that are not in the dry tree: how they are named, and where in the tree whoever fetched them puts them.

/// The folder of a tree below which charts from elsewhere are put; nothing else may be there.
pub const REMOTE_CHARTS: &str = ".hydromote/charts";

/// A chart from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteChart {
    /// Its address with `oci://`, or that of the chart repository.
    pub location: String,
    /// Its name in the chart repository.
    pub name: Option<String>,
    /// The version, or a range of versions.
    pub version: String,
}

impl RemoteChart {
    /// Returns its own name.
    pub fn chart_name(&self) -> &str {
        let of_location = || self.location.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        self.name.as_deref().unwrap_or_else(of_location)
    }

    /// Returns how Helm is told of it where it may fetch: for people, who repeat a rendering.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let chart = match &self.name {
            Some(name) => vec![name.clone(), "--repo".into(), self.location.clone()],
            None => vec![self.location.clone()],
        };
        chart.into_iter().chain(["--version".into(), self.version.clone()]).collect()
    }

    /// Returns the folder of the tree that has it, which is another one for each chart.
    pub fn folder(&self) -> String {
        let (scheme, place) = self.location.split_once("://").unwrap_or(("", &self.location));
        let parts = place.split('/').chain(self.name.as_deref()).chain([self.version.as_str()]);
        let parts = parts.filter(|part| !part.is_empty()).map(segment);
        std::iter::once(format!("{REMOTE_CHARTS}/{}", segment(scheme))).chain(parts).collect::<Vec<_>>().join("/")
    }
}

/// Returns a text as one segment of a path, other ones for other texts.
fn segment(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_first = |position: usize, byte: u8| position == 0 && !byte.is_ascii_alphanumeric();
    let encoded = |(position, byte): (usize, u8)| match byte {
        byte if is_plain(byte) && !is_first(position, byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().enumerate().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told_from_each_other_and_lead_nowhere_else() {
        let folder = |location: &str, name: Option<&str>, version: &str| {
            let (location, name, version) = (location.to_owned(), name.map(str::to_owned), version.to_owned());
            RemoteChart { location, name, version }.folder()
        };
        assert_eq!(
            folder("oci://registry.example.com:5000/charts/redis", None, "20.1.0"),
            ".hydromote/charts/oci/registry.example.com%3A5000/charts/redis/20.1.0"
        );
        assert_eq!(
            folder("https://charts.example.com/", Some("redis"), "^20 || -x"),
            ".hydromote/charts/https/charts.example.com/redis/%5E20%20%7C%7C%20-x"
        );
        assert_eq!(folder("oci://../..", None, "../-x"), ".hydromote/charts/oci/%2E./%2E./%2E.%2F-x");
    }
}
