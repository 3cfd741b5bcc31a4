//! The metric-spec service, as a client sees it.

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use shadowline_evaluation::MetricSpec;

use crate::client::{Client, url};

/// Asks one metric-spec service.
#[derive(Debug, Clone)]
pub(crate) struct SpecsApi {
    client: Client,
    base: String,
}

/// How many checks there are.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Counts {
    pub(crate) total: usize,
    pub(crate) breach: usize,
}

/// What a `PUT` of a spec came to.
#[derive(Debug, Deserialize)]
pub(crate) struct Put {
    pub(crate) version: u64,
    pub(crate) change: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    checks: Vec<Check>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Check {
    /// None of a window.
    inference_id: Option<String>,
    outcome: String,
}

impl SpecsApi {
    pub(crate) fn new(client: Client, base: &str) -> Self {
        Self { client, base: base.to_owned() }
    }

    /// Registers a spec, or makes its next version.
    pub(crate) async fn put(&self, spec: &MetricSpec) -> anyhow::Result<Put> {
        let at = url(&self.base, &["v1", "metric-specs", spec.name().as_str()], &[])?;
        let answer = self.client.put(&at, &serde_json::to_value(spec)?).await?;
        Put::deserialize(&answer.body).with_context(|| format!("PUT {at}: {}", answer.body))
    }

    pub(crate) async fn delete(&self, name: &str) -> anyhow::Result<()> {
        self.client.delete(&url(&self.base, &["v1", "metric-specs", name], &[])?).await
    }

    /// Every spec.
    pub(crate) async fn list(&self) -> anyhow::Result<Vec<Value>> {
        let answer = self.client.get(&url(&self.base, &["v1", "metric-specs"], &[])?).await?;
        Ok(entries(answer, "metric_specs"))
    }

    pub(crate) async fn show(&self, name: &str) -> anyhow::Result<Value> {
        self.client.get(&url(&self.base, &["v1", "metric-specs", name], &[])?).await
    }

    /// Where the alerts of all specs stand, or that of one.
    pub(crate) async fn alerts(&self, spec: Option<&str>) -> anyhow::Result<Vec<Value>> {
        let query: Vec<_> = spec.map(|it| ("spec", it.to_owned())).into_iter().collect();
        let answer = self.client.get(&url(&self.base, &["v1", "alerts"], &query)?).await?;
        Ok(entries(answer, "alerts"))
    }

    /// The newest changes of a spec's alert.
    pub(crate) async fn alert_history(&self, spec: &str) -> anyhow::Result<Vec<Value>> {
        let query = [("spec", spec.to_owned())];
        let answer =
            self.client.get(&url(&self.base, &["v1", "alerts", "history"], &query)?).await?;
        Ok(entries(answer, "events"))
    }

    /// The newest checks that a filter lets through, at most `limit`.
    pub(crate) async fn checks(
        &self,
        filter: &[(&'static str, String)],
        limit: usize,
    ) -> anyhow::Result<Vec<Value>> {
        let mut checks = Vec::new();
        let mut cursor: Option<String> = None;
        while checks.len() < limit {
            let mut query = filter.to_vec();
            query.push(("limit", (limit - checks.len()).min(1000).to_string()));
            query.extend(cursor.take().map(|it| ("cursor", it)));
            let page = self.client.get(&url(&self.base, &["v1", "checks"], &query)?).await?;
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            checks.extend(entries(page, "checks"));
            if cursor.is_none() {
                break;
            }
        }
        Ok(checks)
    }

    /// The inference and the outcome of every check of a spec since a time.
    pub(crate) async fn checks_since(
        &self,
        spec: &str,
        since: Timestamp,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let mut checks = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = filter(spec, Some(since));
            query.push(("limit", "1000".to_owned()));
            query.extend(cursor.take().map(|it| ("cursor", it)));
            let at = url(&self.base, &["v1", "checks"], &query)?;
            let page = self.client.get(&at).await?;
            let page = Page::deserialize(&page).with_context(|| format!("GET {at}: {page}"))?;
            checks.extend(
                page.checks.into_iter().filter_map(|it| Some((it.inference_id?, it.outcome))),
            );
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(checks),
            }
        }
    }

    pub(crate) async fn counts(
        &self,
        spec: &str,
        since: Option<Timestamp>,
    ) -> anyhow::Result<Counts> {
        let at = url(&self.base, &["v1", "checks", "count"], &filter(spec, since))?;
        let answer = self.client.get(&at).await?;
        Counts::deserialize(&answer).with_context(|| format!("GET {at}: {answer}"))
    }
}

fn filter(spec: &str, since: Option<Timestamp>) -> Vec<(&'static str, String)> {
    let mut filter = vec![("spec", spec.to_owned())];
    filter.extend(since.map(|it| ("since", it.to_string())));
    filter
}

fn entries(mut answer: Value, key: &str) -> Vec<Value> {
    match answer[key].take() {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    }
}
