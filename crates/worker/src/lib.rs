//! What every reader of the log shares.
