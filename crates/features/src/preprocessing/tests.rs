//! Preprocessing against hand calculation.

use ndarray::array;
use shadowline_contract::{Batch, Column, Tensor, TensorData};

use super::*;
use crate::{InputsAndOutputs, TableColumn};

fn table() -> Table {
    Table::new(vec![
        ("age".to_owned(), TableColumn::Integers(vec![20, 40, 20, 40])),
        (
            "job".to_owned(),
            TableColumn::Texts(["clerk", "?", "cook", ""].map(ToOwned::to_owned).to_vec()),
        ),
    ])
    .unwrap()
}

fn batch(age: TensorData, job: &[&str]) -> Batch {
    let job = TensorData::String(job.iter().map(ToString::to_string).collect());
    let columns = vec![
        Column { name: "job".to_owned(), tensor: Tensor::vector(job) },
        Column { name: "age".to_owned(), tensor: Tensor::vector(age) },
    ];
    Batch::new(columns[0].tensor.shape()[0], columns).unwrap()
}

#[track_caller]
fn check_scale(scale: Scale, expected: [f64; 4]) {
    let preprocessing =
        Preprocessing::fit(&table().without(&["job"]).unwrap(), CategoryEncoding::Code, scale)
            .unwrap();
    let rows = preprocessing.transform(&table()).unwrap();
    assert_eq!(rows.values.column(0).to_vec(), expected, "{scale:?}");
}

#[test]
fn scaling_matches_hand_calculation() {
    check_scale(Scale::None, [20.0, 40.0, 20.0, 40.0]);
    check_scale(Scale::Standard, [-1.0, 1.0, -1.0, 1.0]);
    check_scale(Scale::MinMax, [0.0, 1.0, 0.0, 1.0]);
    check_scale(Scale::Robust, [-0.5, 0.5, -0.5, 0.5]);
}

#[test]
fn a_constant_column_becomes_zero() {
    let table = Table::new(vec![("a".to_owned(), TableColumn::Numbers(vec![0.1; 7]))]).unwrap();
    for scale in [Scale::Standard, Scale::MinMax, Scale::Robust] {
        let fitted = Preprocessing::fit(&table, CategoryEncoding::Code, scale).unwrap();
        assert_eq!(
            fitted.transform(&table).unwrap().values,
            Array2::<f64>::zeros((7, 1)),
            "{scale:?}"
        );
    }
}

#[test]
fn categories_have_the_place_in_their_sorted_list() {
    let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::None).unwrap();
    let rows = fitted
        .transform(&batch(TensorData::Int8(vec![1, 2, 3, 4]), &["cook", "", "clerk", "pilot"]))
        .unwrap();
    assert_eq!(rows.values, array![[1.0, 2.0], [2.0, 0.0], [3.0, 1.0], [4.0, 3.0]]);
    assert_eq!(rows.n_unseen, 1);
}

#[test]
fn a_missing_value_that_training_never_saw_is_unseen() {
    let table = Table::new(vec![(
        "job".to_owned(),
        TableColumn::Texts(vec!["a".to_owned(), "b".to_owned()]),
    )])
    .unwrap();
    let fitted = Preprocessing::fit(&table, CategoryEncoding::Code, Scale::None).unwrap();
    let rows = fitted.transform(&batch(TensorData::Bool(vec![true]), &["?"])).unwrap();
    assert_eq!(rows, FeatureRows { values: array![[-1.0]], n_unseen: 1, n_missing: 0 });
}

#[test]
fn one_hot_columns_are_named_and_not_scaled() {
    let fitted = Preprocessing::fit(&table(), CategoryEncoding::OneHot, Scale::Standard).unwrap();
    assert_eq!(fitted.feature_names(), ["age", "job=?", "job=clerk", "job=cook"]);
    assert_eq!(fitted.n_features(), 4);
    let rows = fitted
        .transform(&batch(TensorData::Float32(vec![30.0, 40.0]), &["cook", "pilot"]))
        .unwrap();
    assert_eq!(rows.values, array![[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]]);
    assert_eq!(rows.n_unseen, 1);
}

