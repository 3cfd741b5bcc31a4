//! Creating and checking topics.

use shadowline_stream::{Cleanup, Log, LogConfig, LogError, PartitionCount, TopicError, TopicSpec};
use shadowline_testkit_stack::on_both_logs;

on_both_logs! {
    async fn missing_topics_are_created_and_fitting_ones_left_alone(log: TestLog) {
        let specs = log.topics().specs(6, 1);
        log.log().ensure_topics(&specs).await.unwrap();
        log.log().ensure_topics(&specs).await.unwrap();
        assert_eq!(log.log().partitions(&log.topics().scores()).await.unwrap(), 6);
        let table = log.log().describe(&log.topics().metric_specs()).await.unwrap().unwrap();
        assert_eq!((table.partitions, &*table.cleanup_policy), (1, "compact"));
    }

    async fn inferences_that_exist_set_the_partitions_of_scores(log: TestLog) {
        let specs = log.topics().specs(4, 1);
        log.log().ensure_topics(&specs[..1]).await.unwrap();
        log.log().ensure_topics(&log.topics().specs(9, 1)).await.unwrap();
        assert_eq!(log.log().partitions(&log.topics().scores()).await.unwrap(), 4);
    }

    async fn scores_with_other_partitions_are_refused(log: TestLog) {
        let specs = log.topics().specs(4, 1);
        let wrong = TopicSpec { partitions: PartitionCount::Exactly(2), ..specs[1].clone() };
        log.log().ensure_topics(&[wrong]).await.unwrap();
        let error = log.log().ensure_topics(&specs).await.unwrap_err();
        let (scores, inferences) = (log.topics().scores(), log.topics().inferences());
        assert_eq!(error.to_string(), format!(
            "topic `{scores}` has 2 partitions, but must have 4, as many as `{inferences}`: \
             recreate it with 4 partitions"
        ));
    }

    async fn a_table_that_would_forget_is_refused(log: TestLog) {
        let specs = log.topics().specs(1, 1);
        let table = &specs[4];
        let wrong = TopicSpec { cleanup: Cleanup::Delete { retention: None }, ..table.clone() };
        log.log().ensure_topics(&[wrong]).await.unwrap();
        let error = log.log().ensure_topics(&specs).await.unwrap_err();
        assert_eq!(error.to_string(), format!(
            "topic `{}` has cleanup.policy=delete, but must have cleanup.policy=compact", table.name
        ));
    }

    async fn a_topic_that_takes_too_little_is_refused(log: TestLog) {
        let specs = log.topics().specs(1, 1);
        let wrong = TopicSpec { max_message_bytes: 1000, ..specs[0].clone() };
        log.log().ensure_topics(&[wrong]).await.unwrap();
        let error = log.log().ensure_topics(&specs).await.unwrap_err();
        assert!(matches!(
            error, TopicError::MessagesTooSmall { actual: 1000, expected: 8_388_608, .. }
        ), "{error}");
    }

    async fn what_does_not_exist_is_said(log: TestLog) {
        let missing = log.topics().labels();
        let error = log.log().partitions(&missing).await.unwrap_err();
        assert!(matches!(error, LogError::NoTopic { .. }), "{error}");
        assert!(log.log().describe(&missing).await.unwrap().is_none());
        log.create_topics(2).await;
        let error = log.log().watermarks(&missing, 2).await.unwrap_err();
        assert_eq!(error.to_string(), format!("topic `{missing}` has no partition 2, it has 2"));
        let scores = TopicSpec {
            name: format!("{missing}-2").into(),
            partitions: PartitionCount::SameAs(format!("{missing}-1").into()),
            ..log.topics().specs(1, 1)[1].clone()
        };
        let error = log.log().ensure_topics(&[scores]).await.unwrap_err();
        assert!(matches!(error, TopicError::NothingToMatch { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_setting_of_ours_is_refused_and_an_unknown_one_too() {
    let open = async |name: &str| {
        let properties = [(name.to_owned(), "1".to_owned())].into();
        let config = LogConfig::Kafka { bootstrap_servers: "127.0.0.1:1".to_owned(), properties };
        let error = Log::open(&config).await.expect_err("it is refused");
        format!("{:#}", anyhow::Error::new(error))
    };
    assert!(open("enable.idempotence").await.contains("`enable.idempotence` cannot be set"));
    let unknown = open("sasl.pasword").await;
    assert!(unknown.contains("sasl.pasword") && unknown.contains("127.0.0.1:1"), "{unknown}");
}
