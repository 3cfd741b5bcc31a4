//! How fast a spool takes records in and gives them out: `cargo run --release --example append -- DIR [RECORD_BYTES]`.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use shadowline_segment_log::{Spool, SpoolOptions};

const N_RECORDS: u32 = 500_000;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().context("usage: append DIR [RECORD_BYTES]")?;
    let record_bytes: usize =
        args.next().map_or(Ok(1000), |it| it.parse()).context("RECORD_BYTES is a number")?;
    let spool = Spool::open(&dir, &SpoolOptions { max_bytes: 1 << 40, ..SpoolOptions::default() })?;
    let record = vec![b'r'; record_bytes];

    let mut slowest = Duration::ZERO;
    let all = timed(|| {
        for _ in 0..N_RECORDS {
            slowest = slowest.max(timed(|| spool.append(&record))?.0);
        }
        Ok::<_, anyhow::Error>(())
    })?;
    report("appends", all.0, slowest)?;

    let first = spool.acknowledged();
    let mut next = first;
    let mut slowest = Duration::ZERO;
    let all = timed(|| {
        while next < spool.last_sequence() {
            let (took, records) = timed(|| spool.read_after(next, 1 << 20, 1000))?;
            slowest = slowest.max(took);
            next = records.last().context("a record before the last one")?.0;
            spool.acknowledge(next)?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    report("reads and acknowledgements", all.0, slowest)
}

#[expect(clippy::disallowed_methods, reason = "this program measures time and does nothing else")]
fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(Duration, T), E> {
    let started = std::time::Instant::now();
    let done = work()?;
    Ok((started.elapsed(), done))
}

fn report(what: &str, all: Duration, slowest: Duration) -> anyhow::Result<()> {
    let per_second = f64::from(N_RECORDS) / all.as_secs_f64();
    writeln!(std::io::stdout(), "{what}: {per_second:.0}/s, slowest call {slowest:?}")?;
    Ok(())
}
