//! `shadowline rollback`: an older version answers again.

use std::num::NonZeroU64;

use anyhow::{Context, bail};
use serde_json::json;
use shadowline_api::packages::PackageVersions;

use crate::args::RollbackArgs;
use crate::output;
use crate::servers::Servers;

pub(crate) async fn run(args: &RollbackArgs) -> anyhow::Result<()> {
    let servers = Servers::from_args(&args.servers)?;
    let name = &args.name;
    let host = match args.on {
        Some(host) => host,
        None => servers.host_of(name).await?,
    };
    let packages = servers.packages(host)?;
    let Some(before) = packages.find(name).await? else {
        bail!("{} has no model `{name}`", host.name());
    };
    let to = match args.to {
        Some(version) => version,
        None => before_default(&before)?,
    };
    let after = packages.set_default(name, to).await?;
    let (from, to) = (before.default_version, after.default_version);
    if args.json {
        return output::json(&json!({
            "model": name, "service": host.name(), "previous_version": from, "default_version": to,
        }));
    }
    let version = |it: Option<u64>| it.map_or_else(|| "none".to_owned(), |it| it.to_string());
    let (from, to) = (version(from), version(to));
    let outcome = if from == to { "unchanged" } else { "changed" };
    output::line(format!(
        "{outcome:9}  Model {name}, default version {to}, before {from} ({})",
        host.name()
    ))
}

/// The version before the one that answers now.
fn before_default(versions: &PackageVersions) -> anyhow::Result<NonZeroU64> {
    let PackageVersions { name, default_version, versions, .. } = versions;
    let default = default_version.with_context(|| format!("no version of `{name}` can be used"))?;
    let older = versions.iter().map(|it| it.version).filter(|it| *it < default).max();
    older
        .and_then(NonZeroU64::new)
        .with_context(|| format!("`{name}` has no version before {default}, which answers now"))
}
