//! Where a chart from elsewhere is: in an OCI registry or in a chart repository.

use std::fmt;

use url::Url;

/// The longest path of a registry; the distribution specification has 255 for it with its host.
const LONGEST: usize = 255;
/// What begins the address of a chart in a registry.
const OCI: &str = "oci://";

/// Where a chart is. Two spellings of one place are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChartOrigin {
    /// In an OCI registry.
    Oci {
        /// The registry, perhaps with a port.
        host: String,
        /// The path there, whose last segment is the chart's name.
        path: String,
    },
    /// In a chart repository, which has an `index.yaml`.
    Repository {
        /// Its address, without a `/` at its end.
        url: String,
        /// The chart's name there.
        name: String,
    },
}

/// What is wrong with a text, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub remedy: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

impl ChartOrigin {
    /// Reads the address of a chart in a registry, such as `oci://registry.example.com/charts/redis`.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn oci(text: &str) -> Result<Self, Malformed> {
        let remedy = "write it like `oci://registry.example.com/charts/redis`";
        let wrong = |problem: String| Malformed { problem, remedy };
        let rest = text.strip_prefix(OCI).ok_or_else(|| wrong(format!("`{text}` does not begin with `oci://`")))?;
        let (host, path) = rest.split_once('/').ok_or_else(|| wrong(format!("`{text}` names no chart")))?;
        let parsed = Url::parse(&format!("https://{host}/")).ok();
        let parsed = parsed.filter(|url| url.username().is_empty() && url.password().is_none() && url.path() == "/");
        let host = parsed.as_ref().and_then(host_of).ok_or_else(|| wrong(format!("`{text}` has no host")))?;
        let path = path.trim_end_matches('/');
        if path.contains([':', '@']) {
            let problem = format!("`{text}` has a tag or a digest");
            return Err(Malformed { problem, remedy: "name the version with `version`" });
        }
        if path.is_empty() || path.len() > LONGEST || !path.split('/').all(is_component) {
            return Err(wrong(format!("`{path}` is no path in a registry")));
        }
        Ok(Self::Oci { host, path: path.to_owned() })
    }

    /// Reads the address of a chart repository and the name of a chart in it.
    ///
    /// # Errors
    /// With what is wrong with them.
    pub fn repository(text: &str, name: &str) -> Result<Self, Malformed> {
        let remedy = "write it like `https://charts.example.com`";
        let wrong = |problem: String| Malformed { problem, remedy };
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| wrong(format!("`{text}` is no address of a chart repository")))?;
        if !url.username().is_empty() || url.password().is_some() {
            let problem = "the address of the chart repository has credentials in it".to_owned();
            return Err(Malformed { problem, remedy: "leave them out: credentials are settings of whoever fetches" });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(format!("`{text}` has something after its path")));
        }
        if !is_name(name) {
            let problem = format!("`{name}` is no name of a chart");
            return Err(Malformed { problem, remedy: "use letters, digits, `.`, `_` and `-`" });
        }
        Ok(Self::Repository { url: url.as_str().trim_end_matches('/').to_owned(), name: name.to_owned() })
    }

    /// Reads what a dependency of a chart has as its `repository` and `name`.
    ///
    /// # Errors
    /// With what is wrong with them.
    pub fn dependency(repository: &str, name: &str) -> Result<Self, Malformed> {
        match repository.strip_prefix(OCI) {
            Some(_) => Self::oci(&format!("{}/{name}", repository.trim_end_matches('/'))),
            None => Self::repository(repository, name),
        }
    }

    /// Returns the chart's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Oci { path, .. } => path.rsplit('/').next().unwrap_or(path),
            Self::Repository { name, .. } => name,
        }
    }
}

impl fmt::Display for ChartOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci { host, path } => write!(f, "{OCI}{host}/{path}"),
            Self::Repository { url, name } => write!(f, "{name} of {url}"),
        }
    }
}

/// Returns the host of an address with its port, where that is not the usual one.
fn host_of(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| !host.is_empty())?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Says whether a text is one part of a path in a registry.
fn is_component(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && text.chars().all(|c| is_alphanumeric(c) || matches!(c, '.' | '_' | '-'))
        && !text.contains("..")
}

/// Says whether a text can be the name of a chart.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= LONGEST
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_place_are_equal() {
        let oci = |text: &str| ChartOrigin::oci(text).map(|origin| origin.to_string()).expect("an origin");
        assert_eq!(oci("oci://Registry.Example.com:443/charts/redis/"), "oci://registry.example.com/charts/redis");
        assert_eq!(oci("oci://127.0.0.1:5000/redis"), "oci://127.0.0.1:5000/redis");
        let of = |url: &str| ChartOrigin::repository(url, "redis").map(|origin| origin.to_string()).expect("an origin");
        assert_eq!(of("https://Charts.example.com:443/stable/"), "redis of https://charts.example.com/stable");
        let dependency = ChartOrigin::dependency("oci://registry.example.com/charts/", "redis").expect("an origin");
        assert_eq!(dependency.to_string(), "oci://registry.example.com/charts/redis");
        assert_eq!(dependency.name(), "redis");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let refused = |text: &str| ChartOrigin::oci(text).expect_err(text).to_string();
        for text in ["https://a/b", "oci://a", "oci:///b", "oci://u:p@a/b", "oci://a/../b", "oci://a/B", "oci://a/b?c"]
        {
            refused(text);
        }
        assert_eq!(
            refused("oci://a/b:1.0.0"),
            "`oci://a/b:1.0.0` has a tag or a digest; name the version with `version`"
        );
        for (url, name) in [
            ("ftp://a", "b"),
            ("https://u:p@a", "b"),
            ("file:///etc", "b"),
            ("https://a?token=x", "b"),
            ("@alias", "b"),
            ("https://a", "../b"),
            ("https://a", "-b"),
            ("https://a", ""),
        ] {
            assert!(ChartOrigin::repository(url, name).is_err(), "{url} {name}");
        }
    }
}
