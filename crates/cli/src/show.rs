//! `shadowline models | specs | alerts | checks`.

use std::fmt::Display;

use crate::args::{AlertsArgs, ChecksArgs, ChecksView, ModelsArgs, OutcomeArg, SpecsArgs, View};
use crate::output;
use crate::servers::Servers;
use anyhow::bail;
use serde::Serialize;
use serde_json::json;
use shadowline_api::alerts::{AlertAnswer, JudgedAnswer};
use shadowline_api::checks::CheckAnswer;
use shadowline_api::packages::{Package, UnusablePackage};
use shadowline_api::specs::{MetricChoice, SpecAnswer};
use shadowline_client::CheckFilter;
use shadowline_evaluation::{Operator, Outcome};

/// What a service hosts, and which.
#[derive(Debug, Serialize)]
struct Hosted<T> {
    #[serde(flatten)]
    what: T,
    service: &'static str,
}

pub(crate) async fn models(args: &ModelsArgs) -> anyhow::Result<()> {
    let servers = Servers::from_args(&args.servers)?;
    if let Some(View::Show { name }) = &args.view {
        let host = servers.host_of(name).await?;
        let found = servers.packages(host)?.find(name).await?;
        let Some(shown) = found else { bail!("no service has a model `{name}` any more") };
        return show(args.json, &shown);
    }
    let (mut models, mut unusable) = (Vec::new(), Vec::new());
    for (host, packages) in servers.all_packages()? {
        let (list, service) = (packages.list().await?, host.name());
        models.extend(list.models.into_iter().map(|what| Hosted { what, service }));
        unusable.extend(list.damaged.into_iter().map(|what| Hosted { what, service }));
    }
    if args.json {
        return output::json(&json!({"models": models, "damaged": unusable}));
    }
    let row = |it: &Hosted<Package>| {
        let Hosted { what: package, service } = it;
        vec![
            package.name.clone(),
            package.version.to_string(),
            if package.is_default { "yes" } else { "-" }.to_owned(),
            package.runtime.clone(),
            (*service).to_owned(),
            size(package.artefact_bytes),
        ]
    };
    let rows: Vec<_> = models.iter().map(row).collect();
    output::table(&["NAME", "VERSION", "DEFAULT", "RUNTIME", "SERVICE", "SIZE"], &rows)?;
    for Hosted { what: UnusablePackage { name, version, reason }, service } in &unusable {
        eprintln!("{name} version {version} on {service} cannot be used: {reason}");
    }
    Ok(())
}

pub(crate) async fn specs(args: &SpecsArgs) -> anyhow::Result<()> {
    let api = Servers::from_args(&args.servers)?.metric_specs()?;
    if let Some(View::Show { name }) = &args.view {
        return show(args.json, &api.show(name).await?);
    }
    let specs = api.list().await?;
    if args.json {
        return output::json(&json!({"metric_specs": specs}));
    }
    let row = |it: &SpecAnswer| {
        let (spec, model) = (&it.spec, &it.spec.model);
        vec![
            spec.name.clone(),
            it.version.to_string(),
            format!("{} {}", model.name, or_dash(model.version.as_ref().map(|it| &it.0))),
            metric(&spec.metric),
            if spec.enabled == Some(false) { "off" } else { "on" }.to_owned(),
            it.sentence.clone(),
        ]
    };
    let rows: Vec<_> = specs.iter().map(row).collect();
    output::table(&["NAME", "VERSION", "MODEL", "METRIC", "STATE", "RULE"], &rows)
}

