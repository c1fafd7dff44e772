//! Repositories, branches, commits, comparisons, rights.

use super::{
    call::{Answer, Call},
    paging::Page,
};
use crate::local_forge::{hub::Desk, json::rulesets, refusal::Refusal, state::Permission};

pub(super) fn get(desk: &Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    Ok(Answer::ok(desk.view().repository(desk.repository(key)?, call.actor())))
}

pub(super) fn branches(desk: &Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    let repository = desk.repository(key)?;
    let is_protected = call.parameter("protected").map(|text| text == "true");
    let all: Vec<(&str, &String)> = repository
        .refs
        .iter()
        .filter_map(|(name, sha)| Some((name.strip_prefix("refs/heads/")?, sha)))
        .filter(|(name, _)| is_protected.is_none_or(|wanted| repository.protections.contains_key(*name) == wanted))
        .collect();
    Ok(Page::cut(&desk.hub.urls, call, all).answer(|(name, sha)| desk.view().short_branch(repository, name, sha)))
}

pub(super) fn branch(desk: &Desk<'_>, key: &str, name: &str) -> Result<Answer, Refusal> {
    let repository = desk.repository(key)?;
    let missing = || Refusal::new(404, "Branch not found");
    let tip = repository.branch(name).ok_or_else(missing)?;
    let commit = desk.git(key)?.commit(crate::local_forge::pulls::oid(tip)?)?;
    Ok(Answer::ok(desk.view().branch(repository, name, &commit)))
}

/// Only administrators see the rules, as on GitHub.
pub(super) fn protection(desk: &Desk<'_>, call: &Call, key: &str, name: &str) -> Result<Answer, Refusal> {
    desk.require(key, call.actor(), Permission::Admin).map_err(|refusal| match refusal.status {
        403 => Refusal::not_found(),
        _ => refusal,
    })?;
    let repository = desk.repository(key)?;
    repository.branch(name).ok_or_else(|| Refusal::new(404, "Branch not found"))?;
    let rules = repository.protections.get(name).filter(|rules| !rules.is_ruleset);
    let rules = rules.ok_or_else(|| Refusal::new(404, "Branch not protected"))?;
    Ok(Answer::ok(desk.view().protection(key, name, rules)))
}

/// Whoever may read sees the rules of rulesets, as on GitHub.
pub(super) fn rules(desk: &Desk<'_>, call: &Call, key: &str, name: &str) -> Result<Answer, Refusal> {
    let rules = desk.repository(key)?.protections.get(name).filter(|rules| rules.is_ruleset);
    let all = rules.map(|rules| rulesets::rules(key, rules)).unwrap_or_default();
    Ok(Page::cut(&desk.hub.urls, call, all).answer(|rule| rule))
}

pub(super) fn compare(desk: &Desk<'_>, call: &Call, key: &str, range: &str) -> Result<Answer, Refusal> {
    let (base, head) = range.split_once("...").ok_or_else(Refusal::not_found)?;
    let mut link = None;
    let comparison = desk.comparison(key, base, head, |commits| {
        let (shown, header) = Page::cut(&desk.hub.urls, call, commits).split();
        link = header;
        shown
    })?;
    Ok(Page::<()>::link(link, Answer::ok(comparison)))
}

pub(super) fn commit(desk: &Desk<'_>, key: &str, revision: &str) -> Result<Answer, Refusal> {
    let git = desk.git(key)?;
    let found = git.resolve(revision);
    let found = found.ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {revision}")))?;
    Ok(Answer::ok(desk.view().commit(key, &git.commit(found)?)))
}

pub(super) fn permission(desk: &Desk<'_>, call: &Call, key: &str, login: &str) -> Result<Answer, Refusal> {
    desk.require(key, call.actor(), Permission::Write)?;
    desk.state.accounts.get(login).ok_or_else(|| Refusal::new(404, format!("{login} is not a user")))?;
    Ok(Answer::ok(desk.view().collaborator(desk.repository(key)?, login)))
}
