//! `shadowline replay --prediction`: the rows of a file as requests to a prediction service, counted on both sides.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use serde::Serialize;
use serde_json::json;
use shadowline_api::prediction::{FeatureValue, Prediction, PredictionRequest};
use shadowline_client::{ClientError, Predicted, Predictions, Service};
use shadowline_error::chain;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::args::ReplayArgs;
use crate::data;
use crate::output;
use crate::predict::{ErrorCount, Latencies};
use crate::progress;
use crate::servers::client;
use crate::vectors::Vectors;

/// What became of one row.
#[derive(Debug)]
struct Called {
    wanted_score: bool,
    latency_ms: f64,
    /// Whether it is an inlier; or the status or kind of a failure, with the words for it.
    result: Result<bool, (String, String)>,
}

/// What a run came to.
#[derive(Debug, Serialize)]
struct Summary {
    sent: usize,
    answered: usize,
    errors: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors_by_code: BTreeMap<String, ErrorCount>,
    inliers: usize,
    outliers: usize,
    /// The answered rows that asked for a score.
    scored: usize,
    seconds: f64,
    per_second: f64,
    latency_ms: Latencies,
}

/// One counter, on both sides.
#[derive(Debug, PartialEq, Serialize)]
struct Count {
    metric: String,
    tester: f64,
    service: f64,
}

impl Count {
    /// Whether both sides say the same. Counts are whole numbers far below 2^53.
    fn is_equal(&self) -> bool {
        (self.tester - self.service).abs() < 0.5
    }
}

pub(crate) async fn run(
    args: &ReplayArgs,
    base: &str,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut raw = data::load(&args.data, args.rows.as_ref(), &args.types.read).await?;
    raw.table = raw.table.without(&args.drop)?;
    let tester = Tester::new(base, args.name.as_deref())?;
    let before = if args.uncounted { None } else { Some(tester.service.metrics().await?) };
    let information = tester.predictions.information().await?;
    let found = raw.found.clone();
    let packages = client()?.packages(base)?;
    let Vectors { names, rows } = Vectors::of(raw, &args.types, &information, packages).await?;
    let n_rows = rows.len();
    eprintln!("data: {found}, {} rows of {}", output::thousands(n_rows), names.join(", "));

    let progress = progress::rows(n_rows, args.progress);
    let started = Instant::now();
    let calls = tester.send(&rows, args, stop, || progress.inc(1)).await;
    let elapsed = started.elapsed();
    progress.finish_and_clear();
    let summary = Summary::of(&calls, elapsed);
    let counts = match before {
        Some(before) => {
            let model = args.name.as_deref().or(information.model());
            compare(&before, &tester.service.metrics().await?, model, &summary)?
        }
        None => Vec::new(),
    };
    let is_equal = counts.iter().all(Count::is_equal);
    if args.json {
        output::json(&json!({
            "prediction": base,
            "rows": n_rows,
            "seed": args.seed,
            "score_share": args.score_share,
            "concurrency": args.concurrency,
            "summary": summary,
            "model_information": information,
            "counts": counts,
            "counts_equal": (!args.uncounted).then_some(is_equal),
        }))?;
    } else {
        print(&summary, &counts)?;
    }
    if summary.sent < n_rows {
        bail!("stopped after {} of {n_rows} rows", summary.sent);
    }
    if summary.errors != 0 {
        bail!("{} of {n_rows} rows were not answered", summary.errors);
    }
    if !is_equal {
        let different: Vec<String> = counts
            .iter()
            .filter(|it| !it.is_equal())
            .map(|it| format!("{}: sent {}, counted {}", it.metric, it.tester, it.service))
            .collect();
        bail!("the service counted something else, or others ask it too: {}", different.join("; "));
    }
    Ok(())
}

/// Asks a prediction service, and for what it has counted.
#[derive(Debug)]
struct Tester {
    service: Service,
    predictions: Predictions,
}

