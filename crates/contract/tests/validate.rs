//! The rules by which a request becomes a batch, and the sentence for each way to break them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use shadowline_contract::{
    DataType, Field, NamedTensor, Shape, Signature, SignatureError, Tensor, TensorData, Value,
};

fn field(name: &str, data_type: DataType, dims: &[i64]) -> Field {
    let shape = Shape::from_dims(dims).unwrap();
    Field { shape, ..Field::scalar(name, data_type) }
}

fn signature() -> Signature {
    Signature::new(
        vec![
            field("age", DataType::Int8, &[]),
            field("hours", DataType::Float64, &[]),
            field("pixels", DataType::Float32, &[2, -1]),
        ],
        vec![field("label", DataType::String, &[])],
    )
    .unwrap()
}

fn named(name: &str, shape: &[usize], data: TensorData) -> NamedTensor {
    NamedTensor { name: name.to_owned(), tensor: Tensor::new(shape.to_vec(), data).unwrap() }
}

fn good() -> Vec<NamedTensor> {
    vec![
        named("pixels", &[1, 2, 3], TensorData::Float32(vec![0.5; 6])),
        named("age", &[1], TensorData::Int8(vec![39])),
        named("hours", &[1, 1], TensorData::Float64(vec![40.0])),
    ]
}

#[test]
fn a_batch_has_the_signature_s_order_and_a_batch_dimension() {
    let batch = signature().validate_inputs(good()).unwrap();
    let columns: Vec<_> =
        batch.columns().iter().map(|it| (it.name.as_str(), it.tensor.shape())).collect();
    assert_eq!(columns, [("age", &[1][..]), ("hours", &[1][..]), ("pixels", &[1, 2, 3][..])]);
    // One record may come without the dimension.
    let mut single = good();
    single[0] = named("pixels", &[2, 3], TensorData::Float32(vec![0.5; 6]));
    single[1] = named("age", &[], TensorData::Int8(vec![39]));
    single[2] = named("hours", &[], TensorData::Float64(vec![40.0]));
    assert_eq!(signature().validate_inputs(single).unwrap(), batch);
}

#[test]
fn every_broken_rule_names_the_field_what_came_and_what_was_expected() {
    let check = |change: &dyn Fn(&mut Vec<NamedTensor>), expected: &str| {
        let mut tensors = good();
        change(&mut tensors);
        let rejected = signature().accept_inputs(tensors.clone()).unwrap_err();
        assert_eq!(rejected.error.to_string(), expected);
        // What came is given back, bit for bit.
        assert_eq!(format!("{:?}", rejected.tensors), format!("{tensors:?}"));
    };
    check(
        &|it| drop(it.remove(1)),
        "field `age` is missing; expected int8 (INT8) of shape [-1] (one value a record)",
    );
    check(
        &|it| drop(it.remove(0)),
        "field `pixels` is missing; expected float32 (FP32) of shape [-1, 2, -1]",
    );
    check(
        &|it| it[1].name = "aeg".into(),
        "field `aeg` is unknown; expected one of age, hours, pixels",
    );
    check(&|it| it.push(it[1].clone()), "field `age` came twice; expected once");
    check(
        &|it| it[1] = named("age", &[1], TensorData::Int64(vec![39])),
        "field `age`: expected type int8 (INT8), got int64 (INT64)",
    );
    check(
        &|it| it[1] = named("age", &[0], TensorData::Int8(vec![])),
        "field `age`: expected shape [-1] (one value a record) with at least one record, got [0]",
    );
    check(
        &|it| it[0] = named("pixels", &[0, 2, 3], TensorData::Float32(vec![])),
        "field `pixels`: expected shape [-1, 2, -1] with at least one record, got [0, 2, 3]",
    );
    check(
        &|it| it[0] = named("pixels", &[1, 3, 2], TensorData::Float32(vec![0.5; 6])),
        "field `pixels`: expected shape [-1, 2, -1], got [1, 3, 2]",
    );
    check(
        &|it| it[2] = named("hours", &[2], TensorData::Float64(vec![1.0; 2])),
        "field `hours`: expected 1 records as in field `age`, got 2",
    );
    check(
        &|it| it[0] = named("pixels", &[1, 2, 1], TensorData::Float32(vec![0.5, f32::NAN])),
        "field `pixels`: expected finite numbers, got NaN at element 1; only a field that the contract declares \
         `nullable` may lack a value (`train --missing` declares it)",
    );
    check(
        &|it| it[2] = named("hours", &[1], TensorData::Float64(vec![f64::NEG_INFINITY])),
        "field `hours`: expected finite numbers, got -inf at element 0",
    );
}

