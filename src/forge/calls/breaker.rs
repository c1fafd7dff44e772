//! Leaves a forge alone that does not answer, and finds out soon when it does again.
//!
//! - What counts is that no usable answer came: no connection, no answer in time, a 5xx, a web page in place of JSON. A
//!   refusal (4xx) is an answer.
//! - After some of those in a row every call fails at once, until a time; then one call goes through as a probe, and
//!   its outcome decides for all of them.
//! - The first pause is about a second and each is twice as long as the one before, up to a minute: an outage costs
//!   about as much again, never minutes for seconds.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use url::Url;

use super::{lock, meters};

/// How many calls in a row go without a usable answer before the forge is left alone.
const MOST_FAILURES: u32 = 5;
/// The first pause; a half of it at least.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// One forge's breaker, shared by its credentials.
#[derive(Debug)]
pub(in crate::forge) struct Breaker {
    /// The forge's host, as errors and metrics name it.
    host: String,
    state: Mutex<State>,
    /// How many outages are over.
    outages: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls go through; so many in a row failed.
    Closed { failures: u32 },
    /// None goes through before this time.
    Open { until: Instant, pause: Duration },
    /// One is under way, and decides.
    Probing { pause: Duration },
}

/// The forge has not answered for a while, and is left alone.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{host}` gave no usable answer to {MOST_FAILURES} calls in a row or more; it is left alone for another {} ms",
    wait.as_millis()
)]
pub(in crate::forge) struct LeftAlone {
    host: String,
    wait: Duration,
}

impl Breaker {
    /// Returns the breaker of the forge whose API is at `address`.
    pub(in crate::forge) fn of(address: &str) -> Arc<Self> {
        let host = Url::parse(address).ok().and_then(|url| {
            let host = url.host_str()?.to_owned();
            Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
        });
        Arc::new(Self::new(host.as_deref().unwrap_or(address)))
    }

    fn new(host: &str) -> Self {
        meters::breaker(host, false);
        Self { host: host.to_owned(), state: Mutex::new(State::Closed { failures: 0 }), outages: watch::Sender::new(0) }
    }

    pub(in crate::forge) fn host(&self) -> &str {
        &self.host
    }

    /// Counts the outages that are over.
    pub(in crate::forge) fn outages(&self) -> watch::Receiver<u64> {
        self.outages.subscribe()
    }

    /// Fails while no call may go through; takes nothing.
    pub(in crate::forge) fn check(&self, now: Instant) -> Result<(), LeftAlone> {
        match *lock(&self.state) {
            State::Open { until, .. } if until > now => Err(self.left_alone(until - now)),
            _ => Ok(()),
        }
    }

    /// Lets a call through, as the probe when it is time for one.
    pub(in crate::forge) fn admit(&self, now: Instant) -> Result<Permit<'_>, LeftAlone> {
        let mut state = lock(&self.state);
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until, .. } if until > now => return Err(self.left_alone(until - now)),
            State::Probing { .. } => return Err(self.left_alone(Duration::ZERO)),
            State::Open { pause, .. } => {
                *state = State::Probing { pause };
                true
            }
        };
        Ok(Permit { breaker: self, is_probe, is_settled: false })
    }

    fn left_alone(&self, wait: Duration) -> LeftAlone {
        LeftAlone { host: self.host.clone(), wait }
    }

    /// Takes in what became of a call; `jitter` is between 0 and 1.
    fn note(&self, is_probe: bool, outcome: Outcome, now: Instant, jitter: f64) {
        let mut state = lock(&self.state);
        let before = *state;
        *state = match (before, outcome) {
            (_, Outcome::Answered) => State::Closed { failures: 0 },
            (State::Closed { failures }, Outcome::Failed) if failures + 1 < MOST_FAILURES => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. }, Outcome::Failed) => opened(FIRST_PAUSE, now, jitter),
            (State::Probing { pause }, Outcome::Failed) if is_probe => {
                opened((pause * 2).min(LONGEST_PAUSE), now, jitter)
            }
            // Whoever waited for it has gone: the next call is the probe.
            (State::Probing { pause }, Outcome::Unknown) if is_probe => State::Open { until: now, pause },
            // A call that was under way before decides nothing any more.
            (before, _) => before,
        };
        let is_closed = |state| matches!(state, State::Closed { .. });
        match (is_closed(before), is_closed(*state)) {
            (true, false) => {
                meters::breaker(&self.host, true);
                tracing::warn!(
                    forge = self.host,
                    "`{}` gives no usable answer; it is left alone for a while",
                    self.host
                );
            }
            (false, true) => {
                meters::breaker(&self.host, false);
                self.outages.send_modify(|count| *count += 1);
                tracing::info!(forge = self.host, "`{}` answers again", self.host);
            }
            _ => {}
        }
    }
}

/// Returns the state that ends after `pause`, or somewhat before it, so that not everybody comes back at once.
fn opened(pause: Duration, now: Instant, jitter: f64) -> State {
    State::Open { until: now + pause.mul_f64(1.0 - 0.5 * jitter.clamp(0.0, 1.0)), pause }
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Answered,
    Failed,
    Unknown,
}

