use serde::Serialize;
use shadowline_profile::{Histogram, axis_ends};

use crate::page::{Page, PageError, encode_codes, encode_floats, escape};

const BODY: &str = include_str!("../assets/training.html");
const SCRIPT: &str = include_str!("../assets/training.js");

/// What a training came to, for people.
#[derive(Debug, Clone)]
pub struct TrainingReport {
    /// The detector's name.
    pub title: String,
    /// What stands at the top: a name and a figure each.
    pub figures: Vec<(String, String)>,
    /// What looks wrong; they stand before everything else.
    pub warnings: Vec<String>,
    /// What the detector found out about itself: a name and a finding each.
    pub checks: Vec<(String, String)>,
    /// The parameters and their values.
    pub parameters: Vec<(String, String)>,
    /// The data: names, rows, columns.
    pub data: Vec<(String, String)>,
    /// The scores of the training rows and, if there are any, of the test rows.
    pub scores: ScoreHistogram,
    /// The rows with the highest scores of each set.
    pub worst: Vec<WorstRows>,
    /// Of a detector of two numbers: where its threshold runs.
    pub boundary: Option<Boundary>,
}

/// The rows of a set with the highest scores, highest first.
#[derive(Debug, Clone, Serialize)]
pub struct WorstRows {
    /// What the rows are called, such as `training`.
    pub set: String,
    /// The rows.
    pub rows: Vec<WorstRow>,
}

/// A row with a high score, and why.
#[derive(Debug, Clone, Serialize)]
pub struct WorstRow {
    /// Its place in its set, from 0.
    pub row_idx: usize,
    /// Its score.
    pub score: f64,
    /// The share of the training scores at or above it.
    pub p_value: f64,
    /// Whether it is above the threshold.
    pub is_above: bool,
    /// What adds most to the score, the most first.
    pub reasons: Vec<Reason>,
}

/// What one field adds to a score.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    /// The field.
    pub field: String,
    /// What the row has there.
    pub value: String,
    /// How much it adds.
    pub contribution: f64,
}

/// Scores of one set of rows.
#[derive(Debug, Clone, Copy)]
pub struct Scores<'a> {
    /// What the rows are called, such as `training`.
    pub name: &'a str,
    /// Their scores.
    pub values: &'a [f64],
}

/// Scores of several sets of rows, counted in the same bins.
#[derive(Debug, Clone, Serialize)]
pub struct ScoreHistogram {
    threshold: f64,
    edges: Vec<f64>,
    sets: Vec<ScoreCounts>,
}

/// The highest scores of a set are kept one by one, as the page counts what is above a line; of the others every so
/// many.
const KEPT: usize = 5_000;

#[derive(Debug, Clone, Serialize)]
struct ScoreCounts {
    name: String,
    counts: Vec<usize>,
    rows: usize,
    above: usize,
    /// Rows whose score is outside the axis.
    beyond: usize,
    /// The greatest score.
    greatest: Option<f64>,
    /// Scores in ascending order, and how many are at or below each: all of the highest, and some of the others.
    sorted: String,
    ranks: String,
    /// From which score on none is left out; none where all are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    exact_from: Option<f64>,
}

