//! Deployments and their statuses.

use serde::Deserialize;
use serde_json::json;

use super::call::{Answer, Call};
use crate::local_forge::{
    hub::Desk,
    json::node_id,
    refusal::Refusal,
    state::{Deployment, Permission},
};

#[derive(Debug, Deserialize)]
struct CreateBody {
    #[serde(rename = "ref", default)]
    reference: String,
    environment: Option<String>,
    task: Option<String>,
    description: Option<String>,
}

pub(super) fn create(desk: &mut Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    let account = desk.require(key, call.actor(), Permission::Write)?;
    let asked: CreateBody = call.read()?;
    let found = desk.git(key)?.resolve(&asked.reference);
    let found = found.ok_or_else(|| Refusal::new(422, format!("No ref found for: {}", asked.reference)))?;
    let deployment = Deployment {
        id: desk.state.new_id(),
        sha: found.to_string(),
        reference: asked.reference,
        environment: asked.environment.unwrap_or_else(|| "production".to_owned()),
        task: asked.task.unwrap_or_else(|| "deploy".to_owned()),
        description: asked.description,
        creator: account.login,
        created_at: desk.now(),
        state: None,
    };
    desk.repository_mut(key)?.deployments.push(deployment.clone());
    Ok(Answer::created(desk.view().deployment(desk.repository(key)?, &deployment)))
}

#[derive(Debug, Deserialize)]
struct StatusBody {
    #[serde(default)]
    state: String,
    description: Option<String>,
    log_url: Option<String>,
    environment_url: Option<String>,
}

pub(super) fn report(desk: &mut Desk<'_>, call: &Call, key: &str, id: u64) -> Result<Answer, Refusal> {
    let account = desk.require(key, call.actor(), Permission::Write)?;
    let asked: StatusBody = call.read()?;
    const STATES: [&str; 7] = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
    if !STATES.contains(&asked.state.as_str()) {
        return Err(Refusal::invalid("DeploymentStatus", "state"));
    }
    let (status, now) = (desk.state.new_id(), desk.now().to_string());
    let api = desk.hub.urls.repository(key);
    let found = desk.repository_mut(key)?.deployments.iter_mut().find(|one| one.id == id);
    let deployment = found.ok_or_else(Refusal::not_found)?;
    deployment.state = Some(asked.state.clone());
    let environment = deployment.environment.clone();
    let url = format!("{api}/deployments/{id}");
    let page = desk.hub.urls.repository_page(key);
    let log_url = asked.log_url.unwrap_or(page);
    Ok(Answer::created(json!({
        "url": format!("{url}/statuses/{status}"),
        "id": status,
        "node_id": node_id("DeploymentStatus", status),
        "state": asked.state,
        "creator": desk.view().user(&account.login),
        "description": asked.description.unwrap_or_default(),
        "environment": environment,
        "target_url": log_url,
        "log_url": log_url,
        "environment_url": asked.environment_url.unwrap_or_else(|| log_url.clone()),
        "created_at": now,
        "updated_at": now,
        "deployment_url": url,
        "repository_url": api,
    })))
}
