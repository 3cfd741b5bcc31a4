//! Packages as answers; their types are those of `shadowline-api`.

use shadowline_api::packages::{self, Contract, DamagedPackage};

use crate::registry::{Damaged, InstallOutcome, Package};

pub(crate) fn package(package: &Package) -> packages::Package {
    packages::Package {
        name: package.key.name.to_string(),
        version: package.key.version.get(),
        runtime: package.runtime.clone(),
        contract: Contract::Known(package.signature.clone()),
        metadata: package.metadata.clone(),
        digest: package.digest.clone(),
        artefact_bytes: package.artefact_bytes,
    }
}

pub(crate) fn damaged(damaged: Damaged) -> DamagedPackage {
    let Damaged { name, version, reason } = damaged;
    DamagedPackage { name, version: version.get(), reason }
}

pub(crate) fn outcome(outcome: InstallOutcome) -> packages::InstallOutcome {
    match outcome {
        InstallOutcome::Installed => packages::InstallOutcome::Installed,
        InstallOutcome::Unchanged => packages::InstallOutcome::Unchanged,
    }
}
