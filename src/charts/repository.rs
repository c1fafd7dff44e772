//! Reads charts from a chart repository: an `index.yaml` and the archives that it names.
//!
//! <https://helm.sh/docs/topics/chart_repository/>

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::{
    ChartError,
    download::{Downloads, Request, basic, expect_success},
    hosts::shown,
    lock_file::is_sha256,
};
use crate::blocking::blocking;

/// One version of a chart as an index has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Listed {
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    digest: Option<String>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    entries: BTreeMap<String, Vec<Listed>>,
}

/// Returns the versions of a chart.
pub(super) async fn versions(downloads: &Downloads, repository: &str, name: &str) -> Result<Vec<Listed>, ChartError> {
    let base = base(repository)?;
    let url = base.join("index.yaml").map_err(|_| ChartError::author(format!("`{repository}` is no address")))?;
    let what = "the index of the chart repository";
    let authorization = downloads.credentials_of(&url).map(basic);
    let request = Request { url, what, accept: None, authorization, most_bytes: downloads.limits.index };
    let answer = downloads.get(request).await?;
    expect_success(&answer, what, &shown(&base))?;
    let wanted = name.to_owned();
    let index = blocking(move || read_index(&answer.body, &wanted)).await;
    let index = index.map_err(|_| ChartError::wrong(format!("the index of `{repository}` cannot be read")))?;
    index.ok_or_else(|| ChartError::author(format!("`{repository}` has no chart `{name}`")))
}

/// Returns where the archive of a version is, whole, and the digest that the index says it has.
pub(super) fn place(repository: &str, listed: &Listed) -> Result<(Url, Option<String>), ChartError> {
    let refused = |what: &str| {
        ChartError::wrong(format!("the index of `{repository}` names {what} for {}", listed.version.escape_debug()))
    };
    let text = listed.urls.first().ok_or_else(|| refused("no archive"))?;
    let url = base(repository)?.join(text).map_err(|_| refused("an address that is none"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(refused("an address that cannot be used"));
    }
    let digest = listed.digest.as_deref().filter(|digest| !digest.is_empty());
    let digest = digest.map(|digest| digest.strip_prefix("sha256:").unwrap_or(digest).to_lowercase());
    if digest.as_deref().is_some_and(|digest| !is_sha256(digest)) {
        return Err(refused("a digest that is none"));
    }
    Ok((url, digest))
}

/// Gets an archive. The credentials of the repository go to its own host alone.
pub(super) async fn archive(
    downloads: &Downloads,
    repository: &str,
    url: &str,
    of: &str,
) -> Result<Vec<u8>, ChartError> {
    let url = Url::parse(url).map_err(|_| ChartError::author(format!("`{}` is no address", url.escape_debug())))?;
    let base = base(repository)?;
    let authorization = downloads.credentials_of(&base).filter(|_| base.origin() == url.origin()).map(basic);
    let (what, host) = (format!("the archive of `{of}`"), shown(&url));
    let request = Request { url, what: &what, accept: None, authorization, most_bytes: downloads.limits.archive };
    let answer = downloads.get(request).await?;
    expect_success(&answer, &what, &host)?;
    Ok(answer.body)
}

fn base(repository: &str) -> Result<Url, ChartError> {
    Url::parse(&format!("{repository}/")).map_err(|_| ChartError::author(format!("`{repository}` is no address")))
}

/// Reads what an index has of one chart; an index may be as large as its size limit lets it be.
fn read_index(bytes: &[u8], name: &str) -> Result<Option<Vec<Listed>>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let length = text.len();
    let budget = serde_saphyr::budget! {
        max_events: length,
        max_nodes: length,
        max_total_scalar_bytes: length,
        max_documents: 1,
        max_depth: 64,
    };
    let options = serde_saphyr::options! { budget: budget };
    let mut index: Index = serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    Ok(index.entries.remove(name))
}
