//! The gate of deployment windows.
//!
//! It stands between settling and proposed statuses. No-ops and rollbacks never ask it.

use jiff::Timestamp;

use super::{Notice, PlaceView};
use crate::domain::{
    gate::Gate,
    snapshot::{PlaceState, Proposal},
    strategy::Environment,
    windows::{Standing, WindowOverride},
};

/// Returns the gates of the windows that are closed, unless a person overrides them for exactly this proposal.
pub(super) fn closed(
    environment: &Environment,
    state: &PlaceState,
    proposal: Option<&Proposal>,
    now: Timestamp,
) -> Vec<Gate> {
    let overriding = proposal.and_then(|proposal| overriding(state, proposal));
    let is_overridden = |of| overriding.is_some_and(|word| environment.windows.is_overridden(of, word, now));
    let gate = |(of, standing)| match standing {
        Standing::Closed { .. } if is_overridden(of) => None,
        Standing::Closed { inside, until } => Some(Gate::Window { of, window: inside, until }),
        Standing::Open { .. } => None,
    };
    environment.windows.standings(now).filter_map(gate).collect()
}

/// Returns when windows close through which something wants to go: our own status goes back then.
pub(super) fn next_closing(environment: &Environment, view: &PlaceView, now: Timestamp) -> Option<Timestamp> {
    view.wanted.as_ref()?;
    let closing = |(_, standing)| match standing {
        Standing::Open { until, .. } => until,
        Standing::Closed { .. } => None,
    };
    environment.windows.standings(now).filter_map(closing).min()
}

/// Says who overrides windows for what is proposed while some of them are closed.
pub(super) fn overridden(environment: &Environment, state: &PlaceState, now: Timestamp) -> Option<Notice> {
    let word = overriding(state, state.proposal.as_ref()?)?;
    let WindowOverride { by, reason, .. } = word;
    state.pull_request.as_ref()?;
    let is_closed = |(of, standing)| {
        matches!(standing, Standing::Closed { .. }) && environment.windows.is_overridden(of, word, now)
    };
    let any = environment.windows.standings(now).any(is_closed);
    any.then(|| Notice::WindowsOverridden { by: by.clone(), reason: reason.clone() })
}

