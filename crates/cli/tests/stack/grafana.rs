//! Dashboards and alert rules of Grafana as it reads them: which queries they have, and how it fills them in.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use crate::settings::{SCRAPE_INTERVAL_S, files, read_yaml};
use crate::system::repository;

/// A panel's width in points, on which the step depends.
const N_POINTS: f64 = 1000.0;
const GRAFANAS_OWN: [&str; 3] = ["-- Grafana --", "grafana", "-- Dashboard --"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Prometheus,
    Postgres,
}

/// One query, not yet filled in.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// Where it stands: file, panel, letter.
    pub(crate) place: String,
    pub(crate) source: Source,
    pub(crate) text: String,
    pub(crate) is_instant: bool,
    /// The shortest step that the panel asks for, in seconds.
    min_step: Option<f64>,
    /// How far back it looks, in seconds.
    range: f64,
}

/// A variable at the top of a dashboard.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    /// Whether several values can be chosen, or all.
    is_multi: bool,
    has_all: bool,
    all_value: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Origin {
    Query(Query),
    Fixed(Vec<String>),
    /// Whatever somebody writes.
    Typed,
}

#[derive(Debug)]
pub(crate) struct Dashboard {
    pub(crate) variables: Vec<Variable>,
    pub(crate) queries: Vec<Query>,
}

/// Every dashboard of the repository.
pub(crate) fn dashboards() -> Vec<Dashboard> {
    files(&repository().join("dashboards"), "json").iter().map(|it| dashboard(it)).collect()
}

fn dashboard(path: &Path) -> Dashboard {
    let text = std::fs::read_to_string(path).expect("read a dashboard");
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|it| panic!("{path:?}: {it}"));
    let file = path.file_stem().expect("a file").to_string_lossy().into_owned();
    let range = from_now(json["time"]["from"].as_str().expect("`time.from`"));
    let variables =
        list(&json["templating"]["list"]).iter().map(|it| variable(&file, it, range)).collect();
    let mut queries = Vec::new();
    panels(&file, &json["panels"], range, &mut queries);
    for annotation in list(&json["annotations"]["list"]) {
        let name = annotation["name"].as_str().unwrap_or_default();
        let target =
            if annotation["target"].is_object() { &annotation["target"] } else { annotation };
        let place = format!("{file} / annotation {name}");
        queries.extend(query(place, target, &annotation["datasource"], None, range));
    }
    Dashboard { variables, queries }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn panels(file: &str, all: &Value, range: f64, queries: &mut Vec<Query>) {
    for panel in list(all) {
        panels(file, &panel["panels"], range, queries);
        let title = panel["title"].as_str().unwrap_or_default();
        let range = panel["timeFrom"].as_str().map_or(range, from_now);
        let min_step = panel["interval"].as_str().and_then(span);
        for target in list(&panel["targets"]) {
            let letter = target["refId"].as_str().unwrap_or("?");
            let place = format!("{file} / {title} ({letter})");
            queries.extend(query(place, target, &panel["datasource"], min_step, range));
        }
    }
}

/// Reads a target; nothing if it asks Grafana itself.
fn query(
    place: String,
    target: &Value,
    owner: &Value,
    min_step: Option<f64>,
    range: f64,
) -> Option<Query> {
    let uid = [&target["datasource"]["uid"], &owner["uid"], &target["datasourceUid"]];
    let uid = uid.into_iter().find_map(Value::as_str);
    let uid = uid.unwrap_or_else(|| panic!("{place}: no data source"));
    let (source, text) = match uid {
        own if GRAFANAS_OWN.contains(&own) => return None,
        "prometheus" => (Source::Prometheus, &target["expr"]),
        "postgres" => {
            let sql = [&target["rawSql"], &target["rawQuery"]];
            (Source::Postgres, *sql.iter().find(|it| it.is_string()).unwrap_or(&sql[0]))
        }
        other => panic!("{place}: data source `{other}`; expected `prometheus` or `postgres`"),
    };
    let text = text.as_str().filter(|it| !it.trim().is_empty());
    let text = text.unwrap_or_else(|| panic!("{place}: no query")).to_owned();
    let is_instant = target["instant"] == true && target["range"] != true;
    let min_step = target["interval"].as_str().and_then(span).or(min_step);
    Some(Query { place, source, text, is_instant, min_step, range })
}