fn values(age: Value) -> Vec<(String, Value)> {
    let list = |items: &[f64]| Value::List(items.iter().map(|it| Value::Float(*it)).collect());
    vec![
        ("age".to_owned(), age),
        ("hours".to_owned(), Value::Int(40)),
        ("pixels".to_owned(), Value::List(vec![list(&[1.0]), list(&[2.0])])),
    ]
}

#[test]
fn values_are_converted_where_nothing_is_lost() {
    for (value, expected) in [(Value::Int(39), 39), (Value::Uint(39), 39), (Value::Float(-3.0), -3)]
    {
        let batch = signature().validate_values(values(value)).unwrap();
        assert_eq!(batch.column("age").unwrap().data(), &TensorData::Int8(vec![expected]));
        assert_eq!(batch.column("hours").unwrap().data(), &TensorData::Float64(vec![40.0]));
    }
    for (value, expected) in [
        (
            Value::Null,
            "field `age`: expected type int8 (INT8), got null at element 0; only a field that the contract declares \
             `nullable` may lack a value (`train --missing` declares it)",
        ),
        (
            Value::Int(128),
            "field `age`: expected a value of type int8 (INT8), got the whole number 128",
        ),
        (
            Value::Float(0.5),
            "field `age`: expected a value of type int8 (INT8), got the number 0.5",
        ),
        (
            Value::Float(f64::NAN),
            "field `age`: expected a value of type int8 (INT8), got the number NaN",
        ),
        (Value::String("39".into()), "field `age`: expected type int8 (INT8), got the text \"39\""),
        (
            Value::List(vec![]),
            "field `age`: expected shape [-1] (one value a record) with at least one record, got [0]",
        ),
        (
            Value::List(vec![Value::Int(1), Value::List(vec![])]),
            "field `age`: expected shape [-1] (one value a record), got lists of different lengths",
        ),
    ] {
        let rejected = signature().accept_values(values(value)).unwrap_err();
        assert_eq!(rejected.error.to_string(), expected);
        assert!(rejected.tensors.iter().any(|it| it.name == "hours"));
    }
}

#[test]
fn a_message_stays_short_however_long_the_text() {
    let error =
        signature().validate_values(values(Value::String("x".repeat(1 << 20)))).unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
    let tensors = vec![named(&"x".repeat(1 << 20), &[1], TensorData::Int8(vec![1]))];
    assert!(signature().validate_inputs(tensors).unwrap_err().to_string().len() < 300);
}

#[test]
fn a_signature_reads_as_it_was_written() {
    let json = r#"{"inputs": {"age": "int64", "img": {"type": "uint8", "shape": [-1, 3]}}, "outputs": {"y": {"type": "double"}}}"#;
    let read: Signature = serde_json::from_str(json).unwrap();
    assert_eq!(read.inputs()[1], field("img", DataType::Uint8, &[-1, 3]));
    assert_eq!(read.outputs()[0].data_type, DataType::Float64);
    let again: Signature = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
    assert_eq!(again, read);
    for (from, to, word) in [
        ("int64", "int65", "unknown data type `int65`"),
        ("-1, 3", "0, 3", "dimension 0"),
        ("img", "age", "age"),
        ("\"y\"", "\"\"", "output"),
        ("\"outputs\"", "\"outptus\"", "outptus"),
    ] {
        let error = serde_json::from_str::<Signature>(&json.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(word), "{to}: {error}");
    }
}

/// `hours` and `workclass` may be missing, `rate` may not.
fn with_gaps() -> Signature {
    let nullable = |name, data_type| Field { nullable: true, ..field(name, data_type, &[]) };
    Signature::new(
        vec![
            nullable("hours", DataType::Float64),
            nullable("workclass", DataType::String),
            field("rate", DataType::Float32, &[]),
        ],
        vec![field("label", DataType::String, &[])],
    )
    .unwrap()
}

