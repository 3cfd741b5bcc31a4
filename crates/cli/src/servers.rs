//! The services that a command asks, each by its typed client.

use anyhow::bail;
use shadowline_client::{Client, MetricSpecs, Monitor, Packages};

use crate::args::{Host, ServerArgs};
use crate::endpoints::Endpoints;

/// A client that says which program it is.
pub(crate) fn client() -> anyhow::Result<Client> {
    Ok(Client::new(concat!("shadowline/", env!("CARGO_PKG_VERSION")))?)
}

/// Where the services are, and how they are asked.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    client: Client,
    endpoints: Endpoints,
}

impl Servers {
    /// Those that flags name.
    pub(crate) fn from_args(args: &ServerArgs) -> anyhow::Result<Self> {
        Self::at(Endpoints::from_args(args)?)
    }

    /// Those at known addresses.
    pub(crate) fn at(endpoints: Endpoints) -> anyhow::Result<Self> {
        Ok(Self { client: client()?, endpoints })
    }

    /// The metric-spec service.
    pub(crate) fn metric_specs(&self) -> anyhow::Result<MetricSpecs> {
        Ok(self.client.metric_specs(self.endpoints.metric_specs()?)?)
    }

    /// The monitor at an address.
    pub(crate) fn monitor(&self, address: &str) -> anyhow::Result<Monitor> {
        Ok(self.client.monitor(address)?)
    }

    /// The packages of a service that hosts some.
    pub(crate) fn packages(&self, host: Host) -> anyhow::Result<Packages> {
        Ok(self.client.packages(self.endpoints.host(host)?)?)
    }

    /// The packages of every service that hosts some.
    pub(crate) fn all_packages(&self) -> anyhow::Result<Vec<(Host, Packages)>> {
        let hosts = self.endpoints.hosts();
        hosts.map(|(host, address)| Ok((host, self.client.packages(address)?))).collect()
    }

    /// The one service that has a model of a name.
    ///
    /// # Errors
    /// If none has, or several have.
    pub(crate) async fn host_of(&self, name: &str) -> anyhow::Result<Host> {
        // It may be on one of these.
        if let Some(unnamed) = self.endpoints.unnamed(Host::all().iter().map(|it| it.name())) {
            eprintln!("{unnamed}");
        }
        let mut hosts = Vec::new();
        for (host, packages) in self.all_packages()? {
            if packages.find(name).await?.is_some() {
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
}
