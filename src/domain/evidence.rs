//! Evidence: which reports count, for what, and what they amount to.
//!
//! - Missing is pending; nothing reported is never success.
//! - The newest run of a check counts. A key that exists as a status and as a check run needs both.
//! - On an active branch a report counts for the content that its commit holds, and only when it
//!   was made after the commit came onto the branch.
//! - Evidence is judged by the times of the reports, also when nobody looked in between.
//! - An error says nothing about the content; only a failure does.

use jiff::{SignedDuration, Timestamp};

use super::{
    gate::{StatusWait, Verdict},
    snapshot::{Report, Run},
    status::{CommitStatus, StatusSource, StatusState},
    strategy::{Environment, StatusRule},
};

/// Returns why the reports of one key do not count as a success at `now`, or nothing when they do.
pub fn status_wait(rule: &StatusRule, reports: &[&CommitStatus], now: Timestamp) -> Option<StatusWait> {
    let waits =
        by_source(rule, reports).map(|of_source| (!of_source.is_empty()).then(|| newest_run(rule, &of_source, now)));
    match waits {
        [None, None] => Some(StatusWait::Missing),
        [one, other] => worse(one.flatten(), other.flatten()),
    }
}

/// Returns the reports of one key, each source by itself and newest first.
pub fn by_source<'a>(rule: &StatusRule, reports: &[&'a CommitStatus]) -> [Vec<&'a CommitStatus>; 2] {
    [StatusSource::Status, StatusSource::CheckRun].map(|source| {
        let mut of_source: Vec<_> =
            reports.iter().copied().filter(|r| r.key == rule.key && r.source == source).collect();
        of_source.sort_by_key(|r| std::cmp::Reverse((r.reported_at, r.id)));
        of_source
    })
}

/// Returns since when success stands without a break; `newest_first` are the reports of one source.
pub fn stands_since(newest_first: &[&CommitStatus]) -> Option<Timestamp> {
    Some(newest_first.iter().take_while(|r| r.state == StatusState::Success).last()?.reported_at)
}

/// Judges the reports of one source, newest first.
fn newest_run(rule: &StatusRule, newest_first: &[&CommitStatus], now: Timestamp) -> Option<StatusWait> {
    match newest_first.first()?.state {
        StatusState::Pending => Some(StatusWait::Pending),
        StatusState::Error => Some(StatusWait::Error),
        StatusState::Failure => Some(StatusWait::Failed),
        StatusState::Success => {
            let until = stands_since(newest_first)? + rule.settle;
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
    // What is there to be read on what runs was reported, though the forge's clock be ahead of ours; on what
    // ended nobody knows what came first in that second.
    let until = run.ended_at.map_or(Timestamp::MAX, |end| end - SignedDuration::from_nanos(1));
    let now = run.ended_at.unwrap_or(now);
    let soaked = run.since() + environment.soak;
    let mut counting = counting_reports(run, until);
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

/// Returns everything that what runs still waits for, where [`judge_run`] names the first of it.
pub fn run_waits(environment: &Environment, run: &Run, now: Timestamp) -> Vec<Verdict> {
    if matches!(judge_run(environment, run, now), Verdict::Verified | Verdict::Unrecorded) {
        return Vec::new();
    }
    let counting = counting_reports(run, Timestamp::MAX);
    let status = |rule: &StatusRule| {
        status_wait(rule, &counting, now).map(|waits| Verdict::Status { key: rule.key.clone(), waits })
    };
    let soaked = run.since() + environment.soak;
    let soak = (now < soaked).then_some(Verdict::Soak { until: soaked });
    environment.active_statuses.iter().filter_map(status).chain(soak).collect()
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

/// Returns the newest failure of the key that has failed on the run.
pub fn failure<'a>(environment: &Environment, run: &'a Run) -> Option<&'a Report> {
    let rule = failed_key(environment, run)?;
    let failed = |report: &&Report| report.status.key == rule.key && report.status.state == StatusState::Failure;
    counting(run, Timestamp::MAX).filter(failed).max_by_key(|report| (report.status.reported_at, report.status.id))
}

/// Returns the newest success of each listed key and source that counts for the run.
pub fn successes<'a>(environment: &Environment, run: &'a Run) -> Vec<&'a Report> {
    let is_late = |r: &Report| run.ended_at.is_some_and(|end| r.status.reported_at >= end);
    let newest = |rule: &StatusRule, source| {
        counting(run, Timestamp::MAX)
            .filter(|r| r.status.key == rule.key && r.status.source == source)
            .filter(|r| r.status.state == StatusState::Success && !is_late(r))
            .max_by_key(|r| (r.status.reported_at, r.status.id))
    };
    let both = [StatusSource::Status, StatusSource::CheckRun];
    environment.active_statuses.iter().flat_map(|rule| both.into_iter().filter_map(move |s| newest(rule, s))).collect()
}

/// Returns the reports that count for the run's content, made until `until`.
fn counting_reports(run: &Run, until: Timestamp) -> Vec<&CommitStatus> {
    counting(run, until).map(|report| &report.status).collect()
}

fn counting(run: &Run, until: Timestamp) -> impl Iterator<Item = &Report> {
    run.reports.iter().filter(move |report| {
        run.commits.iter().any(|commit| {
            let reported = report.status.reported_at;
            let after_arrival =
                if commit.existed_before { reported > commit.arrived_at } else { reported >= commit.arrived_at };
            commit.sha == report.commit && after_arrival && reported <= until
        })
    })
}
