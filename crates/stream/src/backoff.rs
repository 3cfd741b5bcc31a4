//! The waits between attempts.

use std::time::Duration;

/// Waits of which each is twice as long as the one before, from the first to a longest.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first.min(longest) }
    }

    /// The next wait, which [`Backoff::next_wait`] will take.
    pub fn peek(&self) -> Duration {
        self.next
    }

    /// Takes the next wait; the one after it is longer.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = self.longest.min(wait * 2);
        wait
    }

    /// Sleeps for the next wait.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_wait()).await;
    }

    /// After a success the first wait comes again.
    pub fn reset(&mut self) {
        self.next = self.first.min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again_after_a_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(50), ms(150));
        let waits: Vec<_> = std::iter::repeat_with(|| backoff.next_wait()).take(4).collect();
        assert_eq!(waits, [ms(50), ms(100), ms(150), ms(150)]);
        backoff.reset();
        assert_eq!(backoff.next_wait(), ms(50));
        assert_eq!(Backoff::new(ms(500), ms(300)).next_wait(), ms(300));
    }
}
