//! Teams of organisations. Whoever has an account sees them all.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    call::{Answer, Call},
    paging::Page,
};
use crate::local_forge::{hub::Desk, json::extend, refusal::Refusal};

/// Answers a call about a team, which is named `organisation/slug`.
pub(super) fn answer(desk: &Desk<'_>, call: &Call, key: &str, rest: &[&str]) -> Result<Answer, Refusal> {
    call.actor().ok_or_else(Refusal::requires_authentication)?;
    let members = desk.state.teams.get(&key.to_ascii_lowercase()).ok_or_else(Refusal::not_found)?;
    match rest {
        ["members"] => Ok(list(desk, call, members)),
        ["memberships", login] if members.contains(*login) => Ok(Answer::ok(json!({
            "url": format!("{}{}", desk.hub.urls.api(), call.path),
            "role": "member",
            "state": "active",
        }))),
        _ => Err(Refusal::not_found()),
    }
}

fn list(desk: &Desk<'_>, call: &Call, members: &BTreeSet<String>) -> Answer {
    Page::cut(&desk.hub.urls, call, members.iter().collect()).answer(|login| {
        let mut member = desk.view().user(login);
        extend(&mut member, json!({ "role": "member", "inherited": false }));
        member
    })
}
