//! Where things are found: the addresses that stand in answers and payloads.

/// The forge's own address, without a slash at the end.
#[derive(Debug, Clone)]
pub(super) struct Urls {
    web: String,
}

impl Urls {
    pub(super) fn new(web: String) -> Self {
        Self { web }
    }

    /// Returns the address of the pages.
    pub(super) fn web(&self) -> &str {
        &self.web
    }

    /// Returns the address of the REST API.
    pub(super) fn api(&self) -> String {
        format!("{}/api/v3", self.web)
    }

    /// Returns a repository's page.
    pub(super) fn repository_page(&self, key: &str) -> String {
        format!("{}/{key}", self.web)
    }

    /// Returns a repository in the API.
    pub(super) fn repository(&self, key: &str) -> String {
        format!("{}/api/v3/repos/{key}", self.web)
    }

    /// Returns a pull request's page.
    pub(super) fn pull_page(&self, key: &str, number: u64) -> String {
        format!("{}/{key}/pull/{number}", self.web)
    }

    /// Returns where git clones from.
    pub(super) fn clone(&self, key: &str) -> String {
        format!("{}/{key}.git", self.web)
    }
}