fn variable(file: &str, json: &Value, range: f64) -> Variable {
    let name = json["name"].as_str().expect("a variable's name").to_owned();
    let place = format!("{file} / variable {name}");
    let current = &json["current"]["value"];
    let origin = match json["type"].as_str().expect("a variable's type") {
        "query" => {
            assert!(json["regex"].as_str().unwrap_or_default().is_empty(), "{place}: a regex");
            let text = [&json["query"], &json["query"]["query"], &json["query"]["rawSql"]];
            let text = text.into_iter().find_map(Value::as_str);
            let text = text.unwrap_or_else(|| panic!("{place}: no query")).to_owned();
            let source = match json["datasource"]["uid"].as_str() {
                Some("prometheus") => Source::Prometheus,
                Some("postgres") => Source::Postgres,
                other => panic!("{place}: data source {other:?}"),
            };
            let query = Query { place, source, text, is_instant: true, min_step: None, range };
            Origin::Query(query)
        }
        "custom" | "interval" => {
            let options = json["query"].as_str().expect("options").split(',');
            // An option may show another text than its value.
            let value = |it: &str| it.rsplit(" : ").next().unwrap_or(it).trim().to_owned();
            Origin::Fixed(options.map(value).collect())
        }
        "constant" => Origin::Fixed(vec![current.as_str().expect("a constant's value").to_owned()]),
        "textbox" => Origin::Typed,
        other => panic!("{place}: a variable of type `{other}`"),
    };
    Variable {
        name,
        origin,
        is_multi: json["multi"] == true,
        has_all: json["includeAll"] == true,
        all_value: json["allValue"].as_str().filter(|it| !it.is_empty()).map(str::to_owned),
    }
}

/// The queries of the alert rules that Grafana is provisioned with.
pub(crate) fn alert_queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for file in files(&repository().join("deploy/grafana/provisioning/alerting"), "yml") {
        for group in list(&read_yaml(&file)["groups"]) {
            for rule in list(&group["rules"]) {
                let title = rule["title"].as_str().expect("a rule's title");
                for data in list(&rule["data"]) {
                    // What is computed of other queries is Grafana's own affair.
                    if data["datasourceUid"] == "__expr__" {
                        continue;
                    }
                    let letter = data["refId"].as_str().unwrap_or("?");
                    let range = data["relativeTimeRange"]["from"].as_f64().expect("a range");
                    let place = format!("grafana rule {title} ({letter})");
                    let owner = serde_json::json!({"uid": data["datasourceUid"]});
                    queries.extend(query(place, &data["model"], &owner, None, range));
                }
            }
        }
    }
    queries
}

/// What was chosen of each variable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chosen(BTreeMap<String, (Variable, Vec<String>)>);

impl Chosen {
    /// Chooses all of the values where that can be done, otherwise the first.
    pub(crate) fn choose(&mut self, variable: &Variable, values: Vec<String>) {
        let values = if variable.is_multi || variable.has_all {
            values
        } else {
            values.into_iter().take(1).collect()
        };
        self.0.insert(variable.name.clone(), (variable.clone(), values));
    }