impl ScoreHistogram {
    /// Counts finite scores in `n_bins` bins between the ends of an axis that wild values do not stretch, see
    /// [`axis_ends`]; the threshold is on it.
    pub fn of(sets: &[Scores<'_>], threshold: f64, n_bins: usize) -> Self {
        let all = || sets.iter().flat_map(|it| it.values.iter().copied());
        let (low, high) = axis_ends(all()).unwrap_or((threshold, threshold));
        let (low, high) = (low.min(threshold), high.max(threshold));
        let edges = Histogram::of(&[], low, high, n_bins).edges;
        let sets = sets.iter().map(|Scores { name, values }| {
            let Thinned { sorted, ranks, exact_from } = thinned(values);
            ScoreCounts {
                name: (*name).to_owned(),
                counts: Histogram::of(values, low, high, n_bins).counts,
                rows: values.len(),
                above: values.iter().filter(|it| threshold < **it).count(),
                beyond: values.iter().filter(|it| !(low..=high).contains(*it)).count(),
                greatest: sorted.last().copied(),
                sorted: encode_floats(sorted),
                ranks: encode_codes(ranks),
                exact_from,
            }
        });
        Self { threshold, edges, sets: sets.collect() }
    }
}

/// Some of the scores of a set.
#[derive(Debug)]
struct Thinned {
    /// In ascending order.
    sorted: Vec<f64>,
    /// How many scores are at or below each.
    ranks: Vec<u32>,
    /// The lowest of those of which none is left out; none where all are there.
    exact_from: Option<f64>,
}

fn thinned(values: &[f64]) -> Thinned {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|it| it.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let n_low = sorted.len().saturating_sub(KEPT);
    let step = n_low.div_ceil(KEPT).max(1);
    let is_kept = |idx: &usize| n_low <= *idx || idx.is_multiple_of(step);
    let kept = (0..sorted.len()).filter(is_kept);
    let (kept, ranks) =
        kept.map(|idx| (sorted[idx], u32::try_from(idx + 1).unwrap_or(u32::MAX))).unzip();
    let exact_from = (1 < step).then(|| sorted[n_low]);
    Thinned { sorted: kept, ranks, exact_from }
}

/// Points of a square net over two features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Grid {
    across: (f64, f64),
    up: (f64, f64),
    n: usize,
}

/// Why a grid cannot be laid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GridError {
    /// It has no area, or ends that are no numbers.
    #[error("a grid from {low} to {high}; two finite numbers, the lower one first, expected")]
    Range {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// It has too few or too many points to be looked at.
    #[error("a grid of {0} by {0} points; 2 to 1,000 expected")]
    Size(usize),
}

impl Grid {
    /// A grid of `n` by `n` points, both ends of each range among them.
    ///
    /// # Errors
    /// [`GridError`] for a range or a number that makes no picture.
    pub fn new(across: (f64, f64), up: (f64, f64), n: usize) -> Result<Self, GridError> {
        for (low, high) in [across, up] {
            let usable = low.is_finite() && high.is_finite() && low < high;
            if !usable {
                return Err(GridError::Range { low, high });
            }
        }
        if !(2..=1000).contains(&n) {
            return Err(GridError::Size(n));
        }
        Ok(Self { across, up, n })
    }

    /// A grid over all points, with a twentieth of their range on every side.
    ///
    /// # Errors
    /// [`GridError::Size`]; [`GridError::Range`] if there are no points or they are too far apart.
    pub fn around(
        across: impl IntoIterator<Item = f64>,
        up: impl IntoIterator<Item = f64>,
        n: usize,
    ) -> Result<Self, GridError> {
        Self::new(padded(across), padded(up), n)
    }

    /// The points, row by row from the lowest, each from left to right.
    #[expect(clippy::cast_precision_loss, reason = "a grid has at most 1,000 points along a side")]
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let Self { across, up, n } = *self;
        let at = move |(low, high): (f64, f64), place: usize| {
            low + (high - low) * (place as f64 / (n - 1) as f64)
        };
        (0..n).flat_map(move |row| (0..n).map(move |column| (at(across, column), at(up, row))))
    }
}

/// The decision boundaries of one or several detectors over the same two features.
#[derive(Debug, Clone)]
pub struct Boundary {
    /// The names of the two features.
    pub features: (String, String),
    /// Where the detectors were asked.
    pub grid: Grid,
    /// The rows that are drawn on top.
    pub points: Vec<Marked>,
    /// The detectors, side by side.
    pub panels: Vec<BoundaryPanel>,
}

/// Rows drawn as points.
#[derive(Debug, Clone)]
pub struct Marked {
    /// What they are called, such as `training`.
    pub name: String,
    /// The first feature, one value per row.
    pub across: Vec<f64>,
    /// The second feature.
    pub up: Vec<f64>,
}

