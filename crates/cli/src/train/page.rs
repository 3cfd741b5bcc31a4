//! The page of a training: what goes on it.

use anyhow::Context;
use shadowline_detectors::{Detector, DetectorArtefact, SelfCheck, Share};
use shadowline_features::{Encoding, Table, TableColumn};
use shadowline_report::{
    Boundary, BoundaryPanel, Grid, GridError, Marked, ScoreHistogram, Scores, TrainingReport,
    training_page,
};

use super::evaluation::Evaluated;
use super::spec::percent;
use super::worst;
use crate::args::BoundaryArgs;
use crate::output;
use crate::scoring::Rows;

/// The bins of the histogram of scores.
const N_BINS: usize = 60;

/// A detector that is shown beside the one that was trained.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) artefact: DetectorArtefact,
    pub(crate) from: String,
}

/// Makes the page.
pub(crate) fn page(
    artefact: &DetectorArtefact,
    parameters: Vec<(String, String)>,
    sets: &[Evaluated],
    args: &BoundaryArgs,
    compared: Option<&Compared>,
    checked: Option<(&SelfCheck, &[String])>,
) -> anyhow::Result<String> {
    let threshold = artefact.detector().threshold();
    let values: Vec<(&str, Vec<f64>)> =
        sets.iter().map(|it| (it.name, it.scores.iter().flatten().copied().collect())).collect();
    let values: Vec<Scores<'_>> =
        values.iter().map(|(name, values)| Scores { name, values }).collect();
    let report = TrainingReport {
        title: artefact.name().to_owned(),
        figures: figures(artefact, sets, checked.map(|it| it.0)),
        warnings: checked.map(|it| it.1.to_vec()).unwrap_or_default(),
        checks: checked.map(|it| checks(it.0)).unwrap_or_default(),
        parameters,
        data: data(artefact, sets),
        scores: ScoreHistogram::of(&values, threshold, N_BINS),
        worst: sets.iter().map(|it| worst::of(artefact, it)).collect::<anyhow::Result<_>>()?,
        boundary: boundary(artefact, sets, args, compared)?,
    };
    Ok(training_page(&report)?)
}

fn figures(
    artefact: &DetectorArtefact,
    sets: &[Evaluated],
    check: Option<&SelfCheck>,
) -> Vec<(String, String)> {
    let threshold = artefact.detector().threshold();
    let mut figures = vec![("threshold".to_owned(), format!("{threshold:.6}"))];
    let interval = |name: &str, Share { share, low, high, .. }: Share| {
        let text = format!("{} ({} to {})", percent(share), percent(low), percent(high));
        (name.to_owned(), text)
    };
    figures.push(interval(
        "expected above it of fresh rows like these, 95 % interval",
        artefact.training_scores().expected_share_above(threshold),
    ));
    if let Some(held_out) = check.and_then(|it| it.held_out) {
        figures.push(interval("above it of rows that were held out, 95 % interval", held_out));
    }
    for Evaluated { name, figures: its, .. } in sets {
        figures.push((format!("{name} rows"), output::thousands(its.rows)));
        figures.push((
            format!("{name} rows above the threshold"),
            format!(
                "{} ({})",
                output::thousands(its.flagged),
                output::percent_fine(its.flagged_share)
            ),
        ));
        if 0 < its.unscored {
            figures.push((format!("{name} rows without a score"), output::thousands(its.unscored)));
        }
        if let Some(auc) = its.auc {
            figures.push((format!("area under the ROC curve, {name}"), format!("{auc:.4}")));
        }
    }
    figures
}

/// What the detector found out about itself, each with its figure.
fn checks(check: &SelfCheck) -> Vec<(String, String)> {
    let mut checks = vec![
        (
            "different scores".to_owned(),
            format!(
                "{} of {} rows; {} share the most frequent one",
                output::thousands(check.n_distinct),
                output::thousands(check.n_records),
                percent(check.share_of_most_frequent)
            ),
        ),
        (
            "spread of the scores".to_owned(),
            format!(
                "{:.6} to {:.6}, interquartile range {:.6}",
                check.range.0, check.range.1, check.interquartile_range
            ),
        ),
    ];
    if let Some((n_checked, n_wrong)) = check.neighbours {
        let text = format!("right on {} of {n_checked} rows", n_checked - n_wrong);
        checks.push(("neighbours, against measuring every distance".to_owned(), text));
    }
    checks.push((
        "stability over three seeds".to_owned(),
        match check.stability {
            Some(least) => format!("least rank correlation {least:.3}"),
            None => "nothing is random, or there are too few rows".to_owned(),
        },
    ));
    if let Some((field, share)) = &check.decisive {
        let text =
            format!("`{field}` has {:.0} % of what the highest scores are made of", share * 100.0);
        checks.push(("most decisive column".to_owned(), text));
    }
    checks
}

