//! Starts logs and databases for tests, and waits for what they are about.
//!
//! A test of anything above the log runs on both logs: [`on_both_logs!`] makes two tests of one
//! body. The one on Apache Kafka needs a node: the address in `SHADOWLINE_TEST_KAFKA`, or else Java
//! and the jars of `deploy/kafka/pom.xml`, from which a node is started for the test process and
//! killed with it. Without either the test says that it was skipped; in CI (`CI=true`) it fails.
//!
//! Tests that stop or kill Kafka start a [`KafkaNode`] of their own.
//!
//! [`Prometheus`], [`Alertmanager`] and [`Caddy`] are the real programs; `make stack-tools` installs them. A test that
//! needs one that is not there says so and is skipped, and fails in CI.
//!
//! A [`PostgresServer`] is there in the same way: from Debian's package, for the test process or for one test.

mod kafka_node;
mod postgres_server;
mod program;
mod service_binary;
mod skip;
mod stack;
mod test_database;
mod test_log;
mod trace_collector;
mod wait;

pub use kafka_node::KafkaNode;
pub use postgres_server::{PostgresServer, psql};
pub use service_binary::{ServiceBinary, assert_committed};
pub use stack::{Alertmanager, Caddy, Prometheus, stack_program};
pub use test_database::TestDatabase;
pub use test_log::TestLog;
pub use trace_collector::{CollectedSpan, TraceCollector};
pub use wait::{wait_for, wait_for_some};

/// Makes two tests of each function, one on the embedded log and one on Apache Kafka.
///
/// ```ignore
/// testkit::on_both_logs! {
///     async fn a_record_comes_back(log: TestLog) {
///         // ...
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_both_logs {
    ($($(#[$meta:meta])* async fn $name:ident($log:ident: TestLog) $body:block)+) => {
        $(
            mod $name {
                #[allow(unused_imports, reason = "a body need not use anything from around it")]
                use super::*;

                $(#[$meta])*
                #[allow(unused_mut, reason = "only some bodies reopen the log")]
                async fn check(mut $log: $crate::TestLog) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_the_embedded_log() {
                    check($crate::TestLog::embedded().await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_kafka() {
                    if let Some(log) = $crate::TestLog::kafka().await {
                        check(log).await;
                    }
                }
            }
        )+
    };
}

/// Makes two tests of each function, one on SQLite and one on PostgreSQL.
///
/// ```ignore
/// testkit::on_both_stores! {
///     async fn what_is_kept_comes_back(database: TestDatabase) {
///         // ...
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_both_stores {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: TestDatabase) $body:block)+) => {
        $(
            mod $name {
                #[allow(unused_imports, reason = "a body need not use anything from around it")]
                use super::*;

                $(#[$meta])*
                async fn on($database: $crate::TestDatabase) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    on($crate::TestDatabase::sqlite()).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    if let Some(database) = $crate::TestDatabase::postgres().await {
                        on(database).await;
                    }
                }
            }
        )+
    };
}

/// Makes three tests of each function: the embedded log with SQLite and with PostgreSQL, and Apache Kafka with SQLite.
/// Nothing is between a log and a database that the fourth could show.
///
/// ```ignore
/// testkit::on_both_logs_and_stores! {
///     async fn a_score_is_checked(log: TestLog, database: TestDatabase) {
///         // ...
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_both_logs_and_stores {
    ($($(#[$meta:meta])* async fn $name:ident($log:ident: TestLog, $database:ident: TestDatabase) $body:block)+) => {
        $(
            mod $name {
                #[allow(unused_imports, reason = "a body need not use anything from around it")]
                use super::*;

                $(#[$meta])*
                async fn on($log: $crate::TestLog, $database: $crate::TestDatabase) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_the_embedded_log_and_sqlite() {
                    on($crate::TestLog::embedded().await, $crate::TestDatabase::sqlite()).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_the_embedded_log_and_postgres() {
                    if let Some(database) = $crate::TestDatabase::postgres().await {
                        on($crate::TestLog::embedded().await, database).await;
                    }
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_kafka_and_sqlite() {
                    if let Some(log) = $crate::TestLog::kafka().await {
                        on(log, $crate::TestDatabase::sqlite()).await;
                    }
                }
            }
        )+
    };
}
