//! A checkpoint is the old value or the new one, whatever happens while it is written.

use std::fs;

use proptest::prelude::*;
use shadowline_segment_log::{CheckpointError, DurableCheckpoint};
use tempfile::TempDir;

#[test]
fn a_mark_begins_with_what_it_is_given_and_keeps_what_it_is_set_to() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("mark");
    assert_eq!(DurableCheckpoint::open(&path, 7).unwrap().get(), 7);
    for value in [8, 0, u64::MAX, 3] {
        let checkpoint = DurableCheckpoint::open(&path, 99).unwrap();
        checkpoint.set(value).unwrap();
        checkpoint.sync().unwrap();
        assert_eq!(checkpoint.get(), value);
        assert_eq!(DurableCheckpoint::open(&path, 99).unwrap().get(), value);
    }
}

#[test]
fn a_file_that_is_no_mark_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("mark");
    for content in [&b""[..], b"42", &[0; 1024], &[255; 1024]] {
        fs::write(&path, content).unwrap();
        let error = DurableCheckpoint::open(&path, 0).unwrap_err();
        assert!(
            matches!(&error, CheckpointError::Corrupt { path: named } if *named == path),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn a_write_torn_anywhere_leaves_the_old_value_or_the_new(n_before in 0..5_u64, n_bytes in 0..1024_usize) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("mark");
        let checkpoint = DurableCheckpoint::open(&path, 100).unwrap();
        for step in 1..=n_before {
            checkpoint.set(100 + step).unwrap();
        }
        let before = fs::read(&path).unwrap();
        checkpoint.set(500).unwrap();
        let after = fs::read(&path).unwrap();
        let torn: Vec<u8> = after[..n_bytes].iter().chain(&before[n_bytes..]).copied().collect();
        fs::write(&path, torn).unwrap();
        let found = DurableCheckpoint::open(&path, 0).unwrap().get();
        prop_assert!(found == 100 + n_before || found == 500, "{found}");
    }

    #[test]
    fn damage_to_one_slot_leaves_the_other(at in 0..24_usize, slot in 0..2_usize) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("mark");
        let checkpoint = DurableCheckpoint::open(&path, 1).unwrap();
        checkpoint.set(2).unwrap();
        let mut content = fs::read(&path).unwrap();
        content[slot * 512 + at] ^= 0x10;
        fs::write(&path, content).unwrap();
        let found = DurableCheckpoint::open(&path, 0).unwrap().get();
        // Four bytes behind the checksum are always zero, and covered by it like the rest.
        prop_assert_eq!(found, if slot == 0 { 2 } else { 1 });
    }
}
