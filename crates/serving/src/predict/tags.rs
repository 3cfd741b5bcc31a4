//! The tags of a request: those of a caller's that can be kept, and what became of the others.

use std::collections::BTreeMap;

use crate::models::clip;

const MAX_TAGS: usize = 64;
const MAX_KEY_BYTES: usize = 128;
const MAX_VALUE_BYTES: usize = 4096;
/// How many of the dropped are named.
const MAX_NAMED: usize = 8;

/// A caller's tags. No tag makes a prediction fail: what cannot be kept is dropped, counted and said.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    kept: BTreeMap<String, String>,
    dropped: Vec<String>,
    n_dropped: usize,
}

impl Tags {
    /// Takes what can be kept; a value may be something that is no text, in words.
    pub(crate) fn of(tags: impl IntoIterator<Item = (String, Result<String, String>)>) -> Self {
        let mut this = Self::default();
        for (key, value) in tags {
            if let Err(reason) = this.keep(&key, value) {
                this.n_dropped += 1;
                if this.dropped.len() < MAX_NAMED {
                    this.dropped.push(format!("`{}` ({reason})", clip(&key)));
                }
            }
        }
        this
    }

    fn keep(&mut self, key: &str, value: Result<String, String>) -> Result<(), String> {
        let value = value?;
        if key.is_empty() || MAX_KEY_BYTES < key.len() {
            return Err(format!("a key of {} bytes; expected 1 to {MAX_KEY_BYTES}", key.len()));
        }
        if MAX_VALUE_BYTES < value.len() {
            return Err(format!("{} bytes; expected at most {MAX_VALUE_BYTES}", value.len()));
        }
        if MAX_TAGS <= self.kept.len() {
            return Err(format!("one more than {MAX_TAGS} tags"));
        }
        self.kept.insert(key.to_owned(), value);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> &BTreeMap<String, String> {
        &self.kept
    }

    #[cfg(test)]
    pub(crate) fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// How many were dropped.
    pub(crate) fn n_dropped(&self) -> usize {
        self.n_dropped
    }

    /// What was dropped, for a header; nothing if nothing was.
    pub(crate) fn said(&self) -> Option<String> {
        let more = self.n_dropped - self.dropped.len();
        let listed = self.dropped.join(", ");
        match (self.n_dropped, more) {
            (0, _) => None,
            (_, 0) => Some(listed),
            _ => Some(format!("{listed} and {more} more")),
        }
    }

    pub(crate) fn into_kept(self) -> BTreeMap<String, String> {
        self.kept
    }
}

impl From<BTreeMap<String, String>> for Tags {
    fn from(tags: BTreeMap<String, String>) -> Self {
        Self::of(tags.into_iter().map(|(key, value)| (key, Ok(value))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_kept_is_dropped_and_said() {
        let tags = Tags::of([
            ("team".to_owned(), Ok("risk".to_owned())),
            ("x".repeat(129), Ok(String::new())),
            ("long".to_owned(), Ok("x".repeat(4097))),
            ("list".to_owned(), Err("a list".to_owned())),
        ]);
        assert_eq!(tags.kept().len(), 1);
        assert_eq!(tags.n_dropped(), 3);
        let said = tags.said().unwrap();
        assert!(said.contains("129 bytes") && said.contains("`long` (4097 bytes"), "{said}");
        assert!(said.ends_with("`list` (a list)"), "{said}");
        let many = Tags::of((0..100).map(|it| (it.to_string(), Ok(String::new()))));
        assert_eq!((many.kept().len(), many.n_dropped(), many.dropped().len()), (64, 36, 8));
        assert!(many.said().unwrap().ends_with("and 28 more"));
    }
}
