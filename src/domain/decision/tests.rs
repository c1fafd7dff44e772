//! What decisions say, on a world in memory.

use super::*;
use crate::domain::{
    plan::Action,
    world::{World, rule},
};

/// Lets everything happen up to the next merge into an environment; returns on what it was decided.
fn next_merge(world: &mut World, name: &str) -> Decision {
    for _ in 0..200 {
        let plan = world.plan();
        assert!(!plan.actions.is_empty(), "nothing is merged into {name}");
        for action in &plan.actions {
            world.perform(action);
            match action {
                Action::Merge { place, decision, .. } | Action::MergeRollback { place, decision, .. }
                    if place.environment == World::name(name) =>
                {
                    return (**decision).clone();
                }
                _ => {}
            }
        }
    }
    panic!("does not come to rest");
}

/// Returns who asked and the gates, a line each.
fn shown(decision: &Decision) -> String {
    let gates = decision.gates.iter().map(|gate| format!("- {gate}"));
    std::iter::once(format!("{} asked", decision.asked_by)).chain(gates).collect::<Vec<_>>().join("\n")
}

fn healthy(world: &mut World, name: &str) {
    world.settle();
    world.report_health(&World::name(name), StatusState::Success);
}

#[test]
fn each_gate_is_recorded_with_its_evidence() {
    let mut world = World::chain(&["dev", "prod"]);
    world.strategy.environments[1].auto_merge = false;
    world.strategy.environments[1].proposed_statuses =
        vec![StatusRule { settle: SignedDuration::from_secs(5), ..rule("ticket") }];
    world.push("dry-1", &[Some(1), Some(1)]);
    healthy(&mut world, "dev");
    world.settle();
    let prod = World::name("prod");
    let proposed = world.environments[&prod].proposal.clone().expect("a proposal").sha;
    world.report(proposed.as_str(), "ticket", StatusState::Success);
    world.promote(&prod);
    world.wait(10);
    let decision = next_merge(&mut world, "prod");
    insta::assert_snapshot!(shown(&decision), @"
    ada asked
    - dev had verified it at 1970-01-12 13:46:43Z on merge-8
    - `ticket` succeeded on propose at 1970-01-12 13:46:43Z, and had stood since 1970-01-12 13:46:43Z
    - ada promoted it at 1970-01-12 13:46:44Z
    ");
    assert_eq!(decision.proposed_sha, proposed);
    let [
        OpenGate::DependsOn { active_sha, running_since, verified_at, statuses, .. },
        OpenGate::ProposedStatus(ticket),
        _,
    ] = decision.gates.as_slice()
    else {
        panic!("{decision:#?}");
    };
    let brought = world.head(&World::name("dev")).expect("a head");
    assert_eq!((active_sha.as_ref(), *running_since), (Some(&brought.sha), Some(brought.at)));
    assert!(verified_at.is_some_and(|at| at > brought.at));
    let health: Vec<_> = statuses.iter().map(|seen| (seen.key.as_str(), seen.sha.as_str())).collect();
    assert_eq!(health, [("health", brought.sha.as_str())]);
    assert_eq!((ticket.sha.as_str(), ticket.settle_seconds), (proposed.as_str(), 5));
}

#[test]
fn a_no_op_upstream_names_the_run_that_was_verified() {
    let mut world = World::chain(&["dev", "prod"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    healthy(&mut world, "dev");
    healthy(&mut world, "prod");
    world.push("dry-2", &[Some(1), Some(2)]);
    let decision = next_merge(&mut world, "prod");
    let upstream = decision.gates.iter().find_map(|gate| match gate {
        OpenGate::DependsOn { dry_sha, .. } => dry_sha.as_ref(),
        _ => None,
    });
    assert_eq!(upstream.map(DrySha::as_str), Some("dry-1"));
    insta::assert_snapshot!(shown(&decision), @"
    Hydromote asked
    - dev had verified it at 1970-01-12 13:46:43Z on merge-8
    - dry-1, which ran here, was verified at 1970-01-12 13:46:46Z
    ");
}

#[test]
fn what_ran_before_is_named_with_what_became_of_it() {
    let mut world = World::chain(&["dev"]);
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Failure);
    world.push("dry-2", &[Some(2)]);
    insta::assert_snapshot!(shown(&next_merge(&mut world, "dev")), @"
    Hydromote asked
    - dry-1, which ran here, had failed at 1970-01-12 13:46:42Z
    ");
    world.push("dry-3", &[Some(3)]);
    world.wait(2 * 3600);
    insta::assert_snapshot!(shown(&next_merge(&mut world, "dev")), @"
    Hydromote asked
    - dry-2, which ran here, had no verdict in time at 1970-01-12 14:46:44Z
    ");
}

#[test]
fn a_rollback_that_starts_by_itself_names_the_failure() {
    let mut world = World::chain(&["dev"]);
    world.strategy.environments[0].automatic_rollback = true;
    world.push("dry-1", &[Some(1)]);
    healthy(&mut world, "dev");
    world.push("dry-2", &[Some(2)]);
    world.settle();
    let bad = world.head(&World::name("dev")).expect("a head").sha.clone();
    world.report_health(&World::name("dev"), StatusState::Failure);
    let decision = next_merge(&mut world, "dev");
    let [OpenGate::ActiveStatus(failure)] = decision.gates.as_slice() else { panic!("{decision:#?}") };
    assert_eq!((failure.sha.as_str(), failure.state), (bad.as_str(), StatusState::Failure));
    assert_eq!(decision.asked_by, AUTOMATIC);
}
