//! `hydromote.lock`: which archive stands for each chart that is asked for.
//!
//! The file is written by `hydromote lock` in one way alone, so that it changes where something changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::domain::chart::{ChartOrigin, VersionRange, WantedChart, parse_version};

/// Where it is in the dry repository.
pub const FILE: &str = "hydromote.lock";
/// The version of its format.
const API_VERSION: &str = "hydromote.dev/v1alpha1";
/// What it is.
const KIND: &str = "ChartLock";
/// What it begins with.
const HEADING: &str = "# Which archives stand for charts from elsewhere. Written by `hydromote lock`; commit it.\n";
/// The largest one that is read, bytes: thousands of charts.
const MOST_BYTES: usize = 4 << 20;

/// What is pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockFile {
    /// By what is asked for.
    pub charts: BTreeMap<WantedChart, Pinned>,
}

/// One version of a chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// The version.
    pub version: String,
    /// Where its archive is.
    pub url: String,
    /// The digest of the archive, hexadecimal digits.
    pub sha256: String,
}

/// What is wrong with a lock file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LockMistake {
    /// The line, from 1, where known.
    pub line: Option<u64>,
    /// What is wrong, and the remedy.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    #[serde(default)]
    charts: Vec<serde_saphyr::Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    oci: Option<String>,
    repository: Option<String>,
    name: Option<String>,
    asked: String,
    version: String,
    url: String,
    sha256: String,
}

impl LockFile {
    /// Reads a lock file.
    ///
    /// # Errors
    /// With the first thing that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockMistake> {
        let wrong = |line: Option<u64>, what: &str| LockMistake {
            line,
            message: format!("{what}; `hydromote lock` writes it, and mends it once the file is removed"),
        };
        if bytes.len() > MOST_BYTES {
            return Err(wrong(None, "the file is larger than any lock file"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong(None, "the file is no text"))?;
        let document: Document = serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map(|location| location.line());
            wrong(line, &error.without_snippet().to_string())
        })?;
        if document.api_version != API_VERSION || document.kind != KIND {
            return Err(wrong(None, &format!("this is no `{KIND}` of `{API_VERSION}`, which this version reads")));
        }
        let mut charts = BTreeMap::new();
        for entry in document.charts {
            let line = Some(entry.referenced.line());
            let (wanted, pinned) = entry.value.read().map_err(|what| wrong(line, &what))?;
            let shown = wanted.to_string();
            if charts.insert(wanted, pinned).is_some() {
                return Err(wrong(line, &format!("`{shown}` is pinned twice")));
            }
        }
        Ok(Self { charts })
    }

    /// Returns which of some charts it does not pin, and which it pins without need.
    pub fn differences<'a>(
        &'a self,
        wanted: &'a BTreeSet<WantedChart>,
    ) -> (Vec<&'a WantedChart>, Vec<&'a WantedChart>) {
        let missing = wanted.iter().filter(|wanted| !self.charts.contains_key(wanted)).collect();
        (missing, self.charts.keys().filter(|pinned| !wanted.contains(*pinned)).collect())
    }
}

impl Entry {
    fn read(self) -> Result<(WantedChart, Pinned), String> {
        let origin = match (&self.oci, &self.repository, &self.name) {
            (Some(oci), None, None) => ChartOrigin::oci(oci),
            (None, Some(repository), Some(name)) => ChartOrigin::repository(repository, name),
            _ => return Err("an entry has either `oci`, or `repository` and `name`".to_owned()),
        };
        let origin = origin.map_err(|malformed| malformed.problem)?;
        let range = VersionRange::parse(&self.asked).map_err(|malformed| malformed.problem)?;
        if !parse_version(&self.version).is_some_and(|version| range.holds_for(&version)) {
            let version = self.version.escape_debug();
            return Err(format!("the version `{version}` is none that `{range}` asks for"));
        }
        if !is_sha256(&self.sha256) {
            return Err(format!("`{}` is no SHA-256 digest", self.sha256.escape_debug()));
        }
        let pinned = Pinned { version: self.version, url: self.url, sha256: self.sha256 };
        Ok((WantedChart { origin, range }, pinned))
    }
}

