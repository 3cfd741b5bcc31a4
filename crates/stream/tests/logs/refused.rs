//! The broker does not let a user in, or do what the user asks: each client says the cause.

use shadowline_error::chain;
use shadowline_stream::{
    CancellationToken, Cleanup, ConsumerOptions, Handler, HandlerError, LogConfig, ProducerOptions,
    consume,
};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{KafkaNode, TestLog};

use super::*;

struct Idle;

impl Handler for Idle {
    async fn handle(&mut self, _records: &[Received]) -> Result<(), HandlerError> {
        Ok(())
    }
}

async fn open(node: &KafkaNode, password: &str) -> Log {
    let properties = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "reader"),
        ("sasl.password", password),
    ];
    let config = LogConfig::Kafka {
        bootstrap_servers: node.users_address(),
        properties: properties.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    Log::open(&config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_password_and_a_missing_right_are_named() {
    let Some(node) = KafkaNode::start_with_users().await else { return };
    let operator = TestLog::on(&node).await;
    let topic = operator.create_topic("guarded", 1, Cleanup::Delete { retention: None }).await;

    let wrong = open(&node, "wrong-one").await;
    let error = wrong.reachable(PATIENCE).await.unwrap_err();
    let words = chain(&error);
    assert!(words.contains("refuses the user or the password"), "{words}");
    assert!(!words.contains("wrong-one"), "{words}");

    let reader = open(&node, "right").await;
    let error = reader.partitions(&topic).await.unwrap_err();
    let words = chain(&error);
    assert!(words.contains("lacks the right") && words.contains(&*topic), "{words}");
    let producer = reader.producer(ProducerOptions::new("writer")).unwrap();
    let error = producer.send(numbered(&topic, 0, 1)).await.unwrap_err();
    let words = chain(&error);
    assert!(words.contains("right WRITE") && words.contains(&*topic), "{words}");

    let stop = CancellationToken::new();
    let options = ConsumerOptions::new("some-group", [topic.clone()]);
    let reading = tokio::spawn({
        let (log, stop) = (reader.clone(), stop.clone());
        async move { consume(&log, options, &mut Idle, stop).await }
    });
    wait_for("the missing right is a complaint", PATIENCE, async || {
        let complaints = reader.metrics().complaints().join("; ");
        complaints.contains("lacks the right READ")
    })
    .await;
    stop.cancel();
    reading.await.unwrap().unwrap();
}
