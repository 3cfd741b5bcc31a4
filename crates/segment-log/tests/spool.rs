//! What serving and the drainer rely on.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use shadowline_segment_log::{Fill, Spool, SpoolError, SpoolOpenError, SpoolOptions};
use tempfile::TempDir;

const FRAME_OVERHEAD: u64 = 16;
const SMALL: SpoolOptions = SpoolOptions { max_bytes: 10_000, segment_bytes: 1000 };

#[test]
fn sequences_count_from_one_and_come_back_after_the_checkpoint() {
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(dir.path(), &SMALL).unwrap();
    assert_eq!((spool.last_sequence(), spool.acknowledged()), (0, 0));
    assert!(spool.read_after(0, 1000, 10).unwrap().is_empty());
    for sequence in 1..=20_u64 {
        assert_eq!(spool.append(format!("record {sequence}").as_bytes()).unwrap(), sequence);
    }
    spool.acknowledge(7).unwrap();
    spool.acknowledge(3).unwrap();
    assert_eq!(spool.acknowledged(), 7);
    let records = spool.read_after(7, 1000, 2).unwrap();
    assert_eq!(records, [(8, "record 8".into()), (9, "record 9".into())]);
    assert!(spool.read_after(20, 1000, 10).unwrap().is_empty());
}

#[test]
fn an_acknowledgement_of_what_was_never_appended_is_refused() {
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(dir.path(), &SMALL).unwrap();
    spool.append(b"one").unwrap();
    let error = spool.acknowledge(2).unwrap_err();
    assert!(matches!(error, SpoolError::NotAppended { sequence: 2, last: 1 }), "{error}");
    assert_eq!(spool.acknowledged(), 0);
}

#[test]
fn a_full_spool_refuses_until_something_is_acknowledged() {
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(dir.path(), &SMALL).unwrap();
    let record = [0; 84];
    for _ in 0..100 {
        spool.append(&record).unwrap();
    }
    let error = spool.append(&record).unwrap_err();
    assert!(matches!(error, SpoolError::Full { used_bytes: 10_000, max_bytes: 10_000 }), "{error}");
    assert_eq!(spool.last_sequence(), 100);
    spool.acknowledge(1).unwrap();
    assert_eq!(spool.append(&record).unwrap(), 101);
    assert!(matches!(spool.append(&record), Err(SpoolError::Full { .. })));
    spool.acknowledge(101).unwrap();
    assert_eq!(spool.fill(), Fill { used_bytes: 0, max_bytes: 10_000 });
}

#[test]
fn fill_is_the_bytes_that_wait_also_after_opening_again() {
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(dir.path(), &SMALL).unwrap();
    for length in 0..60 {
        spool.append(&vec![1; length]).unwrap();
    }
    spool.acknowledge(25).unwrap();
    // Record 26 has 25 bytes, and so on.
    let expected = (25..60).map(|it| it + FRAME_OVERHEAD).sum();
    assert_eq!(spool.fill().used_bytes, expected);
    drop(spool);
    let spool = Spool::open(dir.path(), &SMALL).unwrap();
    assert_eq!(spool.fill().used_bytes, expected);
    assert_eq!((spool.acknowledged(), spool.last_sequence()), (25, 60));
}

#[test]
fn a_drained_spool_gives_its_disk_back_and_its_numbers_go_on() {
    let dir = TempDir::new().unwrap();
    let mut sequence = 0;
    let instance = Spool::open(dir.path(), &SMALL).unwrap().instance();
    for _ in 0..5 {
        let spool = Spool::open(dir.path(), &SMALL).unwrap();
        assert_eq!(spool.instance(), instance);
        for _ in 0..50 {
            sequence += 1;
            assert_eq!(spool.append(&[0; 100]).unwrap(), sequence);
        }
        spool.acknowledge(sequence).unwrap();
        assert!(spool.is_drained());
        assert!(spool.size_bytes() < 200, "{} bytes", spool.size_bytes());
    }
}

#[test]
fn the_hook_is_called_after_each_append() {
    let dir = TempDir::new().unwrap();
    let spool = Arc::new(Spool::open(dir.path(), &SMALL).unwrap());
    let woken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&woken);
    spool.set_append_hook(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    for _ in 0..3 {
        spool.append(b"record").unwrap();
    }
    assert_eq!(woken.load(Ordering::Relaxed), 3);
}

