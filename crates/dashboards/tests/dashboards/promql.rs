//! Every metric and every label that a query of Prometheus names is one that the code registers.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::label::{Labels, Matchers};
use promql_parser::parser::token::{T_LAND, T_LOR, T_LUNLESS};
use promql_parser::parser::{self, AggregateExpr, BinaryExpr, Call, Expr, LabelModifier};
use shadowline_dashboards::{Asked, Language, Settings, asked, catalogue};
use shadowline_services::SERVICES;

use crate::root;

type Names = BTreeSet<String>;

/// Metrics of the programs around the services, with their labels; `job` and `instance` come on top.
const FOREIGN: [(&str, &[&str]); 4] = [
    ("up", &[]),
    ("alertmanager_alerts", &["state"]),
    ("alertmanager_notifications_total", &["integration"]),
    ("alertmanager_notifications_failed_total", &["integration", "reason"]),
];

/// What Prometheus adds to every series that it reads.
const TARGET: [&str; 2] = ["job", "instance"];

/// Every series that can be asked for, with its labels.
struct Known(BTreeMap<String, Names>);

impl Known {
    fn read() -> Self {
        let mut known = BTreeMap::new();
        for (_, families) in catalogue(SERVICES) {
            for (name, labels) in families.into_iter().flat_map(|it| it.series) {
                known.entry(name).or_insert_with(Names::new).extend(labels);
            }
        }
        for (name, labels) in FOREIGN {
            known.insert(name.to_owned(), labels.iter().map(|it| (*it).to_owned()).collect());
        }
        for labels in known.values_mut() {
            labels.extend(TARGET.map(str::to_owned));
        }
        Known(known)
    }

    /// Adds what the recording rules make, in their order: one may use another that stands before it.
    fn with_recorded(mut self) -> Self {
        let text = std::fs::read_to_string(root().join("deploy/prometheus/rules/recording.yml"));
        let rules: serde_json::Value = serde_saphyr::from_str(&text.unwrap()).unwrap();
        for rule in rules["groups"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|it| it["rules"].as_array().unwrap())
        {
            let name = rule["record"].as_str().unwrap();
            let labels = self.labels(rule["expr"].as_str().unwrap());
            let labels = labels.unwrap_or_else(|it| panic!("recording rule {name}: {it}"));
            self.0.insert(name.to_owned(), labels);
        }
        self
    }

    /// The labels of a query's answer; the error says what it names that is not there.
    fn labels(&self, query: &str) -> Result<Names, String> {
        let expr = parser::parse(query).map_err(|it| format!("it cannot be read: {it}"))?;
        Ok(self.of(&expr)?.unwrap_or_default())
    }

    /// The labels of an expression's answer; none for a number.
    fn of(&self, expr: &Expr) -> Result<Option<Names>, String> {
        Ok(match expr {
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => None,
            Expr::Paren(it) => self.of(&it.expr)?,
            Expr::Unary(it) => self.of(&it.expr)?,
            Expr::Subquery(it) => self.of(&it.expr)?,
            Expr::VectorSelector(it) => Some(self.selected(it.name.as_deref(), &it.matchers)?),
            Expr::MatrixSelector(it) => {
                Some(self.selected(it.vs.name.as_deref(), &it.vs.matchers)?)
            }
            Expr::Aggregate(it) => Some(self.aggregated(it)?),
            Expr::Binary(it) => self.combined(it)?,
            Expr::Call(it) => self.called(it)?,
            Expr::Extension(_) => {
                return Err("a form of PromQL that this test does not know".into());
            }
        })
    }

    fn selected(&self, name: Option<&str>, matchers: &Matchers) -> Result<Names, String> {
        let name = name.ok_or("a selector without the name of a metric")?;
        let labels =
            self.0.get(name).ok_or_else(|| format!("no code registers the metric `{name}`"))?;
        let all = matchers.matchers.iter().chain(matchers.or_matchers.iter().flatten());
        for matcher in all {
            require(labels, &matcher.name, name)?;
        }
        Ok(labels.clone())
    }

    fn aggregated(&self, aggregate: &AggregateExpr) -> Result<Names, String> {
        let inner = self.of(&aggregate.expr)?.unwrap_or_default();
        match &aggregate.modifier {
            None => Ok(Names::new()),
            Some(LabelModifier::Include(labels)) => {
                for label in &labels.labels {
                    require(&inner, label, &aggregate.expr.to_string())?;
                }
                Ok(labels.labels.iter().cloned().collect())
            }
            Some(LabelModifier::Exclude(labels)) => {
                Ok(inner.into_iter().filter(|it| !labels.labels.contains(it)).collect())
            }
        }
    }

