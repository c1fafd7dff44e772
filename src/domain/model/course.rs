//! One course of events from a state on, told line by line when somebody wants to read it.

use super::{
    configuration::Configuration,
    event::{Event, Told},
    happen::happen,
    look::Look,
    perform::{Performed, perform},
    rest::check_rest,
    safety::{Checked, check, check_effect, check_loss, check_plan},
    state::{State, Step},
};

/// How many plans it may take to come to rest.
const PATIENCE: usize = 150;

/// A state and how it came about.
pub(super) struct Course<'a> {
    of: &'a Configuration,
    pub(super) state: State,
    /// The words of the actions of a plan that was made earlier.
    late: Vec<String>,
    told: Option<Vec<String>>,
}

/// How a course goes to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Plan by plan.
    Plans,
    /// The service is stopped after every action, and starts again.
    Stopping,
}

impl<'a> Course<'a> {
    /// Begins a course, to be told or not.
    pub(super) fn from(of: &'a Configuration, state: State, tells: bool) -> Self {
        Self { of, state, late: Vec::new(), told: tells.then(Vec::new) }
    }

    /// Returns what was told.
    pub(super) fn told(self) -> Vec<String> {
        self.told.unwrap_or_default()
    }

    /// Lets one event happen to what was looked at.
    pub(super) fn happen(&mut self, look: &Look, event: Event) -> Checked {
        match event {
            Event::Act => {
                let Some((index, step)) = look.steps.first().copied() else { return Ok(()) };
                let performed = self.perform(step, || look.action(index).to_string())?;
                let goes_on = self.of.late && performed == Performed::Done;
                self.state.late = if goes_on { look.all().skip(1).collect() } else { Vec::new() };
                if self.told.is_some() {
                    self.late = look.steps.iter().skip(1).map(|(index, _)| look.action(*index).to_string()).collect();
                }
                Ok(())
            }
            Event::GoOn => {
                let step = self.state.late.remove(0);
                let words = if self.late.is_empty() { String::new() } else { self.late.remove(0) };
                let performed = self.perform(step, || format!("{words} (planned earlier)"))?;
                if performed == Performed::Moved {
                    self.state.late.clear();
                }
                Ok(())
            }
            event => {
                self.tell(|| Told(self.of, event).to_string());
                happen(self.of, &mut self.state, &look.snapshot, event);
                Ok(())
            }
        }
    }

    fn perform(&mut self, step: Step, words: impl Fn() -> String) -> Result<Performed, String> {
        let before = self.state.clone();
        let performed = perform(self.of, &mut self.state, step);
        self.tell(|| match performed {
            Performed::Done => words(),
            Performed::Moved => format!("{}: refused, the world has moved", words()),
        });
        check_effect(self.of, &before, step, &self.state).map(|()| performed)
    }

    fn tell(&mut self, words: impl Fn() -> String) {
        if let Some(told) = &mut self.told {
            told.push(words());
        }
    }

    /// Looks at the state.
    pub(super) fn look(&self) -> Look {
        Look::at(self.of, &self.state)
    }

    /// Checks what must hold of every state, whatever happens next.
    pub(super) fn check(&self, look: &Look) -> Checked {
        check_plan(self.of, &self.state, look)?;
        if look.steps.is_empty() {
            check_rest(self.of, &self.state, look)?;
        }
        check_loss(self.of, &self.state, look)
    }

    /// 11: Lets the service work until it has nothing to do. What it does never leads back to where it was.
    pub(super) fn settle(&mut self, pace: Pace) -> Checked {
        self.state.late.clear();
        let mut seen = Vec::new();
        for _ in 0..PATIENCE {
            let look = self.look();
            self.check(&look)?;
            if look.steps.is_empty() {
                return Ok(());
            }
            let print = super::canonical::fingerprint(self.of, &self.state);
            check(!seen.contains(&print), || "11: the service comes back to where it was".into())?;
            seen.push(print);
            let most = if pace == Pace::Plans { usize::MAX } else { 1 };
            for (index, step) in look.steps.iter().take(most) {
                if self.perform(*step, || look.action(*index).to_string())? == Performed::Moved {
                    break;
                }
            }
        }
        Err("11: the service does not come to rest".into())
    }
}
