//! The embedded log: one process, one machine, on local disk.
//!
//! A record is acknowledged when the kernel has it, so it survives a SIGKILL of the process at any
//! moment; once a second everything is made to survive a power failure, too.
//!
//! In its directory:
//!
//! ```text
//! topics/<topic>/topic.json        how many partitions, and what happens to old records
//! topics/<topic>/<partition>/      segments
//! groups/<group>/<topic>/<partition>   the offset the group goes on at
//! ```
//!
//! A reader that waits for a record is woken by the append itself; nothing polls.

mod codec;
mod group;
mod housekeeping;
mod log;
mod member;
mod open;
mod producer;
mod reader;
mod state;
mod topic;

pub use log::EmbeddedLog;
pub(crate) use member::EmbeddedMember;
pub(crate) use producer::EmbeddedProducer;
pub(crate) use reader::EmbeddedReader;
