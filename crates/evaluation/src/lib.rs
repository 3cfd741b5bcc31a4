//! Metric specs: conditions, windows and the alert state machine.
