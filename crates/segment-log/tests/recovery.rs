//! A log whose end was cut off or corrupt opens with every record before that place.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use shadowline_segment_log::{Options, SegmentLog};
use tempfile::TempDir;

const HEADER_BYTES: usize = 32;
const OPTIONS: Options = Options { segment_bytes: 1 << 20, first_offset: 0 };

/// A log of one segment, the place where each record ends, and the file.
fn written(dir: &Path, records: &[Vec<u8>]) -> (PathBuf, Vec<usize>) {
    let log = SegmentLog::open(dir, OPTIONS).expect("a fresh directory");
    let mut ends = Vec::new();
    for record in records {
        log.append(record).expect("room");
        ends.push(usize::try_from(log.size_bytes()).expect("a small log"));
    }
    (dir.join("00000000000000000000.log"), ends)
}

/// Opens the log and checks that it holds the first `n_whole` records and can be appended to.
fn check_holds(dir: &Path, records: &[Vec<u8>], n_whole: usize) {
    for after in [&b"appended after recovery"[..], b""] {
        let log = SegmentLog::open(dir, OPTIONS).expect("a bad end is cut off");
        let read = log.read(0, usize::MAX, usize::MAX).expect("what was kept is whole").records;
        let extra = if after.is_empty() { 1 } else { 0 };
        assert_eq!(read.len(), n_whole + extra);
        for (idx, (offset, payload)) in read.iter().take(n_whole).enumerate() {
            assert_eq!((*offset, &payload[..]), (idx as u64, &records[idx][..]));
        }
        log.append(after).expect("room");
    }
}

#[test]
fn a_tail_cut_at_any_byte_keeps_every_whole_record() {
    let dir = TempDir::new().unwrap();
    let records: Vec<Vec<u8>> = (0..12_u8).map(|it| vec![it; usize::from(it) * 3]).collect();
    let (file, ends) = written(dir.path(), &records);
    let whole = fs::read(&file).unwrap();
    for cut in HEADER_BYTES..=whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        check_holds(dir.path(), &records, ends.iter().filter(|it| **it <= cut).count());
    }
}

#[test]
fn zeros_behind_the_last_record_are_cut_off() {
    // Some file systems leave them after a power failure: the file was made longer, its bytes were not written.
    let dir = TempDir::new().unwrap();
    let records = vec![b"one".to_vec(), b"two".to_vec()];
    let (file, _) = written(dir.path(), &records);
    let mut content = fs::read(&file).unwrap();
    content.resize(content.len() + 5000, 0);
    fs::write(&file, content).unwrap();
    check_holds(dir.path(), &records, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_flipped_bit_keeps_every_record_before_it(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..20),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let dir = TempDir::new().unwrap();
        let (file, ends) = written(dir.path(), &records);
        let mut content = fs::read(&file).unwrap();
        let at = HEADER_BYTES + place.index(content.len() - HEADER_BYTES);
        content[at] ^= 1 << bit;
        fs::write(&file, content).unwrap();
        check_holds(dir.path(), &records, ends.iter().filter(|it| **it <= at).count());
    }

    #[test]
    fn garbage_at_the_end_costs_no_record(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..20),
        garbage in prop::collection::vec(any::<u8>(), 1..100),
    ) {
        let dir = TempDir::new().unwrap();
        let (file, _) = written(dir.path(), &records);
        let mut content = fs::read(&file).unwrap();
        content.extend(garbage);
        fs::write(&file, content).unwrap();
        check_holds(dir.path(), &records, records.len());
    }
}
