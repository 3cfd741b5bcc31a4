//! The model server from outside: over its ports, and by what comes out on the log.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test fails by panicking, and the numbers compared are counts"
)]

mod bad_input;
mod clients;
mod deleting;
mod endpoints;
mod hanging_up;
mod messages;
mod missing;
mod optional;
mod packages;
mod rest;
mod server;
mod shadowing;
mod streams;