    /// What stands in a query for `$name` or `${name:format}`.
    fn text(&self, name: &str, format: Option<&str>, source: Source) -> Option<String> {
        let (variable, values) = self.0.get(name)?;
        if let Some(all) = variable.all_value.as_ref().filter(|_| variable.has_all) {
            return Some(all.clone());
        }
        let joined = |change: fn(&str) -> String, by: &str| {
            values.iter().map(|it| change(it)).collect::<Vec<_>>().join(by)
        };
        let is_several = variable.is_multi || variable.has_all;
        Some(match (format, source) {
            (Some("raw" | "text" | "csv"), _) => joined(str::to_owned, ","),
            (Some("pipe"), _) => joined(str::to_owned, "|"),
            (Some("sqlstring" | "singlequote"), _) => joined(quoted, ","),
            (Some("regex"), _) | (None, Source::Prometheus) if is_several => {
                match values.as_slice() {
                    [one] => escaped(one),
                    _ => format!("({})", joined(escaped, "|")),
                }
            }
            (Some("regex"), _) => joined(escaped, "|"),
            (None, Source::Prometheus) => {
                joined(|it| it.replace('\\', "\\\\").replace('"', "\\\""), ",")
            }
            (None, Source::Postgres) if is_several => joined(quoted, ","),
            (None, Source::Postgres) => joined(|it| it.replace('\'', "''"), ","),
            (Some(other), _) => panic!("${{{name}:{other}}}: this format is not known here"),
        })
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// As a regular expression within a PromQL string.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if "\\^$*+?.()|[]{}'".contains(letter) {
            escaped.push_str("\\\\");
        }
        escaped.push(letter);
    }
    escaped
}

/// A query as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// In seconds since 1970.
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) step: f64,
}

impl Query {
    /// Fills in variables and macros, for someone who looks at `now`.
    pub(crate) fn fill(&self, chosen: &Chosen, now: Timestamp) -> Filled {
        let wanted = rounded(self.range / N_POINTS);
        let scrape = self.min_step.unwrap_or(SCRAPE_INTERVAL_S);
        let step = wanted.max(scrape);
        let now_s = now.as_millisecond() as f64 / 1000.0;
        // A step is shown once it is over. For a long one that is later than any test waits, so its steps end now and
        // not at full quarters of an hour.
        let (start, end) = if step < 60.0 {
            (((now_s - self.range) / step).floor() * step, (now_s / step).floor() * step)
        } else {
            (now_s - (self.range / step).ceil() * step, now_s)
        };
        let rate_interval = (step + scrape).max(4.0 * scrape);
        let millis = |it: f64| format!("{}", (it * 1000.0).round());
        let builtin = |name: &str| {
            Some(match name {
                "__interval" => shown(step),
                "__interval_ms" => millis(step),
                "__rate_interval" => shown(rate_interval),
                "__rate_interval_ms" => millis(rate_interval),
                "__range" => shown(self.range),
                "__range_s" => format!("{}", self.range.round()),
                "__range_ms" => millis(self.range),
                "__from" => millis(start),
                "__to" => millis(end),
                _ => return None,
            })
        };
        let text = replace_variables(&self.text, |name, format| {
            builtin(name).or_else(|| chosen.text(name, format, self.source))
        });
        let text = match self.source {
            Source::Prometheus => text,
            Source::Postgres => expand_sql(&text, now_s - self.range, now_s),
        };
        for unknown in ["$__", "${", "[["] {
            assert!(!text.contains(unknown), "{}: `{unknown}` is left in `{text}`", self.place);
        }
        Filled { text, start, end, step }
    }
}

/// Replaces `$name`, `${name}` and `${name:format}` that are known; a `$` that begins none of them stays.
fn replace_variables(text: &str, find: impl Fn(&str, Option<&str>) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let (name, format, length) = match after.strip_prefix('{').and_then(|it| it.split_once('}'))
        {
            Some((inner, _)) => {
                let (name, format) =
                    inner.split_once(':').map_or((inner, None), |(n, f)| (n, Some(f)));
                (name, format, inner.len() + 2)
            }
            None => {
                let length = after.find(|it| !is_name(it)).unwrap_or(after.len());
                (&after[..length], None, length)
            }
        };
        match find(name, format) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..=at + length]),
        }
        rest = &after[length..];
    }
    out + rest
}

