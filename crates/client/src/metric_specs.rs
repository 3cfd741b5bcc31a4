//! The metric-spec service: specs, checks and alerts.

use jiff::Timestamp;
use reqwest::Method;
use shadowline_api::alerts::{AlertAnswer, AlertEventAnswer, AlertsAnswer, HistoryAnswer};
use shadowline_api::checks::{CheckAnswer, ChecksAnswer, CountsAnswer};
use shadowline_api::specs::{MetricSpecDocument, SpecAnswer, SpecPatch, SpecsAnswer};
use shadowline_evaluation::Outcome;

use crate::address::Base;
use crate::error::ClientError;

/// The most checks that one answer holds.
const MAX_PAGE: usize = 1000;

/// A metric-spec service.
#[derive(Debug, Clone)]
pub struct MetricSpecs(Base);

/// Which checks are wanted; what is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckFilter {
    /// Id or name of the spec that judged.
    pub spec: Option<String>,
    /// The judged request.
    pub inference_id: Option<String>,
    /// What it came to.
    pub outcome: Option<Outcome>,
    /// Only requests that arrived at this time or later.
    pub since: Option<Timestamp>,
}

impl CheckFilter {
    fn query(&self) -> Vec<(&'static str, String)> {
        let Self { spec, inference_id, outcome, since } = self;
        let parts = [
            ("spec", spec.clone()),
            ("inference_id", inference_id.clone()),
            ("outcome", outcome.map(|it| it.name().to_owned())),
            ("since", since.map(|it| it.to_string())),
        ];
        parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

impl MetricSpecs {
    pub(crate) fn new(base: Base) -> Self {
        Self(base)
    }

    /// Lists every spec, by name.
    ///
    /// # Errors
    /// [`ClientError`], as of all methods.
    pub async fn list(&self) -> Result<Vec<SpecAnswer>, ClientError> {
        let answer: SpecsAnswer = self.0.get(&["v1", "metric-specs"], &[]).read().await?;
        Ok(answer.metric_specs)
    }

    /// Shows a spec, by its id or its name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn show(&self, key: &str) -> Result<SpecAnswer, ClientError> {
        self.0.get(&["v1", "metric-specs", key], &[]).read().await
    }

    /// Registers a spec, or makes its next version.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn put(&self, spec: &MetricSpecDocument) -> Result<SpecAnswer, ClientError> {
        let path = ["v1", "metric-specs", &spec.name];
        self.0.call(Method::PUT, &path, &[]).body(spec).read().await
    }

    /// Changes the threshold of a spec, or switches it on or off.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn patch(&self, key: &str, patch: &SpecPatch) -> Result<SpecAnswer, ClientError> {
        let path = ["v1", "metric-specs", key];
        self.0.call(Method::PATCH, &path, &[]).body(patch).read().await
    }

    /// Deletes a spec; its checks and the history of its alerts stay.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(&self, key: &str) -> Result<(), ClientError> {
        self.0.call(Method::DELETE, &["v1", "metric-specs", key], &[]).done().await
    }

    /// Shows where the alerts of all specs stand, or that of one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn alerts(&self, spec: Option<&str>) -> Result<Vec<AlertAnswer>, ClientError> {
        let query: Vec<_> = spec.map(|it| ("spec", it.to_owned())).into_iter().collect();
        let answer: AlertsAnswer = self.0.get(&["v1", "alerts"], &query).read().await?;
        Ok(answer.alerts)
    }

    /// Lists the newest changes of a spec's alert.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn alert_history(&self, spec: &str) -> Result<Vec<AlertEventAnswer>, ClientError> {
        let query = [("spec", spec.to_owned())];
        let answer: HistoryAnswer = self.0.get(&["v1", "alerts", "history"], &query).read().await?;
        Ok(answer.events)
    }

    /// Lists the newest checks that a filter lets through, at most `limit`, a page at a time.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn checks(
        &self,
        filter: &CheckFilter,
        limit: usize,
    ) -> Result<Vec<CheckAnswer>, ClientError> {
        let mut checks = Vec::new();
        let mut cursor: Option<String> = None;
        while checks.len() < limit {
            let mut query = filter.query();
            query.push(("limit", (limit - checks.len()).min(MAX_PAGE).to_string()));
            query.extend(cursor.take().map(|it| ("cursor", it)));
            let page: ChecksAnswer = self.0.get(&["v1", "checks"], &query).read().await?;
            checks.extend(page.checks);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(checks)
    }

    /// Counts the checks that a filter lets through.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn count(&self, filter: &CheckFilter) -> Result<CountsAnswer, ClientError> {
        self.0.get(&["v1", "checks", "count"], &filter.query()).read().await
    }
}
