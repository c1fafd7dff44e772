//! Reads charts from an OCI registry: tags, manifests and blobs of the distribution specification's pull API.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>; tokens as in
//! <https://distribution.github.io/distribution/spec/auth/token/>. How Helm packs charts is in
//! <https://helm.sh/docs/topics/registries/>: `+` of a version is `_` in its tag.

use http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use super::{
    ChartError,
    cache::digest,
    download::{Answer, Downloads, Request, basic, expect_success, sized},
    hosts::shown,
};

/// How Helm calls the layer with the chart.
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// What a manifest is called.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The largest manifest, list of tags or token; registries take no larger manifests.
const MOST_BYTES: u64 = 4 << 20;
/// How many pages of tags are read.
const PAGES: usize = 100;

/// One repository of a registry.
pub(super) struct Registry<'a> {
    downloads: &'a Downloads,
    base: Url,
    path: &'a str,
    /// What the registry asked for once, it asks for again.
    authorization: OnceCell<SecretString>,
}

/// The layer of a chart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// Hexadecimal digits.
    pub(super) sha256: String,
    pub(super) size: u64,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// What a registry wants to know first.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl<'a> Registry<'a> {
    pub(super) fn new(downloads: &'a Downloads, host: &str, path: &'a str) -> Result<Self, ChartError> {
        Ok(Self { downloads, base: downloads.base_of(host)?, path, authorization: OnceCell::new() })
    }

    /// Returns the tags that could be versions.
    pub(super) async fn versions(&self) -> Result<Vec<String>, ChartError> {
        let what = format!("the tags of `{}`", self.path);
        let mut url = self.url("tags/list")?;
        url.set_query(Some("n=1000"));
        let mut versions = Vec::new();
        for _ in 0..PAGES {
            let answer = self.get(url.clone(), &what, None, MOST_BYTES).await?;
            expect_success(&answer, &what, &shown(&self.base))?;
            let tags: Tags = self.parse(&answer, &what)?;
            versions.extend(tags.tags.unwrap_or_default().iter().map(|tag| tag.replace('_', "+")));
            match next_page(&url, &answer.headers) {
                Some(next) if next.origin() == self.base.origin() => url = next,
                _ => return Ok(versions),
            }
        }
        Err(ChartError::wrong(format!("`{}` has too many tags of `{}`", shown(&self.base), self.path)))
    }

    /// Returns the layer of one version.
    pub(super) async fn layer(&self, version: &str) -> Result<Layer, ChartError> {
        let tag = version.replace('+', "_");
        let what = format!("`{}:{tag}`", self.path);
        let answer = self.get(self.url(&format!("manifests/{tag}"))?, &what, Some(MANIFEST), MOST_BYTES).await?;
        expect_success(&answer, &what, &shown(&self.base))?;
        let manifest: Manifest = self.parse(&answer, &what)?;
        let mut charts = manifest.layers.into_iter().filter(|layer| layer.media_type == CHART);
        let (Some(layer), None) = (charts.next(), charts.next()) else {
            return Err(ChartError::author(format!("{what} of `{}` is no chart", shown(&self.base))));
        };
        let sha256 = layer.digest.strip_prefix("sha256:").filter(|text| super::lock_file::is_sha256(text));
        let sha256 = sha256.ok_or_else(|| ChartError::wrong(format!("{what} has a layer without a SHA-256 digest")))?;
        Ok(Layer { sha256: sha256.to_owned(), size: layer.size })
    }

    /// Returns a blob; its digest is checked by whoever asked for it.
    pub(super) async fn blob(&self, sha256: &str) -> Result<Vec<u8>, ChartError> {
        let what = format!("the archive of `{}`", self.path);
        let url = self.url(&format!("blobs/sha256:{sha256}"))?;
        let answer = self.get(url, &what, None, self.downloads.limits.archive).await?;
        expect_success(&answer, &what, &shown(&self.base))?;
        Ok(answer.body)
    }

    /// Returns a layer, which has to be what the manifest said.
    pub(super) async fn archive(&self, layer: &Layer) -> Result<Vec<u8>, ChartError> {
        let most = self.downloads.limits.archive;
        if layer.size > most {
            return Err(ChartError::wrong(format!(
                "the archive of `{}` is larger than {}, the most that is taken",
                self.path,
                sized(most)
            )));
        }
        let archive = self.blob(&layer.sha256).await?;
        if digest(&archive) != layer.sha256 {
            let host = shown(&self.base);
            return Err(ChartError::wrong(format!("`{host}` sends another archive of `{}` than it names", self.path)));
        }
        Ok(archive)
    }

    fn url(&self, rest: &str) -> Result<Url, ChartError> {
        let path = format!("v2/{}/{rest}", self.path);
        self.base.join(&path).map_err(|_| ChartError::author(format!("`{path}` is no address")))
    }

    async fn get(
        &self,
        url: Url,
        what: &str,
        accept: Option<&'static str>,
        most_bytes: u64,
    ) -> Result<Answer, ChartError> {
        let request =
            |authorization: Option<SecretString>| Request { url: url.clone(), what, accept, authorization, most_bytes };
        let answer = self.downloads.get(request(self.authorization.get().cloned())).await?;
        if answer.status != StatusCode::UNAUTHORIZED || self.authorization.initialized() {
            return Ok(answer);
        }
        let Some(challenge) = challenge(&answer.headers) else { return Ok(answer) };
        let Some(authorization) = self.answer_to(&challenge).await? else { return Ok(answer) };
        drop(self.authorization.set(authorization.clone()));
        self.downloads.get(request(Some(authorization))).await
    }

    /// Returns what a registry wants to see; nothing when there is nothing to show.
    async fn answer_to(&self, challenge: &Challenge) -> Result<Option<SecretString>, ChartError> {
        let credentials = self.downloads.credentials_of(&self.base);
        let Challenge::Bearer { realm, service } = challenge else { return Ok(credentials.map(basic)) };
        let host = shown(&self.base);
        let mut url = Url::parse(realm)
            .map_err(|_| ChartError::wrong(format!("`{host}` names `{}` for tokens", realm.escape_debug())))?;
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        url.query_pairs_mut().append_pair("scope", &format!("repository:{}:pull", self.path));
        let is_same = url.origin() == self.base.origin();
        let is_named = |name: &str| url.scheme() == self.base.scheme() && shown(&url) == name.to_lowercase();
        // Whoever runs a registry says where tokens are; that alone is no reason to show credentials there.
        let credentials =
            credentials.filter(|one| is_same || one.token_host.as_deref().is_some_and(is_named)).map(basic);
        let (has_credentials, at) = (credentials.is_some(), shown(&url));
        let what = format!("a token for `{host}`");
        let request = Request { url, what: &what, accept: None, authorization: credentials, most_bytes: MOST_BYTES };
        let answer = self.downloads.get(request).await?;
        if !has_credentials && !answer.status.is_success() && self.downloads.credentials_of(&self.base).is_some() {
            return Err(ChartError::operator(format!(
                "`{host}` has its tokens from `{at}`, which is shown no credentials; name it as the `token_host` of \
                 `{host}` in `[[charts.credentials]]`"
            )));
        }
        expect_success(&answer, &what, &at)?;
        let token: Token = self.parse(&answer, &what)?;
        let token = token.token.or(token.access_token);
        let token = token.ok_or_else(|| ChartError::wrong(format!("`{at}` answers without a token")))?;
        Ok(Some(format!("Bearer {token}").into()))
    }

    fn parse<'b, T: Deserialize<'b>>(&self, answer: &'b Answer, what: &str) -> Result<T, ChartError> {
        serde_json::from_slice(&answer.body)
            .map_err(|_| ChartError::wrong(format!("what `{}` sends as {what} cannot be read", shown(&self.base))))
    }
}

