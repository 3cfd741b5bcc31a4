//! Dashboards and alert rules, made from one readable source, and the lists of open paths of Caddy, made from the roles
//! that routes declare.
//!
//! The source is `dashboards/source`: a small document for each dashboard, one for what they share, one for every
//! alert. From it come Grafana's dashboards, and each alert twice: as a rule of Prometheus and as a rule of Grafana.
//! A panel that does not say what it shows, and what it means when it shows nothing, is refused.
//!
//! What dashboards and rules ask is held against the metrics that the services register and the columns that the
//! store's views have, by the tests of this crate. It knows nothing of how either is made.
//!
//! Start reading at [`generate`], then `panel.rs` for one panel, `alerts.rs` for one alert, `queries.rs` for what is
//! asked.

mod address;
mod alerts;
mod caddyfile;
mod dashboard;
#[cfg(test)]
mod example;
mod generate;
mod metrics_page;
mod panel;
mod queries;
mod services_list;
mod shared;
mod source;

pub use generate::{Files, generate};
pub use metrics_page::{catalogue, metrics_page};
pub use queries::{Asked, Language, QueriesError, Settings, asked};
pub use services_list::services_list;
pub use source::{Source, SourceError};
