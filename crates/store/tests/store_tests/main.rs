//! The store on both databases: what it keeps, what it refuses, and what databases of earlier builds become.

#[path = "../fixtures/mod.rs"]
mod fixtures;
mod old_databases;
mod postgres;
mod progress;
mod store;
mod transactions;
