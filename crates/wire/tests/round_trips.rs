//! What is written is read again, and what cannot be read is said in words.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use half::{bf16, f16};
use jiff::Timestamp;
use proptest::prelude::*;
use shadowline_contract::{Batch, Column, NamedTensor, Tensor, TensorData, Value};
use shadowline_evaluation::MetricKind;
use shadowline_wire::inference::ModelInferRequest;
use shadowline_wire::{
    Inference, InferenceError, MetricRef, ModelRef, MonitorRef, Origin, Outcome, Score, ScoreValue,
    Subject, Unscored, WatchedSpec, WindowRef, named_values, open_inference,
};
use uuid::Uuid;

fn any_data(len: usize) -> impl Strategy<Value = TensorData> {
    use prop::collection::vec;
    prop_oneof![
        vec(any::<bool>(), len).prop_map(TensorData::Bool),
        vec(any::<i8>(), len).prop_map(TensorData::Int8),
        vec(any::<i16>(), len).prop_map(TensorData::Int16),
        vec(any::<i32>(), len).prop_map(TensorData::Int32),
        vec(any::<i64>(), len).prop_map(TensorData::Int64),
        vec(any::<u8>(), len).prop_map(TensorData::Uint8),
        vec(any::<u16>(), len).prop_map(TensorData::Uint16),
        vec(any::<u32>(), len).prop_map(TensorData::Uint32),
        vec(any::<u64>(), len).prop_map(TensorData::Uint64),
        vec(any::<u16>().prop_map(f16::from_bits).prop_filter("finite", |it| it.is_finite()), len)
            .prop_map(TensorData::Float16),
        vec(any::<u16>().prop_map(bf16::from_bits).prop_filter("finite", |it| it.is_finite()), len)
            .prop_map(TensorData::Bfloat16),
        vec(any::<f32>().prop_filter("finite", |it| it.is_finite()), len)
            .prop_map(TensorData::Float32),
        vec(any::<f64>().prop_filter("finite", |it| it.is_finite()), len)
            .prop_map(TensorData::Float64),
        vec(".{0,12}", len).prop_map(TensorData::String),
    ]
}

fn any_tensor() -> impl Strategy<Value = NamedTensor> {
    ("[a-z]{1,8}", prop::collection::vec(1usize..4, 1..4)).prop_flat_map(|(name, shape)| {
        any_data(shape.iter().product()).prop_map(move |data| NamedTensor {
            name: name.clone(),
            tensor: Tensor::new(shape.clone(), data).unwrap(),
        })
    })
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (-1_000_000_000_000_000_000i128..4_000_000_000_000_000_000)
        .prop_map(|it| Timestamp::from_nanosecond(it).unwrap())
}

fn model() -> ModelRef {
    ModelRef { name: "census".to_owned(), version: "3".to_owned() }
}

fn any_origin() -> impl Strategy<Value = Origin> {
    (any::<u128>(), any::<u64>())
        .prop_map(|(id, sequence)| Origin { instance: Uuid::from_u128(id), sequence })
}

prop_compose! {
    fn any_inference()(
        id in ".{1,20}",
        received_at in any_time(),
        nanos in any::<u32>(),
        n_records in any::<u32>(),
        inputs in prop::collection::vec(any_tensor(), 0..4),
        outcome in prop_oneof![
            prop::collection::vec(any_tensor(), 0..3).prop_map(Outcome::Outputs),
            ("[A-Z_]{1,9}", ".{0,30}").prop_map(|(code, message)| Outcome::Failed(InferenceError { code, message })),
        ],
        tags in prop::collection::btree_map(".{1,5}", ".{0,9}", 0..4),
        origin in prop::option::of(any_origin()),
    ) -> Inference {
        let latency = Duration::from_nanos(nanos.into());
        Inference { id, model: model(), received_at, latency, n_records, inputs, outcome, tags, origin }
    }
}

fn any_window() -> impl Strategy<Value = WindowRef> {
    (any_time(), 1..1_000_000_000_000_000i64, prop::option::of("[a-z=/%]{1,9}")).prop_map(
        |(from, nanos, segment)| {
            let to = from + jiff::SignedDuration::from_nanos(nanos);
            WindowRef::new(from, to, segment).unwrap()
        },
    )
}

