//! The places for connections that a process has: a third of the files that it may have open.
//!
//! The limit of open files is the process's, whichever port a connection came by, and so are the places. When they are
//! taken, the connection that has been without a request for longest makes room: a client that opens connections and
//! says nothing silences no other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::warn;

/// Whatever the limit of open files is, this many connections are held at least, and at most.
const LEAST: usize = 8;
const MOST: usize = 16_384;

/// How often it is said that connections had to make room.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// How long a connection that does not get a place waits before it is looked again for one without a request.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Of this process.
pub(super) static PLACES: LazyLock<Places> = LazyLock::new(|| Places::new(limit()));

/// A third of the files that this process may have open; the rest is for its own, of which a client of Kafka alone takes
/// some twenty.
fn limit() -> usize {
    let files = crate::process::max_open_files().unwrap_or(1024);
    (files / 3).clamp(LEAST, MOST)
}

/// The place of one connection, seen by the connection, by its requests and by connections that need room.
#[derive(Debug)]
pub(super) struct Place {
    in_flight: AtomicUsize,
    /// Counts the times in which no request was in flight.
    rests: AtomicU64,
    resting_since: Mutex<Instant>,
    closing: AtomicBool,
    waker: AtomicWaker,
}

impl Place {
    fn new() -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            rests: AtomicU64::new(0),
            resting_since: Mutex::new(Instant::now()),
            closing: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Whether a request of this connection is being answered.
    pub(super) fn is_in_use(&self) -> bool {
        0 < self.in_flight.load(Ordering::Acquire)
    }

    /// Which time without requests this is, from 0, and since when.
    pub(super) fn rest(&self) -> (u64, Instant) {
        (self.rests.load(Ordering::Acquire), *self.resting_since.lock())
    }

    /// Whether the connection is to end now; if not, `waker` is woken when that changes.
    pub(super) fn is_closing(&self, waker: &Waker) -> bool {
        self.waker.register(waker);
        self.closing.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// A request in flight on a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Held(Arc<Place>);

impl Held {
    pub(super) fn new(place: &Arc<Place>) -> Self {
        place.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(place))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            *self.0.resting_since.lock() = Instant::now();
            self.0.rests.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// A place that was taken; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    id: u64,
    pub(super) place: Arc<Place>,
    places: &'static Places,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.places.taken.lock().remove(&self.id);
        self.places.freed.notify_one();
    }
}

/// Every place, and who has it.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    next_id: AtomicU64,
    taken: Mutex<HashMap<u64, Arc<Place>>>,
    freed: Notify,
    said_at: Mutex<Option<Instant>>,
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            next_id: AtomicU64::new(0),
            taken: Mutex::default(),
            freed: Notify::new(),
            said_at: Mutex::new(None),
        }
    }

    /// Takes a place; when there are none left, the connection that rests longest is closed for it.
    pub(super) fn take(&'static self) -> Taken {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let place = Arc::new(Place::new());
        let n_taken = {
            let mut taken = self.taken.lock();
            taken.insert(id, Arc::clone(&place));
            taken.len()
        };
        if self.limit < n_taken {
            self.make_room(Some(id));
        }
        Taken { id, place, places: self }
    }

    /// Waits while there are so many connections, all of them with requests, that no further one may come.
    pub(super) async fn wait_for_room(&self) {
        while self.limit + self.limit / 4 <= self.taken.lock().len() {
            self.make_room(None);
            // Nobody says that a connection has come to rest, so it is looked again.
            drop(timeout(LOOK_AGAIN, self.freed.notified()).await);
        }
    }

    /// Closes the connection that has been without a request for longest, other than the newest.
    pub(super) fn make_room(&self, newest: Option<u64>) {
        let longest = {
            let taken = self.taken.lock();
            let resting = taken.iter().filter(|(id, place)| {
                Some(**id) != newest && !place.is_in_use() && !place.closing.load(Ordering::Acquire)
            });
            resting.min_by_key(|(_, place)| place.rest().1).map(|(_, place)| Arc::clone(place))
        };
        if let Some(place) = longest {
            place.close();
        }
        let mut said_at = self.said_at.lock();
        if said_at.is_none_or(|it| SAY_EVERY <= it.elapsed()) {
            *said_at = Some(Instant::now());
            warn!(
                limit = self.limit,
                "there are more connections than a third of the files that this process may have open (ulimit -n); \
                 those without a request are closed, the oldest first"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_rests_longest_makes_room() {
        let places: &'static Places = Box::leak(Box::new(Places::new(3)));
        let waker = futures_util::task::noop_waker();
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(places.take());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let is_closing =
            |all: &[Taken]| all.iter().map(|it| it.place.is_closing(&waker)).collect::<Vec<_>>();
        assert_eq!(is_closing(&all), [false, false, false]);
        // The first one is asked something, and the second one was.
        let held = Held::new(&all[0].place);
        drop(Held::new(&all[1].place));
        tokio::time::advance(Duration::from_secs(1)).await;
        all.push(places.take());
        assert_eq!(is_closing(&all), [false, false, true, false]);
        drop(all.remove(2));
        tokio::time::advance(Duration::from_secs(1)).await;
        all.push(places.take());
        assert_eq!(is_closing(&all), [false, true, false, false]);
        drop(held);
        assert_eq!(all[0].place.rest().0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn where_every_connection_is_asked_something_others_wait() {
        let places: &'static Places = Box::leak(Box::new(Places::new(4)));
        let all: Vec<_> = (0..5).map(|_| places.take()).collect();
        let held: Vec<_> = all.iter().map(|it| Held::new(&it.place)).collect();
        let room = places.wait_for_room();
        tokio::pin!(room);
        assert!(timeout(Duration::from_secs(9), &mut room).await.is_err());
        drop((held, all));
        timeout(Duration::from_secs(1), room).await.unwrap();
    }
}
