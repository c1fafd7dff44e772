//! What an App asks with its own signature.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use crate::local_forge::{
    apps::{App, Installation},
    hub::Desk,
    json::{extend, node_id},
    refusal::Refusal,
};

/// Answers a call below `/app`.
pub(super) fn answer(desk: &mut Desk<'_>, call: &Call, rest: &[&str]) -> Result<Answer, Refusal> {
    let id = call.app().ok_or_else(Refusal::requires_authentication)?;
    let app = desk.state.apps.get(&id).ok_or_else(Refusal::not_found)?;
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(Answer::ok(shown(desk, app))),
        ("GET", ["installations"]) => {
            let all: Vec<Value> = app.installations.iter().map(|one| shown_installation(desk, app, one)).collect();
            Ok(Answer::ok(all))
        }
        ("POST", ["installations", installation, "access_tokens"]) => {
            let installation = installation.parse().map_err(|_| Refusal::not_found())?;
            let permissions = app.permissions.clone();
            let (token, end) = desk.installation_token(id, installation)?;
            Ok(Answer::created(json!({
                "token": token.expose(), "expires_at": end.to_string(), "permissions": permissions,
                "repository_selection": "selected",
            })))
        }
        _ => Err(Refusal::not_found()),
    }
}

/// Answers which installation covers a repository.
pub(super) fn of_repository(desk: &Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    let id = call.app().ok_or_else(Refusal::requires_authentication)?;
    let installation = desk.installation(id, key)?;
    let app = desk.state.apps.get(&id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(shown_installation(desk, app, installation)))
}

fn shown(desk: &Desk<'_>, app: &App) -> Value {
    let web = desk.hub.urls.web();
    json!({
        "id": app.id,
        "slug": app.slug,
        "node_id": node_id("App", app.id),
        "owner": desk.view().user(&app.owner),
        "name": app.slug,
        "description": null,
        "external_url": web,
        "html_url": format!("{web}/apps/{}", app.slug),
        "created_at": app.created_at.to_string(),
        "updated_at": app.created_at.to_string(),
        "permissions": app.permissions,
        "events": ["push", "pull_request", "status"],
        "installations_count": app.installations.len(),
    })
}

fn shown_installation(desk: &Desk<'_>, app: &App, installation: &Installation) -> Value {
    let (api, web) = (desk.hub.urls.api(), desk.hub.urls.web());
    let mut owner = desk.view().user(&installation.account);
    // In lists GitHub's description has it be a user and an enterprise at once.
    let created = app.created_at.to_string();
    let enterprise = json!({
        "name": installation.account, "slug": installation.account, "created_at": created, "updated_at": created,
    });
    extend(&mut owner, enterprise);
    json!({
        "id": installation.id,
        "account": owner,
        "access_tokens_url": format!("{api}/app/installations/{}/access_tokens", installation.id),
        "repositories_url": format!("{api}/installation/repositories"),
        "html_url": format!("{web}/settings/installations/{}", installation.id),
        "app_id": app.id,
        "app_slug": app.slug,
        "target_id": owner["id"],
        "target_type": owner["type"],
        "permissions": app.permissions,
        "events": ["push", "pull_request", "status"],
        "created_at": installation.created_at.to_string(),
        "updated_at": installation.created_at.to_string(),
        "single_file_name": null,
        "repository_selection": "selected",
        "suspended_at": null,
        "suspended_by": null,
    })
}
