//! `GET /v1/watching`: what this monitor scores, and which metric specs it has heard of. And the document of all
//! routes that a monitor has.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use shadowline_api::watching::{
    IgnoredSpec, Problem, SpecName, SpecVersion, VersionedName, WatchedPair, WatchingAnswer,
};
use utoipa::OpenApi;
use utoipa::openapi::{Info, OpenApi as Document};

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

pub(crate) fn router(watching: Arc<Watching>) -> Router {
    Router::new().route("/v1/watching", get(show)).with_state(watching)
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
