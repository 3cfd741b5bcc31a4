//! The usual words for a missing value.

/// Words that programs write where a value is missing, in a column of any type.
const MISSING: [&str; 21] = [
    "", "?", "NA", "N/A", "n/a", "na", "#N/A", "#N/A N/A", "#NA", "<NA>", "NULL", "Null", "null",
    "None", "NaN", "nan", "NAN", "-NaN", "-nan", "NaT", r"\N",
];

/// Whether a text says that its value is missing: it is empty, `?`, or a usual word for that such as `NA` or `null`.
/// White space around it does not matter.
pub fn is_missing(cell: &str) -> bool {
    // Nearly every cell is longer than every word, or begins otherwise.
    let cell = cell.trim();
    cell.len() <= 8 && MISSING.contains(&cell)
}