#[test]
fn a_nullable_field_may_lack_its_value_and_no_other() {
    let fields = |hours: Value, workclass: Value, rate: Value| {
        vec![
            ("hours".to_owned(), hours),
            ("workclass".to_owned(), workclass),
            ("rate".to_owned(), rate),
        ]
    };
    let text = |it: &str| Value::String(it.to_owned());
    let list = |items: &[Value]| Value::List(items.to_vec());
    let one = Value::Float(1.0);
    let missing = list(&[Value::Null, Value::Float(f64::NAN), Value::Int(3)]);
    let texts = list(&[text("a"), Value::Null, text("")]);
    let rates = list(&[one.clone(), one.clone(), one.clone()]);
    let batch = with_gaps().validate_values(fields(missing, texts, rates)).unwrap();
    let hours = batch.column("hours").unwrap().data();
    assert!(hours.as_f64(0).unwrap().is_nan() && hours.as_f64(1).unwrap().is_nan());
    assert_eq!(hours.as_f64(2), Some(3.0));
    let classes = ["a", "", ""].map(str::to_owned).to_vec();
    assert_eq!(batch.column("workclass").unwrap().data(), &TensorData::String(classes));

    let refused = |hours, workclass, rate| {
        with_gaps().validate_values(fields(hours, workclass, rate)).unwrap_err().to_string()
    };
    let error = refused(Value::Float(f64::INFINITY), text("a"), one.clone());
    assert_eq!(error, "field `hours`: expected finite numbers, got inf at element 0");
    let error = refused(one.clone(), text("a"), Value::Null);
    assert!(
        error.starts_with("field `rate`: expected type float32 (FP32), got null at"),
        "{error}"
    );
    let error = refused(one, text("a"), Value::Float(f64::NAN));
    assert!(error.contains("got NaN at element 0; only a field that"), "{error}");
}

#[test]
fn a_tensor_of_values_has_nan_for_null_only_where_its_type_has_one() {
    let read = |data_type, values| Tensor::from_values("x", None, data_type, vec![2], values);
    let values = || vec![Value::Null, Value::Int(2)];
    let Ok(tensor) = read(DataType::Float32, values()) else { panic!("null is NaN") };
    assert_eq!(tensor.data().first_non_finite().map(|it| it.0), Some(0));
    let error = read(DataType::Int64, values()).unwrap_err().to_string();
    assert!(error.contains("int64 (INT64), got null at element 0"), "{error}");
    let texts = vec![Value::String("a".to_owned()), Value::Null];
    let error = read(DataType::String, texts).unwrap_err().to_string();
    assert!(error.contains("string (BYTES), got null at element 1"), "{error}");
}

#[test]
fn nullable_is_written_where_it_is_so_and_only_for_types_that_have_it() {
    let json = serde_json::to_value(with_gaps()).unwrap();
    assert_eq!(json["inputs"]["hours"], serde_json::json!({"type": "float64", "nullable": true}));
    assert_eq!(json["inputs"]["rate"], serde_json::json!({"type": "float32"}));
    let text = serde_json::to_string(&with_gaps()).unwrap();
    assert_eq!(serde_json::from_str::<Signature>(&text).unwrap(), with_gaps());
    for data_type in DataType::ALL {
        let field = Field { nullable: true, ..Field::scalar("x", data_type) };
        let made = Signature::new(vec![field], vec![Field::scalar("y", DataType::Bool)]);
        if data_type.has_missing() {
            assert!(made.is_ok(), "{data_type}");
        } else {
            let error = made.unwrap_err();
            assert!(matches!(error, SignatureError::Nullable { .. }), "{error}");
            assert!(error.to_string().contains(data_type.name()), "{error}");
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Uint),
        any::<f64>().prop_map(Value::Float),
        ".{0,5}".prop_map(Value::String),
    ];
    leaf.prop_recursive(10, 60, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::List))
}

