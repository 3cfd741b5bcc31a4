//! What a call may ask for that is refused with a sentence, and never passed over.

use tonic::Status;

use crate::describe;

/// Refuses a repository's name: there is one repository.
pub(super) fn repository(name: &str) -> Result<(), Status> {
    if name.is_empty() { Ok(()) } else { Err(Status::unimplemented(describe::ONE_REPOSITORY)) }
}

/// Refuses what a model is to be loaded with.
pub(super) fn loading<'a>(parameters: impl Iterator<Item = &'a str>) -> Result<(), Status> {
    describe::check_loading(parameters).map_err(Status::unimplemented)
}

/// Refuses what a model is to be unloaded with.
pub(super) fn unloading<'a>(parameters: impl Iterator<Item = &'a str>) -> Result<(), Status> {
    describe::check_unloading(parameters).map_err(Status::unimplemented)
}
