//! Writing, and reading back what was written.

use std::collections::BTreeMap;

use shadowline_stream::{
    Cleanup, DeadLetters, Origin, OutRecord, ProduceError, ProducerOptions, Watermarks,
    partition_for,
};
use shadowline_testkit_stack::{TestLog, on_both_logs};
use uuid::Uuid;

use super::*;

const KEPT: Cleanup = Cleanup::Delete { retention: None };

on_both_logs! {
    async fn a_record_comes_back_with_its_envelope(log: TestLog) {
        let topic = log.create_topic("records", 3, KEPT).await;
        let mut envelope = envelope("id-1");
        envelope.subject = Some("census".to_owned());
        envelope.origin = Some(Origin { instance: Uuid::from_u128(9), sequence: 42 });
        envelope.extensions = BTreeMap::from([("model".to_owned(), "census".to_owned())]);
        let headers = [
            ("ce_specversion", "1.0"), ("ce_id", "x"), ("ce_type", "x"), ("ce_source", "x"),
            ("ce_time", "2026-01-01T00:00:00Z"), ("content-type", "x"),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("tracestate", "vendor=value"),
        ];
        let parsed = Envelope::from_headers(headers.map(|(name, value)| (name, value.as_bytes())));
        envelope.trace = parsed.unwrap().trace;
        assert!(envelope.trace.is_some());
        let out = OutRecord { envelope: envelope.clone(), ..numbered(&topic, 2, 7) };
        let sent = log.producer().send(out.clone()).await.unwrap();
        assert_eq!((sent.partition, sent.offset), (2, 0));

        let records = read_all(log.log(), &topic).await;
        assert_eq!(records.len(), 1);
        let record = &records[0];
        assert_eq!((&*record.topic, record.partition, record.offset), (&*topic, 2, 0));
        assert_eq!((&record.key, &record.value), (&out.key, &out.value));
        assert_eq!(record.envelope, Ok(envelope));
        assert!(record.timestamp.is_some());
    }

    async fn a_key_chooses_its_partition(log: TestLog) {
        let topic = log.create_topic("keyed", 5, KEPT).await;
        let producer = log.producer();
        for number in 0..50 {
            let out = OutRecord { partition: None, ..numbered(&topic, 0, number) };
            let expected = partition_for(format!("key-{number}").as_bytes(), 5);
            assert_eq!(producer.send(out).await.unwrap().partition, expected);
        }
    }

    async fn order_is_kept_in_a_partition(log: TestLog) {
        let topic = log.create_topic("ordered", 3, KEPT).await;
        let producer = log.log().producer(ProducerOptions {
            // Far fewer than there are records: the queue is full most of the time.
            max_in_flight: 50,
            ..ProducerOptions::new("test")
        }).unwrap();
        let mut deliveries = Vec::new();
        for number in 0..6_000_u64 {
            let partition = u32::try_from(number % 3).unwrap();
            deliveries.push(producer.enqueue(numbered(&topic, partition, number)).await.unwrap());
        }
        producer.flush(PATIENCE).await.unwrap();
        for (idx, delivery) in deliveries.into_iter().enumerate() {
            assert_eq!(delivery.await.unwrap().offset, idx as u64 / 3);
        }
        let records = read_all(log.log(), &topic).await;
        for partition in 0..3 {
            let expected: Vec<u64> = (0..6_000).filter(|it| it % 3 == u64::from(partition)).collect();
            assert_eq!(numbers_of(&records, partition), expected);
        }
        let watermarks = log.log().watermarks(&topic, 1).await.unwrap();
        assert_eq!(watermarks, Watermarks { low: 0, high: 2_000 });
    }

    async fn what_cannot_be_written_is_said(log: TestLog) {
        let topic = log.create_topic("small", 1, KEPT).await;
        let producer = log.log().producer(ProducerOptions {
            max_message_bytes: 10_000,
            ..ProducerOptions::new("test")
        }).unwrap();
        let large = OutRecord { value: Some(vec![7; 20_000].into()), ..numbered(&topic, 0, 1) };
        let error = producer.send(large).await.unwrap_err();
        assert!(matches!(error, ProduceError::TooLarge { limit_bytes: 10_000, .. }), "{error:?}");
        assert!(error.is_permanent());
        // The record that was refused does not stand in the way of others.
        producer.send(numbered(&topic, 0, 2)).await.unwrap();

        let error = producer.send(numbered(&topic, 1, 3)).await.unwrap_err();
        assert!(matches!(error, ProduceError::NoPartition { partition: 1, .. }), "{error:?}");
        let nowhere = format!("{topic}-missing").into();
        let out = OutRecord { partition: None, ..numbered(&nowhere, 0, 4) };
        let error = producer.send(out).await.unwrap_err();
        assert!(matches!(error, ProduceError::NoTopic { .. }), "{error:?}");
        producer.send(numbered(&topic, 0, 5)).await.unwrap();
        assert_eq!(numbers_of(&read_all(log.log(), &topic).await, 0), [2, 5]);
    }

    async fn a_dead_letter_keeps_the_bytes_and_tells_why(log: TestLog) {
        log.create_topics(2).await;
        let inferences = log.topics().inferences();
        let producer = log.producer();
        let origin = Some(Origin { instance: Uuid::from_u128(1), sequence: 5 });
        let mut out = numbered(&inferences, 1, 77);
        out.envelope.origin = origin;
        producer.send(out).await.unwrap();
        let records = read_all(log.log(), &inferences).await;

        let letters = DeadLetters::new(producer, log.topics(), "/monitor-knn");
        letters.send(&records[0], "not an inference", Timestamp::UNIX_EPOCH).await.unwrap();

        let dead = read_all(log.log(), &log.topics().dead_letters()).await;
        assert_eq!(dead.len(), 1);
        assert_eq!((&dead[0].key, &dead[0].value), (&records[0].key, &records[0].value));
        let envelope = dead[0].envelope.clone().unwrap();
        assert_eq!((&*envelope.source, envelope.origin), ("/monitor-knn", origin));
        let tells = |name: &str| envelope.extensions.get(name).map(String::as_str);
        assert_eq!(tells("reason"), Some("not an inference"));
        assert_eq!(tells("deadtopic"), Some(&*inferences));
        assert_eq!(tells("deadpartition"), Some("1"));
        assert_eq!(tells("deadoffset"), Some("0"));
    }

    async fn acknowledged_records_are_there_after_a_restart(log: TestLog) {
        let topic = log.create_topic("lasting", 2, KEPT).await;
        let producer = log.producer();
        for number in 0..100 {
            producer.send(numbered(&topic, 1, number)).await.unwrap();
        }
        drop(producer);
        log.reopen().await;
        assert_eq!(log.log().partitions(&topic).await.unwrap(), 2);
        let again = log.producer().send(numbered(&topic, 1, 100)).await.unwrap();
        assert_eq!(again.offset, 100);
        let records = read_all(log.log(), &topic).await;
        assert_eq!(numbers_of(&records, 1), (0..=100).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_the_broker_refuses_is_said_to_be_a_clock() {
    let Some(log) = TestLog::kafka().await else { return };
    let topic = log.create_topic("late", 1, KEPT).await;
    let refuse = [("message.timestamp.before.max.ms", "0")];
    log.cluster().configure_topic(&topic, &refuse).await.unwrap();
    for n_records in [1, 2, 5] {
        // One that is refused, and several of one batch: the broker says another error of them, and of most none.
        let producer = log.producer();
        let mut deliveries = Vec::new();
        for number in 0..n_records {
            deliveries.push(producer.enqueue(numbered(&topic, 0, number)).await.unwrap());
        }
        let error = deliveries.remove(0).await.unwrap_err();
        let words = shadowline_error::chain(&error);
        assert!(words.contains("a clock is wrong"), "{words}");
        assert!(words.contains("message.timestamp.before.max.ms"), "{words}");
        assert!(!error.is_permanent());
    }
}