/// The right to one call; says what became of it.
#[derive(Debug)]
pub(in crate::forge) struct Permit<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
    is_settled: bool,
}

impl Permit<'_> {
    /// A usable answer came, which may be a refusal.
    pub(in crate::forge) fn answered(self) {
        self.settle(Outcome::Answered);
    }

    /// None came.
    pub(in crate::forge) fn failed(self) {
        self.settle(Outcome::Failed);
    }

    fn settle(mut self, outcome: Outcome) {
        self.is_settled = true;
        self.breaker.note(self.is_probe, outcome, Instant::now(), jitter());
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.breaker.note(self.is_probe, Outcome::Unknown, Instant::now(), 0.0);
        }
    }
}

/// Returns a number between 0 and 1 that nobody knows before.
fn jitter() -> f64 {
    let mut byte = [0_u8];
    // Without any chance everybody comes back at the same time, which is no harm to the result.
    getrandom::fill(&mut byte).map_or(0.0, |()| f64::from(byte[0]) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breaker: &Breaker, now: Instant) {
        let permit = breaker.admit(now).expect("because calls go through");
        let is_probe = permit.is_probe;
        std::mem::forget(permit);
        breaker.note(is_probe, Outcome::Failed, now, 0.0);
    }

    fn open(now: Instant) -> Breaker {
        let breaker = Breaker::new("forge.example.com");
        (0..MOST_FAILURES).for_each(|_| fail(&breaker, now));
        breaker
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let (now, breaker) = (Instant::now(), Breaker::new("forge.example.com"));
        for _ in 0..3 {
            (1..MOST_FAILURES).for_each(|_| fail(&breaker, now));
            breaker.admit(now).expect("because one more is missing").answered();
        }
        assert_eq!(*lock(&breaker.state), State::Closed { failures: 0 });
    }

    #[test]
    fn calls_fail_at_once_until_one_probe_succeeds() {
        let now = Instant::now();
        let breaker = open(now);
        let error = breaker.admit(now).expect_err("because it is left alone");
        assert_eq!(
            error.to_string(),
            "`forge.example.com` gave no usable answer to 5 calls in a row or more; it is left alone for another 1000 ms"
        );
        assert!(breaker.check(now).is_err());
        let probe = breaker.admit(now + SECOND).expect("because it is time for a probe");
        assert!(breaker.admit(now + SECOND).is_err(), "one is enough");
        let outages = breaker.outages();
        assert_eq!(*outages.borrow(), 0);
        probe.answered();
        assert!(breaker.admit(now + SECOND).is_ok());
        assert_eq!(*outages.borrow(), 1, "it is over");
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut now = Instant::now();
        let breaker = open(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let State::Open { until, .. } = *lock(&breaker.state) else { panic!("it is open") };
            pauses.push((until - now).as_secs());
            now = until;
            fail(&breaker, now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    /// Calls come all the time; the forge is back after five seconds.
    #[test]
    fn an_outage_of_five_seconds_costs_seconds() {
        let begun = Instant::now();
        let (breaker, mut now) = (open(begun), begun);
        loop {
            now += Duration::from_millis(100);
            match breaker.admit(now) {
                Ok(permit) if now >= begun + 5 * SECOND => break permit.answered(),
                Ok(permit) => {
                    std::mem::forget(permit);
                    breaker.note(true, Outcome::Failed, now, 0.0);
                }
                Err(_) => {}
            }
        }
        assert!(now - begun <= 8 * SECOND, "{:?}", now - begun);
    }

    #[test]
    fn a_probe_that_nobody_waits_for_any_more_leaves_the_next_one_to_find_out() {
        let now = Instant::now();
        let breaker = open(now);
        drop(breaker.admit(now + SECOND).expect("because it is time for a probe"));
        assert!(breaker.admit(Instant::now() + SECOND).is_ok_and(|permit| permit.is_probe));
    }

    #[test]
    fn a_call_that_was_under_way_before_closes_it_and_does_not_open_it_for_longer() {
        let now = Instant::now();
        let breaker = Breaker::new("forge.example.com");
        let (late_failure, late_answer) = (breaker.admit(now), breaker.admit(now));
        (0..MOST_FAILURES).for_each(|_| fail(&breaker, now));
        let state = *lock(&breaker.state);
        late_failure.expect("because it was closed then").failed();
        assert_eq!(*lock(&breaker.state), state);
        late_answer.expect("because it was closed then").answered();
        assert!(breaker.admit(now).is_ok());
    }

    #[test]
    fn pauses_are_shortened_by_chance_and_never_below_a_half() {
        let now = Instant::now();
        assert_eq!(opened(SECOND, now, 1.0), State::Open { until: now + SECOND / 2, pause: SECOND });
        assert_eq!(opened(SECOND, now, 0.0), State::Open { until: now + SECOND, pause: SECOND });
        assert!((0.0..=1.0).contains(&jitter()));
    }
}
