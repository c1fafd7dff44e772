//! What people may do, and who belongs to those that a strategy names.

use serde::Deserialize;

use super::{
    client::Client,
    model::{PermissionBody, UserBody},
};
use crate::{
    domain::{
        ids::RepositoryId,
        permission::{Grantee, Permission},
    },
    forge::{
        Account, Among, ForgeError,
        calls::{Call, encoded},
    },
};

/// The most teams of an organisation that are looked through.
const MOST_TEAMS: usize = 2_000;

#[derive(Deserialize)]
struct TeamBody {
    id: u64,
    name: String,
}

/// Returns the right of the account with this id; none when its login is another's by now.
///
/// The forge tells others' rights only to those who administer the repository.
pub(super) async fn permission(
    client: &Client,
    repository: &RepositoryId,
    account: &Account,
) -> Result<Permission, ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/collaborators/{collaborator}/permission",
        format!("/repos/{repository}/collaborators/{}/permission", encoded(&account.login)),
        format!("say what `{}` may do in `{repository}`", account.login),
    );
    match client.get::<PermissionBody>(&call).await {
        Ok(body) if body.user.as_ref().is_some_and(|user| user.is(account)) => Ok(body.permission()),
        Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(Permission::None),
        Err(error) => Err(error),
    }
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
        Grantee::User(_) => {
            let call = Call::new(
                "/users/{username}",
                format!("/users/{}", encoded(&account.login)),
                format!("read the account `{}`", account.login),
            );
            member(client.get(&call).await, account)
        }
        Grantee::Team(name) => match team(client, repository.owner(), name).await {
            Ok(Some(team)) => is_member(client, &team, account).await,
            // The forge shows the teams of an organisation to its members alone.
            Ok(None) | Err(ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. }) => Ok(Among::Unknown),
            Err(error) => Err(error),
        },
    }
}

/// Finds a team by its name, whatever its case.
async fn team(client: &Client, owner: &str, name: &str) -> Result<Option<TeamBody>, ForgeError> {
    let call = Call::new(
        // The search beside it finds only those that we are in.
        "/orgs/{org}/teams",
        format!("/orgs/{}/teams", encoded(owner)),
        format!("find the team `{name}` of `{owner}`"),
    );
    let is_it = |team: &TeamBody| team.name.eq_ignore_ascii_case(name);
    let enough = |all: &[TeamBody]| all.len() >= MOST_TEAMS || all.iter().any(is_it);
    Ok(client.pages(&call, enough).await?.into_iter().find(is_it))
}

async fn is_member(client: &Client, team: &TeamBody, account: &Account) -> Result<Among, ForgeError> {
    let call =
        |route, path| Call::new(route, path, format!("say whether `{}` is in the team `{}`", account.login, team.name));
    let one = call("/teams/{id}", format!("/teams/{}", team.id));
    match client.get::<TeamBody>(&one).await {
        Ok(_) => {}
        // Only the members of a team and the owners of the organisation may ask who is in it.
        Err(ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. }) => return Ok(Among::Unknown),
        Err(error) => return Err(error),
    }
    let path = format!("/teams/{}/members/{}", team.id, encoded(&account.login));
    member(client.get(&call("/teams/{id}/members/{username}", path)).await, account)
}

/// Says whether what was found under a login is the account with this id: logins are given away.
fn member(found: Result<UserBody, ForgeError>, account: &Account) -> Result<Among, ForgeError> {
    match found {
        Ok(user) if user.is(account) => Ok(Among::Yes),
        Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(Among::No),
        Err(error) => Err(error),
    }
}