#[test]
fn one_record_alone_becomes_the_same_bits() {
    let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::Standard).unwrap();
    let batch = batch(TensorData::Float64(vec![0.1, 33.3, 1e9]), &["cook", "?", "pilot"]);
    let together = fitted.transform(&batch).unwrap().values;
    for record_idx in 0..3 {
        let alone = fitted.transform(&batch.record(record_idx)).unwrap().values;
        assert_eq!(alone.row(0), together.row(record_idx));
    }
}

#[test]
fn outputs_win_over_inputs() {
    let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::None).unwrap();
    let inputs = batch(TensorData::Int64(vec![1]), &["cook"]);
    let tensor = Tensor::vector(TensorData::Float64(vec![9.0]));
    let outputs = Batch::new(1, vec![Column { name: "age".to_owned(), tensor }]).unwrap();
    let rows = fitted.transform(&InputsAndOutputs { inputs: &inputs, outputs: &outputs }).unwrap();
    assert_eq!(rows.values, array![[9.0, 2.0]]);
}

#[track_caller]
fn check_refused(batch: &Batch, expected: &str) {
    let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::Standard).unwrap();
    assert_eq!(fitted.transform(batch).unwrap_err().to_string(), expected);
}

#[test]
fn a_record_that_is_no_feature_vector_is_refused_by_name() {
    check_refused(&Batch::new(1, vec![]).unwrap(), "field `age` is missing");
    check_refused(
        &batch(TensorData::String(vec!["1".to_owned()]), &["cook"]),
        "field `age` is string; a number expected",
    );
    check_refused(
        &batch(TensorData::Float64(vec![1.0, f64::NAN]), &["cook", "cook"]),
        "field `age` of record 1 is NaN; a finite number expected",
    );
    check_refused(
        &batch(TensorData::Float32(vec![f32::NEG_INFINITY]), &["cook"]),
        "field `age` of record 0 is -inf; a finite number expected",
    );
    let tensor = Tensor::new(vec![1, 2], TensorData::Int8(vec![1, 2])).unwrap();
    let wide = Batch::new(1, vec![Column { name: "age".to_owned(), tensor }]).unwrap();
    check_refused(
        &wide,
        "field `age` is a tensor of several elements per record; a number expected",
    );
}

#[test]
fn training_data_without_an_answer_is_refused() {
    let fit = |column| {
        let table = Table::new(vec![("a".to_owned(), column)]).unwrap();
        Preprocessing::fit(&table, CategoryEncoding::Code, Scale::Standard).unwrap_err()
    };
    assert!(matches!(fit(TableColumn::Integers(vec![])), PreprocessingError::NoRecords));
    assert!(matches!(
        fit(TableColumn::Numbers(vec![1.0, f64::NAN])),
        PreprocessingError::Feature(_)
    ));
    assert!(matches!(
        fit(TableColumn::Numbers(vec![1e308, -1e308])),
        PreprocessingError::Constants { .. }
    ));
    assert!(matches!(Preprocessing::new(Scale::None, vec![]), Err(PreprocessingError::NoFeatures)));
}

