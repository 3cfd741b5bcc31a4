//! Offsets and checkpoints are those of one topic of all that had its name.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use shadowline_store::{Batch, Checkpoint, OffsetStep, Progress, Store, StoreUrl};
use shadowline_testkit_stack::on_both_stores;
use uuid::Uuid;

async fn advance(store: &Store, reader: &str, topic: &str, from: Option<u64>, to: u64) {
    let checkpoint = Checkpoint {
        partition: 0,
        producer: "iforest/1".to_owned(),
        instance: Uuid::from_u128(7),
        sequence: to,
    };
    let progress = Progress {
        consumer_group: reader.to_owned(),
        topic: topic.to_owned(),
        offsets: vec![OffsetStep { partition: 0, from, to }],
        checkpoints: vec![checkpoint],
    };
    store.apply(&Batch { progress, ..Batch::default() }).await.unwrap();
}

on_both_stores! {
    async fn what_was_applied_of_a_topic_that_is_gone_is_forgotten(database: TestDatabase) {
        let url = StoreUrl::try_from(database.url().to_owned()).unwrap();
        let store = Store::open(&url).await.unwrap();
        // Offsets of before ids were kept are those of the first topic that is seen.
        advance(&store, "reader", "scores", None, 10).await;
        advance(&store, "other", "scores", None, 20).await;
        assert!(!store.begin_topic("reader", "scores", "a").await.unwrap());
        assert!(!store.begin_topic("reader", "scores", "a").await.unwrap());
        assert_eq!(store.offsets("reader", "scores").await.unwrap()[&0], 10);
        advance(&store, "reader", "scores", Some(10), 15).await;

        assert!(store.begin_topic("reader", "scores", "b").await.unwrap());
        assert!(store.offsets("reader", "scores").await.unwrap().is_empty());
        assert!(store.checkpoints("reader").await.unwrap().is_empty());
        assert_eq!(store.offsets("other", "scores").await.unwrap()[&0], 20);
        assert_eq!(store.checkpoints("other").await.unwrap().len(), 1);
        advance(&store, "reader", "scores", None, 3).await;
        assert!(!store.begin_topic("reader", "scores", "b").await.unwrap());
        assert_eq!(store.offsets("reader", "scores").await.unwrap()[&0], 3);
    }
}
