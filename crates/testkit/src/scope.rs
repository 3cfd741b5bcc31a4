//! How much of the tests runs: `SHADOWLINE_TESTS` is `quick` or `soak`, or is not set.

use std::io::Write as _;

use crate::skip::say;

const SCOPE: &str = "SHADOWLINE_TESTS";
/// A file to which a line is added for each test that is left out, for the script that prints their sum.
const LEFT_OUT: &str = "SHADOWLINE_TESTS_LEFT_OUT";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Without servers, and without what takes long: `make quick`.
    Quick,
    Usual,
    /// With the long form of tests that rarely fail: `make soak`.
    Soak,
}

fn scope() -> Scope {
    let value = std::env::var(SCOPE).unwrap_or_default();
    parse(&value).unwrap_or_else(|| panic!("{SCOPE} is `quick`, `soak` or not set; not `{value}`"))
}

fn parse(value: &str) -> Option<Scope> {
    match value {
        "quick" => Some(Scope::Quick),
        "" => Some(Scope::Usual),
        "soak" => Some(Scope::Soak),
        _ => None,
    }
}

/// Returns whether a test that needs or takes this is left out of `make quick`, and says so then. `what` names the
/// reason in few words, such as `Apache Kafka` or `a browser`.
pub fn quick_leaves_out(what: &str) -> bool {
    let left_out = scope() == Scope::Quick;
    if left_out {
        note(what);
    }
    left_out
}

/// Returns whether a test is left to `make soak`, and says so then; `why` is what it would take.
pub fn left_to_soak(why: &str) -> bool {
    let left_out = !soaks();
    if left_out {
        note(&format!("make soak ({why})"));
    }
    left_out
}

/// Returns whether tests run in their long form.
pub fn soaks() -> bool {
    scope() == Scope::Soak
}

fn note(what: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let Some(file) = std::env::var_os(LEFT_OUT) else {
        say(&format!("left out: {test} needs {what}"));
        return;
    };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
    let written = file.and_then(|mut it| it.write_all(format!("{what}\t{test}\n").as_bytes()));
    written.unwrap_or_else(|error| panic!("write to the file of {LEFT_OUT}: {error}"));
}

#[cfg(test)]
mod tests {
    use super::{Scope, parse};

    #[test]
    fn a_scope_is_spelt_right_or_refused() {
        assert_eq!(parse("quick"), Some(Scope::Quick));
        assert_eq!(parse(""), Some(Scope::Usual));
        assert_eq!(parse("soak"), Some(Scope::Soak));
        assert_eq!(parse("Quick"), None);
    }
}
