//! What pandas writes of a table beside its columns.

use std::collections::HashMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
struct Written {
    #[serde(default)]
    index_columns: Vec<serde_json::Value>,
    #[serde(default)]
    columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
struct Column {
    /// The name in the file; pandas' own name need not be text.
    field_name: Option<String>,
    numpy_type: Option<String>,
}

/// The columns that are the table's index, by the value of the key `pandas`. An index of consecutive numbers is written
/// as an object, and is no column of the file.
pub(crate) fn index_columns(text: &str) -> Vec<String> {
    let columns = written(text).index_columns;
    columns.iter().filter_map(|it| it.as_str()).map(str::to_owned).collect()
}

/// Parts of a second in one unit of each column of durations, by the column's name.
pub(crate) fn durations(text: &str) -> HashMap<String, i64> {
    let unit = |it: Column| {
        let unit = it.numpy_type?;
        let parts = match unit.strip_prefix("timedelta64[")?.strip_suffix(']')? {
            "s" => 1,
            "ms" => 1_000,
            "us" => 1_000_000,
            "ns" => 1_000_000_000,
            _ => return None,
        };
        Some((it.field_name?, parts))
    };
    written(text).columns.into_iter().filter_map(unit).collect()
}

/// What is not as pandas writes it says nothing.
fn written(text: &str) -> Written {
    serde_json::from_str(text).unwrap_or_default()
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

    #[test]
    fn the_units_of_durations_are_known() {
        let text = r#"{"columns": [{"name": "a", "field_name": "a", "numpy_type": "timedelta64[us]"},
                       {"name": "b", "field_name": "b", "numpy_type": "int64"}, {"field_name": null}]}"#;
        assert_eq!(durations(text), HashMap::from([("a".to_owned(), 1_000_000)]));
    }
}
