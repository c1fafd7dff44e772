//! Faults that tests ask for: calls that fail, hang, or are done without an answer.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What happens to a call that a [`Fault`] matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing is done and this status is answered.
    Status(u16),
    /// Nothing is done and 429 is answered, with `Retry-After` in seconds.
    RateLimited {
        /// The seconds to wait.
        retry_after: u64,
    },
    /// Nothing is done, and after this time 504 is answered.
    Hang(Duration),
    /// Everything is done, and then this status is answered: the caller cannot know.
    AnswerLost(u16),
}

/// Calls that shall go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `GET`, `POST`, …; every method when absent.
    pub method: Option<String>,
    /// A part of the path (without `/api/v3`; git's paths are `/<owner>/<name>.git/…`).
    pub path_contains: String,
    /// How many calls, from the next one on.
    pub times: u32,
    /// What happens to them.
    pub kind: FaultKind,
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Adds a fault; of several that match, the one added first is used up first.
    pub(super) fn add(&self, fault: Fault) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Forgets every fault.
    pub(super) fn clear(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns what shall happen to a call, and uses it up.
    pub(super) fn take(&self, method: &str, path: &str) -> Option<FaultKind> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|fault| fault.times > 0);
        let fault = waiting.iter_mut().find(|fault| {
            fault.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && path.contains(&fault.path_contains)
        })?;
        fault.times -= 1;
        Some(fault.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultKind, Faults};

    #[test]
    fn a_fault_is_used_up_by_the_calls_that_it_matches() {
        let faults = Faults::default();
        faults.add(Fault {
            method: Some("put".to_owned()),
            path_contains: "/merge".to_owned(),
            times: 1,
            kind: FaultKind::Status(502),
        });
        assert_eq!(faults.take("GET", "/repos/o/r/pulls/1/merge"), None);
        assert_eq!(faults.take("PUT", "/repos/o/r/pulls/1/merge"), Some(FaultKind::Status(502)));
        assert_eq!(faults.take("PUT", "/repos/o/r/pulls/1/merge"), None);
    }
}
