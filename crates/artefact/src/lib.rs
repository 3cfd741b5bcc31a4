//! The container that models, detectors and profiles are stored in.