/// One detector's decisions: threshold − score, below 0 for an outlier, as scikit-learn's `decision_function`.
#[derive(Debug, Clone)]
pub struct BoundaryPanel {
    /// The detector's name.
    pub title: String,
    /// Its decision at every point of the grid, in the grid's order.
    pub grid: Vec<f64>,
    /// For each set of points, its decision on every row.
    pub points: Vec<Vec<f64>>,
}

#[derive(Debug, Serialize)]
struct PageData<'a> {
    title: &'a str,
    figures: &'a [(String, String)],
    parameters: &'a [(String, String)],
    data: &'a [(String, String)],
    scores: &'a ScoreHistogram,
    warnings: &'a [String],
    checks: &'a [(String, String)],
    worst: &'a [WorstRows],
    #[serde(skip_serializing_if = "Option::is_none")]
    boundary: Option<BoundaryData<'a>>,
}

#[derive(Debug, Serialize)]
struct BoundaryData<'a> {
    features: (&'a str, &'a str),
    grid: Grid,
    points: Vec<MarkedData<'a>>,
    panels: Vec<PanelData<'a>>,
}

#[derive(Debug, Serialize)]
struct MarkedData<'a> {
    name: &'a str,
    across: String,
    up: String,
}

#[derive(Debug, Serialize)]
struct PanelData<'a> {
    title: &'a str,
    grid: String,
    points: Vec<String>,
}

/// Makes the page that shows what a training came to: figures, parameters, the histogram of the scores with the
/// threshold, and the decision boundary of a detector of two numbers.
///
/// # Errors
/// [`PageError`] if the data cannot be written as JSON.
pub fn training_page(report: &TrainingReport) -> Result<String, PageError> {
    let TrainingReport {
        title,
        figures,
        warnings,
        checks,
        parameters,
        data,
        scores,
        worst,
        boundary,
    } = report;
    let encode = |values: &[f64]| encode_floats(values.iter().copied());
    let boundary = boundary.as_ref().map(|it| BoundaryData {
        features: (&it.features.0, &it.features.1),
        grid: it.grid,
        points: it
            .points
            .iter()
            .map(|it| MarkedData { name: &it.name, across: encode(&it.across), up: encode(&it.up) })
            .collect(),
        panels: it
            .panels
            .iter()
            .map(|it| PanelData {
                title: &it.title,
                grid: encode(&it.grid),
                points: it.points.iter().map(|it| encode(it)).collect(),
            })
            .collect(),
    });
    let body = BODY.replace("{title}", &escape(title));
    let data =
        PageData { title, figures, parameters, data, scores, warnings, checks, worst, boundary };
    Page { title, body: &body, script: SCRIPT }.render(&data)
}

