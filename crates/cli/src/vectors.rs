//! The rows of a file as feature vectors: by the names and kinds of the features where a service says them, else as
//! they stand in the file.

use anyhow::Context;
use serde_json::{Map, Value};
use shadowline_api::prediction::FeatureValue;
use shadowline_client::{ModelInformation, Packages};
use shadowline_features::{Cells, RawTable, Table, Words, Written};

use crate::args::TypeArgs;
use crate::data::{Purpose, Raw};
use crate::folder::WrittenAs;
use crate::written::{self, Reading};

/// Feature vectors, and what their places are called.
#[derive(Debug)]
pub(crate) struct Vectors {
    pub(crate) names: Vec<String>,
    pub(crate) rows: Vec<Vec<FeatureValue>>,
}

impl Vectors {
    /// Makes them of a file; the packages are those of the service, where it is one of ours.
    pub(crate) async fn of(
        raw: Raw,
        types: &TypeArgs,
        information: &ModelInformation,
        packages: Packages,
    ) -> anyhow::Result<Self> {
        match information {
            ModelInformation::Known(known) => {
                let features =
                    || known.features.iter().map(|it| (it.name.as_str(), it.kind == "number"));
                let has = |name: &str| raw.table.names().any(|it| it == name);
                if !features().any(|(name, _)| has(name)) {
                    let names: Vec<&str> = features().map(|(name, _)| name).collect();
                    let why =
                        format!("the file has none of the model's features, {}", names.join(", "));
                    return Self::in_order(raw, types, &why);
                }
                let why = format!("model `{}` says what its features are", known.model);
                written::refuse_types(types, &why)?;
                let numbers: Vec<&str> =
                    features().filter(|(_, it)| *it).map(|(name, _)| name).collect();
                let asked = (known.model.as_str(), Some(known.version));
                let (packages, na) = (Some(packages), &types.read.na);
                let Reading { written_as, words } =
                    written::of_model(packages, asked, &raw.table, &numbers, na).await?;
                Self::named(&raw.table, features(), &words, &written_as).with_context(|| {
                    format!("`{}`: the features of model `{}`", raw.found, known.model)
                })
            }
            ModelInformation::Foreign(said) => {
                let has_all =
                    |names: &Vec<String>| names.iter().all(|it| raw.table.column(it).is_ok());
                let names = names_said(said).filter(|it| !it.is_empty() && has_all(it));
                let Some(names) = names else {
                    return Self::in_order(raw, types, "the service does not name the features");
                };
                let raw = Raw { table: raw.table.only(&names)?, ..raw };
                let decision = raw.decide(types, &names, Purpose::Looking)?;
                decision.say();
                Ok(Self::listed(&decision.data.table))
            }
        }
    }

    /// Every column in its place, because of what is said.
    fn in_order(raw: Raw, types: &TypeArgs, why: &str) -> anyhow::Result<Self> {
        eprintln!("{why}: cells go in the order of the columns");
        let decision = raw.decide(types, &[], Purpose::Looking)?;
        decision.say();
        Ok(Self::listed(&decision.data.table))
    }

    /// The features of these names, of which each is a number or a text.
    fn named<'a>(
        table: &RawTable,
        features: impl Iterator<Item = (&'a str, bool)>,
        words: &Words,
        written_as: &WrittenAs,
    ) -> anyhow::Result<Self> {
        let (mut names, mut columns) = (Vec::new(), Vec::new());
        for (name, is_number) in features {
            columns.push((table.column(name)?, is_number.then(|| written_as.of(name))));
            names.push(name.to_owned());
        }
        let row = |row_idx: usize| {
            columns.iter().map(|(cells, written)| value(cells, row_idx, *written, words)).collect()
        };
        Ok(Self { names, rows: (0..table.n_rows()).map(row).collect() })
    }

