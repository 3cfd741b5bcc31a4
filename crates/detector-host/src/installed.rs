//! The packages that are installed in a monitor.

use std::sync::Arc;

use shadowline_detectors::{DetectorArtefact, DetectorKind};
use shadowline_error::BoxError;
use shadowline_packages::{Artefacts, Package, Registry, read_folder};
use shadowline_service::health::Component;

use crate::config::Config;
use crate::error::HostError;

/// The detectors installed in a monitor.
pub type Detectors = Registry<DetectorArtefact>;

/// Opens the installed detectors, which are all of one kind, and installs those that the settings name.
pub(crate) async fn open_detectors(
    expected: DetectorKind,
    config: &Config,
) -> Result<Arc<Detectors>, HostError> {
    let (dir, folders) = (config.packages_dir.clone(), config.install.clone());
    // Off the async threads: it reads and checks every artefact.
    let work = tokio::task::spawn_blocking(move || {
        let detectors = Registry::open(dir, move |package: &Package, artefacts: &Artefacts| {
            if package.runtime != expected.name() {
                let message = format!(
                    "its runtime is `{}`; this monitor hosts `{}`",
                    package.runtime,
                    expected.name()
                );
                return Err(BoxError::from(message));
            }
            let detector = DetectorArtefact::from_bytes(artefacts.model())?;
            let found = detector.detector().kind();
            if found != expected {
                let message =
                    format!("its artefact is a `{}`, not a `{}`", found.name(), expected.name());
                return Err(BoxError::from(message));
            }
            detector.preprocessing().check_fields(package.signature.inputs())?;
            Ok(detector)
        })
        .map_err(HostError::Packages)?;
        for path in folders {
            let (document, artefacts) = read_folder(&path).map_err(HostError::Folder)?;
            let installed = detectors.install(document, &artefacts);
            installed.map_err(|source| HostError::Install { path, source })?;
        }
        Ok(Arc::new(detectors))
    });
    work.await.map_err(HostError::Task)?
}

/// Keeps the health of the packages until the future is dropped: corrupt ones degrade it, and a service that only
/// answers for them needs one.
pub(crate) async fn watch_packages(
    detectors: Arc<Detectors>,
    health: Component,
    may_be_empty: bool,
) {
    let mut changes = detectors.changes();
    loop {
        changes.mark_unchanged();
        let corrupt: Vec<String> = detectors
            .unusable()
            .iter()
            .map(|it| format!("`{}` version {} cannot be used: {}", it.name, it.version, it.reason))
            .collect();
        if !may_be_empty && detectors.snapshot().is_empty() {
            let none = "no model is there: name a package's folder in the setting `install`, or send one to /v1/models";
            let reasons = std::iter::once(none.to_owned()).chain(corrupt);
            health.failing(reasons.collect::<Vec<_>>().join("; "))
        } else if corrupt.is_empty() {
            health.ok()
        } else {
            health.degraded(corrupt.join("; "))
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
