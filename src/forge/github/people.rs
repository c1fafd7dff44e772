//! Who belongs to the people that a strategy names.

use serde::Deserialize;

use super::client::Client;
use crate::{
    domain::{ids::RepositoryId, permission::Grantee},
    forge::{
        Account, Among, ForgeError,
        calls::{Call, encoded},
    },
};

#[derive(Deserialize)]
struct AccountBody {
    id: u64,
}

#[derive(Deserialize)]
struct MembershipBody {
    state: String,
}

/// Says whether an account is among the people that a strategy names.
pub(super) async fn is_among(
    client: &Client,
    repository: &RepositoryId,
    people: &Grantee,
    account: &Account,
) -> Result<Among, ForgeError> {
    match people {
        Grantee::User(login) if !login.eq_ignore_ascii_case(&account.login) => Ok(Among::No),
        Grantee::User(_) => is_still_called_so(client, account).await,
        Grantee::Team(slug) => match is_member(client, repository.owner(), slug, account).await? {
            Among::Yes => is_still_called_so(client, account).await,
            other => Ok(other),
        },
    }
}

/// Says whether the account with this login is still the one with this id: logins are given away.
async fn is_still_called_so(client: &Client, account: &Account) -> Result<Among, ForgeError> {
    let call = Call::new(
        "/users/{username}",
        format!("/users/{}", encoded(&account.login)),
        format!("read the account `{}`", account.login),
    );
    match client.get::<AccountBody>(&call).await {
        Ok(body) if body.id == account.id => Ok(Among::Yes),
        Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(Among::No),
        Err(error) => Err(error),
    }
}

/// Says whether a login is an active member of a team, or of one below it.
///
/// <https://docs.github.com/rest/teams/members#get-team-membership-for-a-user>
async fn is_member(client: &Client, owner: &str, slug: &str, account: &Account) -> Result<Among, ForgeError> {
    let call = Call::new(
        "/orgs/{org}/teams/{team_slug}/memberships/{username}",
        format!("/orgs/{}/teams/{}/memberships/{}", encoded(owner), encoded(slug), encoded(&account.login)),
        format!("say whether `{}` is in the team `{slug}` of `{owner}`", account.login),
    );
    match client.get::<MembershipBody>(&call).await {
        // One that was asked to join and has not answered is `pending`.
        Ok(body) if body.state == "active" => Ok(Among::Yes),
        Ok(_) => Ok(Among::No),
        // The same answer is given for a team that is not there, or that we may not see.
        Err(ForgeError::NotFound { .. }) => is_visible(client, owner, slug).await,
        Err(ForgeError::Unauthorised { .. }) => Ok(Among::Unknown),
        Err(error) => Err(error),
    }
}

async fn is_visible(client: &Client, owner: &str, slug: &str) -> Result<Among, ForgeError> {
    let call = Call::new(
        "/orgs/{org}/teams/{team_slug}/members",
        format!("/orgs/{}/teams/{}/members?per_page=1", encoded(owner), encoded(slug)),
        format!("list the members of the team `{slug}` of `{owner}`"),
    );
    match client.get::<Vec<AccountBody>>(&call).await {
        Ok(_) => Ok(Among::No),
        Err(ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. }) => Ok(Among::Unknown),
        Err(error) => Err(error),
    }
}
