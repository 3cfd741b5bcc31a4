//! Append-only segment files with checksums, torn-tail recovery and retention.
