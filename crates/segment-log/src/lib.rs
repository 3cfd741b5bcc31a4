//! Append-only segment files with checksums, torn-tail recovery and retention.
//!
//! [`SegmentLog`] is a directory of files that together hold records numbered by one growing offset. [`Spool`] puts a
//! bounded queue with a durable checkpoint on top of it: what serving appends and the drainer acknowledges. [`DurableCheckpoint`]
//! is the checkpoint: one number in a file that a kill at any moment leaves either old or new.
//!
//! What has been appended is in the kernel's page cache when the call returns, so it outlives a SIGKILL of the process;
//! it outlives a power failure once `sync` has returned. How often to call `sync` is for the caller to say.
//!
//! The crate does not know what the records mean, what time it is, or any async runtime: every call is a short
//! blocking one, and a caller that waits for new records brings a hook to be called (see [`Spool::set_append_hook`]).
//!
//! Start reading at [`SegmentLog`]; the bytes on disk are described in `frame.rs` and `segment.rs`.

mod checkpoint;
mod compact;
mod error;
mod files;
mod frame;
mod log;
mod segment;
mod spool;

pub use checkpoint::{CheckpointError, DurableCheckpoint};
pub use compact::Compacted;
pub use error::{AppendError, FileError, OpenError, ReadError};
pub use files::{lock_directory, write_atomically};
pub use frame::BadFrame;
pub use log::{Chunk, Options, SegmentLog};
pub use spool::{Fill, Spool, SpoolError, SpoolOpenError, SpoolOptions};
