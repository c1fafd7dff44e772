//! On what a merge was decided: who asked, and every gate with its evidence.
//!
//! - The planner makes the decision from the ledger and the snapshot that opened the gates, and the
//!   merge carries it: nothing is gathered a second time, so what is recorded is what was judged.
//! - Each piece of evidence names the commit that it was read on and the time it was reported, so
//!   that anybody can look it up in git and on the forge.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    approvals::Review,
    broken::{self, Broken},
    drift::Restore,
    evidence,
    gate::{Verdict, clock},
    hold::HoldRule,
    ids::{ActiveSha, DrySha, EnvironmentName, LaneName, Place, ProposedSha, StatusKey},
    ledger::Ledger,
    rollback::{AUTOMATIC, Rollback, Trigger},
    snapshot::{ActiveBranch, PlaceState, Proposal, Record, Report, Run},
    status::{CommitStatus, StatusSource, StatusState},
    strategy::{Environment, StatusRule},
    windows::{self, Standing, WindowName, WindowOverride, WindowSource},
};

/// On what one merge was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The head that was merged.
    pub proposed_sha: ProposedSha,
    /// The person who asked, or `Hydromote` where nobody had to.
    pub asked_by: String,
    /// When it was decided.
    #[schemars(with = "String")]
    pub decided_at: Timestamp,
    /// What was open, with its evidence, in the order in which gates are asked. Of a rollback: the
    /// failure that it answers.
    pub gates: Vec<OpenGate>,
    /// How many more there were than a commit message has room for.
    #[serde(default)]
    pub left_out: usize,
}

/// One gate that was open, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "gate", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum OpenGate {
    /// An environment before this one had verified the dry SHA.
    DependsOn {
        /// That environment.
        environment: EnvironmentName,
        /// The dry SHA that has the record there; another when the one that was merged changed nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dry_sha: Option<DrySha>,
        /// The commit that brought it; none where nothing runs and nothing is to run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        active_sha: Option<ActiveSha>,
        /// Since when it ran.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        running_since: Option<Timestamp>,
        /// Since when it is recorded as verified.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        verified_at: Option<Timestamp>,
        /// How long it had to run for that.
        #[serde(default, skip_serializing_if = "is_zero")]
        soak_seconds: u64,
        /// What had succeeded on it, as far as it is still known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        statuses: Vec<SeenStatus>,
    },
    /// What ran here until then stood in nobody's way any more.
    Settling {
        /// The dry SHA that ran.
        dry_sha: DrySha,
        /// The commit that had brought it.
        active_sha: Option<ActiveSha>,
        /// Why.
        because: Settled,
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        since: Option<Timestamp>,
    },
    /// Windows were open.
    Window {
        /// Whose.
        of: WindowSource,
        /// The window that allowed it; absent where none denied it and none needed to allow it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<WindowName>,
        /// Until when they were to be open, where an end was in sight.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        until: Option<Timestamp>,
    },
    /// Windows were closed, and a person overrode them.
    WindowOverride {
        /// Whose.
        of: WindowSource,
        /// The window that denied it; absent where it was outside of those that allow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<WindowName>,
        /// Who.
        by: String,
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// A commit status on the proposed SHA had succeeded.
    ProposedStatus(SeenStatus),
    /// A person had approved it.
    Approval {
        /// Who.
        by: String,
        /// The numeric id of the account.
        account: u64,
        /// The forge's number of the review.
        review: u64,
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
    },
    /// A person had promoted it.
    Promote {
        /// Who.
        by: String,
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
    },
    /// A commit status on what ran had failed, and the rollback answers that.
    ActiveStatus(SeenStatus),
}

/// Why what runs does not keep a promotion waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Settled {
    /// It was verified.
    Verified,
    /// It had failed.
    Failed,
    /// A rollback had brought it back.
    Restored,
    /// A person had adopted what others put there.
    Adopted,
    /// It ran before the branch was taken over.
    TakenOver,
    /// Its verdict was overdue.
    Overdue,
}

