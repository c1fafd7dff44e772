//! The rules of bundles, in words.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    bundle::{Bundle, Step},
    candidate::Wish,
    content::Content,
    gate::{Gate, GateId},
    hold::{Hold, HoldRule},
    hydration::Hydration,
    ids::{
        ActiveSha, DrySha, LaneName, Place, ProposedSha, PullRequestNumber, RenderingId, RootName, StatusKey, TreeId,
    },
    line::DryLine,
    plan::{Action, Plan, plan},
    snapshot::{Active, ActiveBranch, OpenPullRequest, PlaceState, PromoteRequest, Proposal, Snapshot},
    status::{CommitStatus, StatusSource, StatusState},
    strategy::{Environment, Newer, PromotionStrategy, Proposing, StatusRule},
    world::{environment, strategy},
};

/// One environment in which lanes go together, with something to promote in each.
struct Bundled {
    strategy: PromotionStrategy,
    snapshot: Snapshot,
}

fn dry(n: usize) -> DrySha {
    DrySha::new(format!("dry-{n}")).expect("a word")
}

fn lane(name: &str) -> LaneName {
    LaneName::new(name).expect("a name")
}

fn place(name: &str) -> Place {
    Place { environment: environment("prod", &[]).name, lane: lane(name) }
}

fn content(name: &str, version: usize) -> Content {
    let root = RootName::new(name).expect("a folder");
    [(root, RenderingId::new(version.to_string()).expect("an id"))].into_iter().collect()
}

fn done(name: &str, version: usize) -> Hydration {
    Hydration::Done { content: content(name, version), kept: BTreeMap::new(), elsewhere: Default::default() }
}

fn proposed(n: usize) -> ProposedSha {
    ProposedSha::new(format!("proposed-{n}")).expect("a word")
}

impl Bundled {
    /// Starts with dry-1 wanted in each lane.
    fn of(names: &[&str]) -> Self {
        let together = Environment { proposing: Proposing::AllLanes, ..environment("prod", &[]) };
        let mut snapshot = Snapshot { line: DryLine::new(vec![dry(1)], []), ..Snapshot::default() };
        snapshot.now = Timestamp::from_second(1_000_000).expect("a time");
        for name in names {
            let branch = ActiveBranch {
                head: ActiveSha::new("head").expect("a word"),
                tree: TreeId::new("tree").expect("a word"),
                drift: None,
                runs: Vec::new(),
            };
            let hydrations = BTreeMap::from([(dry(1), done(name, 1))]);
            let state = PlaceState { active: Active::Present(branch), hydrations, ..PlaceState::default() };
            snapshot.places.insert(place(name), state);
        }
        Self { strategy: strategy(vec![together]), snapshot }
    }

    fn environment(&mut self) -> &mut Environment {
        &mut self.strategy.environments[0]
    }

    fn state(&mut self, name: &str) -> &mut PlaceState {
        self.snapshot.places.get_mut(&place(name)).expect("there")
    }

    /// Adds a dry commit that changes these lanes.
    fn push(&mut self, n: usize, changes: &[&str]) {
        self.snapshot.line = DryLine::new((1..=n).map(dry).collect(), []);
        for (place, state) in &mut self.snapshot.places {
            let name = place.lane.as_str();
            let before = state.hydrations[&dry(n - 1)].clone();
            state.hydrations.insert(dry(n), if changes.contains(&name) { done(name, n) } else { before });
        }
    }

    fn hold(&mut self, name: &str) {
        let at = self.snapshot.now;
        self.state(name).hold = Some(Hold {
            rule: HoldRule::Strict,
            by: "ada".into(),
            reason: "month end".into(),
            at,
            expires_at: None,
            through: None,
            target: None,
            roots: Default::default(),
        });
    }

