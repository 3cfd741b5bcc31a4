//! The settings of all services together.

use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use shadowline_service::settings::Layers;
use shadowline_service::telemetry;
use shadowline_stream::Topics;

/// Settings of `shadowline up`: one table per service, and the log output of the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) serving: shadowline_serving::Config,
    pub(crate) monitor_iforest: shadowline_monitor_iforest::Config,
    pub(crate) monitor_knn: shadowline_monitor_knn::Config,
    pub(crate) metric_specs: shadowline_metric_specs::Config,
    #[serde(default)]
    pub(crate) telemetry: telemetry::Settings,
}

/// The tables of the services.
const SERVICES: [&str; 4] = ["serving", "monitor_iforest", "monitor_knn", "metric_specs"];

impl Config {
    /// Defaults with everything below one directory, then a file, the environment and flags.
    pub(crate) fn load(
        data_dir: &Path,
        file: Option<&Path>,
        flags: &[String],
    ) -> anyhow::Result<Self> {
        let mut layers = Layers::defaults(&own_defaults(data_dir)?)?
            .defaults_in("serving", shadowline_serving::DEFAULTS)?
            .defaults_in("monitor_iforest", shadowline_monitor_iforest::DEFAULTS)?
            .defaults_in("monitor_knn", shadowline_monitor_knn::DEFAULTS)?
            .defaults_in("metric_specs", shadowline_metric_specs::DEFAULTS)?
            .file(file)?
            .environment(std::env::vars_os())
            .flags(flags)?;
        // In one process there is one log, and it is below the data directory.
        let log_dir = path_text(&data_dir.join("log"))?;
        for service in SERVICES {
            let log = |key: &str| format!("{service}.log.{key}");
            layers = layers.set("`shadowline up`", &log("kind"), "embedded").set(
                "`shadowline up`",
                &log("dir"),
                &log_dir,
            );
        }
        let config: Self = layers.extract()?;
        config.check()?;
        Ok(config)
    }

    /// The topics that all services use.
    pub(crate) fn topics(&self) -> &Topics {
        &self.serving.topics.prefix
    }

    fn check(&self) -> anyhow::Result<()> {
        self.serving.check()?;
        let expected = self.topics().prefix();
        for (service, topics) in [
            ("monitor_iforest", &self.monitor_iforest.topics.prefix),
            ("monitor_knn", &self.monitor_knn.topics.prefix),
            ("metric_specs", &self.metric_specs.topics.prefix),
        ] {
            if topics.prefix() != expected {
                bail!(
                    "setting `{service}.topics.prefix` is `{}`; expected `{expected}`, as in `serving`",
                    topics.prefix()
                );
            }
        }
        Ok(())
    }
}

/// What differs from the services' own defaults.
fn own_defaults(data_dir: &Path) -> anyhow::Result<String> {
    let at = |part: &str| path_text(&data_dir.join(part)).map(toml_string);
    Ok(format!(
        "[serving]\ndata_dir = {}\n\
         [serving.grpc]\nlisten = '127.0.0.1:8001'\n\
         [serving.http]\nlisten = '127.0.0.1:8000'\n\
         [monitor_iforest]\npackages_dir = {}\n\
         [monitor_knn]\npackages_dir = {}\n\
         [metric_specs]\nstore = {}\n\
         [telemetry]\nfilter = 'warn'\n",
        at("serving")?,
        at("monitor-iforest/packages")?,
        at("monitor-knn/packages")?,
        at("metric-specs.sqlite")?,
    ))
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str();
    text.map(str::to_owned)
        .with_context(|| format!("data directory `{}` is not UTF-8", path.display()))
}

fn toml_string(text: String) -> String {
    serde_json::Value::String(text).to_string()
}
