//! Databases that were written by commit 1a0d911, before checks had subjects and states had revisions.
//!
//! `fixtures/1a0d911.sqlite.sql` and `fixtures/1a0d911.postgres.sql` are what a program made with the store of that commit
//! left, by `create_spec`, `apply`, `replace_spec`, `delete_spec` and the two outboxes, as `sqlite3 .dump` and
//! `pg_dump --inserts --no-owner --no-privileges` printed it; of the latter, the lines that only `psql` understands were
//! taken out. The specs are `outliers` (changed once), `firing`, `pending` and `gone` (deleted); of `outliers` the
//! inferences 0 to 5 were checked by version 1 and 6 to 8 by version 2.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::fixtures::{GROUP, INSTANCE, TOPIC, at, batch, id, iforest, open, url};
use shadowline_evaluation::{AlertState, Evaluation, Outcome, SpecVersion};
use shadowline_store::{
    AlertHistoryQuery, CheckFilter, CheckSubject, Checkpoint, Revision, SpecKey, Store, StoreError,
};
use shadowline_testkit_stack::{TestDatabase, on_both_stores, psql};
use sqlx::{Connection as _, Executor as _};

async fn load(database: &TestDatabase) -> Store {
    if database.is_postgres() {
        let dump = include_str!("../fixtures/1a0d911.postgres.sql");
        let mut connection = sqlx::PgConnection::connect(database.url()).await.unwrap();
        connection.execute(sqlx::raw_sql(dump)).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let dump = include_str!("../fixtures/1a0d911.sqlite.sql");
        let url = format!("{}?mode=rwc", database.url());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        connection.execute(sqlx::raw_sql(dump)).await.unwrap();
        connection.close().await.unwrap();
    }
    open(database).await
}

