//! Where bytes come from and what they are: files, folders of parts, pipes, and what is packed in them.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use shadowline_datasets::{Packing, csv_file, is_binary, refuse_foreign};
use shadowline_features::RawTable;
use shadowline_parquet_files as parquet_files;

/// Bytes from the beginning by which formats are told apart.
const START: u64 = 512;

/// Reads what a path names: `-` is standard input, a folder is its files one below the other. What a file is, it says by
/// how it begins: its name may be anything.
pub(super) fn read(path: &Path, delimiter: Option<u8>) -> anyhow::Result<RawTable> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("read standard input")?;
        return from_bytes("standard input", bytes, delimiter);
    }
    let reading = || format!("read `{}`", path.display());
    let metadata = std::fs::metadata(path).with_context(reading)?;
    if metadata.is_dir() {
        return folder(path, delimiter);
    }
    let mut file = std::fs::File::open(path).with_context(reading)?;
    let mut bytes = Vec::new();
    // What comes through a pipe comes once: nothing may open it again.
    if metadata.is_file() {
        file.by_ref().take(START).read_to_end(&mut bytes).with_context(reading)?;
        if is_parquet(&bytes) {
            return Ok(parquet_files::read(path)?);
        }
        refuse_foreign(&bytes).with_context(reading)?;
    }
    file.read_to_end(&mut bytes).with_context(reading)?;
    from_bytes(&path.display().to_string(), bytes, delimiter)
}

/// Reads the bytes of a file that is called `name` in errors.
pub(super) fn from_bytes(
    name: &str,
    mut bytes: Vec<u8>,
    delimiter: Option<u8>,
) -> anyhow::Result<RawTable> {
    let reading = || format!("read `{name}`");
    // At most twice: a file of the name x.csv.gz.gz has been made by mistake, and one that never ends on purpose.
    for _ in 0..2 {
        if let Some(packing) = Packing::of(&bytes) {
            bytes = packing.unpack(&bytes).with_context(reading)?;
        }
    }
    if is_parquet(&bytes) {
        return Ok(parquet_files::from_bytes(name, bytes)?);
    }
    refuse_foreign(&bytes).with_context(reading)?;
    Ok(csv_file::from_bytes(name, &bytes, delimiter)?)
}

/// Whether bytes begin a Parquet file, and not a CSV file whose first column is called so.
fn is_parquet(start: &[u8]) -> bool {
    start.starts_with(parquet_files::MAGIC) && is_binary(start)
}

/// Reads every file below a folder, in the order of their names; `key=value` in a path is a column.
fn folder(root: &Path, delimiter: Option<u8>) -> anyhow::Result<RawTable> {
    let mut files = Vec::new();
    files_below(root, &mut files)?;
    let Some(first) = files.first() else {
        bail!(
            "`{}` is a folder without files; those that begin with . or _ do not count",
            root.display()
        );
    };
    let of_part = |path: &Path| -> anyhow::Result<RawTable> {
        let mut part = read(path, delimiter)?;
        for (key, value) in partitions(root, path) {
            part.add_constant(&key, &value);
        }
        Ok(part)
    };
    let mut whole = of_part(first)?;
    for path in &files[1..] {
        let part = of_part(path)?;
        let lacks = |table: &RawTable, other: &RawTable| {
            let lost = other.names().find(|name| table.names().all(|it| it != *name));
            lost.map(str::to_owned)
        };
        // Said, and no reason to refuse the files: values of the column are missing there.
        for (lost, file) in [(lacks(&part, &whole), path), (lacks(&whole, &part), first)] {
            if let Some(column) = lost {
                eprintln!(
                    "`{}` has no column `{column}`, which other parts have: missing there",
                    file.display()
                );
            }
        }
        whole.append(part);
    }
    Ok(whole)
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let reading = || format!("read folder `{}`", folder.display());
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|it| it.map(|it| it.map(|it| it.path())).collect())
        .with_context(reading)?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Marks of success, checksums and the like, as Spark and Hadoop write them beside the parts.
        if name.starts_with('.') || name.starts_with('_') {
            continue;
        }
        if std::fs::metadata(&path).with_context(reading)?.is_dir() {
            files_below(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The keys and values in the folders between a root and a file, as Hive writes them.
fn partitions(root: &Path, file: &Path) -> Vec<(String, String)> {
    let between = file.strip_prefix(root).unwrap_or(file).parent();
    let parts = between.into_iter().flat_map(Path::components);
    parts
        .filter_map(|it| {
            let text = it.as_os_str().to_str()?;
            let (key, value) = text.split_once('=')?;
            let value = if value == "__HIVE_DEFAULT_PARTITION__" { "" } else { value };
            Some((unescaped(key), unescaped(value)))
        })
        .collect()
}

/// Text with `%20` and its like as what they stand for.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shadowline_features::Cells;

    #[track_caller]
    fn check(table: &RawTable, name: &str, expected: &[&str]) {
        let Cells::Untyped(cells) = table.column(name).unwrap() else { panic!("{name}") };
        assert_eq!(cells, expected, "{name}");
    }

    #[test]
    fn what_is_packed_is_told_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for packing in Packing::ALL {
            let path = folder.path().join("anything");
            std::fs::write(&path, packing.pack(b"a,b\n1,x\n").unwrap()).unwrap();
            check(&read(&path, None).unwrap(), "b", &["x"]);
        }
        // A column may be called as a format is.
        for header in ["PAR1", "PARENT_ID", "ORCID", "BZh1"] {
            let path = folder.path().join("rows.csv");
            std::fs::write(&path, format!("{header},x\n1,2\n")).unwrap();
            check(&read(&path, None).unwrap(), header, &["1"]);
        }
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, b"PK\x03\x04 and so on").unwrap();
        let error = format!("{:#}", read(&path, None).unwrap_err());
        assert!(error.contains("rows.csv") && error.contains("Excel"), "{error}");
    }

    #[test]
    fn a_folder_is_its_parts_and_its_paths() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("year=2025/b.csv", "x,y\n3,c\n"),
            ("year=2025/a.csv", "y,x\nb,2\n"),
            ("year=2024/place=New%20York/a.csv", "x,y\n1,a\n"),
            ("_SUCCESS", "no table"),
            (".a.csv.crc", "no table"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let table = read(folder.path(), None).unwrap();
        check(&table, "x", &["1", "2", "3"]);
        check(&table, "y", &["a", "b", "c"]);
        check(&table, "year", &["2024", "2025", "2025"]);
        check(&table, "place", &["New York", "", ""]);
        // Columns that are not read are no reason to refuse the parts.
        let nameless = tempfile::tempdir().unwrap();
        for name in ["a.csv", "b.csv"] {
            std::fs::write(nameless.path().join(name), "x,y,,\n1,2,,\n").unwrap();
        }
        check(&read(nameless.path(), None).unwrap(), "x", &["1", "1"]);
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path(), None).unwrap_err().to_string().contains("without files"));
    }
}