impl fmt::Display for LockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEADING}apiVersion: {API_VERSION}\nkind: {KIND}\ncharts:")?;
        if self.charts.is_empty() {
            return f.write_str(" []\n");
        }
        f.write_str("\n")?;
        for (WantedChart { origin, range }, pinned) in &self.charts {
            match origin {
                ChartOrigin::Oci { .. } => writeln!(f, "- oci: {}", quoted(&origin.to_string()))?,
                ChartOrigin::Repository { url, name } => {
                    writeln!(f, "- repository: {}\n  name: {}", quoted(url), quoted(name))?;
                }
            }
            let Pinned { version, url, sha256 } = pinned;
            for (key, text) in [("asked", range.as_str()), ("version", version), ("url", url), ("sha256", sha256)] {
                writeln!(f, "  {key}: {}", quoted(text))?;
            }
        }
        Ok(())
    }
}

/// What JSON quotes is quoted in YAML too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Says whether a text is a digest as it is written here.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> LockFile {
        let range = |text: &str| VersionRange::parse(text).expect(text);
        let pinned = |version: &str, url: &str| Pinned {
            version: version.to_owned(),
            url: url.to_owned(),
            sha256: "0".repeat(64),
        };
        let redis = ChartOrigin::oci("oci://registry.example.com/charts/redis").expect("an origin");
        let common = ChartOrigin::repository("https://charts.example.com", "common").expect("an origin");
        LockFile {
            charts: BTreeMap::from([
                (
                    WantedChart { origin: common, range: range("1.x") },
                    pinned("1.4.0", "https://charts.example.com/common-1.4.0.tgz"),
                ),
                (
                    WantedChart { origin: redis.clone(), range: range("20.1.0") },
                    pinned("20.1.0", "oci://registry.example.com/charts/redis:20.1.0"),
                ),
                (
                    WantedChart { origin: redis, range: range("^20") },
                    pinned("20.2.0", "oci://registry.example.com/charts/redis:20.2.0"),
                ),
            ]),
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let text = sample().to_string();
        insta::assert_snapshot!(text, @r#"
        # Which archives stand for charts from elsewhere. Written by `hydromote lock`; commit it.
        apiVersion: hydromote.dev/v1alpha1
        kind: ChartLock
        charts:
        - oci: "oci://registry.example.com/charts/redis"
          asked: "20.1.0"
          version: "20.1.0"
          url: "oci://registry.example.com/charts/redis:20.1.0"
          sha256: "0000000000000000000000000000000000000000000000000000000000000000"
        - oci: "oci://registry.example.com/charts/redis"
          asked: "^20"
          version: "20.2.0"
          url: "oci://registry.example.com/charts/redis:20.2.0"
          sha256: "0000000000000000000000000000000000000000000000000000000000000000"
        - repository: "https://charts.example.com"
          name: "common"
          asked: "1.x"
          version: "1.4.0"
          url: "https://charts.example.com/common-1.4.0.tgz"
          sha256: "0000000000000000000000000000000000000000000000000000000000000000"
        "#);
        assert_eq!(LockFile::parse(text.as_bytes()), Ok(sample()));
        assert_eq!(LockFile::parse(LockFile::default().to_string().as_bytes()), Ok(LockFile::default()));
    }

    #[test]
    fn mistakes_have_their_line_and_a_remedy() {
        let told = |from: &str, to: &str| {
            let mistake = LockFile::parse(sample().to_string().replacen(from, to, 1).as_bytes()).expect_err(to);
            format!("{:?} {mistake}", mistake.line)
        };
        let remedy = "; `hydromote lock` writes it, and mends it once the file is removed";
        assert_eq!(
            told("\"^20\"", "\"^21\""),
            format!("Some(10) the version `20.2.0` is none that `^21` asks for{remedy}")
        );
        assert_eq!(told(&"0".repeat(64), "abc"), format!("Some(5) `abc` is no SHA-256 digest{remedy}"));
        assert_eq!(told("\"^20\"", "\"20.1.0\"").split_once(' ').map(|(line, _)| line), Some("Some(10)"));
        assert!(told("ChartLock", "Chart").contains("no `ChartLock`"));
        assert!(told("charts:", "chart:").contains("unknown field"));
    }
}
