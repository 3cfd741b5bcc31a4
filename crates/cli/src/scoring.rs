//! Rows scored with a detector, one by one where not all of them can be.

use anyhow::{Context, bail};
use shadowline_detectors::{DetectorArtefact, RecordScoreError, ScoreError, parallel};
use shadowline_features::{
    Cells, Encoding, FeatureError, RawTable, Table, TableColumn, Words, Written,
};

use crate::folder::WrittenAs;

/// Rows that are scored together.
const CHUNK: usize = 512;

/// Rows as a detector reads them.
#[derive(Debug)]
pub(crate) struct Rows {
    table: Table,
    /// What is wrong with a row whatever the detector says.
    unreadable: Vec<Option<String>>,
}

/// A row's score, or why it has none.
pub(crate) type RowScore = Result<Scored, String>;

/// A row's score and its place among the training scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scored {
    pub(crate) score: f64,
    pub(crate) p_value: f64,
}

/// The scores of rows, in their order.
#[derive(Debug, Default)]
pub(crate) struct RowScores {
    pub(crate) rows: Vec<RowScore>,
    /// How many values were a category that training had not seen.
    pub(crate) n_unseen: usize,
    /// How many numbers were missing, and kept or filled.
    pub(crate) n_missing: usize,
}

impl Rows {
    /// Takes the detector's columns out of a table as its file has it, each as the type that it was trained with: what
    /// other cells a column has, or what else a file has, changes nothing.
    pub(crate) fn of(
        artefact: &DetectorArtefact,
        table: &RawTable,
        words: &Words,
        written_as: &WrittenAs,
    ) -> anyhow::Result<Self> {
        let mut unreadable = vec![None; table.n_rows()];
        let mut columns = Vec::new();
        for feature in artefact.preprocessing().features() {
            let field = &feature.field;
            let cells = table.column(field).context("a column that the detector reads")?;
            let column = match feature.encoding {
                Encoding::Number => {
                    as_numbers(field, cells, words, written_as.of(field), &mut unreadable)?
                }
                Encoding::Code { .. } | Encoding::OneHot { .. } => {
                    as_texts(field, cells, words, table.first_row())?
                }
            };
            columns.push((field.clone(), column));
        }
        Ok(Self { table: Table::new(columns)?, unreadable })
    }

    /// Takes the detector's columns out of a table whose columns are decided.
    pub(crate) fn of_decided(artefact: &DetectorArtefact, table: &Table) -> anyhow::Result<Self> {
        Self::of(artefact, &table.clone().into(), &Words::default(), &WrittenAs::default())
    }

    /// The columns, as they are read.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.table.n_rows()
    }

    /// One row, for explaining its score.
    pub(crate) fn row(&self, row_idx: usize) -> Table {
        self.table.rows(row_idx..row_idx + 1)
    }

    /// Scores every row on all processors; `observe` is called with how many more are done.
    pub(crate) fn score(
        &self,
        artefact: &DetectorArtefact,
        observe: &(dyn Fn(usize) + Sync),
    ) -> RowScores {
        let n_chunks = self.n_rows().div_ceil(CHUNK);
        let chunks = parallel::map(n_chunks, 1, parallel::n_threads(None), |chunk_idx| {
            let start = chunk_idx * CHUNK;
            let end = (start + CHUNK).min(self.n_rows());
            let scores = self.score_some(artefact, start..end);
            observe(end - start);
            scores
        });
        let mut all = RowScores::default();
        for RowScores { rows, n_unseen, n_missing } in chunks {
            all.rows.extend(rows);
            all.n_unseen += n_unseen;
            all.n_missing += n_missing;
        }
        all
    }

    fn score_some(&self, artefact: &DetectorArtefact, range: std::ops::Range<usize>) -> RowScores {
        let is_readable = self.unreadable[range.clone()].iter().all(Option::is_none);
        if is_readable && let Ok(scored) = artefact.score(&self.table.rows(range.clone())) {
            let pairs = scored.scores.into_iter().zip(scored.p_values);
            let rows = pairs.map(|(score, p_value)| Ok(Scored { score, p_value })).collect();
            return RowScores { rows, n_unseen: scored.n_unseen, n_missing: scored.n_missing };
        }
        // Some row has no score; the others have, and one alone has the same as among others.
        let mut scores = RowScores::default();
        for row_idx in range {
            let row = match &self.unreadable[row_idx] {
                Some(reason) => Err(reason.clone()),
                None => artefact.score(&self.row(row_idx)).map_err(|it| reason(&it, artefact)).map(
                    |scored| {
                        scores.n_unseen += scored.n_unseen;
                        scores.n_missing += scored.n_missing;
                        Scored { score: scored.scores[0], p_value: scored.p_values[0] }
                    },
                ),
            };
            scores.rows.push(row);
        }
        scores
    }
}

