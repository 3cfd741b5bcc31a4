//! `shadowline score`: rows in, a score for each out.

use std::borrow::Cow;

use anyhow::{Context, bail};
use serde::Serialize;
use shadowline_detectors::{Detector, DetectorArtefact, DetectorKind, RecordExplanation};
use shadowline_features::Words;

use crate::args::ScoreArgs;
use crate::data::{self, Raw};
use crate::folder::{self, read_package};
use crate::scoring::{RowScore, RowScores, Rows};
use crate::sheet::{CellType, Sheet};
use crate::{files, output, progress};

/// What scoring a file came to.
#[derive(Debug, Serialize)]
struct Summary {
    package: String,
    data: String,
    rows: usize,
    scored: usize,
    unscored: usize,
    breaches: usize,
    threshold: f64,
    /// Categories that training had not seen.
    unseen_values: usize,
    /// Numbers that were missing, and kept or filled.
    missing_values: usize,
    out: String,
}

pub(crate) async fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    let artefact = read_package(&args.package)?;
    if args.sklearn && artefact.detector().kind() != DetectorKind::IsolationForest {
        bail!("--sklearn is of isolation forests; `{}` is a KNN detector", artefact.name());
    }
    if args.json && files::is_stdout(&args.out) {
        bail!("--json and the scores cannot both go to standard output");
    }
    let format = crate::sheet::Format::of(&args.out)?;
    let mut inputs = folder::files(&args.package)?;
    inputs.extend(data::input_path(&args.data));
    files::refuse_input(&args.out, &inputs)?;
    let reading = progress::spinner(&format!("reading {}", args.data));
    let Raw { table, found, .. } = data::load(&args.data, args.rows.as_ref(), &args.read).await?;
    reading.finish_and_clear();
    eprintln!("data: {found}, {} rows", output::thousands(table.n_rows()));
    // What stood for a missing value at training does so here, too.
    let trained = folder::missing_words(&args.package)?;
    let words = Words::with(trained.into_iter().chain(args.read.na.iter().cloned()));
    let written_as = folder::written_as(&args.package)?;
    let rows = Rows::of(&artefact, &table, &words, &written_as)
        .with_context(|| format!("`{}`", args.data))?;
    let ids = match &args.id {
        None => None,
        Some(name) => {
            let cells = table.column(name).context("--id")?;
            // As it stands: no cell of a name is missing, whatever its word.
            let text = |row_idx| cells.text(row_idx, &Words::default()).map(Cow::into_owned);
            let ids: Result<Vec<String>, String> = (0..table.n_rows()).map(text).collect();
            let ids = ids.map_err(|it| anyhow::anyhow!("--id `{name}`: {it}"))?;
            Some((name.clone(), ids))
        }
    };
    let bar = progress::rows(rows.n_rows(), args.progress);
    let first_row = table.first_row();
    let lines = Lines { explain: args.explain, sklearn: args.sklearn, first_row, ids };
    let (scores, artefact, bytes) = tokio::task::spawn_blocking(move || {
        let scores = rows.score(&artefact, &|n| bar.inc(n as u64));
        bar.finish_and_clear();
        let bytes = lines.write(&artefact, &rows, &scores).and_then(|it| it.to_bytes(format));
        (scores, artefact, bytes)
    })
    .await?;
    files::write_whole(&args.out, &bytes?)?;
    let threshold = artefact.detector().threshold();
    let unscored = scores.n_unscored();
    let summary = Summary {
        package: artefact.name().to_owned(),
        data: args.data.clone(),
        rows: scores.rows.len(),
        scored: scores.rows.len() - unscored,
        unscored,
        breaches: scores.n_above(threshold),
        threshold,
        unseen_values: scores.n_unseen,
        missing_values: scores.n_missing,
        out: args.out.display().to_string(),
    };
    if args.json {
        output::json(&summary)?;
    } else {
        say(&summary, files::is_stdout(&args.out))?;
    }
    if 0 < unscored {
        bail!(
            "{} of {} rows could not be scored; `{}` says why in the column `error`",
            output::thousands(unscored),
            output::thousands(summary.rows),
            summary.out
        );
    }
    Ok(())
}

