use std::collections::HashMap;

use serde::Serialize;
use shadowline_features::{Table, TableColumn};
use shadowline_profile::TableProfile;

use crate::page::{Page, PageError, encode_codes, encode_floats, escape};

const BODY: &str = include_str!("../assets/explore.html");
const SCRIPT: &str = include_str!("../assets/explore.js");

/// A table to look at.
#[derive(Debug, Clone, Copy)]
pub struct ExploredTable<'a> {
    /// What it is called on the page; each table needs a name of its own.
    pub name: &'a str,
    /// Where it is from, for people.
    pub source: &'a str,
    /// Its rows, all of which the page holds.
    pub table: &'a Table,
    /// What can be said of it.
    pub profile: &'a TableProfile,
}

#[derive(Debug, Serialize)]
struct PageData<'a> {
    title: &'a str,
    bins: usize,
    head: usize,
    tables: Vec<TableData<'a>>,
}

#[derive(Debug, Serialize)]
struct TableData<'a> {
    name: &'a str,
    source: &'a str,
    profile: &'a TableProfile,
    columns: Vec<ColumnData<'a>>,
}

/// A column's cells: numbers bit by bit, text as codes of its different values.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum ColumnData<'a> {
    Integers(String),
    Floats(String),
    Texts { codes: String, values: Vec<&'a str> },
}

/// Makes the page on which one or several tables can be looked at: first rows, shape, figures of every column, scatter
/// plots, histograms and box plots.
///
/// Every row is in the page and every point is drawn; nothing is sampled. `n_bins` and `n_head` are what the page shows
/// at first.
///
/// # Errors
/// [`PageError`] if the data cannot be written as JSON.
pub fn exploration_page(
    title: &str,
    tables: &[ExploredTable<'_>],
    n_bins: usize,
    n_head: usize,
) -> Result<String, PageError> {
    let data = PageData {
        title,
        bins: n_bins,
        head: n_head,
        tables: tables
            .iter()
            .map(|it| TableData {
                name: it.name,
                source: it.source,
                profile: it.profile,
                columns: it.table.columns().iter().map(|(_, column)| column_data(column)).collect(),
            })
            .collect(),
    };
    let body = BODY.replace("{title}", &escape(title));
    Page { title, body: &body, script: SCRIPT }.render(&data)
}

fn column_data(column: &TableColumn) -> ColumnData<'_> {
    match column {
        TableColumn::Integers(_) => {
            ColumnData::Integers(encode_floats(column.to_numbers().unwrap_or_default()))
        }
        TableColumn::Numbers(values) => ColumnData::Floats(encode_floats(values.iter().copied())),
        TableColumn::Texts(texts) => {
            let mut values: Vec<&str> = Vec::new();
            let mut places: HashMap<&str, u32> = HashMap::new();
            let codes = texts.iter().map(|text| {
                *places.entry(text).or_insert_with(|| {
                    values.push(text);
                    u32::try_from(values.len() - 1).unwrap_or(u32::MAX)
                })
            });
            let codes = encode_codes(codes.collect::<Vec<_>>());
            ColumnData::Texts { codes, values }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_list_of_values_and_codes() {
        let column = TableColumn::Texts(["b", "a", "b"].map(str::to_owned).to_vec());
        let ColumnData::Texts { codes, values } = column_data(&column) else { panic!("text") };
        assert_eq!(values, ["b", "a"]);
        assert_eq!(codes, encode_codes([0, 1, 0]));
    }

    #[test]
    fn a_page_holds_its_tables() {
        let table =
            Table::new(vec![("age".to_owned(), TableColumn::Integers(vec![30, 40]))]).unwrap();
        let profile = TableProfile::of(&table, 20);
        let explored =
            ExploredTable { name: "a<b", source: "a.csv", table: &table, profile: &profile };
        let html = exploration_page("T & U", &[explored], 20, 5).unwrap();
        assert!(html.contains("T &amp; U"));
        assert!(html.contains(&encode_floats([30.0, 40.0])));
        assert!(html.contains("\"name\":\"a\\u003cb\""));
    }
}
