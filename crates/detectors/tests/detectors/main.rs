//! The detectors: known answers, real data, and what holds whatever the data. Those of ADBench are beside this.

mod artefact;
mod budget;
mod census;
mod common;
mod credit_spend;
mod engines;
mod explanations;
mod forest;
mod interchange;
mod knn;
mod knn_explain;
mod knn_reference;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/mod.rs"]
mod support;
mod written_before;
