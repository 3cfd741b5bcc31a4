//! `GET /v1/watching`: what this monitor scores, and which metric specs it knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shadowline_api::Role;
use shadowline_api::watching::{
    IgnoredSpec, Problem, SpecName, SpecVersion, VersionedName, WatchedPair, WatchingAnswer,
};
use shadowline_service::routes::{Declared, Routes};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::plan::{SubscriptionPlan, Subscriptions};
use crate::scorers::Scorers;

#[derive(OpenApi)]
#[openapi(paths(show))]
struct Own;

/// The part of the OpenAPI document that every monitor has.
pub fn openapi() -> Document {
    Own::openapi()
}

/// The routes that every monitor has, each with the role that it needs.
pub fn routes<S: Scorers>(subscriptions: Arc<Subscriptions<S>>) -> Routes {
    declare::<S>().with_state(subscriptions)
}

/// The same routes as a list.
pub fn declared<S: Scorers>() -> Vec<Declared> {
    declare::<S>().into_declared()
}

fn declare<S: Scorers>() -> Routes<Arc<Subscriptions<S>>> {
    Routes::new().get(Role::Read, "/v1/watching", show::<S>)
}

/// Shows which models this monitor watches with which detectors, and because of which metric specs.
#[utoipa::path(get, path = "/v1/watching", tag = "watching", responses((status = 200, body = WatchingAnswer)))]
async fn show<S: Scorers>(
    State(subscriptions): State<Arc<Subscriptions<S>>>,
) -> Json<WatchingAnswer> {
    Json(describe(&subscriptions.plan()))
}

/// One entry per model version and detector, with all the specs that ask for the pair.
fn describe<S>(plan: &SubscriptionPlan<S>) -> WatchingAnswer {
    let mut watching: BTreeMap<_, WatchedPair> = BTreeMap::new();
    for it in &plan.watched {
        let (model, monitor) = (&it.spec.model, &it.target.monitor);
        let pair = watching.entry((model, monitor)).or_insert_with(|| {
            let problem = it.target.scorer.as_ref().err();
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
