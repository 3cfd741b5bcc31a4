//! Whether the client takes an operator's properties, before anything is started with them.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;

use super::bad_property::BadProperty;
use super::settings::Settings;

/// Checks every property by itself.
///
/// # Errors
/// The first that is reserved, unknown to the client or of a value that it cannot have.
pub(crate) fn check(properties: &BTreeMap<String, String>) -> Result<(), String> {
    Settings::new("", properties).map(drop).map_err(|error| error.to_string())?;
    for (name, value) in properties {
        if let Err(error) = ClientConfig::new().set(name, value).create_native_config() {
            return Err(
                BadProperty::of(&error).map_or_else(|| error.to_string(), |it| it.to_string())
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_and_no_value_is_told() {
        let refused = |name: &str, value: &str| {
            check(&BTreeMap::from([(name.to_owned(), value.to_owned())])).unwrap_err()
        };
        assert_eq!(
            refused("sasl.pasword", "hunter2"),
            "kafka property `sasl.pasword`: the client has none of this name; expected one of librdkafka's"
        );
        for (name, value) in [("security.protocol", "hunter2"), ("session.timeout.ms", "hunter2")] {
            let error = refused(name, value);
            assert!(error.contains(name) && !error.contains(value), "{error}");
        }
        assert!(refused("acks", "all").contains("cannot be set"));
        let good = [("sasl.password", "hunter2"), ("security.protocol", "SASL_SSL")];
        check(&good.map(|(name, value)| (name.to_owned(), value.to_owned())).into()).unwrap();
    }
}