/// Expands the macros of Grafana's PostgreSQL data source.
fn expand_sql(sql: &str, from: f64, to: f64) -> String {
    let time = |at: f64| {
        let at = Timestamp::from_millisecond((at * 1000.0) as i64).expect("a time of this century");
        format!("'{at}'")
    };
    let mut out = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find("$__") {
        out.push_str(&rest[..at]);
        let (name, after) = rest[at + 3..].split_once('(').expect("a macro has arguments");
        let (inside, after) = split_at_closing(after);
        let args: Vec<&str> = arguments(inside);
        let group = || {
            let seconds = span(args[1].trim_matches('\'')).expect("a span, such as 5m");
            format!("floor(extract(epoch from {})/{seconds})*{seconds}", args[0])
        };
        out.push_str(&match name {
            "timeFilter" => format!("{} BETWEEN {} AND {}", args[0], time(from), time(to)),
            "timeFrom" => time(from),
            "timeTo" => time(to),
            "time" => format!("{} AS \"time\"", args[0]),
            "timeEpoch" => format!("extract(epoch from {}) as \"time\"", args[0]),
            "timeGroup" => group(),
            "timeGroupAlias" => format!("{} AS \"time\"", group()),
            "unixEpochFilter" => format!("{0} >= {from} AND {0} <= {to}", args[0]),
            "unixEpochFrom" => format!("{from}"),
            "unixEpochTo" => format!("{to}"),
            other => panic!("$__{other} is no macro of Grafana's PostgreSQL data source: {sql}"),
        });
        rest = after;
    }
    out + rest
}

/// What is inside of the parenthesis that was opened just before, and what is behind it.
fn split_at_closing(text: &str) -> (&str, &str) {
    let mut depth = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&text[..at], &text[at + 1..]);
        }
    }
    panic!("a macro's parenthesis is not closed: {text}");
}

/// Splits at commas that are in no parenthesis.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut args) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                args.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    args.push(text[from..].trim());
    args
}

/// The seconds of `now-6h`.
fn from_now(text: &str) -> f64 {
    let span = span(text.strip_prefix("now-").unwrap_or(text).split('/').next().unwrap_or(text));
    span.unwrap_or_else(|| panic!("`{text}` is no time range of the kind now-6h"))
}

/// The seconds of `15s`, `5m`, `>1h` …
fn span(text: &str) -> Option<f64> {
    let text = text.trim().trim_start_matches('>');
    let unit_at = text.find(|it: char| !it.is_ascii_digit() && it != '.')?;
    let factor = match &text[unit_at..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        "y" => 31_536_000.0,
        _ => return None,
    };
    Some(text[..unit_at].parse::<f64>().ok()? * factor)
}

fn shown(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{}ms", (seconds * 1000.0).round())
    } else {
        format!("{}s", seconds.round())
    }
}

/// The step that Grafana takes for one that was computed, both in seconds.
fn rounded(step: f64) -> f64 {
    const STEPS: [(f64, f64); 22] = [
        (0.15, 0.1),
        (0.35, 0.2),
        (0.75, 0.5),
        (1.5, 1.0),
        (3.5, 2.0),
        (7.5, 5.0),
        (12.5, 10.0),
        (17.5, 15.0),
        (25.0, 20.0),
        (45.0, 30.0),
        (90.0, 60.0),
        (210.0, 120.0),
        (450.0, 300.0),
        (750.0, 600.0),
        (1050.0, 900.0),
        (1500.0, 1200.0),
        (2700.0, 1800.0),
        (5400.0, 3600.0),
        (9000.0, 7200.0),
        (16_200.0, 10_800.0),
        (32_400.0, 21_600.0),
        (f64::MAX, 86_400.0),
    ];
    STEPS.iter().find(|(up_to, _)| step <= *up_to).map_or(86_400.0, |it| it.1)
}
