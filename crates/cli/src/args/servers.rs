//! Which servers to ask: a host, a file, or an address for each service of the table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use shadowline_services::{Descriptor, SERVICES, Table};

/// Which servers to ask.
#[derive(Debug, Clone, Default)]
pub struct ServerArgs {
    /// Host of all services, at their default ports.
    pub server: Option<String>,
    /// The `endpoints.json` of a running system.
    pub endpoints: Option<PathBuf>,
    /// Addresses by the flags that gave them, such as `--monitor-knn-url`.
    pub urls: BTreeMap<String, String>,
}

/// What is the same whichever services there are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Servers")]
struct Common {
    /// Host of all services, at their default ports [default: 127.0.0.1, where no file of --endpoints is found]
    #[arg(long, global = true, value_name = "HOST")]
    server: Option<String>,
    /// The `endpoints.json` that `shadowline up` writes into its data directory [default: SHADOWLINE_ENDPOINTS, or
    /// `.shadowline/endpoints.json` in this directory or the nearest above it]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "server")]
    endpoints: Option<PathBuf>,
}

/// The flag for a service's REST interface.
pub(crate) fn url_flag(service: &Descriptor) -> String {
    format!("--{}-url", service.name)
}

/// The flag for a service's gRPC interface.
pub(crate) fn grpc_url_flag(service: &Descriptor) -> String {
    format!("--{}-grpc-url", service.name)
}

/// Adds the flags of [`ServerArgs`] to a command, for the services of a table.
pub fn with_servers(table: Table, command: Command) -> Command {
    let mut command = Common::augment_args(command);
    for service in table {
        let title = service.title;
        match service.grpc {
            None => {
                let about = format!("Address of {title}");
                command = command.arg(address(&url_flag(service), &about, service.http));
            }
            Some(port) => {
                let rest = format!("Address of {title}'s REST interface");
                let grpc = format!("Address of {title}'s gRPC interface");
                command = command
                    .arg(address(&url_flag(service), &rest, service.http))
                    .arg(address(&grpc_url_flag(service), &grpc, port));
            }
        }
    }
    command
}

fn address(flag: &str, about: &str, port: u16) -> Arg {
    Arg::new(flag.to_owned())
        .long(flag.trim_start_matches('-').to_owned())
        .global(true)
        .value_name("URL")
        .help(format!("{about} [default: http://HOST:{port}]"))
        .help_heading("Servers")
}

impl Args for ServerArgs {
    fn augment_args(command: Command) -> Command {
        with_servers(SERVICES, command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        with_servers(SERVICES, command)
    }
}

impl FromArgMatches for ServerArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let Common { server, endpoints } = Common::from_arg_matches(matches)?;
        (self.server, self.endpoints) = (server, endpoints);
        let flags = SERVICES.iter().flat_map(|it| {
            let grpc = it.grpc.map(|_| grpc_url_flag(it));
            [Some(url_flag(it)), grpc].into_iter().flatten()
        });
        for flag in flags {
            if let Some(url) = matches.get_one::<String>(&flag) {
                self.urls.insert(flag, url.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_flags() {
        let command = with_servers(SERVICES, Command::new("test"));
        let flags: Vec<_> = command
            .get_arguments()
            .map(|it| {
                let help = it.get_help().map(ToString::to_string).unwrap_or_default();
                assert_eq!(it.get_help_heading(), Some("Servers"));
                assert!(it.is_global_set());
                (it.get_long().unwrap_or_default().to_owned(), help)
            })
            .collect();
        let expected = [
            (
                "server",
                "Host of all services, at their default ports [default: 127.0.0.1, where no file of --endpoints is found]",
            ),
            (
                "endpoints",
                "The `endpoints.json` that `shadowline up` writes into its data directory [default: \
                 SHADOWLINE_ENDPOINTS, or `.shadowline/endpoints.json` in this directory or the nearest above it]",
            ),
            ("serving-url", "Address of serving's REST interface [default: http://HOST:8000]"),
            ("serving-grpc-url", "Address of serving's gRPC interface [default: http://HOST:8001]"),
            (
                "monitor-iforest-url",
                "Address of the isolation forest monitor [default: http://HOST:8010]",
            ),
            ("monitor-knn-url", "Address of the KNN monitor [default: http://HOST:8011]"),
            ("metric-specs-url", "Address of the metric-spec service [default: http://HOST:8020]"),
        ];
        assert_eq!(flags, expected.map(|(flag, help)| (flag.to_owned(), help.to_owned())));
    }

    #[test]
    fn flags_are_read() {
        let command = with_servers(SERVICES, Command::new("test"));
        let line = ["test", "--server", "prod", "--monitor-knn-url", "http://h:1"];
        let args = ServerArgs::from_arg_matches(&command.get_matches_from(line)).unwrap();
        assert_eq!((args.server.as_deref(), args.endpoints), (Some("prod"), None));
        let urls = [("--monitor-knn-url".to_owned(), "http://h:1".to_owned())];
        assert_eq!(args.urls, urls.into());
    }
}
