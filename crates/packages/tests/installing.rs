//! Packages installed, found again after a restart, and refused when they are not whole.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use shadowline_error::chain;
use shadowline_packages::{
    ArtefactName, Artefacts, InstallOutcome, ModelDocument, Registry, RegistryError,
};

fn document(version: Option<u64>) -> ModelDocument {
    let yaml = "kind: Model\nname: knn\nruntime: knn\nartefact: a/knn.sld\n\
         contract: {inputs: {age: int64}, outputs: {score: float64}}\n";
    let mut document = ModelDocument::parse(yaml).unwrap();
    document.version = version.and_then(NonZeroU64::new);
    document
}

fn open(dir: &tempfile::TempDir) -> Registry<String> {
    Registry::open(dir.path(), |_, artefacts| {
        let text = String::from_utf8(artefacts.model().to_vec())?;
        if text == "bad" { Err("bad artefact".into()) } else { Ok(text) }
    })
    .unwrap()
}

fn version(
    registry: &Registry<String>,
    given: Option<u64>,
    artefact: &str,
) -> (u64, InstallOutcome) {
    let (package, outcome) =
        registry.install(document(given), &Artefacts::of_model(artefact)).unwrap();
    (package.key.version.get(), outcome)
}

#[test]
fn content_chooses_the_version() {
    use InstallOutcome::{Installed, Unchanged};
    let dir = tempfile::tempdir().unwrap();
    let registry = open(&dir);
    assert_eq!(version(&registry, None, "one"), (1, Installed));
    assert_eq!(version(&registry, None, "one"), (1, Unchanged));
    assert_eq!(version(&registry, None, "two"), (2, Installed));
    assert_eq!(version(&registry, None, "one"), (1, Unchanged));
    assert_eq!(version(&registry, Some(7), "seven"), (7, Installed));
    assert_eq!(version(&registry, Some(7), "seven"), (7, Unchanged));
    assert_eq!(version(&registry, None, "eight"), (8, Installed));
    let conflict = registry.install(document(Some(7)), &Artefacts::of_model("other")).unwrap_err();
    assert!(
        conflict.to_string().starts_with("`knn` version 7 exists with other content"),
        "{conflict}"
    );
    assert_eq!(registry.get("knn", None).unwrap().loaded, "eight");
    assert_eq!(registry.get("knn", NonZeroU64::new(2)).unwrap().loaded, "two");
    assert!(registry.get("knn", NonZeroU64::new(3)).is_none());
    let versions =
        |it: &Registry<String>| it.snapshot().keys().map(|it| it.version.get()).collect::<Vec<_>>();
    assert_eq!(versions(&registry), [1, 2, 7, 8]);
    assert_eq!(versions(&open(&dir)), [1, 2, 7, 8]);
}

#[test]
fn what_cannot_run_is_not_installed() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(&dir);
    let error = registry.install(document(None), &Artefacts::of_model("bad")).unwrap_err();
    assert_eq!(chain(&error), "package `knn` version 1 cannot be used: bad artefact");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_corrupt_package_is_named_and_the_others_work() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(&dir);
    for artefact in ["one", "two", "three"] {
        version(&registry, None, artefact);
    }
    drop(registry);
    std::fs::write(dir.path().join("knn/3/knn.sld"), "thrEe").unwrap();
    std::fs::remove_file(dir.path().join("knn/1/serving.yaml")).unwrap();
    std::fs::create_dir(dir.path().join(".unfinished-x")).unwrap();
    let registry = open(&dir);
    assert!(!dir.path().join(".unfinished-x").exists());
    let unusable = registry.unusable();
    assert_eq!(unusable.iter().map(|it| it.version.get()).collect::<Vec<_>>(), [1, 3]);
    assert!(unusable[0].reason.contains("serving.yaml"), "{unusable:?}");
    assert!(unusable[1].reason.contains("changed or corrupted"), "{unusable:?}");
    assert_eq!(registry.get("knn", None).unwrap().loaded, "two");
    // A number that was ever given is not given again.
    assert_eq!(version(&registry, None, "four"), (4, InstallOutcome::Installed));
    let error = registry.install(document(Some(3)), &Artefacts::of_model("three")).unwrap_err();
    assert!(error.to_string().contains("delete it first"), "{error}");
    registry.remove(&document(None).name, NonZeroU64::new(3)).unwrap();
    assert_eq!(version(&registry, Some(3), "three"), (3, InstallOutcome::Installed));
}

