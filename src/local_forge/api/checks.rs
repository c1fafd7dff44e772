//! Check runs and suites. Unlike GitHub, which lets only Apps report them, everybody with write access may.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Answer, Call},
    paging::Page,
    statuses::commit,
};
use crate::local_forge::{
    hub::Desk,
    pulls::oid,
    refusal::Refusal,
    report::{self, CheckRun},
    reporting::CheckReport,
};

#[derive(Debug, Deserialize)]
struct Output {
    title: Option<String>,
    summary: Option<String>,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ReportBody {
    name: Option<String>,
    head_sha: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    details_url: Option<String>,
    external_id: Option<String>,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    output: Option<Output>,
}

impl ReportBody {
    fn into_report(self) -> CheckReport {
        CheckReport {
            name: self.name,
            status: self.status,
            conclusion: self.conclusion,
            details_url: self.details_url,
            external_id: self.external_id,
            started_at: self.started_at,
            completed_at: self.completed_at,
            output: self.output.map(|output| (output.title, output.summary, output.text)),
        }
    }
}

pub(super) fn create(desk: &mut Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    let asked: ReportBody = call.read()?;
    let sha = asked.head_sha.clone().ok_or_else(|| Refusal::missing("CheckRun", "head_sha"))?;
    let id = desk.create_check_run(key, call.actor(), &sha, asked.into_report())?;
    Ok(Answer { status: 201, ..get(desk, key, id)? })
}

pub(super) fn update(desk: &mut Desk<'_>, call: &Call, key: &str, id: u64) -> Result<Answer, Refusal> {
    let asked: ReportBody = call.read()?;
    desk.update_check_run(key, call.actor(), id, asked.into_report())?;
    get(desk, key, id)
}

pub(super) fn get(desk: &Desk<'_>, key: &str, id: u64) -> Result<Answer, Refusal> {
    let repository = desk.repository(key)?;
    let run = repository.check_runs.iter().find(|run| run.id == id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(desk.view().check_run(repository, run)))
}

pub(super) fn list(desk: &Desk<'_>, call: &Call, key: &str, revision: &str) -> Result<Answer, Refusal> {
    let sha = commit(desk, key, revision)?;
    let repository = desk.repository(key)?;
    let all = || repository.check_runs.iter().filter(|run| run.sha == sha).collect();
    let runs =
        if call.parameter("filter") == Some("all") { all() } else { report::latest_check_runs(repository, &sha) };
    let (name, status) = (call.parameter("check_name"), call.parameter("status"));
    let runs: Vec<&CheckRun> = runs
        .into_iter()
        .rev()
        .filter(|run| name.is_none_or(|name| run.name == name) && status.is_none_or(|status| run.status == status))
        .collect();
    let total = runs.len();
    let (runs, link) = Page::cut(&desk.hub.urls, call, runs).split();
    let shown: Vec<Value> = runs.into_iter().map(|run| desk.view().check_run(repository, run)).collect();
    Ok(Page::<()>::link(link, Answer::ok(json!({"total_count": total, "check_runs": shown}))))
}

pub(super) fn suites(desk: &Desk<'_>, call: &Call, key: &str, revision: &str) -> Result<Answer, Refusal> {
    let sha = commit(desk, key, revision)?;
    let repository = desk.repository(key)?;
    let found = repository.suites.get(&sha).copied();
    let name = call.parameter("check_name");
    let is_asked_for = || {
        let mut runs = repository.check_runs.iter().filter(|run| run.sha == sha);
        name.is_none_or(|name| runs.any(|run| run.name == name))
    };
    let mut shown = Vec::new();
    if let Some(id) = found.filter(|_| is_asked_for()) {
        let commit = desk.git(key)?.commit(oid(&sha)?)?;
        shown.push(desk.view().check_suite(repository, &sha, id, &commit));
    }
    Ok(Answer::ok(json!({"total_count": shown.len(), "check_suites": shown})))
}
