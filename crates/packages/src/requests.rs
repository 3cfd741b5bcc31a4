//! What requests name, and how failures of the registry are answered.

use std::num::NonZeroU64;

use axum::http::StatusCode;
use shadowline_error::chain;
use shadowline_service::http::ApiError;

use crate::error::RegistryError;
use crate::name::PackageName;

pub(crate) fn parse_name(name: String) -> Result<PackageName, ApiError> {
    PackageName::try_from(name).map_err(|error| ApiError::invalid(error.to_string()))
}

pub(crate) fn parse_version(text: &str) -> Result<NonZeroU64, ApiError> {
    text.parse()
        .map_err(|_| ApiError::invalid(format!("version `{text}`: expected a whole number from 1")))
}

/// Where these failures meet HTTP.
pub(crate) fn to_api(error: RegistryError) -> ApiError {
    match &error {
        RegistryError::Conflict { .. }
        | RegistryError::Given { .. }
        | RegistryError::Unusable { .. } => ApiError::conflict(error.to_string()),
        RegistryError::NotFound { .. } => ApiError::not_found(error.to_string()),
        RegistryError::Refused { .. } => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unusable_model", chain(&error))
        }
        RegistryError::MissingArtefact { .. } | RegistryError::UnnamedArtefact { .. } => {
            ApiError::invalid(error.to_string())
        }
        RegistryError::Document(_) => ApiError::invalid(chain(&error)),
        RegistryError::Io { .. } => ApiError::internal(&error),
    }
}
