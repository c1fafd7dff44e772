//! The order of writes: so many at a time, with a pause between two, the most important first.
//!
//! - Of writes that are equally important the one that came first goes first.
//! - Who is next is decided when the pause is over, not when it begins: a merge overtakes a comment that waits for it.
//! - Whoever stops waiting leaves the queue; whoever stops writing lets the next one go.

use std::{collections::BTreeSet, num::NonZeroUsize, sync::Mutex, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::{Importance, lock, meters::Meters};

/// How long a write waits for those before it.
const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// A place in the queue: what matters more, then what came first.
type Ticket = (Importance, u64);

/// The queue of one credential's writes.
#[derive(Debug)]
pub(super) struct Turns {
    interval: Duration,
    at_once: NonZeroUsize,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<Ticket>,
    tickets: u64,
    writing: usize,
    next: Option<Instant>,
}

/// What is to be done for a place in the queue.
enum Standing {
    Go,
    Until(Instant),
    Behind,
}

/// Too many writes were before this one, for too long.
#[derive(Debug, thiserror::Error)]
#[error("too many writes wait for the forge")]
pub(super) struct Crowded;

impl Turns {
    /// As many writes at once, and between the end of one and the beginning of another a pause.
    pub(super) fn new(at_once: NonZeroUsize, interval: Duration) -> Self {
        Self { interval, at_once, queue: Mutex::default(), changed: Notify::new() }
    }

    /// Waits until nothing more important is left and the pause is over; the turn is over when it is dropped.
    pub(super) async fn take(&self, importance: Importance, meters: &Meters) -> Result<Turn<'_>, Crowded> {
        let begun = Instant::now();
        let place = Place::new(self, importance, meters);
        let result = timeout(WAIT_LIMIT, place.reach()).await.map_err(|_| Crowded);
        meters.waited(importance, begun.elapsed());
        result.map(|()| Turn { turns: self })
    }

    fn standing(&self, ticket: Ticket) -> Standing {
        let mut queue = lock(&self.queue);
        if queue.writing >= self.at_once.get() || queue.waiting.first() != Some(&ticket) {
            return Standing::Behind;
        }
        match queue.next.filter(|next| *next > Instant::now()) {
            Some(next) => Standing::Until(next),
            None => {
                queue.writing += 1;
                Standing::Go
            }
        }
    }
}

/// A place in the queue, left when it is dropped.
struct Place<'a> {
    turns: &'a Turns,
    ticket: Ticket,
    meters: &'a Meters,
}

impl<'a> Place<'a> {
    fn new(turns: &'a Turns, importance: Importance, meters: &'a Meters) -> Self {
        let mut queue = lock(&turns.queue);
        queue.tickets += 1;
        let ticket = (importance, queue.tickets);
        queue.waiting.insert(ticket);
        meters.writes_waiting(queue.waiting.len());
        drop(queue);
        // One that was the first may not be any more.
        turns.changed.notify_waiters();
        Self { turns, ticket, meters }
    }

    async fn reach(&self) {
        loop {
            let changed = self.turns.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            match self.turns.standing(self.ticket) {
                Standing::Go => return,
                Standing::Behind => changed.await,
                Standing::Until(next) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(next) => {}
                },
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.turns.queue);
        queue.waiting.remove(&self.ticket);
        self.meters.writes_waiting(queue.waiting.len());
        drop(queue);
        self.turns.changed.notify_waiters();
    }
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.turns.queue);
        queue.writing -= 1;
        queue.next = Instant::now().checked_add(self.turns.interval);
        drop(queue);
        self.turns.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Has writes of these kinds wait behind one that is under way; returns them in the order in which they went.
    async fn order(interval: Duration, kinds: &[Importance]) -> Vec<usize> {
        let (turns, meters) = (Turns::new(NonZeroUsize::MIN, interval), Meters::new("forge", "token"));
        let went = Mutex::new(Vec::new());
        let first = turns.take(Importance::Comment, &meters).await.expect("because nothing is before it");
        let mut writes: Vec<_> = kinds
            .iter()
            .enumerate()
            .map(|(number, importance)| {
                let (turns, meters, went) = (&turns, &meters, &went);
                Box::pin(async move {
                    let _turn = turns.take(*importance, meters).await.expect("because the queue is short");
                    lock(went).push(number);
                })
            })
            .collect();
        // Each has its place before the first one ends.
        for write in &mut writes {
            assert!(futures::poll!(write.as_mut()).is_pending());
        }
        drop(first);
        futures::future::join_all(writes).await;
        went.into_inner().expect("because nothing panicked")
    }

    #[tokio::test]
    async fn what_matters_more_goes_first_and_what_matters_the_same_in_its_order() {
        use Importance::{Comment, Merge, Status};
        let waiting = [Comment, Status, Merge, Comment, Merge, Status];
        assert_eq!(order(Duration::ZERO, &waiting).await, [2, 4, 1, 5, 0, 3]);
    }

    #[tokio::test]
    async fn a_merge_overtakes_a_comment_that_waits_for_the_pause() {
        let (turns, meters) = (Turns::new(NonZeroUsize::MIN, Duration::from_millis(80)), Meters::new("forge", "token"));
        let begun = Instant::now();
        drop(turns.take(Importance::Comment, &meters).await);
        let went = Mutex::new(Vec::new());
        let write = async |importance| {
            let _turn = turns.take(importance, &meters).await.expect("because the queue is short");
            lock(&went).push(importance);
        };
        tokio::join!(write(Importance::Comment), write(Importance::Merge));
        assert_eq!(*lock(&went), [Importance::Merge, Importance::Comment]);
        assert!(begun.elapsed() >= Duration::from_millis(160), "each waited for its pause");
    }

    #[tokio::test]
    async fn whoever_stops_waiting_is_in_nobodys_way() {
        let (turns, meters) = (Arc::new(Turns::new(NonZeroUsize::MIN, Duration::ZERO)), Meters::new("forge", "token"));
        let first = turns.take(Importance::Merge, &meters).await;
        {
            let mut given_up = Box::pin(turns.take(Importance::Merge, &meters));
            assert!(futures::poll!(given_up.as_mut()).is_pending());
        }
        drop(first);
        assert!(turns.take(Importance::Comment, &meters).await.is_ok());
        assert!(lock(&turns.queue).waiting.is_empty());
    }

    #[tokio::test]
    async fn as_many_write_at_once_as_may() {
        let at_once = NonZeroUsize::new(2).expect("because it is two");
        let (turns, meters) = (Turns::new(at_once, Duration::ZERO), Meters::new("forge", "token"));
        let first = turns.take(Importance::Status, &meters).await;
        let second = turns.take(Importance::Status, &meters).await;
        let mut third = Box::pin(turns.take(Importance::Comment, &meters));
        let mut merge = Box::pin(turns.take(Importance::Merge, &meters));
        assert!(futures::poll!(third.as_mut()).is_pending());
        assert!(futures::poll!(merge.as_mut()).is_pending());
        drop(second);
        let merge = merge.await;
        assert!(futures::poll!(third.as_mut()).is_pending(), "the merge was first");
        drop(first);
        assert!(third.await.is_ok());
        drop(merge);
    }
}
