//! This service's row in the table of services.

use anyhow::Context as _;
use shadowline_program::{Descriptor, Functions, Keeps, Need, Packages};

use crate::{Config, DEFAULTS, grpc_methods, metric_families, openapi_json, routes, run, serve};

/// The model server.
pub const SERVICE: Descriptor = Descriptor {
    name: "serving",
    program: env!("CARGO_PKG_NAME"),
    title: "serving",
    about: "The model server: predict over gRPC and REST, every request shadowed.",
    version: env!("CARGO_PKG_VERSION"),
    defaults: DEFAULTS,
    http: 8000,
    grpc: Some(8001),
    needs: &[Need::Log],
    keeps: Some(Keeps { setting: "data_dir", place: "serving" }),
    has_group: false,
    packages: Some(Packages { title: "Target models", runtimes: &["logistic-regression"] }),
    openapi_json,
    routes,
    grpc_methods: Some(grpc_methods),
    metric_families,
    code: &Functions::<Config> {
        telemetry: |it| &it.telemetry,
        http: |it| &it.http,
        grpc: Some(|it| &it.grpc),
        topics: Some(|it| &it.topics.prefix),
        validate: |it| Ok(it.check()?),
        run: |config, stop| Box::pin(async move { Ok(run(config, stop).await?) }),
        serve: |config, log, ports, stop| {
            Box::pin(async move {
                let grpc = ports.grpc.context("no port was opened for gRPC")?;
                Ok(serve(config, log, grpc, ports.http, stop).await?)
            })
        },
    },
};