    fn combined(&self, binary: &BinaryExpr) -> Result<Option<Names>, String> {
        let (left, right) = (self.of(&binary.lhs)?, self.of(&binary.rhs)?);
        let (left, right) = match (left, right) {
            (Some(left), Some(right)) => (left, right),
            (left, right) => return Ok(left.or(right)),
        };
        let mut matched: Option<&Labels> = None;
        let mut carried: Option<&Labels> = None;
        if let Some(modifier) = &binary.modifier {
            if let Some(LabelModifier::Include(labels)) = &modifier.matching {
                matched = Some(labels);
            }
            carried = modifier.card.labels();
        }
        for label in matched.into_iter().flat_map(|it| &it.labels) {
            require(&left, label, &binary.lhs.to_string())?;
            require(&right, label, &binary.rhs.to_string())?;
        }
        let op = binary.op.id();
        if op == T_LOR {
            return Ok(Some(left.union(&right).cloned().collect()));
        }
        if op == T_LAND || op == T_LUNLESS {
            return Ok(Some(left));
        }
        use promql_parser::parser::VectorMatchCardinality as Card;
        let card = binary.modifier.as_ref().map(|it| &it.card);
        let mut labels = match (card, matched) {
            (Some(Card::OneToMany(_)), _) => right.clone(),
            (Some(Card::ManyToOne(_)), _) | (_, None) => left.clone(),
            (_, Some(matched)) => matched.labels.iter().cloned().collect(),
        };
        if matched.is_none() && left != right {
            let (left, right) = (shown(&left), shown(&right));
            return Err(format!("{left} and {right} never match: `{}`", binary.op));
        }
        for label in carried.into_iter().flat_map(|it| &it.labels) {
            let one = if matches!(card, Some(Card::OneToMany(_))) { &left } else { &right };
            require(one, label, "the side that is one")?;
            labels.insert(label.clone());
        }
        Ok(Some(labels))
    }

    fn called(&self, call: &Call) -> Result<Option<Names>, String> {
        let mut vectors = Vec::new();
        for argument in &call.args.args {
            vectors.extend(self.of(argument)?);
        }
        let text = |at: usize| match call.args.args.get(at).map(|it| &**it) {
            Some(Expr::StringLiteral(it)) => Ok(it.val.clone()),
            other => Err(format!("argument {at} of {} is {other:?}", call.func.name)),
        };
        let mut vectors = vectors.into_iter();
        match call.func.name {
            "label_replace" => {
                let mut labels = vectors.next().unwrap_or_default();
                let from = text(3)?;
                if !from.is_empty() {
                    require(&labels, &from, "label_replace")?;
                }
                labels.insert(text(1)?);
                Ok(Some(labels))
            }
            "histogram_quantile" => {
                let mut labels = vectors.next().unwrap_or_default();
                require(&labels, "le", "histogram_quantile")?;
                labels.remove("le");
                Ok(Some(labels))
            }
            "vector" => Ok(Some(Names::new())),
            "time" | "rate" | "increase" | "min_over_time" | "max_over_time" | "clamp_min" => {
                Ok(vectors.next())
            }
            other => Err(format!("the function `{other}` is one that this test does not know")),
        }
    }
}

fn require(labels: &Names, label: &str, of: &str) -> Result<(), String> {
    if labels.contains(label) {
        return Ok(());
    }
    Err(format!("`{of}` has no label `{label}`; it has {}", shown(labels)))
}

