//! The model server from outside: over its ports, and by what comes out on the log.

mod bad_input;
mod doors;
mod rest;
mod server;
mod shadowing;
