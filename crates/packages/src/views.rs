//! Packages as answers; their types are those of `shadowline-api`.

use shadowline_api::packages::{self, Contract, FurtherArtefact};

use crate::artefacts::ArtefactName;
use crate::package::{self, InstallOutcome, Package, UnusablePackage};

pub(crate) fn package(package: &Package, is_default: bool) -> packages::Package {
    packages::Package {
        name: package.key.name.to_string(),
        version: package.key.version.get(),
        is_default,
        runtime: package.runtime.clone(),
        contract: Contract::Known(package.signature.clone()),
        metadata: package.metadata.clone(),
        digest: package.digest.clone(),
        artefact_bytes: package.artefact_bytes,
        artefacts: package.artefacts.iter().map(further).collect(),
    }
}

fn further(
    (name, artefact): (&ArtefactName, &package::FurtherArtefact),
) -> (String, FurtherArtefact) {
    let package::FurtherArtefact { digest, size_bytes } = artefact;
    (name.to_string(), FurtherArtefact { digest: digest.clone(), size_bytes: *size_bytes })
}

pub(crate) fn unusable(unusable: UnusablePackage) -> packages::UnusablePackage {
    let UnusablePackage { name, version, reason } = unusable;
    packages::UnusablePackage { name, version: version.get(), reason }
}

pub(crate) fn outcome(outcome: InstallOutcome) -> packages::InstallOutcome {
    match outcome {
        InstallOutcome::Installed => packages::InstallOutcome::Installed,
        InstallOutcome::Unchanged => packages::InstallOutcome::Unchanged,
    }
}
