//! What the demonstration has come to, and whether it adds up.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use shadowline_api::checks::CheckAnswer;
use shadowline_evaluation::Outcome;
use shadowline_services::SERVICES;
use shadowline_wire::event::AlertState;
use tokio::time::Instant;

use super::audit::{AlertSeen, Audit};
use super::say::Say;
use super::story::{Prepared, Story};
use crate::apply::Applied;
use crate::endpoints::Endpoints;
use crate::output::{percent, thousands};
use crate::predict::Summary;
use crate::train;

/// The share of anomalous rows that the KNN spec must flag.
const LEAST_ANOMALOUS_FLAGGED: f64 = 0.95;

/// One part of the replay: the ids that were answered.
#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) ids: Vec<String>,
    pub(crate) summary: Summary,
}

/// All that a report is made of.
pub(crate) struct Facts<'a> {
    pub(crate) story: &'a Story,
    pub(crate) log: &'static str,
    pub(crate) data_dir: &'a Path,
    pub(crate) prepared: &'a Prepared,
    pub(crate) applied: &'a [Applied],
    pub(crate) audit: &'a Audit,
    /// Normal, anomalous, normal again.
    pub(crate) phases: [Phase; 3],
    /// By spec: each check's inference and outcome.
    pub(crate) checks: Vec<(String, Vec<CheckAnswer>)>,
    /// Alerts that came before there was anything to alert of.
    pub(crate) alerts_before: Vec<AlertSeen>,
    pub(crate) first_anomalous: Instant,
    pub(crate) is_complete: bool,
    pub(crate) trained_after: Duration,
    pub(crate) story_seconds: f64,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    /// Why not.
    pub(crate) problems: Vec<String>,
    data: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    log: &'static str,
    data_dir: String,
    trained: Vec<train::Report>,
    applied: Vec<Applied>,
    predictions: Predictions,
    /// Requests on the inferences topic.
    shadowed: usize,
    /// Records on the inferences topic; more than requests if some came twice.
    shadow_records: usize,
    /// By detector.
    scored: BTreeMap<String, usize>,
    /// By spec.
    checks: BTreeMap<String, Checks>,
    alerts: Vec<Alert>,
    /// From just before the first anomalous predict call until the alert is read from its topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_alert_ms: Option<f64>,
    seconds: Seconds,
}

#[derive(Debug, Serialize)]
struct Predictions {
    answered: usize,
    failed: usize,
    phases: BTreeMap<&'static str, Summary>,
}

#[derive(Debug, Default, Serialize)]
struct Checks {
    total: usize,
    healthy: usize,
    breaches: usize,
    unscored: usize,
    normal_flagged: f64,
    anomalous_flagged: f64,
}

#[derive(Debug, Serialize)]
struct Alert {
    spec: String,
    from: &'static str,
    to: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    sentence: String,
    after_first_anomalous_ms: f64,
}

#[derive(Debug, Serialize)]
struct Seconds {
    until_trained: f64,
    total: f64,
}

impl Report {
    /// Adds everything up.
    pub(crate) fn new(facts: Facts<'_>) -> Self {
        let Facts { story, phases, checks, .. } = &facts;
        let mut problems = Vec::new();
        let answered: HashSet<&String> = phases.iter().flat_map(|it| &it.ids).collect();
        let n_failed: usize = phases.iter().map(|it| it.summary.errors).sum();
        if n_failed != 0 {
            problems.push(format!("{n_failed} predictions failed"));
        }
        if !facts.is_complete {
            problems.push("not every shadow or score came in time".to_owned());
        }
        let mut scored = BTreeMap::new();
        let (shadowed, shadow_records) = facts.audit.look(|seen| {
            problems.extend(seen.unreadable.iter().cloned());
            compare(&mut problems, "answered", &answered, "shadowed", &seen.shadowed);
            let shadowed = seen.shadowed.iter().collect();
            for detector in [story.forest_name(), story.knn_name()] {
                let what = format!("scored by {detector}");
                let found = seen.scored.get(&detector).cloned().unwrap_or_default();
                compare(&mut problems, "shadowed", &shadowed, &what, &found);
                if let Some(unscored) = seen.unscored.get(&detector)
                    && let Some(reason) = unscored.values().next()
                {
                    let n_unscored = unscored.len();
                    problems.push(format!("{detector} could not score {n_unscored}: {reason}"));
                }
                scored.insert(detector, found.len());
            }
            for (spec, checks) in checks {
                let found: HashSet<String> =
                    checks.iter().filter_map(|it| it.inference_id.clone()).collect();
                compare(
                    &mut problems,
                    "shadowed",
                    &shadowed,
                    &format!("checked by {spec}"),
                    &found,
                );
                if found.len() != checks.len() {
                    let n_repeated = checks.len() - found.len();
                    problems.push(format!("{spec} has checked {n_repeated} requests twice"));
                }
            }
            (seen.shadowed.len(), seen.n_inference_records)
        });
        let checks: BTreeMap<String, Checks> =
            checks.iter().map(|(spec, found)| (spec.clone(), Checks::of(found, phases))).collect();
        check_shares(story, &checks, &mut problems);
        let alerts = facts.audit.look(|it| it.alerts.clone());
        let first_alert = check_alerts(story, &alerts, &facts, &mut problems);
        Self {
            ok: problems.is_empty(),
            problems,
            data: story.name,
            note: story.note.clone(),
            log: facts.log,
            data_dir: facts.data_dir.display().to_string(),
            trained: facts.prepared.reports.clone(),
            applied: facts.applied.to_vec(),
            predictions: Predictions {
                answered: answered.len(),
                failed: n_failed,
                phases: phases.iter().map(|it| (it.name, it.summary.clone())).collect(),
            },
            shadowed,
            shadow_records,
            scored,
            checks,
            alerts: alerts.iter().map(|it| Alert::of(it, facts.first_anomalous)).collect(),
            first_alert_ms: first_alert.map(|it| it.as_secs_f64() * 1e3),
            seconds: Seconds {
                until_trained: facts.trained_after.as_secs_f64(),
                total: facts.story_seconds,
            },
        }
    }

