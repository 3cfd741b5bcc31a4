//! What `--data` names: a CSV or Parquet file, or a public data set.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use shadowline_datasets::{Loader, Manifest, Place, census, csv_file, npz, wine};
use shadowline_features::Table;
use shadowline_parquet_files as parquet_files;

/// A table and where it is from.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) table: Table,
    /// For a package's metadata; the same for the same content, wherever it was found.
    pub(crate) name: String,
    /// For people.
    pub(crate) found: String,
}

/// How the columns of a CSV file become values; other files say themselves what theirs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cells {
    /// Typed by all cells of a column.
    Typed,
    /// Text as it stands there.
    AsTheyStand,
}

/// Loads what `--data` names, and of it the rows that `--rows` names.
pub(crate) async fn load(data: &str, rows: Option<&Range<usize>>) -> anyhow::Result<Data> {
    load_cells(data, rows, Cells::Typed).await
}

/// As [`load`], for whoever knows what the columns should be: those of CSV files are text.
pub(crate) async fn load_as_it_stands(
    data: &str,
    rows: Option<&Range<usize>>,
) -> anyhow::Result<Data> {
    load_cells(data, rows, Cells::AsTheyStand).await
}

async fn load_cells(data: &str, rows: Option<&Range<usize>>, cells: Cells) -> anyhow::Result<Data> {
    let mut loaded = match data.strip_prefix("dataset:") {
        Some(name) => data_set(name, cells).await?,
        None => file(data, cells).await?,
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

async fn file(path: &str, cells: Cells) -> anyhow::Result<Data> {
    let path = Path::new(path).to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let found = path.display().to_string();
    let table = tokio::task::spawn_blocking(move || read(&path, cells)).await??;
    Ok(Data { table, name, found })
}

/// Reads a file by what it begins with: its name may be anything.
fn read(path: &Path, cells: Cells) -> anyhow::Result<Table> {
    let mut start = Vec::new();
    std::fs::File::open(path)
        .and_then(|it| it.take(parquet_files::MAGIC.len() as u64).read_to_end(&mut start))
        .with_context(|| format!("read `{}`", path.display()))?;
    Ok(if start == parquet_files::MAGIC {
        parquet_files::read(path)?
    } else if cells == Cells::Typed {
        csv_file::read(path)?
    } else {
        csv_file::read_texts(path)?
    })
}

async fn data_set(name: &str, cells: Cells) -> anyhow::Result<Data> {
    if name == "wine" {
        let found = "the wines that this program carries".to_owned();
        return Ok(Data { table: wine::load()?, name: name.to_owned(), found });
    }
    let manifest = Manifest::built_in();
    let Some(file) = manifest.table(name) else {
        let known: Vec<&str> = manifest.table_names().chain(["wine"]).collect();
        bail!("there is no data set `{name}`; there are {}", known.join(", "));
    };
    let (path, loader) = (file.path.clone(), Loader::from_environment());
    let name_of_file = path.rsplit('/').next().unwrap_or(&path).to_owned();
    let load = || format!("load data set `{name}`");
    if matches!(name, "adult" | "adult-test") {
        let data = census::load(&loader).await.with_context(load)?;
        let [train, test] = data.places;
        let (table, place) = if name == "adult" { (data.train, train) } else { (data.test, test) };
        return Ok(Data { table, name: name_of_file, found: place.to_string() });
    }
    let found = loader.load(&path).await.with_context(load)?;
    if path.ends_with(".npz") {
        let table = npz::from_bytes(&found.bytes).with_context(load)?;
        return Ok(Data { table, name: name_of_file, found: found.place.to_string() });
    }
    let table = match &found.place {
        Place::Cache(at) | Place::Local(at) => {
            let at: PathBuf = at.clone();
            tokio::task::spawn_blocking(move || read(&at, cells)).await?.with_context(load)?
        }
        Place::Fetched(_) => {
            let bytes = found.bytes;
            tokio::task::spawn_blocking(move || fetched(&bytes, cells)).await?.with_context(load)?
        }
    };
    Ok(Data { table, name: name_of_file, found: found.place.to_string() })
}

/// Reads a downloaded file, which may be nowhere on disk.
fn fetched(bytes: &[u8], cells: Cells) -> anyhow::Result<Table> {
    let file = tempfile::NamedTempFile::new().context("make a temporary file")?;
    std::fs::write(file.path(), bytes).context("write a temporary file")?;
    read(file.path(), cells)
}
