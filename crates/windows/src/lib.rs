//! Event-time windows: panes, accumulators that merge, and watermarks.
//!
//! A window is cut into panes of equal width. What is put into a pane is an [`Accumulator`]: it holds counts and
//! sums instead of values, so its size does not depend on the traffic, and two of them merge into what one would
//! hold that saw everything. A window is judged by merging its panes; a result of several readers by merging theirs.
//!
//! This crate is pure: event times and the wall time are arguments. It deliberately does not know what is counted,
//! or when a window alerts.
//!
//! Start reading at [`Panes`], then [`Accumulator`], then [`Watermark`] (up to which event time everything was seen).
#![warn(missing_docs)]

mod accumulator;
pub mod bits;
mod panes;
mod watermark;

pub use accumulator::{Accumulator, Totals};
pub use panes::{PaneWidth, Panes};
pub use watermark::Watermark;
