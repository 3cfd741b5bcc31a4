//! The optional members of JSON bodies, by the OpenAPI document that describes them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A body twice: with one of its optional members null, and without it.
#[derive(Debug, Clone)]
pub struct OptionalMember {
    /// Where the member is, as a JSON pointer.
    pub pointer: String,
    /// The body in which it is null.
    pub as_null: Value,
    /// The body that lacks it.
    pub left_out: Value,
}

/// Returns every optional member of bodies of a schema, each in a body that is otherwise as it was given. The members of
/// an object that may have any are not looked at.
///
/// # Panics
/// If the schema has an optional member that no body has: a test of all of them would leave it out.
pub fn optional_members(document: &Value, schema: &Value, bodies: &[Value]) -> Vec<OptionalMember> {
    let mut wanted = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut members = Vec::new();
    for body in bodies {
        let mut walk = Walk { document, wanted: &mut wanted, seen: &mut seen, found: Vec::new() };
        walk.visit(schema, body, "body", String::new());
        for pointer in walk.found {
            let (mut as_null, mut left_out) = (body.clone(), body.clone());
            let (object, name) = pointer.rsplit_once('/').expect("a pointer to a member");
            members_of(&mut as_null, object).insert(name.to_owned(), Value::Null);
            members_of(&mut left_out, object).remove(name);
            members.push(OptionalMember { pointer, as_null, left_out });
        }
    }
    let missing: Vec<&String> = wanted.difference(&seen).collect();
    assert!(missing.is_empty(), "no body has the optional members {missing:?}");
    members
}

fn members_of<'a>(body: &'a mut Value, pointer: &str) -> &'a mut Map<String, Value> {
    body.pointer_mut(pointer).and_then(Value::as_object_mut).expect("members are of objects")
}

struct Walk<'a> {
    document: &'a Value,
    /// The optional members of the schemas that were visited, by the names of the schemas.
    wanted: &'a mut BTreeSet<String>,
    seen: &'a mut BTreeSet<String>,
    /// Where in the body optional members are.
    found: Vec<String>,
}

impl Walk<'_> {
    fn visit(&mut self, schema: &Value, value: &Value, name: &str, at: String) {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            let target = self.document.pointer(pointer);
            let target =
                target.unwrap_or_else(|| panic!("the document has no {reference}")).clone();
            let name = reference.rsplit('/').next().unwrap_or(name);
            return self.visit(&target, value, name, at);
        }
        for one_of in ["oneOf", "anyOf", "allOf"] {
            for alternative in schema[one_of].as_array().into_iter().flatten() {
                if one_of == "allOf" || self.admits(alternative, value) {
                    self.visit(alternative, value, name, at.clone());
                }
            }
        }
        if let Some(items) = value.as_array() {
            for (idx, item) in items.iter().enumerate() {
                self.visit(&schema["items"], item, name, format!("{at}/{idx}"));
            }
        }
        let Some(properties) = schema["properties"].as_object() else { return };
        for (property, of_property) in properties {
            let member = value.get(property).filter(|it| !it.is_null());
            let (name, at) = (format!("{name}.{property}"), format!("{at}/{property}"));
            if !is_required(schema, property) {
                self.wanted.insert(name.clone());
                // One that may be null and nothing else is in no body, and can be put into each.
                if member.is_some() || of_property["type"] == "null" {
                    self.seen.insert(name.clone());
                    self.found.push(at.clone());
                }
            }
            if let Some(member) = member {
                self.visit(of_property, member, &name, at);
            }
        }
    }

    /// Whether a value is meant to be of a schema, by its names.
    fn admits(&self, schema: &Value, value: &Value) -> bool {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.document.pointer(reference.trim_start_matches('#'));
            return target.is_some_and(|it| self.admits(it, value));
        }
        let Some(members) = value.as_object() else { return schema.get("properties").is_none() };
        let required = schema["required"].as_array().into_iter().flatten();
        let has_required = required.filter_map(Value::as_str).all(|it| members.contains_key(it));
        let properties = &schema["properties"];
        has_required && members.keys().all(|it| properties.get(it).is_some())
    }
}

fn is_required(schema: &Value, property: &str) -> bool {
    let required = schema["required"].as_array().into_iter().flatten();
    required.filter_map(Value::as_str).any(|it| it == property)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({"components": {"schemas": {
            "A": {"type": "object", "required": ["list"], "properties": {
                "list": {"type": "array", "items": {"$ref": "#/components/schemas/B"}},
                "id": {"type": ["string", "null"]},
            }},
            "B": {"type": "object", "required": ["n"], "properties": {
                "n": {}, "more": {}, "other": {"type": "null"},
            }},
            "C": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/A"}]},
        }}})
    }

    #[test]
    fn optional_members_are_found_at_every_depth() {
        let schema = json!({"$ref": "#/components/schemas/C"});
        let body = json!({"id": "x", "list": [{"n": 1}, {"n": 2, "more": 3}]});
        let found = optional_members(&document(), &schema, std::slice::from_ref(&body));
        let pointers: Vec<&str> = found.iter().map(|it| it.pointer.as_str()).collect();
        assert_eq!(pointers, ["/id", "/list/0/other", "/list/1/more", "/list/1/other"]);
        assert_eq!(found[2].as_null["list"][1], json!({"n": 2, "more": null}));
        assert_eq!(found[2].left_out["list"][1], json!({"n": 2}));
        assert_eq!(found[1].as_null["list"][0], json!({"n": 1, "other": null}));
        assert_eq!(found[1].left_out, body);
    }

    #[test]
    fn a_body_that_lacks_an_optional_member_is_no_test_of_it() {
        let schema = json!({"$ref": "#/components/schemas/A"});
        let check = || optional_members(&document(), &schema, &[json!({"list": [{"n": 1}]})]);
        let panicked = std::panic::catch_unwind(check).unwrap_err();
        let said = panicked.downcast_ref::<String>().unwrap();
        assert!(said.contains("A.id") && said.contains("B.more"), "{said}");
    }
}
