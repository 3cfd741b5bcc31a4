//! Event-time panes, watermarks and mergeable accumulators.
