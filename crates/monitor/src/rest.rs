//! `GET /v1/watching`: what this monitor scores, and which metric specs it has heard of.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::watch::{Plan, Watching};

pub(crate) fn router(watching: Arc<Watching>) -> Router {
    Router::new().route("/v1/watching", get(show)).with_state(watching)
}

async fn show(State(watching): State<Arc<Watching>>) -> Json<Value> {
    Json(describe(&watching.plan()))
}

/// One entry per model version and detector, with all the specs that ask for the pair.
fn describe(plan: &Plan) -> Value {
    let mut watching: BTreeMap<_, Value> = BTreeMap::new();
    for it in &plan.watched {
        let (model, monitor) = (&it.spec.model, &it.target.monitor);
        let entry = watching.entry((model, monitor)).or_insert_with(|| {
            let problem = it.target.detector.as_ref().err();
            json!({
                "model": {"name": model.name, "version": model.version},
                "detector": {"name": monitor.name, "version": monitor.version},
                "specs": [],
                "problem": problem.map(|it| json!({"code": it.code, "message": it.message})),
            })
        });
        if let Some(specs) = entry["specs"].as_array_mut() {
            specs.push(json!({"id": it.spec.id, "name": it.spec.name, "version": it.spec.version}));
        }
    }
    let watching: Vec<Value> = watching.into_values().collect();
    let ignored: Vec<Value> = plan
        .ignored
        .iter()
        .map(|it| json!({"spec": {"id": it.id, "name": it.name}, "reason": it.reason}))
        .collect();
    json!({"watching": watching, "ignored": ignored})
}
