//! A process that is killed, or that runs out of disk, keeps what it was told is appended.
//!
//! The tests start this file's own program again as a child; `child` is what runs there.

#![expect(clippy::print_stdout, reason = "standard output is how the child tells what it was told")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use shadowline_segment_log::{AppendError, Options, SegmentLog, Spool, SpoolOptions};
use tempfile::TempDir;

const CHILD_ROLE: &str = "SEGMENT_LOG_TEST_ROLE";
const CHILD_DIR: &str = "SEGMENT_LOG_TEST_DIR";
const SPOOL_OPTIONS: SpoolOptions = SpoolOptions { max_bytes: 1 << 30, segment_bytes: 64 << 10 };

fn command(role: &str, dir: &Path) -> Command {
    let program = std::env::current_exe().expect("the path of this program");
    // A shell first, to set a limit on file sizes; going over it is then an error, and not a signal that ends the child.
    let limit = if role == "fill" { "trap '' XFSZ; ulimit -f 100; " } else { "" };
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{limit}exec \"$0\" \"$@\""))
        .arg(program)
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD_ROLE, role)
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped());
    command
}

fn numbers(line: &str, word: &str) -> Option<u64> {
    line.strip_prefix(word)?.trim().parse().ok()
}

fn record(sequence: u64) -> Vec<u8> {
    let length = usize::try_from(sequence % 700).expect("below 700");
    let mut record = format!("{sequence} ").into_bytes();
    record.resize(record.len() + length, b'x');
    record
}

/// Does what the role in the environment says; without one, as in a usual run of the tests, there is nothing to do.
#[test]
fn child() {
    let (Ok(role), Some(dir)) =
        (std::env::var(CHILD_ROLE), std::env::var_os(CHILD_DIR).map(PathBuf::from))
    else {
        return;
    };
    match role.as_str() {
        "append" => append_until_killed(&dir),
        "fill" => fill_the_disk(&dir),
        other => panic!("unknown role {other}"),
    }
}

fn append_until_killed(dir: &Path) {
    let spool = Spool::open(dir, &SPOOL_OPTIONS).expect("the spool of the killed child before");
    loop {
        let next = spool.last_sequence() + 1;
        let sequence = spool.append(&record(next)).expect("room");
        assert_eq!(sequence, next);
        println!("appended {sequence}");
        if sequence.is_multiple_of(1000) {
            spool.acknowledge(sequence - 500).expect("a sequence that was appended");
            println!("acknowledged {}", sequence - 500);
        }
    }
}

fn start(role: &str, dir: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = command(role, dir).spawn().expect("sh");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    (child, output)
}

#[test]
fn every_acknowledged_append_outlives_sigkill() {
    let dir = TempDir::new().unwrap();
    let mut instance = None;
    let (mut appended, mut acknowledged) = (0, 0);
    for n_lines in [1, 700, 3001, 40, 2222] {
        let (mut child, mut output) = start("append", dir.path());
        let mut line = String::new();
        let mut n_seen = 0;
        // After the kill what is still in the pipe counts too: the child had its answer.
        while 0 < output.read_line(&mut line).unwrap() {
            if let Some(sequence) = numbers(&line, "appended") {
                assert_eq!(
                    sequence,
                    appended + 1,
                    "the child went on where the one before was killed"
                );
                appended = sequence;
                n_seen += 1;
                if n_seen == n_lines {
                    child.kill().unwrap();
                }
            }
            acknowledged = numbers(&line, "acknowledged").unwrap_or(acknowledged);
            line.clear();
        }
        child.wait().unwrap();

        let spool = Spool::open(dir.path(), &SPOOL_OPTIONS).unwrap();
        // One more may have been written, or acknowledged, than the child came to tell.
        assert!((appended..=appended + 1).contains(&spool.last_sequence()));
        assert!(acknowledged <= spool.acknowledged());
        let records = spool.read_after(spool.acknowledged(), usize::MAX, usize::MAX).unwrap();
        let expected: Vec<_> =
            (spool.acknowledged() + 1..=spool.last_sequence()).map(|it| (it, record(it))).collect();
        assert_eq!(records.len(), expected.len());
        assert!(
            records
                .iter()
                .zip(&expected)
                .all(|(found, expected)| found.0 == expected.0 && found.1 == expected.1)
        );
        assert_eq!(*instance.get_or_insert(spool.instance()), spool.instance());
        appended = spool.last_sequence();
        acknowledged = spool.acknowledged();
    }
}

fn fill_the_disk(dir: &Path) {
    let log = SegmentLog::open(dir, Options { segment_bytes: 100 << 20, first_offset: 0 })
        .expect("a fresh log");
    let batch = [[b'r'; 900], [b's'; 900], [b't'; 900]];
    let mut n_records = 0;
    let error = loop {
        match log.append_batch(&batch) {
            Ok(offsets) => n_records = offsets.end,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::DiskFull { .. }), "{error}");
    // What the short write left is gone.
    let file = dir.join("00000000000000000000.log");
    assert_eq!(std::fs::metadata(&file).expect("the segment").len(), log.size_bytes());
    assert_eq!(log.next_offset(), n_records);
    assert!(
        matches!(log.append_batch(&batch), Err(AppendError::DiskFull { .. })),
        "it is still full"
    );
    // The limit is on one file, so a new segment is as good as room made on the disk.
    log.roll().expect("a new file is under the limit");
    assert_eq!(log.append(b"after").expect("room again"), n_records);
    println!("records {}", log.next_offset());
}

#[test]
fn a_full_disk_is_an_error_and_the_log_goes_on_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let (mut child, mut output) = start("fill", dir.path());
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    let n_records = text.lines().find_map(|it| numbers(it, "records")).unwrap();
    let log = SegmentLog::open(dir.path(), Options::default()).unwrap();
    let records = log.read(0, usize::MAX, usize::MAX).unwrap().records;
    assert_eq!(records.len() as u64, n_records);
    assert!(10 < n_records);
    assert_eq!(records.last().unwrap().1, "after");
}

#[test]
fn a_spool_in_use_by_another_process_is_refused() {
    let dir = TempDir::new().unwrap();
    let (mut child, mut output) = start("append", dir.path());
    let mut line = String::new();
    while numbers(&line, "appended").is_none() {
        line.clear();
        assert!(0 < output.read_line(&mut line).unwrap(), "the child ended");
    }
    let error = Spool::open(dir.path(), &SPOOL_OPTIONS).unwrap_err();
    let chain = format!("{:#}", anyhow::Error::new(error));
    assert!(chain.contains("is in use by another process"), "{chain}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(Spool::open(dir.path(), &SPOOL_OPTIONS).is_ok());
}
