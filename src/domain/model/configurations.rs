//! What is searched.

use super::configuration::{
    Chance::{
        ByHand, Close, CloseRollback, Drift, Drop, Early, Expiring, Failure, Flip, Foreign, Hold, Loss, Noise, OldHead,
        Promote, Push, Reject, Rollback, RollbackByHand, TakeBack, Unhold, Wait,
    },
    Configuration,
};
use crate::domain::strategy::Newer;

/// Returns every configuration. Each bounds what happens; together they cover what can.
pub(super) fn all() -> Vec<Configuration> {
    let mut all = chains_of_two();
    all.extend(chains_of_three());
    all.extend(larger());
    all.extend(lanes());
    all
}

/// Returns one that is so small that every run of the tests can search it.
pub(super) fn tiny() -> Configuration {
    let tiny = Configuration::chain("tiny", 2).automatic().pushing(&["nn", "oo"]);
    tiny.with(&[(Push, 1), (Failure, 1), (Close, 1), (Flip, 1)]).most(1_000, 64)
}

/// Returns the configuration of a name.
pub(super) fn named(name: &str) -> Configuration {
    all().into_iter().find(|of| of.name == name).unwrap_or_else(|| panic!("there is no configuration `{name}`"))
}

fn chains_of_two() -> Vec<Configuration> {
    let chain = |name| Configuration::chain(name, 2);
    let late = Configuration { late: true, ..chain("2, late plans") };
    let hydrates = Configuration { hydrates: true, ..chain("2, hydration") };
    let forward = Configuration { fast_forward: true, ..chain("2, fast-forward") };
    let fresh = Configuration { fresh: true, ..chain("2, fresh") };
    let steps_apart = Configuration { waits: vec![1, 3, 12], commits: 8, ..chain("2, again and again") };
    let alone = |name| Configuration { commits: 9, ..Configuration::chain(name, 1) };
    vec![
        alone("1, again and again").automatic().pushing(&["n"]).with(&[(Push, 3), (Failure, 3), (Wait, 1)]),
        alone("1, taken back").automatic().pushing(&["n"]).with(&[(Push, 1), (Failure, 2), (Unhold, 1), (Wait, 1)]),
        chain("2, automatic")
            .automatic()
            .pushing(&["nn", "sn", "oo"])
            .with(&[(Push, 2), (Failure, 2), (Flip, 1), (Loss, 1), (Wait, 1)])
            .most(60_000, 64),
        chain("2, people").automatic().pushing(&["nn", "oo"]).with(&[
            (Push, 2),
            (Failure, 1),
            (Close, 1),
            (ByHand, 1),
            (CloseRollback, 1),
            (RollbackByHand, 1),
            (Rollback, 1),
            (Unhold, 1),
        ]),
        chain("2, holds").pushing(&["nn", "oo"]).with(&[
            (Push, 2),
            (Hold, 1),
            (Expiring, 1),
            (Unhold, 1),
            (Rollback, 1),
            (CloseRollback, 1),
            (Loss, 1),
            (Wait, 1),
        ]),
        chain("2, forced pushes").automatic().pushing(&["nn", "sn", "oo"]).with(&[
            (Push, 3),
            (Drop, 2),
            (Failure, 1),
            (Wait, 1),
        ]),
        chain("2, foreign").automatic().pushing(&["nn", "ns"]).with(&[
            (Push, 2),
            (Foreign, 1),
            (Drift, 1),
            (Failure, 1),
            (ByHand, 1),
            (Rollback, 1),
            (Wait, 1),
        ]),
        fresh.automatic().pushing(&["nn", "en", "xn", "ee"]).with(&[(Push, 3), (Failure, 1), (Loss, 1), (Wait, 1)]),
        late.automatic()
            .pushing(&["nn"])
            .with(&[(Push, 2), (Failure, 1), (Hold, 1), (Close, 1), (ByHand, 1), (Drift, 1), (Rollback, 1)])
            .most(60_000, 64),
        hydrates.automatic().pushing(&["nn", "xn", "nx", "oo"]).with(&[(Push, 2), (Failure, 1), (Loss, 1), (Wait, 1)]),
        chain("2, finish").by_hand(Newer::Finish).pushing(&["nn", "sn"]).with(&[
            (Push, 2),
            (Failure, 1),
            (Promote, 4),
            (Close, 1),
            (ByHand, 1),
            (Wait, 1),
        ]),
        chain("2, supersede").by_hand(Newer::Supersede).pushing(&["nn", "sn"]).with(&[
            (Push, 2),
            (Failure, 1),
            (Promote, 4),
            (Loss, 1),
            (Rollback, 1),
        ]),
        chain("2, soak").soaking().automatic().pushing(&["nn", "sn"]).with(&[
            (Push, 2),
            (Failure, 1),
            (Flip, 1),
            (Wait, 3),
        ]),
        forward.automatic().pushing(&["nn", "sn"]).with(&[(Push, 2), (Early, 2), (Failure, 1), (Flip, 1), (ByHand, 1)]),
        chain("2, broken checks").automatic().pushing(&["nn", "sn"]).with(&[
            (Push, 2),
            (Noise, 2),
            (Failure, 1),
            (Flip, 1),
            (OldHead, 1),
        ]),
        chain("2, two roots").automatic().pushing(&["nn", "mm", "oo"]).with(&[(Push, 3), (Failure, 2), (Wait, 1)]),
        chain("2, rejected commits").automatic().pushing(&["nn", "sn"]).with(&[
            (Push, 2),
            (Reject, 2),
            (TakeBack, 1),
            (Failure, 1),
            (ByHand, 1),
            (Loss, 1),
        ]),
        steps_apart.automatic().pushing(&["nn", "oo"]).with(&[(Push, 4), (Failure, 3), (Unhold, 1), (Wait, 2)]),
    ]
}

