//! What a test does when something that it needs is not there.

use std::io::Write as _;

/// Says that a test was skipped for the lack of something.
///
/// # Panics
/// In CI (`CI=true`), where nothing may be lacking.
pub fn skip(needs: &str, why: &anyhow::Error) {
    assert!(
        !std::env::var("CI").is_ok_and(|it| it == "true"),
        "this needs {needs}, and in CI there must be one: {why:#}"
    );
    say(&format!("skipped: needs {needs} ({why:#})"));
}

/// Says something even where the test harness holds back what tests print.
pub fn say(line: &str) {
    let written = writeln!(std::io::stderr(), "{line}");
    drop(written);
}