on_both_stores! {
    async fn every_check_of_an_old_database_is_read(database: TestDatabase) {
        let store = load(&database).await;
        let all = CheckFilter::default();
        let counts = store.count_checks(&all).await.unwrap();
        assert_eq!((counts.healthy, counts.breach, counts.unscored), (3, 3, 3));
        assert_eq!(store.count_inferences(&all).await.unwrap(), 9);
        let checks = store.checks(&all, 100, None).await.unwrap().checks;
        for (sequence, check) in (0..9).rev().zip(&checks) {
            let subject = CheckSubject::Inference(format!("inference-{sequence:08}"));
            assert_eq!((&check.subject, &check.metric), (&subject, &iforest()));
            assert_eq!(check.spec_version, SpecVersion(if sequence < 6 { 1 } else { 2 }));
            assert_eq!((check.spec_name.as_str(), check.spec_id), ("outliers", id(1)));
            assert_eq!(check.model, ("census".to_owned(), "1".to_owned()));
            let (value, outcome, reason) = match sequence % 3 {
                0 => (Some(0.25), Outcome::Healthy, None),
                1 => (Some(0.75), Outcome::Breach, None),
                _ => (None, Outcome::Unscored, Some("missing_field: age")),
            };
            assert_eq!((check.value, check.outcome, check.reason.as_deref()), (value, outcome, reason));
            assert_eq!((check.event_at, check.partition), (at(sequence), 3));
            assert_eq!(check.origin, (INSTANCE, sequence));
        }
        assert_eq!(checks.len(), 9);
        let one = CheckFilter { inference_id: Some("inference-00000004".to_owned()), ..all };
        assert_eq!(store.count_checks(&one).await.unwrap().total(), 1);
    }

    async fn a_database_of_a_newer_program_is_refused_in_words(database: TestDatabase) {
        load(&database).await;
        // As a later program leaves it, which has done one more.
        let newer = "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
                     SELECT 9000, 'later', installed_on, success, checksum, execution_time \
                     FROM _sqlx_migrations WHERE version = 1";
        if database.is_postgres() {
            let mut connection = sqlx::PgConnection::connect(database.url()).await.unwrap();
            connection.execute(newer).await.unwrap();
        } else {
            let mut connection = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
            connection.execute(newer).await.unwrap();
        }
        let error = Store::open(&url(&database)).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { migration: 9000, .. }), "{error:?}");
        assert!(error.is_permanent());
        let said = error.to_string();
        assert!(said.contains("by a newer version of this program") && !said.contains("resolved"), "{said}");
    }

    async fn specs_alerts_and_progress_of_an_old_database_go_on(database: TestDatabase) {
        let store = load(&database).await;
        let names: Vec<_> = store.specs(None).await.unwrap();
        let names: Vec<_> =
            names.iter().map(|it| (it.spec.name().as_str(), it.version.0)).collect();
        assert_eq!(names, [("firing", 1), ("outliers", 2), ("pending", 1)]);
        assert_eq!(store.spec_versions(id(1)).await.unwrap().len(), 2);
        assert!(store.spec_versions(id(4)).await.unwrap()[0].deleted_at.is_some());
        // Two of the first four were sent; then came a version and a deletion.
        let told: Vec<_> = store.unpublished_spec_changes(10).await.unwrap();
        let told: Vec<_> = told.iter().map(|it| (it.id, it.to.is_some())).collect();
        assert_eq!(told, [(id(3), true), (id(4), true), (id(1), true), (id(4), false)]);

        let states = store.states().await.unwrap();
        let of = |spec| {
            let found = states.iter().find(|it| it.spec_no == spec).unwrap();
            let (_, evaluation) = found.evaluation.as_ref().unwrap();
            (found.revision, found.incident, evaluation.state())
        };
        let spec = async |name| store.spec(&SpecKey::parse(name)).await.unwrap().unwrap();
        let outliers = spec("outliers").await;
        assert_eq!(of(outliers.no), (Revision(1), 9, AlertState::Inactive));
        assert_eq!(of(spec("firing").await.no), (Revision(1), 1, AlertState::Firing));
        assert_eq!(of(spec("pending").await.no), (Revision(1), 1, AlertState::Pending));
        assert_eq!(store.firing_events().await.unwrap()[0].spec, spec("firing").await);
        let waiting = store.unpublished_alert_events(10).await.unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].event.transition.to, AlertState::Pending);
        let query = AlertHistoryQuery { limit: 10, ..AlertHistoryQuery::default() };
        assert_eq!(store.alert_history(&query).await.unwrap().len(), 2);

        let offsets = store.offsets(GROUP, TOPIC).await.unwrap();
        assert_eq!(offsets.into_iter().collect::<Vec<_>>(), [(3, 9), (4, 78)]);
        let mut checkpoints = store.checkpoints(GROUP).await.unwrap();
        checkpoints.sort();
        let expected = |partition, producer: &str, sequence| Checkpoint {
            partition,
            producer: producer.to_owned(),
            instance: INSTANCE,
            sequence,
        };
        assert_eq!(checkpoints, [expected(3, "iforest/1", 8), expected(4, "knn/2", 77)]);

        // The next batch goes on from there.
        let mut evaluation = Evaluation::new(&outliers.spec);
        let mut next = batch(&outliers, &mut evaluation, 9, 12);
        next.states[0].revision = Revision(1);
        store.apply(&next).await.unwrap();
        assert_eq!(store.count_checks(&CheckFilter::default()).await.unwrap().total(), 12);
    }
}

#[tokio::test]
async fn the_views_of_an_old_database_have_their_columns_and_the_new_ones() {
    let Some(database) = TestDatabase::postgres().await else { return };
    load(&database).await;
    let sql = "SET TIME ZONE 'UTC'; SELECT * FROM report_checks WHERE inference_id = 'inference-00000001'";
    assert_eq!(
        psql(database.url(), sql).await.unwrap(),
        format!(
            "2023-11-14 22:13:21+00|outliers|{}|1|census|1|iforest|1|0.75|breach||greater|0.5|inference-00000001|monitor|\
             inference|||",
            id(1)
        )
    );
}
