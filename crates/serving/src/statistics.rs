//! How often and for how long a model version was asked, as Triton's clients ask for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use shadowline_wire::inference::{InferStatistics, ModelStatistics, StatisticDuration};

/// Counts since the version was loaded.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    n_succeeded: AtomicU64,
    succeeded_ns: AtomicU64,
    n_failed: AtomicU64,
    failed_ns: AtomicU64,
    n_records: AtomicU64,
    last_ms: AtomicU64,
}

fn add(counter: &AtomicU64, value: impl TryInto<u64>) {
    counter.fetch_add(value.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Statistics {
    /// Counts an answer.
    pub(crate) fn succeeded(&self, n_records: usize, took: Duration, at: Timestamp) {
        add(&self.n_succeeded, 1_u64);
        add(&self.succeeded_ns, took.as_nanos());
        add(&self.n_records, n_records);
        let at = u64::try_from(at.as_millisecond()).unwrap_or(0);
        self.last_ms.fetch_max(at, Ordering::Relaxed);
    }

    /// Counts an error.
    pub(crate) fn failed(&self, took: Duration) {
        add(&self.n_failed, 1_u64);
        add(&self.failed_ns, took.as_nanos());
    }

    /// Returns the counts as they are now. How a request's time divides is not measured, so those durations are zero.
    pub(crate) fn of(&self, model: &str, version: &str) -> ModelStatistics {
        let read = |it: &AtomicU64| it.load(Ordering::Relaxed);
        let duration = |count, ns| Some(StatisticDuration { count: read(count), ns: read(ns) });
        let none = Some(StatisticDuration::default());
        ModelStatistics {
            name: model.to_owned(),
            version: version.to_owned(),
            last_inference: read(&self.last_ms),
            inference_count: read(&self.n_records),
            execution_count: read(&self.n_succeeded),
            inference_stats: Some(InferStatistics {
                success: duration(&self.n_succeeded, &self.succeeded_ns),
                fail: duration(&self.n_failed, &self.failed_ns),
                queue: none,
                compute_input: none,
                compute_infer: none,
                compute_output: none,
                cache_hit: none,
                cache_miss: none,
            }),
            batch_stats: Vec::new(),
        }
    }
}
