//! Compacted topics, read as tables.

use std::collections::BTreeMap;

use shadowline_stream::{Cleanup, OutRecord, Producer, TableEvent, TableReader};
use shadowline_testkit_stack::on_both_logs;

use super::*;

async fn put(producer: &Producer, topic: &Arc<str>, key: &str, value: Option<&str>) {
    let record = OutRecord {
        topic: topic.clone(),
        partition: None,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: value.map(|it| Bytes::copy_from_slice(it.as_bytes())),
        envelope: envelope(key),
    };
    producer.send(record).await.unwrap();
}

async fn next(table: &mut TableReader) -> TableEvent {
    tokio::time::timeout(PATIENCE, table.next()).await.expect("the table goes on").unwrap()
}

/// Applies changes until the table is caught up.
async fn catch_up(table: &mut TableReader) -> BTreeMap<Bytes, Bytes> {
    let mut rows = BTreeMap::new();
    loop {
        match next(table).await {
            TableEvent::Upsert { key, value } => drop(rows.insert(key, value)),
            TableEvent::Delete { key } => drop(rows.remove(&key)),
            TableEvent::CaughtUp => return rows,
        }
    }
}

on_both_logs! {
    async fn a_table_is_read_to_its_end_and_then_followed(log: TestLog) {
        let topic = log.create_topic("table", 3, Cleanup::Compact).await;
        let producer = log.producer();
        for round in 0..20 {
            for key in ["a", "b", "c"] {
                put(&producer, &topic, key, Some(&format!("{key}{round}"))).await;
            }
        }
        put(&producer, &topic, "b", None).await;

        let mut table = TableReader::open(log.log(), &topic).await.unwrap();
        let rows = catch_up(&mut table).await;
        let expected = [("a", "a19"), ("c", "c19")].map(|(k, v)| (Bytes::from(k), Bytes::from(v)));
        assert_eq!(rows, BTreeMap::from(expected));

        put(&producer, &topic, "b", Some("back")).await;
        let back = TableEvent::Upsert { key: "b".into(), value: "back".into() };
        assert_eq!(next(&mut table).await, back);
        put(&producer, &topic, "a", None).await;
        assert_eq!(next(&mut table).await, TableEvent::Delete { key: "a".into() });
    }

    async fn an_empty_table_is_caught_up_at_once(log: TestLog) {
        let topic = log.create_topic("empty", 2, Cleanup::Compact).await;
        let mut table = TableReader::open(log.log(), &topic).await.unwrap();
        assert_eq!(catch_up(&mut table).await, BTreeMap::new());
    }
}
