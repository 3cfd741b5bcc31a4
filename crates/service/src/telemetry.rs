//! Logging: set up once per process, to standard error.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log messages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One readable line per event.
    Human,
    /// One JSON object per event.
    Json,
}

/// Settings of the log output; the same in every program.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How log messages are written.
    #[serde(default)]
    pub format: Format,
    /// Which events are written, in the syntax of `RUST_LOG`, for example `info,shadowline_stream=debug`.
    /// The environment variable `RUST_LOG` wins over it.
    #[serde(default = "default_filter")]
    pub filter: Filter,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { format: Format::default(), filter: default_filter() }
    }
}

fn default_filter() -> Filter {
    Filter("info".into())
}

/// A filter directive that is known to parse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Filter(String);

impl TryFrom<String> for Filter {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match EnvFilter::try_new(&text) {
            Ok(_) => Ok(Filter(text)),
            Err(error) => Err(format!(
                "`{text}` is not a log filter such as `info,shadowline_stream=debug`: {error}"
            )),
        }
    }
}

/// Starts logging to standard error. A second call in one process changes nothing.
pub fn init(service: &'static str, settings: &Settings) {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::new(text),
        _ => EnvFilter::new(&settings.filter.0),
    };
    let human = match settings.format {
        Format::Auto => std::io::stderr().is_terminal(),
        Format::Human => true,
        Format::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let first = if human {
        registry.with(layer.with_ansi(std::io::stderr().is_terminal())).try_init()
    } else {
        registry.with(layer.json().flatten_event(true)).try_init()
    };
    if first.is_ok() {
        tracing::debug!(service, "logging started");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_init_changes_nothing() {
        init("one", &Settings::default());
        init("two", &Settings { format: Format::Json, ..Settings::default() });
    }

    #[test]
    fn a_filter_that_does_not_parse_is_refused() {
        let error = Filter::try_from("info,shadowline=loud".to_owned()).unwrap_err();
        assert!(error.contains("info,shadowline=loud"), "{error}");
    }
}