impl Tester {
    fn new(base: &str, model: Option<&str>) -> anyhow::Result<Self> {
        let client = client()?;
        Ok(Self { service: client.service(base)?, predictions: client.predictions(base, model)? })
    }

    /// Sends every row, some at once, and says what became of each that was sent.
    async fn send(
        &self,
        rows: &[Vec<FeatureValue>],
        args: &ReplayArgs,
        stop: &CancellationToken,
        ended: impl Fn(),
    ) -> Vec<Called> {
        // Before anything is sent: which rows ask for a score does not depend on who is faster.
        let wants_score = draw(rows.len(), args.score_share, args.seed);
        let next = AtomicUsize::new(0);
        let started = Instant::now();
        let worker = || async {
            let mut calls = Vec::new();
            while !stop.is_cancelled() {
                let row_idx = next.fetch_add(1, Ordering::Relaxed);
                let Some(wanted_score) = wants_score.get(row_idx).copied() else { break };
                if let Some(rate) = args.rate {
                    let due = started + Duration::from_secs_f64(row_idx as f64 / rate);
                    tokio::select! {
                        () = sleep_until(due) => {}
                        () = stop.cancelled() => break,
                    }
                }
                let feature_vector = rows[row_idx].clone();
                let request = PredictionRequest { feature_vector, score: Some(wanted_score) };
                let asked = Instant::now();
                let answer = self.predictions.predict(&request).await;
                let result = judge(answer, wanted_score);
                let latency_ms = asked.elapsed().as_secs_f64() * 1e3;
                calls.push(Called { wanted_score, latency_ms, result });
                ended();
            }
            calls
        };
        let workers = (0..args.concurrency).map(|_| worker());
        let calls = futures_util::future::join_all(workers).await;
        calls.into_iter().flatten().collect()
    }
}

/// Whether a row is an inlier, by an answer that has everything it must have and nothing else.
fn judge(
    answer: Result<Predicted, ClientError>,
    wanted_score: bool,
) -> Result<bool, (String, String)> {
    let Predicted { prediction: Prediction { is_inlier, anomaly_score }, body } = match answer {
        Ok(answer) => answer,
        Err(error) => return Err(failure(&error)),
    };
    let bad = |what: &str| Err(("bad_answer".to_owned(), format!("{what} in {body}")));
    let is_inlier = match is_inlier {
        1 => true,
        -1 => false,
        _ => return bad("no is_inlier of 1 or -1"),
    };
    match (wanted_score, anomaly_score) {
        (true, Some(Some(_))) | (false, None) => Ok(is_inlier),
        (true, None | Some(None)) => bad("no anomaly_score"),
        (false, Some(_)) => bad("an anomaly_score that was not asked for"),
    }
}

/// The status or kind of a failure, with the words for it.
fn failure(error: &ClientError) -> (String, String) {
    match error {
        ClientError::Refused { refusal, .. } => {
            (refusal.status.as_u16().to_string(), refusal.body.clone())
        }
        ClientError::NotJson { .. } | ClientError::OtherForm { .. } => {
            ("bad_answer".to_owned(), chain(error))
        }
        ClientError::Address { .. }
        | ClientError::Prepare { .. }
        | ClientError::NoAnswer { .. }
        | ClientError::BrokenOff { .. } => ("no_answer".to_owned(), chain(error)),
    }
}

/// Which rows ask for their score.
fn draw(n_rows: usize, share: f64, seed: u64) -> Vec<bool> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    // The 53 high bits are a number from 0 up to 1.
    let mut chance = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    (0..n_rows).map(|_| chance() < share).collect()
}

