//! Who wrote commits: GitLab tells names and mail addresses, and no accounts.
//!
//! An account counts as an author when GitLab itself vouches for the address: it is the one that GitLab gives out for
//! the account, or the account shows it to everybody. Searching alone does not do: names are searched as well, and
//! anybody may take an address as their name.

use std::collections::BTreeMap;

use gitlab::api::{
    projects::repository::commits::{Commit, Commits},
    users::{User, Users},
};
use serde::Deserialize;

use super::{
    client::{Client, reading},
    model::UserBody,
};
use crate::{
    domain::ids::RepositoryId,
    forge::{Account, COMMITS_AT_ONCE, CommitAuthor, ForgeError},
};

/// The most pages of commits.
const MAX_PAGES: usize = COMMITS_AT_ONCE / 100;
/// The most addresses of which the accounts are looked for.
const MAX_ADDRESSES: usize = 50;
/// The most accounts found for one address that are looked at.
const MAX_CANDIDATES: usize = 3;
/// What the host of the addresses begins with that GitLab gives out.
const NO_REPLY: &str = "users.noreply.";

#[derive(Deserialize)]
struct CommitBody {
    id: String,
    #[serde(default)]
    author_name: String,
    #[serde(default)]
    author_email: String,
}

#[derive(Deserialize)]
struct ProfileBody {
    id: u64,
    username: String,
    public_email: Option<String>,
}

/// Returns who wrote the commits that `head` holds and `base` does not; without a base, who wrote `head`.
pub(super) async fn of(
    client: &Client,
    repository: &RepositoryId,
    base: Option<&str>,
    head: &str,
) -> Result<Vec<CommitAuthor>, ForgeError> {
    let commits = match base {
        Some(base) => {
            let range = format!("{base}..{head}");
            let endpoint = Commits::builder().project(repository.as_str()).ref_name(range).build();
            let what = format!("compare `{base}` with `{head}` in `{repository}`");
            client.pages(&reading(endpoint, "/projects/{id}/repository/commits", what)?, MAX_PAGES).await?
        }
        None => {
            let endpoint = Commit::builder().project(repository.as_str()).commit(head).build();
            let what = format!("show the commit `{head}` of `{repository}`");
            vec![client.get(&reading(endpoint, "/projects/{id}/repository/commits/{sha}", what)?).await?]
        }
    };
    let mut accounts: BTreeMap<String, Option<Account>> = BTreeMap::new();
    let mut authors = Vec::new();
    for CommitBody { id: sha, author_name: name, author_email } in commits {
        let address = author_email.to_lowercase();
        let account = match accounts.get(&address) {
            Some(known) => known.clone(),
            None if accounts.len() < MAX_ADDRESSES => {
                let found = account(client, &address).await?;
                accounts.insert(address, found.clone());
                found
            }
            None => None,
        };
        authors.push(CommitAuthor { sha, account, name, merged_by_forge: false });
    }
    Ok(authors)
}

/// Returns the account of a mail address, when GitLab vouches for it.
async fn account(client: &Client, address: &str) -> Result<Option<Account>, ForgeError> {
    if address.is_empty() {
        return Ok(None);
    }
    let found: Vec<u64> = match given_out(address) {
        Some(id) => vec![id],
        None => {
            let endpoint = Users::builder().search(address).build();
            let call = reading(endpoint, "/users", "find the account of an author".to_owned())?;
            client.get::<Vec<UserBody>>(&call).await?.into_iter().map(|user| user.id).take(MAX_CANDIDATES).collect()
        }
    };
    for id in found {
        let endpoint = User::builder().user(id).build();
        let call = reading(endpoint, "/users/{id}", format!("read the account {id}"))?;
        let profile: ProfileBody = match client.get(&call).await {
            Err(ForgeError::NotFound { .. }) => continue,
            profile => profile?,
        };
        let shows_it = profile.public_email.as_deref().is_some_and(|shown| shown.eq_ignore_ascii_case(address));
        if shows_it || given_out(address) == Some(profile.id) {
            return Ok(Some(Account { id: profile.id, login: profile.username }));
        }
    }
    Ok(None)
}

/// Returns the account that GitLab gave an address out for: `ID-LOGIN@users.noreply.HOST`.
fn given_out(address: &str) -> Option<u64> {
    let (local, host) = address.split_once('@')?;
    let (id, _) = local.split_once('-')?;
    if host.starts_with(NO_REPLY) { id.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_gitlab_gives_out_name_their_account() {
        assert_eq!(given_out("7-ada@users.noreply.gitlab.com"), Some(7));
        assert_eq!(given_out("ada@users.noreply.gitlab.com"), None);
        assert_eq!(given_out("7-ada@example.com"), None);
    }

    #[test]
    fn genuine_commits_are_read() {
        let text = include_str!("../../../tests/data/gitlab/commit.get.json");
        let body: CommitBody = serde_json::from_str(text).expect("because the sample is as expected");
        assert_eq!(body.author_name, "randx");
    }
}