    /// Every column of a table, in their order; a missing number is null.
    fn listed(table: &Table) -> Self {
        let row = |row_idx: usize| {
            let columns = table.columns().iter();
            columns
                .map(|(_, column)| match column.values().text(row_idx) {
                    Some(text) => FeatureValue::Text(text.to_owned()),
                    None => {
                        let number = column.values().number(row_idx).filter(|it| it.is_finite());
                        number.map_or(FeatureValue::Missing, FeatureValue::Number)
                    }
                })
                .collect()
        };
        let names = table.names().map(str::to_owned).collect();
        Self { names, rows: (0..table.n_rows()).map(row).collect() }
    }
}

/// One cell, which is a number if it is said how numbers are written. What is no number where one should be goes as text, for the service to refuse, and so does an infinite
/// one, which JSON cannot write.
fn value(cells: &Cells, row_idx: usize, written: Option<Written>, words: &Words) -> FeatureValue {
    let text = || match cells.text(row_idx, words) {
        Ok(text) => FeatureValue::Text(text.into_owned()),
        Err(found) => FeatureValue::Text(found),
    };
    let Some(written) = written else { return text() };
    match cells.number(row_idx, words, written) {
        Ok(number) if number.is_nan() => FeatureValue::Missing,
        Ok(number) if number.is_finite() => FeatureValue::Number(number),
        Ok(_) | Err(_) => text(),
    }
}

/// The names of features in another implementation's answer: a list of names, or of objects that have one.
fn names_said(said: &Map<String, Value>) -> Option<Vec<String>> {
    let keys = ["features", "feature_names_in_", "feature_names"];
    let list = keys.into_iter().find_map(|it| said.get(it)?.as_array())?;
    let name = |it: &Value| {
        let name = it.as_str().or_else(|| it.get("name")?.as_str());
        name.map(str::to_owned)
    };
    list.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shadowline_features::{RawColumn, TableColumn};

    use super::*;

    #[test]
    fn a_row_is_a_vector_in_the_order_of_the_columns() {
        let table = Table::new(vec![
            ("b".to_owned(), TableColumn::Numbers(vec![0.5, f64::NAN])),
            ("a".to_owned(), TableColumn::Texts(vec!["x".into(), "y".into()])),
            ("c".to_owned(), TableColumn::Integers(vec![7, 8])),
        ])
        .unwrap();
        let rows = Vectors::listed(&table).rows;
        assert_eq!(json!(rows[0]), json!([0.5, "x", 7.0]));
        assert_eq!(json!(rows[1]), json!([null, "y", 8.0]));
    }

    #[test]
    fn a_row_is_a_vector_in_the_order_of_the_features() {
        let untyped = |name: &str, cells: &[&str]| {
            RawColumn::new(name, Cells::Untyped(cells.iter().map(ToString::to_string).collect()))
        };
        let columns = vec![
            untyped("note", &["x", "y"]),
            untyped("code", &["007", "010"]),
            untyped("a", &["1.5", "12:30"]),
            untyped("b", &["", "inf"]),
        ];
        let table = RawTable::new(columns).unwrap();
        let features = [("a", true), ("code", false), ("b", true)];
        let (words, written_as) = (Words::default(), WrittenAs::default());
        let named = |features: &[(&'static str, bool)]| {
            Vectors::named(&table, features.iter().copied(), &words, &written_as)
        };
        let vectors = named(&features).unwrap();
        assert_eq!(vectors.names, ["a", "code", "b"]);
        assert_eq!(json!(vectors.rows[0]), json!([1.5, "007", null]));
        assert_eq!(json!(vectors.rows[1]), json!(["12:30", "010", "inf"]));
        let error = named(&[("z", true)]).unwrap_err();
        assert!(error.to_string().contains("no column `z`"), "{error}");
    }

    #[test]
    fn names_are_found_in_other_answers() {
        let names = |said: Value| names_said(said.as_object().unwrap());
        assert_eq!(names(json!({"features": ["a", "b"]})), Some(vec!["a".into(), "b".into()]));
        assert_eq!(names(json!({"feature_names_in_": ["a"]})), Some(vec!["a".into()]));
        assert_eq!(names(json!({"features": [{"name": "a"}]})), Some(vec!["a".into()]));
        assert_eq!(names(json!({"features": [1, 2]})), None);
        assert_eq!(names(json!({"bootstrap": false})), None);
    }
}
