//! `shadowline score`: rows in, a score for each out.

use anyhow::{Context, bail};
use serde::Serialize;
use shadowline_detectors::{Detector, DetectorArtefact, DetectorKind, RecordExplanation};

use crate::args::ScoreArgs;
use crate::data::{self, Data};
use crate::folder::read_package;
use crate::scoring::{RowScore, RowScores, Rows};
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
    let reading = progress::spinner(&format!("reading {}", args.data));
    let Data { table, found, .. } = data::load_as_it_stands(&args.data, args.rows.as_ref()).await?;
    reading.finish_and_clear();
    eprintln!("data: {found}, {} rows", output::thousands(table.n_rows()));
    let first_row = args.rows.as_ref().map_or(0, |it| it.start);
    let rows = Rows::of(&artefact, &table).with_context(|| format!("`{}`", args.data))?;
    let ids = match &args.id {
        None => None,
        Some(name) => Some((name.clone(), table.column(name).context("--id")?.to_texts())),
    };
    let bar = progress::rows(rows.n_rows(), args.progress);
    let lines = Lines { explain: args.explain, sklearn: args.sklearn, first_row, ids };
    let (scores, artefact, csv) = tokio::task::spawn_blocking(move || {
        let scores = rows.score(&artefact, &|n| bar.inc(n as u64));
        bar.finish_and_clear();
        let csv = lines.write(&artefact, &rows, &scores);
        (scores, artefact, csv)
    })
    .await?;
    files::write_whole(&args.out, csv?.as_bytes())?;
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
        say(&summary)?;
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

fn say(summary: &Summary) -> anyhow::Result<()> {
    let Summary { package, rows, scored, breaches, threshold, .. } = summary;
    let share = if *scored == 0 { 0.0 } else { *breaches as f64 / *scored as f64 };
    output::line(format!(
        "`{package}`: {} of {} rows scored; {} above the threshold {threshold} ({})",
        output::thousands(*scored),
        output::thousands(*rows),
        output::thousands(*breaches),
        output::percent_fine(share)
    ))?;
    if 0 < summary.unseen_values {
        let n = output::thousands(summary.unseen_values);
        output::line(format!("{n} values were of categories that training had not seen"))?;
    }
    if 0 < summary.missing_values {
        let n = output::thousands(summary.missing_values);
        output::line(format!("{n} numbers were missing, and kept or filled as training decided"))?;
    }
    output::line(format!("written: {}", summary.out))
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
    ) -> anyhow::Result<String> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let features = artefact.preprocessing().features();
        let mut header: Vec<String> =
            ["row", "score", "p_value", "breach", "error"].map(str::to_owned).to_vec();
        if self.sklearn {
            header.extend(["score_samples", "decision_function", "predict"].map(str::to_owned));
        }
        if self.explain {
            header.push("expected".to_owned());
            header.extend(features.iter().map(|it| format!("contribution_{}", it.field)));
        }
        if let Some((name, _)) = &self.ids {
            header.insert(1, name.clone());
        }
        csv.write_record(&header)?;
        for (row_idx, score) in scores.rows.iter().enumerate() {
            let mut record = self.record(artefact, row_idx, score);
            if self.explain {
                if score.is_ok() {
                    let explanation = explain(artefact, rows, row_idx)
                        .with_context(|| format!("explain row {}", self.first_row + row_idx))?;
                    record.push(explanation.expected.to_string());
                    record.extend(explanation.contributions.iter().map(|(_, it)| it.to_string()));
                } else {
                    record.resize(header.len() - usize::from(self.ids.is_some()), String::new());
                }
            }
            if let Some((_, ids)) = &self.ids {
                record.insert(1, ids[row_idx].clone());
            }
            csv.write_record(&record)?;
        }
        Ok(String::from_utf8(csv.into_inner()?)?)
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