    /// Prints it for people.
    pub(crate) fn print(&self, say: &Say, endpoints: &Endpoints) -> anyhow::Result<()> {
        let Predictions { answered, failed, .. } = &self.predictions;
        say.line("")?;
        say.line(format!("predictions  {} answered, {} failed", thousands(*answered), failed))?;
        say.line(format!("shadowed     {}", thousands(self.shadowed)))?;
        for (detector, n_scored) in &self.scored {
            say.line(format!("scored       {} by {detector}", thousands(*n_scored)))?;
        }
        for (spec, checks) in &self.checks {
            say.line(format!(
                "checked      {} by {spec}: {} breaches ({} of the normal rows, {} of the anomalous ones)",
                thousands(checks.total),
                thousands(checks.breaches),
                percent(checks.normal_flagged),
                percent(checks.anomalous_flagged)
            ))?;
        }
        for Alert { spec, from, to, after_first_anomalous_ms, .. } in &self.alerts {
            say.line(format!(
                "alert        {spec}: {from} → {to}, {:.2} s after the first anomalous predict",
                after_first_anomalous_ms / 1e3
            ))?;
        }
        if let Some(first_alert_ms) = self.first_alert_ms {
            say.line(format!(
                "first alert  {first_alert_ms:.0} ms after the first anomalous predict"
            ))?;
        }
        say.line(format!("time         {:.1} s in all", self.seconds.total))?;
        if self.ok {
            say.line("\nEverything adds up: answered = shadowed = scored by each monitor = checked by each spec.")?;
        } else {
            say.line("\nThis does not add up:")?;
            for problem in &self.problems {
                say.line(format!("  {problem}"))?;
            }
        }
        self.print_links(say, endpoints)
    }

    fn print_links(&self, say: &Say, endpoints: &Endpoints) -> anyhow::Result<()> {
        let specs = endpoints.metric_specs()?;
        say.line("\nTo open:")?;
        let serving = endpoints.http("serving")?;
        let watching = format!("{}/v1/watching", endpoints.http("monitor-knn")?);
        for (url, what) in [
            (format!("{specs}/docs"), "the REST interface of the metric specs"),
            (format!("{specs}/v1/alerts"), "where every alert stands"),
            (format!("{specs}/metrics"), "values, thresholds and breaches, for Prometheus"),
            (watching, "what the KNN monitor scores"),
            (format!("{serving}/v2/models/{}", self.data), "what the model reads and answers"),
        ] {
            say.line(format!("  {url:40}  {what}"))?;
        }
        let at = if *endpoints == Endpoints::of_host(SERVICES, "127.0.0.1") {
            String::new()
        } else {
            format!(" --endpoints {}/{}", self.data_dir, crate::endpoints::FILE)
        };
        let spec = self.checks.keys().next_back().cloned().unwrap_or_default();
        // As this program was called: after `make demo` it is on nobody's path.
        let shadowline = std::env::args().next().unwrap_or_else(|| "shadowline".to_owned());
        say.line("\nTo try:")?;
        say.line(format!("  {shadowline} status{at}"))?;
        say.line(format!("  {shadowline} alerts{at}"))?;
        say.line(format!("  {shadowline} checks --spec {spec} --outcome breach{at}"))?;
        say.line(format!("  {shadowline} specs show {spec}{at}"))
    }
}