/// Says what it came to; on standard error where the scores are on standard output.
fn say(summary: &Summary, is_stdout: bool) -> anyhow::Result<()> {
    let line = |text: String| {
        if is_stdout {
            eprintln!("{text}");
            return Ok(());
        }
        output::line(text)
    };
    let Summary { package, rows, scored, breaches, threshold, .. } = summary;
    let share = if *scored == 0 { 0.0 } else { *breaches as f64 / *scored as f64 };
    line(format!(
        "`{package}`: {} of {} rows scored; {} above the threshold {threshold} ({})",
        output::thousands(*scored),
        output::thousands(*rows),
        output::thousands(*breaches),
        output::percent_fine(share)
    ))?;
    if 0 < summary.unseen_values {
        let n = output::thousands(summary.unseen_values);
        line(format!("{n} values were of categories that training had not seen"))?;
    }
    if 0 < summary.missing_values {
        let n = output::thousands(summary.missing_values);
        line(format!("{n} numbers were missing, and kept or filled as training decided"))?;
    }
    if is_stdout { Ok(()) } else { line(format!("written: {}", summary.out)) }
}

/// Which columns there are, and how the rows are numbered.
#[derive(Debug, Clone)]
struct Lines {
    explain: bool,
    sklearn: bool,
    first_row: usize,
    /// The column of --id: its name and cells.
    ids: Option<(String, Vec<String>)>,
}

impl Lines {
    fn write(
        &self,
        artefact: &DetectorArtefact,
        rows: &Rows,
        scores: &RowScores,
    ) -> anyhow::Result<Sheet> {
        use CellType::{Number, Text, Truth, Whole};
        let features = artefact.preprocessing().features();
        let mut sheet = Sheet::new([("row", Whole)]);
        sheet.add_columns(self.ids.iter().map(|(name, _)| (name.as_str(), Text)));
        let columns = [("score", Number), ("p_value", Number), ("breach", Truth), ("error", Text)];
        sheet.add_columns(columns);
        if self.sklearn {
            let columns = [("score_samples", Number), ("decision_function", Number)];
            sheet.add_columns(columns);
            sheet.add_columns([("predict", Whole)]);
        }
        if self.explain {
            sheet.add_columns([("expected", Number)]);
            let names = features.iter().map(|it| format!("contribution_{}", it.field));
            sheet.add_columns(names.map(|it| (it, Number)));
        }
        for (row_idx, score) in scores.rows.iter().enumerate() {
            let mut record = self.record(artefact, row_idx, score);
            if self.explain {
                if score.is_ok() {
                    let explanation = explain(artefact, rows, row_idx)
                        .with_context(|| format!("explain row {}", self.first_row + row_idx))?;
                    record.push(explanation.expected.to_string());
                    record.extend(explanation.contributions.iter().map(|(_, it)| it.to_string()));
                } else {
                    let n_columns = sheet.n_columns() - usize::from(self.ids.is_some());
                    record.resize(n_columns, String::new());
                }
            }
            if let Some((_, ids)) = &self.ids {
                record.insert(1, ids[row_idx].clone());
            }
            sheet.push(record);
        }
        Ok(sheet)
    }

    fn record(&self, artefact: &DetectorArtefact, row_idx: usize, score: &RowScore) -> Vec<String> {
        let row = (self.first_row + row_idx).to_string();
        let n_sklearn = if self.sklearn { 3 } else { 0 };
        match score {
            Ok(scored) => {
                let decision = artefact.detector().threshold() - scored.score;
                let is_breach = artefact.detector().threshold() < scored.score;
                let mut record = vec![
                    row,
                    scored.score.to_string(),
                    scored.p_value.to_string(),
                    is_breach.to_string(),
                    String::new(),
                ];
                if self.sklearn {
                    let predict = if decision < 0.0 { "-1" } else { "1" };
                    record.extend([
                        (-scored.score).to_string(),
                        decision.to_string(),
                        predict.to_owned(),
                    ]);
                }
                record
            }
            Err(reason) => {
                let empty = String::new;
                let mut record = vec![row, empty(), empty(), empty(), reason.clone()];
                record.resize(5 + n_sklearn, empty());
                record
            }
        }
    }
}

/// Takes one row's score apart.
fn explain(
    artefact: &DetectorArtefact,
    rows: &Rows,
    row_idx: usize,
) -> anyhow::Result<RecordExplanation> {
    artefact.explain(&rows.row(row_idx))?.pop().context("one row has one explanation")
}
