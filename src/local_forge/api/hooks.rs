//! Webhooks and their deliveries.

use serde::Deserialize;
use serde_json::json;

use super::{
    call::{Answer, Call},
    paging::Page,
};
use crate::local_forge::{
    hub::Desk,
    refusal::Refusal,
    state::{Delivery, Permission, Secret},
};

#[derive(Debug, Deserialize)]
struct Config {
    url: Option<String>,
    secret: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CreateBody {
    config: Option<Config>,
    events: Option<Vec<String>>,
}

pub(super) fn create(desk: &mut Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    desk.require(key, call.actor(), Permission::Admin)?;
    let asked: CreateBody = call.read()?;
    let config = asked.config.ok_or_else(|| Refusal::missing("Hook", "config"))?;
    let url = config.url.ok_or_else(|| Refusal::missing("Hook", "url"))?;
    let events = asked.events.unwrap_or_else(|| vec!["push".to_owned()]);
    let id = desk.add_hook(key, call.actor(), &url, config.secret.map(Secret::new), events)?;
    let repository = desk.repository(key)?;
    let hook = repository.hooks.iter().find(|hook| hook.id == id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::created(desk.view().hook(repository, hook)))
}

pub(super) fn list(desk: &Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    desk.require(key, call.actor(), Permission::Admin)?;
    let repository = desk.repository(key)?;
    let hooks = repository.hooks.iter().collect();
    Ok(Page::cut(&desk.hub.urls, call, hooks).answer(|hook| desk.view().hook(repository, hook)))
}

pub(super) fn deliveries(desk: &Desk<'_>, call: &Call, key: &str, hook: u64) -> Result<Answer, Refusal> {
    desk.require(key, call.actor(), Permission::Admin)?;
    let repository = desk.repository(key)?;
    repository.hooks.iter().find(|one| one.id == hook).ok_or_else(Refusal::not_found)?;
    let wanted = call.parameter("status");
    let is_wanted =
        |delivery: &Delivery| wanted.is_none_or(|wanted| (wanted == "success") == (delivery.status == "OK"));
    let newest_first: Vec<&Delivery> =
        repository.deliveries.iter().rev().filter(|one| one.hook == hook && is_wanted(one)).collect();
    // GitHub pages with a cursor; here it is the number of the next page.
    let mut call = call.clone();
    if let Some(cursor) = call.parameter("cursor").map(str::to_owned) {
        call.query.push(("page".to_owned(), cursor));
    }
    let (shown, link) = Page::cut(&desk.hub.urls, &call, newest_first).split();
    let link = link.map(|link| link.replace("&page=", "&cursor=").replace("?page=", "?cursor="));
    let shown: Vec<_> = shown.into_iter().map(|delivery| desk.view().delivery(repository, delivery)).collect();
    Ok(Page::<()>::link(link, Answer::ok(shown)))
}

pub(super) fn redeliver(
    desk: &mut Desk<'_>,
    call: &Call,
    key: &str,
    hook: u64,
    delivery: u64,
) -> Result<Answer, Refusal> {
    desk.require(key, call.actor(), Permission::Admin)?;
    desk.deliver_again(key, |earlier| earlier.id == delivery && earlier.hook == hook)?;
    Ok(Answer { status: 202, ..Answer::ok(json!({})) })
}