impl RowScores {
    /// The scores there are.
    pub(crate) fn scores(&self) -> impl Iterator<Item = f64> {
        self.rows.iter().flatten().map(|it| it.score)
    }

    pub(crate) fn n_unscored(&self) -> usize {
        self.rows.iter().filter(|it| it.is_err()).count()
    }

    pub(crate) fn n_above(&self, threshold: f64) -> usize {
        self.scores().filter(|it| threshold < *it).count()
    }
}

/// Numbers of a column; a cell that is none makes its row unreadable.
fn as_numbers(
    field: &str,
    cells: &Cells,
    words: &Words,
    written: Written,
    unreadable: &mut [Option<String>],
) -> anyhow::Result<TableColumn> {
    if let Cells::Unusable(_, found) = cells {
        bail!("column `{field}` is {found}; numbers expected");
    }
    let number = |(row_idx, unreadable): (usize, &mut Option<String>)| {
        cells.number(row_idx, words, written).unwrap_or_else(|found| {
            unreadable.get_or_insert_with(|| {
                format!("field `{field}` is {found}; {} expected", written.expected())
            });
            f64::NAN
        })
    };
    Ok(TableColumn::Numbers(unreadable.iter_mut().enumerate().map(number).collect()))
}

/// Text of a column, as it stands.
fn as_texts(
    field: &str,
    cells: &Cells,
    words: &Words,
    first_row: usize,
) -> anyhow::Result<TableColumn> {
    let text = |row_idx| match cells.text(row_idx, words) {
        Ok(text) => Ok(text.into_owned()),
        Err(found) => {
            bail!(
                "column `{field}` is {found} in row {}, counted from 0, and the detector was trained on text",
                first_row + row_idx
            )
        }
    };
    Ok(TableColumn::Texts((0..cells.len()).map(text).collect::<anyhow::Result<_>>()?))
}

/// Why one row has no score, without the number of the row, which stands beside it.
fn reason(error: &RecordScoreError, artefact: &DetectorArtefact) -> String {
    match error {
        RecordScoreError::Feature(FeatureError::NotFinite { field, value, .. }) => {
            let value = if value.is_nan() { "missing".to_owned() } else { value.to_string() };
            format!("field `{field}` is {value}; a finite number expected")
        }
        RecordScoreError::Feature(FeatureError::TooLarge { field, value, .. }) => {
            format!("field `{field}` is {value}, which is too large to be scaled")
        }
        RecordScoreError::Feature(
            error @ (FeatureError::NoField { .. } | FeatureError::WrongType { .. }),
        ) => error.to_string(),
        RecordScoreError::Score(ScoreError::NotFinite { feature_idx, value, .. }) => {
            let names = artefact.preprocessing().feature_names();
            let name = names.get(*feature_idx).map_or("?", String::as_str);
            let value = if value.is_nan() { "missing".to_owned() } else { value.to_string() };
            format!("field `{name}` is {value}; a finite number expected")
        }
        RecordScoreError::Score(ScoreError::TooFar { .. }) => {
            "too far from the training data for a distance in 64-bit floats".to_owned()
        }
        RecordScoreError::Score(error @ ScoreError::FeatureCount { .. }) => error.to_string(),
    }
}
