//! Evidence: which reports count, for what, and what they amount to.
//!
//! - Missing is pending; nothing reported is never success.
//! - The newest run of a check counts. A key that exists as a status and as a check run needs both, and one that several
//!   apps run needs each of them: what one says takes nothing back of what another has said.
//! - Of the keys that match one pattern none may have failed, and all must have succeeded, or as many as are asked for.
//! - On an active branch a report counts for the content that its commit holds, and only when it
//!   was made after the commit came onto the branch.
//! - What is asked of one root counts on earlier commits too, as long as they hold the same rendering of it.
//! - Evidence is judged by the times of the reports, also when nobody looked in between.
//! - An error says nothing about the content; only a failure does.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    gate::{StatusWait, Verdict},
    ids::{RootName, StatusKey},
    snapshot::{Report, Run, RunRoot},
    status::{CommitStatus, StatusSource, StatusState},
    strategy::{
        Environment, StatusRule,
        status_rule::{Ask, Asked},
    },
};

/// A report that counts.
#[derive(Clone, Copy)]
struct Counted<'a> {
    report: &'a Report,
    /// The root for which alone it does: it was made on an earlier commit.
    only: Option<&'a RootName>,
}

/// One thing that a rule asks, with the reports on it, oldest first and numbered in the order of all.
struct Question<'a> {
    rule: &'a StatusRule,
    key: StatusKey,
    reports: Vec<(usize, &'a CommitStatus)>,
}

impl<'a> Question<'a> {
    /// Returns what rules ask about something that holds these roots; `oldest_first` are the reports on it.
    fn all(rules: &'a [StatusRule], roots: &'a [RunRoot], oldest_first: &[Counted<'a>]) -> Vec<Self> {
        let asked = |rule: &'a StatusRule| match rule.asked(roots) {
            Asked::These(asks) => asks.into_iter().map(|ask| Self::about(rule, &ask, oldest_first)).collect(),
            // It is never answered until it is known what it is.
            Asked::Unknown => vec![Self { rule, key: rule.key.clone(), reports: Vec::new() }],
        };
        rules.iter().flat_map(asked).collect()
    }

    fn about(rule: &'a StatusRule, ask: &Ask<'a>, oldest_first: &[Counted<'a>]) -> Self {
        let root = ask.root.map(|root| &root.name);
        let is_meant = |counted: &Counted<'a>| {
            let status = &counted.report.status;
            (counted.only.is_none() || counted.only == root) && rule.is_from(status) && ask.pattern.matches(&status.key)
        };
        let reports = oldest_first.iter().enumerate().filter(|(_, counted)| is_meant(counted));
        let key = StatusKey::new(ask.pattern.to_string()).unwrap_or_else(|_| rule.key.clone());
        Self { rule, key, reports: reports.map(|(at, counted)| (at, &counted.report.status)).collect() }
    }

    /// Returns why the first `seen` of all reports do not answer it at `now`.
    fn wait(&self, seen: usize, now: Timestamp) -> Option<StatusWait> {
        let reports = self.reports.iter().take_while(|(at, _)| *at < seen).map(|(_, status)| *status);
        keys_wait(self.rule, reports, now)
    }
}

/// Returns why the reports on what is proposed do not count as a success at `now`, or nothing when they do.
pub fn status_wait(rule: &StatusRule, reports: &[&CommitStatus], now: Timestamp) -> Option<StatusWait> {
    keys_wait(rule, reports.iter().copied().filter(|status| rule.counts(status, &[])), now)
}

/// Judges the reports that answer one question, of one key or several.
fn keys_wait<'a>(
    rule: &StatusRule,
    reports: impl Iterator<Item = &'a CommitStatus>,
    now: Timestamp,
) -> Option<StatusWait> {
    let mut by_key: BTreeMap<&StatusKey, Vec<&CommitStatus>> = BTreeMap::new();
    for report in reports {
        by_key.entry(&report.key).or_default().push(report);
    }
    let waits: Vec<Option<StatusWait>> = by_key.values().map(|of_key| key_wait(rule, of_key, now)).collect();
    let asked = rule.at_least.map_or(waits.len().max(1), |number| usize::try_from(number.get()).unwrap_or(usize::MAX));
    let succeeded = waits.iter().filter(|wait| wait.is_none()).count();
    if waits.contains(&Some(StatusWait::Failed)) {
        return Some(StatusWait::Failed);
    }
    if succeeded >= asked {
        return None;
    }
    let mut standing: Vec<Timestamp> = waits.iter().flatten().filter_map(StatusWait::until).collect();
    standing.sort_unstable();
    if let Some(until) = standing.get(asked - succeeded - 1) {
        return Some(StatusWait::Settle { until: *until });
    }
    let worst = waits.into_iter().reduce(worse).unwrap_or(Some(StatusWait::Missing));
    match rule.at_least {
        Some(asked) if asked.get() > 1 => {
            Some(StatusWait::Fewer { succeeded: u32::try_from(succeeded).unwrap_or(u32::MAX), asked: asked.get() })
        }
        _ => worst,
    }
}

