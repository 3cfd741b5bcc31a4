//! The thread that keeps the log in order: writes to the disk itself, drops what is old, compacts.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use parking_lot::{Condvar, Mutex};
use tracing::error;

use super::state::State;
use super::topic;

/// How often what was written is made to survive a power failure. A kill it survives at once.
pub(super) const SYNC_EVERY: Duration = Duration::from_secs(1);
/// In how many of those rounds old records are looked for.
const CLEAN_UP_ROUNDS: u64 = 30;

/// Ends the thread when it is dropped, and waits for it: after that it does not hold the log.
#[derive(Debug)]
pub(super) struct Housekeeping {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Stop {
    is_stopped: Mutex<bool>,
    changed: Condvar,
}

impl Housekeeping {
    pub(super) fn start(state: Arc<State>) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let seen = stop.clone();
        let thread = std::thread::Builder::new()
            .name("embedded-log".to_owned())
            .spawn(move || run(&state, &seen))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        *self.stop.is_stopped.lock() = true;
        self.stop.changed.notify_all();
        let joined = self.thread.take().map(JoinHandle::join);
        if let Some(Err(_)) = joined {
            // What it panicked with is on standard error already.
            error!("the housekeeping of the embedded log ended early");
        }
    }
}

impl Stop {
    /// Waits for the next round; says whether to end instead.
    fn wait(&self, time: Duration) -> bool {
        let mut is_stopped = self.is_stopped.lock();
        if !*is_stopped {
            self.changed.wait_for(&mut is_stopped, time);
        }
        *is_stopped
    }
}

fn run(state: &State, stop: &Stop) {
    for round in 1_u64.. {
        let is_last = stop.wait(SYNC_EVERY);
        state.sync();
        if is_last {
            return;
        }
        state.note_lag();
        let is_clean_up = round.is_multiple_of(CLEAN_UP_ROUNDS);
        let now = SystemTime::from(topic::now());
        for topic in state.topics() {
            // A table is small, and looked at only when something was written to it.
            if is_clean_up || topic.is_compacted() {
                topic.clean_up(now);
            }
        }
    }
}
