//! Instances and predictions of KServe's first protocol: a list with one item per record.

use serde_json::{Map, Value as AnyJson};
use shadowline_api as api;
use shadowline_contract::{Batch, Signature, Value};
use shadowline_wire::named_values;

use super::json::{Json, repeated};
use super::tensors::to_json;
use crate::models::clip;
use crate::predict::Inputs;

/// The instances by field: each is an object of fields, a list of all fields' values in the contract's order, or, of a
/// model with one field, its value. Without a signature nothing can read them.
///
/// # Errors
/// The first instance that is none, with its place.
pub(super) fn inputs(
    instances: Vec<Json>,
    signature: Option<&Signature>,
) -> Result<Inputs, String> {
    let Some(signature) = signature else { return Ok(Inputs::Values(Vec::new())) };
    if instances.is_empty() {
        return Err("`instances`: expected at least one, got an empty list".to_owned());
    }
    let fields = signature.inputs();
    let mut columns: Vec<Vec<Value>> = vec![Vec::with_capacity(instances.len()); fields.len()];
    for (idx, instance) in instances.into_iter().enumerate() {
        let row = match instance {
            object @ Json::Object(_) => row_of_object(idx, object, signature)?,
            value if fields.len() == 1 => vec![value],
            list => row_of_list(idx, list, signature)?,
        };
        for ((column, value), field) in columns.iter_mut().zip(row).zip(fields) {
            let value = value.into_value().map_err(|got| {
                format!("`instances[{idx}]`: field `{}`: expected a value, got {got}", field.name)
            })?;
            column.push(value);
        }
    }
    let names = fields.iter().map(|it| it.name.clone());
    Ok(Inputs::Values(names.zip(columns.into_iter().map(Value::List)).collect()))
}

fn row_of_object(idx: usize, object: Json, signature: &Signature) -> Result<Vec<Json>, String> {
    let place = format!("instances[{idx}]");
    let Json::Object(mut members) = object else { return Ok(Vec::new()) };
    if let Some(name) = repeated(&members) {
        return Err(format!("`{place}.{}` came twice; expected it once", clip(name)));
    }
    // A null is a value here, of which the contract says what it is worth.
    let mut row = Vec::with_capacity(members.len());
    for field in signature.inputs() {
        let Some(at) = members.iter().position(|(name, _)| *name == field.name) else {
            let (name, expected) = (&field.name, field.data_type);
            return Err(format!("`{place}`: field `{name}` is missing; expected {expected}"));
        };
        row.push(members.swap_remove(at).1);
    }
    match members.first() {
        None => Ok(row),
        Some((name, _)) => {
            let known: Vec<&str> = signature.inputs().iter().map(|it| it.name.as_str()).collect();
            let (name, known) = (clip(name), known.join(", "));
            Err(format!("`{place}`: field `{name}` is unknown; expected one of {known}"))
        }
    }
}

fn row_of_list(idx: usize, list: Json, signature: &Signature) -> Result<Vec<Json>, String> {
    let names: Vec<&str> = signature.inputs().iter().map(|it| it.name.as_str()).collect();
    let (n_fields, names) = (names.len(), names.join(", "));
    let expected = format!("expected an object of fields, or a list of {n_fields} values: {names}");
    let row =
        list.into_list().map_err(|got| format!("`instances[{idx}]`: {expected}; got {got}"))?;
    if row.len() != n_fields {
        return Err(format!("`instances[{idx}]`: {expected}; got {} values", row.len()));
    }
    Ok(row)
}

/// One prediction per record: the value of a model's only output, else an object of them.
pub(super) fn predictions(outputs: &Batch) -> Vec<AnyJson> {
    let mut columns = Vec::new();
    for (name, value) in named_values::values(outputs, false) {
        let Value::List(items) = value else { continue };
        columns.push((name, items.into_iter().map(any_json)));
    }
    if let [(_, items)] = columns.as_mut_slice() {
        return items.collect();
    }
    let row = |_| {
        let members = columns.iter_mut().filter_map(|(name, it)| Some((name.clone(), it.next()?)));
        AnyJson::Object(members.collect::<Map<_, _>>())
    };
    (0..outputs.n_records()).map(row).collect()
}

fn any_json(value: Value) -> AnyJson {
    fn of(value: api::Value) -> AnyJson {
        match value {
            api::Value::Null => AnyJson::Null,
            api::Value::Bool(it) => it.into(),
            api::Value::Int(it) => it.into(),
            api::Value::Uint(it) => it.into(),
            api::Value::Float(it) => it.into(),
            api::Value::Text(it) => it.into(),
            api::Value::List(items) => items.into_iter().map(of).collect(),
        }
    }
    of(to_json(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shadowline_contract::{Column, DataType, Field, Tensor, TensorData};

    use super::*;

    fn signature(names: &[&str]) -> Signature {
        let inputs = names.iter().map(|it| Field::scalar(*it, DataType::Int64)).collect();
        Signature::new(inputs, vec![Field::scalar("y", DataType::Float64)]).unwrap()
    }

    fn read(text: &str, names: &[&str]) -> Result<Vec<(String, Value)>, String> {
        let instances = Json::read(text.as_bytes()).unwrap().into_list().unwrap();
        match inputs(instances, Some(&signature(names)))? {
            Inputs::Values(values) => Ok(values),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rows_become_columns() {
        let list = |items: &[i64]| Value::List(items.iter().map(|it| Value::Int(*it)).collect());
        let expected = vec![("a".to_owned(), list(&[1, 3])), ("b".to_owned(), list(&[2, 4]))];
        assert_eq!(read(r#"[{"b": 2, "a": 1}, {"a": 3, "b": 4}]"#, &["a", "b"]).unwrap(), expected);
        assert_eq!(read("[[1, 2], {\"a\": 3, \"b\": 4}]", &["a", "b"]).unwrap(), expected);
        assert_eq!(read("[1, 3]", &["a"]).unwrap(), expected[..1]);
    }

    #[test]
    fn an_instance_that_is_none_is_named_by_its_place() {
        for (text, expected) in [
            (r#"[{"a": 1, "b": 2}, {"a": 1}]"#, "`instances[1]`: field `b` is missing"),
            (r#"[{"a": 1, "b": 2, "c": 3}]"#, "`instances[0]`: field `c` is unknown"),
            (r#"[{"a": 1, "a": 2, "b": 3}]"#, "`instances[0].a` came twice"),
            (
                r#"[{"a": {}, "b": 2}]"#,
                "`instances[0]`: field `a`: expected a value, got an object",
            ),
            ("[[1]]", "`instances[0]`: expected an object of fields, or a list of 2 values: a, b"),
            ("[5]", "`instances[0]`: expected an object of fields"),
            ("[]", "`instances`: expected at least one"),
        ] {
            let error = read(text, &["a", "b"]).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn several_outputs_are_objects_and_one_is_its_values() {
        let column =
            |name: &str, data| Column { name: name.to_owned(), tensor: Tensor::vector(data) };
        let y = column("y", TensorData::Float64(vec![0.5, 1.0]));
        let label = column("label", TensorData::String(vec!["p".to_owned(), "q".to_owned()]));
        let one = Batch::new(2, vec![y.clone()]).unwrap();
        assert_eq!(AnyJson::from(predictions(&one)).to_string(), "[0.5,1.0]");
        let two = Batch::new(2, vec![y, label]).unwrap();
        let expected = json!([{"label": "p", "y": 0.5}, {"label": "q", "y": 1.0}]);
        assert_eq!(AnyJson::from(predictions(&two)), expected);
    }
}