/// A commit status as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenStatus {
    /// Its key, or the check run's name.
    pub key: StatusKey,
    /// Its state.
    pub state: StatusState,
    /// The commit that it was read on.
    pub sha: String,
    /// When it was reported.
    #[schemars(with = "String")]
    pub reported_at: Timestamp,
    /// Since when it had succeeded without a break, where it had to stand for some time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub stands_since: Option<Timestamp>,
    /// How long it had to stand.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub settle_seconds: u64,
    /// Whether it is a check run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub check_run: bool,
    /// The reporter's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Why a rollback was made, as its commits say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackCause {
    /// In words.
    pub reason: String,
    /// What it held the place with.
    pub rule: Option<HoldRule>,
    /// When it was asked for.
    pub asked_at: Timestamp,
}

/// The most characters of a reporter's words that are kept.
const DESCRIPTION_LIMIT: usize = 140;

impl Decision {
    /// Says on what the merge of `proposal` rests; every gate is open.
    pub fn of_promotion(
        ledger: &Ledger<'_>,
        environment: &Environment,
        place: &Place,
        proposal: &Proposal,
        now: Timestamp,
    ) -> Self {
        let gates = open_gates(ledger, environment, place, &proposal.dry, Some(proposal), now);
        let promoted = gates.iter().find_map(|gate| match gate {
            OpenGate::Promote { by, .. } => Some(by.clone()),
            _ => None,
        });
        let overrode = gates.iter().find_map(|gate| match gate {
            OpenGate::WindowOverride { by, .. } => Some(by.clone()),
            _ => None,
        });
        let asked_by = promoted.or(overrode);
        Self {
            proposed_sha: proposal.sha.clone(),
            asked_by: asked_by.unwrap_or_else(|| AUTOMATIC.to_owned()),
            decided_at: millis(now),
            gates,
            left_out: 0,
        }
    }

    /// Says on what the merge of a rollback rests: for one that started by itself, the failure.
    pub fn of_rollback(
        ledger: &Ledger<'_>,
        environment: &Environment,
        place: &Place,
        rollback: &Rollback,
        proposed: &ProposedSha,
        now: Timestamp,
    ) -> Self {
        let branch = ledger.place(place).and_then(|state| state.branch());
        let bad = branch.and_then(|b| b.runs.iter().find(|run| run.brought_by() == Some(&rollback.bad_commit)));
        let failure = bad
            .filter(|_| rollback.trigger == Trigger::Automatic)
            .and_then(|run| evidence::failure(environment, run))
            .map(|report| OpenGate::ActiveStatus(SeenStatus::of(&report.status, report.commit.as_str())));
        Self {
            proposed_sha: proposed.clone(),
            asked_by: rollback.by.clone(),
            decided_at: millis(now),
            gates: failure.into_iter().collect(),
            left_out: 0,
        }
    }

    /// Returns on what the restoring of drift was decided: a person's word.
    pub fn of_restore(restore: &Restore, proposed: &ProposedSha, now: Timestamp) -> Self {
        Self {
            proposed_sha: proposed.clone(),
            asked_by: restore.by.clone(),
            decided_at: millis(now),
            gates: Vec::new(),
            left_out: 0,
        }
    }
}

impl SeenStatus {
    pub(super) fn of(status: &CommitStatus, sha: &str) -> Self {
        Self {
            key: status.key.clone(),
            state: status.state,
            sha: sha.to_owned(),
            reported_at: status.reported_at,
            stands_since: None,
            settle_seconds: 0,
            check_run: status.source == StatusSource::CheckRun,
            description: status.description.chars().take(DESCRIPTION_LIMIT).collect(),
        }
    }

    /// Returns the newest of the reports of one source; `newest_first` may be empty.
    fn newest(rule: &StatusRule, newest_first: &[&CommitStatus], sha: &str) -> Option<Self> {
        let seen = Self::of(newest_first.first()?, sha);
        let stands_since = evidence::stands_since(newest_first).filter(|_| !rule.settle.is_zero());
        Some(Self { stands_since, settle_seconds: seconds(rule.settle), ..seen })
    }
}

