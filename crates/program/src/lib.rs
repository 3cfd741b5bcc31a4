//! A service as one [`Descriptor`], and the `main` of its program.
//!
//! A descriptor is a row of the table of services, which is `shadowline-services`: what a service is called, where it
//! listens, what it keeps and needs, which metrics and routes it has, and how it is run. Code that treats all services
//! alike loops over descriptors: `shadowline up`, the metric page, the tests of the deployments. The settings of a
//! service keep their type inside its own crate; outside they are [`Settings`].
//!
//! This crate knows no service. Start reading at [`Descriptor`]; [`main`] is a service's program.

mod descriptor;
mod probe;
mod settings;
mod start;

pub use descriptor::{Descriptor, Keeps, Need, Packages};
pub use settings::{Code, Functions, Listeners, Settings};
pub use start::{EX_USAGE, main};
