//! The client against services that answer rightly, wrongly and not at all.

mod answers;
mod refusals;
mod support;
