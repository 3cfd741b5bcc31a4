//! The REST interface's request and answer types, and the roles of its callers.
#![warn(missing_docs)]

mod role;

pub use self::role::Role;
