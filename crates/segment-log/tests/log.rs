//! What a log promises while nothing goes wrong, and what it says of a directory it cannot use.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shadowline_segment_log::{OpenError, Options, ReadError, SegmentLog};
use tempfile::TempDir;

/// Small segments, so that a test has many.
const SMALL: Options = Options { segment_bytes: 200, first_offset: 0 };

fn record(offset: u64) -> Vec<u8> {
    // Lengths from none to 40 bytes, so that frames do not line up.
    let length = usize::try_from(offset * 7 % 41).expect("below 41");
    let mut record = format!("record {offset} ").repeat(4).into_bytes();
    record.truncate(length);
    record
}

fn filled(dir: &Path, n_records: u64) -> SegmentLog {
    let log = SegmentLog::open(dir, SMALL).expect("a fresh directory");
    for offset in 0..n_records {
        assert_eq!(log.append(&record(offset)).expect("room"), offset);
    }
    log
}

/// Reads in chunks from `from` to the end, as a follower does.
fn read_all(
    log: &SegmentLog,
    from: u64,
    max_bytes: usize,
    max_records: usize,
) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    let mut next = from;
    while next < log.next_offset() {
        let chunk = log.read(next, max_bytes, max_records).expect("an intact log");
        assert!(next < chunk.next_offset, "reading must go on");
        all.extend(chunk.records.into_iter().map(|(offset, payload)| (offset, payload.to_vec())));
        next = chunk.next_offset;
    }
    all
}

fn expected(offsets: std::ops::Range<u64>) -> Vec<(u64, Vec<u8>)> {
    offsets.map(|it| (it, record(it))).collect()
}

fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("the log's directory")
        .map(|it| it.expect("an entry").path())
        .filter(|it| it.extension().is_some_and(|it| it == "log"))
        .collect();
    files.sort();
    files
}

#[test]
fn records_come_back_in_order_from_any_offset_and_in_any_chunks() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 100);
    assert!(3 < log.n_segments());
    for (max_bytes, max_records) in
        [(0, 1), (1, 1000), (50, 3), (10_000, 7), (usize::MAX, usize::MAX)]
    {
        assert_eq!(read_all(&log, 0, max_bytes, max_records), expected(0..100));
    }
    for from in 0..100 {
        assert_eq!(read_all(&log, from, 1000, 1000), expected(from..100));
    }
}

#[test]
fn a_reopened_log_goes_on_where_it_was() {
    let dir = TempDir::new().unwrap();
    let size_bytes = filled(dir.path(), 50).size_bytes();
    let log = SegmentLog::open(dir.path(), SMALL).unwrap();
    assert_eq!((log.first_offset(), log.next_offset(), log.size_bytes()), (0, 50, size_bytes));
    assert_eq!(log.append(&record(50)).unwrap(), 50);
    assert_eq!(read_all(&log, 0, 100, 100), expected(0..51));
}

#[test]
fn a_batch_gets_offsets_in_a_row() {
    let dir = TempDir::new().unwrap();
    let log = SegmentLog::open(dir.path(), SMALL).unwrap();
    let batch: Vec<_> = (0..30).map(record).collect();
    assert_eq!(log.append_batch(&batch).unwrap(), 0..30);
    assert_eq!(log.append_batch(&[[0_u8; 0]; 0]).unwrap(), 30..30);
    assert_eq!(log.append_batch(&[record(30)]).unwrap(), 30..31);
    assert_eq!(read_all(&log, 0, 100, 100), expected(0..31));
}

#[test]
fn a_record_larger_than_a_segment_or_the_limit_of_a_read_is_read_whole() {
    let dir = TempDir::new().unwrap();
    let log = SegmentLog::open(dir.path(), SMALL).unwrap();
    let large = vec![7; 3 << 20];
    log.append(b"before").unwrap();
    log.append(&large).unwrap();
    log.append(b"after").unwrap();
    let chunk = log.read(1, 10, 10).unwrap();
    assert_eq!((chunk.records.len(), chunk.next_offset), (1, 2));
    assert_eq!(chunk.records[0].1, large);
    assert_eq!(read_all(&log, 2, 10, 10), [(2, b"after".to_vec())]);
}

