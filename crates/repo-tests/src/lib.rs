//! Tests of the repository: its architecture and what deploys it.
