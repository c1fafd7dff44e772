//! Accounts and their budget.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use crate::local_forge::{hub::Desk, json::extend, refusal::Refusal};

pub(super) fn authenticated(desk: &Desk<'_>, call: &Call) -> Result<Answer, Refusal> {
    let login = call.actor().ok_or_else(Refusal::requires_authentication)?;
    let mut user = desk.view().profile(login);
    extend(
        &mut user,
        json!({
            "private_gists": 0,
            "total_private_repos": 0,
            "owned_private_repos": 0,
            "disk_usage": 0,
            "collaborators": 0,
            "two_factor_authentication": true,
        }),
    );
    Ok(Answer::ok(user))
}

pub(super) fn named(desk: &Desk<'_>, login: &str) -> Result<Answer, Refusal> {
    desk.state.accounts.get(login).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(desk.view().profile(login)))
}

pub(super) fn rate_limit(desk: &Desk<'_>, call: &Call) -> Result<Answer, Refusal> {
    let budget = desk.hub.rate_limit.spend(call.actor().unwrap_or_default(), 0, desk.now());
    let rate: Value = json!({
        "limit": budget.limit,
        "used": budget.used,
        "remaining": budget.remaining(),
        "reset": budget.reset,
    });
    Ok(Answer::ok(json!({"resources": {"core": rate, "search": rate, "graphql": rate}, "rate": rate})))
}
