//! A package as a folder, as a training writes it: `serving.yaml` and the artefacts that it names.

use std::path::{Component, Path, PathBuf};

use crate::artefacts::Artefacts;
use crate::document::{DocumentError, ModelDocument};
use crate::layout::DOCUMENT;

/// Why a folder is not a package.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file of it cannot be read.
    #[error("read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// An artefact lies outside the folder.
    #[error(
        "artefact `{artefact}` is outside of its package's folder `{}`; a path below it expected", folder.display()
    )]
    Outside {
        /// As the document names it.
        artefact: String,
        /// The package's folder.
        folder: PathBuf,
    },
    /// Its document is not one.
    #[error("read `{}`", path.display())]
    Document {
        /// The document's file.
        path: PathBuf,
        /// What is wrong with it.
        source: DocumentError,
    },
}

/// Reads a package's document and artefacts from its folder, or from the path of the document itself. Blocks.
///
/// # Errors
/// [`FolderError`] names the file that is missing or wrong.
pub fn read_folder(path: &Path) -> Result<(ModelDocument, Artefacts), FolderError> {
    let document_path = if path.is_dir() { path.join(DOCUMENT) } else { path.to_owned() };
    let bytes = read(document_path.clone())?;
    let document = ModelDocument::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|source| FolderError::Document { path: document_path.clone(), source })?;
    let folder = document_path.parent().unwrap_or(Path::new(""));
    let artefacts = read_artefacts(&document, folder)?;
    Ok((document, artefacts))
}

/// Reads the artefacts that a document names, whose own folder is given. Blocks.
///
/// # Errors
/// [`FolderError::Read`] names the file that is missing, [`FolderError::Outside`] the artefact that the folder does not
/// hold: a user who applies somebody else's document must not upload other files of the machine with it.
pub fn read_artefacts(document: &ModelDocument, folder: &Path) -> Result<Artefacts, FolderError> {
    let mut artefacts = Artefacts::of_model(read_below(folder, &document.artefact)?);
    for (name, path) in &document.artefacts {
        artefacts = artefacts.with(*name, read_below(folder, path)?);
    }
    Ok(artefacts)
}

/// Reads a file of a folder, which does not lead out of it, be it by `..`, as an absolute path or as a link.
fn read_below(folder: &Path, artefact: &str) -> Result<Vec<u8>, FolderError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let outside =
        || FolderError::Outside { artefact: artefact.to_owned(), folder: folder.to_owned() };
    // By its name alone first, so that nobody learns which files there are elsewhere.
    let is_below = Path::new(artefact)
        .components()
        .all(|it| matches!(it, Component::Normal(_) | Component::CurDir));
    if !is_below {
        return Err(outside());
    }
    let path = folder.join(artefact);
    let real = |it: &Path| {
        it.canonicalize().map_err(|source| FolderError::Read { path: it.to_owned(), source })
    };
    if !real(&path)?.starts_with(real(folder)?) {
        return Err(outside());
    }
    read(path)
}

fn read(path: PathBuf) -> Result<Vec<u8>, FolderError> {
    match std::fs::read(&path) {
        Ok(bytes) => Ok(bytes),
        Err(source) => Err(FolderError::Read { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::artefacts::ArtefactName;

    #[test]
    fn a_folder_is_read_and_what_is_wrong_with_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |path: &Path| read_folder(path).unwrap_err();
        assert!(matches!(refused(&dir.path().join("none")), FolderError::Read { .. }));
        assert!(refused(dir.path()).to_string().contains("serving.yaml"));
        let document = dir.path().join(DOCUMENT);
        std::fs::write(&document, "kind: Modle\n").unwrap();
        assert!(refused(dir.path()).source().is_some());
        let text = "kind: Model\nname: a\nruntime: knn\nartefact: a.sld\n\
                    contract: {inputs: {x: float64}, outputs: {score: float64}}\n";
        std::fs::write(&document, text).unwrap();
        assert!(refused(dir.path()).to_string().contains("a.sld"));
        std::fs::write(dir.path().join("a.sld"), "bytes").unwrap();
        for path in [dir.path(), document.as_path()] {
            let (document, artefacts) = read_folder(path).unwrap();
            assert_eq!(document.name.as_str(), "a");
            assert_eq!(artefacts, Artefacts::of_model("bytes"));
        }
        std::fs::write(&document, format!("{text}artefacts: {{profile: a/p.slm}}\n")).unwrap();
        assert!(refused(dir.path()).to_string().contains("a/p.slm"));
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/p.slm"), "more").unwrap();
        let (_, artefacts) = read_folder(dir.path()).unwrap();
        assert_eq!(artefacts, Artefacts::of_model("bytes").with(ArtefactName::Profile, "more"));
    }

    #[test]
    fn no_artefact_is_read_from_outside_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("package");
        std::fs::create_dir_all(package.join("sub")).unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        std::fs::write(package.join("sub/a.sld"), "bytes").unwrap();
        let absolute = secret.display().to_string();
        let mut outside = vec!["../secret", "sub/../../secret", absolute.as_str()];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&secret, package.join("link")).unwrap();
            outside.push("link");
        }
        let read = |artefact: &str| {
            let text = format!(
                "kind: Model\nname: a\nruntime: knn\nartefact: {artefact}\n\
                 contract: {{inputs: {{x: float64}}, outputs: {{score: float64}}}}\n"
            );
            read_artefacts(&ModelDocument::parse(&text).unwrap(), &package)
        };
        for artefact in outside {
            let refused = read(artefact).unwrap_err();
            assert!(matches!(refused, FolderError::Outside { .. }), "{artefact}: {refused}");
        }
        let mut inside = vec!["sub/a.sld", "./sub/a.sld"];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("sub/a.sld", package.join("inside")).unwrap();
            inside.push("inside");
        }
        for artefact in inside {
            assert_eq!(read(artefact).unwrap(), Artefacts::of_model("bytes"));
        }
    }
}
