//! Calls of Triton's dialect that are not done here: each says so, or that there is nothing.

use std::collections::BTreeMap;

use axum::Json;
use shadowline_api::Role;
use shadowline_api::inference::Done;
use shadowline_service::http::ApiError;
use shadowline_service::routes::Routes;

use super::Shared;
use crate::describe::{NO_LOG_SETTINGS, NO_SHARED_MEMORY, NO_TRACE_SETTINGS};

pub(super) fn declare() -> Routes<Shared> {
    use Role::{Admin, Predict, Read};
    Routes::new()
        .get(Predict, "/v2/systemsharedmemory/status", no_regions)
        .get(Predict, "/v2/systemsharedmemory/region/{name}/status", no_regions)
        .post(Predict, "/v2/systemsharedmemory/region/{name}/register", no_shared_memory)
        .post(Predict, "/v2/systemsharedmemory/region/{name}/unregister", nothing_registered)
        .post(Predict, "/v2/systemsharedmemory/unregister", nothing_registered)
        .get(Predict, "/v2/cudasharedmemory/status", no_regions)
        .get(Predict, "/v2/cudasharedmemory/region/{name}/status", no_regions)
        .post(Predict, "/v2/cudasharedmemory/region/{name}/register", no_shared_memory)
        .post(Predict, "/v2/cudasharedmemory/region/{name}/unregister", nothing_registered)
        .post(Predict, "/v2/cudasharedmemory/unregister", nothing_registered)
        .get(Read, "/v2/trace/setting", no_trace_settings)
        .post(Admin, "/v2/trace/setting", no_trace_settings)
        .get(Predict, "/v2/models/{name}/trace/setting", no_trace_settings)
        .post(Predict, "/v2/models/{name}/trace/setting", no_trace_settings)
        .get(Read, "/v2/logging", no_log_settings)
        .post(Admin, "/v2/logging", no_log_settings)
}

/// No region is registered, which is true of every name.
async fn no_regions() -> Json<Vec<BTreeMap<String, String>>> {
    Json(Vec::new())
}

/// Programs of Triton's unregister everything before they start.
async fn nothing_registered() -> Json<Done> {
    Json(Done {})
}

async fn no_shared_memory() -> ApiError {
    ApiError::unimplemented(NO_SHARED_MEMORY)
}

async fn no_trace_settings() -> ApiError {
    ApiError::unimplemented(NO_TRACE_SETTINGS)
}

async fn no_log_settings() -> ApiError {
    ApiError::unimplemented(NO_LOG_SETTINGS)
}
