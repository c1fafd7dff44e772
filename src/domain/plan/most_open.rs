//! At most so many promotion pull requests are open in an environment; whoever waits longest is next.

use crate::domain::{
    gate::{Gate, GateId},
    ids::Place,
    plan::{Action, FORGE_LAG, Plan, Planner, earlier},
    snapshot::PlaceState,
    strategy::Environment,
};

impl Planner<'_> {
    /// Returns the gate of a lane that has no pull request while as many are open as may be, or while others have
    /// waited longer for those that may still be opened.
    pub(super) fn most_open(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        plan: &mut Plan,
    ) -> Option<Gate> {
        let most = environment.most_open?.get();
        if state.pull_request.is_some() {
            return None;
        }
        let id = Gate::MostOpen { open: most }.id();
        let since = |place: &Place| {
            let key: (Place, GateId) = (place.clone(), id.clone());
            self.snapshot.closed_since.get(&key).copied()
        };
        let (mut open, mut earlier_ones) = (0, 0);
        for (other, state) in self.snapshot.places_of(&environment.name) {
            if state.pull_request.is_some() || plan.actions.iter().any(|action| opens(action, other)) {
                open += 1;
            } else if other != place && since(other).is_some_and(|at| since(place).is_none_or(|own| at < own)) {
                earlier_ones += 1;
            }
        }
        if open + earlier_ones < most {
            return None;
        }
        if open < most {
            // One that waited may want nothing any more; that is known when it was looked at once.
            plan.wake_at = earlier(plan.wake_at, Some(self.snapshot.now + FORGE_LAG));
        }
        Some(Gate::MostOpen { open: most })
    }
}

/// Says whether an action leads to a pull request for a place that has none.
fn opens(action: &Action, at: &Place) -> bool {
    matches!(action, Action::Propose { place, .. } | Action::OpenPullRequest { place, .. } if place == at)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::domain::{
        hydration::Hydration,
        ids::{ActiveSha, DrySha, LaneName, PullRequestNumber, RenderingId, RootName, TreeId},
        line::DryLine,
        plan::plan,
        snapshot::{Active, ActiveBranch, OpenPullRequest, Snapshot},
        world::{environment, strategy},
    };

    fn place(lane: &str) -> Place {
        let lane = LaneName::new(lane).expect("a name");
        Place { environment: environment("dev", &[]).name, lane }
    }

    /// Three lanes in one environment with something to promote, of which so many may be open.
    fn lanes(most: u32) -> (crate::domain::strategy::PromotionStrategy, Snapshot) {
        let strategy = strategy(vec![Environment { most_open: NonZeroU32::new(most), ..environment("dev", &[]) }]);
        let dry = DrySha::new("dry-1").expect("a word");
        let mut snapshot = Snapshot { line: DryLine::new(vec![dry.clone()], []), ..Snapshot::default() };
        for lane in ["a", "b", "c"] {
            let root = (RootName::new(lane).expect("a folder"), RenderingId::new("1").expect("an id"));
            let content = [root].into_iter().collect();
            let done = Hydration::Done { content, kept: Default::default(), elsewhere: Default::default() };
            let branch = ActiveBranch {
                head: ActiveSha::new("head").expect("a word"),
                tree: TreeId::new("tree").expect("a word"),
                drift: None,
                runs: Vec::new(),
            };
            let state = PlaceState {
                active: Active::Present(branch),
                hydrations: [(dry.clone(), done)].into(),
                ..PlaceState::default()
            };
            snapshot.places.insert(place(lane), state);
        }
        (strategy, snapshot)
    }

    /// Returns the lanes for which something is proposed, and those that wait for another's pull request.
    fn proposed_and_waiting(most: u32, change: impl FnOnce(&mut Snapshot)) -> (Vec<String>, Vec<String>) {
        let (strategy, mut snapshot) = lanes(most);
        change(&mut snapshot);
        let plan = plan(&strategy, &snapshot);
        let proposed = plan.actions.iter().filter_map(|action| match action {
            Action::Propose { place, .. } => Some(place.lane.to_string()),
            _ => None,
        });
        let waits =
            plan.places.iter().filter(|view| view.gates.iter().any(|c| matches!(c.gate, Gate::MostOpen { .. })));
        (proposed.collect(), waits.map(|view| view.place.lane.to_string()).collect())
    }

    #[test]
    fn no_more_are_proposed_than_may_be_open() {
        assert_eq!(proposed_and_waiting(2, |_| ()), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
    }

    #[test]
    fn an_open_pull_request_takes_one_of_the_places() {
        let open = |snapshot: &mut Snapshot| {
            let head = crate::domain::ids::ProposedSha::new("other").expect("a word");
            let pull_request = OpenPullRequest { number: PullRequestNumber(1), head, described: None };
            snapshot.places.get_mut(&place("c")).expect("there").pull_request = Some(pull_request);
        };
        let (proposed, waiting) = proposed_and_waiting(1, open);
        assert_eq!((proposed, waiting), (vec!["c".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn whoever_waits_longest_is_next() {
        let wait = |snapshot: &mut Snapshot| {
            snapshot.now = jiff::Timestamp::from_second(100).expect("a time");
            for (lane, at) in [("b", 20), ("c", 10)] {
                let key = (place(lane), Gate::MostOpen { open: 1 }.id());
                snapshot.closed_since.insert(key, jiff::Timestamp::from_second(at).expect("a time"));
            }
        };
        assert_eq!(proposed_and_waiting(1, wait), (vec!["c".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
    }
}
