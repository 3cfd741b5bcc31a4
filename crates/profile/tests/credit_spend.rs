//! Known answers on the card-spending data: pandas 3.0's `describe`, numpy's `histogram`, Tukey's fences.

use std::path::Path;

use anyhow::{Context, Result};
use shadowline_features::{Table, TableBuilder};
use shadowline_profile::{NumberProfile, TableProfile};
use shadowline_testkit::data_set;

fn table(path: &Path) -> Result<Table> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("read {}", path.display()))?;
    let names: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let mut rows = TableBuilder::new(names)?;
    for row in reader.records() {
        rows.push_row(row?.iter())?;
    }
    Ok(rows.finish())
}

fn numbers(profile: &TableProfile, column: usize) -> &NumberProfile {
    profile.columns[column].numbers.as_ref().expect("both columns are numbers")
}

/// mean, std, min, 25 %, 50 %, 75 %, max
#[track_caller]
fn check_describe(profile: &TableProfile, column: usize, expected: [f64; 7]) {
    let it = numbers(profile, column).describe;
    let got = [it.mean, it.std.unwrap_or(f64::NAN), it.min, it.q25, it.q50, it.q75, it.max];
    assert_eq!(it.count, profile.shape.0);
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= 1e-9, "{got} is not {expected}");
    }
}

const MEAN_LOW: f64 = -0.284888668897;
const MEAN_MODE: f64 = -0.157952696821;
const SD_LOW: f64 = -0.106748982836;
const SD_Q75: f64 = -0.106242231035;

#[test]
fn describe_equals_pandas() -> Result<()> {
    let Some(folder) = data_set("credit-spend") else { return Ok(()) };
    let train = TableProfile::of(&table(&folder.join("train.csv"))?, 20);
    let test = TableProfile::of(&table(&folder.join("test.csv"))?, 20);
    assert_eq!((train.shape, test.shape), ((64_227, 2), (16_057, 2)));
    let (mean_q75, mean_high) = (-0.135285558950, 66.324762678207);
    let mean =
        [-0.002097114561, 0.953965943054, MEAN_LOW, MEAN_MODE, MEAN_MODE, mean_q75, mean_high];
    check_describe(&train, 0, mean);
    let sd = [0.000773484656, 1.020191918766, SD_LOW, SD_LOW, SD_LOW, SD_Q75, 57.676982229486];
    check_describe(&train, 1, sd);
    let mean_q75 = -0.118285205547;
    let mean =
        [0.008388327638, 1.166123374950, MEAN_LOW, MEAN_MODE, MEAN_MODE, mean_q75, mean_high];
    check_describe(&test, 0, mean);
    let sd = [-0.003093890451, 0.914844966334, SD_LOW, SD_LOW, SD_LOW, SD_Q75, 51.785813305646];
    check_describe(&test, 1, sd);
    Ok(())
}

#[test]
fn twenty_bins_count_as_numpy_does() -> Result<()> {
    let Some(folder) = data_set("credit-spend") else { return Ok(()) };
    let train = TableProfile::of(&table(&folder.join("train.csv"))?, 20);
    let mean = [63844, 296, 25, 17, 4, 15, 10, 4, 0, 2, 1, 1, 2, 0, 1, 0, 1, 1, 1, 2];
    assert_eq!(numbers(&train, 0).histogram.counts, mean);
    let sd = [63893, 196, 30, 29, 24, 8, 5, 12, 3, 2, 6, 4, 2, 6, 1, 1, 2, 2, 0, 1];
    assert_eq!(numbers(&train, 1).histogram.counts, sd);
    Ok(())
}

#[test]
fn the_fences_leave_the_known_shares_outside() -> Result<()> {
    let Some(folder) = data_set("credit-spend") else { return Ok(()) };
    let train = TableProfile::of(&table(&folder.join("train.csv"))?, 20);
    for (column, percent, width) in [(0, "29.43", 0.022_667), (1, "10.22", 0.000_507)] {
        let it = numbers(&train, column).box_plot;
        assert_eq!(format!("{:.2}", 100.0 * it.share_outside), percent);
        assert!((it.q3 - it.q1 - width).abs() < 1e-6, "{}", it.q3 - it.q1);
        assert!((it.lower_fence - (it.q1 - 1.5 * (it.q3 - it.q1))).abs() < 1e-15);
        assert!((it.upper_fence - (it.q3 + 1.5 * (it.q3 - it.q1))).abs() < 1e-15);
    }
    Ok(())
}
