//! Compares the strategy in force with another one, by what was observed.

use jiff::{SignedDuration, Timestamp};

use super::{Effect, Loss, StrategyChange, until};
use crate::domain::{
    block::BlockCause,
    evidence,
    gate::{ClosedGate, Gate, StatusWait, Verdict},
    ids::{EnvironmentName, LaneName, Place, PullRequestNumber},
    ledger::{Blocked, Ledger},
    plan::{PlaceView, plan},
    snapshot::{Record, Snapshot},
    strategy::{Environment, PromotionStrategy, StatusRule},
    windows::{Standing, WindowSource},
};

/// Returns what `new` would do in place of `old`, which is in force and under which `snapshot` was observed.
pub fn compare(old: &PromotionStrategy, new: &PromotionStrategy, snapshot: &Snapshot) -> StrategyChange {
    // The commit that brings the new one need not be rendered: what waits now is what counts.
    let snapshot = Snapshot { mistake: Some(String::new()), ..snapshot.clone() };
    let standing = standing(old, &snapshot);
    let comparison = Comparison { old, new, snapshot: &snapshot, standing: &standing };
    StrategyChange { effects: comparison.effects(), losses: comparison.losses() }
}

/// Returns how each place stands, but for the gate that a strategy is not in force.
fn standing(strategy: &PromotionStrategy, snapshot: &Snapshot) -> Vec<PlaceView> {
    let mut places = plan(strategy, snapshot).places;
    for view in &mut places {
        view.gates.retain(|closed| !matches!(closed.gate, Gate::Strategy { .. }));
    }
    places
}

struct Comparison<'a> {
    old: &'a PromotionStrategy,
    new: &'a PromotionStrategy,
    snapshot: &'a Snapshot,
    /// How each place stands under the strategy in force.
    standing: &'a [PlaceView],
}

