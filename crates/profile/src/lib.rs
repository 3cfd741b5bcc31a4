//! The statistics of a table.
