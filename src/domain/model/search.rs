//! The search: every state that can be reached, nearest first, each checked once.

use std::collections::{HashMap, VecDeque};

use super::{
    canonical::fingerprint,
    configuration::Configuration,
    course::{Course, Pace},
    event::{Event, events},
    liveness::{Reported, check_future, check_futures, start},
    look::Look,
    state::State,
};

/// The most dry commits that a state can tell apart, less those that the futures of a state add.
const MOST_DRIES: usize = 12;

/// What a search found.
#[derive(Debug)]
pub(super) struct Outcome {
    /// How many distinct states were looked at.
    pub(super) states: usize,
    /// How many events the farthest of them is away from the start.
    pub(super) depth: usize,
    /// How many of them were carried on with until everything was well.
    pub(super) futures: usize,
    /// Whether there are no others.
    pub(super) complete: bool,
    /// The first invariant that does not hold.
    pub(super) broken: Option<Broken>,
}

/// An invariant that does not hold, and how it comes to that.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) words: String,
    pub(super) trace: Vec<String>,
}

/// Where the search found what.
enum Fault {
    /// On the way to a state, or in it.
    Here(String),
    /// In what becomes of it.
    Later(Pace, Reported, String),
}

struct Search<'a> {
    of: &'a Configuration,
    start: State,
    /// How each state was found: from which other, by what, and how far from the start.
    found: Vec<(u32, Event, u16)>,
    seen: HashMap<u64, u32>,
    waiting: VecDeque<(u32, State)>,
    outcome: Outcome,
}

/// Searches the states of a configuration.
pub(super) fn search(of: &Configuration) -> Outcome {
    let outcome = Outcome { states: 0, depth: 0, futures: 0, complete: true, broken: None };
    let start = match start(of) {
        Ok(start) => start,
        Err(words) => {
            let broken = Broken { words, trace: vec!["before anything else happens".into()] };
            return Outcome { broken: Some(broken), ..outcome };
        }
    };
    let (found, seen, waiting) = (Vec::new(), HashMap::new(), VecDeque::new());
    let mut search = Search { of, start: start.clone(), found, seen, waiting, outcome };
    search.note(0, Event::Act, 0, start);
    while let Some((id, state)) = search.waiting.pop_front() {
        search.outcome.states += 1;
        let depth = search.found[id as usize].2;
        search.outcome.depth = search.outcome.depth.max(depth.into());
        if let Err((event, fault)) = search.expand(id, &state, depth) {
            search.outcome.broken = Some(search.explain(id, event, fault));
            search.outcome.complete = false;
            break;
        }
    }
    search.outcome
}

impl Search<'_> {
    /// Remembers a state that was not seen before.
    fn note(&mut self, from: u32, event: Event, depth: u16, state: State) {
        let fresh = u32::try_from(self.found.len()).expect("because a search is bounded");
        let print = fingerprint(self.of, &state);
        if self.seen.contains_key(&print) {
            return;
        }
        if self.found.len() >= self.of.most {
            self.outcome.complete = false;
            return;
        }
        self.seen.insert(print, fresh);
        self.found.push((from, event, depth));
        self.waiting.push_back((fresh, state));
    }

    /// Checks a state and everything that can happen next.
    fn expand(&mut self, id: u32, state: &State, depth: u16) -> Result<(), (Option<Event>, Fault)> {
        let of = self.of;
        let look = Look::at(of, state);
        let here = Course::from(of, state.clone(), false);
        here.check(&look).map_err(|words| (None, Fault::Here(words)))?;
        if fingerprint(of, state).is_multiple_of(of.sample) {
            self.outcome.futures += 1;
            check_futures(of, state).map_err(|(pace, reported, words)| (None, Fault::Later(pace, reported, words)))?;
        }
        let acts = (!look.steps.is_empty()).then_some(Event::Act);
        for event in acts.into_iter().chain(events(of, state)) {
            let mut course = Course::from(of, state.clone(), false);
            course.happen(&look, event).map_err(|words| (Some(event), Fault::Here(words)))?;
            let next = course.state;
            let is_long = next.branches.iter().any(|branch| branch.commits.len() > of.commits);
            if is_long || next.dries.len() > MOST_DRIES {
                self.outcome.complete = false;
            } else {
                self.note(id, event, depth + 1, next);
            }
        }
        Ok(())
    }

    /// Tells how it comes to a fault, from the start on.
    fn explain(&self, id: u32, event: Option<Event>, fault: Fault) -> Broken {
        let mut path = Vec::from_iter(event);
        let mut at = id;
        while at != 0 {
            let (from, event, _) = self.found[at as usize];
            path.push(event);
            at = from;
        }
        let mut course = Course::from(self.of, self.start.clone(), true);
        for event in path.into_iter().rev() {
            let look = course.look();
            // The last one is what does not hold.
            let _ = course.happen(&look, event);
        }
        match fault {
            Fault::Here(words) => Broken { words, trace: course.told() },
            Fault::Later(pace, reported, words) => {
                let mut later = Course::from(self.of, course.state.clone(), true);
                // It is told up to what does not hold.
                let _ = check_future(&mut later, self.of, pace, reported);
                let mut trace = course.told();
                trace.push("(then everybody does their part, and a fix is pushed)".into());
                trace.extend(later.told());
                Broken { words, trace }
            }
        }
    }
}
