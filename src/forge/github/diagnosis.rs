//! What GitHub tells of a token or an App, and of what it may do.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{client::Client, model::UserBody};
use crate::{
    domain::ids::RepositoryId,
    forge::{
        CredentialSeen, ForgeError,
        calls::{Answer, Call, parse, whose_token},
        diagnosis, github_like,
    },
};

/// When a token ends, where it does.
const EXPIRATION: &str = "github-authentication-token-expiration";
/// The scopes of a classic token.
const SCOPES: &str = "x-oauth-scopes";
/// What an App must be allowed, and as what that is shown.
const PERMISSIONS: [(&str, &str, &str); 5] = [
    ("contents", "write", "*Contents*: read and write, to push and to merge"),
    ("pull_requests", "write", "*Pull requests*: read and write"),
    ("statuses", "write", "*Commit statuses*: read and write"),
    ("checks", "read", "*Checks*: read"),
    ("metadata", "read", "*Metadata*: read"),
];

#[derive(Deserialize)]
struct AppBody {
    slug: String,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct InstallationBody {
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RepositoryBody {
    permissions: Option<RightsBody>,
}

#[derive(Deserialize)]
struct RightsBody {
    #[serde(default)]
    push: bool,
}

/// Returns what is to be known of a token.
pub(super) async fn of_token(client: &Client, token: &SecretString) -> Result<CredentialSeen, ForgeError> {
    let call = whose_token();
    let answer = client.read(&call, &call.path).await?;
    let user: UserBody = parse(&answer.body, &call.what)?;
    let kind = match token.expose_secret() {
        token if token.starts_with("github_pat_") => "fine-grained personal access token",
        token if token.starts_with("ghp_") => "personal access token (classic)",
        token if token.starts_with("gho_") => "OAuth token",
        token if token.starts_with("ghs_") => "installation token, which lives for an hour",
        _ => "token",
    };
    Ok(CredentialSeen {
        login: user.login,
        kind: kind.to_owned(),
        expires_at: text(&answer, EXPIRATION).and_then(expiration),
        lacks: text(&answer, SCOPES).map(lacking_scopes).unwrap_or_default(),
        forge_time: diagnosis::time(&answer.headers),
    })
}

/// Returns what is to be known of an App.
pub(super) async fn of_app(client: &Client) -> Result<CredentialSeen, ForgeError> {
    let call = Call::new("/app", "/app".to_owned(), "say which App this is".to_owned());
    let answer = client.read(&call, &call.path).await?;
    let app: AppBody = parse(&answer.body, &call.what)?;
    Ok(CredentialSeen {
        login: format!("{}[bot]", app.slug),
        kind: format!("GitHub App `{}`", app.slug),
        expires_at: None,
        lacks: lacking_permissions(&app.permissions),
        forge_time: diagnosis::time(&answer.headers),
    })
}

/// Returns what the account of a token may not do in a repository; what a fine-grained token was not given is not told.
pub(super) async fn lacking(client: &Client, repository: &RepositoryId) -> Result<Vec<String>, ForgeError> {
    let body: RepositoryBody = github_like::repository(client, repository).await?;
    let may_push = body.permissions.is_none_or(|rights| rights.push);
    Ok(if may_push { Vec::new() } else { vec![github_like::LACKS_WRITE.to_owned()] })
}

/// Returns what the App's installation for a repository was not given.
pub(super) async fn lacking_of_app(client: &Client, repository: &RepositoryId) -> Result<Vec<String>, ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/installation",
        format!("/repos/{repository}/installation"),
        format!("find the App's installation for `{repository}`"),
    );
    Ok(lacking_permissions(&client.get::<InstallationBody>(&call).await?.permissions))
}

fn lacking_permissions(given: &BTreeMap<String, String>) -> Vec<String> {
    let is_given = |name: &str, needed: &str| {
        given.get(name).is_some_and(|given| given == needed || given == "write" || given == "admin")
    };
    let lacking = PERMISSIONS.into_iter().filter(|(name, needed, _)| !is_given(name, needed));
    lacking.map(|(_, _, words)| format!("the App's permission {words}")).collect()
}

/// Returns what a classic token was not given; a token of another kind has no scopes at all.
fn lacking_scopes(scopes: &str) -> Vec<String> {
    let scopes: Vec<&str> = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).collect();
    match scopes.is_empty() || scopes.contains(&"repo") {
        true => Vec::new(),
        false if scopes.contains(&"public_repo") => vec!["the scope `repo`, for private repositories".to_owned()],
        false => vec!["the scope `repo`".to_owned()],
    }
}

/// Reads `2026-03-01 10:00:00 UTC`.
fn expiration(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(' ')?;
    let time = rest.split(' ').next()?;
    format!("{date}T{time}Z").parse().ok()
}

fn text<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_as_github_writes_it() {
        assert_eq!(expiration("2026-03-01 10:00:00 UTC"), "2026-03-01T10:00:00Z".parse().ok());
        assert_eq!(expiration("never"), None);
    }

    #[test]
    fn a_classic_token_needs_the_scope_for_repositories() {
        assert_eq!(lacking_scopes("read:org, repo"), Vec::<String>::new());
        assert_eq!(lacking_scopes(""), Vec::<String>::new());
        assert_eq!(lacking_scopes("read:org"), ["the scope `repo`"]);
    }

    #[test]
    fn an_app_needs_what_it_is_used_for() {
        let given = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let all = [("contents", "write"), ("pull_requests", "write"), ("statuses", "write"), ("checks", "write")];
        assert_eq!(lacking_permissions(&given(&[&all[..], &[("metadata", "read")]].concat())), Vec::<String>::new());
        let lacks = lacking_permissions(&given(&[&all[1..], &[("metadata", "read"), ("contents", "read")]].concat()));
        assert_eq!(lacks, ["the App's permission *Contents*: read and write, to push and to merge"]);
    }
}
