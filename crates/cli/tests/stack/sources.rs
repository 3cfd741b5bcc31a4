//! The two data sources, asked as Grafana asks them.

use serde_json::Value;
use shadowline_testkit_stack::psql;

use crate::grafana::{Filled, Source};

/// Prometheus, and PostgreSQL as the role that only reads.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) http: reqwest::Client,
    /// Prometheus, without a slash at the end.
    pub(crate) prometheus: String,
    pub(crate) database: String,
}

impl Sources {
    /// Asks a filled-in query, and counts the values that came: numbers in Prometheus, rows with something in them in
    /// PostgreSQL.
    ///
    /// # Errors
    /// What the data source said.
    pub(crate) async fn count(
        &self,
        source: Source,
        is_instant: bool,
        query: &Filled,
    ) -> Result<usize, String> {
        match source {
            Source::Prometheus if is_instant => self.instant(&query.text, Some(query.end)).await,
            Source::Prometheus => self.range(query).await,
            Source::Postgres => self.rows(&query.text).await.map(|it| it.len()),
        }
    }

    /// The values of an expression at one moment; now if none is given.
    pub(crate) async fn instant(&self, expr: &str, at: Option<f64>) -> Result<usize, String> {
        let mut form = vec![("query", expr.to_owned())];
        form.extend(at.map(|it| ("time", it.to_string())));
        Ok(n_numbers(&self.prometheus("/api/v1/query", &form).await?))
    }

    async fn range(&self, query: &Filled) -> Result<usize, String> {
        let form = [
            ("query", query.text.clone()),
            ("start", query.start.to_string()),
            ("end", query.end.to_string()),
            ("step", query.step.to_string()),
        ];
        Ok(n_numbers(&self.prometheus("/api/v1/query_range", &form).await?))
    }

    /// Asks Prometheus's API, and returns its `data`.
    pub(crate) async fn prometheus(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Value, String> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.prometheus), query)
            .map_err(|it| it.to_string())?;
        let answer = self.http.get(url).send().await.map_err(|it| format!("{it:#}"))?;
        let mut answer: Value = answer.json().await.map_err(|it| format!("{it:#}"))?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].take()),
            _ => Err(format!("{}: {}", answer["errorType"], answer["error"])),
        }
    }

    /// The rows of a statement in which any column has a value.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<String>, String> {
        let printed = psql(&self.database, sql).await.map_err(|it| format!("{it:#}"))?;
        let rows = printed.lines().filter(|it| it.contains(|letter| letter != '|'));
        Ok(rows.map(str::to_owned).collect())
    }

    /// The values that a variable's query offers.
    ///
    /// # Errors
    /// What the data source said.
    pub(crate) async fn options(&self, source: Source, query: &str) -> Result<Vec<String>, String> {
        if source == Source::Postgres {
            return self.rows(query).await;
        }
        let inside = |name: &str| {
            query.trim().strip_prefix(name)?.trim().strip_prefix('(')?.trim().strip_suffix(')')
        };
        let (path, form) = if let Some(inside) = inside("label_values") {
            // The label is last; the selector may have commas of its own.
            let (selector, label) =
                inside.rsplit_once(',').map_or((None, inside), |(s, l)| (Some(s), l));
            let path = format!("/api/v1/label/{}/values", label.trim());
            (path, selector.map(|it| ("match[]", it.trim().to_owned())))
        } else {
            return Err(format!("`{query}` is no variable's query that is known here"));
        };
        let form: Vec<_> = form.into_iter().collect();
        let data = self.prometheus(&path, &form).await?;
        let values = data.as_array().into_iter().flatten();
        Ok(values.filter_map(|it| it.as_str().map(str::to_owned)).collect())
    }
}

/// How many numbers a result has; NaN is none.
fn n_numbers(data: &Value) -> usize {
    let is_number = |pair: &Value| pair[1].as_str().is_some_and(|it| it != "NaN");
    let result = &data["result"];
    match data["resultType"].as_str() {
        Some("scalar") => usize::from(is_number(result)),
        Some("vector") => {
            result.as_array().into_iter().flatten().filter(|it| is_number(&it["value"])).count()
        }
        Some("matrix") => {
            let series = result.as_array().into_iter().flatten();
            series
                .flat_map(|it| it["values"].as_array().into_iter().flatten())
                .filter(|it| is_number(it))
                .count()
        }
        other => panic!("a result of type {other:?}"),
    }
}
