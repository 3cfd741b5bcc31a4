//! Panes, merging and watermarks: known answers, and properties over arbitrary events.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use shadowline_windows::{Accumulator, PaneWidth, Panes, Totals, Watermark};

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Tally {
    n: u64,
    #[serde(flatten)]
    totals: Totals,
}

impl Tally {
    fn add(&mut self, value: f64) {
        self.n += 1;
        self.totals.add(value);
    }
}

impl Accumulator for Tally {
    fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.totals.merge(&other.totals);
    }
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(seconds)
}

fn panes(events: &[(i64, f64)], n_panes: u32) -> Panes<Tally> {
    let mut panes = Panes::<Tally>::default();
    for (idx, value) in events {
        if let Some(pane) = panes.pane(*idx, n_panes) {
            pane.add(*value);
        }
    }
    panes
}

#[test]
fn a_pane_is_counted_from_1970_on_and_before_it_downwards() {
    let width = PaneWidth::of(Duration::from_secs(60), 60);
    let idx = |seconds| width.idx(at(seconds));
    assert_eq!((idx(0.0), idx(0.999_999), idx(1.0), idx(-0.000_001)), (0, 0, 1, -1));
    // Never zero, which nothing could be divided by.
    assert_eq!(PaneWidth::of(Duration::ZERO, 60).idx(at(0.000_002)), 2);
    assert_eq!(PaneWidth::of(Duration::from_secs(1), 0), PaneWidth::of(Duration::from_secs(1), 1));
}

#[test]
fn panes_keep_to_the_newest_and_refuse_what_is_older_than_all_of_them() {
    let mut panes = panes(&[(10, 1.0), (12, 2.0), (11, 3.0), (10, 4.0)], 3);
    let held = |it: &Panes<Tally>| it.iter().map(|(idx, held)| (idx, held.n)).collect::<Vec<_>>();
    assert_eq!(held(&panes), [(10, 2), (11, 1), (12, 1)]);
    assert!(panes.pane(9, 3).is_none());
    panes.pane(13, 3).unwrap().add(-1.0);
    assert_eq!(held(&panes), [(11, 1), (12, 1), (13, 1)]);
    let total = panes.total();
    assert_eq!((total.n, total.totals), (3, Totals { sum: 4.0, min: -1.0, max: 3.0 }));
}

#[test]
fn panes_are_stored_as_a_list_with_the_bits_of_every_number() {
    let panes = panes(&[(3, 0.5), (4, -0.0)], 60);
    let json = r#"[{"idx":3,"n":1,"sum":4602678819172646912,"min":4602678819172646912,"max":4602678819172646912},{"idx":4,"n":1,"sum":0,"min":9223372036854775808,"max":9223372036854775808}]"#;
    assert_eq!(serde_json::to_string(&panes).unwrap(), json);
    assert_eq!(serde_json::from_str::<Panes<Tally>>(json).unwrap(), panes);
}

#[test]
fn the_watermark_is_the_least_of_the_partitions_less_the_lateness_and_never_goes_back() {
    let mut watermark = Watermark::new(Duration::from_secs(5), Duration::from_secs(60));
    watermark.add(0, at(1_000.0));
    watermark.add(1, at(1_000.0));
    assert_eq!(watermark.advance(at(1_000.0)), None);
    watermark.observe(0, at(100.0), at(1_001.0));
    // The other one has seen nothing yet, and what it sees may be older.
    assert_eq!(watermark.advance(at(1_001.0)), None);
    watermark.observe(1, at(90.0), at(1_001.0));
    watermark.observe(1, at(80.0), at(1_001.0));
    assert_eq!(watermark.advance(at(1_001.0)), Some(at(85.0)));
    assert!(watermark.is_late(at(84.9)) && !watermark.is_late(at(85.0)));
    // A partition that comes with older events sets nothing back.
    watermark.observe(2, at(10.0), at(1_002.0));
    assert_eq!(watermark.advance(at(1_002.0)), Some(at(85.0)));
    watermark.remove(2);
    watermark.observe(1, at(200.0), at(1_003.0));
    assert_eq!(watermark.advance(at(1_003.0)), Some(at(95.0)));
}

