//! The model checker: the real planner, driven through the states of small worlds, nearest first.
//!
//! - A state is what git, the forge and our database know, and what may still happen ([`state`]). Each action of
//!   the service is a step of its own, so a crash lies between any two; an earlier plan may go on late.
//! - What must hold is judged by what branches hold and what was reported on them ([`truth`], [`kept_out`]), not
//!   by the ledger or our records.
//! - Rules broken on purpose ([`mutants`]) show that the checker would notice.
//! - Why, and what is left out: `docs/decisions/008-model-checking.md`.
//!
//! | invariant | asserted |
//! |---|---|
//! | 1 only what is verified before | of each plan that merges, and of each no-op at rest |
//! | 2 evidence counts for its content | of each plan that records or rolls back, and of all records at rest |
//! | 3 exactly the composed tree, else drift | at each merge, in every lane; of each plan that merges |
//! | 4 nothing that is blocked | of each plan that merges; holds at the merge itself; of each no-op at rest |
//! | 5 rollbacks append | at each merge |
//! | 6 hold and block first | at the merge of each rollback |
//! | 7 one change, on the head that it names | at each merge |
//! | 8 stopping anywhere | futures: stopped after every action or not, the same content ends up everywhere |
//! | 9 errors take nothing back | of each plan that revokes or rolls back; of all records at rest |
//! | 10 a reason, and an end | at rest |
//! | 11 it comes to rest | futures: and never back to where it was; of each plan that rolls back again |
//! | 12 the database is lost | of every state, whether it is lost there or not; of each plan that ends a hold |
//! | 13 nothing moves back, 14 nothing off the line | of each plan that merges; 14 of each no-op at rest |
//! | 15 taken, passed over or explained | at rest |
//! | 16 a fix reaches everything | futures: with everything reported, and with nothing older ever reported |

mod canonical;
mod configuration;
mod configurations;
mod course;
mod distorted;
mod event;
mod happen;
mod kept_out;
mod liveness;
mod look;
mod mutant;
mod mutants;
mod names;
mod observe;
mod perform;
mod push;
mod rest;
mod run;
mod safety;
mod search;
mod state;
mod steps;
mod truth;

/// Everything; `make model` runs it.
#[test]
#[ignore = "minutes: `make model`"]
fn everything() {
    let wanted = run::wanted();
    let summary = run::run(|name| wanted.as_ref().is_none_or(|only| name.contains(only.as_str())));
    // The last line that a reader looks for.
    run::conclude(&summary);
}

#[test]
fn a_small_world_holds_and_broken_rules_are_noticed() {
    let of = configurations::tiny();
    let outcome = search::search(&of);
    if let Some(broken) = outcome.broken {
        panic!("{}\n{}", broken.words, broken.trace.join("\n"));
    }
    for name in [
        "blocked and rejected dry SHAs stay candidates",
        "nothing settles",
        "what an environment depends on is no gate",
    ] {
        let mutant = mutants::ALL.iter().find(|mutant| mutant.name == name).expect("because it is listed");
        assert!(run::catch_in(mutant, configurations::tiny()).is_some(), "nothing catches: {name}");
    }
}
