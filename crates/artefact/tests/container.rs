//! The container: exact when intact, refused with its reason when not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::HashSet;

use shadowline_artefact::{ArtefactError, ArtefactReader, ArtefactWriter, SectionData, kind};

fn artefact() -> Vec<u8> {
    ArtefactWriter::new("example")
        .section("a", SectionData::U16(vec![1, 2, 3]))
        .section("b", SectionData::F64(vec![0.1, f64::MIN_POSITIVE, -1e300]))
        .section("c", SectionData::U32(vec![]))
        .section("d", SectionData::F32(vec![0.5]))
        .finish(&("body", 0.1 + 0.2))
        .unwrap()
}

#[test]
fn a_round_trip_is_exact() {
    let mut reader = ArtefactReader::new(&artefact()).unwrap();
    assert_eq!(reader.kind(), "example");
    assert_eq!(reader.body::<(String, f64)>().unwrap(), ("body".to_owned(), 0.1 + 0.2));
    assert_eq!(reader.take_u16("a").unwrap(), [1, 2, 3]);
    assert_eq!(reader.take_f64("b").unwrap(), [0.1, f64::MIN_POSITIVE, -1e300]);
    assert!(reader.take_u32("c").unwrap().is_empty());
    assert_eq!(reader.take_f32("d").unwrap(), [0.5]);
    assert!(matches!(reader.take_f32("d"), Err(ArtefactError::Section { .. })));
}

#[test]
fn every_truncation_is_called_one() {
    let whole = artefact();
    for len in 0..whole.len() {
        let error = ArtefactReader::new(&whole[..len]).unwrap_err();
        assert!(matches!(error, ArtefactError::Length { .. }), "{len} bytes: {error}");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let whole = artefact();
    for bit in 0..whole.len() * 8 {
        let mut corrupt = whole.clone();
        corrupt[bit / 8] ^= 1 << (bit % 8);
        ArtefactReader::new(&corrupt).unwrap_err();
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut longer = artefact();
    longer.push(0);
    assert!(matches!(ArtefactReader::new(&longer), Err(ArtefactError::Checksum { .. })));
}

#[test]
fn a_newer_format_is_called_newer() {
    let mut newer = artefact();
    newer[8] = 2;
    let error = ArtefactReader::new(&newer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "artefact format 2 is newer than this program, which reads up to 1"
    );
}

#[test]
fn another_file_is_called_another_file() {
    assert!(matches!(ArtefactReader::new(b"PK\x03\x04 a zip archive"), Err(ArtefactError::Magic)));
}

#[test]
fn a_count_beyond_the_file_is_refused_with_a_right_checksum() {
    for count in [4_usize, usize::MAX, usize::MAX / 8] {
        let header = format!(
            r#"{{"kind":"example","sections":[{{"name":"a","element":"f64","count":{count}}}],"body":0}}"#
        );
        let mut crafted = b"\x89SLA\r\n\x1a\n".to_vec();
        crafted.extend_from_slice(&1u32.to_le_bytes());
        crafted.extend_from_slice(&u32::try_from(header.len()).unwrap().to_le_bytes());
        crafted.extend_from_slice(header.as_bytes());
        let checksum = crc32fast::hash(&crafted);
        crafted.extend_from_slice(&checksum.to_le_bytes());
        assert!(matches!(ArtefactReader::new(&crafted), Err(ArtefactError::Length { .. })));
    }
}

/// Where each part of the artefact lies, in bytes.
fn parts(whole: &[u8]) -> Vec<(&'static str, std::ops::Range<usize>)> {
    let header_len = u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
    let mut parts = vec![
        ("magic", 0..8),
        ("version", 8..12),
        ("header length", 12..16),
        ("header", 16..16 + header_len),
    ];
    let mut at = 16 + header_len;
    for (name, size_bytes) in [("a", 6), ("b", 24), ("c", 0), ("d", 4)] {
        let start = at.next_multiple_of(8);
        parts.push(("padding", at..start));
        parts.push((name, start..start + size_bytes));
        at = start + size_bytes;
    }
    parts.push(("checksum", at..at + 4));
    assert_eq!(at + 4, whole.len());
    parts
}

#[test]
fn every_byte_of_every_part_is_covered_and_the_error_says_what_is_wrong() {
    let whole = artefact();
    for (part, range) in parts(&whole) {
        for at in range {
            let mut corrupt = whole.clone();
            corrupt[at] ^= 0xff;
            let error = ArtefactReader::new(&corrupt).unwrap_err();
            let is_right = match part {
                "magic" => matches!(error, ArtefactError::Magic),
                "version" => matches!(error, ArtefactError::Newer { .. }),
                // The length of the header may be shortened as well as made longer.
                "header length" => {
                    matches!(error, ArtefactError::Length { .. } | ArtefactError::Checksum { .. })
                }
                _ => matches!(error, ArtefactError::Checksum { .. }),
            };
            assert!(is_right, "byte {at}, in {part}: {error}");
        }
    }
}

#[test]
fn a_section_left_out_or_of_another_type_is_named() {
    let mut reader = ArtefactReader::new(&artefact()).unwrap();
    let message = |error: ArtefactError| error.to_string();
    assert_eq!(message(reader.take_f32("e").unwrap_err()), "artefact has no section `e` of f32");
    assert_eq!(message(reader.take_u32("a").unwrap_err()), "artefact has no section `a` of u32");
}

#[test]
fn two_sections_of_one_name_are_refused() {
    let twice = ArtefactWriter::new("example")
        .section("a", SectionData::U16(vec![1]))
        .section("a", SectionData::U16(vec![2]))
        .finish(&0)
        .unwrap();
    let error = ArtefactReader::new(&twice).unwrap_err().to_string();
    assert_eq!(error, "artefact is inconsistent: two sections are named `a`");
}

#[test]
fn another_kind_is_named_with_what_was_expected() {
    let reader = ArtefactReader::new(&artefact()).unwrap();
    assert_eq!(reader.expect_one_of(&["other", "example"]).unwrap(), "example");
    reader.expect_kind("example").unwrap();
    let message = |error: ArtefactError| error.to_string();
    assert_eq!(
        message(reader.expect_kind("profile").unwrap_err()),
        "artefact is a `example`; `profile` expected"
    );
    assert_eq!(
        message(reader.expect_one_of(&["knn", "profile"]).unwrap_err()),
        "artefact is a `example`; `knn` or `profile` expected"
    );
}

#[test]
fn no_two_contents_have_the_same_kind() {
    let kinds = [kind::ISOLATION_FOREST, kind::KNN, kind::LOGISTIC_REGRESSION];
    assert_eq!(kinds.iter().collect::<HashSet<_>>().len(), kinds.len());
}

/// The bytes themselves: an artefact written by any version of this program is read by every later one.
#[test]
fn the_bytes_are_those_of_format_1() {
    let bytes = ArtefactWriter::new("example")
        .section("a", SectionData::U16(vec![1, 2]))
        .finish(&"body")
        .unwrap();
    let header =
        r#"{"kind":"example","sections":[{"name":"a","element":"u16","count":2}],"body":"body"}"#;
    assert_eq!(header.len(), 84);
    let mut expected = b"\x89SLA\r\n\x1a\n\x01\0\0\0\x54\0\0\0".to_vec();
    expected.extend_from_slice(header.as_bytes());
    // To the next multiple of eight.
    expected.extend_from_slice(&[0; 4]);
    expected.extend_from_slice(&[1, 0, 2, 0]);
    let checksum = crc32fast::hash(&expected);
    expected.extend_from_slice(&checksum.to_le_bytes());
    assert_eq!(bytes, expected);
}
