//! What pandas writes of a table beside its columns.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Written {
    #[serde(default)]
    index_columns: Vec<serde_json::Value>,
}

/// The columns that are the table's index, by the value of the key `pandas`. An index of consecutive numbers is written
/// as an object, and is no column of the file.
pub(crate) fn index_columns(text: &str) -> Vec<String> {
    let written: Result<Written, _> = serde_json::from_str(text);
    let columns = written.map(|it| it.index_columns).unwrap_or_default();
    columns.iter().filter_map(|it| it.as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_named() {
        let text = r#"{"index_columns": ["__index_level_0__", {"kind": "range"}], "columns": []}"#;
        assert_eq!(index_columns(text), ["__index_level_0__"]);
        assert!(index_columns("{}").is_empty() && index_columns("no").is_empty());
    }
}
