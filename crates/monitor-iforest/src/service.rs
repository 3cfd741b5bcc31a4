//! This service's row in the table of services.

use shadowline_program::{Descriptor, Functions, Keeps, Need, Packages};

use crate::{Config, DEFAULTS, metric_families, openapi_json, routes, run, serve};

/// The isolation-forest monitor.
pub const SERVICE: Descriptor = Descriptor {
    name: "monitor-iforest",
    program: env!("CARGO_PKG_NAME"),
    title: "the isolation forest monitor",
    about: "Scores shadowed inferences with the isolation-forest detectors installed in it",
    version: env!("CARGO_PKG_VERSION"),
    defaults: DEFAULTS,
    http: 8010,
    grpc: None,
    needs: &[Need::Log],
    keeps: Some(Keeps { setting: "packages_dir", place: "monitor-iforest/packages" }),
    has_group: true,
    packages: Some(Packages { title: "Isolation forests", runtimes: &["isolation-forest"] }),
    openapi_json,
    routes,
    grpc_methods: None,
    metric_families,
    code: &Functions::<Config> {
        telemetry: |it| &it.telemetry,
        http: |it| &it.http,
        grpc: None,
        topics: Some(|it| &it.topics.prefix),
        validate: |_| Ok(()),
        run: |config, stop| Box::pin(async move { Ok(run(config, stop).await?) }),
        serve: |config, log, ports, stop| {
            Box::pin(async move { Ok(serve(config, log, ports.http, stop).await?) })
        },
    },
};