fn shown(labels: &Names) -> String {
    labels.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The names between `{{` and `}}` that begin with `prefix`.
fn placeholders(text: &str, prefix: &str) -> Vec<String> {
    let inside = text.split("{{").skip(1).filter_map(|it| it.split_once("}}"));
    inside.filter_map(|(name, _)| name.trim().strip_prefix(prefix).map(str::to_owned)).collect()
}

fn check(known: &Known, queries: &[Asked]) -> Vec<String> {
    let mut wrong = Vec::new();
    for query in queries.iter().filter(|it| it.language == Language::PromQl) {
        let prepared = query.prepared(&Settings::default());
        match known.labels(&prepared) {
            Err(reason) => wrong.push(format!("{}: {reason}\n    {prepared}", query.place)),
            Ok(labels) => {
                for label in query.uses.iter().filter(|it| !labels.contains(*it)) {
                    let reason =
                        format!("its answer has no label `{label}`; it has {}", shown(&labels));
                    wrong.push(format!("{}: {reason}\n    {prepared}", query.place));
                }
            }
        }
    }
    wrong
}

#[test]
fn every_query_names_what_the_code_registers() {
    let queries = asked(&root()).unwrap();
    let n_promql = queries.iter().filter(|it| it.language == Language::PromQl).count();
    assert!(100 < n_promql, "only {n_promql} queries were found");
    let wrong = check(&Known::read().with_recorded(), &queries);
    assert!(
        wrong.is_empty(),
        "{} of {n_promql} queries are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_metric_or_label_that_is_not_there_is_noticed() {
    let known = Known::read().with_recorded();
    let ask = |text: &str, uses: &[&str]| {
        let uses = uses.iter().map(|it| (*it).to_owned()).collect();
        let place = "here".to_owned();
        check(&known, &[Asked { place, language: Language::PromQl, text: text.to_owned(), uses }])
            .join("")
    };
    assert_eq!(ask("sum by (model) (rate(shadowline_checks_total[1m]))", &["model"]), "");
    for (query, uses, reason) in [
        (
            "shadowline_check_total",
            &[][..],
            "no code registers the metric `shadowline_check_total`",
        ),
        ("sum by (modell) (shadowline_checks_total)", &[], "has no label `modell`"),
        ("shadowline_checks_total{outcom=\"breach\"}", &[], "has no label `outcom`"),
        ("sum(shadowline_checks_total)", &["spec"], "its answer has no label `spec`"),
        ("shadowline_checks_total and on (version) up", &[], "has no label `version`"),
        (
            "histogram_quantile(0.5, sum(rate(shadowline_monitor_delay_seconds_bucket[1m])))",
            &[],
            "no label `le`",
        ),
        ("shadowline_spool_used_bytes / shadowline_metric_spec_value", &[], "never match"),
        (
            "group_topic:shadowline_consumer_lag_records:sum{partition=\"0\"}",
            &[],
            "has no label `partition`",
        ),
        ("sum(", &[], "cannot be read"),
        ("rate(predictions_scores_sum[30s])", &[], "no code registers"),
    ] {
        let found = ask(query, uses);
        assert!(found.contains(reason), "{query}: {found}");
    }
}

/// Labels that columns of tables show are those of one of the table's queries.
#[test]
fn tables_show_labels_that_their_queries_have() {
    let known = Known::read().with_recorded();
    let mut n_columns = 0;
    for (name, dashboard) in crate::files::dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            let mut labels = Names::new();
            for target in panel["targets"].as_array().into_iter().flatten() {
                let Some(expr) = target["expr"].as_str() else { continue };
                let place = String::new();
                let (language, text) = (Language::PromQl, expr.to_owned());
                let query = Asked { place, language, text, uses: vec![] };
                labels.extend(known.labels(&query.prepared(&Settings::default())).unwrap());
            }
            let include = |it: &serde_json::Value| it["options"]["include"]["names"].clone();
            let steps = panel["transformations"].as_array().into_iter().flatten();
            for column in
                steps.map(include).flat_map(|it| it.as_array().cloned().unwrap_or_default())
            {
                let column = column.as_str().unwrap();
                if labels.is_empty() || column.starts_with("Value") {
                    continue;
                }
                n_columns += 1;
                assert!(
                    labels.contains(column),
                    "{name}: {}: no query has the label `{column}`",
                    panel["title"]
                );
            }
        }
    }
    assert!(5 < n_columns, "only {n_columns} columns were looked at");
}

#[test]
fn texts_of_alerts_name_labels_that_the_alert_has() {
    let known = Known::read().with_recorded();
    let text =
        std::fs::read_to_string(root().join("deploy/prometheus/rules/alerting.yml")).unwrap();
    let rules: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    for rule in groups.iter().flat_map(|it| it["rules"].as_array().unwrap()) {
        let labels = known.labels(rule["expr"].as_str().unwrap()).unwrap();
        assert!(
            rule["labels"]["severity"].is_string() || labels.contains("severity"),
            "{} has no severity",
            rule["alert"]
        );
        for text in rule["annotations"].as_object().unwrap().values() {
            for label in placeholders(text.as_str().unwrap(), ".Labels.") {
                require(&labels, &label, rule["alert"].as_str().unwrap()).unwrap();
            }
        }
    }
}