/// Returns the gates of `dry` that are open, with their evidence, in the order in which they are asked; what is
/// bound to the proposed SHA as far as there is a proposal.
pub fn open_gates(
    ledger: &Ledger<'_>,
    environment: &Environment,
    place: &Place,
    dry: &DrySha,
    proposal: Option<&Proposal>,
    now: Timestamp,
) -> Vec<OpenGate> {
    let state = ledger.place(place);
    let mut gates: Vec<OpenGate> =
        environment.depends_on.iter().filter_map(|before| depends_on(ledger, before, &place.lane, dry)).collect();
    if let Some(branch) = state.and_then(|state| state.branch()) {
        gates.extend(settling(ledger, environment, branch, now));
    }
    gates.extend(window_gates(environment, state, proposal, now));
    let Some(proposal) = proposal else { return gates };
    let reports: Vec<&CommitStatus> = state.iter().flat_map(|state| &state.proposed_reports).collect();
    for rule in &environment.proposed_statuses {
        if evidence::status_wait(rule, &reports, now).is_some() {
            continue;
        }
        let newest = evidence::by_source(rule, &reports);
        let seen = newest.iter().filter_map(|of_source| SeenStatus::newest(rule, of_source, proposal.sha.as_str()));
        gates.extend(seen.map(OpenGate::ProposedStatus));
    }
    gates.extend(approvals(environment, state, proposal));
    let promote = state.and_then(|state| state.promote.as_ref());
    let promote = promote.filter(|promote| !environment.auto_merge && promote.proposed == proposal.sha);
    gates.extend(promote.map(|promote| OpenGate::Promote { by: promote.by.clone(), at: millis(promote.at) }));
    gates
}

fn depends_on(ledger: &Ledger<'_>, before: &EnvironmentName, lane: &LaneName, dry: &DrySha) -> Option<OpenGate> {
    let proof = ledger.proof(before, lane, dry)?;
    let run = proof.run;
    let seen = |report: &Report| SeenStatus::of(&report.status, report.commit.as_str());
    Some(OpenGate::DependsOn {
        environment: before.clone(),
        dry_sha: run.map(|run| run.dry.clone()),
        active_sha: run.and_then(Run::brought_by).cloned(),
        running_since: run.map(|run| millis(run.since())),
        verified_at: run.and_then(verified_at),
        soak_seconds: seconds(proof.environment.soak),
        statuses: run.into_iter().flat_map(|run| evidence::successes(proof.environment, run)).map(seen).collect(),
    })
}

/// Says why what runs keeps no promotion waiting, or what it waits for: until it is verified or has
/// failed nothing is merged, up to a deadline. Nothing where nothing runs.
///
/// # Errors
/// The verdict that is still open.
pub fn settled(
    ledger: &Ledger<'_>,
    environment: &Environment,
    branch: &ActiveBranch,
    now: Timestamp,
) -> Result<Option<Settled>, Verdict> {
    let Some(run) = branch.runs.first() else { return Ok(None) };
    // What was restored does not settle: a fix need not wait for it.
    if run.restored.is_some() {
        return Ok(Some(Settled::Restored));
    }
    if run.adopted.is_some() {
        return Ok(Some(Settled::Adopted));
    }
    if run.taken_over.is_some() {
        return Ok(Some(Settled::TakenOver));
    }
    match ledger.run_verdict(environment, &branch.runs, 0) {
        Verdict::Verified => Ok(Some(Settled::Verified)),
        _ if evidence::failed_key(environment, run).is_some() => Ok(Some(Settled::Failed)),
        _ if now >= run.since() + environment.settle_deadline() && !broken::is(Broken::SettleEnd) => {
            Ok(Some(Settled::Overdue))
        }
        waits => Err(waits),
    }
}

fn settling(ledger: &Ledger<'_>, environment: &Environment, branch: &ActiveBranch, now: Timestamp) -> Option<OpenGate> {
    let because = settled(ledger, environment, branch, now).ok()??;
    let run = branch.runs.first()?;
    let since = match because {
        Settled::Verified => verified_at(run),
        Settled::Failed => evidence::failure(environment, run).map(|report| report.status.reported_at),
        Settled::Restored | Settled::TakenOver => Some(millis(run.since())),
        Settled::Adopted => run.adopted.as_ref().map(|adoption| millis(adoption.at)),
        Settled::Overdue => Some(millis(run.since() + environment.settle_deadline())),
    };
    Some(OpenGate::Settling { dry_sha: run.dry.clone(), active_sha: run.brought_by().cloned(), because, since })
}

