//! Forests of scikit-learn, read from JSON and ONNX: their scores are scikit-learn's, on every row.
//!
//! `tools/forest_fixtures.py` made the fixtures; `fixtures/interchange/VERSIONS.txt` says with which versions.

use std::{io::Read, path::Path};

use anyhow::{Context, Result};
use linfa::{DatasetBase, traits::Fit};
use ndarray::Array2;
use shadowline_detectors::{
    Detector, IsolationForest,
    isolation_forest::{Contamination, MaxSamples, average_path_length, interchange::JsonForest},
};

/// A fixture, as it was before it was compressed.
fn fixture(name: &str) -> Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/interchange")
        .join(format!("{name}.z"));
    let file = std::fs::File::open(&path).with_context(|| format!("open {}", path.display()))?;
    let mut content = Vec::new();
    flate2::read::ZlibDecoder::new(file).read_to_end(&mut content)?;
    Ok(content)
}

fn json(name: &str) -> Result<IsolationForest> {
    let text = String::from_utf8(fixture(&format!("{name}.json"))?)?;
    Ok(IsolationForest::from_json(&text)?)
}

fn onnx(name: &str) -> Result<IsolationForest> {
    Ok(IsolationForest::from_onnx(&fixture(&format!("{name}.onnx"))?)?)
}

/// Scikit-learn's `score_samples` and `predict`.
fn expected(name: &str) -> Result<(Vec<f64>, Vec<i8>)> {
    let content = fixture(&format!("{name}.scores"))?;
    let (scores, sides) = content.split_at(content.len() / 5 * 4);
    let scores = scores.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it).into());
    Ok((scores.collect(), sides.iter().map(|it| it.cast_signed()).collect()))
}

/// Compares every row. `margin` is how near to the threshold a record may fall on its other side.
#[track_caller]
fn check(name: &str, forest: &IsolationForest, records: &Array2<f64>, margin: f64) -> Result<()> {
    let (scores, sides) = expected(name)?;
    assert_eq!(records.nrows(), scores.len(), "rows of {name}");
    let got = forest.score_samples(records.view())?;
    let errors = got.iter().zip(&scores).map(|(got, expected)| (got - expected).abs());
    let worst = errors.fold(0.0, f64::max);
    assert!(worst <= 1e-6, "{name}: a score is {worst} away");
    let decision = forest.decision_function(records.view())?;
    let got = forest.predict(records.view())?;
    let mut n_other_side = 0;
    for (record_idx, (got, expected)) in got.iter().zip(&sides).enumerate() {
        if got != expected {
            n_other_side += 1;
            let distance = decision[record_idx].abs();
            assert!(
                distance <= margin,
                "{name}: record {record_idx}, {distance} off the threshold"
            );
        }
    }
    eprintln!("{name}: {} rows, worst {worst:.1e}, {n_other_side} on the other side", sides.len());
    Ok(())
}

/// Every record is on scikit-learn's side.
const EXACT: f64 = 0.0;
/// ONNX has the offset as a 32-bit float.
const NARROW: f64 = 1e-7;

#[test]
fn census_forests_score_as_scikit_learn() -> Result<()> {
    let Some(folder) = shadowline_testkit::data_set("adult") else { return Ok(()) };
    let records = crate::support::numbers(&folder.join("adult_test_enc12.csv"), 12)?;
    check("adult", &json("adult")?, &records, EXACT)?;
    check("adult", &onnx("adult")?, &records, NARROW)?;
    check("adult_features", &json("adult_features")?, &records, EXACT)
}

#[test]
fn spending_forests_score_as_scikit_learn() -> Result<()> {
    let Some(folder) = shadowline_testkit::data_set("credit-spend") else { return Ok(()) };
    let records = crate::support::numbers(&folder.join("test.csv"), 2)?;
    for name in ["credit", "credit_bootstrap"] {
        check(name, &json(name)?, &records, EXACT)?;
        check(name, &onnx(name)?, &records, NARROW)?;
    }
    Ok(())
}

fn wine() -> Array2<f64> {
    linfa_datasets::winequality().records().to_owned()
}

