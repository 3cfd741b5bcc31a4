//! The program as a user types it: its commands, its settings, and what it does to people's files.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod commands;
mod demo;
mod openapi;
mod prediction;
mod settings;
mod support;
mod tables;
mod tools;
mod versions;
