//! Reporting commit statuses and check runs.

use jiff::Timestamp;

use super::{
    hub::Desk,
    refusal::Refusal,
    report::{CheckRun, STATUSES_PER_CONTEXT, Status, StatusState},
    state::Permission,
};

/// The longest description of a status, as on GitHub.
const DESCRIPTION_CHARS: usize = 140;

/// A status to report.
#[derive(Debug, Clone)]
pub struct NewStatus {
    /// The key; `default` when empty.
    pub context: String,
    /// The state.
    pub state: StatusState,
    /// A short text.
    pub description: Option<String>,
    /// A page about it.
    pub target_url: Option<String>,
}

/// What to say in a check run; what is absent stays as it is.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// The name.
    pub name: Option<String>,
    /// `queued`, `in_progress` or `completed`.
    pub status: Option<String>,
    /// `success`, `failure`, …; completes the run.
    pub conclusion: Option<String>,
    /// A page about it.
    pub details_url: Option<String>,
    /// The reporter's own id.
    pub external_id: Option<String>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Title, summary and text of its output.
    pub output: Option<(Option<String>, Option<String>, Option<String>)>,
}

impl Desk<'_> {
    /// Reports a commit status and returns its id.
    pub(super) fn report_status(
        &mut self,
        key: &str,
        actor: Option<&str>,
        sha: &str,
        new: NewStatus,
    ) -> Result<u64, Refusal> {
        let account = self.require(key, actor, Permission::Write)?;
        let commit = self.git(key)?.resolve(sha);
        let sha = commit.ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {sha}")))?.to_string();
        let context = if new.context.is_empty() { "default".to_owned() } else { new.context };
        if new.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS) {
            return Err(Refusal::custom("Status", "description is too long (maximum is 140 characters)"));
        }
        let (id, created_at) = (self.state.new_id(), self.now());
        let repository = self.repository_mut(key)?;
        let same = |status: &&Status| status.sha == sha && status.context == context;
        if repository.statuses.iter().filter(same).count() >= STATUSES_PER_CONTEXT {
            return Err(Refusal::custom("Status", "This SHA and context has reached the maximum number of statuses."));
        }
        repository.statuses.push(Status {
            id,
            sha,
            context,
            state: new.state,
            description: new.description,
            target_url: new.target_url,
            creator: account.login.clone(),
            created_at,
        });
        self.tell_status(key, id, &account.login)?;
        Ok(id)
    }

    /// Makes a check run and returns its id.
    pub(super) fn create_check_run(
        &mut self,
        key: &str,
        actor: Option<&str>,
        sha: &str,
        report: CheckReport,
    ) -> Result<u64, Refusal> {
        let account = self.require(key, actor, Permission::Write)?;
        let commit = self.git(key)?.resolve(sha);
        let sha = commit.ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {sha}")))?.to_string();
        let name = report.name.clone().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Refusal::missing("CheckRun", "name"))?;
        let (id, new_suite, now) = (self.state.new_id(), self.state.new_id(), self.now());
        let repository = self.repository_mut(key)?;
        let suite = *repository.suites.entry(sha.clone()).or_insert(new_suite);
        let mut run = CheckRun {
            id,
            suite,
            sha,
            name,
            status: "queued".to_owned(),
            conclusion: None,
            details_url: None,
            external_id: None,
            started_at: now,
            completed_at: None,
            title: None,
            summary: None,
            text: None,
            creator: account.login.clone(),
        };
        apply(&mut run, report, now)?;
        let is_completed = run.conclusion.is_some();
        repository.check_runs.push(run);
        self.tell_check_run(key, id, "created", &account.login)?;
        if is_completed {
            self.tell_check_run(key, id, "completed", &account.login)?;
        }
        Ok(id)
    }

    /// Changes a check run.
    pub(super) fn update_check_run(
        &mut self,
        key: &str,
        actor: Option<&str>,
        id: u64,
        report: CheckReport,
    ) -> Result<(), Refusal> {
        let account = self.require(key, actor, Permission::Write)?;
        let now = self.now();
        let run = self.repository_mut(key)?.check_runs.iter_mut().find(|run| run.id == id);
        let run = run.ok_or_else(Refusal::not_found)?;
        let was = run.conclusion.clone();
        let mut changed = run.clone();
        apply(&mut changed, report, now)?;
        *run = changed;
        if run.conclusion.is_some() && run.conclusion != was {
            self.tell_check_run(key, id, "completed", &account.login)?;
        }
        Ok(())
    }
}

/// Writes a report into a run. A conclusion completes it; a completed run must have one.
fn apply(run: &mut CheckRun, report: CheckReport, now: Timestamp) -> Result<(), Refusal> {
    let is_completed = report.status.as_deref() == Some("completed");
    if is_completed && report.conclusion.is_none() && run.conclusion.is_none() {
        return Err(Refusal::missing("CheckRun", "conclusion"));
    }
    if let Some(name) = report.name {
        run.name = name;
    }
    if let Some(status) = report.status {
        if status != "completed" {
            run.conclusion = None;
            run.completed_at = None;
        }
        run.status = status;
    }
    if let Some(conclusion) = report.conclusion {
        run.conclusion = Some(conclusion);
        run.status = "completed".to_owned();
        run.completed_at = Some(report.completed_at.unwrap_or(now));
    }
    if let Some(started) = report.started_at {
        run.started_at = started;
    }
    run.details_url = report.details_url.or(run.details_url.take());
    run.external_id = report.external_id.or(run.external_id.take());
    if let Some((title, summary, text)) = report.output {
        (run.title, run.summary, run.text) = (title, summary, text);
    }
    Ok(())
}
