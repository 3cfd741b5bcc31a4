//! Detectors written and read: exact when intact, refused with a reason when not, and never a panic.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{error::Error, panic::catch_unwind};

use shadowline_artefact::{ArtefactError, ArtefactReader, ArtefactWriter, SectionData};
use shadowline_contract::{Batch, Column, Tensor, TensorData};
use shadowline_detectors::{
    Detector, DetectorArtefact, DetectorKind, DetectorParams, IsolationForest, KnnOutlier,
    RecordScoreError, TrainOptions, isolation_forest::Contamination,
};
use shadowline_features::{FeatureError, Scale, Table, TableBuilder};

fn table() -> Table {
    let mut rows = TableBuilder::new(["age", "hours", "job"]).unwrap();
    for row in 0..60 {
        let job = ["clerk", "cook", "?"][row % 3];
        rows.push_row([(20 + row % 17).to_string().as_str(), &format!("{}.5", 30 + row % 7), job])
            .unwrap();
    }
    rows.finish()
}

fn artefacts() -> [DetectorArtefact; 2] {
    let forest = IsolationForest::params()
        .n_estimators(5)
        .contamination(Contamination::Share(0.1))
        .random_state(3);
    let knn = KnnOutlier::params().p(3.0).contamination(0.1);
    [DetectorParams::IsolationForest(forest), DetectorParams::Knn(knn)].map(|params| {
        DetectorArtefact::train("ages", &params, &TrainOptions::scaled(Scale::Standard), &table())
            .unwrap()
    })
}

/// A forest with oblique cuts, which has sections of its own.
fn extended() -> DetectorArtefact {
    let params = IsolationForest::params().n_estimators(3).extension_level(1).random_state(5);
    let params = DetectorParams::IsolationForest(params);
    DetectorArtefact::train("ages", &params, &TrainOptions::scaled(Scale::Standard), &table())
        .unwrap()
}

fn record(age: f64, job: &str) -> Batch {
    let column = |name: &str, data| Column { name: name.to_owned(), tensor: Tensor::vector(data) };
    let columns = vec![
        column("job", TensorData::String(vec![job.to_owned()])),
        column("age", TensorData::Float64(vec![age])),
        column("hours", TensorData::Float32(vec![40.5])),
    ];
    Batch::new(1, columns).unwrap()
}

/// Scores what a monitor might be sent; answers are as good as errors, panics are not.
fn use_it(artefact: &DetectorArtefact) {
    for (age, job) in [(20.0, "cook"), (-1e308, ""), (1e308, "pilot"), (f64::NAN, "?")] {
        let _answer = artefact.score(&record(age, job));
    }
}

