//! The files of an installed package and their names.

use crate::artefacts::ArtefactName;
use crate::document::ModelDocument;

/// The document's file.
pub(crate) const DOCUMENT: &str = "serving.yaml";
/// The file with the digests.
pub(crate) const DIGEST: &str = "digest";
/// File names that an artefact cannot have.
const RESERVED: [&str; 2] = [DOCUMENT, DIGEST];

/// The file of each artefact: the last part of its path, where that is a plain name that no other has.
///
/// Whatever the document says, these are names and not paths, so nothing is ever read or written outside the
/// package's own folder.
pub(crate) fn artefact_files(document: &ModelDocument) -> Vec<(ArtefactName, String)> {
    let model = plain(&document.artefact).unwrap_or("artefact");
    let mut files = vec![(ArtefactName::Model, model.to_owned())];
    for (name, path) in &document.artefacts {
        let numbered = (2..).map(|it| format!("{name}-{it}"));
        let wanted = plain(path).into_iter().chain([name.as_str()]).map(str::to_owned);
        let is_free = |file: &String| files.iter().all(|(_, it)| it != file);
        // There is always one: numbers do not end.
        if let Some(file) = wanted.chain(numbered).find(is_free) {
            files.push((*name, file));
        }
    }
    files
}

/// The document as it is installed, with its artefacts beside it.
pub(crate) fn installed(mut document: ModelDocument) -> ModelDocument {
    for (name, file) in artefact_files(&document) {
        match name {
            ArtefactName::Model => document.artefact = file,
            ArtefactName::Profile => {
                document.artefacts.insert(name, file);
            }
        }
    }
    document
}

/// The last part of a path, where that is a file name without surprises.
fn plain(path: &str) -> Option<&str> {
    let last = path.rsplit('/').next().unwrap_or_default();
    let plain = last.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it));
    let usable = plain && (1..=100).contains(&last.len()) && !last.starts_with('.');
    (usable && !RESERVED.contains(&last)).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(artefact: &str, profile: Option<&str>) -> ModelDocument {
        let mut document = ModelDocument::parse(
            "kind: Model\nname: knn\nruntime: knn\nartefact: a\n\
             contract: {inputs: {age: int64}, outputs: {score: float64}}\n",
        )
        .unwrap();
        document.artefact = artefact.into();
        document.artefacts.extend(profile.map(|it| (ArtefactName::Profile, it.to_owned())));
        document
    }

    #[test]
    fn an_artefact_never_gets_a_path_of_its_own_choice() {
        for (path, file) in [
            ("a/b/forest.sld", "forest.sld"),
            ("../..", "artefact"),
            ("x/", "artefact"),
            ("serving.yaml", "artefact"),
            ("digest", "artefact"),
            ("a b", "artefact"),
        ] {
            let files = artefact_files(&document(path, None));
            assert_eq!(files, [(ArtefactName::Model, file.to_owned())]);
        }
        for (path, file) in [
            ("a/b/p.slm", "p.slm"),
            ("../..", "profile"),
            ("digest", "profile"),
            ("b/model.slm", "profile"),
        ] {
            let files = artefact_files(&document("a/model.slm", Some(path)));
            assert_eq!(files[1], (ArtefactName::Profile, file.to_owned()));
        }
        let files = artefact_files(&document("profile", Some("b/profile")));
        assert_eq!(files[1].1, "profile-2");
    }

    #[test]
    fn an_installed_document_names_its_files() {
        for profile in [None, Some("b/model.slm"), Some("../x")] {
            let document = installed(document("a/model.slm", profile));
            assert_eq!(document.artefact, "model.slm");
            assert_eq!(installed(document.clone()), document);
        }
    }
}
