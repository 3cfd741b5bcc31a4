//! Where the services are.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use shadowline_services::{Descriptor, SERVICES, Table};

use crate::args::{Host, ServerArgs, grpc_url_flag, url_flag};

/// The variable that names the file, where no flag does.
const VARIABLE: &str = "SHADOWLINE_ENDPOINTS";
/// The data directory of `shadowline up`, unless it is told another.
const DATA_DIR: &str = ".shadowline";
/// The name of the file in the data directory that says where the services are.
pub(crate) const FILE: &str = "endpoints.json";

/// Addresses of services, in the order of their table.
#[derive(Debug, Clone)]
pub struct Endpoints {
    services: Vec<(&'static Descriptor, Endpoint)>,
    /// Where they were read.
    file: Option<PathBuf>,
}

/// Addresses of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Of a service that speaks gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<String>,
    /// REST, metrics and health.
    pub http: String,
}

impl Endpoints {
    /// Addresses of services that are known one by one, in the order of their table.
    pub(crate) fn new(services: Vec<(&'static Descriptor, Endpoint)>) -> Self {
        Self { services, file: None }
    }

    /// The default ports of a host.
    pub fn of_host(table: Table, host: &str) -> Self {
        let at = |port: u16| format!("http://{host}:{port}");
        let services = table.iter().map(|service| {
            let endpoint = Endpoint { grpc: service.grpc.map(at), http: at(service.http) };
            (*service, endpoint)
        });
        Self { services: services.collect(), file: None }
    }

    /// The addresses that flags name.
    pub fn from_args(args: &ServerArgs) -> anyhow::Result<Self> {
        Self::of_table(SERVICES, args)
    }

    /// The addresses that flags name, of the services of a table. Where neither a file nor a host is named, the file is
    /// the one that the environment names, or else that of the nearest data directory.
    pub fn of_table(table: Table, args: &ServerArgs) -> anyhow::Result<Self> {
        let from = std::env::current_dir().unwrap_or_default();
        let found = match (&args.endpoints, &args.server) {
            (None, None) => found(std::env::var_os(VARIABLE), &from),
            (file, _) => file.clone().map(|path| (path, None)),
        };
        let mut endpoints = match &found {
            Some((path, Some(from))) => Self::read(table, path).context(*from)?,
            Some((path, None)) => Self::read(table, path)?,
            None => Self::of_host(table, args.server.as_deref().unwrap_or("127.0.0.1")),
        };
        for service in table {
            if let Some(url) = given(args, &url_flag(service))? {
                endpoints.set_http(service, url);
            }
            if let Some(url) = given(args, &grpc_url_flag(service))? {
                endpoints.set_grpc(service, url)?;
            }
        }
        Ok(endpoints)
    }

    /// Reads the file that `shadowline up` wrote. A service that it does not name was not there, as one that came with
    /// a later version.
    pub fn read(table: Table, path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read endpoints `{}`", path.display()))?;
        let read = Self::parse(table, &text)
            .with_context(|| format!("parse endpoints `{}`", path.display()))?;
        Ok(Self { file: Some(path.to_owned()), ..read })
    }

    fn parse(table: Table, text: &str) -> anyhow::Result<Self> {
        let mut found: BTreeMap<String, Endpoint> = serde_json::from_str(text)?;
        let mut services = Vec::new();
        for service in table {
            let Some(endpoint) = found.remove(&service.key()) else { continue };
            if endpoint.grpc.is_some() != service.grpc.is_some() {
                let expected = if service.grpc.is_some() { "`grpc` and `http`" } else { "`http`" };
                bail!("`{}`: expected {expected}", service.key());
            }
            services.push((*service, endpoint));
        }
        if let Some(unknown) = found.keys().next() {
            let known: Vec<_> = table.iter().map(|it| format!("`{}`", it.key())).collect();
            bail!("unknown field `{unknown}`, expected one of {}", known.join(", "));
        }
        // Every command would find nothing, and say so as if nothing were wrong.
        if services.is_empty() {
            bail!("it names no service");
        }
        Ok(Self { services, file: None })
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        crate::files::write_whole(path, text.as_bytes())
    }

    /// The HTTP address of a service.
    ///
    /// # Errors
    /// If none is known.
    pub fn http(&self, service: &str) -> anyhow::Result<&str> {
        Ok(&self.row(service)?.1.http)
    }

    /// The gRPC address of a service.
    ///
    /// # Errors
    /// If none is known, or it has none.
    pub fn grpc(&self, service: &str) -> anyhow::Result<&str> {
        let (descriptor, endpoint) = self.row(service)?;
        endpoint.grpc.as_deref().ok_or_else(|| match descriptor.grpc {
            Some(_) => anyhow!("the endpoints name no gRPC address of service {service}"),
            None => anyhow!("service {service} does not speak gRPC"),
        })
    }

    /// The HTTP address of the metric-spec service.
    ///
    /// # Errors
    /// If none is known.
    pub fn metric_specs(&self) -> anyhow::Result<&str> {
        self.http("metric-specs")
    }

    /// The address of a service that hosts packages.
    ///
    /// # Errors
    /// If none is known.
    pub fn host(&self, host: Host) -> anyhow::Result<&str> {
        self.http(host.name())
    }

    /// Every known service that hosts packages, with its address.
    pub fn hosts(&self) -> impl Iterator<Item = (Host, &str)> {
        let hosts = Host::all().iter();
        hosts.filter_map(|host| Some((*host, self.http(host.name()).ok()?)))
    }

    /// Every known service's name and HTTP address.
    pub fn all_http(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.services.iter().map(|(service, endpoint)| (service.name, endpoint.http.as_str()))
    }

    /// Every known service's name and addresses.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &Endpoint)> {
        self.services.iter().map(|(service, endpoint)| (service.name, endpoint))
    }

