//! Which words stand for a missing value.

use crate::missing::is_missing;

/// Signs that stand for a missing number; in a column of text they may be what the text is.
const MISSING_NUMBER: [&str; 6] = ["-", "--", "---", ".", "..", "none"];

/// The words that stand for a missing value: the usual ones and those that somebody adds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Words {
    added: Vec<String>,
    numbers: Vec<f64>,
}

impl Words {
    /// The usual words and these.
    pub fn with(added: impl IntoIterator<Item = String>) -> Self {
        let added: Vec<String> = added.into_iter().map(|it| it.trim().to_owned()).collect();
        let numbers = added.iter().filter_map(|it| it.parse().ok()).collect();
        Self { added, numbers }
    }

    /// The words that were added, in their order.
    pub fn added(&self) -> &[String] {
        &self.added
    }

    /// Whether a cell of a column of numbers says that its number is missing.
    pub fn is_missing_number(&self, cell: &str) -> bool {
        let cell = cell.trim();
        is_missing(cell) || MISSING_NUMBER.contains(&cell) || self.is_added(cell)
    }

    /// Whether a cell is one of the words that were added.
    pub fn is_added(&self, cell: &str) -> bool {
        !self.added.is_empty() && self.added.iter().any(|it| it == cell.trim())
    }

    /// Whether a number is one of the words that were added, such as -999.
    pub fn is_added_number(&self, number: f64) -> bool {
        self.numbers.iter().any(|it| it.total_cmp(&number).is_eq())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_words_are_missing_and_signs_only_among_numbers() {
        let usual = Words::default();
        for word in
            ["", " ", "?", "NA", "null", "NULL", "None", "N/A", "#N/A", "<NA>", r"\N", " NaN "]
        {
            assert!(is_missing(word) && usual.is_missing_number(word), "`{word}`");
        }
        for sign in ["-", ".", "--"] {
            assert!(!is_missing(sign) && usual.is_missing_number(sign), "`{sign}`");
        }
        for word in ["0", "no", "Nan", "missing", "a much longer text"] {
            assert!(!is_missing(word) && !usual.is_missing_number(word), "`{word}`");
        }
    }

    #[test]
    fn words_can_be_added_as_text_and_as_numbers() {
        let words = Words::with(["unknown".to_owned(), "-999".to_owned()]);
        assert!(words.is_missing_number("unknown") && words.is_added(" -999"));
        assert!(words.is_added_number(-999.0) && !words.is_added_number(999.0));
        assert!(!Words::default().is_missing_number("unknown"));
    }
}
