//! The broker goes away and comes back, again and again, under predictions.
//!
//! It is stopped in good order and killed in turns, for a moment and for longer than a member of a group may be away.
//! Each time, everything that was answered until then has to be scored and checked before the next outage; so what is
//! rare, a batch that somebody sits on, shows as one that takes long. `make soak` makes that a hundred outages.

use std::time::Duration;

use shadowline_testkit::{soaks, wait_for};
use shadowline_testkit_stack::KafkaNode;
use tokio::time::Instant;

use crate::fleet::{Fleet, SPECS};
use crate::ledger::{Ledger, n_checks};
use crate::traffic::{Calls, Traffic, row};
use crate::{OVER, SETTLED_WITHIN};

const N_PREDICTIONS: usize = 60;
/// Longer than the session of a member lasts without its broker.
const LONG: Duration = Duration::from_secs(12);
/// From a broker that answers again until all is scored and checked. How long it took is printed.
const RESUMED_WITHIN: Duration = Duration::from_secs(60);
/// What is printed of each outage that took longer.
const LATE: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_away_again_and_again_costs_nothing() {
    let Some(node) = KafkaNode::start_own().await else { return };
    let mut fleet = Fleet::processes(&node.bootstrap_servers(), &[]).await;
    fleet.install(row, OVER).await;
    let n_outages = if soaks() { 100 } else { 3 };
    let mut calls = Calls::default();
    let mut waits = Vec::new();
    for outage in 0..n_outages {
        let before = Traffic::start(fleet.serving_grpc(), N_PREDICTIONS);
        before.answered_at_least(N_PREDICTIONS / 3).await;
        match outage % 2 {
            0 => node.kill().await,
            _ => node.stop().await,
        }
        calls.add(before.finish().await);
        if outage % 3 == 2 {
            // The outage itself: nothing comes of it that could be waited for.
            tokio::time::sleep(LONG).await;
        }
        node.start().await.expect("kafka starts again");
        let back = Instant::now();
        calls.add(Traffic::start(fleet.serving_grpc(), N_PREDICTIONS / 3).finish().await);
        for (spec, _) in SPECS {
            let what = format!("all of outage {outage} is checked by {spec}");
            wait_for(&what, RESUMED_WITHIN, async || {
                n_checks(&fleet, spec).await.is_some_and(|it| calls.answered.len() <= it)
            })
            .await;
        }
        let wait = back.elapsed();
        if LATE < wait {
            eprintln!("outage {outage}: all was checked {wait:?} after the broker was back");
        }
        waits.push(wait);
    }
    waits.sort();
    eprintln!(
        "{n_outages} outages; after the broker was back it took {:?} as a median, {:?} at most",
        waits[waits.len() / 2],
        waits[waits.len() - 1],
    );
    let ledger = Ledger::settled(&mut fleet, SETTLED_WITHIN).await;
    ledger.compare(&calls);
    fleet.stop().await;
}
