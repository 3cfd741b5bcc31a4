//! What only PostgreSQL has: the views for others, a server that refuses or is unavailable, and passwords.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::time::Duration;

use crate::fixtures::{GROUP, TOPIC, at, batch, id, open, spec, url};
use shadowline_evaluation::{
    AlertState, Evaluation, Outcome, RawMetricSpec, Transition, TransitionReason,
};
use shadowline_store::{
    AlertEvent, Batch, CheckFilter, Ending, Revision, Store, StoreError, StoreOptions, StoreUrl,
};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{PostgresServer, TestDatabase, psql};

const TIMEOUT: Duration = Duration::from_secs(30);

fn address(text: String) -> StoreUrl {
    StoreUrl::try_from(text).unwrap()
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let cause = error.source().map_or_else(String::new, |it| format!(": {}", chain(it)));
    format!("{error}{cause}")
}

#[tokio::test]
async fn others_read_what_is_stored_through_the_views() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open(&database).await;
    let first = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
    let mut evaluation = Evaluation::new(&first.spec);
    let mut batch = batch(&first, &mut evaluation, 0, 3);
    batch.events = vec![AlertEvent {
        id: "event-1".to_owned(),
        spec_no: first.no,
        spec_version: first.version,
        incident: 1,
        transition: Transition {
            from: AlertState::Inactive,
            to: AlertState::Firing,
            at: at(5),
            condition_since: None,
            fired_at: Some(at(5)),
            reason: TransitionReason::ConditionHolds,
            value: Some(0.75),
            line: Some(0.5),
            window: None,
            examples: vec!["inference-00000001".to_owned()],
        },
        recorded_at: at(6),
    }];
    store.apply(&batch).await.unwrap();
    let changed = first.spec.with(Some(0.7), Some(false)).unwrap();
    let second = store
        .replace_spec(&first, &changed, at(10), Ending { revision: Revision(1), event: None })
        .await
        .unwrap();
    let other = store.create_spec(id(2), &spec("other"), at(11)).await.unwrap();
    store.delete_spec(&other, at(12), Ending::default()).await.unwrap();

    let read = async |sql: &str| {
        // Times as text in UTC, whatever the session's time zone is.
        psql(database.url(), &format!("SET TIME ZONE 'UTC'; {sql}")).await.unwrap()
    };
    let spec_id = id(1);
    assert_eq!(
        read("SELECT * FROM report_checks ORDER BY time").await,
        format!(
            "2023-11-14 22:13:20+00|outliers|{spec_id}|1|census|1|iforest|1|0.25|healthy||greater|0.5|inference-00000000|monitor|inference|||\n\
             2023-11-14 22:13:21+00|outliers|{spec_id}|1|census|1|iforest|1|0.75|breach||greater|0.5|inference-00000001|monitor|inference|||\n\
             2023-11-14 22:13:22+00|outliers|{spec_id}|1|census|1|iforest|1||unscored|missing_field: age|greater|0.5|inference-00000002|monitor|inference|||"
        )
    );
    assert_eq!(
        read("SELECT * FROM report_alerts").await,
        format!(
            "2023-11-14 22:13:25+00|outliers|{spec_id}|census|warning|1|inactive|firing|condition_holds|0.75||||\
             2023-11-14 22:13:25+00|[\"inference-00000001\"]"
        )
    );
    assert_eq!(
        read("SELECT * FROM report_specs").await,
        format!(
            "{spec_id}|outliers|2|census|*|iforest|warning|greater|0.7|{}|inactive|2023-11-14 22:13:25+00|f|\
             2023-11-14 22:13:20+00|2023-11-14 22:13:30+00",
            second.spec.sentence()
        )
    );
    let other_id = id(2);
    assert_eq!(
        read("SELECT * FROM report_spec_changes ORDER BY time").await,
        format!(
            "2023-11-14 22:13:20+00|outliers|{spec_id}|1|created\n\
             2023-11-14 22:13:30+00|outliers|{spec_id}|2|edited\n\
             2023-11-14 22:13:31+00|other|{other_id}|1|created\n\
             2023-11-14 22:13:32+00|other|{other_id}|1|deleted"
        )
    );
    let columns = |view: &str| {
        format!(
            "SELECT string_agg(column_name || ' ' || udt_name, ', ' ORDER BY ordinal_position) \
             FROM information_schema.columns WHERE table_name = '{view}'"
        )
    };
    for (view, expected) in [
        (
            "report_checks",
            "time timestamptz, spec text, spec_id text, spec_version int8, model text, model_version text, \
             monitor text, monitor_version text, value float8, outcome text, reason text, operator text, \
             threshold float8, inference_id text, metric_kind text, subject text, window_from timestamptz, \
             window_to timestamptz, segment text",
        ),
        (
            "report_alerts",
            "time timestamptz, spec text, spec_id text, model text, severity text, incident int8, from_state text, \
             to_state text, reason text, value float8, n_scored int8, n_breach int8, n_unscored int8, \
             fired_at timestamptz, examples text",
        ),
        (
            "report_specs",
            "spec_id text, spec text, version int8, model text, model_version text, monitor text, severity text, \
             operator text, threshold float8, sentence text, state text, since timestamptz, enabled bool, \
             created_at timestamptz, updated_at timestamptz",
        ),
        (
            "report_spec_changes",
            "time timestamptz, spec text, spec_id text, version int8, change text",
        ),
    ] {
        assert_eq!(read(&columns(view)).await, expected, "{view}");
    }
    // A dashboard's range of time is read from an index.
    let plan = read(
        "SET enable_seqscan = off; EXPLAIN SELECT * FROM report_checks \
         WHERE time BETWEEN '2023-11-14 22:13:20Z' AND '2023-11-14 22:13:22Z'",
    )
    .await;
    assert!(plan.contains("checks_event_at"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_migrate_once() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let starting: Vec<_> = (0..8)
        .map(|_| {
            let url = url(&database);
            tokio::spawn(async move { Store::open(&url).await })
        })
        .collect();
    for store in starting {
        store.await.unwrap().unwrap().ping().await.unwrap();
    }
    let applied = psql(database.url(), "SELECT COUNT(*), BOOL_AND(success) FROM _sqlx_migrations");
    assert_eq!(applied.await.unwrap(), "6|t");
}

#[tokio::test]
async fn what_was_compared_with_nothing_has_no_threshold_in_the_view() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open(&database).await;
    let text = "{name: own, model: {name: census}, metric: {monitor: iforest}, \
                alert_when: {operator: greater, threshold: from_package}}";
    let raw = serde_saphyr::from_str::<RawMetricSpec>(text).unwrap();
    let stored = store.create_spec(id(1), &raw.try_into().unwrap(), at(0)).await.unwrap();
    let mut evaluation = Evaluation::new(&stored.spec);
    let mut batch = batch(&stored, &mut evaluation, 0, 2);
    // One without the threshold of its package, one with.
    batch.checks[0].outcome = Outcome::Unscored;
    batch.checks[0].value = None;
    batch.checks[1].condition = stored.spec.condition().with_line(Some(0.5));
    batch.checks[1].outcome = Outcome::Breach;
    batch.checks[1].value = Some(0.75);
    store.apply(&batch).await.unwrap();
    let sql = "SELECT outcome, threshold, threshold IS NULL FROM report_checks ORDER BY time";
    assert_eq!(psql(database.url(), sql).await.unwrap(), "unscored||t\nbreach|0.5|f");
}

