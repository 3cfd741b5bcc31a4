//! Whether a service's OpenAPI document describes the routes that it has.

use crate::routes::Declared;
use crate::{docs, http};

/// Returns the differences between the routes of a service and the paths of its OpenAPI document, one a line: none if
/// they agree. What describes and watches every service, such as `/livez` and `/docs`, is in no document.
///
/// # Panics
/// If the document is no OpenAPI document, which only a test hands in.
pub fn differences(declared: &[Declared], openapi_json: &str) -> Vec<String> {
    let document: serde_json::Value =
        serde_json::from_str(openapi_json).expect("an OpenAPI document is JSON");
    let paths = document["paths"].as_object().expect("an OpenAPI document has paths");
    let undocumented = http::declared();
    let undocumented = |it: &&Declared| {
        undocumented.iter().any(|base| base.path == it.path) || docs::PATHS.contains(&it.path)
    };
    let mut differences = Vec::new();
    for it in declared.iter().filter(|it| !undocumented(it)) {
        if paths.get(it.path).and_then(|path| path.get(it.method.to_lowercase())).is_none() {
            differences.push(format!("{it}, and no document describes it"));
        }
    }
    for (path, methods) in paths {
        for method in methods.as_object().into_iter().flat_map(|it| it.keys()) {
            let is_it = |it: &Declared| it.path == path && it.method.eq_ignore_ascii_case(method);
            if !declared.iter().any(is_it) {
                differences.push(format!("{method} {path} is described, and no route declares it"));
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use shadowline_api::Role;

    use super::*;
    use crate::routes::Routes;

    #[test]
    fn a_document_that_lacks_a_route_or_has_one_too_many_is_noticed() {
        let routes = Routes::<()>::new()
            .get(Role::Read, "/a", async || "")
            .post(Role::Operate, "/b", async || "")
            .get(Role::Public, "/docs", async || "")
            .get(Role::Public, "/livez", async || "");
        let document = r#"{"paths": {"/a": {"get": {}, "delete": {}}}}"#;
        let found = differences(&routes.into_declared(), document);
        let expected = [
            "POST /b needs operate, and no document describes it",
            "delete /a is described, and no route declares it",
        ];
        assert_eq!(found, expected);
    }
}
