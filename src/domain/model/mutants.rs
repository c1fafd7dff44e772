//! The broken variants that are tried, what each is, and where it is searched for.
//!
//! The number is that of the defect of an earlier draft of the rules which the variant brings back: those
//! that were found when the rules were tried as a model, before anything was built.

use super::{
    distorted::{
        forget_drift, forget_late_reports, forget_that_any_left, inherit_reports, is_verified, mix_lanes,
        of_environments, of_places, of_reports, of_runs, release, release_what_expired, says_pending,
    },
    mutant::{
        Breaks::{Asked, Guards, Rule, Seen, Strategy},
        Mutant, mutant,
    },
};
use crate::domain::{broken::Broken, plan::Action, status::StatusState};

/// Every variant.
pub(super) static ALL: &[Mutant] = &[
    // What is promoted, and in which order.
    mutant(
        "an older dry SHA is promoted once the newer one is revoked",
        Some("3"),
        &["3, no-ops"],
        Rule(Broken::Forward),
    ),
    mutant("blocked and rejected dry SHAs stay candidates", Some("11"), &["2, people"], Rule(Broken::Filter)),
    mutant("what an environment depends on is no gate", None, &["2, automatic"], Rule(Broken::DependsOn)),
    mutant(
        "one of two environments before is enough",
        Some("17"),
        &["diamond, no-ops"],
        Strategy(|strategy| of_environments(strategy, |environment| environment.depends_on.truncate(1))),
    ),
    mutant(
        "newer is what was seen later, on the line or not",
        Some("15"),
        &["2, forced pushes"],
        Seen(forget_that_any_left),
    ),
    mutant("nothing settles", Some("5"), &["2, automatic"], Rule(Broken::Settling)),
    mutant("settling has no end", Some("9"), &["2, automatic"], Rule(Broken::SettleEnd)),
    mutant("finishing has no end", Some("9"), &["2, finish"], Rule(Broken::FinishEnd)),
    mutant(
        "nobody is asked to promote",
        None,
        &["2, supersede"],
        Strategy(|strategy| of_environments(strategy, |environment| environment.auto_merge = true)),
    ),
    mutant(
        "proposed statuses are not asked for",
        None,
        &["2, supersede"],
        Strategy(|strategy| of_environments(strategy, |environment| environment.proposed_statuses.clear())),
    ),
    mutant(
        "a promotion by a person holds for whatever is proposed next",
        Some("18"),
        &["2, supersede"],
        Guards(|guards| guards.promotes_one_head = false),
    ),
    // No-ops.
    mutant("a no-op is taken before it is verified upstream", Some("4"), &["3, no-ops"], Rule(Broken::NoOpOrder)),
    mutant("a no-op is verified whatever runs", Some("4"), &["3, no-ops"], Rule(Broken::NoOpHead)),
    mutant("a no-op passes on what is revoked upstream", Some("7"), &["3, no-ops"], Rule(Broken::NoOpChain)),
    // Evidence.
    mutant(
        "a later failure revokes nothing",
        Some("12"),
        &["3, no-ops"],
        Seen(|seen| {
            of_runs(seen, |run| {
                if is_verified(run) {
                    run.reports.retain(|r| r.status.state != StatusState::Failure)
                }
            })
        }),
    ),
    mutant(
        "a failure on content that was replaced is not heard",
        None,
        &["2, broken checks"],
        Seen(|seen| of_runs(seen, forget_late_reports)),
    ),
    mutant(
        "the failure of restored content leaves its old record",
        Some("16"),
        &["2, automatic", "3, people"],
        Rule(Broken::RestoredFails),
    ),
    mutant("what a rollback left stays verified", Some("12"), &["3, people"], Rule(Broken::LeftStaysVerified)),
    mutant(
        "nothing reported is a success",
        None,
        &["2, automatic"],
        Strategy(|strategy| of_environments(strategy, |environment| environment.active_statuses.clear())),
    ),
    mutant(
        "an error is a failure",
        None,
        &["2, broken checks"],
        Seen(|seen| {
            of_reports(seen, |_, report| {
                if report.status.state == StatusState::Error {
                    report.status.state = StatusState::Failure
                }
            })
        }),
    ),
    mutant(
        "a check that runs again is a failure",
        None,
        &["2, broken checks"],
        Seen(|seen| {
            of_reports(seen, |_, report| {
                if report.status.state == StatusState::Pending {
                    report.status.state = StatusState::Failure
                }
            })
        }),
    ),
    mutant(
        "what was reported before a fast-forward counts",
        Some("26"),
        &["2, fast-forward"],
        Seen(|seen| {
            of_reports(seen, |since, report| {
                report.status.reported_at = report.status.reported_at.max(since + jiff::SignedDuration::from_millis(1))
            })
        }),
    ),
    mutant("what was reported on the content before counts", None, &["2, automatic"], Seen(inherit_reports)),
    mutant(
        "soaks are over at once",
        None,
        &["2, soak"],
        Strategy(|strategy| of_environments(strategy, |environment| environment.soak = jiff::SignedDuration::ZERO)),
    ),
    // Blocks and holds.
    mutant(
        "a block ends with its hold",
        Some("2"),
        &["2, two roots"],
        Seen(|seen| {
            of_places(seen, |state| {
                if state.hold.is_none() {
                    release(state)
                }
            })
        }),
    ),
    mutant("a block ends when the hold expires", Some("2"), &["2, holds"], Seen(release_what_expired)),
    mutant("a block looks at the line alone", Some("§5"), &["2, two roots"], Rule(Broken::BlockContent)),
    mutant("a block looks at renderings alone", Some("24"), &["2, people", "3, automatic"], Rule(Broken::BlockRange)),
    mutant("a rollback blocks in its environment alone", Some("30"), &["3, people"], Rule(Broken::BlockHere)),
    mutant(
        "closed pull requests are forgotten",
        None,
        &["2, people"],
        Seen(|seen| of_places(seen, |state| state.rejected.clear())),
    ),
    mutant("rejected commits are forgotten", None, &["2, rejected commits"], Seen(|seen| seen.rejections.clear())),
    mutant(
        "what we close counts as rejected",
        Some("27"),
        &["2, people", "2, automatic"],
        Guards(|guards| guards.knows_own_closing = false),
    ),
    mutant("a hold is no gate", None, &["2, holds"], Rule(Broken::HoldGate)),
    mutant(
        "the hold of a person ends with the next commit",
        Some("10"),
        &["2, holds"],
        Guards(|guards| guards.persons_hold_strictly = false),
    ),
    mutant("a strict hold ends by itself", Some("22"), &["2, holds"], Rule(Broken::StrictStays)),
    mutant("a hold is not on the forge", Some("27"), &["2, automatic"], Guards(|guards| guards.marks_holds = false)),
    mutant(
        "a hold that moved on with its branch is not marked again",
        None,
        &["2, holds"],
        Asked(|_, actions| actions.retain(|action| !matches!(action, Action::EndHold { .. }))),
    ),
    // Rollbacks.
    mutant("a rollback by itself goes to whatever ran before", Some("14"), &["2, automatic"], Rule(Broken::KnownGood)),
    mutant("restored content is rolled back again", None, &["1, again and again"], Rule(Broken::GuardRestored)),
    mutant("the same content is rolled back by itself twice", Some("22"), &["1, taken back"], Rule(Broken::GuardOnce)),
    mutant("an old failure starts a rollback", None, &["2, automatic"], Rule(Broken::GuardAge)),
    mutant(
        "rollbacks by themselves follow each other at once",
        Some("34"),
        &["1, again and again"],
        Rule(Broken::GuardPause),
    ),
    mutant(
        "the second rollback in a row stops nothing",
        Some("22"),
        &["1, again and again"],
        Rule(Broken::SecondInARow),
    ),
    mutant(
        "a rollback that a person took back starts again",
        Some("29"),
        &["2, people"],
        Guards(|guards| guards.remembers_cancelling = false),
    ),
    mutant(
        "a promotion looks ready while a rollback is merged",
        Some("21"),
        &["2, supersede", "2, people"],
        Asked(|_, actions| actions.retain(|action| !says_pending(action))),
    ),
    // Merges.
    mutant("drift stops nothing", Some("25"), &["2, foreign"], Seen(forget_drift)),
    mutant(
        "a merge does not name its head",
        Some("25"),
        &["2, late plans", "2 lanes, late plans"],
        Guards(|guards| guards.merges_on_its_head = false),
    ),
    mutant(
        "a merge does not look at holds again",
        None,
        &["2, late plans"],
        Guards(|guards| guards.merges_as_held = false),
    ),
    mutant(
        "a proposal is merged on another head as it is",
        None,
        &["2, foreign", "2 lanes, people"],
        Seen(|seen| {
            of_places(seen, |state| {
                if let Some(proposal) = &mut state.proposal {
                    proposal.fits = true
                }
            })
        }),
    ),
    mutant(
        "a pull request is opened only on the head of its proposal",
        None,
        &["2 lanes, no-ops"],
        Guards(|guards| guards.opens_on_the_seen_head = false),
    ),
    // Lanes.
    mutant("a lane passes on what another has verified", None, &["2 lanes, no-ops"], Seen(mix_lanes)),
];
