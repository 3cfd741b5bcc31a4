//! Both detectors on the census data: known answers of the reference implementations, and the demonstration's
//! anomalies.

use anyhow::Result;
use approx::assert_abs_diff_eq;
use linfa::{DatasetBase, traits::Fit};
use shadowline_detectors::{
    Detector, DetectorArtefact, DetectorParams, IsolationForest, KnnOutlier, TrainOptions,
    isolation_forest::Contamination,
};
use shadowline_features::{Scale, Table, TableColumn};

/// pyod 3.6.7, `KNN(contamination=0.05, n_neighbors=15, p=5)`, fitted on all training rows.
const PYOD_THRESHOLD: f64 = 4.195547771753486;

#[test]
fn knn_equals_pyod_on_the_twelve_feature_census() -> Result<()> {
    let Some(folder) = shadowline_testkit::data_set("adult") else { return Ok(()) };
    let train = crate::support::numbers(&folder.join("adult_train_enc12.csv"), 12)?;
    let test = crate::support::numbers(&folder.join("adult_test_enc12.csv"), 12)?;
    let expected =
        crate::support::numbers(&folder.join("knn15_p5_test_scores.csv"), 2)?.column(1).to_owned();
    let params = KnnOutlier::params().n_neighbors(15).p(5.0).contamination(0.05);
    let knn = params.fit(&DatasetBase::from(train))?;
    assert_abs_diff_eq!(knn.threshold(), PYOD_THRESHOLD, epsilon = 1e-9);
    let scores = knn.score(test.view())?;
    assert_abs_diff_eq!(scores, expected, epsilon = 1e-9);
    // Scores are fifth roots of whole numbers: those on the threshold are equal to it but for the last bits.
    assert_eq!(scores.iter().filter(|it| PYOD_THRESHOLD + 1e-9 < **it).count(), 801);
    assert_eq!(scores.iter().filter(|it| PYOD_THRESHOLD - 1e-9 < **it).count(), 823);
    // And to the bit with our own threshold.
    assert_eq!(scores.iter().filter(|it| knn.threshold() < **it).count(), 801);
    assert_eq!(scores.iter().filter(|it| knn.threshold() <= **it).count(), 823);
    Ok(())
}

/// The demonstration's anomalies, made of normal rows.
fn anomalous(rows: &Table) -> Result<Table> {
    let n = rows.n_rows();
    let columns = rows.columns().iter().map(|(name, column)| {
        let text = |value: &str| TableColumn::Texts(vec![value.to_owned(); n]);
        let integer = |value: i64| TableColumn::Integers(vec![value; n]);
        let column = match (name.as_str(), column) {
            ("age", TableColumn::Integers(ages)) => {
                TableColumn::Integers(ages.iter().map(|it| it + 50).collect())
            }
            ("education", _) => text("Doctorate"),
            ("education-num", _) => integer(16),
            ("occupation", _) => text("Other"),
            ("hours-per-week", _) => integer(60),
            ("capital-loss", _) => integer(1590),
            ("capital-gain", _) => integer(27828),
            ("native-country", _) => text("Germany"),
            _ => column.clone(),
        };
        (name.clone(), column)
    });
    Ok(Table::new(columns.collect())?)
}

/// The share of the test rows, and of 200 anomalous ones, above the threshold.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn flagged(artefact: &DetectorArtefact, test: &Table) -> Result<(f64, f64)> {
    let share = |table: &Table| -> Result<f64> {
        let scores = artefact.score(table)?.scores;
        let threshold = artefact.detector().threshold();
        Ok(scores.iter().filter(|it| threshold < **it).count() as f64 / scores.len() as f64)
    };
    Ok((share(test)?, share(&anomalous(&test.rows(0..200))?)?))
}

#[test]
fn standardised_knn_tells_anomalous_census_rows_from_normal_ones() -> Result<()> {
    let Some(folder) = shadowline_testkit::data_set("adult") else { return Ok(()) };
    let train = crate::support::census(&folder.join("adult.data"))?.without(&["income"])?;
    let test = crate::support::census(&folder.join("adult.test"))?.without(&["income"])?;
    let params = DetectorParams::Knn(KnnOutlier::params().n_neighbors(15).contamination(0.05));
    for dropped in [&[][..], &["fnlwgt"]] {
        let artefact = DetectorArtefact::train(
            "knn",
            &params,
            &TrainOptions::scaled(Scale::Standard),
            &train.without(dropped)?,
        )?;
        let (normal, anomalous) = flagged(&artefact, &test)?;
        println!(
            "knn without {dropped:?}: {normal:.4} of normal, {anomalous:.4} of anomalous rows"
        );
        assert!(normal <= 0.06, "{normal} of the normal rows");
        assert!(0.95 <= anomalous, "{anomalous} of the anomalous rows");
    }
    Ok(())
}

#[test]
fn the_forest_flags_the_share_that_contamination_names() -> Result<()> {
    let Some(folder) = shadowline_testkit::data_set("adult") else { return Ok(()) };
    let train = crate::support::census(&folder.join("adult.data"))?.without(&["income"])?;
    let test = crate::support::census(&folder.join("adult.test"))?.without(&["income"])?;
    let forest =
        IsolationForest::params().contamination(Contamination::Share(0.04)).random_state(42);
    let artefact = DetectorArtefact::train(
        "forest",
        &DetectorParams::IsolationForest(forest),
        &TrainOptions::default(),
        &train,
    )?;
    let n_above = artefact.training_scores().n_above(artefact.detector().threshold());
    assert!(n_above.abs_diff(train.n_rows() * 4 / 100) <= 3, "{n_above} training rows");
    let (normal, anomalous) = flagged(&artefact, &test)?;
    println!("forest: {normal:.4} of normal, {anomalous:.4} of anomalous rows");
    assert!((0.03..0.05).contains(&normal), "{normal} of the normal rows");
    assert!(0.95 <= anomalous, "{anomalous} of the anomalous rows");
    Ok(())
}
