//! `/v1/models` of a service that hosts packages.

use std::num::NonZeroU64;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use shadowline_api::packages::{
    self, DefaultVersion, InstalledPackage, PackageUpload, PackageVersions,
};

use crate::address::Base;
use crate::error::ClientError;

/// The packages of one service.
#[derive(Debug, Clone)]
pub struct Packages(Base);

impl Packages {
    pub(crate) fn new(base: Base) -> Self {
        Self(base)
    }

    /// Lists every installed package, and what is unusable.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(&self) -> Result<packages::Packages, ClientError> {
        self.0.get(&["v1", "models"], &[]).read().await
    }

    /// Shows the versions of a package; none if there is no package of this name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn find(&self, name: &str) -> Result<Option<PackageVersions>, ClientError> {
        let answer = self.0.get(&["v1", "models", name], &[]).send().await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => answer.success()?.json().map(Some),
        }
    }

    /// Installs a package.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn install(&self, upload: PackageUpload) -> Result<InstalledPackage, ClientError> {
        let PackageUpload { document, artefact, profile } = upload;
        let document = Part::text(document).mime_str("application/yaml");
        let document = document.map_err(|source| ClientError::Prepare { source })?;
        let mut form =
            Form::new().part("document", document).part("artefact", Part::bytes(artefact));
        if let Some(profile) = profile {
            form = form.part("profile", Part::bytes(profile));
        }
        self.0.call(Method::POST, &["v1", "models"], &[]).form(form).read().await
    }

    /// Makes a version the one that answers where none is named; an older one is a rollback.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_default(
        &self,
        name: &str,
        version: NonZeroU64,
    ) -> Result<PackageVersions, ClientError> {
        let path = ["v1", "models", name, "default_version"];
        let body = DefaultVersion { version: version.get() };
        self.0.call(Method::PUT, &path, &[]).body(&body).read().await
    }

    /// Removes one version of a package, or all; of what is used only if it is forced.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove(
        &self,
        name: &str,
        version: Option<NonZeroU64>,
        is_forced: bool,
    ) -> Result<(), ClientError> {
        let version = version.map(|it| it.to_string());
        let mut path = vec!["v1", "models", name];
        path.extend(version.iter().flat_map(|it| ["versions", it.as_str()]));
        let query = [("force", "true".to_owned())];
        let query = if is_forced { &query[..] } else { &[] };
        self.0.call(Method::DELETE, &path, query).done().await
    }
}
