//! The registry of metric specs: evaluation of scores and alerts.