fn chains_of_three() -> Vec<Configuration> {
    let chain = |name| Configuration::chain(name, 3);
    vec![
        chain("3, no-ops").pushing(&["nnn", "ssn", "nsn", "sns"]).with(&[
            (Push, 2),
            (Failure, 1),
            (Flip, 2),
            (OldHead, 1),
        ]),
        chain("3, automatic")
            .automatic()
            .pushing(&["nnn", "ssn", "ooo"])
            .with(&[(Push, 3), (Failure, 2), (Wait, 1)])
            .most(60_000, 64),
        chain("3, people").pushing(&["nnn", "ssn"]).with(&[
            (Push, 2),
            (Failure, 1),
            (Close, 1),
            (ByHand, 1),
            (Rollback, 2),
            (Unhold, 1),
        ]),
        chain("3, hydration fails").automatic().pushing(&["nnn", "xnn", "nxn", "nnx"]).with(&[
            (Push, 3),
            (Failure, 1),
            (Loss, 1),
        ]),
    ]
}

fn larger() -> Vec<Configuration> {
    let diamond = Configuration::diamond;
    vec![
        diamond("diamond, no-ops").pushing(&["nnnn", "snsn", "ssns", "sssn"]).with(&[
            (Push, 2),
            (Failure, 1),
            (Flip, 1),
        ]),
        diamond("diamond, automatic").automatic().pushing(&["nnnn", "snsn", "oooo"]).with(&[
            (Push, 2),
            (Failure, 2),
            (Flip, 1),
            (Unhold, 1),
            (Loss, 1),
        ]),
        diamond("diamond, people").pushing(&["nnnn", "snsn"]).with(&[
            (Push, 2),
            (Rollback, 1),
            (Close, 1),
            (ByHand, 1),
            (Hold, 1),
            (Unhold, 1),
        ]),
        Configuration::chain("4, automatic", 4).automatic().pushing(&["nnnn", "sssn", "oooo"]).with(&[
            (Push, 2),
            (Failure, 1),
            (Flip, 1),
            (Wait, 1),
        ]),
    ]
}

fn lanes() -> Vec<Configuration> {
    let chain = |name| Configuration::chain(name, 2).in_lanes();
    let late = Configuration { late: true, ..chain("2 lanes, late plans") };
    vec![
        chain("2 lanes, no-ops").pushing(&["nn|nn", "nn|ss", "sn|ns"]).with(&[(Push, 2), (Failure, 1), (Flip, 1)]),
        chain("2 lanes, automatic")
            .automatic()
            .pushing(&["nn|nn", "nn|ss", "oo|ss"])
            .with(&[(Push, 2), (Failure, 2), (Loss, 1), (Wait, 1)])
            .most(60_000, 64),
        chain("2 lanes, people").pushing(&["nn|nn", "nn|ss"]).with(&[
            (Push, 2),
            (Close, 1),
            (ByHand, 1),
            (Rollback, 1),
            (Hold, 1),
            (Unhold, 1),
            (Foreign, 1),
            (Drift, 1),
        ]),
        late.pushing(&["nn|nn", "nn|ss"]).with(&[(Push, 1), (ByHand, 1), (Hold, 1), (Foreign, 1), (Rollback, 1)]),
    ]
}
