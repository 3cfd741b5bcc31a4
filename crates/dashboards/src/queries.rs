//! What the finished dashboards and rules ask, read from the files that are deployed, ready to be asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Why the queries could not be read.
#[derive(Debug, thiserror::Error)]
pub enum QueriesError {
    /// A file or directory cannot be read.
    #[error("read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not of the form of a dashboard or of rules.
    #[error("`{}`: {reason}", path.display())]
    Form {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// In which language something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// Of Prometheus.
    PromQl,
    /// Of PostgreSQL.
    Sql,
}

/// One query with the place it stands at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Such as `dashboards/overview.json: Models (A)`.
    pub place: String,
    /// In which language.
    pub language: Language,
    /// The query with Grafana's macros and variables still in it.
    pub text: String,
    /// The labels or columns of the answer that are shown by their names.
    pub uses: Vec<String>,
}

/// What Grafana would put in the place of its macros and variables.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `$__interval`, such as `15s`.
    pub interval: String,
    /// `$__rate_interval`, such as `1m`.
    pub rate_interval: String,
    /// `$__range`, such as `1h`.
    pub range: String,
    /// The beginning of the time range, as PostgreSQL reads it.
    pub from: String,
    /// Its end.
    pub to: String,
    /// The dashboards' variables; what is not here is any value in PromQL and none in SQL.
    pub variables: BTreeMap<String, String>,
}

impl Default for Settings {
    /// Everything of the last hour.
    fn default() -> Self {
        Settings {
            interval: "15s".to_owned(),
            rate_interval: "1m".to_owned(),
            range: "1h".to_owned(),
            from: "now() - interval '1 hour'".to_owned(),
            to: "now()".to_owned(),
            variables: BTreeMap::new(),
        }
    }
}

impl Asked {
    /// The query as its data source gets it.
    pub fn prepared(&self, settings: &Settings) -> String {
        let mut text = self.text.clone();
        if self.language == Language::Sql {
            text = with_time_filters(&text, settings);
        }
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('$') {
            out += before;
            let (name, format, tail) = variable(after);
            rest = tail;
            out += &self.value(name, format, settings);
        }
        out + rest
    }

    fn value(&self, name: &str, format: &str, settings: &Settings) -> String {
        let given = settings.variables.get(name);
        match (name, self.language, format) {
            ("__interval", ..) => settings.interval.clone(),
            ("__rate_interval", ..) => settings.rate_interval.clone(),
            ("__range", ..) => settings.range.clone(),
            // A group of a pattern, in a rule of Prometheus.
            (digit, ..) if digit.bytes().all(|it| it.is_ascii_digit()) => format!("${digit}"),
            (_, Language::PromQl, _) => given.cloned().unwrap_or_else(|| ".*".to_owned()),
            (_, Language::Sql, "sqlstring") => {
                format!("'{}'", given.map(|it| it.replace('\'', "''")).unwrap_or_default())
            }
            (_, Language::Sql, _) => given.cloned().unwrap_or_else(|| ".*".to_owned()),
        }
    }
}

/// Splits `name`, `{name}` or `{name:format}` from what follows.
fn variable(text: &str) -> (&str, &str, &str) {
    if let Some(rest) = text.strip_prefix('{')
        && let Some((inside, tail)) = rest.split_once('}')
    {
        let (name, format) = inside.split_once(':').unwrap_or((inside, ""));
        return (name, format, tail);
    }
    let end = text.find(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    let (name, tail) = text.split_at(end.unwrap_or(text.len()));
    (name, "", tail)
}

fn with_time_filters(text: &str, settings: &Settings) -> String {
    const MACRO: &str = "$__timeFilter(";
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MACRO) {
        let Some((column, tail)) = after.split_once(')') else { break };
        let (from, to) = (&settings.from, &settings.to);
        out += &format!("{before}{column} BETWEEN {from} AND {to}");
        rest = tail;
    }
    out + rest
}

/// Everything that the dashboards, Prometheus' rules and Grafana's rules under a root ask.
///
/// # Errors
/// A file that cannot be read.
pub fn asked(root: &Path) -> Result<Vec<Asked>, QueriesError> {
    let mut found = Vec::new();
    for (dir, end) in [
        ("dashboards", "json"),
        ("deploy/prometheus/rules", "yml"),
        ("deploy/grafana/provisioning/alerting", "yml"),
    ] {
        for (name, document) in documents(root, dir, end)? {
            let place = format!("{dir}/{name}");
            match dir {
                "dashboards" => of_dashboard(&place, &document, &mut found),
                "deploy/prometheus/rules" => of_rules(&place, &document, &mut found),
                _ => of_grafana_rules(&place, &document, &mut found),
            }
        }
    }
    Ok(found)
}

