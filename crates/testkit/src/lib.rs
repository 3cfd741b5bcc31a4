//! What tests of any crate share: waiting for a state, data sets, child processes, and how much of the tests runs.
//!
//! Pure crates use it too, so it knows no crate of this workspace. Logs, databases and servers are in `testkit-stack`.
//!
//! A [`Program`] is a child process that ends with the test process, however that ends. A test that needs what is not
//! on this machine calls [`skip`], which is a failure in CI (`CI=true`); one that [`quick_leaves_out`] or that is
//! [`left_to_soak`] says so and ends.

mod data_sets;
mod optional;
mod program;
mod scope;
mod service_binary;
mod skip;
mod tool;
mod wait;

pub use data_sets::{data_set, data_sets};
pub use optional::{OptionalMember, optional_members};
pub use program::Program;
pub use scope::{left_to_soak, quick_leaves_out, soaks};
pub use service_binary::{ServiceBinary, assert_committed};
pub use skip::{say, skip};
pub use tool::{go_tool, python, tool};
pub use wait::{wait_for, wait_for_some};
