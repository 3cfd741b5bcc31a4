//! Hosts detectors: their packages, scoring, and REST.
