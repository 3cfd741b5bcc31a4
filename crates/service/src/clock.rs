//! The one place where a program reads the wall clock.

/// The time now, for programs; everything below them takes time as an argument.
#[expect(clippy::disallowed_methods, reason = "this is the place the rule sends everybody to")]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