fn data(artefact: &DetectorArtefact, sets: &[Evaluated]) -> Vec<(String, String)> {
    let mut data = vec![
        ("algorithm".to_owned(), artefact.detector().kind().name().to_owned()),
        ("features".to_owned(), artefact.preprocessing().feature_names().join(", ")),
    ];
    for Evaluated { name, source, table, .. } in sets {
        let shape = format!("{source}: {} rows, {} columns", table.n_rows(), table.columns().len());
        data.push((format!("{name} data"), shape));
    }
    data
}

/// The names of the two features, if the detector has two and both are numbers.
fn two_numbers(artefact: &DetectorArtefact) -> Option<(&str, &str)> {
    let [across, up] = artefact.preprocessing().features() else { return None };
    let are_numbers = [across, up].iter().all(|it| matches!(it.encoding, Encoding::Number));
    are_numbers.then_some((across.field.as_str(), up.field.as_str()))
}

fn boundary(
    artefact: &DetectorArtefact,
    sets: &[Evaluated],
    args: &BoundaryArgs,
    compared: Option<&Compared>,
) -> anyhow::Result<Option<Boundary>> {
    let Some(features) = two_numbers(artefact) else {
        anyhow::ensure!(
            compared.is_none(),
            "--compare shows decision boundaries, of detectors of two numbers; `{}` has {} features",
            artefact.name(),
            artefact.preprocessing().n_features()
        );
        return Ok(None);
    };
    if let Some(Compared { artefact: other, from }) = compared {
        let theirs = two_numbers(other);
        anyhow::ensure!(
            theirs == Some(features),
            "--compare `{from}`: its features are {}; {}, {} expected",
            other.preprocessing().feature_names().join(", "),
            features.0,
            features.1
        );
    }
    let points = sets.iter().map(|it| marked(it, features)).collect::<anyhow::Result<Vec<_>>>()?;
    let grid = match args.grid_range {
        Some(range) => Grid::new(range, range, args.grid),
        None => Grid::around(
            points.iter().flat_map(|it| it.across.iter().copied()),
            points.iter().flat_map(|it| it.up.iter().copied()),
            args.grid,
        ),
    };
    let grid = match (grid, args.grid_range) {
        (Ok(grid), _) => grid,
        // Values that are so large that nothing lies around them are no reason to train nothing.
        (Err(GridError::Range { .. }), None) if compared.is_none() => return Ok(None),
        (Err(error), _) => return Err(error).context("--grid, --grid-range"),
    };
    let own = sets.iter().map(|it| decisions(artefact, &it.scores)).collect();
    let mut panels = vec![panel(artefact, artefact.name().to_owned(), &grid, features, own)?];
    if let Some(Compared { artefact: other, from }) = compared {
        let theirs = sets
            .iter()
            .map(|it| {
                let scored = Rows::of_decided(other, &it.table)?.score(other, &|_| {});
                let scores: Vec<Option<f64>> =
                    scored.rows.into_iter().map(|it| it.ok().map(|it| it.score)).collect();
                Ok(decisions(other, &scores))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let title =
            if other.name() == artefact.name() { from.clone() } else { other.name().to_owned() };
        panels.push(panel(other, title, &grid, features, theirs)?);
    }
    let features = (features.0.to_owned(), features.1.to_owned());
    Ok(Some(Boundary { features, grid, points, panels }))
}

/// The rows as points, NaN where a number is missing.
fn marked(set: &Evaluated, (across, up): (&str, &str)) -> anyhow::Result<Marked> {
    let column = |name: &str| -> anyhow::Result<Vec<f64>> {
        let values = set.table.column(name)?.values();
        Ok((0..set.table.n_rows()).map(|row| values.number(row).unwrap_or(f64::NAN)).collect())
    };
    Ok(Marked { name: set.name.to_owned(), across: column(across)?, up: column(up)? })
}

/// Threshold − score; NaN, which is neither above nor below 0, where there is no score.
fn decisions(artefact: &DetectorArtefact, scores: &[Option<f64>]) -> Vec<f64> {
    let threshold = artefact.detector().threshold();
    scores.iter().map(|it| it.map_or(f64::NAN, |score| threshold - score)).collect()
}

fn panel(
    artefact: &DetectorArtefact,
    title: String,
    grid: &Grid,
    (across, up): (&str, &str),
    points: Vec<Vec<f64>>,
) -> anyhow::Result<BoundaryPanel> {
    let (xs, ys): (Vec<f64>, Vec<f64>) = grid.points().unzip();
    let table = Table::new(vec![
        (across.to_owned(), TableColumn::Numbers(xs)),
        (up.to_owned(), TableColumn::Numbers(ys)),
    ])?;
    let scored = Rows::of_decided(artefact, &table)?.score(artefact, &|_| {});
    let scores: Vec<Option<f64>> =
        scored.rows.into_iter().map(|it| it.ok().map(|it| it.score)).collect();
    Ok(BoundaryPanel { title, grid: decisions(artefact, &scores), points })
}