impl Summary {
    fn of(calls: &[Called], elapsed: Duration) -> Self {
        let mut errors_by_code: BTreeMap<String, ErrorCount> = BTreeMap::new();
        for (code, message) in calls.iter().filter_map(|it| it.result.as_ref().err()) {
            let entry = errors_by_code.entry(code.clone()).or_default();
            entry.count += 1;
            if entry.example.is_empty() {
                entry.example.clone_from(message);
            }
        }
        let answered = || calls.iter().filter(|it| it.result.is_ok());
        let mut latencies: Vec<f64> = answered().map(|it| it.latency_ms).collect();
        let n_answered = latencies.len();
        let inliers = answered().filter(|it| matches!(it.result, Ok(true))).count();
        let seconds = elapsed.as_secs_f64();
        Self {
            sent: calls.len(),
            answered: n_answered,
            errors: calls.len() - n_answered,
            errors_by_code,
            inliers,
            outliers: n_answered - inliers,
            scored: answered().filter(|it| it.wanted_score).count(),
            seconds,
            per_second: calls.len() as f64 / seconds.max(f64::MIN_POSITIVE),
            latency_ms: Latencies::of(&mut latencies),
        }
    }
}

/// What was sent beside what the service counted meanwhile.
fn compare(
    before: &str,
    after: &str,
    model: Option<&str>,
    summary: &Summary,
) -> anyhow::Result<Vec<Count>> {
    let Summary { sent, answered, inliers, outliers, scored, .. } = summary;
    [
        ("prediction_requests_total", "", *sent),
        ("prediction_errors_total", "", sent - answered),
        ("predictions_output_count", "", *answered),
        ("predictions_by_output_total", "output=\"1\"", *inliers),
        ("predictions_by_output_total", "output=\"-1\"", *outliers),
        ("predictions_scores_count", "", *scored),
        ("model_information_requests_total", "", 1),
    ]
    .into_iter()
    .map(|(metric, label, tester)| {
        let model = model.map(|it| format!("model=\"{it}\"")).unwrap_or_default();
        let sum = |text| sum(text, metric, &[&model, label]);
        let after = sum(after).with_context(|| {
            format!("the service's /metrics has no {metric}; --uncounted leaves the comparison out")
        })?;
        let service = after - sum(before).unwrap_or_default();
        let metric =
            if label.is_empty() { metric.to_owned() } else { format!("{metric}{{{label}}}") };
        Ok(Count { metric, tester: tester as f64, service })
    })
    .collect()
}

/// The sum of a metric's samples that have these labels, each as `name="value"`; none if there is no sample.
fn sum(text: &str, metric: &str, labels: &[&str]) -> Option<f64> {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(metric)?;
        let (found, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        let has = |label: &&str| label.is_empty() || found.split(',').any(|it| it == *label);
        if labels.iter().all(has) { value.trim().parse::<f64>().ok() } else { None }
    });
    samples.reduce(|sum, it| sum + it)
}