    /// Says which of these services the file did not name, if it left out any.
    pub(crate) fn unnamed(&self, services: impl Iterator<Item = &'static str>) -> Option<String> {
        let file = self.file.as_ref()?;
        let unnamed: Vec<_> = services.filter(|it| self.row(it).is_err()).collect();
        if unnamed.is_empty() {
            return None;
        }
        Some(format!("not named in {}: {}", file.display(), unnamed.join(", ")))
    }

    fn row(&self, service: &str) -> anyhow::Result<&(&'static Descriptor, Endpoint)> {
        let found = self.services.iter().find(|(it, _)| it.name == service);
        found.ok_or_else(|| anyhow!("the endpoints name no address of service {service}"))
    }

    fn set_http(&mut self, service: &'static Descriptor, url: String) {
        match self.services.iter_mut().find(|(it, _)| it.name == service.name) {
            Some((_, endpoint)) => endpoint.http = url,
            None => self.services.push((service, Endpoint { grpc: None, http: url })),
        }
    }

    fn set_grpc(&mut self, service: &'static Descriptor, url: String) -> anyhow::Result<()> {
        let found = self.services.iter_mut().find(|(it, _)| it.name == service.name);
        let (_, endpoint) = found.with_context(|| {
            format!("the endpoints name no HTTP address of service {}", service.name)
        })?;
        endpoint.grpc = Some(url);
        Ok(())
    }
}

/// The file that nobody named, and where it was found: what the environment names, else that in the data directory of the
/// working directory or of the nearest one above it that has one.
fn found(variable: Option<OsString>, from: &Path) -> Option<(PathBuf, Option<&'static str>)> {
    if let Some(path) = variable.filter(|it| !it.is_empty()) {
        return Some((path.into(), Some(VARIABLE)));
    }
    let places = from.ancestors().map(|it| it.join(DATA_DIR).join(FILE));
    places.into_iter().find(|it| it.is_file()).map(|path| (path, None))
}

/// The address that a flag gave, without the slash behind it.
fn given(args: &ServerArgs, flag: &str) -> anyhow::Result<Option<String>> {
    let Some(url) = args.urls.get(flag) else { return Ok(None) };
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        bail!("{flag} `{url}`: expected an address such as http://127.0.0.1:8000");
    }
    Ok(Some(url.trim_end_matches('/').to_owned()))
}

impl Serialize for Endpoints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.services.len()))?;
        for (service, endpoint) in &self.services {
            map.serialize_entry(&service.key(), endpoint)?;
        }
        map.end()
    }
}

impl PartialEq for Endpoints {
    fn eq(&self, other: &Self) -> bool {
        self.all().eq(other.all())
    }
}

