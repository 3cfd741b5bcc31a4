//! Logistic regression on data whose answer is known, on the wine-quality data and on the census data.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{error::Error, panic::catch_unwind, path::Path};

use anyhow::Result;
use shadowline_artefact::{ArtefactError, ArtefactReader, ArtefactWriter, SectionData};
use shadowline_contract::{Batch, Column, DataType, Tensor, TensorData};
use shadowline_features::{FeatureError, Missing, Table, TableBuilder, TableColumn};
use shadowline_models::{KIND, LogisticRegression, PredictError, TrainError};

/// The share of rows whose label the model names.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn accuracy(model: &LogisticRegression, table: &Table, label: &str) -> f64 {
    let expected = table.column(label).unwrap().to_texts();
    let labels = model.predict(table).unwrap().labels;
    labels.iter().zip(&expected).filter(|(a, b)| a == b).count() as f64 / expected.len() as f64
}

/// Records of class `a` below x = 1.5 and `b` from there on; with three classes, every green one is a `d`.
fn table(n_classes: usize) -> Table {
    let mut rows = TableBuilder::new(["x", "colour", "class"]).unwrap();
    for row in 0..300 {
        let x = f64::from(row % 30) / 10.0;
        let colour = ["red", "green"][usize::from(row % 7 == 0)];
        let class = match n_classes {
            2 => ["a", "b"][usize::from(1.5 <= x)],
            _ if colour == "green" => "d",
            _ => ["a", "b"][usize::from(1.5 <= x)],
        };
        rows.push_row([x.to_string().as_str(), colour, class]).unwrap();
    }
    rows.finish()
}

fn model(n_classes: usize) -> LogisticRegression {
    LogisticRegression::params().alpha(0.01).train("letters", &table(n_classes), "class").unwrap()
}

fn record(x: f64, colour: &str) -> Batch {
    let columns = vec![
        Column { name: "x".to_owned(), tensor: Tensor::vector(TensorData::Float64(vec![x])) },
        Column {
            name: "colour".to_owned(),
            tensor: Tensor::vector(TensorData::String(vec![colour.to_owned()])),
        },
    ];
    Batch::new(1, columns).unwrap()
}

#[test]
fn classes_that_a_line_parts_are_told_apart() {
    for n_classes in [2, 3] {
        let model = model(n_classes);
        assert!(0.98 <= accuracy(&model, &table(n_classes), "class"), "{n_classes} classes");
        let sure = model.predict(&record(0.0, "red")).unwrap();
        assert_eq!(sure.labels, ["a"]);
        assert!(0.95 < sure.probabilities[0] && sure.probabilities[0] <= 1.0, "{sure:?}");
    }
}

#[test]
fn a_missing_number_is_the_median_where_training_was_told_so() {
    let mut rows = TableBuilder::new(["x", "class"]).unwrap();
    for row in 0..300 {
        let x = row % 30;
        let cell = if row % 4 == 0 { String::new() } else { x.to_string() };
        rows.push_row([cell.as_str(), ["a", "b"][usize::from(15 <= x)]]).unwrap();
    }
    let table = rows.finish();
    let params = |missing| LogisticRegression::params().alpha(0.01).missing(missing);
    let error = params(Missing::Refuse).train("gaps", &table, "class").unwrap_err();
    assert!(matches!(error, TrainError::Preprocessing(_)), "{error}");
    let error = params(Missing::Keep).train("gaps", &table, "class").unwrap_err();
    assert!(matches!(error, TrainError::KeepMissing), "{error}");

    let model = params(Missing::Median).train("gaps", &table, "class").unwrap();
    let one = |x: f64| {
        let tensor = Tensor::vector(TensorData::Float64(vec![x]));
        Batch::new(1, vec![Column { name: "x".to_owned(), tensor }]).unwrap()
    };
    let mut present = table.column("x").unwrap().to_numbers().unwrap();
    present.retain(|it| !it.is_nan());
    let median = shadowline_features::percentile(&present, 50.0).unwrap();
    let again = LogisticRegression::from_bytes(&model.to_bytes().unwrap()).unwrap();
    for model in [&model, &again] {
        let missing = model.predict(&one(f64::NAN)).unwrap();
        assert_eq!(missing, model.predict(&one(median)).unwrap());
        assert_eq!(model.predict(&one(0.0)).unwrap().labels, ["a"]);
        assert_eq!(model.predict(&one(29.0)).unwrap().labels, ["b"]);
    }
    let field = &table.without(&["class"]).unwrap().fields()[0];
    assert!(field.nullable, "{field:?}");
}