fn overriding<'a>(state: &'a PlaceState, proposal: &Proposal) -> Option<&'a WindowOverride> {
    state.window_override.as_ref().filter(|overriding| overriding.proposed == proposal.sha)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::domain::{
        decision::OpenGate,
        ids::DrySha,
        plan::{Action, Plan, plan},
        status::StatusState,
        windows::{WindowOverride, WindowText, Windows},
        world::World,
    };

    /// Returns windows that are closed for an hour from now on.
    fn closed_for_an_hour(world: &World) -> Windows {
        window(world, 0, 60)
    }

    /// Returns windows that deny from so many minutes from now on for so long.
    fn window(world: &World, begins: i64, minutes: i64) -> Windows {
        let text =
            |minutes: i64| (world.now + SignedDuration::from_mins(minutes)).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let (from, to) = (text(begins), text(begins + minutes));
        let text = WindowText { from: Some(&from), to: Some(&to), reason: Some("freeze"), ..WindowText::default() };
        Windows { allow: Vec::new(), deny: vec![text.read().expect("a window")] }
    }

    /// Starts with dry-1 healthy in dev and prod.
    fn world() -> World {
        let mut world = World::chain(&["dev", "prod"]);
        world.push("dry-1", &[Some(1), Some(1)]);
        for name in ["dev", "prod"] {
            healthy(&mut world, name);
        }
        world
    }

    fn healthy(world: &mut World, name: &str) {
        world.settle();
        world.report_health(&World::name(name), StatusState::Success);
    }

    fn gates(plan: &Plan) -> Vec<String> {
        plan.places[1].gates.iter().map(ToString::to_string).collect()
    }

    fn runs(world: &World) -> String {
        let (_, dry) = world.merges.iter().rfind(|(name, _)| *name == World::name("prod")).expect("a merge");
        dry.to_string()
    }

    fn own_status(world: &World) -> StatusState {
        world.environments[&World::name("prod")].own_status.as_ref().expect("a status").1.state
    }

    fn merge_of(plan: &Plan) -> Option<&Action> {
        plan.actions.iter().find(|action| matches!(action, Action::Merge { .. }))
    }

    #[test]
    fn a_promotion_waits_for_a_closed_window_and_goes_when_it_opens() {
        let mut world = world();
        world.strategy.environments[1].windows.strategy = closed_for_an_hour(&world);
        let opens = world.strategy.environments[1].windows.strategy.deny[0].over();
        world.push("dry-2", &[Some(2), Some(2)]);
        healthy(&mut world, "dev");
        let waits = world.settle();
        assert!(gates(&waits)[0].starts_with("closed by a window (freeze) until "), "{:?}", gates(&waits));
        assert_eq!((waits.places[1].gates[0].until, waits.wake_at), (opens, opens));
        assert_eq!((runs(&world).as_str(), own_status(&world)), ("dry-1", StatusState::Pending));
        world.now = opens.expect("an end");
        world.settle();
        assert_eq!(runs(&world), "dry-2");
    }

    #[test]
    fn our_own_status_goes_back_when_a_window_closes() {
        let mut world = world();
        world.strategy.environments[1].auto_merge = false;
        world.strategy.environments[1].windows.strategy = window(&world, 30, 60);
        world.push("dry-2", &[Some(2), Some(2)]);
        healthy(&mut world, "dev");
        let waits = world.settle();
        assert_eq!(gates(&waits), ["waits for a person to promote it"]);
        assert_eq!(own_status(&world), StatusState::Success);
        world.now = waits.wake_at.expect("it is looked at when the window closes");
        let waits = world.settle();
        assert!(gates(&waits)[0].starts_with("closed by a window"), "{:?}", gates(&waits));
        assert_eq!(own_status(&world), StatusState::Pending);
        world.promote(&World::name("prod"));
        world.settle();
        assert_eq!(runs(&world), "dry-1");
    }

    #[test]
    fn what_changes_nothing_is_taken_and_earlier_content_comes_back_whatever_windows_say() {
        let mut world = world();
        world.push("dry-2", &[Some(2), Some(2)]);
        healthy(&mut world, "dev");
        healthy(&mut world, "prod");
        world.strategy.environments[1].windows.strategy = closed_for_an_hour(&world);
        world.push("dry-3", &[Some(3), Some(2)]);
        healthy(&mut world, "dev");
        let plan = world.settle();
        assert_eq!(plan.places[1].taken, DrySha::new("dry-3").ok());
        assert!(plan.places[1].taken_as_no_op && plan.places[1].gates.is_empty());
        world.roll_back(&World::name("prod"), None);
        let back = world.settle();
        assert_eq!(back.places[1].running.as_ref().map(|running| running.dry.to_string()).as_deref(), Some("dry-1"));
    }

    #[test]
    fn an_override_passes_the_windows_of_the_strategy_for_one_proposal_and_is_written_down() {
        let mut world = world();
        world.strategy.environments[1].windows.strategy = closed_for_an_hour(&world);
        world.push("dry-2", &[Some(2), Some(2)]);
        healthy(&mut world, "dev");
        world.settle();
        let now = world.now;
        let prod = world.environments.get_mut(&World::name("prod")).expect("there");
        let proposed = prod.proposal.as_ref().expect("a proposal").sha.clone();
        let elsewhere = crate::domain::ids::ProposedSha::new("another").expect("an id");
        let wish = |proposed| WindowOverride { proposed, by: "ada".into(), reason: "hot-fix".into(), at: now };
        prod.window_override = Some(wish(elsewhere));
        assert!(merge_of(&plan(&world.strategy, &world.snapshot())).is_none());
        world.environments.get_mut(&World::name("prod")).expect("there").window_override = Some(wish(proposed));
        let planned = plan(&world.strategy, &world.snapshot());
        let notices: Vec<_> = planned.places[1].notices.iter().map(ToString::to_string).collect();
        assert_eq!(notices, ["ada overrides the windows: hot-fix"]);
        let Some(Action::Merge { decision, .. }) = merge_of(&planned) else { panic!("{planned:?}") };
        assert_eq!(decision.asked_by, "ada");
        let told = decision.gates.iter().find(|gate| matches!(gate, OpenGate::WindowOverride { .. }));
        let told = told.expect("the override is recorded").to_string();
        assert!(told.starts_with("ada overrode the windows of the strategy at "), "{told}");
        assert!(told.ends_with(": hot-fix (closed by freeze)"), "{told}");
        world.settle();
        assert_eq!(runs(&world), "dry-2");
    }

    #[test]
    fn windows_of_the_server_are_overridden_only_where_the_server_lets_people() {
        let mut world = world();
        world.strategy.environments[1].windows.server = closed_for_an_hour(&world);
        world.push("dry-2", &[Some(2), Some(2)]);
        healthy(&mut world, "dev");
        world.settle();
        let now = world.now;
        let prod = world.environments.get_mut(&World::name("prod")).expect("there");
        let proposed = prod.proposal.as_ref().expect("a proposal").sha.clone();
        prod.window_override = Some(WindowOverride { proposed, by: "ada".into(), reason: "hot-fix".into(), at: now });
        let waits = world.settle();
        assert!(gates(&waits)[0].starts_with("closed by a window of the server (freeze) until "));
        assert!(waits.places[1].notices.is_empty(), "what helps nothing is not shown: {:?}", waits.places[1].notices);
        world.strategy.environments[1].windows.server_overridable = true;
        world.settle();
        assert_eq!(runs(&world), "dry-2");
    }

    #[test]
    fn the_window_that_let_a_promotion_through_is_written_down() {
        let mut world = world();
        let mut windows = closed_for_an_hour(&world);
        windows.allow = std::mem::take(&mut windows.deny);
        world.strategy.environments[1].windows.strategy = windows;
        world.strategy.environments[1].auto_merge = false;
        world.push("dry-2", &[Some(2), Some(2)]);
        healthy(&mut world, "dev");
        world.settle();
        world.promote(&World::name("prod"));
        let planned = plan(&world.strategy, &world.snapshot());
        let Some(Action::Merge { decision, .. }) = merge_of(&planned) else { panic!("{planned:?}") };
        let told: Vec<String> = decision.gates.iter().map(ToString::to_string).collect();
        assert!(told[2].starts_with("inside of a window (freeze), open until "), "{told:?}");
        world.strategy.environments[1].windows.strategy.allow.clear();
        world.strategy.environments[1].windows.strategy.deny = window(&world, 100, 1).deny;
        let planned = plan(&world.strategy, &world.snapshot());
        let Some(Action::Merge { decision, .. }) = merge_of(&planned) else { panic!("{planned:?}") };
        assert!(decision.gates[2].to_string().starts_with("no window closed it, open until "));
    }
}
