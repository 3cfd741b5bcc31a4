//! What `--data` names: files, what comes through a pipe, or a public data set.

mod columns;
mod input;
mod table;
mod together;

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use shadowline_datasets::{Loader, Manifest, Place, census, npz, wine};

use crate::args::ReadArgs;

pub(crate) use columns::{Column, Decision, Left, Purpose};
pub(crate) use table::{Data, Raw, input_path, words};
pub(crate) use together::agree;

/// Loads what `--data` names, and of it the rows that `--rows` names. Nothing is decided yet about its columns.
pub(crate) async fn load(
    data: &str,
    rows: Option<&Range<usize>>,
    args: &ReadArgs,
) -> anyhow::Result<Raw> {
    let mut loaded = match data.strip_prefix("dataset:") {
        Some(name) => data_set(name, args).await?,
        None => file(data, args).await?,
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

async fn file(path: &str, args: &ReadArgs) -> anyhow::Result<Raw> {
    let (path, delimiter) = (Path::new(path).to_owned(), args.delimiter);
    let is_stdin = path == Path::new("-");
    let name = if is_stdin {
        "standard input".to_owned()
    } else {
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    };
    let found = if is_stdin { name.clone() } else { path.display().to_string() };
    let table = tokio::task::spawn_blocking(move || input::read(&path, delimiter)).await??;
    Ok(Raw { table, name, found })
}

async fn data_set(name: &str, args: &ReadArgs) -> anyhow::Result<Raw> {
    if name == "wine" {
        let found = "the wines that this program carries".to_owned();
        return Ok(Raw { table: wine::load()?.into(), name: name.to_owned(), found });
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
        return Ok(Raw { table: table.into(), name: name_of_file, found: place.to_string() });
    }
    let found = loader.load(&path).await.with_context(load)?;
    if path.ends_with(".npz") {
        let table = npz::from_bytes(&found.bytes).with_context(load)?;
        return Ok(Raw { table: table.into(), name: name_of_file, found: found.place.to_string() });
    }
    let delimiter = args.delimiter;
    let read = match &found.place {
        Place::Cache(at) | Place::Local(at) => {
            let at: PathBuf = at.clone();
            tokio::task::spawn_blocking(move || input::read(&at, delimiter)).await?
        }
        Place::Fetched(from) => {
            let (bytes, from) = (found.bytes, from.clone());
            tokio::task::spawn_blocking(move || input::from_bytes(&from, bytes, delimiter)).await?
        }
    };
    let table = read.with_context(load)?;
    Ok(Raw { table, name: name_of_file, found: found.place.to_string() })
}