    /// Does what the plan asks for until the pull request is open and described.
    fn open(&mut self) {
        for _ in 0..4 {
            for action in self.plan().actions {
                match action {
                    Action::Bundle { step: Step::Propose { parts, expected_proposed, .. }, .. } => {
                        let n =
                            expected_proposed.map_or(1, |sha| sha.as_str()[9..].parse::<usize>().expect("ours") + 1);
                        self.propose(n, parts);
                    }
                    Action::Bundle { step: Step::Open { proposed, .. }, .. } => {
                        let described = Some(proposed.clone());
                        let opened = OpenPullRequest { number: PullRequestNumber(7), head: proposed, described };
                        self.bundle().pull_request = Some(opened.clone());
                        for lane in self.bundle().parts.clone().into_keys() {
                            self.state(lane.as_str()).pull_request = Some(opened.clone());
                        }
                    }
                    Action::PostStatus { proposed, status, .. } => {
                        for state in self.snapshot.places.values_mut() {
                            state.own_status = Some((proposed.clone(), status.clone()));
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn propose(&mut self, n: usize, parts: BTreeMap<LaneName, Wish>) {
        let since = self.snapshot.now;
        for (place, state) in &mut self.snapshot.places {
            state.proposal = parts.get(&place.lane).map(|wish| Proposal {
                sha: proposed(n),
                parent: ActiveSha::new("head").expect("a word"),
                tree: TreeId::new("composed").expect("a word"),
                dry: wish.dry.clone(),
                content: wish.content.clone(),
                since,
                fits: true,
                composed: true,
            });
            state.pull_request = None;
        }
        let bundle = self.bundle();
        bundle.head = Some(proposed(n));
        bundle.parts = parts.into_iter().map(|(lane, wish)| (lane, wish.dry)).collect();
        if let Some(open) = &mut bundle.pull_request {
            (open.head, open.described) = (proposed(n), Some(proposed(n)));
        }
        let (open, lanes) = (bundle.pull_request.clone(), bundle.parts.clone());
        for lane in lanes.into_keys() {
            self.state(lane.as_str()).pull_request = open.clone();
        }
    }

    fn bundle(&mut self) -> &mut Bundle {
        self.snapshot.bundles.entry(environment("prod", &[]).name).or_default()
    }

    fn plan(&self) -> Plan {
        plan(&self.strategy, &self.snapshot)
    }

    /// Returns what is done about the bundle.
    fn steps(&self) -> Vec<String> {
        let is_of_bundle = |action: &&Action| matches!(action, Action::Bundle { .. } | Action::ClosePullRequest { .. });
        self.plan().actions.iter().filter(is_of_bundle).map(ToString::to_string).collect()
    }

    /// Returns the closed gates of a lane.
    fn gates(&self, name: &str) -> Vec<String> {
        let plan = self.plan();
        let view = plan.places.iter().find(|view| view.place == place(name)).expect("there");
        view.gates.iter().map(ToString::to_string).collect()
    }

    /// Has the environment wait for a ticket on what is proposed, and finish what it began.
    fn with_ticket(mut self) -> Self {
        let key = StatusKey::new("ticket").expect("a key");
        let environment = self.environment();
        environment.proposed_statuses = vec![StatusRule::of(key)];
        environment.newer = Newer::Finish;
        self
    }

    fn report_ticket(&mut self, state: StatusState) {
        let reported_at = self.snapshot.now;
        let status = CommitStatus {
            key: StatusKey::new("ticket").expect("a key"),
            state,
            source: StatusSource::Status,
            reported_at,
            id: 1,
            description: String::new(),
            creator: None,
            reporter: None,
        };
        for state in self.snapshot.places.values_mut().filter(|state| state.proposal.is_some()) {
            state.proposed_reports = vec![status.clone()];
        }
    }
}

#[test]
fn what_is_ready_goes_together_and_is_merged_as_one() {
    let mut bundled = Bundled::of(&["cart", "pay"]);
    insta::assert_debug_snapshot!(bundled.steps(), @r#"
    [
        "propose dry-1 for cart, dry-1 for pay in prod",
    ]
    "#);
    bundled.open();
    insta::assert_debug_snapshot!(bundled.steps(), @r#"
    [
        "merge #7: dry-1 for cart, dry-1 for pay goes to prod",
    ]
    "#);
}

#[test]
fn a_lane_that_is_held_is_not_in_it_and_joins_when_it_may() {
    let mut bundled = Bundled::of(&["cart", "pay"]);
    bundled.environment().auto_merge = false;
    bundled.hold("pay");
    bundled.open();
    assert_eq!(bundled.bundle().parts.keys().collect::<Vec<_>>(), [&lane("cart")]);
    insta::assert_debug_snapshot!((bundled.gates("cart"), bundled.gates("pay")), @r#"
    (
        [
            "waits for a person to promote it",
        ],
        [
            "ada holds it: month end",
        ],
    )
    "#);
    bundled.state("pay").hold = None;
    insta::assert_debug_snapshot!(bundled.steps(), @r#"
    [
        "propose dry-1 for cart, dry-1 for pay in prod",
    ]
    "#);
}

#[test]
fn nobody_joins_what_is_to_be_finished() {
    let mut bundled = Bundled::of(&["cart", "pay"]).with_ticket();
    bundled.hold("pay");
    bundled.open();
    bundled.state("pay").hold = None;
    assert_eq!(bundled.steps(), Vec::<String>::new());
    insta::assert_debug_snapshot!((bundled.gates("cart"), bundled.gates("pay")), @r#"
    (
        [
            "`ticket` has not been reported on the proposal",
        ],
        [
            "goes in the pull request after #7",
        ],
    )
    "#);
    bundled.push(2, &["cart"]);
    assert_eq!(bundled.steps(), Vec::<String>::new());
}

#[test]
fn what_failed_or_is_overdue_is_not_finished() {
    let mut bundled = Bundled::of(&["cart", "pay"]).with_ticket();
    bundled.hold("pay");
    bundled.open();
    bundled.state("pay").hold = None;
    bundled.report_ticket(StatusState::Failure);
    insta::assert_debug_snapshot!(bundled.steps(), @r#"
    [
        "propose dry-1 for cart, dry-1 for pay in prod",
    ]
    "#);
    bundled.report_ticket(StatusState::Pending);
    bundled.snapshot.now += SignedDuration::from_hours(24);
    insta::assert_debug_snapshot!(bundled.steps(), @r#"
    [
        "propose dry-1 for cart, dry-1 for pay in prod",
    ]
    "#);
}

#[test]
fn what_a_person_promoted_goes_on_although_it_may_be_superseded() {
    let mut bundled = Bundled::of(&["cart", "pay"]);
    bundled.environment().auto_merge = false;
    bundled.hold("pay");
    bundled.open();
    bundled.state("pay").hold = None;
    let (proposed, at) = (proposed(1), bundled.snapshot.now);
    bundled.state("cart").promote = Some(PromoteRequest { proposed, by: "ada".into(), at });
    insta::assert_debug_snapshot!(bundled.steps(), @r#"
    [
        "merge #7: dry-1 for cart goes to prod",
    ]
    "#);
}

#[test]
fn what_may_not_go_any_more_leaves_and_the_rest_is_proposed_anew() {
    let mut bundled = Bundled::of(&["cart", "pay"]).with_ticket();
    bundled.open();
    bundled.hold("cart");
    insta::assert_debug_snapshot!(bundled.steps(), @r#"
    [
        "propose dry-1 for pay in prod",
    ]
    "#);
}

#[test]
fn what_is_held_in_all_its_lanes_stays_open_and_looks_ready_to_nobody() {
    let mut bundled = Bundled::of(&["cart"]).with_ticket();
    bundled.open();
    bundled.report_ticket(StatusState::Success);
    bundled.hold("cart");
    assert_eq!(bundled.steps(), Vec::<String>::new());
    let posted = bundled.plan().actions.into_iter().find_map(|action| match action {
        Action::PostStatus { place, status, .. } => Some((place.to_string(), status)),
        _ => None,
    });
    let (place, status) = posted.expect("a status");
    assert_eq!((place.as_str(), status.state), ("prod", StatusState::Pending));
}

#[test]
fn what_nobody_wants_any_more_is_closed() {
    let mut bundled = Bundled::of(&["cart", "pay"]).with_ticket();
    bundled.open();
    bundled.snapshot.line = DryLine::new(Vec::new(), []);
    insta::assert_debug_snapshot!(bundled.steps(), @r#"
    [
        "close #7 for prod",
    ]
    "#);
}

#[test]
fn a_root_that_moves_is_in_the_part_that_takes_it_over() {
    let both: Content = content("jobs", 1).laid_under(&content("shop", 2));
    let wish = |content| Wish { dry: dry(1), content };
    let parts = BTreeMap::from([(lane("money"), wish(content("jobs", 1))), (lane("shop"), wish(both))]);
    let divided = crate::domain::bundle::divide(parts, |of, _| *of == lane("shop"));
    assert_eq!(divided[&lane("money")].content, content("jobs", 1));
    assert_eq!(divided[&lane("shop")].content, content("shop", 2));
}

#[test]
fn the_gate_of_a_lane_that_waits_for_the_next_one_is_remembered_by_one_name() {
    let ids = [None, Some(PullRequestNumber(7))].map(|number| Gate::Bundle { number }.id());
    assert_eq!(ids, [GateId("bundle".into()), GateId("bundle".into())]);
}