fn documents(root: &Path, dir: &str, end: &str) -> Result<BTreeMap<String, Value>, QueriesError> {
    let dir = root.join(dir);
    let failed = |path: &Path, source| QueriesError::Read { path: path.to_owned(), source };
    let mut documents = BTreeMap::new();
    for entry in std::fs::read_dir(&dir).map_err(|it| failed(&dir, it))? {
        let path = entry.map_err(|it| failed(&dir, it))?.path();
        if path.extension().is_none_or(|it| it != end) {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|it| failed(&path, it))?;
        let document = serde_saphyr::from_str(&text)
            .map_err(|it| QueriesError::Form { path: path.clone(), reason: it.to_string() })?;
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
        documents.insert(name, document);
    }
    Ok(documents)
}

/// The items of an array, or none.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn of_dashboard(place: &str, dashboard: &Value, found: &mut Vec<Asked>) {
    for panel in items(&dashboard["panels"]) {
        let title = panel["title"].as_str().unwrap_or_default();
        let shown: Vec<String> = items(&panel["transformations"])
            .iter()
            .flat_map(|it| items(&it["options"]["include"]["names"]))
            .filter_map(|it| it.as_str().map(str::to_owned))
            .collect();
        for target in items(&panel["targets"]) {
            let name = target["refId"].as_str().unwrap_or_default();
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            // A table of PromQL is made of several answers; one of SQL shows the columns of its own.
            let uses = if target["rawSql"].is_string() { shown.clone() } else { named(legend) };
            push(format!("{place}: {title} ({name})"), target, uses, found);
        }
    }
    for annotation in items(&dashboard["annotations"]["list"]) {
        let name = annotation["name"].as_str().unwrap_or_default();
        let uses = ["time", "text", "tags"].map(str::to_owned).to_vec();
        push(format!("{place}: annotation {name}"), &annotation["target"], uses, found);
    }
    for variable in items(&dashboard["templating"]["list"]) {
        let name = variable["name"].as_str().unwrap_or_default();
        let values = variable["definition"].as_str().unwrap_or_default();
        let inner = values.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')'));
        if let Some((series, label)) = inner.and_then(|it| it.rsplit_once(',')) {
            let text = format!("group by ({}) ({})", label.trim(), series.trim());
            let place = format!("{place}: variable {name}");
            let uses = vec![label.trim().to_owned()];
            found.push(Asked { place, language: Language::PromQl, text, uses });
        }
    }
}

/// The labels that a legend puts between `{{` and `}}`.
fn named(legend: &str) -> Vec<String> {
    let inside = legend.split("{{").skip(1).filter_map(|it| it.split_once("}}"));
    inside.map(|(label, _)| label.trim().to_owned()).collect()
}

fn push(place: String, target: &Value, uses: Vec<String>, found: &mut Vec<Asked>) {
    for (key, language) in [("expr", Language::PromQl), ("rawSql", Language::Sql)] {
        if let Some(text) = target[key].as_str() {
            let (place, text, uses) = (place.clone(), text.to_owned(), uses.clone());
            found.push(Asked { place, language, text, uses });
        }
    }
}

fn of_rules(place: &str, rules: &Value, found: &mut Vec<Asked>) {
    for rule in items(&rules["groups"]).iter().flat_map(|it| items(&it["rules"])) {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap_or_default();
        push(format!("{place}: {name}"), rule, Vec::new(), found);
    }
}

fn of_grafana_rules(place: &str, rules: &Value, found: &mut Vec<Asked>) {
    for rule in items(&rules["groups"]).iter().flat_map(|it| items(&it["rules"])) {
        let name = rule["title"].as_str().unwrap_or_default();
        for data in items(&rule["data"]) {
            push(format!("{place}: {name}"), &data["model"], Vec::new(), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(language: Language, text: &str) -> String {
        let mut settings = Settings { from: "'a'".into(), to: "'b'".into(), ..Settings::default() };
        settings.variables.insert("spec".into(), "x|y".into());
        settings.variables.insert("request".into(), "it's".into());
        let (place, text) = (String::new(), text.to_owned());
        Asked { place, language, text, uses: Vec::new() }.prepared(&settings)
    }

    #[test]
    fn variables_are_put_in_as_grafana_does() {
        for (language, text, expected) in [
            (
                Language::PromQl,
                "rate(a{s=~\"$spec\"}[$__rate_interval])",
                "rate(a{s=~\"x|y\"}[1m])",
            ),
            (Language::PromQl, "b{m=~\"$model\"}[$__range]", "b{m=~\".*\"}[1h]"),
            (
                Language::PromQl,
                "label_replace(a, \"b\", \"$1\", \"c\", \"(.+)\")",
                "label_replace(a, \"b\", \"$1\", \"c\", \"(.+)\")",
            ),
            (
                Language::Sql,
                "WHERE $__timeFilter(time) AND spec ~ '^(${spec:pipe})$'",
                "WHERE time BETWEEN 'a' AND 'b' AND spec ~ '^(x|y)$'",
            ),
            (Language::Sql, "id = ${request:sqlstring}", "id = 'it''s'"),
        ] {
            assert_eq!(prepared(language, text), expected);
        }
    }
}