fn print(summary: &Summary, counts: &[Count]) -> anyhow::Result<()> {
    let Summary { answered, errors, seconds, per_second, latency_ms, .. } = summary;
    output::line(format!(
        "{} answered, {} failed in {seconds:.1} s: {per_second:.0} per second",
        output::thousands(*answered),
        output::thousands(*errors)
    ))?;
    output::line(format!(
        "{} inliers, {} outliers; {} asked for their score",
        output::thousands(summary.inliers),
        output::thousands(summary.outliers),
        output::thousands(summary.scored)
    ))?;
    output::line(format!(
        "latency p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        latency_ms.p50, latency_ms.p90, latency_ms.p99, latency_ms.max
    ))?;
    for (code, errors) in &summary.errors_by_code {
        output::line(format!("{code}: {} times, such as: {}", errors.count, errors.example))?;
    }
    if counts.is_empty() {
        return Ok(());
    }
    let rows: Vec<Vec<String>> = counts
        .iter()
        .map(|it| {
            let equal = if it.is_equal() { "equal" } else { "DIFFERENT" };
            vec![it.metric.clone(), it.tester.to_string(), it.service.to_string(), equal.to_owned()]
        })
        .collect();
    output::table(&["METRIC", "SENT", "COUNTED", ""], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_rows_and_about_the_share() {
        let drawn = draw(16_057, 0.25, 1);
        assert_eq!(drawn, draw(16_057, 0.25, 1));
        assert_ne!(drawn, draw(16_057, 0.25, 2));
        let share = drawn.iter().filter(|it| **it).count() as f64 / 16_057.0;
        assert!((share - 0.25).abs() < 0.02, "{share}");
        assert!(draw(1000, 1.0, 3).iter().all(|it| *it) && !draw(1000, 0.0, 3).contains(&true));
    }

    #[test]
    fn an_answer_has_what_was_asked_for_and_nothing_else() {
        let judge = |body: &str, wanted| {
            let prediction = serde_json::from_str(body).unwrap();
            judge(Ok(Predicted { prediction, body: body.to_owned() }), wanted)
        };
        assert_eq!(judge(r#"{"is_inlier":1}"#, false), Ok(true));
        assert_eq!(judge(r#"{"is_inlier":-1,"anomaly_score":-0.7}"#, true), Ok(false));
        for (body, wanted, words) in [
            (r#"{"is_inlier":0}"#, false, "no is_inlier of 1 or -1"),
            (r#"{"is_inlier":1}"#, true, "no anomaly_score"),
            (r#"{"is_inlier":1,"anomaly_score":null}"#, true, "no anomaly_score"),
            (r#"{"is_inlier":1,"anomaly_score":-0.5}"#, false, "not asked for"),
            (r#"{"is_inlier":1,"anomaly_score":null}"#, false, "not asked for"),
        ] {
            let (code, message) = judge(body, wanted).unwrap_err();
            assert_eq!(code, "bad_answer");
            assert!(
                message.contains(words) && message.ends_with(&format!(" in {body}")),
                "{message}"
            );
        }
    }

    #[test]
    fn samples_are_added_up_by_their_labels() {
        let text = "# TYPE a_total counter\na_total{model=\"m\",output=\"1\"} 3\n\
                    a_total{model=\"m\",output=\"-1\"} 2\na_total{model=\"n\",output=\"1\"} 5\nb 1\n";
        for (labels, expected) in [
            (vec![], Some(10.0)),
            (vec!["model=\"m\""], Some(5.0)),
            (vec!["model=\"m\"", "output=\"1\""], Some(3.0)),
            (vec!["model=\"o\""], None),
        ] {
            assert_eq!(sum(text, "a_total", &labels), expected, "{labels:?}");
        }
        assert_eq!((sum(text, "b", &[]), sum(text, "a", &[])), (Some(1.0), None));
    }

    #[test]
    fn a_count_that_differs_is_found() {
        let calls = [
            Called { wanted_score: true, latency_ms: 1.0, result: Ok(true) },
            Called { wanted_score: false, latency_ms: 1.0, result: Ok(false) },
        ];
        let summary = Summary::of(&calls, Duration::from_secs(1));
        let counted = |n: usize| {
            format!(
                "prediction_requests_total{{model=\"m\"}} {n}\nprediction_errors_total{{model=\"m\",code=\"x\"}} 0\n\
                 predictions_output_count{{model=\"m\"}} 2\npredictions_by_output_total{{model=\"m\",output=\"1\"}} 1\n\
                 predictions_by_output_total{{model=\"m\",output=\"-1\"}} 1\npredictions_scores_count{{model=\"m\"}} 1\n\
                 model_information_requests_total{{model=\"m\"}} 1\n"
            )
        };
        let equal = |n| {
            let counts = compare("", &counted(n), Some("m"), &summary).unwrap();
            counts.iter().filter(|it| !it.is_equal()).count()
        };
        assert_eq!((equal(2), equal(3)), (0, 1));
        assert!(
            compare("", "", Some("m"), &summary).unwrap_err().to_string().contains("--uncounted")
        );
    }
}