#[test]
fn numbers_jump_ahead_after_the_machine_went_down() {
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(dir.path(), &SMALL).unwrap();
    for _ in 0..10 {
        spool.append(b"record").unwrap();
    }
    spool.acknowledge(4).unwrap();
    drop(spool);
    // As it is found after a power failure: the spool was open under another boot of the machine.
    fs::write(dir.path().join("boot"), "00000000-0000-0000-0000-000000000000\n").unwrap();
    let spool = Spool::open(dir.path(), &SMALL).unwrap();
    let records = spool.read_after(4, 10_000, 100).unwrap();
    assert!(records.iter().map(|it| it.0).eq(5..=10));
    let sequence = spool.append(b"after").unwrap();
    assert!(1 << 32 < sequence);
    assert_eq!(spool.read_after(10, 10_000, 100).unwrap(), [(sequence, "after".into())]);
    spool.acknowledge(sequence).unwrap();
    drop(spool);
    assert_eq!(Spool::open(dir.path(), &SMALL).unwrap().append(b"on").unwrap(), sequence + 1);
}

#[test]
fn numbers_jump_ahead_when_acknowledged_records_are_gone() {
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(dir.path(), &SMALL).unwrap();
    for _ in 0..10 {
        spool.append(b"record").unwrap();
    }
    spool.acknowledge(10).unwrap();
    drop(spool);
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    let spool = Spool::open(dir.path(), &SMALL).unwrap();
    assert!(spool.is_drained());
    assert!(10 < spool.append(b"after").unwrap());
}

#[test]
fn a_spool_whose_id_is_missing_or_unreadable_is_refused() {
    let dir = TempDir::new().unwrap();
    Spool::open(dir.path(), &SMALL).unwrap().append(b"record").unwrap();
    fs::write(dir.path().join("instance"), "not an id").unwrap();
    let error = Spool::open(dir.path(), &SMALL).unwrap_err();
    assert!(matches!(error, SpoolOpenError::Instance { .. }), "{error}");
    fs::remove_file(dir.path().join("instance")).unwrap();
    let error = Spool::open(dir.path(), &SMALL).unwrap_err();
    assert!(matches!(error, SpoolOpenError::InstanceMissing { .. }), "{error}");
}

#[test]
fn appends_and_acknowledgements_at_the_same_time_lose_nothing() {
    let dir = TempDir::new().unwrap();
    let options = SpoolOptions { max_bytes: 1 << 20, segment_bytes: 10_000 };
    let spool = Spool::open(dir.path(), &options).unwrap();
    let n_records = 5000;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..n_records / 2 {
                    spool.append(&[3; 50]).expect("the drainer keeps up");
                }
            });
        }
        let mut expected = 1;
        while expected <= n_records {
            for (sequence, _) in spool.read_after(expected - 1, 5000, 100).unwrap() {
                assert_eq!(sequence, expected);
                expected += 1;
            }
            spool.acknowledge(expected - 1).unwrap();
        }
    });
    assert_eq!((spool.acknowledged(), spool.fill().used_bytes), (n_records, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a spool does, told again by a plain list.
    #[test]
    fn a_spool_is_a_queue(steps in prop::collection::vec((0..4_u8, 0..400_usize), 1..60)) {
        let dir = TempDir::new().unwrap();
        let mut spool = Spool::open(dir.path(), &SMALL).unwrap();
        let mut waiting: Vec<(u64, usize)> = Vec::new();
        let mut last = 0;
        for (kind, number) in steps {
            match kind {
                0 | 1 => {
                    let used: u64 = waiting.iter().map(|it| it.1 as u64 + FRAME_OVERHEAD).sum();
                    let fits = used + number as u64 + FRAME_OVERHEAD <= SMALL.max_bytes;
                    prop_assert_eq!(spool.append(&vec![9; number]).is_ok(), fits);
                    if fits {
                        last += 1;
                        waiting.push((last, number));
                    }
                }
                2 => {
                    let n_done = number % (waiting.len() + 1);
                    if let Some(done) = waiting.drain(..n_done).next_back() {
                        spool.acknowledge(done.0).unwrap();
                    }
                }
                _ => {
                    drop(spool);
                    spool = Spool::open(dir.path(), &SMALL).unwrap();
                }
            }
            let records = spool.read_after(spool.acknowledged(), usize::MAX, usize::MAX).unwrap();
            let found: Vec<_> = records.iter().map(|it| (it.0, it.1.len())).collect();
            prop_assert_eq!(&found, &waiting);
            let used: u64 = waiting.iter().map(|it| it.1 as u64 + FRAME_OVERHEAD).sum();
            prop_assert_eq!(spool.fill().used_bytes, used);
        }
    }
}
