//! Refs.

use serde::Deserialize;

use super::call::{Answer, Call};
use crate::local_forge::{
    hub::Desk,
    protection,
    pulls::oid,
    refusal::Refusal,
    repository::GitRepository,
    state::{Account, Permission},
};

pub(super) fn get(desk: &Desk<'_>, key: &str, short: &str) -> Result<Answer, Refusal> {
    let name = format!("refs/{short}");
    let sha = desk.repository(key)?.refs.get(&name).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(desk.view().git_ref(key, &name, sha)))
}

#[derive(Debug, Deserialize)]
struct CreateBody {
    #[serde(rename = "ref", default)]
    name: String,
    #[serde(default)]
    sha: String,
}

pub(super) fn create(desk: &mut Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    let account = desk.require(key, call.actor(), Permission::Write)?;
    let asked: CreateBody = call.read()?;
    if !is_ours(&asked.name) || !git2::Reference::is_valid_name(&asked.name) {
        return Err(Refusal::new(422, "Reference name must start with 'refs/heads/' or 'refs/tags/'."));
    }
    if desk.repository(key)?.refs.contains_key(&asked.name) {
        return Err(Refusal::new(422, "Reference already exists"));
    }
    let git = desk.git(key)?;
    known_object(&git, &asked.sha)?;
    git.create_ref(&asked.name, oid(&asked.sha)?)?;
    desk.take_refs(key, &account.login)?;
    Ok(Answer::created(desk.view().git_ref(key, &asked.name, &asked.sha)))
}

#[derive(Debug, Deserialize)]
struct UpdateBody {
    #[serde(default)]
    sha: String,
    #[serde(default)]
    force: bool,
}

pub(super) fn update(desk: &mut Desk<'_>, call: &Call, key: &str, short: &str) -> Result<Answer, Refusal> {
    let account = desk.require(key, call.actor(), Permission::Write)?;
    let asked: UpdateBody = call.read()?;
    let name = format!("refs/{short}");
    let before = existing(desk, key, &name)?;
    let git = desk.git(key)?;
    known_object(&git, &asked.sha)?;
    let (old, new) = (oid(&before)?, oid(&asked.sha)?);
    if !git.contains(new, old) {
        if !asked.force {
            return Err(Refusal::new(422, "Update is not a fast forward"));
        }
        may_rewrite(desk, key, &name, &account)?;
    }
    allowed(desk, key, &name, &account, &asked.sha)?;
    git.move_ref(&name, new, old).map_err(|_| Refusal::new(409, "Reference was changed meanwhile"))?;
    desk.take_refs(key, &account.login)?;
    Ok(Answer::ok(desk.view().git_ref(key, &name, &asked.sha)))
}

pub(super) fn delete(desk: &mut Desk<'_>, call: &Call, key: &str, short: &str) -> Result<Answer, Refusal> {
    let account = desk.require(key, call.actor(), Permission::Write)?;
    let name = format!("refs/{short}");
    existing(desk, key, &name)?;
    let repository = desk.repository(key)?;
    let is_kept = |branch: &str| {
        branch == repository.default_branch || !protection::may_delete(repository, branch, &account.login)
    };
    if name.strip_prefix("refs/heads/").is_some_and(is_kept) {
        return Err(Refusal::new(422, "Cannot delete this branch"));
    }
    desk.git(key)?.delete_ref(&name)?;
    desk.take_refs(key, &account.login)?;
    Ok(Answer::nothing())
}

fn is_ours(name: &str) -> bool {
    name.starts_with("refs/heads/") || name.starts_with("refs/tags/")
}

fn existing(desk: &Desk<'_>, key: &str, name: &str) -> Result<String, Refusal> {
    let found = desk.repository(key)?.refs.get(name).cloned();
    found.ok_or_else(|| Refusal::new(422, "Reference does not exist"))
}

fn known_object(git: &GitRepository, sha: &str) -> Result<(), Refusal> {
    if git.has_object(sha) { Ok(()) } else { Err(Refusal::new(422, "Object does not exist")) }
}

fn may_rewrite(desk: &Desk<'_>, key: &str, name: &str, account: &Account) -> Result<(), Refusal> {
    let Some(branch) = name.strip_prefix("refs/heads/") else { return Ok(()) };
    if protection::may_rewrite(desk.repository(key)?, branch, &account.login) {
        return Ok(());
    }
    Err(Refusal::new(422, "Cannot force-push to this branch"))
}

fn allowed(desk: &Desk<'_>, key: &str, name: &str, account: &Account, new: &str) -> Result<(), Refusal> {
    let Some(branch) = name.strip_prefix("refs/heads/") else { return Ok(()) };
    if protection::may_update(desk.repository(key)?, branch, &account.login, new) {
        return Ok(());
    }
    Err(Refusal::new(422, format!("Protected branch update failed for {name}.")))
}
