//! Deleting packages: what somebody uses, as metric specs use detectors, is deleted by force only.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use shadowline_api::error::ErrorAnswer;
use shadowline_service::http::ApiError;

use crate::name::PackageName;
use crate::registry::Registry;
use crate::requests::{parse_name, parse_version, to_api};

/// Says who uses a package of a name, for a service that knows, or why it cannot say: as a layer around
/// [`routes`](crate::routes). It may block. Without it, nothing is used.
#[derive(Clone)]
pub struct UsedBy(pub Arc<dyn Fn(&str) -> Uses + Send + Sync>);

impl fmt::Debug for UsedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsedBy")
    }
}

/// Who uses a package, or why that cannot be said.
type Uses = Result<Vec<Use>, String>;

/// One use of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Who uses it, such as "metric spec `outliers`".
    pub by: String,
    /// The version that is named; none takes the default one, whichever that is.
    pub version: Option<NonZeroU64>,
}

impl UsedBy {
    /// Returns the layer that tells the routes of it.
    pub fn into_layer(self) -> Extension<Self> {
        Extension(self)
    }

    /// Returns who would be left without a package if this version, or all, were deleted.
    pub(crate) fn left_without<T: Send + Sync + 'static>(
        &self,
        registry: &Registry<T>,
        name: &PackageName,
        version: Option<NonZeroU64>,
    ) -> Result<Vec<String>, String> {
        let snapshot = registry.snapshot();
        let mut versions = snapshot.keys().filter(|it| it.name == *name).map(|it| Some(it.version));
        // A request that names no version gets another one then.
        let is_last = version.is_none() || versions.all(|it| it == version);
        let uses = (self.0)(name.as_str())?.into_iter();
        let left = uses.filter(|it| match it.version {
            None => is_last,
            named => version.is_none() || named == version,
        });
        Ok(left.map(|it| it.by).collect())
    }
}

/// Removes every version of a package, unless an enabled metric spec uses it, as far as this service knows.
#[utoipa::path(delete, path = "/v1/models/{name}", tag = "packages", params(
    ("name" = String, Path, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,62}$", description = "The package's name"),
    ("force" = Option<bool>, Query, description = "true removes what is used, too"),
), responses(
    (status = 204),
    (status = 400, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "It is used; the message says by whom"),
    (status = 503, body = ErrorAnswer, description = "Whether it is used cannot be said now"),
))]
pub(crate) async fn remove_all<T: Send + Sync + 'static>(
    State(registry): State<Arc<Registry<T>>>,
    Path(name): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    used_by: Option<Extension<UsedBy>>,
) -> Result<StatusCode, ApiError> {
    let used_by = unless_forced(query, used_by)?;
    remove(registry, parse_name(name)?, None, used_by).await
}

/// Removes one version of a package, unless an enabled metric spec uses it, as far as this service knows.
///
/// A spec uses the version that it names; one that names none uses the last that there is.
#[utoipa::path(delete, path = "/v1/models/{name}/versions/{version}", tag = "packages", params(
    ("name" = String, Path, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,62}$", description = "The package's name"),
    ("version" = u64, Path, minimum = 1, description = "Its version, from 1"),
    ("force" = Option<bool>, Query, description = "true removes what is used, too"),
), responses(
    (status = 204),
    (status = 400, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "It is used; the message says by whom"),
    (status = 503, body = ErrorAnswer, description = "Whether it is used cannot be said now"),
))]
pub(crate) async fn remove_version<T: Send + Sync + 'static>(
    State(registry): State<Arc<Registry<T>>>,
    Path((name, version)): Path<(String, String)>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    used_by: Option<Extension<UsedBy>>,
) -> Result<StatusCode, ApiError> {
    let used_by = unless_forced(query, used_by)?;
    remove(registry, parse_name(name)?, Some(parse_version(&version)?), used_by).await
}

/// Who may be asked whether a package is used, unless the query says that it does not matter.
fn unless_forced(
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    used_by: Option<Extension<UsedBy>>,
) -> Result<Option<UsedBy>, ApiError> {
    let Query(pairs) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let is_forced = match pairs.as_slice() {
        [] => false,
        [(name, value)] if name == "force" => value.parse().map_err(|_| {
            ApiError::invalid(format!(
                "query parameter `force` is `{value}`; expected true or false"
            ))
        })?,
        _ => {
            return Err(ApiError::invalid(
                "the query has other parameters; expected `force` at most",
            ));
        }
    };
    Ok(used_by.map(|Extension(it)| it).filter(|_| !is_forced))
}

async fn remove<T: Send + Sync + 'static>(
    registry: Arc<Registry<T>>,
    name: PackageName,
    version: Option<NonZeroU64>,
    used_by: Option<UsedBy>,
) -> Result<StatusCode, ApiError> {
    let work = tokio::task::spawn_blocking(move || {
        // What is not there is not found, forced or not.
        let is_there = registry.get(name.as_str(), version).is_some();
        let users = used_by.filter(|_| is_there);
        let users = users.map(|it| it.left_without(&registry, &name, version)).transpose();
        let users = users.map_err(|reason| {
            ApiError::unavailable(format!(
                "whether `{name}` is used cannot be said: {reason}; `force=true` deletes without asking"
            ))
        })?;
        if let Some(users) = users.filter(|it| !it.is_empty()) {
            let users = users.join(", ");
            return Err(ApiError::conflict(format!(
                "`{name}` is used by {users}, whose requests would be unscored; change or disable that first, or \
                 delete with `force=true`"
            )));
        }
        registry.remove(&name, version).map_err(to_api)
    });
    work.await.map_err(|error| ApiError::internal(&error))??;
    Ok(StatusCode::NO_CONTENT)
}