#[test]
fn wine_forests_score_as_scikit_learn() -> Result<()> {
    for name in ["wine", "wine_few", "wine_single"] {
        check(name, &json(name)?, &wine(), EXACT)?;
        check(name, &onnx(name)?, &wine(), NARROW)?;
    }
    Ok(())
}

#[test]
fn missing_values_go_the_way_they_went_in_scikit_learn() -> Result<()> {
    let mut records = wine();
    for ((row, column), value) in records.indexed_iter_mut() {
        if (31 * row + 17 * column) % 11 == 0 {
            *value = f64::NAN;
        }
    }
    check("wine_gaps", &json("wine_gaps")?, &records, EXACT)
}

#[test]
fn what_a_document_says_of_a_forest_is_kept() -> Result<()> {
    let forest = json("adult_features")?;
    assert_eq!((forest.n_estimators(), forest.n_samples(), forest.n_features()), (12, 100, 12));
    let document = JsonForest::of(&forest, None)?;
    let params = document.params.context("params")?;
    assert_eq!(params.max_features, 6);
    let document: JsonForest = serde_json::from_slice(&fixture("credit_bootstrap.json")?)?;
    assert!(document.made_by.starts_with("scikit-learn 1.9"));
    let again = JsonForest::of(&IsolationForest::try_from(document.clone())?, None)?;
    assert_eq!(again.params, document.params);
    assert_eq!(again.offset.to_bits(), document.offset.to_bits());
    Ok(())
}

#[test]
fn a_forest_from_here_comes_back_from_json_and_onnx() -> Result<()> {
    let mut records = wine();
    for holes in [false, true] {
        if holes {
            records.column_mut(3).iter_mut().step_by(5).for_each(|it| *it = f64::NAN);
        }
        let forest = IsolationForest::params()
            .n_estimators(20)
            .max_samples(MaxSamples::Count(200))
            .contamination(Contamination::Share(0.05))
            .random_state(3)
            .fit(&DatasetBase::from(records.clone()))?;
        let plain = forest.to_plain()?;
        let scores = forest.score(records.view())?;

        let read = IsolationForest::from_json(&forest.to_json()?)?;
        assert_eq!(read.to_plain()?, plain);
        assert_eq!(read.score(records.view())?, scores);
        assert_eq!(read.predict(records.view())?, forest.predict(records.view())?);

        let read = IsolationForest::from_onnx(&forest.to_onnx()?)?;
        let mut read_plain = read.to_plain()?;
        assert!((read_plain.offset - plain.offset).abs() < NARROW);
        read_plain.offset = plain.offset;
        assert_eq!(read_plain, plain);
        assert_eq!(read.score(records.view())?, scores);
    }
    Ok(())
}

#[test]
fn forests_of_scikit_learn_can_be_written_on() -> Result<()> {
    for name in ["wine", "wine_few", "credit_bootstrap", "adult_features"] {
        let forest = json(name)?;
        let read = IsolationForest::from_onnx(&forest.to_onnx()?)?;
        assert_eq!(read.to_plain()?.trees, forest.to_plain()?.trees);
        assert_eq!(read.n_samples(), forest.n_samples());
        assert_eq!(IsolationForest::from_json(&forest.to_json()?)?.to_plain()?, forest.to_plain()?);
    }
    let error = json("wine_single")?.to_onnx().unwrap_err();
    assert_eq!(
        error.to_string(),
        "trees of one sample have no path length to divide by; at least 2 samples expected"
    );
    Ok(())
}

#[test]
fn an_extended_forest_has_no_plain_cuts_to_write() -> Result<()> {
    let forest = IsolationForest::params().extension_level(1).fit(&DatasetBase::from(wine()))?;
    let expected = "the trees make no forest";
    assert_eq!(forest.to_onnx().unwrap_err().to_string(), expected);
    assert_eq!(forest.to_json().unwrap_err().to_string(), expected);
    Ok(())
}

