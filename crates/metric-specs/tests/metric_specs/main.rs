//! The service from outside: over REST, by what comes out on the log, and beside a second one on its database.

mod bad_input;
mod metrics;
mod optional;
mod outage;
mod readiness;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod topics;
mod two_services;
