//! Runs every query there is, and holds against a list those that have nothing to show.

use std::time::Duration;

use shadowline_service::clock;
use shadowline_testkit::wait_for_some;
use tokio::time::{Instant, sleep};

use crate::grafana::{self, Chosen, Origin, Query};
use crate::sources::Sources;

/// Scrapes, rules and the traffic take their time to be seen.
const SHOWN_WITHIN: Duration = Duration::from_secs(120);

/// A query that has nothing to show in a healthy system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiet {
    /// A part of its place.
    pub(crate) place: &'static str,
    pub(crate) why: &'static str,
    /// Whether it shows something once the test has done its worst.
    pub(crate) is_shown: bool,
}

/// A query with what was chosen on its dashboard.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) query: Query,
    chosen: Chosen,
}

/// Reads every dashboard and every alert rule of Grafana, and asks the queries of the variables.
pub(crate) async fn all(sources: &Sources) -> Vec<Ready> {
    let mut all = Vec::new();
    for dashboard in grafana::dashboards() {
        let mut chosen = Chosen::default();
        for variable in &dashboard.variables {
            let values = match &variable.origin {
                Origin::Fixed(values) => values.clone(),
                Origin::Query(query) => options(sources, query, &chosen).await,
                // The one thing that is asked for by hand: a request.
                Origin::Typed => a_request(sources).await,
            };
            chosen.choose(variable, values);
        }
        all.extend(
            dashboard.queries.into_iter().map(|query| Ready { query, chosen: chosen.clone() }),
        );
    }
    let rules = grafana::alert_queries().into_iter();
    all.extend(rules.map(|query| Ready { query, chosen: Chosen::default() }));
    all
}

/// The id of a request that was checked.
async fn a_request(sources: &Sources) -> Vec<String> {
    let sql = "SELECT inference_id FROM report_checks LIMIT 1";
    wait_for_some("a check in the database", SHOWN_WITHIN, async || {
        let ids = sources.rows(sql).await.unwrap_or_else(|it| panic!("{it}: {sql}"));
        (!ids.is_empty()).then_some(ids)
    })
    .await
}

/// Asks a variable's query until it offers something.
async fn options(sources: &Sources, query: &Query, chosen: &Chosen) -> Vec<String> {
    let deadline = Instant::now() + SHOWN_WITHIN;
    loop {
        let filled = query.fill(chosen, clock::now());
        let values = sources.options(query.source, &filled.text).await;
        let values = values.unwrap_or_else(|it| panic!("{}: {it}: {}", query.place, filled.text));
        if !values.is_empty() {
            return values;
        }
        assert!(Instant::now() < deadline, "{} offers nothing: {}", query.place, filled.text);
        sleep(Duration::from_millis(200)).await;
    }
}

/// Runs every query until each has returned data, but for those on the list.
///
/// # Panics
/// If one is refused, or has nothing to show within two minutes; all of them are named.
pub(crate) async fn each_returns_data(sources: &Sources, all: &[Ready], quiet: &[Quiet]) {
    let expected =
        all.iter().filter(|it| !quiet.iter().any(|quiet| it.query.place.contains(quiet.place)));
    let expected: Vec<&Ready> = expected.collect();
    for quiet in quiet {
        let found = all.iter().any(|it| it.query.place.contains(quiet.place));
        assert!(
            found,
            "no query has `{}` in its place, and so it cannot be quiet: {}",
            quiet.place, quiet.why
        );
    }
    // Those on the list must be right all the same.
    for ready in all {
        ask(sources, ready).await.unwrap_or_else(|it| panic!("{it}"));
    }
    wait_for_data(sources, expected).await;
    eprintln!(
        "{} queries returned data, {} are quiet in a healthy system",
        all.len() - n_quiet(all, quiet),
        n_quiet(all, quiet)
    );
}

fn n_quiet(all: &[Ready], quiet: &[Quiet]) -> usize {
    all.iter().filter(|it| quiet.iter().any(|quiet| it.query.place.contains(quiet.place))).count()
}

/// Waits until the queries that are about a failure show it.
pub(crate) async fn each_shows(sources: &Sources, all: &[Ready], quiet: &[Quiet]) {
    let places: Vec<_> = quiet.iter().filter(|it| it.is_shown).map(|it| it.place).collect();
    let about = |it: &&Ready| places.iter().any(|place| it.query.place.contains(place));
    wait_for_data(sources, all.iter().filter(about).collect()).await;
}

async fn wait_for_data(sources: &Sources, mut waiting: Vec<&Ready>) {
    let deadline = Instant::now() + SHOWN_WITHIN;
    loop {
        let mut still = Vec::new();
        for ready in waiting {
            match ask(sources, ready).await {
                Ok(0) => still.push(ready),
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
        waiting = still;
        if waiting.is_empty() {
            return;
        }
        if deadline < Instant::now() {
            let named: Vec<_> = waiting.iter().map(|it| described(it)).collect();
            panic!("{} queries have returned nothing:\n{}", named.len(), named.join("\n"));
        }
        sleep(Duration::from_millis(500)).await;
    }
}

fn described(ready: &Ready) -> String {
    let filled = ready.query.fill(&ready.chosen, clock::now());
    format!("  {}\n    {}", ready.query.place, filled.text)
}

async fn ask(sources: &Sources, ready: &Ready) -> Result<usize, String> {
    let query = &ready.query;
    let filled = query.fill(&ready.chosen, clock::now());
    let count = sources.count(query.source, query.is_instant, &filled).await;
    count.map_err(|it| format!("{}: {it}\n    {}", query.place, filled.text))
}
