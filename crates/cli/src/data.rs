//! What `--data` names: a CSV file, or a public data set.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, bail};
use shadowline_datasets::{Loader, census, csv_file, wine};
use shadowline_features::Table;

/// A table and where it is from.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) table: Table,
    /// For a package's metadata; the same for the same content, wherever it was found.
    pub(crate) name: String,
    /// For people.
    pub(crate) found: String,
}

/// Loads what `--data` names, and of it the rows that `--rows` names.
pub(crate) async fn load(data: &str, rows: Option<&Range<usize>>) -> anyhow::Result<Data> {
    let mut loaded = match data.strip_prefix("dataset:") {
        Some(name) => data_set(name).await?,
        None => file(data).await?,
    };
    if let Some(rows) = rows {
        let n_rows = loaded.table.n_rows();
        if n_rows <= rows.start {
            bail!("`{data}` has {n_rows} rows; --rows begins at {}", rows.start);
        }
        loaded.table = loaded.table.rows(rows.clone());
    }
    Ok(loaded)
}

async fn file(path: &str) -> anyhow::Result<Data> {
    let path = Path::new(path).to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let found = path.display().to_string();
    let table = tokio::task::spawn_blocking(move || csv_file::read(&path)).await??;
    Ok(Data { table, name, found })
}

async fn data_set(name: &str) -> anyhow::Result<Data> {
    if name == "wine" {
        let found = "the wines that this program carries".to_owned();
        return Ok(Data { table: wine::load()?, name: name.to_owned(), found });
    }
    if !matches!(name, "adult" | "adult-test") {
        bail!("there is no data set `{name}`; there are adult, adult-test and wine");
    }
    let data = census::load(&Loader::from_environment()).await;
    let data = data.with_context(|| format!("load data set `{name}`"))?;
    let [train, test] = data.places;
    Ok(if name == "adult" {
        Data { table: data.train, name: "adult.data".to_owned(), found: train.to_string() }
    } else {
        Data { table: data.test, name: "adult.test".to_owned(), found: test.to_string() }
    })
}
