//! The service's time, which a story moves forward.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicI64, Ordering},
};

use hydromote::{app, reconcile::context::Clock};
use jiff::{SignedDuration, Timestamp};

/// The wall clock, and what was jumped over.
#[derive(Clone, Default)]
pub(super) struct WorldClock {
    ahead_ms: Arc<AtomicI64>,
    stopped_at: Arc<OnceLock<Timestamp>>,
}

impl WorldClock {
    pub(super) fn tell(&self) -> Clock {
        let (wall, ahead, stopped) = (app::wall_clock(), self.ahead_ms.clone(), self.stopped_at.clone());
        Arc::new(move || {
            let here = stopped.get().copied().unwrap_or_else(&*wall);
            here + SignedDuration::from_millis(ahead.load(Ordering::Relaxed))
        })
    }

    /// From now on no time passes but what is jumped over: a slow machine ends no pause.
    pub(super) fn stop(&self) {
        self.stopped_at.get_or_init(&*app::wall_clock());
    }

    pub(super) fn advance(&self, minutes: i64) {
        self.ahead_ms.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }
}
