//! What is done about drift, step by step.

use jiff::Timestamp;

use super::super::plan;
use crate::domain::{
    drift::{Adoption, Drift, ForeignWork, Restore},
    gate::Verdict,
    ids::{ActiveSha, DrySha, LaneName, ProposedSha, PullRequestNumber, TreeId},
    ledger::Ledger,
    plan::{Action, Plan},
    snapshot::{Active, ActiveBranch, ActiveCommit, OpenPullRequest, PlaceState, Proposal, Restoring, Run, Snapshot},
    status::StatusState,
    world::{World, content},
};

/// Dev and staging run dry-1, which is verified; somebody has changed it in dev, and dry-2 waits.
fn drifted() -> World {
    let mut world = World::chain(&["dev", "staging"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    for name in ["dev", "staging"] {
        world.settle();
        world.report_health(&World::name(name), StatusState::Success);
    }
    world.settle();
    world.push_foreign(&World::name("dev"), true);
    world.push("dry-2", &[Some(2), Some(2)]);
    world.settle();
    world
}

fn dev(snapshot: &mut Snapshot) -> &mut PlaceState {
    snapshot.places.get_mut(&World::place(&World::name("dev"))).expect("dev")
}

fn branch(snapshot: &mut Snapshot) -> &mut ActiveBranch {
    match &mut dev(snapshot).active {
        Active::Present(branch) => branch,
        other => panic!("{other:?}"),
    }
}

fn drift(snapshot: &mut Snapshot) -> Drift {
    branch(snapshot).drift.clone().expect("drift")
}

fn wish(of: ActiveSha) -> Restoring {
    let restore = Restore { of, by: "ada".into(), reason: String::new(), at: Timestamp::UNIX_EPOCH };
    Restoring { restore, proposal: None, pull_request: None, closed: None }
}

/// Returns a snapshot in which ada has the drift of dev restored.
fn restoring(world: &World) -> Snapshot {
    let mut snapshot = world.snapshot();
    let of = drift(&mut snapshot).newest;
    dev(&mut snapshot).restoring = Some(wish(of));
    snapshot
}

fn proposed(snapshot: &mut Snapshot, parent: ActiveSha) -> Proposal {
    let run = branch(snapshot).runs.first().cloned().expect("a run");
    Proposal {
        sha: ProposedSha::new("restore-1").expect("a word"),
        parent,
        tree: TreeId::new("tree-restore-1").expect("a word"),
        dry: run.dry,
        content: run.content,
        since: Timestamp::UNIX_EPOCH,
        fits: true,
        composed: true,
    }
}

fn done(world: &World, snapshot: &Snapshot) -> Plan {
    plan(&world.strategy, snapshot)
}

fn of_dev(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(ToString::to_string).filter(|action| action.contains("dev")).collect()
}

#[test]
fn drift_is_told_on_the_forge_once() {
    let mut world = World::chain(&["dev"]);
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.push_foreign(&World::name("dev"), true);
    let told = |plan: Plan| plan.actions.iter().filter(|a| matches!(a, Action::PostDrift { .. })).count();
    assert_eq!(told(plan(&world.strategy, &world.snapshot())), 1);
    world.settle();
    assert_eq!(told(plan(&world.strategy, &world.snapshot())), 0);
}

#[test]
fn what_is_restored_is_proposed_opened_and_merged_and_nothing_else_is_merged_meanwhile() {
    let world = drifted();
    let mut snapshot = restoring(&world);
    insta::assert_snapshot!(of_dev(&done(&world, &snapshot)).join("\n"), @"propose to restore dev");
    let head = branch(&mut snapshot).head.clone();
    let proposal = proposed(&mut snapshot, head);
    dev(&mut snapshot).restoring.as_mut().expect("it is").proposal = Some(proposal.clone());
    insta::assert_snapshot!(of_dev(&done(&world, &snapshot)).join("\n"), @"open a pull request to restore dev");
    let pull_request = OpenPullRequest { number: PullRequestNumber(9), head: proposal.sha.clone(), described: None };
    dev(&mut snapshot).restoring.as_mut().expect("it is").pull_request = Some(pull_request);
    let plan = done(&world, &snapshot);
    insta::assert_snapshot!(of_dev(&plan).join("\n"), @"merge #9: dev is again what was promoted last");
    assert_eq!(plan.actions.iter().filter(|action| action.is_merge()).count(), 1);
}

#[test]
fn what_stands_on_another_head_is_composed_again() {
    let world = drifted();
    let mut snapshot = restoring(&world);
    let proposal = proposed(&mut snapshot, ActiveSha::new("older").expect("a word"));
    dev(&mut snapshot).restoring.as_mut().expect("it is").proposal = Some(proposal);
    let plan = done(&world, &snapshot);
    let expects = |action: &Action| matches!(action, Action::ProposeRestore { expected_proposed: Some(_), .. });
    assert!(plan.actions.iter().any(expects), "{:?}", plan.actions);
}

#[test]
fn a_wish_ends_when_it_is_done_when_there_is_other_drift_and_when_its_pull_request_is_closed() {
    let mut world = drifted();
    let ends = |world: &World, snapshot: &Snapshot| -> Vec<String> {
        let plan = plan(&world.strategy, snapshot);
        let reason = |action: &Action| match action {
            Action::EndRestore { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        plan.actions.iter().filter_map(reason).collect()
    };
    let mut closed = restoring(&world);
    dev(&mut closed).restoring.as_mut().expect("it is").closed = Some(PullRequestNumber(9));
    let mut other = restoring(&world);
    dev(&mut other).restoring = Some(wish(ActiveSha::new("before").expect("a word")));
    let of = drift(&mut other).newest;
    world.restore(&World::name("dev"));
    let mut healed = world.snapshot();
    dev(&mut healed).restoring = Some(wish(of));
    insta::assert_snapshot!([ends(&world, &closed), ends(&world, &other), ends(&world, &healed)].concat().join("\n"), @"
    somebody closed #9
    somebody changed the branch again
    nothing is left to restore
    ");
}

#[test]
fn a_branch_that_is_gone_comes_back_where_it_was() {
    let world = drifted();
    let mut snapshot = world.snapshot();
    let last = ActiveSha::new("last").expect("a word");
    *dev(&mut snapshot) = PlaceState {
        active: Active::Gone { last: Some(last.clone()) },
        restoring: Some(wish(last)),
        ..PlaceState::default()
    };
    insta::assert_snapshot!(of_dev(&done(&world, &snapshot)).join("\n"), @"make `env/dev` of dev again at last");
}

/// Returns a snapshot in which ada adopted what runs in dev, which holds this rendering.
fn adopted(world: &World, rendering: u32) -> Snapshot {
    let mut snapshot = world.snapshot();
    let now = snapshot.now;
    let branch = branch(&mut snapshot);
    branch.drift = None;
    let before = branch.runs.first_mut().expect("a run");
    before.ended_at = Some(now);
    let commit = ActiveCommit { sha: branch.head.clone(), arrived_at: now, existed_before: false };
    let run = Run {
        dry: before.dry.clone(),
        content: content(rendering),
        commits: vec![commit],
        record: None,
        reports: Vec::new(),
        roots: Vec::new(),
        ended_at: None,
        restored: None,
        beside: false,
        adopted: Some(Adoption { by: "ada".into(), reason: "a hotfix".into(), at: now, lost: None }),
        taken_over: None,
    };
    branch.runs.insert(0, run);
    snapshot
}

#[test]
fn what_is_adopted_verifies_nothing_and_what_was_verified_before_stays_so() {
    let world = drifted();
    let snapshot = adopted(&world, 7);
    let ledger = Ledger::new(&world.strategy, &snapshot);
    let verdict = |dry: &str| {
        let dry = DrySha::new(dry).expect("a word");
        ledger.verdict(&World::name("dev"), &LaneName::single(), &dry)
    };
    assert_eq!((verdict("dry-1"), verdict("dry-2")), (Verdict::Verified, Verdict::NotTaken));
    let plan = done(&world, &snapshot);
    let view = &plan.places[0];
    let running = view.running.as_ref().map(|running| running.verdict.clone());
    assert_eq!(running, Some(Verdict::Adopted { by: "ada".into() }));
    assert_eq!(view.wanted.as_ref().map(DrySha::as_str), Some("dry-2"), "something newer comes");
    assert!(view.gates.is_empty(), "it does not settle: {:?}", view.gates);
}

#[test]
fn a_dry_commit_that_holds_what_was_adopted_is_verified_by_what_runs() {
    let world = drifted();
    let mut snapshot = adopted(&world, 2);
    let reported = |plan: Plan| {
        plan.actions.iter().any(|a| matches!(a, Action::RecordVerified { dry, .. } if dry.as_str() == "dry-2"))
    };
    assert!(!reported(done(&world, &snapshot)), "nothing has been reported");
    let health = branch(&mut snapshot).runs[1].reports.last().cloned().expect("it was reported");
    let run = &mut branch(&mut snapshot).runs[0];
    let (commit, at) = (run.commits[0].sha.clone(), run.commits[0].arrived_at);
    run.reports.push(crate::domain::snapshot::Report {
        commit,
        status: crate::domain::status::CommitStatus { reported_at: at, ..health.status },
    });
    snapshot.now += jiff::SignedDuration::from_hours(1);
    assert!(reported(done(&world, &snapshot)));
    let other = adopted(&world, 7);
    let records = |plan: Plan| plan.actions.iter().any(|a| matches!(a, Action::RecordVerified { .. }));
    assert!(!records(done(&world, &other)), "content of no dry commit is not recorded");
}

#[test]
fn work_of_others_on_a_proposal_is_neither_merged_nor_pushed_over() {
    let mut world = World::chain(&["dev"]);
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.push("dry-2", &[Some(2)]);
    world.settle();
    let mut snapshot = world.snapshot();
    let state = dev(&mut snapshot);
    let proposal = state.proposal.as_mut().expect("it is proposed");
    proposal.composed = false;
    state.foreign =
        Some(ForeignWork { head: proposal.sha.clone(), author: "eve".into(), outputs: vec!["shop".into()] });
    let plan = done(&world, &snapshot);
    let touches = |action: &&Action| matches!(action, Action::Propose { .. } | Action::Merge { .. });
    assert_eq!(plan.actions.iter().filter(touches).count(), 0, "{:?}", plan.actions);
    let gates: Vec<String> = plan.places[0].gates.iter().map(ToString::to_string).collect();
    assert!(gates.iter().any(|gate| gate.contains("eve pushed")), "{gates:?}");
}
