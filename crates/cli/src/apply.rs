//! `shadowline apply` and `shadowline delete`.

use anyhow::{Context, bail};
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::args::{ApplyArgs, DeleteArgs, Host, Kind};
use crate::client::{Client, url};
use crate::documents::{self, Document};
use crate::endpoints::Endpoints;
use crate::output;
use crate::specs_api::SpecsApi;

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Applied {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) outcome: Outcome,
    /// The service that has it now.
    pub(crate) service: &'static str,
}

/// What applying a document changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Created,
    Updated,
    Unchanged,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // `pad` and not `write_str`, so that a width is kept.
        f.pad(match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        })
    }
}

pub(crate) async fn run(args: &ApplyArgs) -> anyhow::Result<()> {
    let endpoints = Endpoints::from_args(&args.servers)?;
    let documents = documents::read_all(&args.files)?;
    let client = Client::new()?;
    let mut applied = Vec::with_capacity(documents.len());
    for document in documents {
        let one = apply(&client, &endpoints, document).await?;
        if !args.json {
            let Applied { kind, name, version, outcome, service } = &one;
            output::line(format!("{outcome:9}  {kind} {name}, version {version} ({service})"))?;
        }
        applied.push(one);
    }
    if args.json {
        output::json(&serde_json::json!({"applied": applied}))?;
    }
    Ok(())
}

/// Sends one document to the service that it is for.
pub(crate) async fn apply(
    client: &Client,
    endpoints: &Endpoints,
    document: Document,
) -> anyhow::Result<Applied> {
    match document {
        Document::Model { host, document, artefact } => {
            let name = document.name.to_string();
            let what = || format!("apply model `{name}`");
            let answer = client
                .install(endpoints.host(host)?, document.to_yaml()?, artefact)
                .await
                .with_context(what)?;
            let version = answer.body["model"]["version"].as_u64();
            let version =
                version.with_context(|| format!("{}: no version in {}", what(), answer.body))?;
            let outcome = match (answer.status, version) {
                (StatusCode::OK, _) => Outcome::Unchanged,
                (_, 1) => Outcome::Created,
                // Another version of a model that is there already.
                _ => Outcome::Updated,
            };
            Ok(Applied { kind: "Model", name, version, outcome, service: host.name() })
        }
        Document::MetricSpec(spec) => {
            let name = spec.name().to_string();
            let what = || format!("apply metric spec `{name}`");
            let specs = SpecsApi::new(client.clone(), endpoints.metric_specs()?);
            let put = specs.put(&spec).await.with_context(what)?;
            let outcome = match put.change.as_str() {
                "created" => Outcome::Created,
                "unchanged" => Outcome::Unchanged,
                _ => Outcome::Updated,
            };
            let service = "metric-specs";
            Ok(Applied { kind: "MetricSpec", name, version: put.version, outcome, service })
        }
    }
}

pub(crate) async fn delete(args: &DeleteArgs) -> anyhow::Result<()> {
    let endpoints = Endpoints::from_args(&args.servers)?;
    let client = Client::new()?;
    let name = &args.name;
    let service = match args.kind {
        Kind::Spec => {
            if args.version.is_some() || args.on.is_some() {
                bail!("--version and --on are for models; a metric spec is deleted as a whole");
            }
            SpecsApi::new(client, endpoints.metric_specs()?).delete(name).await?;
            "metric-specs"
        }
        Kind::Model => {
            let host = match args.on {
                Some(host) => host,
                None => the_host_of(&client, &endpoints, name).await?,
            };
            let version = args.version.map(|it| it.to_string());
            let mut path = vec!["v1", "models", name];
            path.extend(version.iter().flat_map(|it| ["versions", it]));
            client.delete(&url(endpoints.host(host)?, &path, &[])?).await?;
            host.name()
        }
    };
    if args.json {
        return output::json(
            &json!({"deleted": name, "version": args.version, "service": service}),
        );
    }
    output::line(format!("deleted    {name} ({service})"))
}

/// The one service that has a model of a name.
pub(crate) async fn the_host_of(
    client: &Client,
    endpoints: &Endpoints,
    name: &str,
) -> anyhow::Result<Host> {
    let mut hosts = Vec::new();
    for (host, base) in endpoints.hosts() {
        if client.find(&url(base, &["v1", "models", name], &[])?).await?.is_some() {
            hosts.push(host);
        }
    }
    match hosts.as_slice() {
        [only] => Ok(*only),
        [] => bail!("no service has a model `{name}`"),
        many => {
            let names: Vec<&str> = many.iter().map(|it| it.name()).collect();
            bail!("model `{name}` is on {}; choose one by --on", names.join(" and "))
        }
    }
}
