//! This service's row in the table of services.

use shadowline_program::{Descriptor, Functions, Keeps, Need, Packages};

use crate::{Config, DEFAULTS, metric_families, openapi_json, routes, run, serve};

/// The KNN-outlier monitor.
pub const SERVICE: Descriptor = Descriptor {
    name: "monitor-knn",
    program: env!("CARGO_PKG_NAME"),
    title: "the KNN monitor",
    about: "Scores shadowed inferences with the KNN outlier detectors installed in it",
    version: env!("CARGO_PKG_VERSION"),
    defaults: DEFAULTS,
    http: 8011,
    grpc: None,
    needs: &[Need::Log],
    keeps: Some(Keeps { setting: "packages_dir", place: "monitor-knn/packages" }),
    has_group: true,
    packages: Some(Packages { title: "KNN outlier detectors", runtimes: &["knn"] }),
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
