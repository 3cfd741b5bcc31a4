//! The routes of a monitor that hosts detectors, as a list.

use shadowline_api::Role;
use shadowline_service::routes::Declared;
use shadowline_service::{docs, http};

use crate::hosted::HostedDetectors;
use crate::kind::Kind;

/// Returns every route of a kind of monitor with the role that it needs.
pub(crate) fn routes(kind: &Kind) -> Vec<Declared> {
    let extension = kind.extension.as_ref().map(|it| (it.declared)()).unwrap_or_default();
    [
        http::declared(),
        docs::routes(docs_role(kind), "", String::new()).into_declared(),
        shadowline_monitor::declared::<HostedDetectors>(),
        shadowline_packages::declared(),
        extension,
    ]
    .concat()
}

/// The role that a monitor's documents need: where it answers predictions to everybody, how to ask for one is open, too.
pub(crate) fn docs_role(kind: &Kind) -> Role {
    if kind.extension.is_some() { Role::Public } else { Role::Read }
}