/// Judges the reports of one key.
fn key_wait(rule: &StatusRule, reports: &[&CommitStatus], now: Timestamp) -> Option<StatusWait> {
    let waits = sources(reports).into_iter().map(|of_source| newest_run(rule, &of_source, now));
    waits.reduce(worse).unwrap_or(Some(StatusWait::Missing))
}

/// Returns the reports of one key, each source by itself and newest first; of check runs each app is one.
fn sources<'a>(reports: &[&'a CommitStatus]) -> Vec<Vec<&'a CommitStatus>> {
    let mut sources: Vec<Vec<&CommitStatus>> = Vec::new();
    for report in reports.iter().copied() {
        let same = |of_source: &&mut Vec<&CommitStatus>| of_source.iter().any(|other| is_one_source(other, report));
        match sources.iter_mut().find(same) {
            Some(of_source) => of_source.push(report),
            None => sources.push(vec![report]),
        }
    }
    sources.sort_by_key(|of_source| of_source.first().map(|report| report.source));
    for of_source in &mut sources {
        of_source.sort_by_key(|r| std::cmp::Reverse((r.reported_at, r.id)));
    }
    sources
}

/// Says whether of two reports of one key the newer one takes the place of the other: anybody's status does, an app's
/// check run only where it is the same app's.
fn is_one_source(one: &CommitStatus, other: &CommitStatus) -> bool {
    one.source == other.source && (one.source == StatusSource::Status || one.reporter == other.reporter)
}

/// Returns the reports on what is proposed that a rule counts, each key and source by itself and newest first.
pub fn by_source<'a>(rule: &StatusRule, reports: &[&'a CommitStatus]) -> Vec<Vec<&'a CommitStatus>> {
    let mut by_key: BTreeMap<&StatusKey, Vec<&CommitStatus>> = BTreeMap::new();
    for report in reports.iter().copied().filter(|status| rule.counts(status, &[])) {
        by_key.entry(&report.key).or_default().push(report);
    }
    by_key.values().flat_map(|of_key| sources(of_key)).collect()
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
        None => (0, None),
        Some(StatusWait::Settle { until }) => (1, Some(*until)),
        Some(StatusWait::Pending | StatusWait::Missing | StatusWait::Fewer { .. }) => (2, None),
        Some(StatusWait::Error) => (3, None),
        Some(StatusWait::Failed) => (4, None),
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
    let counted = listed(environment, run, until);
    let questions = Question::all(&environment.active_statuses, &run.roots, &counted);
    if was_proved(&questions, &counted, soaked, now) {
        return Verdict::Unrecorded;
    }
    let open = |question: &Question<'_>| Some((question.key.clone(), question.wait(counted.len(), now)?));
    match questions.iter().find_map(open) {
        Some((key, waits)) => Verdict::Status { key, waits },
        None => Verdict::Soak { until: soaked },
    }
}

/// Returns everything that what runs still waits for, where [`judge_run`] names the first of it; with the rule that
/// asks for a status.
pub fn run_waits<'a>(
    environment: &'a Environment,
    run: &'a Run,
    now: Timestamp,
) -> Vec<(Option<&'a StatusRule>, Verdict)> {
    if matches!(judge_run(environment, run, now), Verdict::Verified | Verdict::Unrecorded) {
        return Vec::new();
    }
    let counted = listed(environment, run, Timestamp::MAX);
    let questions = Question::all(&environment.active_statuses, &run.roots, &counted);
    let status = |question: &Question<'a>| {
        let waits = question.wait(counted.len(), now)?;
        Some((Some(question.rule), Verdict::Status { key: question.key.clone(), waits }))
    };
    let soaked = run.since() + environment.soak;
    let soak = (now < soaked).then_some((None, Verdict::Soak { until: soaked }));
    questions.iter().filter_map(status).chain(soak).collect()
}

/// Says whether there was a moment at which everything asked for had succeeded and the soak was over,
/// and nothing has failed since. So a check that runs again (pending) or breaks (error) before
/// anybody looked takes nothing away.
fn was_proved(questions: &[Question<'_>], oldest_first: &[Counted<'_>], soaked: Timestamp, now: Timestamp) -> bool {
    for seen in (0..=oldest_first.len()).rev() {
        let moment = oldest_first.get(seen).map_or(now, |next| next.report.status.reported_at);
        if moment >= soaked && questions.iter().all(|question| question.wait(seen, moment).is_none()) {
            return true;
        }
        if seen > 0 && oldest_first[seen - 1].report.status.state == StatusState::Failure {
            return false;
        }
    }
    false
}

