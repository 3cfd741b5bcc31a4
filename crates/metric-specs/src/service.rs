//! This service's row in the table of services.

use shadowline_program::{Descriptor, Functions, Keeps, Need};

use crate::{Config, DEFAULTS, metric_families, openapi_json, routes, run, serve};

/// The registry of metric specs.
pub const SERVICE: Descriptor = Descriptor {
    name: "metric-specs",
    program: env!("CARGO_PKG_NAME"),
    title: "the metric-spec service",
    about: "Judges scores by metric specs, and raises and resolves alerts.",
    version: env!("CARGO_PKG_VERSION"),
    defaults: DEFAULTS,
    http: 8020,
    grpc: None,
    needs: &[Need::Log, Need::Database],
    keeps: Some(Keeps { setting: "store", place: "metric-specs.sqlite" }),
    has_group: true,
    packages: None,
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