#[test]
fn the_end_reads_empty_and_what_lies_outside_is_refused() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 40);
    let end = log.read(40, 100, 100).unwrap();
    assert!(end.records.is_empty());
    assert_eq!(end.next_offset, 40);
    let error = log.read(41, 100, 100).unwrap_err();
    assert!(matches!(error, ReadError::OutOfRange { asked: 41, first: 0, next: 40 }), "{error}");
    log.truncate_before(30).unwrap();
    let error = log.read(0, 100, 100).unwrap_err();
    assert!(matches!(error, ReadError::OutOfRange { asked: 0, .. }), "{error}");
}

#[test]
fn truncation_deletes_whole_segments_and_keeps_the_rest() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 100);
    let n_before = log.n_segments();
    log.truncate_before(50).unwrap();
    assert!(log.n_segments() < n_before);
    assert!((1..=50).contains(&log.first_offset()));
    assert_eq!(segment_files(dir.path()).len(), log.n_segments());
    assert_eq!(read_all(&log, 50, 100, 100), expected(50..100));
    log.truncate_before(u64::MAX).unwrap();
    assert_eq!((log.n_segments(), log.next_offset()), (1, 100));
}

#[test]
fn the_next_offset_outlives_every_record() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 100);
    log.roll().unwrap();
    log.truncate_before(100).unwrap();
    assert_eq!((log.first_offset(), log.next_offset()), (100, 100));
    drop(log);
    let log = SegmentLog::open(dir.path(), SMALL).unwrap();
    assert_eq!((log.first_offset(), log.next_offset()), (100, 100));
    assert_eq!(log.append(b"next").unwrap(), 100);
}

#[test]
fn a_segment_that_is_nearly_full_is_closed_by_sync() {
    let dir = TempDir::new().unwrap();
    let log =
        SegmentLog::open(dir.path(), Options { segment_bytes: 1000, first_offset: 0 }).unwrap();
    log.append(&[0; 500]).unwrap();
    log.sync().unwrap();
    assert_eq!(log.n_segments(), 1);
    log.append(&[0; 300]).unwrap();
    log.sync().unwrap();
    assert_eq!((log.n_segments(), log.next_offset()), (2, 2));
}

#[test]
fn retention_by_bytes_keeps_the_newest() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 100);
    assert!(0 < log.expire(Some(600), None).unwrap());
    assert!(log.size_bytes() <= 600);
    assert_eq!(read_all(&log, log.first_offset(), 100, 100), expected(log.first_offset()..100));
    assert_eq!(log.expire(Some(600), None).unwrap(), 0);
}

#[test]
fn retention_by_age_goes_by_the_last_write() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 100);
    let day = Duration::from_secs(24 * 3600);
    let newest = fs::metadata(&segment_files(dir.path())[0]).unwrap().modified().unwrap();
    assert_eq!(log.expire(None, Some(newest - day)).unwrap(), 0);
    let old = segment_files(dir.path())[..2].to_vec();
    for file in &old {
        fs::File::options().write(true).open(file).unwrap().set_modified(newest - 2 * day).unwrap();
    }
    assert_eq!(log.expire(None, Some(newest - day)).unwrap(), 2);
    assert!(old.iter().all(|it| !it.exists()));
    // Everything is older than tomorrow, also what is being appended to.
    log.expire(None, Some(newest + day)).unwrap();
    assert_eq!((log.first_offset(), log.next_offset()), (100, 100));
}

