//! What a terminal shows while the story is told.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use shadowline_client::MetricSpecs;

use super::audit::Audit;
use super::of_spec;
use super::story::Story;

/// The live summary on a terminal.
pub(super) struct Live {
    forest: String,
    knn: String,
    specs: [String; 2],
    bar: ProgressBar,
    counts: ProgressBar,
    all: MultiProgress,
}

impl Live {
    pub(super) fn new(story: &Story) -> Self {
        let all = MultiProgress::new();
        let bar = all.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("{msg:12} {bar:40} {pos}/{len} predictions")
        {
            bar.set_style(style);
        }
        let counts = all.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("             {msg}") {
            counts.set_style(style);
        }
        Self {
            forest: story.forest_name(),
            knn: story.knn_name(),
            specs: [story.forest_spec(), story.knn_spec()],
            bar,
            counts,
            all,
        }
    }

    pub(super) fn phase(&self, name: &'static str, n_rows: usize) {
        self.bar.set_message(name);
        self.bar.set_length(n_rows as u64);
        self.bar.set_position(0);
    }

    /// Prints something above the live lines.
    pub(super) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }

    pub(super) fn predicted(&self) {
        self.bar.inc(1);
    }

    /// Shows what has been seen on the topics, and what the metric specs have counted, twice a second.
    pub(super) async fn watch(
        &self,
        specs: &MetricSpecs,
        audit: &Audit,
    ) -> std::convert::Infallible {
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            if self.counts.is_hidden() {
                continue;
            }
            let mut checks = Vec::new();
            for spec in &self.specs {
                checks.push(specs.count(&of_spec(spec, None)).await.unwrap_or_default());
            }
            let [forest, knn] = checks.as_slice() else { continue };
            let message = audit.look(|seen| {
                format!(
                    "shadowed {}  scored {} + {}  checked {} + {}  breaches {} + {}  alerts {}{}",
                    seen.shadowed.len(),
                    seen.n_scored(&self.forest),
                    seen.n_scored(&self.knn),
                    forest.total,
                    knn.total,
                    forest.breach,
                    knn.breach,
                    seen.n_firings(),
                    if seen.is_firing() { ", firing" } else { "" }
                )
            });
            self.counts.set_message(message);
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
        self.counts.finish_and_clear();
    }
}
