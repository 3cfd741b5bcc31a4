//! The recording and alerting rules of deploy/, as Prometheus evaluates them.

use std::collections::BTreeSet;
use std::time::Duration;

use promql_parser::parser::{self, BinModifier, Expr};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::settings::{read_yaml, rule_files};
use crate::sources::Sources;

const SHOWN_WITHIN: Duration = Duration::from_secs(120);

/// A rule as its file has it.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The alert's name, or that of the metric it records.
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    pub(crate) expr: String,
}

pub(crate) fn all() -> Vec<Rule> {
    let mut rules = Vec::new();
    for file in rule_files() {
        for group in read_yaml(&file)["groups"].as_array().expect("rules are in groups") {
            for rule in group["rules"].as_array().expect("a group has rules") {
                let alert = rule["alert"].as_str();
                let name = alert.or(rule["record"].as_str()).expect("a rule's name").to_owned();
                let expr = rule["expr"].as_str().expect("a rule's expression").to_owned();
                rules.push(Rule { name, is_alert: alert.is_some(), expr });
            }
        }
    }
    rules
}

/// What must have data for an alert to be able to fire: its expression with every comparison answered by 0 or 1, and
/// what it takes the absence of.
fn probes(expr: &str) -> Vec<String> {
    let parsed = parser::parse(expr).unwrap_or_else(|it| panic!("`{expr}`: {it}"));
    let mut probes = Vec::new();
    collect(&parsed, &mut probes);
    probes
}

fn collect(expr: &Expr, probes: &mut Vec<String>) {
    match expr {
        Expr::Paren(inner) => collect(&inner.expr, probes),
        Expr::Call(call) if call.func.name.starts_with("absent") => {
            probes.push(call.args.args[0].to_string());
        }
        Expr::Binary(binary) if binary.op.is_set_operator() => {
            collect(&binary.lhs, probes);
            collect(&binary.rhs, probes);
            // Both sides must have series with the same labels.
            if binary.op.to_string() == "and" {
                probes.push(relaxed(expr).to_string());
            }
        }
        Expr::Binary(binary)
            if binary.op.is_comparison_operator() && is_taken_apart(&binary.lhs) =>
        {
            collect(&binary.lhs, probes);
        }
        other => probes.push(relaxed(other).to_string()),
    }
}

/// Whether it is empty in a healthy system whatever it is compared with.
fn is_taken_apart(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(inner) => is_taken_apart(&inner.expr),
        Expr::Call(call) => call.func.name.starts_with("absent"),
        Expr::Binary(binary) => binary.op.is_set_operator(),
        _ => false,
    }
}

/// The same, with comparisons that answer 0 or 1 and drop nothing.
fn relaxed(expr: &Expr) -> Expr {
    let mut expr = expr.clone();
    relax(&mut expr);
    expr
}

fn relax(expr: &mut Expr) {
    match expr {
        Expr::Binary(binary) => {
            if binary.op.is_comparison_operator() {
                binary.modifier.get_or_insert_with(BinModifier::default).return_bool = true;
            }
            relax(&mut binary.lhs);
            relax(&mut binary.rhs);
        }
        Expr::Aggregate(aggregate) => relax(&mut aggregate.expr),
        Expr::Unary(unary) => relax(&mut unary.expr),
        Expr::Paren(paren) => relax(&mut paren.expr),
        Expr::Subquery(subquery) => relax(&mut subquery.expr),
        Expr::Call(call) => call.args.args.iter_mut().for_each(|it| relax(it)),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => {}
    }
}

/// A probe that has nothing in a healthy system, and why that must be so.
pub(crate) type Empty = (&'static str, &'static str);

/// Waits until Prometheus has evaluated every rule without an error, each recording rule has recorded something, and
/// whatever alerting rules look at has data.
///
/// # Panics
/// If that is not so within two minutes; every rule that falls short is named.
pub(crate) async fn each_has_data(sources: &Sources, empty: &[Empty]) {
    let rules = all();
    let mut waiting: Vec<(String, String)> = Vec::new();
    for rule in &rules {
        if !rule.is_alert {
            waiting.push((rule.name.clone(), rule.name.clone()));
            continue;
        }
        // Right as it stands, also where it finds nothing.
        sources.instant(&rule.expr, None).await.unwrap_or_else(|it| panic!("{}: {it}", rule.name));
        waiting.extend(probes(&rule.expr).into_iter().map(|it| (rule.name.clone(), it)));
    }
    let n_probes = waiting.len();
    waiting.retain(|(name, _)| !empty.iter().any(|it| it.0 == name));
    let deadline = Instant::now() + SHOWN_WITHIN;
    loop {
        let faults = faults(sources).await;
        assert!(faults.is_empty(), "rules that Prometheus cannot evaluate:\n{}", faults.join("\n"));
        let mut still = Vec::new();
        for (name, probe) in waiting {
            let count = sources.instant(&probe, None).await;
            if count.unwrap_or_else(|it| panic!("{name}: {it}: {probe}")) == 0 {
                still.push((name, probe));
            }
        }
        waiting = still;
        if waiting.is_empty() {
            break;
        }
        if deadline < Instant::now() {
            let named: Vec<_> = waiting.iter().map(|it| format!("  {}: {}", it.0, it.1)).collect();
            panic!("rules that look at nothing:\n{}", named.join("\n"));
        }
        sleep(Duration::from_millis(500)).await;
    }
    eprintln!("{} rules; {n_probes} expressions have what they look at", rules.len());
}

/// The rules that Prometheus has, and has failed to evaluate.
async fn faults(sources: &Sources) -> Vec<String> {
    let data = sources.prometheus("/api/v1/rules", &[]).await.expect("ask for the rules");
    let groups = data["groups"].as_array().expect("rules are in groups");
    let loaded: Vec<&Value> =
        groups.iter().flat_map(|it| it["rules"].as_array().expect("a group has rules")).collect();
    let here: BTreeSet<String> = all().into_iter().map(|it| it.name).collect();
    let there: BTreeSet<String> =
        loaded.iter().map(|it| it["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(here, there, "Prometheus has loaded other rules than deploy/ has");
    // "unknown" until it was evaluated first.
    let broken = loaded.iter().filter(|it| it["health"] == "err");
    broken.map(|it| format!("  {}: {}", it["name"], it["lastError"])).collect()
}

#[test]
fn what_an_alert_looks_at_is_found_in_its_expression() {
    let check = |expr: &str, expected: &[&str]| assert_eq!(probes(expr), expected, "{expr}");
    check("up == 0", &["up == bool 0"]);
    check("absent(up{job=\"serving\"})", &["up{job=\"serving\"}"]);
    check("absent(up) == 1", &["up"]);
    check("rate(a[5m]) / rate(b[5m]) > 0.1", &["rate(a[5m]) / rate(b[5m]) > bool 0.1"]);
    check("a > 1 unless b > 2", &["a > bool 1", "b > bool 2"]);
    check(
        "(a > 1) and on (model) b > 2",
        &["a > bool 1", "b > bool 2", "(a > bool 1) and on (model) b > bool 2"],
    );
    check("(a unless on (model) (b > 0)) > 0", &["a", "b > bool 0"]);
    check("sum by (job) (a > 0) > 3", &["sum by (job) (a > bool 0) > bool 3"]);
}
