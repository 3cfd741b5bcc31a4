//! Uploads as they come in: straight to the disk, and only a few at a time.
//!
//! What one takes of memory is then a piece of its bytes, however long it is and however many come at once. Only the one
//! that is installed is in memory as a whole.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use axum::http::StatusCode;
use shadowline_service::http::ApiError;
use tempfile::TempDir;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::artefacts::{ArtefactName, Artefacts};
use crate::disk;
use crate::document::ModelDocument;

/// How many uploads are received at the same time; further ones wait.
const MAX_RECEIVED: usize = 2;
/// How long an upload waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Size limit of a document.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// The turns of the uploads of one registry.
#[derive(Debug)]
pub(crate) struct Turns {
    receiving: Semaphore,
    installing: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { receiving: Semaphore::new(MAX_RECEIVED), installing: Arc::new(Semaphore::new(1)) }
    }
}

impl Turns {
    /// Waits until this upload may be received.
    pub(crate) async fn receive(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        turn(self.receiving.acquire(), "received").await
    }

    /// Waits until this upload may be read into memory and installed, which its caller may not wait for.
    pub(crate) async fn install(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        turn(Arc::clone(&self.installing).acquire_owned(), "installed").await
    }
}

async fn turn<P>(
    turn: impl Future<Output = Result<P, AcquireError>>,
    what: &str,
) -> Result<P, ApiError> {
    match timeout(MAX_WAIT, turn).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => Err(ApiError::unavailable(format!(
            "other uploads have been {what} for {} s; expected one after the other, try again later",
            MAX_WAIT.as_secs()
        ))),
    }
}

/// An upload that has come in whole. Its files go when it does.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) document: ModelDocument,
    folder: TempDir,
    artefacts: Vec<ArtefactName>,
}

impl Upload {
    /// Receives the parts into a folder of their own below `dir`.
    pub(crate) async fn receive(dir: &Path, mut parts: Multipart) -> Result<Self, ApiError> {
        let folder = disk::unfinished(dir).map_err(|error| not_kept(dir, &error))?;
        let mut document = None;
        let mut artefacts: Vec<ArtefactName> = Vec::new();
        while let Some(part) = parts.next_field().await.map_err(bad_upload)? {
            match part.name() {
                Some("document") if document.is_none() => {
                    document = Some(read_document(part).await?);
                }
                Some(name) => match artefact(name) {
                    Some(name) if !artefacts.contains(&name) => {
                        keep(part, &folder.path().join(name.as_str())).await?;
                        artefacts.push(name);
                    }
                    _ => {
                        let message = format!(
                            "part `{name}`: expected one part `document`, one part `artefact`, and one for each \
                             name in the document's `artefacts`"
                        );
                        return Err(ApiError::invalid(message));
                    }
                },
                None => {
                    return Err(ApiError::invalid(
                        "a part has no name; expected `document` or `artefact`",
                    ));
                }
            }
        }
        let document = document.ok_or_else(|| missing("document", "the model document, YAML"))?;
        if !artefacts.contains(&ArtefactName::Model) {
            return Err(missing("artefact", "the bytes the document names"));
        }
        Ok(Self { document, folder, artefacts })
    }

    /// Reads the artefacts into memory. Blocks on the disk.
    pub(crate) fn artefacts(&self) -> Result<Artefacts, ApiError> {
        let mut artefacts = Artefacts::of_model([]);
        for name in &self.artefacts {
            let path = self.folder.path().join(name.as_str());
            let bytes = std::fs::read(&path).map_err(|error| not_kept(&path, &error))?;
            artefacts = artefacts.with(*name, bytes);
        }
        Ok(artefacts)
    }
}

/// The artefact that comes as a part of this name: the model as `artefact`, others by theirs.
fn artefact(part: &str) -> Option<ArtefactName> {
    match part {
        "artefact" => Some(ArtefactName::Model),
        part => part.parse().ok().filter(|it| *it != ArtefactName::Model),
    }
}

/// Writes a part to a file, piece by piece.
async fn keep(mut part: Field<'_>, path: &Path) -> Result<(), ApiError> {
    let failed = |error: io::Error| not_kept(path, &error);
    let mut file = File::create_new(path).await.map_err(failed)?;
    while let Some(piece) = part.chunk().await.map_err(bad_upload)? {
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}

async fn read_document(mut part: Field<'_>) -> Result<ModelDocument, ApiError> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.chunk().await.map_err(bad_upload)? {
        bytes.extend_from_slice(&piece);
        if MAX_DOCUMENT_BYTES < bytes.len() {
            let message =
                format!("part `document`: expected at most {MAX_DOCUMENT_BYTES} bytes, got more");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message));
        }
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| ApiError::invalid(format!("part `document` is not UTF-8: {error}")))?;
    ModelDocument::parse(text).map_err(|error| ApiError::invalid(error.to_string()))
}

fn missing(part: &str, what: &str) -> ApiError {
    ApiError::invalid(format!("part `{part}` is missing: {what}"))
}

fn bad_upload(error: MultipartError) -> ApiError {
    let status = error.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(status, "too_large", "the upload is larger than this service takes");
    }
    ApiError::new(status, "invalid_argument", format!("read upload: {}", error.body_text()))
}

/// The disk does not take the upload.
fn not_kept(path: &Path, error: &io::Error) -> ApiError {
    tracing::error!(path = %path.display(), %error, "an upload cannot be kept");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ApiError::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "insufficient_storage",
            format!("the disk of this service has no room for the upload: {error}"),
        ),
        _ => ApiError::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_upload_waits_for_its_turn_and_not_for_ever() {
        let turns = Turns::default();
        let first = turns.receive().await.unwrap();
        let _second = turns.receive().await.unwrap();
        let refused = turns.receive().await.unwrap_err();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.message.contains("for 60 s"), "{}", refused.message);
        drop(first);
        drop(turns.receive().await.unwrap());
    }
}