/// A tree of 400 cuts one below the other, which no forest of ours has: value `i` leaves after cut `i`.
#[test]
fn a_tree_of_any_depth_scores_by_its_path() -> Result<()> {
    let n_cuts = 400_u32;
    let (mut left, mut right, mut threshold, mut n_samples) = (vec![], vec![], vec![], vec![]);
    for cut in 0..n_cuts {
        // The cut, and the leaf on its left.
        let place = i64::from(2 * cut);
        left.extend([place + 1, -1]);
        right.extend([place + 2, -1]);
        threshold.extend([f64::from(cut), 0.0]);
        n_samples.extend([n_cuts + 1 - cut, 1]);
    }
    left.push(-1);
    right.push(-1);
    threshold.push(0.0);
    n_samples.push(1);
    let n_nodes = left.len();
    let document = serde_json::json!({
        "format": "shadowline-isolation-forest", "version": 1, "made_by": "hand", "n_features": 1,
        "max_samples": n_cuts + 1, "offset": -0.5, "trees": [{
            "left": left, "right": right, "feature": vec![0; n_nodes], "threshold": threshold,
            "missing_goes_left": vec![false; n_nodes], "n_samples": n_samples,
        }],
    });
    let forest = IsolationForest::from_json(&document.to_string())?;
    let written = IsolationForest::from_onnx(&forest.to_onnx()?)?;
    let longest = average_path_length(401);
    for (value, path_length) in [(0.0, 1.0), (17.0, 18.0), (399.0, 400.0), (1000.0, 400.0)] {
        let expected = 2f64.powf(-path_length / longest);
        for forest in [&forest, &written] {
            let score = forest.score(ndarray::array![[value]].view())?[0];
            assert!((score - expected).abs() < 1e-12, "{value}: {score}, {expected} expected");
        }
    }
    Ok(())
}

/// Replaces the first of some bytes of a model that skl2onnx wrote, as long as they are; says why it is refused.
#[track_caller]
fn check_model_refused(old: &str, new: &str, expected: &str) -> Result<()> {
    assert_eq!(old.len(), new.len());
    let mut model = fixture("wine_few.onnx")?;
    let place =
        model.windows(old.len()).position(|it| it == old.as_bytes()).context("not there")?;
    model[place..place + old.len()].copy_from_slice(new.as_bytes());
    let error = IsolationForest::from_onnx(&model).err().context("it is accepted")?;
    assert_eq!(error.to_string(), expected);
    Ok(())
}

#[test]
fn a_model_of_something_else_is_refused_by_name() -> Result<()> {
    // A field of a message starts with its number and length: `"` is that of a node's operator.
    check_model_refused(
        "\"\x03Log",
        "\"\x03Exp",
        "node `eqp_log0_Log` is Exp of 1 inputs; Log of 1 expected",
    )?;
    check_model_refused(
        "BRANCH_LEQ",
        "BRANCH_GTE",
        "attribute `nodes_modes` of node `node_sample0_TreeEnsembleRegressor` (TreeEnsembleRegressor): BRANCH_LEQ and LEAF expected",
    )?;
    check_model_refused(
        "NONE",
        "SOFT",
        "attribute `post_transform` of node `node_sample0_TreeEnsembleRegressor` (TreeEnsembleRegressor): NONE expected",
    )?;
    check_model_refused(
        "n_targets",
        "n_torgets",
        "attribute `n_targets` of node `node_sample0_TreeEnsembleRegressor` (TreeEnsembleRegressor): 1 expected",
    )?;
    check_model_refused(
        "scores",
        "storms",
        "value `scores` is computed by no node, where one is expected",
    )?;
    check_model_refused(
        "\n\x01X",
        "\n\x01Y",
        "value `Y` is used where an isolation forest uses `X`",
    )?;
    let error = IsolationForest::from_onnx(&fixture("scaled.onnx")?).unwrap_err();
    assert_eq!(error.to_string(), "node `Scaler` (Scaler) has no part in an isolation forest");
    Ok(())
}

#[track_caller]
fn check_document_refused(
    change: impl FnOnce(&mut serde_json::Value),
    expected: &str,
) -> Result<()> {
    let mut document = serde_json::from_slice(&fixture("wine_few.json")?)?;
    change(&mut document);
    let error =
        IsolationForest::from_json(&document.to_string()).err().context("it is accepted")?;
    assert_eq!(format!("{:#}", anyhow::Error::new(error)), expected);
    Ok(())
}