fn any_subject() -> impl Strategy<Value = Subject> {
    prop_oneof![".{1,20}".prop_map(Subject::Inference), any_window().prop_map(Subject::Window)]
}

fn any_metric() -> impl Strategy<Value = MetricRef> {
    (prop::sample::select(MetricKind::ALL.to_vec()), "[a-z_]{1,9}", "[0-9]{0,2}")
        .prop_map(|(kind, name, version)| MetricRef { kind, name, version })
}

prop_compose! {
    fn any_score()(
        subject in any_subject(),
        metric in any_metric(),
        received_at in any_time(),
        scored_at in any_time(),
        origin in any_origin(),
        result in prop_oneof![
            (-1e300..1e300f64, any::<u32>(), prop::collection::vec(-1e3..1e3f64, 0..4)).prop_map(
                |(value, record_idx, record_values)| Ok(ScoreValue {
                    value,
                    record_idx,
                    record_values,
                    p_value: Some(0.25),
                    expected: Some(value - 0.5),
                    contributions: vec![("age".to_owned(), 0.5)],
                    n_unseen_categories: 2,
                })
            ),
            ("[a-z_]{1,9}", ".{0,30}").prop_map(|(code, message)| Err(Unscored { code, message })),
        ],
    ) -> Score {
        let is_newest = origin.sequence % 2 == 0;
        let received_at = match &subject {
            Subject::Window(window) => window.to(),
            Subject::Inference(_) => received_at,
        };
        let threshold = is_newest.then_some(0.62);
        Score {
            subject, model: model(), metric, is_newest, threshold, result, origin, received_at, scored_at,
        }
    }
}

