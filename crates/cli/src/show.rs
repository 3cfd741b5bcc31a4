//! `shadowline models | specs | alerts | checks`.

use anyhow::bail;
use serde_json::{Value, json};

use crate::apply::the_host_of;
use crate::args::{AlertsArgs, ChecksArgs, ChecksView, ModelsArgs, OutcomeArg, SpecsArgs, View};
use crate::client::{Client, url};
use crate::endpoints::Endpoints;
use crate::output;
use crate::specs_api::SpecsApi;

pub(crate) async fn models(args: &ModelsArgs) -> anyhow::Result<()> {
    let endpoints = Endpoints::from_args(&args.servers)?;
    let client = Client::new()?;
    if let Some(View::Show { name }) = &args.view {
        let host = the_host_of(&client, &endpoints, name).await?;
        let shown = client.get(&url(endpoints.host(host)?, &["v1", "models", name], &[])?).await?;
        return show(args.json, &shown);
    }
    let mut models = Vec::new();
    let mut damaged = Vec::new();
    for (host, base) in endpoints.hosts() {
        let answer = client.get(&url(base, &["v1", "models"], &[])?).await?;
        for (key, list) in [("models", &mut models), ("damaged", &mut damaged)] {
            for entry in answer[key].as_array().into_iter().flatten() {
                let mut entry = entry.clone();
                entry["service"] = host.name().into();
                list.push(entry);
            }
        }
    }
    if args.json {
        return output::json(&json!({"models": models, "damaged": damaged}));
    }
    let row = |it: &Value| {
        let keys = ["name", "version", "runtime", "service"];
        let mut row: Vec<String> = keys.iter().map(|key| text(&it[*key])).collect();
        row.push(it["artefact_bytes"].as_u64().map(size).unwrap_or_default());
        row
    };
    let rows: Vec<_> = models.iter().map(row).collect();
    output::table(&["NAME", "VERSION", "RUNTIME", "SERVICE", "SIZE"], &rows)?;
    for entry in &damaged {
        eprintln!(
            "{} version {} on {} cannot be used: {}",
            text(&entry["name"]),
            text(&entry["version"]),
            text(&entry["service"]),
            text(&entry["reason"])
        );
    }
    Ok(())
}

pub(crate) async fn specs(args: &SpecsArgs) -> anyhow::Result<()> {
    let api = specs_api(&Endpoints::from_args(&args.servers)?)?;
    if let Some(View::Show { name }) = &args.view {
        return show(args.json, &api.show(name).await?);
    }
    let specs = api.list().await?;
    if args.json {
        return output::json(&json!({"metric_specs": specs}));
    }
    let row = |it: &Value| {
        let spec = &it["spec"];
        vec![
            text(&spec["name"]),
            text(&it["version"]),
            format!("{} {}", text(&spec["model"]["name"]), text(&spec["model"]["version"])),
            metric(&spec["metric"]),
            if spec["enabled"] == false { "off" } else { "on" }.to_owned(),
            text(&it["sentence"]),
        ]
    };
    let rows: Vec<_> = specs.iter().map(row).collect();
    output::table(&["NAME", "VERSION", "MODEL", "METRIC", "STATE", "RULE"], &rows)
}

pub(crate) async fn alerts(args: &AlertsArgs) -> anyhow::Result<()> {
    let api = specs_api(&Endpoints::from_args(&args.servers)?)?;
    if let Some(View::Show { name }) = &args.view {
        let now = api.alerts(Some(name)).await?;
        let history = api.alert_history(name).await?;
        return show(args.json, &json!({"alert": now.first(), "history": history}));
    }
    let alerts = api.alerts(None).await?;
    if args.json {
        return output::json(&json!({"alerts": alerts}));
    }
    let row = |it: &Value| {
        vec![
            text(&it["spec"]["name"]),
            text(&it["state"]),
            text(&it["severity"]),
            text(&it["incident"]),
            text(&it["fired_at"]),
            text(&it["last_value"]),
            text(&it["alerts_when"]),
        ]
    };
    let rows: Vec<_> = alerts.iter().map(row).collect();
    let header = ["SPEC", "STATE", "SEVERITY", "INCIDENTS", "FIRING SINCE", "LAST VALUE", "RULE"];
    output::table(&header, &rows)
}

pub(crate) async fn checks(args: &ChecksArgs) -> anyhow::Result<()> {
    let api = specs_api(&Endpoints::from_args(&args.servers)?)?;
    let mut filter = Vec::new();
    filter.extend(args.spec.clone().map(|it| ("spec", it)));
    filter.extend(args.outcome.map(|it| {
        let name = match it {
            OutcomeArg::Healthy => "healthy",
            OutcomeArg::Breach => "breach",
            OutcomeArg::Unscored => "unscored",
        };
        ("outcome", name.to_owned())
    }));
    if let Some(ChecksView::Show { inference_id }) = &args.view {
        filter.push(("inference_id", inference_id.clone()));
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
    let row = |it: &Value| {
        vec![
            text(&it["event_at"]),
            text(&it["spec"]["name"]),
            text(&it["outcome"]),
            text(&it["value"]),
            text(&it["threshold"]),
            subject(it),
        ]
    };
    let rows: Vec<_> = checks.iter().map(row).collect();
    output::table(&["TIME", "SPEC", "OUTCOME", "VALUE", "THRESHOLD", "INFERENCE"], &rows)
}

fn specs_api(endpoints: &Endpoints) -> anyhow::Result<SpecsApi> {
    Ok(SpecsApi::new(Client::new()?, endpoints.metric_specs()?))
}

/// Everything that is known of one thing: as JSON, or as YAML for people.
fn show(as_json: bool, value: &Value) -> anyhow::Result<()> {
    if as_json {
        return output::json(value);
    }
    output::line(serde_saphyr::to_string(value)?.trim_end())
}

/// A value in a cell of a table.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a check is of: a request by its id, or a window by its two ends.
fn subject(check: &Value) -> String {
    match &check["window"] {
        Value::Null => text(&check["inference_id"]),
        window => format!("{}/{}", text(&window["from"]), text(&window["to"])),
    }
}

fn metric(metric: &Value) -> String {
    let parts = metric.as_object().into_iter().flatten();
    parts.map(|(key, value)| format!("{key} {}", text(value))).collect::<Vec<_>>().join(" ")
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
