//! How fast the embedded log is: `cargo run --release -p shadowline-stream --example embedded_speed -- DIR`.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use shadowline_stream::{
    Bytes, Cleanup, Envelope, Log, LogConfig, OutRecord, PartitionCount, ProducerOptions,
    ReadEvent, StartAt, TopicSpec,
};
use tokio::time::Instant;

const N_RECORDS: u32 = 200_000;
const N_HOPS: usize = 20_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = std::env::args().nth(1).context("usage: embedded_speed DIR")?;
    let log = Log::open(&LogConfig::embedded(dir)).await?;
    let topic = TopicSpec {
        name: "speed".into(),
        partitions: PartitionCount::Exactly(6),
        replication: 1,
        cleanup: Cleanup::Delete { retention: None },
        max_message_bytes: 1 << 20,
    };
    log.ensure_topics(&[topic]).await?;
    let producer = log.producer(ProducerOptions::new("speed"))?;
    let value = Bytes::from(vec![b'v'; 1000]);
    let record = |key: String| OutRecord {
        topic: "speed".into(),
        partition: None,
        value: Some(value.clone()),
        envelope: Envelope::new(
            &*key,
            "shadowline.speed.v1",
            "/speed",
            jiff::Timestamp::UNIX_EPOCH,
        ),
        key: Some(key.into()),
    };
    let mut out = std::io::stdout();

    let mut reader = log.reader("speed", StartAt::Latest).await?;
    anyhow::ensure!(matches!(reader.next().await?, ReadEvent::CaughtUp), "nothing was written yet");
    let started = Instant::now();
    for number in 0..N_RECORDS {
        producer.send(record(number.to_string())).await?;
    }
    let per_second = f64::from(N_RECORDS) / started.elapsed().as_secs_f64();
    writeln!(out, "records of 1000 bytes written: {per_second:.0}/s")?;

    let started = Instant::now();
    for _ in 0..N_RECORDS {
        reader.next().await?;
    }
    let per_second = f64::from(N_RECORDS) / started.elapsed().as_secs_f64();
    writeln!(out, "and read: {per_second:.0}/s")?;

    // The reader waits on a task of its own, as a service does.
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Instant>(1);
    let task = tokio::spawn(async move {
        for _ in 0..N_HOPS {
            reader.next().await?;
            sender.send(Instant::now()).await?;
        }
        anyhow::Ok(())
    });
    let mut hops: Vec<Duration> = Vec::with_capacity(N_HOPS);
    for number in 0..N_HOPS {
        let sent = Instant::now();
        producer.send(record(number.to_string())).await?;
        hops.push(receiver.recv().await.context("the reader ended")?.duration_since(sent));
    }
    task.await??;
    hops.sort_unstable();
    let (median, p99, slowest) = (hops[N_HOPS / 2], hops[N_HOPS * 99 / 100], hops[N_HOPS - 1]);
    writeln!(
        out,
        "from send to a waiting reader: median {median:?}, p99 {p99:?}, slowest {slowest:?}"
    )?;
    Ok(())
}