/// The least and the greatest of finite values.
fn ends(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|it| it.is_finite()).fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// The ends of values and a twentieth more on either side; half a unit where all are equal.
fn padded(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let Some((low, high)) = ends(values) else { return (f64::NAN, f64::NAN) };
    let room = if low < high { (high - low) / 20.0 } else { 0.5 };
    (low - room, high + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_several_sets_share_their_bins() {
        let sets = [
            Scores { name: "training", values: &[0.0, 1.0, 4.0] },
            Scores { name: "test", values: &[8.0, 4.0] },
        ];
        let ScoreHistogram { edges, sets, .. } = ScoreHistogram::of(&sets, 4.0, 2);
        assert_eq!(edges, [0.0, 4.0, 8.0]);
        assert_eq!(sets[0].counts, [2, 1]);
        assert_eq!(sets[1].counts, [0, 2]);
        // A score on the threshold is not above it.
        assert_eq!((sets[0].above, sets[1].above, sets[1].rows), (0, 1, 2));
    }

    #[test]
    fn a_wild_score_is_beyond_the_axis_and_the_threshold_is_on_it() {
        let mut values: Vec<f64> = (0..1000).map(|it| f64::from(it) / 1000.0).collect();
        values.push(1e9);
        let set = [Scores { name: "training", values: &values }];
        let ScoreHistogram { edges, sets, .. } = ScoreHistogram::of(&set, 5.0, 10);
        assert_eq!((edges[0], edges[10]), (0.0, 5.0));
        assert_eq!((sets[0].beyond, sets[0].above, sets[0].greatest), (1, 1, Some(1e9)));
        assert_eq!(sets[0].counts.iter().sum::<usize>(), 1000);
    }

    #[test]
    fn the_highest_scores_are_kept_one_by_one() {
        let values: Vec<f64> = (0..20_000).map(f64::from).collect();
        let Thinned { sorted, ranks, exact_from } = thinned(&values);
        assert_eq!(exact_from, Some(15_000.0));
        assert_eq!(thinned(&values[..2 * KEPT]).exact_from, None);
        assert!(sorted.len() <= 2 * KEPT + 1, "{}", sorted.len());
        assert_eq!(&sorted[sorted.len() - KEPT..], &values[20_000 - KEPT..]);
        assert_eq!((sorted[1], ranks[1], ranks.last()), (3.0, 4, Some(&20_000)));
    }

    #[test]
    fn a_grid_runs_row_by_row_and_holds_its_ends() {
        let grid = Grid::new((0.0, 1.0), (10.0, 20.0), 2).unwrap();
        let points: Vec<_> = grid.points().collect();
        assert_eq!(points, [(0.0, 10.0), (1.0, 10.0), (0.0, 20.0), (1.0, 20.0)]);
        let padded = Grid::around([0.0, 20.0], [3.0, 3.0], 2).unwrap();
        assert_eq!((padded.across, padded.up), ((-1.0, 21.0), (2.5, 3.5)));
    }

    #[test]
    fn grids_without_a_picture_are_refused() {
        let check = |range: (f64, f64), n, expected: &str| {
            let message = Grid::new(range, (0.0, 1.0), n).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        check((2.0, 1.0), 10, "from 2 to 1");
        check((0.0, f64::NAN), 10, "from 0 to NaN");
        check((0.0, f64::INFINITY), 10, "inf");
        check((0.0, 1.0), 1, "1 by 1 points");
        check((0.0, 1.0), 1001, "1001 by 1001");
        assert!(Grid::around([], [1.0], 5).is_err());
    }

    #[test]
    fn a_report_holds_its_figures_and_its_decisions() {
        let grid = Grid::new((0.0, 1.0), (0.0, 1.0), 2).unwrap();
        let report = TrainingReport {
            title: "cards & co".to_owned(),
            figures: vec![("threshold".to_owned(), "0.5".to_owned())],
            warnings: vec!["column `id` looks like an identifier".to_owned()],
            checks: vec![("different scores".to_owned(), "2 of 2 rows".to_owned())],
            worst: vec![WorstRows {
                set: "training".to_owned(),
                rows: vec![WorstRow {
                    row_idx: 1,
                    score: 0.6,
                    p_value: 0.5,
                    is_above: true,
                    reasons: vec![Reason {
                        field: "mean".to_owned(),
                        value: "0.75".to_owned(),
                        contribution: 0.2,
                    }],
                }],
            }],
            parameters: vec![("n_estimators".to_owned(), "100".to_owned())],
            data: vec![("training rows".to_owned(), "2".to_owned())],
            scores: ScoreHistogram::of(
                &[Scores { name: "training", values: &[0.4, 0.6] }],
                0.5,
                10,
            ),
            boundary: Some(Boundary {
                features: ("mean".to_owned(), "sd".to_owned()),
                grid,
                points: vec![Marked {
                    name: "training".to_owned(),
                    across: vec![0.25, 0.75],
                    up: vec![0.5, 0.5],
                }],
                panels: vec![BoundaryPanel {
                    title: "cards".to_owned(),
                    grid: vec![-0.1, 0.1, 0.2, -0.2],
                    points: vec![vec![0.1, -0.1]],
                }],
            }),
        };
        let html = training_page(&report).unwrap();
        for part in [
            "cards &amp; co".to_owned(),
            encode_floats([0.25, 0.75]),
            encode_floats([-0.1, 0.1, 0.2, -0.2]),
            "\"n_estimators\"".to_owned(),
            "looks like an identifier".to_owned(),
        ] {
            assert!(html.contains(&part), "{part}");
        }
    }
}
