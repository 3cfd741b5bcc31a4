//! Results as a table: CSV or Parquet, by what the file is called.

use std::path::Path;

use anyhow::{Context, bail};
use shadowline_datasets::Packing;
use shadowline_features::{Cells, RawColumn};
use shadowline_parquet_files as parquet_files;

/// What a column of a result holds, for formats that say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellType {
    Whole,
    Number,
    Truth,
    Text,
}

/// What a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv { delimiter: u8, packing: Option<Packing> },
    Parquet,
}

/// Rows of a result. An empty cell is one without a value.
#[derive(Debug)]
pub(crate) struct Sheet {
    columns: Vec<(String, CellType)>,
    rows: Vec<Vec<String>>,
}

impl Format {
    /// The format that the ending of a name says, and CSV where it says none.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let packing =
            Packing::ALL.into_iter().find(|it| name.ends_with(&format!(".{}", it.ending())));
        let bare = packing.and_then(|it| name.strip_suffix(&format!(".{}", it.ending())));
        let ending = bare.unwrap_or(&name).rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending {
            "parquet" | "pq" if packing.is_none() => Ok(Self::Parquet),
            "tsv" | "tab" => Ok(Self::Csv { delimiter: b'\t', packing }),
            "parquet" | "pq" | "xlsx" | "xls" | "json" | "jsonl" | "ndjson" | "feather"
            | "arrow" | "orc" | "avro" | "zip" | "xz" => bail!(
                "--out `{}`: files of this ending are not written; .csv, .tsv, either with .gz, .zst or .bz2 behind it, \
                 or .parquet expected",
                path.display()
            ),
            _ => Ok(Self::Csv { delimiter: b',', packing }),
        }
    }
}

impl Sheet {
    pub(crate) fn new<S: Into<String>>(columns: impl IntoIterator<Item = (S, CellType)>) -> Self {
        let mut sheet = Self { columns: Vec::new(), rows: Vec::new() };
        sheet.add_columns(columns);
        sheet
    }

    /// Adds columns behind the others; rows come afterwards.
    pub(crate) fn add_columns<S: Into<String>>(
        &mut self,
        columns: impl IntoIterator<Item = (S, CellType)>,
    ) {
        self.columns.extend(columns.into_iter().map(|(name, kind)| (name.into(), kind)));
    }

    pub(crate) fn n_columns(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// The bytes of a file of a format.
    pub(crate) fn to_bytes(&self, format: Format) -> anyhow::Result<Vec<u8>> {
        match format {
            Format::Parquet => self.parquet(),
            Format::Csv { delimiter, packing } => {
                let mut csv =
                    csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
                csv.write_record(self.columns.iter().map(|(name, _)| name))?;
                for row in &self.rows {
                    csv.write_record(row)?;
                }
                let bytes = csv.into_inner()?;
                Ok(match packing {
                    Some(packing) => packing.pack(&bytes)?,
                    None => bytes,
                })
            }
        }
    }

    fn parquet(&self) -> anyhow::Result<Vec<u8>> {
        let column =
            |(idx, (name, kind)): (usize, &(String, CellType))| -> anyhow::Result<RawColumn> {
                let cells =
                    || self.rows.iter().map(move |it| it.get(idx).map_or("", String::as_str));
                let reading = || format!("column `{name}`");
                let cells = match kind {
                    CellType::Whole => Cells::Integers(
                        cells().map(parsed).collect::<Result<_, _>>().with_context(reading)?,
                    ),
                    CellType::Truth => Cells::Truths(
                        cells().map(parsed).collect::<Result<_, _>>().with_context(reading)?,
                    ),
                    CellType::Number => {
                        let numbers: Vec<Option<f64>> =
                            cells().map(parsed).collect::<Result<_, _>>().with_context(reading)?;
                        Cells::Numbers(
                            numbers.into_iter().map(|it| it.unwrap_or(f64::NAN)).collect(),
                        )
                    }
                    CellType::Text => Cells::Texts(cells().map(str::to_owned).collect()),
                };
                Ok(RawColumn::new(name, cells))
            };
        let columns =
            self.columns.iter().enumerate().map(column).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(parquet_files::to_bytes(&columns)?)
    }
}

fn parsed<T: std::str::FromStr>(cell: &str) -> Result<Option<T>, T::Err> {
    if cell.is_empty() { Ok(None) } else { cell.parse().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let columns =
            [("row", CellType::Whole), ("score", CellType::Number), ("breach", CellType::Truth)];
        let mut sheet = Sheet::new(columns);
        sheet.add_columns([("error", CellType::Text)]);
        sheet.push(["0", "0.5", "true", ""].map(str::to_owned).to_vec());
        sheet.push(["1", "", "", "a, b"].map(str::to_owned).to_vec());
        sheet
    }

    #[test]
    fn a_file_is_what_its_name_says() {
        let format = |name: &str| Format::of(Path::new(name)).map_err(|it| it.to_string());
        let csv = |delimiter, packing| Ok(Format::Csv { delimiter, packing });
        assert_eq!(format("scores.parquet"), Ok(Format::Parquet));
        assert_eq!(format("scores.csv"), csv(b',', None));
        assert_eq!(format("scores"), csv(b',', None));
        assert_eq!(format("scores.CSV.GZ"), csv(b',', Some(Packing::Gzip)));
        assert_eq!(format("scores.tsv.zst"), csv(b'\t', Some(Packing::Zstd)));
        for name in ["scores.xlsx", "scores.parquet.gz", "scores.json"] {
            assert!(format(name).unwrap_err().contains(name), "{name}");
        }
    }

    #[test]
    fn every_format_holds_the_same_rows() {
        let text = "row,score,breach,error\n0,0.5,true,\n1,,,\"a, b\"\n";
        let csv = sheet().to_bytes(Format::Csv { delimiter: b',', packing: None }).unwrap();
        assert_eq!(String::from_utf8(csv).unwrap(), text);
        let packed =
            sheet().to_bytes(Format::Csv { delimiter: b',', packing: Some(Packing::Gzip) });
        assert_eq!(Packing::Gzip.unpack(&packed.unwrap()).unwrap(), text.as_bytes());
        let bytes = sheet().to_bytes(Format::Parquet).unwrap();
        let table = parquet_files::from_bytes("scores.parquet", bytes).unwrap();
        let cells = |name: &str| table.column(name).unwrap().clone();
        assert_eq!(cells("row"), Cells::Integers(vec![Some(0), Some(1)]));
        assert_eq!(cells("breach"), Cells::Truths(vec![Some(true), None]));
        assert_eq!(cells("error"), Cells::Texts(vec![String::new(), "a, b".to_owned()]));
        let Cells::Numbers(scores) = cells("score") else { panic!("numbers") };
        assert!((scores[0] - 0.5).abs() < 1e-12 && scores[1].is_nan());
    }
}