#[test]
fn removal_is_permanent_and_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(&dir);
    let mut changes = registry.changes();
    version(&registry, None, "one");
    version(&registry, None, "two");
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let name = document(None).name;
    assert_eq!(registry.remove(&name, NonZeroU64::new(2)).unwrap(), 1);
    assert!(changes.has_changed().unwrap());
    assert!(matches!(
        registry.remove(&name, NonZeroU64::new(2)),
        Err(RegistryError::NotFound { .. })
    ));
    assert_eq!(registry.remove(&name, None).unwrap(), 1);
    assert!(open(&dir).snapshot().is_empty());
    // What stays is which versions were given.
    let files = std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name());
    assert_eq!(files.collect::<Vec<_>>(), [".versions.json"]);
}

#[test]
fn no_version_is_given_twice() {
    use InstallOutcome::Installed;
    let dir = tempfile::tempdir().unwrap();
    let name = document(None).name;
    let registry = open(&dir);
    assert_eq!(version(&registry, None, "one"), (1, Installed));
    assert_eq!(version(&registry, None, "two"), (2, Installed));
    registry.remove(&name, NonZeroU64::new(2)).unwrap();
    assert_eq!(version(&registry, None, "three"), (3, Installed));
    registry.remove(&name, None).unwrap();
    // The same content as well: who names version 1 means what was there then.
    assert_eq!(version(&registry, None, "one"), (4, Installed));
    registry.remove(&name, None).unwrap();
    drop(registry);
    let registry = open(&dir);
    assert_eq!(version(&registry, None, "one"), (5, Installed));
    // A number that somebody names again is for what it was given to.
    let error = registry.install(document(Some(2)), &Artefacts::of_model("other")).unwrap_err();
    assert!(matches!(error, RegistryError::Given { .. }), "{error}");
    assert_eq!(version(&registry, Some(2), "two"), (2, Installed));
    assert_eq!(version(&registry, None, "six"), (6, Installed));
    // Also where the files went by another way.
    drop(registry);
    std::fs::remove_dir_all(dir.path().join("knn")).unwrap();
    assert_eq!(version(&open(&dir), None, "seven"), (7, Installed));
}

#[test]
fn versions_of_packages_that_an_earlier_build_installed_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    version(&open(&dir), None, "one");
    version(&open(&dir), None, "two");
    std::fs::remove_file(dir.path().join(".versions.json")).unwrap();
    open(&dir).remove(&document(None).name, None).unwrap();
    assert_eq!(version(&open(&dir), None, "three").0, 3);
}

#[test]
fn a_rolled_back_package_answers_by_the_version_before() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(&dir);
    let name = document(None).name;
    let number = |it| NonZeroU64::new(it).unwrap();
    for artefact in ["one", "two", "three"] {
        version(&registry, None, artefact);
    }
    let default = |it: &Registry<String>| it.get("knn", None).unwrap().loaded.clone();
    assert_eq!(default(&registry), "three");
    let mut changes = registry.changes();
    changes.mark_unchanged();
    registry.set_default(&name, number(2)).unwrap();
    assert!(changes.has_changed().unwrap());
    assert_eq!(default(&registry), "two");
    // Applying again what is there is no reason to answer by it.
    version(&registry, None, "three");
    assert_eq!(default(&registry), "two");
    drop(registry);
    let registry = open(&dir);
    assert_eq!(default(&registry), "two");
    assert_eq!(registry.get("knn", Some(number(3))).unwrap().loaded, "three");
    registry.remove(&name, Some(number(2))).unwrap();
    assert_eq!(default(&registry), "one");
    registry.set_default(&name, number(3)).unwrap();
    assert_eq!(default(&registry), "three");
    registry.set_default(&name, number(1)).unwrap();
    version(&registry, None, "four");
    assert_eq!(default(&registry), "four");
    let missing = registry.set_default(&name, number(2)).unwrap_err();
    assert_eq!(missing.to_string(), "there is no package `knn` version 2");
}

