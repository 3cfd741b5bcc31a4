//! A monitor's row in the table of services, made of its kind.

use std::fmt;
use std::marker::PhantomData;

use shadowline_program::{Descriptor, Functions, Keeps, Need, Packages};

use crate::config::Config;
use crate::kind::Kind;
use crate::metrics::metric_families;
use crate::openapi::openapi_json;
use crate::routes::routes;
use crate::run::{run, serve};

/// A monitor that is a service of its own: its crate says which kind it is, and gets its row.
pub trait HostService: fmt::Debug + Sized + 'static {
    /// What tells it from the other monitors.
    const KIND: Kind;

    /// Its row in the table of services.
    const SERVICE: Descriptor = Descriptor {
        name: Self::KIND.service,
        program: Self::KIND.row.program,
        title: Self::KIND.row.title,
        about: Self::KIND.row.about,
        version: Self::KIND.version,
        defaults: Self::KIND.row.defaults,
        http: Self::KIND.row.http,
        grpc: None,
        needs: &[Need::Log],
        keeps: Some(Keeps { setting: "packages_dir", place: Self::KIND.row.place }),
        has_group: true,
        packages: Some(Packages { title: Self::KIND.row.packages, runtimes: Of::<Self>::RUNTIMES }),
        openapi_json: || openapi_json(Of::<Self>::KIND),
        routes: || routes(Of::<Self>::KIND),
        grpc_methods: None,
        metric_families: || metric_families(Of::<Self>::KIND),
        code: Of::<Self>::CODE,
    };
}

/// Constants of a monitor that others borrow.
struct Of<S>(PhantomData<S>);

impl<S: HostService> Of<S> {
    const KIND: &'static Kind = &S::KIND;
    const RUNTIMES: &'static [&'static str] = &[S::KIND.detector.name()];
    const CODE: &'static Functions<Config> = &Functions {
        telemetry: |it| &it.telemetry,
        http: |it| &it.http,
        grpc: None,
        topics: Some(|it| &it.topics.prefix),
        validate: |_| Ok(()),
        run: |config, stop| Box::pin(async move { Ok(run(Self::KIND, config, stop).await?) }),
        serve: |config, log, ports, stop| {
            Box::pin(async move { Ok(serve(Self::KIND, config, log, ports.http, stop).await?) })
        },
    };
}
