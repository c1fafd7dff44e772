//! What people may do in a project, and who belongs to those that a strategy names.
//!
//! Everybody is asked for by the numeric id, which nobody takes over; memberships of the groups above count.

use gitlab::api::{groups::Group, projects::members::AllProjectMember, users::Users};

use super::{
    client::{Client, reading},
    model::{MemberBody, UserBody},
    requests,
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

/// Returns the right of an account, its own or inherited from a group.
pub(super) async fn permission(
    client: &Client,
    repository: &RepositoryId,
    account: &Account,
) -> Result<Permission, ForgeError> {
    let endpoint = AllProjectMember::builder().project(repository.as_str()).user(account.id).build();
    let what = format!("say what `{}` may do in `{repository}`", account.login);
    let call = reading(endpoint, "/projects/{id}/members/all/{user_id}", what)?;
    match client.get::<MemberBody>(&call).await {
        Ok(body) => Ok(body.permission()),
        Err(ForgeError::NotFound { .. }) => everybodys(client, repository).await,
        Err(error) => Err(error),
    }
}

/// Returns the right of whoever is no member.
async fn everybodys(client: &Client, repository: &RepositoryId) -> Result<Permission, ForgeError> {
    match requests::project(client, repository).await {
        Ok(body) if body.visibility == "public" => Ok(Permission::Read),
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
        Grantee::User(_) => is_still_called_so(client, account).await,
        Grantee::Team(slug) => is_member(client, &group_path(repository.owner(), slug), account).await,
    }
}

/// Returns the group that a team is: one right below the group of the repository, or that group itself.
///
/// A group somewhere else is never meant: anybody may make one of that name.
fn group_path(owner: &str, slug: &str) -> String {
    let own = owner.rsplit('/').next().unwrap_or(owner);
    if slug.eq_ignore_ascii_case(own) { owner.to_owned() } else { format!("{owner}/{slug}") }
}

/// Says whether the account with this login is still the one with this id: logins are given away.
async fn is_still_called_so(client: &Client, account: &Account) -> Result<Among, ForgeError> {
    let endpoint = Users::builder().username(account.login.as_str()).build();
    let call = reading(endpoint, "/users", format!("read the account `{}`", account.login))?;
    let users: Vec<UserBody> = client.get(&call).await?;
    Ok(if users.iter().any(|user| user.id == account.id) { Among::Yes } else { Among::No })
}

/// Says whether an account is an active member of a group, also by one above it.
///
/// <https://docs.gitlab.com/api/group_members/#retrieve-a-member-of-a-group-including-inherited-and-invited-members>
async fn is_member(client: &Client, group: &str, account: &Account) -> Result<Among, ForgeError> {
    let call = Call::new(
        "/groups/{id}/members/all/{user_id}",
        format!("/groups/{}/members/all/{}", encoded(group), account.id),
        format!("say whether `{}` is in the group `{group}`", account.login),
    );
    match client.get::<MemberBody>(&call).await {
        Ok(body) if body.is_active() => Ok(Among::Yes),
        Ok(_) => Ok(Among::No),
        // The same answer is given for a group that is not there, or that we may not see.
        Err(ForgeError::NotFound { .. }) => is_visible(client, group).await,
        Err(ForgeError::Unauthorised { .. }) => Ok(Among::Unknown),
        Err(error) => Err(error),
    }
}

async fn is_visible(client: &Client, group: &str) -> Result<Among, ForgeError> {
    let endpoint = Group::builder().group(group).build();
    let call = reading(endpoint, "/groups/{id}", format!("show the group `{group}`"))?;
    match client.get::<serde::de::IgnoredAny>(&call).await {
        Ok(_) => Ok(Among::No),
        Err(ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. }) => Ok(Among::Unknown),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_a_group_below_the_repositorys_or_that_one_itself() {
        assert_eq!(group_path("acme", "qa"), "acme/qa");
        assert_eq!(group_path("acme", "Acme"), "acme");
        assert_eq!(group_path("acme/web", "web"), "acme/web");
        assert_eq!(group_path("acme/web", "qa"), "acme/web/qa");
    }
}