#[test]
fn a_stored_preprocessing_is_checked() {
    let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::Standard).unwrap();
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), fitted);
    for (from, to) in [
        (r#""scale":10.0"#, r#""scale":0.0"#),
        (r#"["?","clerk","cook"]"#, r#"["cook","?"]"#),
        (r#"["?","clerk","cook"]"#, "[]"),
        (r#""job""#, r#""age""#),
    ] {
        let crafted = text.replace(from, to);
        assert_ne!(crafted, text);
        serde_json::from_str::<Preprocessing>(&crafted).unwrap_err();
    }
}

fn with_gaps(missing: Missing, scale: Scale) -> Result<Preprocessing, PreprocessingError> {
    let numbers = TableColumn::Numbers(vec![1.0, f64::NAN, 3.0, 8.0]);
    let table = Table::new(vec![("a".to_owned(), numbers)]).unwrap();
    Preprocessing::fit_with_missing(&table, CategoryEncoding::Code, scale, missing)
}

#[test]
fn missing_numbers_become_what_was_chosen() {
    let records =
        Table::new(vec![("a".to_owned(), TableColumn::Numbers(vec![8.0, f64::NAN]))]).unwrap();
    let filled = with_gaps(Missing::Median, Scale::MinMax).unwrap();
    assert_eq!(filled.features()[0].missing, MissingNumber::Fill(3.0));
    let rows = filled.transform(&records).unwrap();
    assert_eq!((rows.values, rows.n_missing), (array![[1.0], [2.0 / 7.0]], 1));

    let kept = with_gaps(Missing::Keep, Scale::MinMax).unwrap();
    let rows = kept.transform(&records).unwrap();
    assert_eq!(rows.values.row(0).to_vec(), [1.0]);
    assert!(rows.values[[1, 0]].is_nan());
    assert_eq!(rows.n_missing, 1);

    let error = with_gaps(Missing::Refuse, Scale::MinMax).unwrap_err();
    assert!(matches!(
        error,
        PreprocessingError::Feature(FeatureError::NotFinite { record_idx: 1, .. })
    ));
}

#[test]
fn infinity_is_not_missing() {
    for missing in [Missing::Keep, Missing::Median] {
        let fitted = with_gaps(missing, Scale::None).unwrap();
        let records =
            Table::new(vec![("a".to_owned(), TableColumn::Numbers(vec![f64::INFINITY]))]).unwrap();
        assert!(matches!(fitted.transform(&records), Err(FeatureError::NotFinite { .. })));
    }
}

#[test]
fn a_column_of_missing_numbers_only_has_no_median() {
    let numbers = TableColumn::Numbers(vec![f64::NAN; 2]);
    let table = Table::new(vec![("a".to_owned(), numbers)]).unwrap();
    let fit = |missing| {
        Preprocessing::fit_with_missing(&table, CategoryEncoding::Code, Scale::Standard, missing)
    };
    let error = fit(Missing::Median).unwrap_err();
    assert!(matches!(error, PreprocessingError::NoMedian(field) if field == "a"));
    assert!(
        fit(Missing::Keep).unwrap().transform(&table).unwrap().values.iter().all(|it| it.is_nan())
    );
}

#[test]
fn what_missing_numbers_become_is_stored() {
    for missing in [Missing::Keep, Missing::Median] {
        let fitted = with_gaps(missing, Scale::Robust).unwrap();
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), fitted);
    }
}

#[test]
fn a_listed_record_becomes_the_same_bits() {
    let table = Table::new(vec![
        ("a".to_owned(), TableColumn::Numbers(vec![0.25, 3.5, -1.0])),
        ("b".to_owned(), TableColumn::Texts(vec!["x".into(), "y".into(), "x".into()])),
    ])
    .unwrap();
    for categories in [CategoryEncoding::Code, CategoryEncoding::OneHot] {
        let fitted = Preprocessing::fit(&table, categories, Scale::Standard).unwrap();
        let all = fitted.transform(&table).unwrap();
        for (row_idx, row) in all.values.rows().into_iter().enumerate() {
            let TableColumn::Numbers(numbers) = table.column("a").unwrap() else { panic!() };
            let TableColumn::Texts(texts) = table.column("b").unwrap() else { panic!() };
            let (number, text) = (&numbers[row_idx..=row_idx], &texts[row_idx..=row_idx]);
            let listed =
                fitted.transform_listed(&[Values::Numbers(number), Values::Texts(text)]).unwrap();
            assert_eq!(listed.values.row(0), row);
            let short = fitted.transform_listed(&[Values::Numbers(number)]).unwrap_err();
            assert_eq!(short, FeatureError::NoField { field: "b".to_owned() });
        }
    }
}
