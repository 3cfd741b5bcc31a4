//! What a test does when a program that it needs is not there.

use std::io::Write as _;

/// Says that a test was skipped; in CI that is a failure.
pub(crate) fn skip(needs: &str, why: &anyhow::Error) {
    assert!(
        !std::env::var("CI").is_ok_and(|it| it == "true"),
        "this needs {needs}, and in CI there must be one: {why:#}"
    );
    say(&format!("skipped: needs {needs} ({why:#})"));
}

/// Says something even where the test harness holds back what tests print.
pub(crate) fn say(line: &str) {
    let written = writeln!(std::io::stderr(), "{line}");
    drop(written);
}
