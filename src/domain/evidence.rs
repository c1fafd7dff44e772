//! Evidence: which reports count, for what, and what they amount to.
//!
//! - Missing is pending; nothing reported is never success.
//! - The newest run of a check counts. A key that exists as a status and as a check run needs both.
//! - On an active branch a report counts for the content that its commit holds, and only when it
//!   was made after the commit came onto the branch.
//! - Evidence is judged by the times of the reports, also when nobody looked in between.
//! - An error says nothing about the content; only a failure does.

use jiff::Timestamp;

use super::{
    gate::{StatusWait, Verdict},
    snapshot::Run,
    status::{CommitStatus, StatusSource, StatusState},
    strategy::{Environment, StatusRule},
};

/// Returns why the reports of one key do not count as a success at `now`, or nothing when they do.
pub fn status_wait(rule: &StatusRule, reports: &[&CommitStatus], now: Timestamp) -> Option<StatusWait> {
    let waits = [StatusSource::Status, StatusSource::CheckRun].map(|source| {
        let mut of_source: Vec<_> =
            reports.iter().copied().filter(|r| r.key == rule.key && r.source == source).collect();
        of_source.sort_by_key(|r| std::cmp::Reverse((r.reported_at, r.id)));
        (!of_source.is_empty()).then(|| newest_run(rule, &of_source, now))
    });
    match waits {
        [None, None] => Some(StatusWait::Missing),
        [one, other] => worse(one.flatten(), other.flatten()),
    }
}

/// Judges the reports of one source, newest first.
fn newest_run(rule: &StatusRule, newest_first: &[&CommitStatus], now: Timestamp) -> Option<StatusWait> {
    match newest_first.first()?.state {
        StatusState::Pending => Some(StatusWait::Pending),
        StatusState::Error => Some(StatusWait::Error),
        StatusState::Failure => Some(StatusWait::Failed),
        StatusState::Success => {
            let stands_since = newest_first.iter().take_while(|r| r.state == StatusState::Success).last()?.reported_at;
            let until = stands_since + rule.settle;
            (now < until).then_some(StatusWait::Settle { until })
        }
    }
}

fn worse(one: Option<StatusWait>, other: Option<StatusWait>) -> Option<StatusWait> {
    let rank = |wait: &Option<StatusWait>| match wait {
        None => 0,
        Some(StatusWait::Settle { .. }) => 1,
        Some(StatusWait::Pending | StatusWait::Missing) => 2,
        Some(StatusWait::Error) => 3,
        Some(StatusWait::Failed) => 4,
    };
    if rank(&one) >= rank(&other) { one } else { other }
}

/// Returns what the reports on a run amount to, leaving its record aside.
///
/// What was reported or would have ended after other content took its place proves nothing for it.
pub fn judge_run(environment: &Environment, run: &Run, now: Timestamp) -> Verdict {
    if run.content.is_empty() {
        return Verdict::Verified;
    }
    let now = run.ended_at.map_or(now, |end| end.min(now));
    let soaked = run.since() + environment.soak;
    let mut counting = counting_reports(run, now);
    counting.sort_by_key(|report| (report.reported_at, report.id));
    if was_proved(environment, &counting, soaked, now) {
        return Verdict::Unrecorded;
    }
    for rule in &environment.active_statuses {
        if let Some(waits) = status_wait(rule, &counting, now) {
            return Verdict::Status { key: rule.key.clone(), waits };
        }
    }
    Verdict::Soak { until: soaked }
}

/// Says whether there was a moment at which every listed key had succeeded and the soak was over,
/// and no key has failed since. So a check that runs again (pending) or breaks (error) before
/// anybody looked takes nothing away.
fn was_proved(environment: &Environment, oldest_first: &[&CommitStatus], soaked: Timestamp, now: Timestamp) -> bool {
    let listed = |report: &&CommitStatus| environment.active_statuses.iter().any(|rule| rule.key == report.key);
    let counting: Vec<&CommitStatus> = oldest_first.iter().copied().filter(listed).collect();
    for seen in (0..=counting.len()).rev() {
        let moment = counting.get(seen).map_or(now, |next| next.reported_at);
        let succeeded = |rule: &StatusRule| status_wait(rule, &counting[..seen], moment).is_none();
        if moment >= soaked && environment.active_statuses.iter().all(succeeded) {
            return true;
        }
        if seen > 0 && counting[seen - 1].state == StatusState::Failure {
            return false;
        }
    }
    false
}

/// Returns the first listed key whose newest verdict on the run is a failure.
///
/// A failure counts whenever it was reported, also after other content took the run's place, and
/// until a success follows it: that the check runs again or breaks takes nothing back. Once the
/// run has ended, no success does either: only what runs can earn a verdict again.
pub fn failed_key<'a>(environment: &'a Environment, run: &Run) -> Option<&'a StatusRule> {
    let is_late = |r: &CommitStatus| run.ended_at.is_some_and(|end| r.reported_at >= end);
    let decides = |r: &&CommitStatus| match r.state {
        StatusState::Failure => true,
        StatusState::Success => !is_late(r),
        StatusState::Pending | StatusState::Error => false,
    };
    let counting: Vec<_> = counting_reports(run, Timestamp::MAX).into_iter().filter(decides).collect();
    let fails = |rule: &&StatusRule| status_wait(rule, &counting, Timestamp::MAX) == Some(StatusWait::Failed);
    environment.active_statuses.iter().find(fails)
}

/// Says whether a listed key was ever reported as a failure of the run, whatever followed: that is
/// the end of what earlier runs with its content had earned.
pub fn ever_failed(environment: &Environment, run: &Run) -> bool {
    let failure = |r: &CommitStatus| r.state == StatusState::Failure;
    let listed = |r: &CommitStatus| environment.active_statuses.iter().any(|rule| rule.key == r.key);
    counting_reports(run, Timestamp::MAX).into_iter().any(|report| failure(report) && listed(report))
}

/// Returns the reports that count for the run's content, made until `until`.
fn counting_reports(run: &Run, until: Timestamp) -> Vec<&CommitStatus> {
    run.reports
        .iter()
        .filter(|report| {
            run.commits.iter().any(|commit| {
                let reported = report.status.reported_at;
                let after_arrival =
                    if commit.existed_before { reported > commit.arrived_at } else { reported >= commit.arrived_at };
                commit.sha == report.commit && after_arrival && reported <= until
            })
        })
        .map(|report| &report.status)
        .collect()
}