#[test]
fn a_row_without_a_label_is_refused() {
    let mut rows = TableBuilder::new(["x", "class"]).unwrap();
    for (x, class) in [("1", "a"), ("2", ""), ("3", "b")] {
        rows.push_row([x, class]).unwrap();
    }
    let error = LogisticRegression::params().train("m", &rows.finish(), "class").unwrap_err();
    assert!(matches!(error, TrainError::NoLabel { row_idx: 1, .. }), "{error}");
}

#[test]
fn the_probability_of_the_answer_is_the_largest() {
    let (two, three) = (model(2), model(3));
    for step in 0..60 {
        let record = record(f64::from(step) / 20.0, "red");
        assert!(0.5 <= two.predict(&record).unwrap().probabilities[0]);
        assert!(1.0 / 3.0 <= three.predict(&record).unwrap().probabilities[0]);
    }
}

#[test]
fn one_record_alone_has_the_same_bits_as_among_others() {
    for model in [model(2), model(3)] {
        let batch = table(2).to_batch();
        let together = model.predict(&batch).unwrap();
        for record_idx in 0..batch.n_records() {
            let alone = model.predict(&batch.record(record_idx)).unwrap();
            assert_eq!(alone.labels[0], together.labels[record_idx]);
            assert_eq!(
                alone.probabilities[0].to_bits(),
                together.probabilities[record_idx].to_bits()
            );
        }
    }
}

#[test]
fn the_answer_is_a_batch_of_the_outputs() {
    let model = model(2);
    let answer = model.predict_batch(&record(3.0, "red")).unwrap();
    let types: Vec<(&str, DataType)> =
        answer.columns().iter().map(|it| (it.name.as_str(), it.tensor.data_type())).collect();
    assert_eq!(types, [("class", DataType::String), ("probability", DataType::Float64)]);
    let outputs = model.outputs();
    assert_eq!(
        outputs.iter().map(|it| (it.name.as_str(), it.data_type)).collect::<Vec<_>>(),
        types
    );
    assert_eq!(answer.column("class").unwrap().data().as_str(0), Some("b"));
}

#[test]
fn a_category_that_training_never_saw_is_counted() {
    assert_eq!(model(2).predict(&record(1.0, "mauve")).unwrap().n_unseen, 1);
    let error = model(2).predict(&record(f64::NAN, "red")).unwrap_err();
    assert!(matches!(error, PredictError::Feature(FeatureError::NotFinite { .. })));
}

#[test]
fn a_table_without_an_answer_is_refused() {
    let train =
        |table: &Table, label| LogisticRegression::params().train("m", table, label).unwrap_err();
    assert!(matches!(train(&table(2), "kind"), TrainError::Label(_)));
    let constant = Table::new(vec![
        ("x".to_owned(), TableColumn::Integers(vec![1, 2])),
        ("class".to_owned(), TableColumn::Integers(vec![7, 7])),
    ])
    .unwrap();
    assert_eq!(
        train(&constant, "class").to_string(),
        "label column `class` has 1 classes; at least 2 expected"
    );
    let only_label = table(2).without(&["x", "colour"]).unwrap();
    assert!(matches!(train(&only_label, "class"), TrainError::Preprocessing(_)));
    let taken = Table::new(vec![
        ("x".to_owned(), TableColumn::Integers(vec![1, 2])),
        ("probability".to_owned(), TableColumn::Integers(vec![0, 1])),
    ])
    .unwrap();
    assert!(matches!(train(&taken, "probability"), TrainError::LabelName));
    assert!(matches!(train(&table(2).rows(0..0), "class"), TrainError::Preprocessing(_)));
}

#[test]
fn a_round_trip_is_exact_and_damage_is_refused() {
    for model in [model(2), model(3)] {
        let bytes = model.to_bytes().unwrap();
        assert_eq!(LogisticRegression::from_bytes(&bytes).unwrap(), model);
        for at in 0..bytes.len() {
            let error = LogisticRegression::from_bytes(&bytes[..at]).unwrap_err();
            assert!(matches!(error, ArtefactError::Length { .. }), "{at} bytes: {error}");
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 1 << (at % 8);
            LogisticRegression::from_bytes(&corrupt).unwrap_err();
        }
    }
}

/// The artefact with other weights, intercepts or header, and a right checksum.
fn crafted(
    model: &LogisticRegression,
    change: impl FnOnce(&mut Vec<f64>, &mut Vec<f64>, &mut serde_json::Value),
) -> Vec<u8> {
    let mut reader = ArtefactReader::new(&model.to_bytes().unwrap()).unwrap();
    let mut body: serde_json::Value = reader.body().unwrap();
    let (mut weights, mut intercepts) =
        (reader.take_f64("weights").unwrap(), reader.take_f64("intercepts").unwrap());
    change(&mut weights, &mut intercepts, &mut body);
    ArtefactWriter::new(KIND)
        .section("weights", SectionData::F64(weights))
        .section("intercepts", SectionData::F64(intercepts))
        .finish(&body)
        .unwrap()
}

