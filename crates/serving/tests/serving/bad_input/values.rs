//! What no request by named values may be.

use shadowline_contract::Value;
use shadowline_wire::named_values;
use shadowline_wire::serving::PredictRequest;
use tonic::Code;

use crate::server::request;

pub(super) type Case = (&'static str, PredictRequest, Code, &'static [&'static str]);

pub(super) fn predict_cases() -> Vec<Case> {
    use Code::{InvalidArgument as Invalid, NotFound};
    let with = |name: &str, value: Value| {
        let mut it = request("", 39);
        it.inputs.insert(name.to_owned(), named_values::to_wire(value));
        it
    };
    let changed = |change: fn(&mut PredictRequest)| {
        let mut it = request("", 39);
        change(&mut it);
        it
    };
    let list = |values: &[f64]| Value::List(values.iter().map(|it| Value::Float(*it)).collect());
    let deep = (0..9).fold(Value::Int(1), |it, _| Value::List(vec![it]));
    vec![
        ("nothing for a field", with("age", Value::Null), Invalid, &["`age`", "int64", "null"]),
        (
            "text for a number",
            with("age", Value::String("39".into())),
            Invalid,
            &["`age`", "int64", "\"39\""],
        ),
        (
            "a fraction for a whole number",
            with("age", Value::Float(39.5)),
            Invalid,
            &["`age`", "int64", "39.5"],
        ),
        (
            "a whole number beyond the type",
            with("age", Value::Uint(u64::MAX)),
            Invalid,
            &["`age`", "int64", "18446744073709551615"],
        ),
        (
            "a truth value for a number",
            with("hours", Value::Bool(true)),
            Invalid,
            &["`hours`", "float64", "truth value"],
        ),
        (
            "NaN by name",
            with("hours", Value::Float(f64::NAN)),
            Invalid,
            &["`hours`", "finite", "NaN"],
        ),
        (
            "a float beyond the type",
            with("pair", list(&[1e300, 1.0])),
            Invalid,
            &["`pair`", "float32"],
        ),
        (
            "another length by name",
            with("pair", list(&[1.0, 2.0, 3.0])),
            Invalid,
            &["`pair`", "[-1, 2]", "[3]"],
        ),
        (
            "an empty list",
            with("age", Value::List(vec![])),
            Invalid,
            &["`age`", "at least one record", "[0]"],
        ),
        (
            "ragged lists",
            with("pair", Value::List(vec![list(&[1.0]), list(&[1.0, 2.0])])),
            Invalid,
            &["`pair`", "different lengths"],
        ),
        ("lists too deep", with("pair", deep), Invalid, &["`pair`", "deep"]),
        ("an unknown field", with("agee", Value::Int(1)), Invalid, &["`agee`", "unknown", "age"]),
        (
            "a missing field",
            changed(|it| {
                it.inputs.remove("pair");
            }),
            Invalid,
            &["`pair`", "missing", "[-1, 2]"],
        ),
        ("no fields", changed(|it| it.inputs.clear()), Invalid, &["`age`", "missing"]),
        (
            "an unknown model by name",
            changed(|it| it.model_name = "nobody".into()),
            NotFound,
            &["`nobody`", "census"],
        ),
        (
            "an id with a zero",
            changed(|it| it.inference_id = "a\0".into()),
            Invalid,
            &["id", "control"],
        ),
    ]
}
