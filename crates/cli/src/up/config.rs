//! The settings of all services together.

use std::path::Path;

use anyhow::Context;
use shadowline_service::settings::{self, Layers, SettingsError};
use shadowline_service::telemetry;
use shadowline_services::{Descriptor, Need, Settings, Table};
use shadowline_stream::Topics;

/// Settings of `shadowline up`: one table per service, and the log output of the process.
#[derive(Debug)]
pub struct Config {
    /// In the order of the table of services.
    pub(crate) services: Vec<(&'static Descriptor, Box<dyn Settings>)>,
    pub(crate) telemetry: telemetry::Settings,
}

/// The table of the log output.
const TELEMETRY: &str = "telemetry";

impl Config {
    /// Defaults with everything below one directory, then a file, the environment and flags.
    pub fn load(
        table: Table,
        data_dir: &Path,
        file: Option<&Path>,
        flags: &[String],
    ) -> anyhow::Result<Self> {
        let mut layers = Layers::defaults(&own_defaults(table, data_dir)?)?;
        for service in table {
            layers = layers.defaults_in(&service.key(), service.defaults)?;
        }
        let mut layers = layers.file(file)?.environment(std::env::vars_os()).flags(flags)?;
        // In one process there is one log, and it is below the data directory.
        let log_dir = path_text(&data_dir.join("log"))?;
        for service in table.iter().filter(|it| it.needs(Need::Log)) {
            let log = |key: &str| format!("{}.log.{key}", service.key());
            layers = layers.set("`shadowline up`", &log("kind"), "embedded").set(
                "`shadowline up`",
                &log("dir"),
                &log_dir,
            );
        }
        let config = Self::extract(table, &layers)?;
        config.validate()?;
        Ok(config)
    }

    /// Takes every service's settings out of the layers. What is wrong is found in the order of the keys, so that the
    /// same error is said whichever order the services have.
    fn extract(table: Table, layers: &Layers) -> anyhow::Result<Self> {
        let mut services: Vec<(&'static Descriptor, Box<dyn Settings>)> = Vec::new();
        let mut telemetry = telemetry::Settings::default();
        for key in layers.keys()? {
            if key == TELEMETRY {
                telemetry = layers.extract_in(TELEMETRY)?;
                continue;
            }
            let Some(service) = table.iter().copied().find(|it| it.key() == key) else {
                let mut known: Vec<_> = table.iter().map(|it| it.key()).collect();
                known.push(TELEMETRY.to_owned());
                let known: Vec<_> = known.iter().map(String::as_str).collect();
                return Err(layers.unknown(&key, &known).into());
            };
            services.push((service, service.settings(layers, Some(&key))?));
        }
        services.sort_by_key(|(service, _)| table.iter().position(|it| it.name == service.name));
        Ok(Self { services, telemetry })
    }

    /// The topics that all services use.
    pub(crate) fn topics(&self) -> Topics {
        let topics = self.services.iter().find_map(|(_, settings)| settings.topics());
        topics.cloned().unwrap_or_default()
    }

    /// Prints the settings as the TOML file that would give them, with secrets masked.
    pub fn print(&self) -> anyhow::Result<String> {
        let mut tables = toml::Table::new();
        for (service, settings) in &self.services {
            tables.insert(service.key(), settings.to_toml()?.into());
        }
        tables.insert(TELEMETRY.to_owned(), settings::to_toml(&self.telemetry)?.into());
        Ok(settings::print(&tables)?)
    }

    fn validate(&self) -> anyhow::Result<()> {
        for (_, settings) in &self.services {
            settings
                .validate()
                .map_err(|error| SettingsError::Together { message: format!("{error:#}") })?;
        }
        let mut first: Option<(&str, &Topics)> = None;
        for (service, settings) in &self.services {
            let Some(topics) = settings.topics() else { continue };
            let (other, expected) = *first.get_or_insert((service.name, topics));
            if topics.prefix() != expected.prefix() {
                let message = format!(
                    "setting `{}.topics.prefix` is `{}`; expected `{}`, as in `{other}`",
                    service.key(),
                    topics.prefix(),
                    expected.prefix()
                );
                return Err(SettingsError::Together { message }.into());
            }
        }
        Ok(())
    }
}

/// What differs from the services' own defaults: data below one directory, and ports for this machine only.
fn own_defaults(table: Table, data_dir: &Path) -> anyhow::Result<String> {
    let mut toml = String::new();
    for service in table {
        let key = service.key();
        if let Some(keeps) = service.keeps {
            let place = toml_string(path_text(&data_dir.join(keeps.place))?);
            toml += &format!("{key}.{} = {place}\n", keeps.setting);
        }
        for (protocol, port) in [("grpc", service.grpc), ("http", Some(service.http))] {
            if let Some(port) = port {
                toml += &format!("{key}.{protocol}.listen = '127.0.0.1:{port}'\n");
            }
        }
    }
    Ok(format!("{toml}{TELEMETRY}.filter = 'warn'\n"))
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str();
    text.map(str::to_owned)
        .with_context(|| format!("data directory `{}` is not UTF-8", path.display()))
}

fn toml_string(text: String) -> String {
    serde_json::Value::String(text).to_string()
}

#[cfg(test)]
mod tests {
    use shadowline_services::SERVICES;

    use super::*;

    fn load(flags: &[&str]) -> anyhow::Result<Config> {
        let flags: Vec<_> = flags.iter().map(|it| (*it).to_owned()).collect();
        Config::load(SERVICES, Path::new("/data"), None, &flags)
    }

    #[test]
    fn everything_is_below_the_data_directory_and_on_this_machine() {
        let config = load(&[]).unwrap();
        let printed: toml::Table = config.print().unwrap().parse().unwrap();
        for (service, settings) in &config.services {
            let table = &printed[&service.key()];
            let keeps = service.keeps.unwrap();
            let kept = table[keeps.setting].as_str().unwrap().trim_start_matches("sqlite://");
            assert_eq!(kept, format!("/data/{}", keeps.place));
            assert_eq!(table["log"]["dir"].as_str(), Some("/data/log"));
            assert_eq!(settings.http().listen, format!("127.0.0.1:{}", service.http));
        }
        assert_eq!(printed["serving"]["grpc"]["listen"].as_str(), Some("127.0.0.1:8001"));
        assert_eq!(printed["telemetry"]["filter"].as_str(), Some("warn"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_table() {
        let refused = |flag: &str| load(&[flag]).unwrap_err().to_string();
        assert_eq!(
            refused("servng.http.listen=1"),
            "flag `--set servng.http.listen`: unknown key `servng`; did you mean `serving`?"
        );
        assert_eq!(
            refused("monitor_knn.http.listn=1"),
            "flag `--set monitor_knn.http.listn`: unknown key `monitor_knn.http.listn`; did you mean `listen`?"
        );
        assert_eq!(
            refused("monitor_knn.topics.prefix=other."),
            "setting `monitor_knn.topics.prefix` is `other.`; expected `shadowline.`, as in `serving`"
        );
        assert_eq!(
            refused("serving.topics.partitions=0"),
            "flag `--set serving.topics.partitions`: key `serving.topics.partitions`: found integer `0`, expected a whole number of at least 1"
        );
        assert_eq!(
            refused("telemetry.filtr=x"),
            "flag `--set telemetry.filtr`: unknown key `telemetry.filtr`; did you mean `filter`?"
        );
    }
}
