//! Closing a client where it does not hold up the async threads.

use std::ops::{Deref, DerefMut};

use tracing::warn;

/// Holds a client and drops it on a thread that may block: closing one waits for its threads and
/// for the group to be left.
pub(super) struct Aside<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Aside<T> {
    pub(super) fn new(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send + 'static> Deref for Aside<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> DerefMut for Aside<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> Drop for Aside<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        // A thread of its own and not one of the runtime's: a runtime that ends waits for those.
        // If there can be no thread, the client is dropped here with the closure.
        let thread = std::thread::Builder::new().name("kafka-close".to_owned());
        if let Err(error) = thread.spawn(move || drop(client)) {
            warn!(%error, "no thread to close a kafka client on");
        }
    }
}
