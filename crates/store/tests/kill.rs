//! A process that applies batches is killed at any moment, again and again: what is there is whole.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use fixtures::{GROUP, TOPIC, batch, id, open, spec};
use shadowline_evaluation::{Evaluation, SpecVersion};
use shadowline_store::{CheckFilter, SpecKey, Store, StoreUrl};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{on_both_stores, psql};

const URL: &str = "SHADOWLINE_STORE_KILL_TEST_URL";
const PER_BATCH: u64 = 100;
const TIMEOUT: Duration = Duration::from_secs(30);
const OTHERS: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
     AND pid <> pg_backend_pid()";

/// Not a test by itself: the process that the other test starts and kills.
#[tokio::test]
async fn apply_until_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    let store = Store::open(&StoreUrl::try_from(url).unwrap()).await.unwrap();
    let spec = store.spec(&SpecKey::parse("outliers")).await.unwrap().unwrap();
    let mut next = store.offsets(GROUP, TOPIC).await.unwrap().get(&3).copied().unwrap_or(0);
    let mut evaluation = match store.states().await.unwrap().pop().and_then(|it| it.evaluation) {
        Some((SpecVersion(1), evaluation)) => evaluation,
        Some(_) | None => Evaluation::new(&spec.spec),
    };
    loop {
        store.apply(&batch(&spec, &mut evaluation, next, next + PER_BATCH)).await.unwrap();
        next += PER_BATCH;
        println!("applied {next}");
    }
}

on_both_stores! {
    async fn a_killed_process_leaves_whole_batches_and_everything_it_said_it_had_applied(database: TestDatabase) {
        let store = open(&database).await;
        let stored = store.create_spec(id(1), &spec("outliers"), fixtures::at(0)).await.unwrap();
        store.close().await;

        let mut reference = Evaluation::new(&stored.spec);
        let mut n_reference = 0;
        for round in 0..12_u32 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "apply_until_killed", "--nocapture"])
                .env(URL, database.url())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Killed after some batches, wherever the next one is by then.
            let mut said = 0;
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            for _ in 0..=(round * 7 % 30) {
                let line =
                    lines.by_ref().map(Result::unwrap).find(|it| it.contains("applied ")).unwrap();
                said = line.rsplit(' ').next().unwrap().parse().unwrap();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            if database.is_postgres() {
                // The server ends what the killed process had asked for.
                wait_for("the process's connections are gone", TIMEOUT, async || {
                    psql(database.url(), OTHERS).await.unwrap() == "0"
                })
                .await;
            }

            let store = open(&database).await;
            let next = store.offsets(GROUP, TOPIC).await.unwrap()[&3];
            assert!(next >= said, "it said {said} and {next} are there");
            assert_eq!(next % PER_BATCH, 0, "a batch is there in part");
            assert_eq!(store.count_checks(&CheckFilter::default()).await.unwrap().total(), next);
            assert_eq!(store.count_inferences(&CheckFilter::default()).await.unwrap(), next);
            assert_eq!(store.checkpoints(GROUP).await.unwrap()[0].sequence, next - 1);
            // The state is that of a process which was never killed.
            while n_reference < next {
                drop(batch(&stored, &mut reference, n_reference, n_reference + PER_BATCH));
                n_reference += PER_BATCH;
            }
            let state = store.states().await.unwrap().pop().unwrap();
            assert_eq!(
                (state.incident, state.evaluation),
                (next, Some((SpecVersion(1), reference.clone())))
            );
            store.close().await;
        }
    }
}