#[track_caller]
fn check_crafted(
    change: impl FnOnce(&mut Vec<f64>, &mut Vec<f64>, &mut serde_json::Value),
    expected: &str,
) {
    let error = LogisticRegression::from_bytes(&crafted(&model(3), change)).unwrap_err();
    let message = error.source().map_or(error.to_string(), |source| format!("{error}: {source}"));
    assert!(message.contains(expected), "{message}");
}

#[test]
fn an_inconsistent_artefact_is_refused_with_its_reason() {
    check_crafted(|weights, _, _| weights.truncate(4), "4 weights for 3 rows of 3 features");
    check_crafted(|_, intercepts, _| intercepts.truncate(1), "1 intercepts for 3 rows of weights");
    check_crafted(|weights, _, _| weights[0] = f64::NAN, "not finite");
    check_crafted(|_, _, body| body["classes"] = serde_json::json!(["b", "a", "c"]), "sorted list");
    check_crafted(|_, _, body| body["classes"] = serde_json::json!(["a"]), "sorted list");
    check_crafted(|_, _, body| body["label"] = "probability".into(), "both outputs");
    check_crafted(
        |_, _, body| body["preprocessing"]["features"] = serde_json::json!([]),
        "no features",
    );
    check_crafted(|_, _, body| body["name"] = 7.into(), "string");
}

#[test]
fn weights_without_bounds_are_an_error_and_no_panic() {
    for n_classes in [2, 3] {
        let bytes = crafted(&model(n_classes), |weights, _, _| {
            for (idx, weight) in weights.iter_mut().enumerate() {
                *weight = if idx % 2 == 0 { f64::MAX } else { f64::MIN };
            }
        });
        let outcome = catch_unwind(|| {
            let model = LogisticRegression::from_bytes(&bytes).unwrap();
            for x in [-1e300, 0.0, 1e300] {
                if let Ok(predictions) = model.predict(&record(x, "red")) {
                    assert!((0.0..=1.0).contains(&predictions.probabilities[0]), "{predictions:?}");
                }
            }
        });
        assert!(outcome.is_ok(), "{n_classes} classes");
    }
}

#[test]
fn good_wine_is_told_from_the_rest() {
    let wine = linfa_datasets::winequality();
    let mut columns: Vec<(String, TableColumn)> = wine
        .feature_names()
        .iter()
        .zip(wine.records().columns())
        .map(|(name, column)| (name.to_string(), TableColumn::Numbers(column.to_vec())))
        .collect();
    let quality = wine
        .targets()
        .iter()
        .map(|it| if 7 <= *it { "good" } else { "ordinary" }.to_owned())
        .collect();
    columns.push(("quality".to_owned(), TableColumn::Texts(quality)));
    let table = Table::new(columns).unwrap();
    let model = LogisticRegression::params().train("wine", &table, "quality").unwrap();
    let accuracy = accuracy(&model, &table, "quality");
    println!("wine: accuracy {accuracy:.4}");
    assert!(0.87 < accuracy, "{accuracy}");
}

fn census(path: &Path) -> Result<Table> {
    let mut rows = TableBuilder::new([
        "age",
        "workclass",
        "fnlwgt",
        "education",
        "education-num",
        "marital-status",
        "occupation",
        "relationship",
        "race",
        "sex",
        "capital-gain",
        "capital-loss",
        "hours-per-week",
        "native-country",
        "income",
    ])?;
    for line in
        std::fs::read_to_string(path)?.lines().filter(|it| !it.is_empty() && !it.starts_with('|'))
    {
        rows.push_row(line.trim_end_matches('.').split(','))?;
    }
    Ok(rows.finish())
}

#[test]
fn census_income_is_predicted_as_well_as_this_kind_of_model_can() -> Result<()> {
    let Some(folder) = shadowline_testkit::data_set("adult") else { return Ok(()) };
    let model = LogisticRegression::params().train(
        "census",
        &census(&folder.join("adult.data"))?,
        "income",
    )?;
    let accuracy = accuracy(&model, &census(&folder.join("adult.test"))?, "income");
    println!("census: accuracy {accuracy:.4} on held-out rows");
    assert!(0.845 < accuracy, "{accuracy}");
    Ok(())
}