#[tokio::test]
async fn what_waiting_does_not_cure_is_told_from_what_it_does() {
    let Some(server) = PostgresServer::start().await else { return };
    let open = async |url: String| Store::open(&address(url)).await.map(drop).unwrap_err();
    let refused = open(server.url().replace("only-for-tests", "hunter2")).await;
    let text = chain(&refused);
    assert!(refused.is_permanent() && text.contains("password authentication failed"), "{text}");
    assert!(text.contains("postgres://postgres:********@127.0.0.1:"), "{text}");
    let refused = open(format!("{}_of_others", server.url())).await;
    let text = chain(&refused);
    assert!(refused.is_permanent() && text.contains("\"test_of_others\" does not exist"), "{text}");
    let refused = open(format!("{}?sslmode=require", server.url())).await;
    assert!(refused.is_permanent(), "{}", chain(&refused));
    // Rights that are missing, as of a role that may not make tables.
    server.psql("CREATE ROLE reader LOGIN PASSWORD 'x'").await.unwrap();
    let refused = open(server.url().replace("postgres:only-for-tests", "reader:x")).await;
    let text = chain(&refused);
    assert!(refused.is_permanent() && text.contains("permission denied"), "{text}");

    server.stop().await;
    let waiting = open(server.url()).await;
    let text = chain(&waiting);
    assert!(!waiting.is_permanent() && text.contains("refused"), "{text}");
    server.restart().await.unwrap();
    Store::open(&address(server.url())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_changed_in_its_file_is_taken_over() {
    let Some(server) = PostgresServer::start().await else { return };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "only-for-tests").unwrap();
    let options =
        StoreOptions { password_file: Some(file.path().to_owned()), ..StoreOptions::default() };
    let without = address(server.url().replace(":only-for-tests", ""));
    let store = Store::new(&without, &options).unwrap();
    store.prepare().await.unwrap();
    store.ping().await.unwrap();
    let change = "ALTER ROLE postgres PASSWORD 'changed'; SELECT COUNT(pg_terminate_backend(pid)) \
                  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    server.psql(change).await.unwrap();
    let error = store.ping().await.unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains("password authentication failed") && !text.contains("only-for"),
        "{text}"
    );
    std::fs::write(file.path(), "changed\n").unwrap();
    wait_for("the new password is used", TIMEOUT, async || store.ping().await.is_ok()).await;

    let missing = StoreOptions { password_file: Some("no/such/file".into()), ..options };
    let error = Store::new(&without, &missing).unwrap_err();
    assert_eq!(error.to_string(), "read the store's password from `no/such/file`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_changes_is_waited_for_and_loses_nothing() {
    let Some(server) = PostgresServer::start().await else { return };
    let store = Store::open(&address(server.url())).await.unwrap();
    let spec = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
    let mut evaluation = Evaluation::new(&spec.spec);
    store.apply(&batch(&spec, &mut evaluation, 0, 30)).await.unwrap();
    store.probe().await.unwrap();
    assert_eq!(store.offsets(GROUP, TOPIC).await.unwrap().len(), 1);

    server.psql("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    server.psql("SELECT pg_reload_conf()").await.unwrap();
    wait_for("the server is read-only", TIMEOUT, async || store.probe().await.is_err()).await;
    let next = batch(&spec, &mut evaluation, 30, 60);
    let error = store.apply(&next).await.unwrap_err();
    let text = chain(&error);
    assert!(text.contains("read-only transaction") && !error.is_permanent(), "{text}");
    store.ping().await.unwrap();
    server.psql("ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
    server.psql("SELECT pg_reload_conf()").await.unwrap();
    wait_for("the server takes changes", TIMEOUT, async || store.probe().await.is_ok()).await;
    store.apply(&next).await.unwrap();
    assert_eq!(store.count_inferences(&CheckFilter::default()).await.unwrap(), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_room_is_waited_for_and_loses_nothing() {
    let Some(server) = PostgresServer::start().await else { return };
    let store = Store::open(&address(server.url())).await.unwrap();
    let spec = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
    let mut evaluation = Evaluation::new(&spec.spec);
    store.apply(&batch(&spec, &mut evaluation, 0, 30)).await.unwrap();
    // As the server says it when the disk is full, with the same code.
    server
        .psql(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$; \
             CREATE TRIGGER full_disk BEFORE INSERT ON checks EXECUTE FUNCTION full_disk()",
        )
        .await
        .unwrap();
    let next = batch(&spec, &mut evaluation, 30, 60);
    let error = store.apply(&next).await.unwrap_err();
    let text = chain(&error);
    assert!(text.contains("No space left on device") && !error.is_permanent(), "{text}");
    assert_eq!(store.offsets(GROUP, TOPIC).await.unwrap()[&3], 30);
    server.psql("DROP FUNCTION full_disk CASCADE").await.unwrap();
    store.apply(&next).await.unwrap();
    assert_eq!(store.count_inferences(&CheckFilter::default()).await.unwrap(), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_given_up() {
    let Some(server) = PostgresServer::start().await else { return };
    let options = StoreOptions { timeout: Duration::from_millis(200), ..StoreOptions::default() };
    let store = Store::new(&address(server.url()), &options).unwrap();
    store.prepare().await.unwrap();
    let spec = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
    let mut evaluation = Evaluation::new(&spec.spec);
    let first = batch(&spec, &mut evaluation, 0, 30);
    let locked = server.psql("BEGIN; LOCK TABLE offsets; SELECT pg_sleep(3); COMMIT");
    let applied = async {
        wait_for("the table is locked", TIMEOUT, async || {
            server
                .psql("SELECT COUNT(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'")
                .await
                .unwrap()
                != "0"
        })
        .await;
        store.apply(&first).await
    };
    let (locked, applied) = tokio::join!(locked, applied);
    locked.unwrap();
    let error = applied.unwrap_err();
    let text = chain(&error);
    assert!(text.contains("statement timeout") && !error.is_permanent(), "{text}");
    store.apply(&first).await.unwrap();
    let other = Batch { progress: first.progress.clone(), ..Batch::default() };
    assert!(matches!(store.apply(&other).await, Err(StoreError::Fenced { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_encrypted_and_checked_as_the_address_says() {
    let Some(server) = PostgresServer::start().await else { return };
    let dir = server.dir().display();
    for name in ["server", "other"] {
        // By the server itself, because it takes no key that is not its own. Debian's package brings openssl.
        let make = format!(
            "cat >/dev/null; openssl req -x509 -newkey rsa:2048 -nodes -keyout {dir}/{name}.key -out {dir}/{name}.pem \
             -days 2 -subj /CN={name} -addext subjectAltName=IP:127.0.0.1 2>/dev/null"
        );
        server.psql(&format!("COPY (SELECT 1) TO PROGRAM '{make}'")).await.unwrap();
    }
    for setting in [
        format!("ssl_cert_file = '{dir}/server.pem'"),
        format!("ssl_key_file = '{dir}/server.key'"),
        "ssl = on".to_owned(),
    ] {
        server.psql(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
    }
    server.psql("SELECT pg_reload_conf()").await.unwrap();
    let open = async |parameters: &str| {
        Store::open(&address(format!("{}?{parameters}", server.url()))).await
    };
    wait_for("the server encrypts", TIMEOUT, async || open("sslmode=require").await.is_ok()).await;
    let store = open(&format!("sslmode=verify-full&sslrootcert={dir}/server.pem")).await.unwrap();
    let encrypted = "SELECT BOOL_AND(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'shadowline'";
    store.ping().await.unwrap();
    assert_eq!(server.psql(encrypted).await.unwrap(), "t");
    for (parameters, says) in [
        (format!("sslmode=verify-full&sslrootcert={dir}/other.pem"), "certificate verify failed"),
        (format!("sslmode=verify-ca&sslrootcert={dir}/missing.pem"), "No such file"),
    ] {
        let refused = open(&parameters).await.unwrap_err();
        let text = chain(&refused);
        assert!(refused.is_permanent() && text.contains(says), "{text}");
    }
}