#[test]
fn a_document_of_something_else_is_refused() -> Result<()> {
    check_document_refused(
        |it| it["format"] = "forest".into(),
        "format is `forest`; `shadowline-isolation-forest` expected",
    )?;
    check_document_refused(
        |it| {
            it["version"] = 2.into();
            it["new"] = 1.into();
        },
        "version is 2; 1 expected",
    )?;
    check_document_refused(
        |it| it["feature_names"] = serde_json::json!(["a"]),
        "1 feature_names of 11 features",
    )?;
    check_document_refused(
        |it| it["trees"][1]["right"] = serde_json::json!([-1]),
        "`right` of tree 1 has 1 entries; 7, as `left` has, expected",
    )?;
    check_document_refused(
        |it| it["trees"][0]["left"][0] = (-1).into(),
        "node 0 of tree 0 has `left` -1; -1 as both children, or numbers from 0 expected",
    )?;
    check_document_refused(
        |it| it["trees"][0]["left"][0] = 0.into(),
        "the trees make no forest: node 0 of tree 0 has child 0; a node after it, of 7, expected",
    )?;
    check_document_refused(
        |it| it["trees"][0]["feature"][0] = 11.into(),
        "the trees make no forest: node 0 of tree 0 cuts feature 11 of 11",
    )?;
    check_document_refused(
        |it| it["params"]["contamination"] = 0.9.into(),
        "params of no forest: contamination is 0.9; a share above 0 and at most 0.5 expected",
    )?;
    check_document_refused(
        |it| it["params"]["max_features"] = 12.into(),
        "params of no forest: max_features is 12 of 11 features; a count within them, or a share above 0 and at most 1 expected",
    )?;
    check_document_refused(
        |it| it["n_features"] = 1_000_000_000_000_u64.into(),
        "the trees make no forest: 1000000000000 features; 1 to 65,535 expected",
    )?;
    Ok(())
}

/// Whatever the bytes, reading ends with an error, or with a forest that scores.
fn read_anything(bytes: &[u8]) -> bool {
    let forests = [
        IsolationForest::from_onnx(bytes).ok(),
        std::str::from_utf8(bytes).ok().and_then(|it| IsolationForest::from_json(it).ok()),
    ];
    let mut is_forest = false;
    for forest in forests.into_iter().flatten() {
        is_forest = true;
        let score =
            forest.score(Array2::zeros((1, forest.n_features())).view()).expect("it scores")[0];
        assert!((0.0..=1.0).contains(&score), "{score}");
    }
    is_forest
}

#[test]
fn cut_off_models_and_documents_are_refused() -> Result<()> {
    let ours = json("wine_few")?;
    for bytes in [
        fixture("wine_few.onnx")?,
        fixture("wine_few.json")?,
        ours.to_onnx()?,
        ours.to_json()?.into_bytes(),
    ] {
        assert!(read_anything(&bytes));
        let text_end = bytes.trim_ascii_end().len();
        // The last fields of a model are the versions of its operators, which are not read.
        let n_forests =
            (0..text_end).step_by(7).filter(|end| read_anything(&bytes[..*end])).count();
        assert!(n_forests <= 10, "{n_forests} cut off");
    }
    Ok(())
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 400,
        rng_seed: proptest::test_runner::RngSeed::Fixed(3),
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(0_u8..=255, 0..300)) {
        read_anything(&bytes);
    }

    #[test]
    fn changed_bytes_never_panic(
        which in 0..4_usize,
        changes in proptest::collection::vec((0.0..1.0, 0_u8..=255), 1..6),
    ) {
        let forest = json("wine_few").unwrap();
        let mut bytes = match which {
            0 => fixture("wine_few.onnx").unwrap(),
            1 => fixture("wine_few.json").unwrap(),
            2 => forest.to_onnx().unwrap(),
            _ => forest.to_json().unwrap().into_bytes(),
        };
        for (place, value) in changes {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] = value;
        }
        read_anything(&bytes);
    }
}
