//! `shadowline delete`.

use std::num::NonZeroU64;

use anyhow::{Context, bail};
use serde_json::json;
use shadowline_api::specs::SpecAnswer;
use shadowline_evaluation::Scalar;

use crate::apply::METRIC_SPECS;
use crate::args::{DeleteArgs, Host, Kind};
use crate::output;
use crate::servers::Servers;

pub(crate) async fn run(args: &DeleteArgs) -> anyhow::Result<()> {
    let servers = Servers::from_args(&args.servers)?;
    let name = &args.name;
    let service = match args.kind {
        Kind::Spec => {
            if args.version.is_some() || args.on.is_some() || args.force {
                bail!(
                    "--version, --on and --force are for models; a metric spec is deleted as a whole"
                );
            }
            servers.metric_specs()?.delete(name).await?;
            METRIC_SPECS
        }
        Kind::Model => {
            let host = match args.on {
                Some(host) => host,
                None => servers.host_of(name).await?,
            };
            if !args.force {
                refuse_used(&servers, host, name, args.version).await?;
            }
            servers.packages(host)?.remove(name, args.version, args.force).await?;
            host.name()
        }
    };
    if args.json {
        return output::json(
            &json!({"deleted": name, "version": args.version, "service": service}),
        );
    }
    let version = args.version.map(|it| format!(" version {it}")).unwrap_or_default();
    output::line(format!("deleted    {name}{version} ({service})"))
}

/// Refuses to delete what an enabled metric spec names: a spec goes on then, and judges nothing. The hosts refuse it as
/// well, by what they have read of the topic; this asks who has it.
async fn refuse_used(
    servers: &Servers,
    host: Host,
    name: &str,
    version: Option<NonZeroU64>,
) -> anyhow::Result<()> {
    // Who watches nothing names no such service.
    let Ok(metric_specs) = servers.metric_specs() else { return Ok(()) };
    let specs = metric_specs.list().await.with_context(|| {
        format!("ask whether a metric spec uses `{name}` (--force deletes without asking)")
    })?;
    let found = servers.packages(host)?.find(name).await?;
    let is_last = found.is_none_or(|it| it.versions.len() <= 1);
    let users: Vec<String> = specs
        .iter()
        .filter(|it| uses(it, name, version, is_last))
        .map(|it| format!("`{}`", it.spec.name))
        .collect();
    if users.is_empty() {
        return Ok(());
    }
    let (what, whose) = match version {
        Some(version) => (format!("version {version} of `{name}`"), users.join(", ")),
        None => (format!("`{name}`"), users.join(", ")),
    };
    bail!(
        "{what} is used by the metric specs {whose}, which would judge nothing; delete or disable them first, or say --force"
    )
}

/// Whether an enabled spec names a model or detector in this version. One that names no version uses the last one.
fn uses(spec: &SpecAnswer, name: &str, version: Option<NonZeroU64>, is_last: bool) -> bool {
    let (model, metric) = (&spec.spec.model, &spec.spec.metric);
    let named = |named: &Option<Scalar>| named.as_ref().and_then(|it| it.0.parse().ok());
    let is_meant = |pinned: Option<NonZeroU64>| match (version, pinned) {
        (None, _) => true,
        (Some(_), None) => is_last,
        (Some(version), Some(pinned)) => version == pinned,
    };
    let is_model = model.name == name && is_meant(named(&model.version));
    let is_detector = metric.monitor.as_deref() == Some(name) && is_meant(named(&metric.version));
    spec.spec.enabled != Some(false) && (is_model || is_detector)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(model_version: serde_json::Value, detector_version: serde_json::Value) -> SpecAnswer {
        serde_json::from_value(json!({
            "id": "0", "version": 1, "alerts_when": "", "healthy_while": "", "sentence": "",
            "created_at": "2026-11-22T10:00:00Z", "updated_at": "2026-11-22T10:00:00Z",
            "spec": {
                "name": "s", "model": {"name": "m", "version": model_version},
                "metric": {"monitor": "d", "version": detector_version},
                "alert_when": {"operator": "greater", "threshold": 0.5},
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_spec_uses_what_it_names_and_of_no_version_the_last() {
        let (any, pinned) = (spec(json!("*"), json!(null)), spec(json!(2), json!(3)));
        let check = |spec: &SpecAnswer, name, version, is_last, expected| {
            assert_eq!(
                uses(spec, name, NonZeroU64::new(version), is_last),
                expected,
                "{name} {version}"
            );
        };
        for name in ["m", "d"] {
            check(&any, name, 0, false, true);
            check(&any, name, 1, false, false);
            check(&any, name, 1, true, true);
            check(&pinned, name, 0, false, true);
            check(&pinned, name, 9, true, false);
        }
        check(&pinned, "m", 2, false, true);
        check(&pinned, "d", 3, false, true);
        check(&pinned, "d", 2, true, false);
        check(&any, "other", 0, true, false);
        let mut off = any;
        off.spec.enabled = Some(false);
        check(&off, "m", 0, true, false);
    }
}