#[test]
fn an_idle_partition_holds_nothing_back_and_when_all_are_idle_the_newest_counts() {
    let mut watermark = Watermark::new(Duration::from_secs(5), Duration::from_secs(60));
    watermark.observe(0, at(100.0), at(1_000.0));
    watermark.observe(1, at(300.0), at(1_030.0));
    assert_eq!(watermark.advance(at(1_059.0)), Some(at(95.0)));
    assert_eq!(watermark.advance(at(1_060.0)), Some(at(295.0)));
    watermark.observe(0, at(400.0), at(1_061.0));
    assert_eq!(watermark.advance(at(1_061.0)), Some(at(295.0)));
    assert_eq!(watermark.advance(at(1_200.0)), Some(at(395.0)));
}

fn config() -> ProptestConfig {
    ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x5eed),
        failure_persistence: None,
        ..ProptestConfig::with_cases(256)
    }
}

proptest! {
    #![proptest_config(config())]

    /// Several readers, each with a share of the events, in any split and order: merged, they have counted what one
    /// reader would have. None of the events is too old, because what is too old depends on what was seen before.
    #[test]
    fn merging_any_split_counts_the_same(
        events in prop::collection::vec((0..50i64, -1e3..1e3f64, 0..4usize), 0..120),
        order in Just([0usize, 1, 2, 3]).prop_shuffle(),
    ) {
        const N_PANES: u32 = 60;
        let all: Vec<_> = events.iter().map(|(idx, value, _)| (*idx, *value)).collect();
        let whole = panes(&all, N_PANES);
        let mut merged = Panes::<Tally>::default();
        for reader in order {
            let share: Vec<_> =
                events.iter().filter(|it| it.2 == reader).map(|(idx, value, _)| (*idx, *value)).collect();
            merged.merge(&panes(&share, N_PANES), N_PANES);
        }
        prop_assert_eq!(whole.iter().count(), merged.iter().count());
        for ((idx, one), (other_idx, other)) in whole.iter().zip(merged.iter()) {
            prop_assert_eq!((idx, one.n, one.totals.min, one.totals.max), (other_idx, other.n, other.totals.min, other.totals.max));
            // The order of the additions differs, and nothing else.
            prop_assert!((one.totals.sum - other.totals.sum).abs() <= 1e-9, "{} and {}", one.totals.sum, other.totals.sum);
        }
        prop_assert_eq!(whole.total().n, all.len() as u64);
    }

    #[test]
    fn merging_with_nothing_changes_nothing(events in prop::collection::vec((0..90i64, -1e3..1e3f64), 0..60)) {
        let found = panes(&events, 60);
        let mut merged = Panes::<Tally>::default();
        merged.merge(&found, 60);
        prop_assert_eq!(&merged, &found);
        merged.merge(&Panes::default(), 60);
        prop_assert_eq!(merged, found);
    }

    #[test]
    fn a_watermark_only_goes_forward_and_never_beyond_what_was_seen(
        events in prop::collection::vec((0..3u32, 0..1_000u32, 0..30u32), 1..80),
    ) {
        let mut watermark = Watermark::new(Duration::from_secs(3), Duration::from_secs(20));
        let (mut now, mut newest, mut before) = (at(5_000.0), Timestamp::MIN, None);
        for (partition, event_at, step) in events {
            now += SignedDuration::from_secs(i64::from(step));
            newest = newest.max(at(f64::from(event_at)));
            watermark.observe(partition, at(f64::from(event_at)), now);
            let reached = watermark.advance(now);
            prop_assert!(reached >= before);
            prop_assert!(reached.is_some_and(|it| it <= newest - SignedDuration::from_secs(3)));
            before = reached;
        }
    }
}