#[test]
fn while_a_newer_version_comes_no_other_answers_than_the_old_default_and_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(&dir);
    let name = document(None).name;
    for artefact in 1..=5 {
        version(&registry, None, &artefact.to_string());
    }
    let number = |it| NonZeroU64::new(it).unwrap();
    for round in 0..5_u64 {
        registry.set_default(&name, number(1 + round)).unwrap();
        let stop = AtomicBool::new(false);
        let answered = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut answered = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let version = registry.get("knn", None).unwrap().package.key.version.get();
                    if answered.last() != Some(&version) {
                        answered.push(version);
                    }
                }
                answered
            });
            version(&registry, None, &(6 + round).to_string());
            stop.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        });
        let expected = [1 + round, 6 + round];
        assert!(
            answered.iter().all(|it| expected.contains(it)) && answered.len() <= 2,
            "{answered:?}"
        );
        assert_eq!(registry.snapshot().default_version("knn"), Some(number(6 + round)));
    }
}

#[test]
fn an_installation_that_fails_leaves_a_rollback_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(&dir);
    let name = document(None).name;
    for artefact in ["one", "two", "three"] {
        version(&registry, None, artefact);
    }
    registry.set_default(&name, NonZeroU64::MIN).unwrap();
    // Something stands where version 4 should go.
    let obstacle = dir.path().join("knn/4");
    std::fs::create_dir_all(obstacle.join("something")).unwrap();
    let error = registry.install(document(None), &Artefacts::of_model("four")).unwrap_err();
    assert!(matches!(error, RegistryError::Io { .. }), "{error}");
    let default = |it: &Registry<String>| it.get("knn", None).unwrap().loaded.clone();
    assert_eq!(default(&registry), "one");
    drop(registry);
    std::fs::remove_dir_all(obstacle).unwrap();
    let registry = open(&dir);
    assert_eq!(default(&registry), "one");
    // Its number was used up, and the next version ends the rollback.
    assert_eq!(version(&registry, None, "four"), (5, InstallOutcome::Installed));
    assert_eq!(default(&registry), "four");
    assert_eq!(default(&open(&dir)), "four");
    registry.remove(&name, NonZeroU64::new(5)).unwrap();
    assert_eq!(default(&registry), "three");
}

#[test]
fn a_newer_package_that_is_copied_into_the_directory_ends_a_rollback() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let registry = open(&dir);
    let name = document(None).name;
    version(&registry, None, "one");
    version(&registry, None, "two");
    registry.set_default(&name, NonZeroU64::MIN).unwrap();
    version(&open(&other), Some(3), "three");
    std::fs::rename(other.path().join("knn/3"), dir.path().join("knn/3")).unwrap();
    assert_eq!(registry.rescan(&name).unwrap(), 1);
    for registry in [registry, open(&dir)] {
        assert_eq!(registry.get("knn", None).unwrap().loaded, "three");
    }
}

/// A document that names a profile as well.
fn with_profile() -> ModelDocument {
    let mut document = document(None);
    document.artefacts.insert(ArtefactName::Profile, "a/profile.slm".to_owned());
    document
}

/// A registry that loads every artefact that there is.
fn open_all(dir: &tempfile::TempDir) -> Registry<Artefacts> {
    Registry::open(dir.path(), |_, artefacts| Ok(artefacts.clone())).unwrap()
}

