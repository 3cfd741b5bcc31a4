//! What every crate needs of errors and none should write again.
//!
//! [`chain`] writes an error with all its causes as one sentence; [`BoxError`] is an error whose type does not matter.
#![warn(missing_docs)]

use std::error::Error;

/// An error of any type that may cross threads.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Writes an error and its causes, outermost first, separated by `: `.
///
/// A cause that its effect has quoted at its end already is not written again: some libraries say in their text what
/// they name as their source, too.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Failure(&'static str, Option<Box<Failure>>);

    impl fmt::Display for Failure {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Failure {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|it| it as &(dyn Error + 'static))
        }
    }

    fn check(texts: &[&'static str], expected: &str) {
        let failure =
            texts.iter().rev().fold(None, |cause, text| Some(Box::new(Failure(text, cause))));
        assert_eq!(chain(&*failure.expect("a text")), expected);
    }

    #[test]
    fn causes_follow_what_they_caused() {
        check(&["load detector"], "load detector");
        check(
            &["load detector", "read model.bin", "permission denied"],
            "load detector: read model.bin: permission denied",
        );
    }

    #[test]
    fn a_cause_that_was_quoted_is_not_written_twice() {
        check(&["connect: refused", "refused"], "connect: refused");
        check(&["connect: refused", "refused", "os error 111"], "connect: refused: os error 111");
        check(&["refused", "connect refused"], "refused: connect refused");
    }
}