#[test]
fn skipped_offsets_stay_skipped() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 5);
    log.skip_to(1000).unwrap();
    log.skip_to(7).unwrap();
    assert_eq!(log.append(b"far").unwrap(), 1000);
    let check = |log: &SegmentLog| {
        assert_eq!(log.read(5, 100, 100).unwrap().records.len(), 1);
        assert_eq!(log.read(500, 100, 100).unwrap().records, [(1000, "far".into())]);
        assert_eq!(log.next_offset(), 1001);
    };
    check(&log);
    drop(log);
    check(&SegmentLog::open(dir.path(), SMALL).unwrap());
}

#[test]
fn compaction_keeps_what_is_asked_for_under_its_offset() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 100);
    let closed_end = {
        log.roll().unwrap();
        log.next_offset()
    };
    for offset in closed_end..closed_end + 3 {
        log.append(&record(offset)).unwrap();
    }
    let size_before = log.size_bytes();
    let counts = log.compact(|offset, payload| {
        assert_eq!(payload, &record(offset));
        offset % 10 == 3
    });
    let counts = counts.unwrap();
    assert_eq!((counts.n_kept, counts.n_dropped), (10, 90));
    assert!(log.size_bytes() < size_before / 3);
    let kept: Vec<_> =
        (0..100).filter(|it| it % 10 == 3).chain(100..103).map(|it| (it, record(it))).collect();
    for (max_bytes, max_records) in [(1, 1), (10_000, 2), (10_000, 10_000)] {
        assert_eq!(read_all(&log, 0, max_bytes, max_records), kept);
    }
    assert_eq!(log.read(94, 10_000, 1).unwrap().records[0].0, 100);
    drop(log);
    let log = SegmentLog::open(dir.path(), SMALL).unwrap();
    assert_eq!(read_all(&log, 0, 10_000, 10_000), kept);
    assert_eq!(log.append(b"on").unwrap(), 103);
    // Compacting what is compacted, down to nothing.
    log.roll().unwrap();
    log.compact(|_, _| false).unwrap();
    let chunk = log.read(0, 10_000, 10_000).unwrap();
    assert_eq!((chunk.records.len(), chunk.next_offset), (0, 104));
}

#[test]
fn a_kill_in_the_middle_of_compaction_leaves_no_record_twice() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 60);
    log.roll().unwrap();
    let before: Vec<_> = segment_files(dir.path())
        .into_iter()
        .map(|it| (it.clone(), fs::read(it).unwrap()))
        .collect();
    log.compact(|offset, _| offset % 2 == 0).unwrap();
    drop(log);
    // What was there between the new segment taking its place and the old ones being removed.
    for (path, content) in &before[..before.len() - 1] {
        if !path.exists() {
            fs::write(path, content).unwrap();
        }
    }
    fs::write(dir.path().join("00000000000000000000.log.tmp"), b"half of a compacted segment")
        .unwrap();
    let log = SegmentLog::open(dir.path(), SMALL).unwrap();
    let kept: Vec<_> = (0..60).step_by(2).map(|it| (it, record(it))).collect();
    assert_eq!(read_all(&log, 0, 10_000, 10_000), kept);
}

#[test]
fn readers_see_every_record_once_while_it_is_written() {
    let dir = TempDir::new().unwrap();
    let log =
        SegmentLog::open(dir.path(), Options { segment_bytes: 20_000, first_offset: 0 }).unwrap();
    let n_records = 20_000;
    let done = AtomicBool::new(false);
    let follow = |max_bytes: usize| {
        let mut next = 0;
        let mut n_read = 0;
        while !(done.load(Ordering::Acquire) && next == log.next_offset()) {
            let chunk = log.read(next, max_bytes, 1000).expect("an intact log");
            for (offset, payload) in chunk.records {
                assert_eq!(offset, n_read, "in order, without a gap");
                assert_eq!(payload, record(offset));
                n_read += 1;
            }
            next = chunk.next_offset;
            std::thread::yield_now();
        }
        n_read
    };
    std::thread::scope(|scope| {
        let readers = [100, 5000, 1 << 20].map(|max_bytes| scope.spawn(move || follow(max_bytes)));
        let mut next = 0;
        while next < n_records {
            let batch: Vec<_> = (next..next + 1 + next % 5).map(record).collect();
            next = log.append_batch(&batch).unwrap().end;
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            assert_eq!(reader.join().expect("the reader's checks hold"), log.next_offset());
        }
    });
}