impl Eq for Endpoints {}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(urls: &[(&str, &str)]) -> ServerArgs {
        let urls = urls.iter().map(|(flag, url)| ((*flag).to_owned(), (*url).to_owned()));
        ServerArgs { urls: urls.collect(), ..ServerArgs::default() }
    }

    #[test]
    fn flags_win_over_the_host() {
        let given = flags(&[("--serving-url", "https://predict.example/")]);
        let args = ServerArgs { server: Some("prod".into()), ..given };
        let endpoints = Endpoints::from_args(&args).unwrap();
        assert_eq!(endpoints.http("serving").unwrap(), "https://predict.example");
        assert_eq!(endpoints.grpc("serving").unwrap(), "http://prod:8001");
        assert_eq!(endpoints.metric_specs().unwrap(), "http://prod:8020");
        let error = Endpoints::from_args(&flags(&[("--metric-specs-url", "prod:8020")]));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("--metric-specs-url `prod:8020`"), "{error}");
    }

    #[test]
    fn the_file_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let endpoints = Endpoints::of_host(SERVICES, "127.0.0.1");
        endpoints.write(&path).unwrap();
        assert_eq!(Endpoints::read(SERVICES, &path).unwrap(), endpoints);
    }

    /// The file as earlier versions wrote it.
    const WRITTEN: &str = r#"{
  "serving": {
    "grpc": "http://127.0.0.1:8001",
    "http": "http://127.0.0.1:8000"
  },
  "monitor_iforest": {
    "http": "http://127.0.0.1:8010"
  },
  "monitor_knn": {
    "http": "http://127.0.0.1:8011"
  },
  "metric_specs": {
    "http": "http://127.0.0.1:8020"
  }
}"#;

    #[test]
    fn the_file_is_as_it_was() {
        let endpoints = Endpoints::of_host(SERVICES, "127.0.0.1");
        assert_eq!(serde_json::to_string_pretty(&endpoints).unwrap(), WRITTEN);
        assert_eq!(Endpoints::parse(SERVICES, WRITTEN).unwrap(), endpoints);
        let refused = |from: &str, to: &str| {
            let text = WRITTEN.replace(from, to);
            assert_ne!(text, WRITTEN);
            Endpoints::parse(SERVICES, &text).unwrap_err().to_string()
        };
        assert!(refused("monitor_knn", "monitor_kn").contains("unknown field `monitor_kn`"));
        let without = r#""grpc": "http://127.0.0.1:8001","#;
        assert!(refused(without, "").contains("`serving`: expected `grpc` and `http`"));
    }

    #[test]
    fn a_file_that_nobody_named_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert_eq!(found(None, &below), None);
        let file = folder.path().join(DATA_DIR).join(FILE);
        std::fs::create_dir(folder.path().join(DATA_DIR)).unwrap();
        // A directory in which nothing runs.
        assert_eq!(found(None, &below), None);
        std::fs::write(&file, WRITTEN).unwrap();
        assert_eq!(found(None, &below), Some((file.clone(), None)));
        assert_eq!(found(Some(OsString::new()), &below), Some((file, None)));
        let named = Some((PathBuf::from("x.json"), Some(VARIABLE)));
        assert_eq!(found(Some("x.json".into()), &below), named);
    }

    #[test]
    fn what_a_file_does_not_name_is_not_there() {
        let endpoints = Endpoints::parse(SERVICES, r#"{"monitor_knn": {"http": "http://h:1"}}"#);
        let endpoints = endpoints.unwrap();
        assert_eq!(endpoints.all_http().collect::<Vec<_>>(), [("monitor-knn", "http://h:1")]);
        assert_eq!(
            endpoints.hosts().map(|(host, _)| host.name()).collect::<Vec<_>>(),
            ["monitor-knn"]
        );
        let error = endpoints.metric_specs().unwrap_err().to_string();
        assert_eq!(error, "the endpoints name no address of service metric-specs");
        let error = Endpoints::parse(SERVICES, "{}").unwrap_err().to_string();
        assert_eq!(error, "it names no service");
    }

    #[test]
    fn what_a_file_does_not_name_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, r#"{"monitor_knn": {"http": "http://h:1"}}"#).unwrap();
        let args = flags(&[("--serving-url", "http://h:2")]);
        let endpoints =
            Endpoints::from_args(&ServerArgs { endpoints: Some(path.clone()), ..args }).unwrap();
        // A flag gave one of the two addresses of serving.
        let names = SERVICES.iter().map(|it| it.name);
        let expected = format!("not named in {}: monitor-iforest, metric-specs", path.display());
        assert_eq!(endpoints.unnamed(names.clone()), Some(expected));
        assert_eq!(endpoints.unnamed(["monitor-knn"].into_iter()), None);
        assert_eq!(Endpoints::of_host(SERVICES, "h").unnamed(names), None);

        let refused = |service| endpoints.grpc(service).unwrap_err().to_string();
        assert_eq!(refused("serving"), "the endpoints name no gRPC address of service serving");
        assert_eq!(refused("monitor-knn"), "service monitor-knn does not speak gRPC");
        let none = "the endpoints name no address of service metric-specs";
        assert_eq!(refused("metric-specs"), none);
    }
}
