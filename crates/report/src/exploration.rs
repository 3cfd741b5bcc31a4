use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use shadowline_features::{Table, TableColumn};
use shadowline_profile::{Difference, TableProfile, axis_ends, differences};

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
    /// The place of the first of them in the file, counted from 0.
    pub first_row: usize,
    /// What can be said of it.
    pub profile: &'a TableProfile,
}

#[derive(Debug, Serialize)]
struct PageData<'a> {
    title: &'a str,
    bins: usize,
    head: usize,
    tables: Vec<TableData<'a>>,
    /// The ends of each column's axis, over all tables.
    ends: BTreeMap<&'a str, (f64, f64)>,
    differences: Vec<DifferenceData<'a>>,
}

/// How the first table differs from another.
#[derive(Debug, Serialize)]
struct DifferenceData<'a> {
    tables: (&'a str, &'a str),
    columns: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct TableData<'a> {
    name: &'a str,
    source: &'a str,
    first_row: usize,
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

/// Makes the page on which one or several tables can be looked at: what differs most from the first, first rows, shape, figures of every column, scatter
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
        ends: ends(tables),
        differences: against_first(tables),
        title,
        bins: n_bins,
        head: n_head,
        tables: tables
            .iter()
            .map(|it| TableData {
                name: it.name,
                source: it.source,
                first_row: it.first_row,
                profile: it.profile,
                columns: it.table.columns().iter().map(|(_, column)| column_data(column)).collect(),
            })
            .collect(),
    };
    let body = BODY.replace("{title}", &escape(title));
    Page { title, body: &body, script: SCRIPT }.render(&data)
}

/// The axes that the histograms of all tables share.
fn ends<'a>(tables: &[ExploredTable<'a>]) -> BTreeMap<&'a str, (f64, f64)> {
    let mut numbers: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for explored in tables {
        for (name, column) in explored.table.columns() {
            if let Some(values) = column.to_numbers() {
                numbers.entry(name).or_default().extend(values);
            }
        }
    }
    numbers.into_iter().filter_map(|(name, values)| Some((name, axis_ends(values)?))).collect()
}

fn against_first<'a>(tables: &[ExploredTable<'a>]) -> Vec<DifferenceData<'a>> {
    let [first, others @ ..] = tables else { return Vec::new() };
    let compared = others.iter().map(|other| DifferenceData {
        tables: (first.name, other.name),
        columns: differences(first.table, other.table),
    });
    compared.collect()
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
        let explored = ExploredTable {
            name: "a<b",
            source: "a.csv",
            table: &table,
            first_row: 7,
            profile: &profile,
        };
        let html = exploration_page("T & U", &[explored], 20, 5).unwrap();
        assert!(html.contains("T &amp; U"));
        assert!(html.contains(&encode_floats([30.0, 40.0])));
        assert!(html.contains("\"name\":\"a\\u003cb\""));
        assert!(html.contains("\"differences\":[]"));
        assert!(html.contains("\"first_row\":7"));
    }

    #[test]
    fn tables_share_their_axes_and_say_what_differs() {
        let table = |ages: Vec<i64>| {
            Table::new(vec![("age".to_owned(), TableColumn::Integers(ages))]).unwrap()
        };
        let (a, b) = (table(vec![30, 40]), table(vec![50, 90]));
        let profiles = (TableProfile::of(&a, 20), TableProfile::of(&b, 20));
        let tables = [
            ExploredTable { name: "a", source: "", table: &a, first_row: 0, profile: &profiles.0 },
            ExploredTable { name: "b", source: "", table: &b, first_row: 0, profile: &profiles.1 },
        ];
        assert_eq!(ends(&tables)["age"], (30.0, 90.0));
        let html = exploration_page("T", &tables, 20, 5).unwrap();
        let told = "\"tables\":[\"a\",\"b\"],\"columns\":[{\"column\":\"age\",\"statistic\":\"kolmogorov-smirnov\",\"distance\":1.0";
        assert!(html.contains(told));
    }
}