#[test]
fn writers_on_many_threads_get_different_offsets() {
    let dir = TempDir::new().unwrap();
    let log =
        SegmentLog::open(dir.path(), Options { segment_bytes: 50_000, first_offset: 0 }).unwrap();
    let mut offsets: Vec<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..500).map(|_| log.append(b"record").expect("room")).collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|it| it.join().expect("no panic")).collect()
    });
    offsets.sort_unstable();
    assert!(offsets.into_iter().eq(0..2000));
}

#[test]
fn a_log_that_is_open_is_refused() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 1);
    let error = SegmentLog::open(dir.path(), SMALL).unwrap_err();
    assert!(
        matches!(&error, OpenError::Locked { dir: refused } if refused == dir.path()),
        "{error}"
    );
    drop(log);
    assert!(SegmentLog::open(dir.path(), SMALL).is_ok());
}

#[test]
fn damage_in_an_earlier_segment_names_file_and_position() {
    let dir = TempDir::new().unwrap();
    drop(filled(dir.path(), 100));
    let corrupt = segment_files(dir.path())[1].clone();
    let mut content = fs::read(&corrupt).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    fs::write(&corrupt, &content).unwrap();
    match SegmentLog::open(dir.path(), SMALL).unwrap_err() {
        OpenError::Corrupt { path, position, .. } => {
            assert_eq!(path, corrupt);
            assert!(position < last as u64);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn damage_that_comes_while_the_log_is_open_is_refused_when_read() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 100);
    let corrupt = segment_files(dir.path())[0].clone();
    let mut content = fs::read(&corrupt).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    fs::write(&corrupt, &content).unwrap();
    let error = log.read(0, 10_000, 10_000).unwrap_err();
    assert!(matches!(&error, ReadError::Corrupt { path, .. } if *path == corrupt), "{error}");
}

#[test]
fn a_missing_segment_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(filled(dir.path(), 100));
    fs::remove_file(&segment_files(dir.path())[1]).unwrap();
    let error = SegmentLog::open(dir.path(), SMALL).unwrap_err();
    assert!(matches!(error, OpenError::Gap { .. }), "{error}");
}

#[test]
fn a_file_that_is_not_a_segment_is_refused() {
    let dir = TempDir::new().unwrap();
    for content in [&b"short"[..], &[0; 100], b"SHDWSEG2 from a later version of this program"] {
        fs::write(dir.path().join("00000000000000000000.log"), content).unwrap();
        let error = SegmentLog::open(dir.path(), SMALL).unwrap_err();
        assert!(matches!(error, OpenError::Header { .. }), "{error}");
    }
    let other = TempDir::new().unwrap();
    drop(filled(other.path(), 3));
    fs::copy(&segment_files(other.path())[0], dir.path().join("00000000000000000000.log")).unwrap();
    fs::rename(
        dir.path().join("00000000000000000000.log"),
        dir.path().join("00000000000000000009.log"),
    )
    .unwrap();
    let error = SegmentLog::open(dir.path(), SMALL).unwrap_err();
    assert!(error.to_string().contains("begins at offset 0"), "{error}");
}

#[test]
fn positions_measure_the_bytes_between_records() {
    let dir = TempDir::new().unwrap();
    let log = filled(dir.path(), 100);
    let mut expected = log.position_of(0).unwrap();
    for offset in 0..100 {
        assert_eq!(log.position_of(offset).unwrap(), expected);
        expected += SegmentLog::frame_size(record(offset).len());
    }
    assert_eq!(log.position_of(100).unwrap(), expected);
    assert_eq!(log.end_position(), expected);
}
