//! What is said of a service.

use shadowline_service::catalogue::MetricFamily;
use shadowline_service::routes::Declared;
use shadowline_service::settings::{Layers, SettingsError};

use crate::settings::{Code, Settings};

/// One service: everything that the code which treats all services alike has to know of it.
#[derive(Debug)]
pub struct Descriptor {
    /// Its name, as in `shadowline status`, metrics, Compose and Kubernetes: `monitor-knn`.
    pub name: &'static str,
    /// The name of its program: `shadowline-monitor-knn`.
    pub program: &'static str,
    /// Its name in a sentence: `the KNN monitor`.
    pub title: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its default settings, as TOML.
    pub defaults: &'static str,
    /// The default port of REST, metrics and health; the setting is `http.listen`.
    pub http: u16,
    /// The default port of gRPC, if it speaks that; the setting is `grpc.listen`.
    pub grpc: Option<u16>,
    /// What must be there for it to work.
    pub needs: &'static [Need],
    /// What it keeps on disk, if anything.
    pub keeps: Option<Keeps>,
    /// Whether the setting `group` names its consumer group.
    pub has_group: bool,
    /// The packages that can be installed in it, if any.
    pub packages: Option<Packages>,
    /// Makes its OpenAPI document.
    pub openapi_json: fn() -> String,
    /// Lists the routes of its HTTP port, each with the role that it needs.
    pub routes: fn() -> Vec<Declared>,
    /// Lists the methods of its gRPC port, if it has one, each with the role that it needs.
    pub grpc_methods: Option<fn() -> Vec<Declared>>,
    /// Lists the metrics that its `/metrics` can have.
    pub metric_families: fn() -> Vec<MetricFamily>,
    /// What it does with its settings.
    pub code: &'static dyn Code,
}

/// What a service needs beside its own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The topics; it has the settings `log` and `topics`.
    Log,
    /// SQL, where it does not run on a file of its own.
    Database,
}

/// What a service keeps on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeps {
    /// The setting that says where.
    pub setting: &'static str,
    /// Its place below a directory for all services.
    pub place: &'static str,
}

/// The packages that a service hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packages {
    /// What they are, for `--help`: `KNN outlier detectors`.
    pub title: &'static str,
    /// The runtimes of their documents.
    pub runtimes: &'static [&'static str],
}

impl Descriptor {
    /// Its name as a key: its table in the settings of `shadowline up`, its entry in `endpoints.json`.
    pub fn key(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Whether it needs something.
    pub fn needs(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }

    /// Makes its settings of layers: of the whole of them, or of one table.
    ///
    /// # Errors
    /// As [`Layers::extract`].
    pub fn settings(
        &self,
        layers: &Layers,
        table: Option<&str>,
    ) -> Result<Box<dyn Settings>, SettingsError> {
        self.code.settings(layers, table)
    }
}
