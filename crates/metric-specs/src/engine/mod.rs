//! The one task that owns the state of all specs: it judges scores, changes specs and watches timers, one after the
//! other.
//!
//! Nothing of its state changes before the transaction that says so is committed: it judges on a
//! [`Draft`](shadowline_evaluation::Draft). A command that fails leaves everything as it was, and because it is then
//! unknown what is stored, everything is read again before the next one.
//!
//! Start reading at `task`, then `apply`; what it holds is in `state`.

mod apply;
mod effects;
mod handle;
mod lost;
mod spans;
mod specs;
mod state;
mod task;
#[cfg(test)]
mod tests;
mod timers;

pub(crate) use self::handle::{
    ApplyError, Change, ChangeError, Command, Handle, PartitionedScore, Patch, Scores, SpecStatus,
    channel,
};
pub(crate) use self::state::{Engine, Wakers};
