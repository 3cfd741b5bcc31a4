//! The red wines that `linfa-datasets` carries, so that there is always real data at hand.

use shadowline_features::{Table, TableColumn, TableError};

/// The column that a model predicts: `good` from quality 7 on, else `ordinary`.
pub const LABEL: &str = "quality";

/// The columns of measurements, and the decimals of each that are enough for the data to come back as it was.
const MEASUREMENTS: [&str; 11] = [
    "fixed-acidity",
    "volatile-acidity",
    "citric-acid",
    "residual-sugar",
    "chlorides",
    "free-sulfur-dioxide",
    "total-sulfur-dioxide",
    "density",
    "ph",
    "sulphates",
    "alcohol",
];

/// The 1,599 wines: 11 measurements and whether the wine is good.
///
/// # Errors
/// [`TableError`] never comes of the data that `linfa-datasets` carries.
pub fn load() -> Result<Table, TableError> {
    let wines = linfa_datasets::winequality();
    let mut columns: Vec<(String, TableColumn)> = MEASUREMENTS
        .iter()
        .enumerate()
        .map(|(idx, name)| {
            let values = wines.records().column(idx).to_vec();
            ((*name).to_owned(), TableColumn::Numbers(values))
        })
        .collect();
    let label = |quality: &usize| if 7 <= *quality { "good" } else { "ordinary" }.to_owned();
    columns
        .push((LABEL.to_owned(), TableColumn::Texts(wines.targets().iter().map(label).collect())));
    Table::new(columns)
}

/// Wines that nobody would drink: three times the acids and sulphates, and ten times the salt.
///
/// # Errors
/// [`TableError`] if the table lacks one of these columns.
pub fn anomalous(rows: &Table) -> Result<Table, TableError> {
    let factors =
        [("volatile-acidity", 3.0), ("citric-acid", 3.0), ("sulphates", 3.0), ("chlorides", 10.0)];
    let mut columns = rows.columns().to_vec();
    for (name, factor) in factors {
        rows.column(name)?;
        for (_, column) in columns.iter_mut().filter(|(it, _)| it == name) {
            if let TableColumn::Numbers(values) = column {
                values.iter_mut().for_each(|it| *it *= factor);
            }
        }
    }
    Table::new(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wines_are_there() {
        let table = load().unwrap();
        assert_eq!(table.n_rows(), 1599);
        let labels = table.column(LABEL).unwrap().to_texts();
        assert_eq!(labels.iter().filter(|it| *it == "good").count(), 217);
        let strange = anomalous(&table).unwrap();
        assert_eq!(strange.names().collect::<Vec<_>>(), table.names().collect::<Vec<_>>());
    }
}