/// Says how the windows of each owner let the proposal through.
fn window_gates(
    environment: &Environment,
    state: Option<&PlaceState>,
    proposal: Option<&Proposal>,
    now: Timestamp,
) -> Vec<OpenGate> {
    let overriding = state.and_then(|state| state.window_override.as_ref());
    let overriding = overriding.filter(|overriding| proposal.is_some_and(|p| overriding.proposed == p.sha));
    let gate = |(of, standing)| match (standing, overriding) {
        (Standing::Open { inside, until }, _) => Some(OpenGate::Window { of, window: inside, until }),
        (Standing::Closed { inside, .. }, Some(WindowOverride { by, reason, at, .. })) => {
            let (by, reason) = (by.clone(), reason.clone());
            Some(OpenGate::WindowOverride { of, window: inside, by, at: millis(*at), reason })
        }
        (Standing::Closed { .. }, None) => None,
    };
    environment.windows.standings(now).filter_map(gate).collect()
}

/// Returns the approvals that opened the gate.
fn approvals(environment: &Environment, state: Option<&PlaceState>, proposal: &Proposal) -> Vec<OpenGate> {
    let reviewed = state.and_then(|state| state.reviewed.as_ref());
    let reviewed = reviewed.filter(|reviewed| reviewed.proposed == proposal.sha);
    let Some((rule, reviewed)) = environment.approvals.as_ref().zip(reviewed) else { return Vec::new() };
    let gate = |review: &Review| OpenGate::Approval {
        by: review.by.login.clone(),
        account: review.by.id,
        review: review.id,
        at: millis(review.at),
    };
    rule.opening(reviewed).into_iter().map(gate).collect()
}

fn verified_at(run: &Run) -> Option<Timestamp> {
    match run.record {
        Some(Record::Verified { at }) => Some(millis(at)),
        _ => None,
    }
}

/// Returns the time as it is stored everywhere: in milliseconds.
fn millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn seconds(duration: SignedDuration) -> u64 {
    duration.as_secs().try_into().unwrap_or_default()
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl fmt::Display for SeenStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let did = match self.state {
            StatusState::Success => "succeeded",
            StatusState::Failure => "failed",
            StatusState::Error => "could not be checked",
            StatusState::Pending => "was pending",
        };
        let short = self.sha.get(..7).unwrap_or(&self.sha);
        write!(f, "`{}` {did} on {short} at {}", self.key, clock(self.reported_at))?;
        if let Some(since) = self.stands_since {
            write!(f, ", and had stood since {}", clock(since))?;
        }
        Ok(())
    }
}

impl OpenGate {
    /// Says whether it was asked of what was proposed, once where lanes shared a pull request, and not of a lane.
    pub fn is_of_proposal(&self) -> bool {
        match self {
            Self::Window { .. }
            | Self::WindowOverride { .. }
            | Self::ProposedStatus(_)
            | Self::Approval { .. }
            | Self::Promote { .. } => true,
            Self::DependsOn { .. } | Self::Settling { .. } | Self::ActiveStatus(_) => false,
        }
    }
}

impl fmt::Display for OpenGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DependsOn { environment, active_sha: None, .. } => {
                write!(f, "{environment} has nothing to verify")
            }
            Self::DependsOn { environment, active_sha: Some(active), verified_at, .. } => {
                write!(f, "{environment} had verified it")?;
                if let Some(at) = verified_at {
                    write!(f, " at {}", clock(*at))?;
                }
                write!(f, " on {}", active.short())
            }
            Self::Settling { dry_sha, because, since, .. } => {
                let short = dry_sha.short();
                match because {
                    Settled::Verified => write!(f, "{short}, which ran here, was verified")?,
                    Settled::Failed => write!(f, "{short}, which ran here, had failed")?,
                    Settled::Restored => write!(f, "{short}, which ran here, had been brought back by a rollback")?,
                    Settled::Adopted => write!(f, "what others put over {short} here had been adopted")?,
                    Settled::TakenOver => write!(f, "{short}, which ran here, had been taken over")?,
                    Settled::Overdue => write!(f, "{short}, which ran here, had no verdict in time")?,
                }
                since.map_or(Ok(()), |since| write!(f, " at {}", clock(since)))
            }
            Self::Window { of, window, until } => windows::write_open(f, *of, window.as_ref(), *until),
            Self::WindowOverride { of, window, by, at, reason } => {
                windows::write_overridden(f, *of, window.as_ref(), by, *at, reason)
            }
            Self::ProposedStatus(seen) | Self::ActiveStatus(seen) => seen.fmt(f),
            Self::Approval { by, at, .. } => write!(f, "{by} approved it at {}", clock(*at)),
            Self::Promote { by, at } => write!(f, "{by} promoted it at {}", clock(*at)),
        }
    }
}

#[cfg(test)]
mod tests;
