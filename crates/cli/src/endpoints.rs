//! Where the services are.

use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::args::{Host, ServerArgs};

/// The name of the file in the data directory that says where the services are.
pub(crate) const FILE: &str = "endpoints.json";

/// Addresses of every service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    pub serving: ServingEndpoint,
    pub monitor_iforest: HttpEndpoint,
    pub monitor_knn: HttpEndpoint,
    pub metric_specs: HttpEndpoint,
}

/// A service that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpEndpoint {
    pub http: String,
}

/// A service that speaks gRPC, and HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServingEndpoint {
    pub grpc: String,
    pub http: String,
}

impl Endpoints {
    /// The default ports of a host.
    pub fn of_host(host: &str) -> Self {
        let at = |port: u16| format!("http://{host}:{port}");
        Self {
            serving: ServingEndpoint { grpc: at(8001), http: at(8000) },
            monitor_iforest: HttpEndpoint { http: at(8010) },
            monitor_knn: HttpEndpoint { http: at(8011) },
            metric_specs: HttpEndpoint { http: at(8020) },
        }
    }

    /// The addresses that flags name.
    pub fn from_args(args: &ServerArgs) -> anyhow::Result<Self> {
        let mut endpoints = match &args.endpoints {
            Some(path) => Self::read(path)?,
            None => Self::of_host(args.server.as_deref().unwrap_or("127.0.0.1")),
        };
        for (given, place, flag) in [
            (&args.serving_url, &mut endpoints.serving.http, "--serving-url"),
            (&args.serving_grpc_url, &mut endpoints.serving.grpc, "--serving-grpc-url"),
            (
                &args.monitor_iforest_url,
                &mut endpoints.monitor_iforest.http,
                "--monitor-iforest-url",
            ),
            (&args.monitor_knn_url, &mut endpoints.monitor_knn.http, "--monitor-knn-url"),
            (&args.metric_specs_url, &mut endpoints.metric_specs.http, "--metric-specs-url"),
        ] {
            let Some(url) = given else { continue };
            if !(url.starts_with("http://") || url.starts_with("https://")) {
                bail!("{flag} `{url}`: expected an address such as http://127.0.0.1:8000");
            }
            *place = url.trim_end_matches('/').to_owned();
        }
        Ok(endpoints)
    }

    /// Reads the file that `shadowline up` wrote.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read endpoints `{}`", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("parse endpoints `{}`", path.display()))
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        crate::files::write_whole(path, text.as_bytes())
    }

    /// The address of a service that hosts packages.
    pub fn host(&self, host: Host) -> &str {
        match host {
            Host::Serving => &self.serving.http,
            Host::MonitorIforest => &self.monitor_iforest.http,
            Host::MonitorKnn => &self.monitor_knn.http,
        }
    }

    /// Every service's name and HTTP address.
    pub fn all_http(&self) -> [(&'static str, &str); 4] {
        [
            ("serving", &self.serving.http),
            ("monitor-iforest", &self.monitor_iforest.http),
            ("monitor-knn", &self.monitor_knn.http),
            ("metric-specs", &self.metric_specs.http),
        ]
    }
}

impl Host {
    /// Every service that hosts packages.
    pub const ALL: [Self; 3] = [Self::Serving, Self::MonitorIforest, Self::MonitorKnn];

    /// The service's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::MonitorIforest => "monitor-iforest",
            Self::MonitorKnn => "monitor-knn",
        }
    }

    /// Who can run artefacts of a runtime.
    pub fn of_runtime(runtime: &str) -> Option<Self> {
        match runtime {
            "logistic-regression" => Some(Self::Serving),
            "isolation-forest" => Some(Self::MonitorIforest),
            "knn" => Some(Self::MonitorKnn),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_host() {
        let args = ServerArgs {
            server: Some("prod".into()),
            serving_url: Some("https://predict.example/".into()),
            ..ServerArgs::default()
        };
        let endpoints = Endpoints::from_args(&args).unwrap();
        assert_eq!(endpoints.serving.http, "https://predict.example");
        assert_eq!(endpoints.serving.grpc, "http://prod:8001");
        assert_eq!(endpoints.metric_specs.http, "http://prod:8020");
        let args =
            ServerArgs { metric_specs_url: Some("prod:8020".into()), ..ServerArgs::default() };
        let error = Endpoints::from_args(&args).unwrap_err().to_string();
        assert!(error.contains("--metric-specs-url `prod:8020`"), "{error}");
    }

    #[test]
    fn the_file_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let endpoints = Endpoints::of_host("127.0.0.1");
        endpoints.write(&path).unwrap();
        assert_eq!(Endpoints::read(&path).unwrap(), endpoints);
    }
}
