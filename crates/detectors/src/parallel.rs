//! Work spread over threads, with results in order: the same bits for any number of threads.

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::Observe;

/// The number of threads for a parameter that may leave it open.
pub fn n_threads(wanted: Option<NonZeroUsize>) -> usize {
    // This asks the machine, but only for speed: no result depends on it.
    wanted.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

/// Calls `work` with `0..n_items`, at most `n_threads` at a time, and collects the results in order.
///
/// Threads take `chunk` items at a time, so that items of unlike cost spread evenly.
pub fn map<T: Send>(
    n_items: usize,
    chunk: usize,
    n_threads: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    map_observed(n_items, chunk, n_threads, work, &|_, _| {})
}

/// As [`map`]; `observe` is called after each chunk with how many items are done. It is called by several threads, and
/// two calls may come in either order.
pub fn map_observed<T: Send>(
    n_items: usize,
    chunk: usize,
    n_threads: usize,
    work: impl Fn(usize) -> T + Sync,
    observe: Observe<'_>,
) -> Vec<T> {
    let n_chunks = n_items.div_ceil(chunk);
    let n_threads = n_threads.min(n_chunks).max(1);
    let next = AtomicUsize::new(0);
    let n_done = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let chunk_idx = next.fetch_add(1, Ordering::Relaxed);
            if n_chunks <= chunk_idx {
                return done;
            }
            let items = chunk_idx * chunk..((chunk_idx + 1) * chunk).min(n_items);
            let n = items.len();
            done.push((chunk_idx, items.map(&work).collect::<Vec<T>>()));
            observe(n_done.fetch_add(n, Ordering::Relaxed) + n, n_items);
        }
    };
    if n_threads == 1 {
        return take().into_iter().flat_map(|(_, items)| items).collect();
    }
    let mut chunks: Vec<(usize, Vec<T>)> = thread::scope(|scope| {
        let handles: Vec<_> = (0..n_threads).map(|_| scope.spawn(take)).collect();
        handles
            .into_iter()
            .flat_map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    chunks.sort_unstable_by_key(|(chunk_idx, _)| *chunk_idx);
    chunks.into_iter().flat_map(|(_, items)| items).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_for_any_number_of_threads() {
        for n_items in [0, 1, 7, 100] {
            for n_threads in [1, 2, 5] {
                let squares = map(n_items, 3, n_threads, |it| it * it);
                assert_eq!(squares, (0..n_items).map(|it| it * it).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_observer_sees_the_end() {
        for n_threads in [1, 2, 5] {
            let most = AtomicUsize::new(0);
            let calls = AtomicUsize::new(0);
            map_observed(100, 7, n_threads, |_| (), &|done, of| {
                assert_eq!(of, 100);
                most.fetch_max(done, Ordering::Relaxed);
                calls.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!((most.into_inner(), calls.into_inner()), (100, 15));
        }
    }
}
