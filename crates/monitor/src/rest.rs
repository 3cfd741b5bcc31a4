//! `GET /v1/watching`: what this monitor scores, and which metric specs it has heard of. And the document of all
//! routes that a monitor has.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shadowline_api::Role;
use shadowline_service::routes::{Declared, Routes};
use shadowline_service::{docs, http};
use utoipa::openapi::{Info, OpenApi as Document};
use utoipa::{OpenApi, ToSchema};

use crate::config::Kind;
use crate::watch::{Plan, Watching};

#[derive(OpenApi)]
#[openapi(paths(show))]
struct Own;

/// Returns the OpenAPI document of a kind of monitor; `extension` is the part of its own routes.
///
/// # Panics
/// Never: the document is made of constants.
pub fn openapi_json(kind: &Kind, extension: Option<Document>) -> String {
    let (title, about) = kind.api;
    let mut info = Info::new(title, kind.version);
    info.description = Some(about.to_owned());
    // Its own routes first: a page shows them in this order.
    let mut document = extension.unwrap_or_default();
    document.info = info;
    document.merge(Own::openapi());
    document.merge(shadowline_packages::openapi());
    let mut json = document.to_pretty_json().expect("an OpenAPI document can be written as JSON");
    json.push('\n');
    json
}

/// What this monitor does for the metric specs it knows.
#[derive(Debug, Serialize, ToSchema)]
struct WatchingAnswer {
    /// Each model version and detector with the specs that ask for the pair.
    watching: Vec<WatchedPair>,
    /// Specs that this monitor does nothing for.
    ignored: Vec<IgnoredSpec>,
}

#[derive(Debug, Serialize, ToSchema)]
struct WatchedPair {
    model: VersionedName,
    detector: VersionedName,
    specs: Vec<SpecVersion>,
    /// Why every score of the pair is an unscored one.
    problem: Option<Problem>,
}

#[derive(Debug, Serialize, ToSchema)]
struct VersionedName {
    name: String,
    version: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct SpecVersion {
    id: String,
    name: String,
    version: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Problem {
    code: String,
    message: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct IgnoredSpec {
    spec: SpecName,
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct SpecName {
    id: String,
    name: String,
}

pub(crate) fn routes(watching: Arc<Watching>) -> Routes {
    declare().with_state(watching)
}

fn declare() -> Routes<Arc<Watching>> {
    Routes::new().get(Role::Read, "/v1/watching", show)
}

/// The role that a monitor's documents need: where it answers predictions to everybody, how to ask for one is open, too.
pub(crate) fn docs_role(answers_predictions: bool) -> Role {
    if answers_predictions { Role::Public } else { Role::Read }
}

/// Returns every route of a kind of monitor with the role that it needs; `extension` are its own routes.
pub fn routes_of(extension: Option<Vec<Declared>>) -> Vec<Declared> {
    let docs = docs::routes(docs_role(extension.is_some()), "", String::new());
    [
        http::declared(),
        docs.into_declared(),
        declare().into_declared(),
        shadowline_packages::declared(),
        extension.unwrap_or_default(),
    ]
    .concat()
}

/// Shows which models this monitor watches with which detectors, and because of which metric specs.
#[utoipa::path(get, path = "/v1/watching", tag = "watching", responses((status = 200, body = WatchingAnswer)))]
async fn show(State(watching): State<Arc<Watching>>) -> Json<WatchingAnswer> {
    Json(describe(&watching.plan()))
}

/// One entry per model version and detector, with all the specs that ask for the pair.
fn describe(plan: &Plan) -> WatchingAnswer {
    let mut watching: BTreeMap<_, WatchedPair> = BTreeMap::new();
    for it in &plan.watched {
        let (model, monitor) = (&it.spec.model, &it.target.monitor);
        let pair = watching.entry((model, monitor)).or_insert_with(|| {
            let problem = it.target.detector.as_ref().err();
            WatchedPair {
                model: VersionedName { name: model.name.clone(), version: model.version.clone() },
                detector: VersionedName {
                    name: monitor.name.clone(),
                    version: monitor.version.clone(),
                },
                specs: Vec::new(),
                problem: problem
                    .map(|it| Problem { code: it.code.clone(), message: it.message.clone() }),
            }
        });
        let (id, name) = (it.spec.id.clone(), it.spec.name.clone());
        pair.specs.push(SpecVersion { id, name, version: it.spec.version });
    }
    let ignored = plan.ignored.iter().map(|it| IgnoredSpec {
        spec: SpecName { id: it.id.clone(), name: it.name.clone() },
        reason: it.reason.clone(),
    });
    WatchingAnswer { watching: watching.into_values().collect(), ignored: ignored.collect() }
}