proptest! {
    #[test]
    fn no_value_makes_the_check_panic(
        fields in prop::collection::vec(("age|hours|pixels|x", any_value()), 0..5)
    ) {
        if let Ok(batch) = signature().validate_values(fields) {
            prop_assert!(batch.n_records() > 0);
            prop_assert!(batch.columns().iter().all(|it| it.tensor.data().first_non_finite().is_none()));
        }
    }

    #[test]
    fn a_record_of_a_batch_is_what_it_was_alone(ages in prop::collection::vec(any::<i8>(), 1..20), seed in any::<f32>()) {
        prop_assume!(seed.is_finite());
        let n = ages.len();
        let tensors = vec![
            named("age", &[n], TensorData::Int8(ages.clone())),
            named("hours", &[n], TensorData::Float64(ages.iter().map(|it| f64::from(*it)).collect())),
            named("pixels", &[n, 2, 1], TensorData::Float32(vec![seed; 2 * n])),
        ];
        let batch = signature().validate_inputs(tensors).unwrap();
        for (idx, age) in ages.iter().enumerate() {
            let record = batch.record(idx);
            prop_assert_eq!(record.column("age").unwrap().data(), &TensorData::Int8(vec![*age]));
            prop_assert_eq!(record.column("pixels").unwrap().shape(), &[1, 2, 1]);
        }
    }
}

#[test]
fn short_floats_are_types_of_their_own() {
    use half::{bf16, f16};
    let short = Signature::new(
        vec![field("half", DataType::Float16, &[]), field("brain", DataType::Bfloat16, &[])],
        vec![field("label", DataType::String, &[])],
    )
    .unwrap();
    let values = |half: f64, brain: f64| {
        vec![("half".to_owned(), Value::Float(half)), ("brain".to_owned(), Value::Float(brain))]
    };
    let batch = short.validate_values(values(0.1, 3e38)).unwrap();
    let half = batch.column("half").unwrap().data();
    assert_eq!(half, &TensorData::Float16(vec![f16::from_f64(0.1)]));
    let brain = batch.column("brain").unwrap().data();
    assert_eq!(brain, &TensorData::Bfloat16(vec![bf16::from_f64(3e38)]));
    let refused = |half, brain| short.validate_values(values(half, brain)).unwrap_err().to_string();
    let expected = "field `half`: expected a value of type float16 (FP16), got the number 70000";
    assert_eq!(refused(70_000.0, 1.0), expected);
    assert!(refused(f64::NAN, 1.0).starts_with("field `half`: expected finite numbers, got NaN"));
    let wider = named("half", &[1], TensorData::Float32(vec![0.5]));
    let error = short.validate_inputs(vec![wider]).unwrap_err().to_string();
    assert_eq!(error, "field `half`: expected type float16 (FP16), got float32 (FP32)");
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    let wide = Signature::new(
        vec![field("signed", DataType::Int64, &[]), field("unsigned", DataType::Uint64, &[])],
        vec![field("label", DataType::String, &[])],
    )
    .unwrap();
    let read = |signed: f64, unsigned: f64| {
        let signed = ("signed".to_owned(), Value::Float(signed));
        wide.validate_values(vec![signed, ("unsigned".to_owned(), Value::Float(unsigned))])
    };
    let batch = read(9.2e18, 1e19).unwrap();
    let signed = TensorData::Int64(vec![9_200_000_000_000_000_000]);
    assert_eq!(batch.column("signed").unwrap().data(), &signed);
    let unsigned = TensorData::Uint64(vec![10_000_000_000_000_000_000]);
    assert_eq!(batch.column("unsigned").unwrap().data(), &unsigned);
    read(-9_223_372_036_854_775_808.0, 0.0).unwrap();
    for (signed, unsigned) in [
        (9_223_372_036_854_775_808.0, 0.0),
        (0.0, 18_446_744_073_709_551_616.0),
        (0.0, -1.0),
        (0.5, 0.0),
        (f64::INFINITY, 0.0),
        (f64::NAN, 0.0),
    ] {
        assert!(read(signed, unsigned).is_err(), "{signed} {unsigned}");
    }
}

#[test]
fn of_several_elements_the_one_at_fault_is_named() {
    let values = |ages: Vec<Value>| vec![("age".to_owned(), Value::List(ages))];
    let error = |ages| signature().validate_values(values(ages)).unwrap_err().to_string();
    let expected = "field `age`: expected type int8 (INT8), got null at element 1; only a field";
    let got = error(vec![Value::Int(1), Value::Null]);
    assert!(got.starts_with(expected), "{got}");
    let expected =
        "field `age`: expected a value of type int8 (INT8), got the whole number 300 at element 2";
    assert_eq!(error(vec![Value::Int(1), Value::Int(2), Value::Int(300)]), expected);
}