/// Returns where the next page is.
fn next_page(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let link = headers.get(header::LINK)?.to_str().ok()?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\"") || part.contains("rel=next"))?;
    let (_, rest) = next.split_once('<')?;
    url.join(rest.split_once('>')?.0).ok()
}

/// Reads what a registry asks for: `Bearer realm="…",service="…"`, or `Basic …`.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let challenges = headers.get_all(header::WWW_AUTHENTICATE);
    challenges.iter().filter_map(|value| value.to_str().ok()).find_map(|text| {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest);
        Some(Challenge::Bearer { realm: parameters.remove("realm")?, service: parameters.remove("service") })
    })
}

/// Reads `a="b",c="d"`, where values may have commas in them.
fn parameters(text: &str) -> std::collections::BTreeMap<String, String> {
    let mut parameters = std::collections::BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_lowercase();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        parameters.insert(name, value.to_owned());
        rest = after;
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::WWW_AUTHENTICATE, text.parse().expect("a value"));
            challenge(&headers)
        };
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned) })
        };
        assert_eq!(
            read(r#"Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a:pull,push""#),
            bearer("https://auth.example.com/token", Some("registry"))
        );
        assert_eq!(read("bearer realm=https://a/b, scope=x"), bearer("https://a/b", None));
        assert_eq!(read(r#"Basic realm="x""#), Some(Challenge::Basic));
        assert_eq!(read("Negotiate"), None);
        assert_eq!(read("Bearer"), None);
    }

    #[test]
    fn pages_follow_each_other_by_links() {
        let mut headers = HeaderMap::new();
        headers.insert(header::LINK, r#"</v2/a/tags/list?last=b&n=2>; rel="next""#.parse().expect("a value"));
        let url = Url::parse("https://registry.example.com/v2/a/tags/list?n=2").expect("an address");
        let next = next_page(&url, &headers).map(String::from);
        assert_eq!(next.as_deref(), Some("https://registry.example.com/v2/a/tags/list?last=b&n=2"));
    }
}
