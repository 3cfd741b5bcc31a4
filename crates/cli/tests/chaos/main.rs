//! Kills the programs at random moments, and compares the ids from outside.
//!
//! 5,000 predictions are answered while serving, the monitors and metric-specs are killed with SIGKILL and started
//! again, each at least once: as processes on Apache Kafka, and as the one process of `shadowline up` on the embedded
//! log. `make soak` makes that 20,000 predictions. Then:
//!
//! - every answered prediction is on the topic of inferences, exactly one inference for an id;
//! - what is on that topic, each monitor has scored, and each metric spec has checked: the same ids, each once;
//! - a call that was cut off by a kill may be there without having been answered, and nothing else may be.
//!
//! The moments are counts of answered predictions, drawn from a fixed seed, so nothing waits for a clock.
//!
//! The same programs are looked at by their traces in `traces.rs`; in `outages.rs` it is the broker that goes away.

mod fleet;
mod ledger;
mod outages;
mod traces;
mod traffic;

use std::time::Duration;

use shadowline_testkit::{quick_leaves_out, soaks};
use shadowline_testkit_stack::KafkaNode;

use crate::fleet::Fleet;
use crate::ledger::Ledger;
use crate::traffic::Traffic;

/// How many predictions there are, and kills among them.
#[derive(Debug, Clone, Copy)]
struct Scale {
    n_predictions: usize,
    n_kills: usize,
}

impl Scale {
    fn of_this_run() -> Self {
        if soaks() {
            Self { n_predictions: 20_000, n_kills: 16 }
        } else {
            Self { n_predictions: 5_000, n_kills: 6 }
        }
    }
}

/// The window that the checks are judged over.
const OVER: &str = "over: {last: 20, aggregate: breach_share, min_samples: 20, exceeds: 0.9}\n";
const SETTLED_WITHIN: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_on_kafka_lose_nothing_and_count_nothing_twice() {
    let Some(node) = KafkaNode::start_own().await else { return };
    let fleet = Fleet::processes(&node.bootstrap_servers(), &[]).await;
    survive(fleet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_process_on_the_embedded_log_loses_nothing_and_counts_nothing_twice() {
    if quick_leaves_out("long: programs that are killed") {
        return;
    }
    survive(Fleet::one_process(&[]).await).await;
}

async fn survive(mut fleet: Fleet) {
    let scale = Scale::of_this_run();
    fleet.install(traffic::row, OVER).await;
    let traffic = Traffic::start(fleet.serving_grpc(), scale.n_predictions);
    for (after, victim) in kills(scale, fleet.n_victims()) {
        traffic.answered_at_least(after).await;
        fleet.kill_and_restart(victim).await;
    }
    let calls = traffic.finish().await;
    assert_eq!(calls.answered.len(), scale.n_predictions);

    let ledger = Ledger::settled(&mut fleet, SETTLED_WITHIN).await;
    ledger.compare(&calls);
    fleet.stop().await;
}

/// When to kill whom: counts of answered predictions, and victims of which each has its turn.
fn kills(scale: Scale, n_victims: usize) -> Vec<(usize, usize)> {
    let Scale { n_predictions, n_kills } = scale;
    // A small generator of our own is enough for this, and its draws are the same everywhere.
    let mut state = 0x5eed_u64;
    let mut draw = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let mut moments: Vec<usize> = (0..n_kills).map(|_| draw(n_predictions)).collect();
    moments.sort_unstable();
    let victims: Vec<usize> =
        (0..n_kills).map(|kill| if kill < n_victims { kill } else { draw(n_victims) }).collect();
    moments.into_iter().zip(victims).collect()
}
