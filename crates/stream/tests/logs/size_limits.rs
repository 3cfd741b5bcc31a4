//! The limit of a topic is lowered under a producer.

use shadowline_stream::{Cleanup, ProduceError, SizeLimit};
use shadowline_testkit_stack::TestLog;

use super::*;

const KEPT: Cleanup = Cleanup::Delete { retention: None };

/// A record whose value is a number in many digits.
fn sized(topic: &Arc<str>, number: u64, n_digits: usize) -> OutRecord {
    let digits = number.to_string();
    let value = "0".repeat(n_digits - digits.len()) + &digits;
    OutRecord { value: Some(value.into_bytes().into()), ..numbered(topic, 0, number) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_record_that_is_too_large_is_refused() {
    let Some(log) = TestLog::kafka().await else { return };
    let topic = log.create_topic("lowered", 1, KEPT).await;
    let producer = log.producer();
    producer.send(sized(&topic, 0, 200_000)).await.unwrap();
    log.cluster().configure_topic(&topic, &[("max.message.bytes", "100000")]).await.unwrap();

    // Together much larger than the limit, and one of them alone.
    let sizes: Vec<usize> = (1..60).map(|it| if it == 30 { 150_000 } else { 5_000 }).collect();
    let (mut next, mut refused) = (0, Vec::new());
    while next < sizes.len() {
        let mut deliveries = Vec::new();
        for (idx, n_digits) in sizes.iter().enumerate().skip(next) {
            if !refused.contains(&idx) {
                let record = sized(&topic, idx as u64 + 1, *n_digits);
                deliveries.push((idx, producer.enqueue(record).await.unwrap()));
            }
        }
        next = sizes.len();
        // Up to the first that fails: those behind it are dropped, and come again.
        for (idx, delivery) in deliveries {
            let Err(error) = delivery.await else { continue };
            if let ProduceError::TooLarge { limit_bytes, limit, .. } = &error {
                assert_eq!((*limit_bytes, *limit), (100_000, SizeLimit::Topic), "{error}");
                assert!(error.to_string().contains("max.message.bytes"), "{error}");
                refused.push(idx);
            } else {
                assert!(!error.is_permanent(), "{error}");
            }
            next = idx;
            break;
        }
    }
    assert_eq!(refused, [29]);
    let numbers = numbers_of(&read_all(log.log(), &topic).await, 0);
    let expected: Vec<u64> = (0..60).filter(|it| *it != 30).collect();
    assert_eq!(numbers, expected, "whole, in order and once");
}
