//! The document of all routes that a monitor has.

use utoipa::openapi::Info;

use crate::kind::Kind;

/// Returns the OpenAPI document of a kind of monitor.
///
/// # Panics
/// Never: the document is made of constants.
pub(crate) fn openapi_json(kind: &Kind) -> String {
    let (title, about) = kind.api;
    let mut info = Info::new(title, kind.version);
    info.description = Some(about.to_owned());
    // Its own routes first: a page shows them in this order.
    let mut document = kind.extension.as_ref().map(|it| (it.openapi)()).unwrap_or_default();
    document.info = info;
    document.merge(shadowline_monitor::openapi());
    document.merge(shadowline_packages::openapi());
    let mut json = document.to_pretty_json().expect("an OpenAPI document can be written as JSON");
    json.push('\n');
    json
}