pub(crate) async fn alerts(args: &AlertsArgs) -> anyhow::Result<()> {
    let api = Servers::from_args(&args.servers)?.metric_specs()?;
    if let Some(View::Show { name }) = &args.view {
        let now = api.alerts(Some(name)).await?;
        let history = api.alert_history(name).await?;
        return show(args.json, &json!({"alert": now.first(), "history": history}));
    }
    let alerts = api.alerts(None).await?;
    if args.json {
        return output::json(&json!({"alerts": alerts}));
    }
    let row = |it: &AlertAnswer| {
        vec![
            it.spec.name.clone(),
            it.state.name().to_owned(),
            it.severity.clone(),
            it.incident.to_string(),
            or_dash(it.fired_at),
            last_value(it),
            or_dash(it.judged.as_ref().and_then(|it| it.at)),
            line(it),
            or_dash(it.judged.as_ref().and_then(|it| it.line_since)),
            it.rule.clone().unwrap_or_else(|| it.alerts_when.clone()),
        ]
    };
    let rows: Vec<_> = alerts.iter().map(row).collect();
    let header = [
        "SPEC",
        "STATE",
        "SEVERITY",
        "INCIDENTS",
        "FIRING SINCE",
        "LAST VALUE",
        "AT",
        "LINE",
        "LINE SINCE",
        "RULE",
    ];
    output::table(&header, &rows)
}

pub(crate) async fn checks(args: &ChecksArgs) -> anyhow::Result<()> {
    let api = Servers::from_args(&args.servers)?.metric_specs()?;
    let outcome = args.outcome.map(|it| match it {
        OutcomeArg::Healthy => Outcome::Healthy,
        OutcomeArg::Breach => Outcome::Breach,
        OutcomeArg::Unscored => Outcome::Unscored,
    });
    let mut filter = CheckFilter { spec: args.spec.clone(), outcome, ..CheckFilter::default() };
    if let Some(ChecksView::Show { inference_id }) = &args.view {
        filter.inference_id = Some(inference_id.clone());
        let checks = api.checks(&filter, args.limit).await?;
        if checks.is_empty() {
            bail!("there is no check of inference `{inference_id}`");
        }
        return show(args.json, &json!({"checks": checks}));
    }
    let checks = api.checks(&filter, args.limit).await?;
    if args.json {
        return output::json(&json!({"checks": checks}));
    }
    let row = |it: &CheckAnswer| {
        vec![
            it.event_at.to_string(),
            it.spec.name.clone(),
            it.outcome.name().to_owned(),
            or_dash(it.value.map(number)),
            or_dash(it.threshold.map(number)),
            subject(it),
        ]
    };
    let rows: Vec<_> = checks.iter().map(row).collect();
    output::table(&["TIME", "SPEC", "OUTCOME", "VALUE", "THRESHOLD", "INFERENCE"], &rows)
}

/// The value that says whether a condition holds, with what it is of; of an older service, the last score.
fn last_value(alert: &AlertAnswer) -> String {
    match &alert.judged {
        Some(JudgedAnswer { by, value, .. }) => {
            or_dash(value.map(|it| format!("{by} {}", number(it))))
        }
        None => or_dash(alert.last_value.map(number)),
    }
}

/// What that value is compared with.
fn line(alert: &AlertAnswer) -> String {
    let Some(JudgedAnswer { operator, line, .. }) = &alert.judged else { return "-".to_owned() };
    let symbol: &str = match operator.parse::<Operator>() {
        Ok(known) => known.symbol(),
        Err(_) => operator,
    };
    or_dash(line.map(|it| format!("{symbol} {}", number(it))))
}

/// Everything that is known of one thing: as JSON, or as YAML for people.
fn show(as_json: bool, known: &impl Serialize) -> anyhow::Result<()> {
    // By names in their order, as in lists.
    let value = serde_json::to_value(known)?;
    if as_json {
        return output::json(&value);
    }
    output::line(serde_saphyr::to_string(&value)?.trim_end())
}

/// A value in a cell of a table, which may not be there.
fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |it| it.to_string())
}

/// A number with as many digits as it takes to tell it from every other.
fn number(value: f64) -> String {
    format!("{value:?}")
}

/// What a check is of: a request by its id, or a window by its two ends.
fn subject(check: &CheckAnswer) -> String {
    match &check.window {
        None => or_dash(check.inference_id.as_ref()),
        Some(window) => format!("{}/{}", window.from, window.to),
    }
}

fn metric(metric: &MetricChoice) -> String {
    let parts = metric.parts().into_iter().map(|(kind, name)| format!("{kind} {name}"));
    parts.collect::<Vec<_>>().join(" ")
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
