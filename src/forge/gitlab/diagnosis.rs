//! What GitLab tells of a token, of what it may do, and of the rules of branches.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;

use super::{client::Client, model::UserBody, people};
use crate::{
    domain::{ids::RepositoryId, permission::Permission},
    forge::{
        CredentialSeen, ForgeError,
        calls::{Call, encoded, parse, whose_token},
        diagnosis,
    },
};

/// The most pages of protected branches.
const MAX_PAGES: usize = 2;
/// The level of *Developers + Maintainers* among those who may push or merge.
const DEVELOPERS: u64 = 30;
const MAINTAINERS: u64 = 40;

#[derive(Deserialize)]
struct TokenBody {
    #[serde(default)]
    scopes: Vec<String>,
    expires_at: Option<Date>,
}

#[derive(Deserialize)]
struct ProtectedBody {
    name: String,
    #[serde(default)]
    push_access_levels: Vec<LevelBody>,
    #[serde(default)]
    merge_access_levels: Vec<LevelBody>,
    #[serde(default)]
    allow_force_push: bool,
}

#[derive(Deserialize)]
struct LevelBody {
    access_level: Option<u64>,
    user_id: Option<u64>,
    group_id: Option<u64>,
}

/// Returns what is to be known of the token.
pub(super) async fn of_token(client: &Client) -> Result<CredentialSeen, ForgeError> {
    let call = whose_token();
    let answer = client.read(&call, &call.path).await?;
    let user: UserBody = parse(&answer.body, &call.what)?;
    let path = "/personal_access_tokens/self";
    let call = Call::new(path, path.to_owned(), "tell of the token".to_owned());
    let token: Option<TokenBody> = match client.get(&call).await {
        Ok(token) => Some(token),
        // Servers of before 15.5 do not tell.
        Err(ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. } | ForgeError::Refused { .. }) => None,
        Err(error) => return Err(error),
    };
    let kind = match user.token_kind() {
        Some(kind) => format!("{kind} access token"),
        None => "personal access token".to_owned(),
    };
    let has_api = token.as_ref().is_none_or(|token| token.scopes.iter().any(|scope| scope == "api"));
    Ok(CredentialSeen {
        login: user.username,
        kind,
        expires_at: token.and_then(|token| end_of(token.expires_at?)),
        lacks: if has_api { Vec::new() } else { vec!["the scope `api`".to_owned()] },
        forge_time: diagnosis::time(&answer.headers),
    })
}

/// A token ends when its day begins.
fn end_of(day: Date) -> Option<Timestamp> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Returns what the account of the token may not do in a project.
pub(super) async fn lacking(client: &Client, repository: &RepositoryId) -> Result<Vec<String>, ForgeError> {
    let account = client.get::<UserBody>(&whose_token()).await?.account();
    let right = people::permission(client, repository, &account).await?;
    Ok(match right >= Permission::Write {
        true => Vec::new(),
        false => {
            vec![format!("the role *Maintainer* for `{}`, or *Developer*, to push, merge and report", account.login)]
        }
    })
}

/// Returns what the rules of a branch keep the account of the token from; whoever is no maintainer is not shown them.
pub(super) async fn rules(
    client: &Client,
    repository: &RepositoryId,
    base: &str,
    head: &str,
) -> Result<Vec<String>, ForgeError> {
    let path = format!("/projects/{}/protected_branches", encoded(repository.as_str()));
    let call = Call::new("/projects/{id}/protected_branches", path, format!("show the rules of `{repository}`"));
    let all: Vec<ProtectedBody> = client.pages(&call, MAX_PAGES).await?;
    let account = client.get::<UserBody>(&whose_token()).await?.account();
    let right = people::permission(client, repository, &account).await?;
    let mut found = Vec::new();
    for rule in &all {
        let may = |levels: &[LevelBody]| levels.iter().any(|level| level.admits(account.id, right));
        let name = &rule.name;
        if fits(name, base) && !may(&rule.merge_access_levels) {
            found.push(format!("`{}` is not *Allowed to merge* into the protected branch `{name}`", account.login));
        }
        if fits(name, head) && !(may(&rule.push_access_levels) && rule.allow_force_push) {
            found.push(format!(
                "the rule for `{name}` also protects `{head}`, where proposals are pushed: allow `{}` to push and to \
                 force-push there, or name the protected branches one by one",
                account.login
            ));
        }
    }
    Ok(found)
}

impl LevelBody {
    /// Says whether an account with this right is meant; of groups nobody knows who is in them.
    fn admits(&self, account: u64, right: Permission) -> bool {
        let by_level = match self.access_level {
            Some(level) if self.user_id.is_none() && self.group_id.is_none() => match level {
                DEVELOPERS => right >= Permission::Write,
                MAINTAINERS => right >= Permission::Maintain,
                _ => false,
            },
            _ => false,
        };
        by_level || self.user_id == Some(account) || self.group_id.is_some()
    }
}

/// Says whether a name with wildcards fits a branch; a wildcard is any text, also with slashes.
fn fits(pattern: &str, branch: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == branch };
    let Some(mut left) = branch.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_any_text() {
        assert!(fits("env/*", "env/dev-next") && fits("env/dev", "env/dev") && fits("*-next", "env/dev-next"));
        assert!(fits("e*/d*t", "env/dev-next") && !fits("env/dev", "env/dev-next") && !fits("env/*x", "env/dev"));
    }

    #[test]
    fn levels_accounts_and_groups_admit() {
        let level = |access_level, user_id, group_id| LevelBody { access_level, user_id, group_id };
        assert!(level(Some(30), None, None).admits(7, Permission::Write));
        assert!(!level(Some(40), None, None).admits(7, Permission::Write));
        assert!(!level(Some(0), None, None).admits(7, Permission::Admin), "nobody");
        assert!(level(Some(40), Some(7), None).admits(7, Permission::Write));
    }
}