proptest! {
    #[test]
    fn an_inference_comes_back(inference in any_inference()) {
        prop_assert_eq!(Inference::decode(&inference.encode()).unwrap(), inference);
    }

    #[test]
    fn a_score_comes_back(score in any_score()) {
        prop_assert_eq!(Score::decode(&score.encode()).unwrap(), score);
    }

    #[test]
    fn two_windows_have_one_id_only_if_they_are_one(
        one in any_window(),
        other in any_window(),
        names in prop::collection::vec("[a/%]{0,3}", 4),
    ) {
        let of = |name: &str, version: &str| ModelRef { name: name.to_owned(), version: version.to_owned() };
        let (first, second) = (of(&names[0], &names[1]), of(&names[2], &names[3]));
        prop_assert_eq!(one.id(&first) == one.id(&second), first == second);
        prop_assert_eq!(one.id(&first) == other.id(&first), one == other);
    }

    #[test]
    fn tensors_come_back_typed_and_raw(tensors in prop::collection::vec(any_tensor(), 0..5)) {
        let (inputs, raw_input_contents) = open_inference::encode_inputs(&tensors);
        let typed = ModelInferRequest { inputs, raw_input_contents, ..Default::default() };
        prop_assert_eq!(open_inference::decode_inputs(&mut typed.clone()).unwrap(), tensors.clone());
        let mut raw = typed;
        raw.inputs.iter_mut().for_each(|it| it.contents = None);
        raw.raw_input_contents = tensors.iter().map(|it| open_inference::encode_raw(it.tensor.data())).collect();
        prop_assert_eq!(open_inference::decode_inputs(&mut raw).unwrap(), tensors);
    }

    #[test]
    fn named_values_keep_shape_and_value(ages in prop::collection::vec(any::<i64>(), 1..5)) {
        let n = ages.len();
        let columns = vec![
            Column { name: "age".to_owned(), tensor: Tensor::vector(TensorData::Int64(ages.clone())) },
            Column { name: "pair".to_owned(), tensor: Tensor::new(vec![n, 2], TensorData::Float64(vec![0.5; 2 * n])).unwrap() },
        ];
        let batch = Batch::new(n, columns).unwrap();
        let read: BTreeMap<_, _> = named_values::decode(named_values::encode(&batch, false)).unwrap().into_iter().collect();
        prop_assert_eq!(&read["age"], &Value::List(ages.iter().map(|it| Value::Int(*it)).collect()));
        prop_assert!(matches!(&read["pair"], Value::List(rows) if rows.len() == n));
        let single = named_values::decode(named_values::encode(&batch, true)).unwrap();
        prop_assert_eq!(matches!(single[0].1, Value::Int(_)), n == 1);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop((Inference::decode(&bytes), Score::decode(&bytes), WatchedSpec::decode(&bytes)));
        if let Ok(mut request) = <ModelInferRequest as prost::Message>::decode(bytes.as_slice()) {
            drop(open_inference::decode_inputs(&mut request));
        }
    }

    #[test]
    fn no_torn_message_makes_a_decoder_panic(
        inference in any_inference(),
        score in any_score(),
        at in any::<prop::sample::Index>(),
        flip in any::<u8>(),
    ) {
        for mut bytes in [inference.encode(), score.encode()] {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            drop((Inference::decode(&bytes), Score::decode(&bytes)));
            drop((Inference::decode(&bytes[..at]), Score::decode(&bytes[..at])));
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    let check = |bytes: &[u8], expected: &str| {
        assert_eq!(Inference::decode(bytes).unwrap_err().to_string(), expected);
    };
    check(b"", "Inference has no id");
    check(b"\x0a\x01i", "Inference has no model");
    check(b"\x0a\x01i\x12\x00", "Inference has no received_at");
    check(
        b"\x0a\x01i\x12\x00\x1a\x00\x52\x03\x0a\x01x",
        "Inference: origin.instance: expected 16 bytes, got 1 bytes",
    );
    check(b"\xff", "the bytes are not a Inference");
    assert_eq!(Score::decode(b"").unwrap_err().to_string(), "Score has no inference_id");
    assert_eq!(WatchedSpec::decode(b"").unwrap_err().to_string(), "MetricSpec has no id");
}

#[test]
fn a_score_that_is_no_number_is_read_as_unscored() {
    let origin = Origin { instance: Uuid::nil(), sequence: 1 };
    for value in [f64::NAN, f64::INFINITY] {
        let score = Score {
            subject: Subject::Inference("i".to_owned()),
            model: model(),
            metric: MonitorRef { name: "m".to_owned(), version: "1".to_owned() }.into(),
            is_newest: true,
            threshold: None,
            result: Ok(ScoreValue {
                value,
                record_idx: 0,
                record_values: Vec::new(),
                p_value: None,
                expected: None,
                contributions: Vec::new(),
                n_unseen_categories: 0,
            }),
            origin,
            received_at: Timestamp::UNIX_EPOCH,
            scored_at: Timestamp::UNIX_EPOCH,
        };
        let read = Score::decode(&score.encode()).unwrap();
        assert_eq!(read.result.unwrap_err().code, "not_finite");
    }
}

#[test]
fn inputs_without_contents_take_the_raw_entries_in_their_order() {
    let tensor =
        |name: &str, data| NamedTensor { name: name.to_owned(), tensor: Tensor::vector(data) };
    let tensors = [
        tensor("a", TensorData::Int64(vec![1, 2])),
        tensor("b", TensorData::Float64(vec![0.5])),
        tensor("e", TensorData::Float32(vec![])),
        tensor("c", TensorData::String(vec!["x".to_owned()])),
    ];
    let (inputs, _) = open_inference::encode_inputs(&tensors);
    let raw = |idx: usize| open_inference::encode_raw(tensors[idx].tensor.data());
    // The empty tensor with an entry of no bytes, and without.
    for raw_input_contents in [vec![raw(0), raw(2), raw(3)], vec![raw(0), raw(3)]] {
        let mut mixed =
            ModelInferRequest { inputs: inputs.clone(), raw_input_contents, ..Default::default() };
        mixed.inputs[0].contents = None;
        mixed.inputs[3].contents = None;
        assert_eq!(open_inference::decode_inputs(&mut mixed).unwrap(), tensors);
    }
    let mut too_few =
        ModelInferRequest { inputs, raw_input_contents: vec![raw(0)], ..Default::default() };
    too_few.inputs[0].contents = None;
    too_few.inputs[3].contents = None;
    let error = open_inference::decode_inputs(&mut too_few).unwrap_err().to_string();
    assert_eq!(error, "raw_input_contents: expected 4 entries, one for each input, got 1");
    let half = tensor("h", TensorData::Float16(vec![f16::from_f64(0.5)]));
    let (inputs, _) = open_inference::encode_inputs(&[half]);
    let mut without = ModelInferRequest { inputs, ..Default::default() };
    let error = open_inference::decode_inputs(&mut without).unwrap_err().to_string();
    assert_eq!(
        error,
        "field `h` of type FP16: its elements belong in `raw_input_contents`, got none there"
    );
}
