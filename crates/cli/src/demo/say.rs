//! Where the story is printed.

use crate::output;

/// Says what happens: on standard output, or on standard error where that is for one JSON document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Say {
    pub(super) json: bool,
}

impl Say {
    pub(crate) fn line(self, text: impl AsRef<str>) -> anyhow::Result<()> {
        if self.json {
            eprintln!("{}", text.as_ref());
            Ok(())
        } else {
            output::line(text)
        }
    }
}