#[test]
fn every_artefact_is_stored_and_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let artefacts = Artefacts::of_model("one").with(ArtefactName::Profile, "two");
    let registry = open_all(&dir);
    let (package, outcome) = registry.install(with_profile(), &artefacts).unwrap();
    assert_eq!(outcome, InstallOutcome::Installed);
    let profile = &package.artefacts[&ArtefactName::Profile];
    assert_eq!((package.artefact_bytes, profile.size_bytes), (3, 3));
    assert!(profile.digest.starts_with("sha256:"), "{profile:?}");
    let json = serde_json::to_value(&package).unwrap();
    assert_eq!(json["artefacts"]["profile"]["size_bytes"], 3);
    assert_eq!(registry.install(with_profile(), &artefacts).unwrap().1, InstallOutcome::Unchanged);
    for registry in [registry, open_all(&dir)] {
        let hosted = registry.get("knn", None).unwrap();
        assert_eq!(hosted.loaded, artefacts);
        assert_eq!(hosted.package, package);
    }
    assert_eq!(std::fs::read(dir.path().join("knn/1/profile.slm")).unwrap(), b"two");
    // Another profile makes another package.
    let other = Artefacts::of_model("one").with(ArtefactName::Profile, "three");
    let (package, _) = open_all(&dir).install(with_profile(), &other).unwrap();
    assert_eq!(package.key.version.get(), 2);
}

#[test]
fn the_artefacts_are_the_ones_that_the_document_names() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open_all(&dir);
    let alone = Artefacts::of_model("one");
    let both = alone.clone().with(ArtefactName::Profile, "two");
    assert_eq!(
        registry.install(with_profile(), &alone).unwrap_err().to_string(),
        "artefact `profile` is missing; the document names it"
    );
    assert_eq!(
        registry.install(document(None), &both).unwrap_err().to_string(),
        "artefact `profile` is not among the document's `artefacts`"
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_corrupt_or_missing_further_artefact_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open_all(&dir);
    for profile in ["one", "two", "three"] {
        let artefacts = Artefacts::of_model("bytes").with(ArtefactName::Profile, profile);
        registry.install(with_profile(), &artefacts).unwrap();
    }
    drop(registry);
    std::fs::write(dir.path().join("knn/1/profile.slm"), "onE").unwrap();
    std::fs::remove_file(dir.path().join("knn/2/profile.slm")).unwrap();
    let registry = open_all(&dir);
    let unusable = registry.unusable();
    assert_eq!(unusable.iter().map(|it| it.version.get()).collect::<Vec<_>>(), [1, 2]);
    assert!(unusable[0].reason.starts_with("its artefact `profile` was changed"), "{unusable:?}");
    assert!(unusable[1].reason.starts_with("its artefact `profile`: read"), "{unusable:?}");
    assert!(registry.get("knn", NonZeroU64::new(3)).is_some());
}

/// A package that was installed when a package had one artefact, byte for byte.
#[test]
fn a_package_installed_by_an_earlier_version_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("census_knn/1");
    std::fs::create_dir_all(&place).unwrap();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/census_knn/1");
    for file in ["serving.yaml", "digest", "model.slm"] {
        std::fs::copy(stored.join(file), place.join(file)).unwrap();
    }
    let registry = open_all(&dir);
    assert_eq!(registry.unusable(), []);
    let hosted = registry.get("census_knn", None).unwrap();
    assert_eq!(hosted.loaded, Artefacts::of_model("an artefact"));
    assert!(hosted.package.artefacts.is_empty());
    // The same content is still the same.
    let text = std::fs::read_to_string(stored.join("serving.yaml")).unwrap();
    let mut document = ModelDocument::parse(&text).unwrap();
    document.version = None;
    let (_, outcome) = registry.install(document, &Artefacts::of_model("an artefact")).unwrap();
    assert_eq!(outcome, InstallOutcome::Unchanged);
}