impl<'a> Comparison<'a> {
    /// Returns what an environment becomes: what has its branch, else what has its name.
    fn successor(&self, before: &Environment) -> Option<&'a Environment> {
        if self.old.destination != self.new.destination {
            return None;
        }
        let on_branch = self.new.environments.iter().find(|after| after.branch == before.branch);
        on_branch.or_else(|| {
            let named = self.new.environment(&before.name)?;
            // What was another environment before is not this one.
            let is_free = self.old.environments.iter().all(|other| other.branch != named.branch);
            is_free.then_some(named)
        })
    }

    fn successor_of(&self, before: &EnvironmentName) -> Option<&'a Environment> {
        self.successor(self.old.environment(before)?)
    }

    fn predecessor(&self, after: &Environment) -> Option<&'a Environment> {
        let is_it = |before: &&Environment| self.successor(before).is_some_and(|found| found.name == after.name);
        self.old.environments.iter().find(is_it)
    }

    /// Returns what a place becomes where everything that is remembered of it still counts.
    fn kept(&self, place: &Place) -> Option<&'a Environment> {
        let before = self.old.environment(&place.environment)?;
        self.successor(before).filter(|after| {
            self.old.name == self.new.name
                && after.name == before.name
                && after.branch == before.branch
                // What is recorded on the branch says so.
                && after.proposed == before.proposed
                && after.proposing == before.proposing
                && self.old.lanes == self.new.lanes
        })
    }

    fn effects(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.new.is_ended() {
            effects.push(Effect::Ended);
        }
        if self.old.name != self.new.name {
            effects.push(Effect::Called { from: self.old.name.clone(), to: self.new.name.clone() });
        }
        if self.old.destination != self.new.destination && !self.new.is_ended() {
            effects.push(Effect::Elsewhere { to: self.new.destination.clone() });
        }
        for after in &self.new.environments {
            effects.extend(self.of_environment(after));
        }
        for before in self.old.environments.iter().filter(|before| self.successor(before).is_none()) {
            effects.push(Effect::Removed {
                environment: before.name.clone(),
                branch: before.branch.clone(),
                open: self.open_in(before),
            });
        }
        if self.old.lanes != self.new.lanes {
            effects.push(Effect::Lanes { by: self.new.lanes.label().map(str::to_owned) });
        }
        effects.extend(self.promotions());
        if self.old.permissions != self.new.permissions {
            effects.push(Effect::Permissions);
        }
        effects
    }

    /// Returns the open pull requests into an environment.
    fn open_in(&self, environment: &Environment) -> Vec<PullRequestNumber> {
        let here = self.standing.iter().filter(|view| view.place.environment == environment.name);
        let mut open: Vec<PullRequestNumber> = here.filter_map(|view| view.pull_request).collect();
        // Lanes may share one.
        open.dedup();
        open
    }

    fn of_environment(&self, after: &Environment) -> Vec<Effect> {
        let environment = after.name.clone();
        let Some(before) = self.predecessor(after) else {
            let (branch, after) = (after.branch.clone(), after.depends_on.clone());
            return vec![Effect::Added { environment, branch, after }];
        };
        let mut effects = Vec::new();
        if before.name != after.name {
            effects.push(Effect::Renamed {
                from: before.name.clone(),
                to: environment.clone(),
                branch: after.branch.clone(),
                verified: self.has_verified(before),
            });
        } else if before.branch != after.branch {
            let (from, to) = (before.branch.clone(), after.branch.clone());
            let open = self.open_in(before);
            effects.push(Effect::Moved { environment: environment.clone(), from, to, open });
        } else if before.proposed != after.proposed {
            let branch = after.branch_of_lane(&LaneName::single());
            effects.push(Effect::ProposedOn { environment: environment.clone(), branch, open: self.open_in(before) });
        }
        let waited: Vec<_> = before
            .depends_on
            .iter()
            .map(|before| self.successor_of(before).map_or_else(|| before.clone(), |after| after.name.clone()))
            .collect();
        if waited != after.depends_on {
            effects.push(Effect::Order { environment, after: after.depends_on.clone() });
        }
        effects
    }

    fn has_verified(&self, environment: &Environment) -> bool {
        let branches = self.snapshot.places_of(&environment.name).filter_map(|(_, state)| state.branch());
        branches.flat_map(|branch| &branch.runs).any(|run| matches!(run.record, Some(Record::Verified { .. })))
    }

    /// Returns what would happen to promotions in the places that stay.
    fn promotions(&self) -> Vec<Effect> {
        let mut snapshot = self.snapshot.clone();
        snapshot.places.retain(|place, _| self.kept(place).is_some());
        let mut effects = Vec::new();
        for after in &standing(self.new, &snapshot) {
            let Some(before) = self.standing.iter().find(|before| before.place == after.place) else { continue };
            effects.extend(of_promotion(before, after));
        }
        effects
    }

    fn losses(&self) -> Vec<Loss> {
        let mut losses = Vec::new();
        for view in self.standing {
            let Some(state) = self.snapshot.places.get(&view.place) else { continue };
            if self.kept(&view.place).is_none() {
                let place = view.place.clone();
                losses.extend(state.hold.clone().map(|hold| Loss::Hold { place: place.clone(), hold: Box::new(hold) }));
                let rollback = state.rollback.clone().map(Box::new);
                losses.extend(rollback.map(|rollback| Loss::Rollback { place, rollback }));
            }
            losses.extend(self.block(view));
            losses.extend(self.gates(view));
        }
        losses
    }

    /// Returns the first dry SHA that is kept out of a place, and would not be any more.
    fn block(&self, view: &PlaceView) -> Option<Loss> {
        let (place, state) = self.snapshot.places.get_key_value(&view.place)?;
        let before = self.old.environment(&place.environment)?;
        let after = self.successor(before)?;
        let ledger = Ledger::new(self.old, self.snapshot);
        let newer = self.snapshot.line.newer_than(ledger.running_position(state));
        newer.into_iter().find_map(|dry| {
            let is_rejected = self.old.name != self.new.name && self.snapshot.rejections.contains_key(dry);
            let by = match ledger.blocked(before, place, dry) {
                Some(blocked) => self.lifted(&blocked, before, after, place),
                None => is_rejected.then(|| "a person's rejection".to_owned()),
            };
            by.map(|by| Loss::Block { place: place.clone(), dry: dry.clone(), by })
        })
    }

    /// Says what keeps something out of a place and would not any more.
    fn lifted(&self, blocked: &Blocked, before: &Environment, after: &Environment, place: &Place) -> Option<String> {
        match blocked.cause {
            BlockCause::Rollback => {
                let at = Place { environment: blocked.environment.clone(), lane: place.lane.clone() };
                let is_after = |there: &Environment| there.name == after.name || self.comes_after(after, there);
                let stays = self.kept(&at).is_some_and(is_after);
                (!stays).then(|| format!("the rollback of {}", blocked.environment))
            }
            // It is known by the branch that it came from.
            BlockCause::ClosedPullRequest(number) if before.proposed != after.proposed => {
                Some(format!("closing {number}"))
            }
            BlockCause::RejectedCommit if self.old.name != self.new.name => Some("a person's rejection".to_owned()),
            BlockCause::ClosedPullRequest(_) | BlockCause::RejectedCommit => None,
        }
    }

    /// Says whether an environment of the new strategy waits for another, be it through others.
    fn comes_after(&self, environment: &Environment, other: &Environment) -> bool {
        let mut known = environment.depends_on.clone();
        let mut next = 0;
        while let Some(name) = known.get(next).cloned() {
            if name == other.name {
                return true;
            }
            let before = self.new.environment(&name).map(|before| before.depends_on.clone()).unwrap_or_default();
            known.extend(before.into_iter().filter(|name| !known.contains(name)).collect::<Vec<_>>());
            next += 1;
        }
        false
    }

    /// Returns the closed gates for which something waits in a place, and which would not be asked any more.
    fn gates(&self, view: &PlaceView) -> Vec<Loss> {
        let Some(dry) = &view.wanted else { return Vec::new() };
        let Some(before) = self.old.environment(&view.place.environment) else { return Vec::new() };
        // Where an environment goes nothing is promoted any more.
        let Some(after) = self.successor(before) else { return Vec::new() };
        let lost = |closed: &ClosedGate| self.lost(&view.place, before, after, &closed.gate);
        let mut lost: Vec<String> = view.gates.iter().flat_map(lost).collect();
        // Several waits may come from one rule.
        lost.dedup();
        lost.into_iter().map(|what| Loss::Gate { place: view.place.clone(), dry: dry.clone(), what }).collect()
    }

    /// Returns what of one closed gate would no longer be asked.
    fn lost(&self, place: &Place, before: &Environment, after: &Environment, gate: &Gate) -> Vec<String> {
        match gate {
            Gate::DependsOn { environment, waits } => {
                let successor = self.successor_of(environment);
                match successor.filter(|successor| self.comes_after(after, successor)) {
                    None => vec![format!("would no longer wait for {environment}, which {waits}")],
                    Some(successor) if is_running(waits) => self.weakened(environment, successor, place),
                    Some(_) => Vec::new(),
                }
            }
            Gate::Settling { .. } => self.weakened(&before.name, after, place),
            Gate::Window { of: WindowSource::Strategy, until, .. } => {
                window(after, *until, self.snapshot.now).into_iter().collect()
            }
            Gate::ProposedStatus { key, waits } => {
                let rule = before.proposed_statuses.iter().find(|rule| rule.key == *key);
                let asks = |rule| status(rule, &after.proposed_statuses, waits);
                rule.and_then(asks).map(|what| format!("{what} on its pull request")).into_iter().collect()
            }
            Gate::Approvals { .. } => approvals(before, after).into_iter().collect(),
            Gate::Promote if after.auto_merge => {
                vec!["would be merged without a person asking for it".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// Returns what an environment would no longer ask of what runs there.
    fn weakened(&self, name: &EnvironmentName, after: &Environment, waiting: &Place) -> Vec<String> {
        let at = Place { environment: name.clone(), lane: waiting.lane.clone() };
        let (Some(before), Some(state)) = (self.old.environment(name), self.snapshot.places.get(&at)) else {
            return Vec::new();
        };
        let Some(run) = state.running() else { return Vec::new() };
        let waits = evidence::run_waits(before, run, self.snapshot.now);
        let lost = waits.iter().filter_map(|(rule, waits)| match waits {
            Verdict::Status { waits, .. } => {
                status((*rule)?, &after.active_statuses, waits).map(|what| format!("{what} on {name}"))
            }
            Verdict::Soak { until: at } if after.soak < before.soak => Some(match after.soak {
                SignedDuration::ZERO => format!("would no longer wait for the soak of {name}, {}", until(*at)),
                shorter => format!("would wait for a soak of {name} of only {shorter:#}, not {}", until(*at)),
            }),
            _ => None,
        });
        lost.collect()
    }
}

/// Says whether a verdict is about what runs: what was not taken has neither been asked nor proved.
fn is_running(waits: &Verdict) -> bool {
    matches!(waits, Verdict::Status { .. } | Verdict::Soak { .. } | Verdict::Revoked | Verdict::Upstream { .. })
}

/// Returns what would no longer be asked of a commit status.
fn status(before: &StatusRule, after: &[StatusRule], waits: &StatusWait) -> Option<String> {
    let key = &before.key;
    match (after.iter().find(|rule| rule.key == *key), waits) {
        (None, _) => Some(format!("would no longer wait for `{key}`, which {waits},")),
        (Some(after), StatusWait::Settle { .. }) if after.settle < before.settle => {
            Some(format!("would wait less long for `{key}`, which {waits},"))
        }
        (Some(after), _) if after.asks_less_than(before) => {
            Some(format!("would ask for less of `{key}`, which {waits},"))
        }
        (Some(_), _) => None,
    }
}

/// Returns what people would no longer be asked for.
fn approvals(before: &Environment, after: &Environment) -> Option<String> {
    let before = before.approvals.as_ref()?;
    let Some(after) = &after.approvals else { return Some("would no longer wait for approvals".to_owned()) };
    let is_weaker = after.count < before.count
        || after.teams != before.teams
        || (before.code_owners && !after.code_owners)
        || (before.not_author && !after.not_author);
    is_weaker.then(|| "would wait for fewer approvals, or for those of others".to_owned())
}

/// Returns what windows would no longer ask, of those that are closed.
fn window(after: &Environment, closed_until: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let open = "would go through a window that is closed";
    let so_far = closed_until.map(|at| format!(" {}", until(at))).unwrap_or_default();
    match after.windows.strategy.standing(now) {
        Standing::Open { .. } => Some(format!("{open}{so_far}")),
        Standing::Closed { until: Some(opens), .. } if closed_until.is_none_or(|closed| opens < closed) => {
            Some(format!("{open}{so_far}, which would open earlier"))
        }
        Standing::Closed { .. } => None,
    }
}

/// Returns what would happen to the promotion of a place.
fn of_promotion(before: &PlaceView, after: &PlaceView) -> Option<Effect> {
    let place = after.place.clone();
    match (&before.wanted, &after.wanted) {
        (None, None) => None,
        (Some(_), None) => before.pull_request.map(|number| Effect::Closes { place, number }),
        (was, Some(dry)) => {
            let dry = dry.clone();
            if after.gates.is_empty() {
                let is_new = was.as_ref() != Some(&dry) || !before.gates.is_empty();
                return is_new.then_some(Effect::Merges { place, dry });
            }
            if was.as_ref() != Some(&dry) {
                return Some(Effect::Proposes { place, dry });
            }
            let known: Vec<_> = before.gates.iter().map(|closed| closed.gate.id()).collect();
            let more = after.gates.iter().filter(|closed| !known.contains(&closed.gate.id()));
            let gates: Vec<String> = more.map(ToString::to_string).collect();
            (!gates.is_empty()).then_some(Effect::Waits { place, dry, gates })
        }
    }
}
