//! The table of services: one row for each.
//!
//! `shadowline up`, `demo`, `status`, `endpoints.json`, the metric page and the tests of the deployments loop over it
//! and name no service that they treat like every other one. How one is added is in `ARCHITECTURE.md`.
//!
//! Nothing is here but the table: what a row is, is said in `shadowline-program`.

pub use shadowline_program::{Descriptor, Keeps, Listeners, Need, Packages, Settings};

/// Every service, in the order of `shadowline status`. In one process they start and stop in this order: a service
/// stands before those for which it makes work.
pub static SERVICES: Table = &[
    &shadowline_serving::SERVICE,
    &shadowline_monitor_iforest::SERVICE,
    &shadowline_monitor_knn::SERVICE,
    &shadowline_metric_specs::SERVICE,
];

/// A table of services; what is made of it is made of any, so that tests can add a row.
pub type Table = &'static [&'static Descriptor];

/// The row of a service.
pub fn find(table: Table, name: &str) -> Option<&'static Descriptor> {
    table.iter().copied().find(|it| it.name == name)
}

/// The service that hosts packages of a runtime.
pub fn host_of(table: Table, runtime: &str) -> Option<&'static Descriptor> {
    table
        .iter()
        .copied()
        .find(|it| it.packages.is_some_and(|hosted| hosted.runtimes.contains(&runtime)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use shadowline_service::settings::Layers;

    use super::*;

    #[test]
    fn names_and_ports_differ() {
        let names: BTreeSet<_> = SERVICES.iter().map(|it| it.name).collect();
        let ports: BTreeSet<_> =
            SERVICES.iter().flat_map(|it| [Some(it.http), it.grpc]).flatten().collect();
        let n_ports = SERVICES.len() + SERVICES.iter().filter(|it| it.grpc.is_some()).count();
        assert_eq!((names.len(), ports.len()), (SERVICES.len(), n_ports));
        for service in SERVICES {
            assert_eq!(service.program, format!("shadowline-{}", service.name));
        }
    }

    #[test]
    fn rows_say_what_the_settings_say() {
        for service in SERVICES {
            let name = service.name;
            let layers = Layers::defaults(service.defaults).unwrap();
            let settings = service.settings(&layers, None).unwrap();
            settings.validate().unwrap();
            let port = |listen: &str| listen.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
            assert_eq!(port(&settings.http().listen), service.http, "{name}");
            assert_eq!(settings.grpc().map(|it| port(&it.listen)), service.grpc, "{name}");
            assert_eq!(settings.topics().is_some(), service.needs(Need::Log), "{name}");
            let keys = settings.to_toml().unwrap();
            // By value: under another name, a group begins to read from the start.
            let group = match name {
                "monitor-iforest" => Some("shadowline.monitor-iforest"),
                "monitor-knn" => Some("shadowline.monitor-knn"),
                "metric-specs" => Some("shadowline.metric-specs"),
                _ => None,
            };
            assert_eq!(keys.get("group").and_then(|it| it.as_str()), group, "{name}");
            assert_eq!(service.has_group, group.is_some(), "{name}");
            assert_eq!(keys.contains_key("store"), service.needs(Need::Database), "{name}");
            if let Some(kept) = service.keeps {
                assert!(keys.contains_key(kept.setting), "{name} has no `{}`", kept.setting);
            }
        }
    }

    #[test]
    fn settings_of_a_table_are_named_with_it() {
        let service = find(SERVICES, "monitor-knn").unwrap();
        let layers = Layers::defaults("").unwrap();
        let layers = layers.defaults_in("monitor_knn", service.defaults).unwrap();
        let refused = |key: &str, value: &str| {
            let layers = layers.clone().set("flag `x`", key, value);
            service.settings(&layers, Some("monitor_knn")).unwrap_err().to_string()
        };
        assert_eq!(
            refused("monitor_knn.http.listn", "1"),
            "flag `x`: unknown key `monitor_knn.http.listn`; did you mean `listen`?"
        );
        assert_eq!(
            refused("monitor_knn.max_batches", "1"),
            "flag `x`: unknown key `monitor_knn.max_batches`; did you mean `max_batch`?"
        );
        let error = refused("monitor_knn.max_batch", "many");
        assert!(error.starts_with("flag `x`: key `monitor_knn.max_batch`: "), "{error}");
    }

    #[test]
    fn every_service_has_its_documents() {
        for service in SERVICES {
            let document: Value = serde_json::from_str(&(service.openapi_json)()).unwrap();
            assert!(document["paths"].as_object().is_some_and(|it| !it.is_empty()));
            let names: BTreeSet<_> =
                (service.metric_families)().into_iter().map(|it| it.name).collect();
            assert!(names.contains("shadowline_build_info"), "{}: {names:?}", service.name);
        }
    }

    #[test]
    fn every_runtime_has_its_host() {
        for (runtime, name) in [
            ("logistic-regression", "serving"),
            ("isolation-forest", "monitor-iforest"),
            ("knn", "monitor-knn"),
        ] {
            assert_eq!(host_of(SERVICES, runtime).map(|it| it.name), Some(name));
        }
        assert!(host_of(SERVICES, "onnx").is_none());
    }
}
