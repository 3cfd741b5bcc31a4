//! `shadowline apply`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use shadowline_api::packages::{InstallOutcome, PackageUpload, PackageVersions};
use shadowline_api::specs::{Change, MetricSpecDocument};
use shadowline_evaluation::{MetricSelector, MetricSpec, ModelSelector, VersionSelector};
use shadowline_packages::ArtefactName;

use crate::args::ApplyArgs;
use crate::documents::{self, Document};
use crate::output;
use crate::servers::Servers;

/// The service that metric specs go to.
pub(crate) const METRIC_SPECS: &str = "metric-specs";

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Applied {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) outcome: Change,
    /// The service that has it now.
    pub(crate) service: &'static str,
    /// Whether a model was rolled back to another version than this, which answers where none is named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_rolled_back: bool,
}

pub(crate) async fn run(args: &ApplyArgs) -> anyhow::Result<()> {
    let servers = Servers::from_args(&args.servers)?;
    let documents = documents::read_all(&args.files)?;
    let mut applied = Vec::with_capacity(documents.len());
    let specs: Vec<MetricSpec> = documents.iter().filter_map(Document::spec).cloned().collect();
    for document in documents {
        let one = apply(&servers, document).await?;
        if !args.json {
            let Applied { kind, name, version, outcome, service, is_rolled_back } = &one;
            output::line(format!("{outcome:9}  {kind} {name}, version {version} ({service})"))?;
            if *is_rolled_back {
                output::line(format!(
                    "           {name} is rolled back and does not answer by it; `shadowline rollback {name} --to {version}` ends that"
                ))?;
            }
        }
        applied.push(one);
    }
    if args.json {
        output::json(&json!({"applied": applied}))?;
    }
    for warning in watching_nothing(&servers, &specs).await {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

/// Says which of the specs name a detector, or a version, that no service has now: nothing is judged by them, and every
/// service is well.
async fn watching_nothing(servers: &Servers, specs: &[MetricSpec]) -> Vec<String> {
    let mut installed: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    if specs.is_empty() {
        return Vec::new();
    }
    for (_, packages) in servers.all_packages().unwrap_or_default() {
        // Of a service that does not answer nothing can be said.
        let Ok(list) = packages.list().await else { return Vec::new() };
        let damaged = list.damaged.into_iter().map(|it| (it.name, it.version));
        for (name, version) in
            list.models.into_iter().map(|it| (it.name, it.version)).chain(damaged)
        {
            installed.entry(name).or_default().insert(version);
        }
    }
    let missing = |name: &str, version: &VersionSelector| match (installed.get(name), version) {
        (Some(versions), VersionSelector::Exactly(version)) if !versions.contains(version) => {
            let there: Vec<String> = versions.iter().map(ToString::to_string).collect();
            Some(format!("`{name}` has no version {version}; it has {}", there.join(", ")))
        }
        (Some(_), _) => None,
        (None, _) => Some(format!("no service has a detector `{name}`")),
    };
    let mut warnings = Vec::new();
    for spec in specs.iter().filter(|it| it.enabled()) {
        let mut warn = |what: String| {
            warnings.push(format!("metric spec `{}` watches nothing now: {what}", spec.name()));
        };
        if let MetricSelector::Monitor { name, version } = spec.metric()
            && let Some(what) = missing(name, version)
        {
            warn(what);
        }
        // A model need not be a package.
        let ModelSelector { name, version } = spec.model();
        if installed.contains_key(name)
            && let Some(what) = missing(name, version)
        {
            warn(what);
        }
    }
    warnings
}

/// Sends one document to the service that it is for.
pub(crate) async fn apply(servers: &Servers, document: Document) -> anyhow::Result<Applied> {
    match document {
        Document::Model { host, document, artefacts } => {
            let name = document.name.to_string();
            let what = || format!("apply model `{name}`");
            let upload = PackageUpload {
                document: document.to_yaml()?,
                artefact: artefacts.model().to_vec(),
                profile: artefacts.get(ArtefactName::Profile).map(<[u8]>::to_vec),
            };
            let installed = servers.packages(host)?.install(upload).await.with_context(what)?;
            let version = installed.model.version;
            let outcome = match (installed.outcome, version) {
                (InstallOutcome::Unchanged, _) => Change::Unchanged,
                (InstallOutcome::Installed, 1) => Change::Created,
                // Another version of a model that is there already.
                (InstallOutcome::Installed, _) => Change::Updated,
            };
            // Of an older version that was there already nothing was expected.
            let is_rolled_back = outcome == Change::Unchanged && {
                let versions = servers.packages(host)?.find(&name).await?;
                versions.is_some_and(|it| is_newest_and_not_default(&it, version))
            };
            Ok(Applied {
                kind: "Model",
                name,
                version,
                outcome,
                service: host.name(),
                is_rolled_back,
            })
        }
        Document::MetricSpec(spec) => {
            let name = spec.name().to_string();
            let what = || format!("apply metric spec `{name}`");
            let document = MetricSpecDocument::from(*spec);
            let put = servers.metric_specs()?.put(&document).await.with_context(what)?;
            let (version, outcome) = (put.version.into(), put.change.unwrap_or(Change::Updated));
            let (kind, service) = ("MetricSpec", METRIC_SPECS);
            Ok(Applied { kind, name, version, outcome, service, is_rolled_back: false })
        }
    }
}

fn is_newest_and_not_default(versions: &PackageVersions, version: u64) -> bool {
    let newest = versions.versions.iter().map(|it| it.version).max();
    newest == Some(version) && versions.default_version.is_some_and(|it| it != version)
}