/// Returns the reports that count for a run until `until` and that some rule asks for, oldest first.
fn listed<'a>(environment: &Environment, run: &'a Run, until: Timestamp) -> Vec<Counted<'a>> {
    let mut listed: Vec<Counted<'a>> =
        counted(run, until).filter(|counted| is_listed(environment, run, &counted.report.status)).collect();
    listed.sort_by_key(|counted| (counted.report.status.reported_at, counted.report.status.id));
    listed
}

fn is_listed(environment: &Environment, run: &Run, status: &CommitStatus) -> bool {
    environment.active_statuses.iter().any(|rule| rule.counts(status, &run.roots))
}

/// Returns the first listed key whose newest verdict on the run is a failure.
///
/// A failure counts whenever it was reported, also after other content took the run's place, and
/// until a success follows it: that the check runs again or breaks takes nothing back. Once the
/// run has ended, no success does either: only what runs can earn a verdict again.
pub fn failed_key<'a>(environment: &'a Environment, run: &'a Run) -> Option<&'a StatusRule> {
    let decides = |counted: &Counted<'a>| match counted.report.status.state {
        StatusState::Failure => true,
        StatusState::Success => !is_late(run, counted.report),
        StatusState::Pending | StatusState::Error => false,
    };
    let deciding: Vec<_> = listed(environment, run, Timestamp::MAX).into_iter().filter(decides).collect();
    let questions = Question::all(&environment.active_statuses, &run.roots, &deciding);
    let fails = |question: &&Question<'a>| question.wait(deciding.len(), Timestamp::MAX) == Some(StatusWait::Failed);
    questions.iter().find(fails).map(|question| question.rule)
}

/// Says whether a listed key was ever reported as a failure of the run, whatever followed: that is
/// the end of what earlier runs with its content had earned.
pub fn ever_failed(environment: &Environment, run: &Run) -> bool {
    let failure = |report: &&Report| report.status.state == StatusState::Failure;
    counting_in(run).filter(failure).any(|report| is_listed(environment, run, &report.status))
}

/// Returns the newest failure of the key that has failed on the run.
pub fn failure<'a>(environment: &'a Environment, run: &'a Run) -> Option<&'a Report> {
    let rule = failed_key(environment, run)?;
    counted(run, Timestamp::MAX)
        .map(|counted| counted.report)
        .filter(|report| report.status.state == StatusState::Failure && rule.counts(&report.status, &run.roots))
        .max_by_key(|report| (report.status.reported_at, report.status.id))
}

/// Returns the newest success of each listed key and source that counts for the run.
pub fn successes<'a>(environment: &'a Environment, run: &'a Run) -> Vec<&'a Report> {
    let mut newest: BTreeMap<(usize, &StatusKey, StatusSource), &Report> = BTreeMap::new();
    let successes = listed(environment, run, Timestamp::MAX).into_iter().map(|counted| counted.report);
    for report in successes.filter(|r| r.status.state == StatusState::Success && !is_late(run, r)) {
        let rule = environment.active_statuses.iter().position(|rule| rule.counts(&report.status, &run.roots));
        // They come oldest first.
        newest.insert((rule.unwrap_or_default(), &report.status.key, report.status.source), report);
    }
    newest.into_values().collect()
}

/// Says whether a report came when other content had taken the run's place.
fn is_late(run: &Run, report: &Report) -> bool {
    run.ended_at.is_some_and(|end| report.status.reported_at >= end)
}

/// Returns the reports that count for the run, made until `until`; those on earlier commits for one root alone.
fn counted(run: &Run, until: Timestamp) -> impl Iterator<Item = Counted<'_>> {
    let own = counting_in(run).map(|report| Counted { report, only: None });
    let of_roots = run.roots.iter().flat_map(|RunRoot { name, earlier, .. }| {
        earlier.iter().map(move |report| Counted { report, only: Some(name) })
    });
    own.chain(of_roots).filter(move |counted| counted.report.status.reported_at <= until)
}

/// Returns the reports on commits of the run that were made after those came onto the branch.
pub fn counting_in(run: &Run) -> impl Iterator<Item = &Report> {
    run.reports.iter().filter(|report| {
        run.commits.iter().any(|commit| {
            let reported = report.status.reported_at;
            let after_arrival =
                if commit.existed_before { reported > commit.arrived_at } else { reported >= commit.arrived_at };
            commit.sha == report.commit && after_arrival
        })
    })
}

#[cfg(test)]
mod tests;