#[test]
fn a_round_trip_is_exact() {
    for artefact in artefacts().into_iter().chain([extended()]) {
        let bytes = artefact.to_bytes().unwrap();
        let loaded = DetectorArtefact::from_bytes(&bytes).unwrap();
        assert_eq!(loaded.to_bytes().unwrap(), bytes);
        assert_eq!(loaded.name(), "ages");
        assert_eq!(
            loaded.detector().threshold().to_bits(),
            artefact.detector().threshold().to_bits()
        );
        assert_eq!(loaded.training_scores(), artefact.training_scores());
        let bits = |it: &DetectorArtefact| {
            it.score(&table()).unwrap().scores.into_iter().map(f64::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(bits(&loaded), bits(&artefact));
    }
}

#[test]
fn one_record_scores_the_same_bits_as_in_its_batch() {
    for artefact in artefacts() {
        let batch = table().to_batch();
        let together = artefact.score(&batch).unwrap().scores;
        for (record_idx, score) in together.iter().enumerate() {
            assert_eq!(
                artefact.score(&batch.record(record_idx)).unwrap().scores[0].to_bits(),
                score.to_bits()
            );
        }
    }
}

#[test]
fn unseen_categories_are_counted_and_missing_fields_named() {
    for artefact in artefacts() {
        assert_eq!(artefact.score(&record(30.0, "pilot")).unwrap().n_unseen, 1);
        assert_eq!(artefact.score(&record(30.0, "")).unwrap().n_unseen, 0);
        let error = artefact.score(&Batch::new(1, vec![]).unwrap()).unwrap_err();
        assert_eq!(
            error,
            RecordScoreError::Feature(FeatureError::NoField { field: "age".to_owned() })
        );
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    for artefact in artefacts() {
        let whole = artefact.to_bytes().unwrap();
        for len in 0..whole.len() {
            let error = DetectorArtefact::from_bytes(&whole[..len]).unwrap_err();
            assert!(matches!(error, ArtefactError::Length { .. }), "{len} bytes: {error}");
        }
        // Every byte, each with another of its bits: all bits of all bytes would take minutes.
        for at in 0..whole.len() {
            let mut corrupt = whole.clone();
            corrupt[at] ^= 1 << (at % 8);
            DetectorArtefact::from_bytes(&corrupt).unwrap_err();
        }
    }
}

/// Writes the artefact again with one change to its sections or its header, and a right checksum.
struct Crafted {
    kind: String,
    body: serde_json::Value,
    sections: Vec<(&'static str, SectionData)>,
}

impl Crafted {
    fn of(artefact: &DetectorArtefact) -> Self {
        let mut reader = ArtefactReader::new(&artefact.to_bytes().unwrap()).unwrap();
        let mut sections = Vec::new();
        match artefact.detector().kind() {
            DetectorKind::IsolationForest => {
                for name in ["roots", "features", "children", "node_samples"] {
                    sections.push((name, SectionData::U32(reader.take_u32(name).unwrap())));
                }
                sections
                    .push(("thresholds", SectionData::F32(reader.take_f32("thresholds").unwrap())));
                if let Ok(features) = reader.take_u16("plane_features") {
                    sections.push(("plane_features", SectionData::U16(features)));
                    for name in ["plane_normals", "plane_intercepts"] {
                        sections.push((name, SectionData::F32(reader.take_f32(name).unwrap())));
                    }
                }
                sections.push((
                    "training_scores",
                    SectionData::F64(reader.take_f64("training_scores").unwrap()),
                ));
            }
            DetectorKind::Knn => {
                for name in ["records", "record_scores", "expected_parts"] {
                    sections.push((name, SectionData::F64(reader.take_f64(name).unwrap())));
                }
            }
        }
        Self { kind: reader.kind().to_owned(), body: reader.body().unwrap(), sections }
    }

    fn bytes(self) -> Vec<u8> {
        let writer = ArtefactWriter::new(self.kind);
        let writer = self
            .sections
            .into_iter()
            .fold(writer, |writer, (name, data)| writer.section(name, data));
        writer.finish(&self.body).unwrap()
    }
}

#[test]
fn a_crafted_section_never_makes_scoring_panic() {
    let mut n_refused = 0;
    for artefact in artefacts().into_iter().chain([extended()]) {
        let sections = Crafted::of(&artefact).sections;
        for (section_idx, (name, data)) in sections.iter().enumerate() {
            let n = match data {
                SectionData::U16(values) => values.len(),
                SectionData::U32(values) => values.len(),
                SectionData::F32(values) => values.len(),
                SectionData::F64(values) => values.len(),
            };
            for at in 0..n {
                for odd in 0..4 {
                    let mut crafted = Crafted::of(&artefact);
                    match &mut crafted.sections[section_idx].1 {
                        SectionData::U16(values) => {
                            values[at] = [0, values[at].wrapping_add(1), 1 << 15, u16::MAX][odd]
                        }
                        SectionData::U32(values) => {
                            values[at] = [0, values[at].wrapping_add(1), 1 << 20, u32::MAX][odd]
                        }
                        SectionData::F32(values) => {
                            values[at] = [0.0, f32::NAN, f32::INFINITY, f32::MIN][odd]
                        }
                        SectionData::F64(values) => {
                            values[at] = [1e308, f64::NAN, f64::NEG_INFINITY, 0.0][odd]
                        }
                    }
                    let bytes = crafted.bytes();
                    let outcome =
                        catch_unwind(|| DetectorArtefact::from_bytes(&bytes).map(|it| use_it(&it)));
                    let Ok(outcome) = outcome else {
                        panic!("section {name}, element {at}, value {odd}: a panic")
                    };
                    n_refused += usize::from(outcome.is_err());
                }
            }
        }
    }
    assert!(1_000 < n_refused, "{n_refused} refused");
}

#[track_caller]
fn check_header(
    artefact: &DetectorArtefact,
    pointer: &str,
    value: serde_json::Value,
    expected: &str,
) {
    let mut crafted = Crafted::of(artefact);
    *crafted.body.pointer_mut(pointer).unwrap() = value;
    let error = DetectorArtefact::from_bytes(&crafted.bytes()).unwrap_err();
    let message = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    assert!(message.contains(expected), "{pointer}: {message}");
}

#[test]
fn a_header_that_contradicts_itself_is_refused_with_its_reason() {
    let [forest, knn] = artefacts();
    check_header(&forest, "/params/isolation_forest/n_estimators", 0.into(), "n_estimators is 0");
    check_header(&forest, "/params/isolation_forest/n_estimators", 6.into(), "6 roots do not part");
    check_header(&forest, "/n_samples", 59.into(), "is a root of more than 59 samples");
    check_header(&forest, "/n_trained", 7.into(), "60 training scores of 7 records");
    check_header(&forest, "/threshold", serde_json::Value::Null, "null");
    check_header(&forest, "/preprocessing/features", serde_json::json!([]), "no features");
    check_header(&forest, "/preprocessing/features/0/scale", 0.into(), "scale 0");
    check_header(&knn, "/params/knn/n_neighbors", 60.into(), "n_neighbors is 60 of 60 records");
    check_header(&knn, "/params/knn/metric/minkowski", 0.5.into(), "p is 0.5");
    check_header(&knn, "/params/knn/contamination", 0.9.into(), "contamination is 0.9");
    check_header(
        &knn,
        "/preprocessing/features/2/encoding/code/categories",
        serde_json::json!(["b", "a"]),
        "job",
    );
}

#[test]
fn an_extended_forest_that_contradicts_itself_is_refused_with_its_reason() {
    let level = "/params/isolation_forest/extension_level";
    check_header(&extended(), level, 2.into(), "terms");
    check_header(&extended(), level, 3.into(), "extension level 3 of 3 features");
    check_header(&extended(), level, u64::MAX.into(), "of 3 features");
    let mut short = Crafted::of(&extended());
    for (name, data) in &mut short.sections {
        if let ("plane_normals", SectionData::F32(values)) = (*name, data) {
            values.pop();
        }
    }
    let error = DetectorArtefact::from_bytes(&short.bytes()).unwrap_err().to_string();
    assert!(error.contains("the terms of the oblique cuts are not whole"), "{error}");
}

#[test]
fn an_artefact_of_another_kind_is_named() {
    let bytes = ArtefactWriter::new("logistic-regression").finish(&0).unwrap();
    assert_eq!(
        DetectorArtefact::from_bytes(&bytes).unwrap_err().to_string(),
        "artefact is a `logistic-regression`; `isolation-forest` or `knn` expected"
    );
    let [forest, knn] = artefacts();
    let mut swapped = Crafted::of(&forest);
    swapped.kind = knn.detector().kind().name().to_owned();
    assert!(matches!(
        DetectorArtefact::from_bytes(&swapped.bytes()),
        Err(ArtefactError::Kind { .. })
    ));
}