impl Checks {
    fn of(found: &[CheckAnswer], phases: &[Phase; 3]) -> Self {
        let mut checks = Self { total: found.len(), ..Self::default() };
        let mut breached = HashSet::new();
        for check in found {
            match check.outcome {
                Outcome::Breach => {
                    checks.breaches += 1;
                    breached.extend(check.inference_id.as_ref());
                }
                Outcome::Unscored => checks.unscored += 1,
                Outcome::Healthy => checks.healthy += 1,
            }
        }
        let flagged = |ids: &mut dyn Iterator<Item = &String>| {
            let (mut n, mut n_flagged) = (0_usize, 0_usize);
            for id in ids {
                n += 1;
                n_flagged += usize::from(breached.contains(id));
            }
            if n == 0 { 0.0 } else { n_flagged as f64 / n as f64 }
        };
        let [normal, anomalous, again] = phases;
        checks.normal_flagged = flagged(&mut normal.ids.iter().chain(&again.ids));
        checks.anomalous_flagged = flagged(&mut anomalous.ids.iter());
        checks
    }
}

impl Alert {
    fn of(seen: &AlertSeen, first_anomalous: Instant) -> Self {
        let after = seen.seen_at.saturating_duration_since(first_anomalous);
        Self {
            spec: seen.spec.clone(),
            from: state(seen.from),
            to: state(seen.to),
            value: seen.value,
            sentence: seen.sentence.clone(),
            after_first_anomalous_ms: after.as_secs_f64() * 1e3,
        }
    }
}

fn state(state: AlertState) -> &'static str {
    match state {
        AlertState::Unspecified => "unknown",
        AlertState::Inactive => "inactive",
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
    }
}

/// Says how two sets of ids differ, if they do.
fn compare(
    problems: &mut Vec<String>,
    name: &str,
    expected: &HashSet<&String>,
    other: &str,
    found: &HashSet<String>,
) {
    let missing = expected.iter().filter(|it| !found.contains(**it)).count();
    let extra = found.iter().filter(|it| !expected.contains(it)).count();
    if missing != 0 {
        problems.push(format!("{missing} of {} {name} are not {other}", expected.len()));
    }
    if extra != 0 {
        problems.push(format!("{extra} are {other} but not {name}"));
    }
}

fn check_shares(story: &Story, checks: &BTreeMap<String, Checks>, problems: &mut Vec<String>) {
    let spec = story.knn_spec();
    let Some(knn) = checks.get(&spec) else {
        problems.push(format!("{spec} has no checks"));
        return;
    };
    if knn.anomalous_flagged < LEAST_ANOMALOUS_FLAGGED {
        problems.push(format!(
            "{spec} flags {} of the anomalous rows; at least {} expected",
            percent(knn.anomalous_flagged),
            percent(LEAST_ANOMALOUS_FLAGGED)
        ));
    }
    if let Some(most) = story.most_normal_flagged
        && most < knn.normal_flagged
    {
        problems.push(format!(
            "{spec} flags {} of the normal rows; at most {} expected",
            percent(knn.normal_flagged),
            percent(most)
        ));
    }
}

/// The time until the first alert; a problem for each spec that did not fire once and resolve.
fn check_alerts(
    story: &Story,
    alerts: &[AlertSeen],
    facts: &Facts<'_>,
    problems: &mut Vec<String>,
) -> Option<Duration> {
    for early in &facts.alerts_before {
        problems.push(format!("{} alerted while the traffic was normal", early.spec));
    }
    let mut first = None;
    for spec in [story.knn_spec(), story.forest_spec()] {
        let of_spec: Vec<&AlertSeen> = alerts.iter().filter(|it| it.spec == spec).collect();
        let fired: Vec<&&AlertSeen> =
            of_spec.iter().filter(|it| it.to == AlertState::Firing).collect();
        match fired.as_slice() {
            [] => problems.push(format!("{spec} did not alert")),
            [once] => {
                let after = once.seen_at.saturating_duration_since(facts.first_anomalous);
                first = Some(first.map_or(after, |it: Duration| it.min(after)));
            }
            many => problems.push(format!("{spec} alerted {} times", many.len())),
        }
        let resolved = of_spec.last().is_some_and(|it| it.to == AlertState::Inactive);
        if !fired.is_empty() && !resolved {
            problems.push(format!("the alert of {spec} did not resolve"));
        }
    }
    first
}
