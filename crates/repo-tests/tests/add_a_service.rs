//! "How to add a service" in ARCHITECTURE.md, followed with a service that says a greeting.
//!
//! It has settings, a metric and a route of its own, and neither log nor data. A table with one more row goes through
//! the same code as the table of services.

use std::path::{Path, PathBuf};

use clap::Command;
use shadowline_cli::args::{ServerArgs, with_servers};
use shadowline_cli::{Config, Endpoints, Ports, Running, status_rows};
use shadowline_repo_tests::missing_entries;
use shadowline_service::settings::Layers;
use shadowline_services::{Descriptor, Need, SERVICES, Table};
use tokio_util::sync::CancellationToken;

/// What would be a crate: `crates/toy/src/lib.rs`.
mod toy {
    use axum::extract::State;
    use prometheus_client::metrics::counter::Counter;
    use serde::{Deserialize, Serialize};
    use shadowline_api::Role;
    use shadowline_program::{Descriptor, Functions};
    use shadowline_service::catalogue::{self, MetricFamily};
    use shadowline_service::health::Health;
    use shadowline_service::http::{self, HttpSettings};
    use shadowline_service::metrics::Metrics;
    use shadowline_service::routes::{Declared, Routes};
    use shadowline_service::telemetry;
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    pub(super) const SERVICE: Descriptor = Descriptor {
        name: "toy",
        program: "shadowline-toy",
        title: "the toy",
        about: "Says a greeting",
        version: "0.0.0",
        defaults: "greeting = 'hello'\n[http]\nlisten = '127.0.0.1:8090'\n",
        http: 8090,
        grpc: None,
        needs: &[],
        keeps: None,
        has_group: false,
        packages: None,
        openapi_json: || r#"{"openapi": "3.1.0", "paths": {"/v1/greeting": {}}}"#.to_owned(),
        routes,
        grpc_methods: None,
        metric_families,
        code: &Functions::<Config> {
            telemetry: |it| &it.telemetry,
            http: |it| &it.http,
            grpc: None,
            topics: None,
            validate: |it| {
                anyhow::ensure!(!it.greeting.is_empty(), "setting `greeting` is empty");
                Ok(())
            },
            run: |config, stop| {
                Box::pin(async move {
                    let listener = config.http.bind().await?;
                    serve(config, listener, stop).await
                })
            },
            serve: |config, _, ports, stop| Box::pin(serve(config, ports.http, stop)),
        },
    };

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        greeting: String,
        http: HttpSettings,
        #[serde(default)]
        telemetry: telemetry::Settings,
    }

    fn register(metrics: &Metrics) -> Counter {
        metrics.register("shadowline_toy_greetings_total", "Greetings said", Counter::default())
    }

    fn metric_families() -> Vec<MetricFamily> {
        catalogue::families("toy", |metrics| drop(register(metrics)))
    }

    fn routes() -> Vec<Declared> {
        [http::declared(), declare().into_declared()].concat()
    }

    fn declare() -> Routes<(String, Counter)> {
        Routes::new().get(Role::Read, "/v1/greeting", greet)
    }

    async fn greet(State((greeting, said)): State<(String, Counter)>) -> String {
        said.inc();
        greeting
    }

    async fn serve(
        config: Config,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let health = Health::new("toy");
        health.component("greeting").ok();
        let metrics = Metrics::new("toy", "0.0.0");
        let said = register(&metrics);
        let routes = declare().with_state((config.greeting, said));
        Ok(http::serve(listener, http::router(&health, &metrics, routes), stop).await?)
    }
}

/// The table with one more row.
fn with_toy() -> Table {
    [SERVICES, &[&toy::SERVICE]].concat().leak()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Flags that put every service on a free port.
fn free_ports(table: Table) -> Vec<String> {
    let ports = table.iter().flat_map(|it| {
        let grpc = it.grpc.map(|_| format!("{}.grpc.listen=127.0.0.1:0", it.key()));
        [Some(format!("{}.http.listen=127.0.0.1:0", it.key())), grpc]
    });
    ports.flatten().collect()
}

async fn get(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(url).send().await.expect("an answer");
    answer.error_for_status().expect("a good answer").text().await.expect("a text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_all_that_running_it_takes() {
    let (table, folder) = (with_toy(), tempfile::tempdir().expect("a folder"));
    let mut flags = free_ports(table);
    flags.push("toy.greeting=good day".to_owned());
    let config = Config::load(table, folder.path(), None, &flags).expect("settings");
    let stop = CancellationToken::new();
    let running = Running::start(config, folder.path(), Ports::AsSet, &stop).await;
    let running = running.expect("everything starts").expect("nobody stops it");

    let file = folder.path().join("endpoints.json");
    let endpoints = Endpoints::read(table, &file).expect("the endpoints");
    assert_eq!(&endpoints, running.endpoints());
    let names: Vec<_> = endpoints.all_http().map(|(name, _)| name).collect();
    assert_eq!(names, table.iter().map(|it| it.name).collect::<Vec<_>>());
    // A program of another version does not know it, and says so.
    let refused =
        format!("{:#}", Endpoints::read(SERVICES, &file).expect_err("an unknown service"));
    assert!(refused.contains("unknown field `toy`, expected one of `serving`"), "{refused}");

    let url = endpoints.http("toy").expect("its address").to_owned();
    assert_eq!(get(&format!("{url}/v1/greeting")).await, "good day");
    let metrics = get(&format!("{url}/metrics")).await;
    assert!(metrics.contains("shadowline_toy_greetings_total 1"), "{metrics}");
    let rows = status_rows(&endpoints).await.expect("the state of every service");
    let row = rows.last().expect("a row");
    assert_eq!((row[0].as_str(), row[2].as_str(), row[3].as_str()), ("toy", "0.0.0", "ready"));

    running.stop().await.expect("everything stops");
    assert!(!file.exists());
}

#[tokio::test]
async fn its_program_runs_on_its_own_settings() {
    let layers = Layers::defaults(toy::SERVICE.defaults).expect("its defaults");
    let layers = layers.set("test", "http.listen", "127.0.0.1:0");
    let settings = toy::SERVICE.settings(&layers, None).expect("its settings");
    settings.validate().expect("settings that work");
    let stop = CancellationToken::new();
    let running = tokio::spawn(settings.run(stop.clone()));
    stop.cancel();
    running.await.expect("it does not panic").expect("it stops");
}

#[test]
fn its_settings_are_one_table_of_the_file() {
    let (table, dir) = (with_toy(), Path::new("/data"));
    let printed = |flags: &[&str]| {
        let flags: Vec<_> = flags.iter().map(|it| (*it).to_owned()).collect();
        Config::load(table, dir, None, &flags).and_then(|it| it.print())
    };
    let settings: toml::Table = printed(&[]).expect("settings").parse().expect("TOML");
    assert_eq!(settings["toy"]["greeting"].as_str(), Some("hello"));
    assert_eq!(settings["toy"]["http"]["listen"].as_str(), Some("127.0.0.1:8090"));
    assert!(settings["toy"].get("log").is_none(), "it needs none");
    let refused = |flag: &str| printed(&[flag]).expect_err(flag).to_string();
    assert!(
        refused("toy.greting=x").contains("unknown key `toy.greting`; did you mean `greeting`?")
    );
    assert_eq!(refused("toy.greeting=\"\""), "setting `greeting` is empty");
}

#[test]
fn the_command_line_has_its_flag() {
    let mut command = with_servers(with_toy(), Command::new("test"));
    let help = command.render_help().to_string();
    let line = help.lines().position(|it| it.contains("--toy-url <URL>")).expect(&help);
    let about: Vec<_> = help.lines().skip(line).take(2).collect();
    assert!(about.concat().contains("Address of the toy [default: http://HOST:8090]"), "{help}");
    let urls = [("--toy-url".to_owned(), "http://elsewhere:1/".to_owned())];
    let args = ServerArgs { urls: urls.into(), ..ServerArgs::default() };
    let endpoints = Endpoints::of_table(with_toy(), &args).expect("addresses");
    assert_eq!(endpoints.http("toy").expect("its address"), "http://elsewhere:1");
    assert_eq!(endpoints.http("serving").expect("its address"), "http://127.0.0.1:8000");
}

#[test]
fn its_metrics_are_on_the_page_and_it_is_on_the_list() {
    let page = shadowline_dashboards::metrics_page(with_toy());
    let chapter = page.split("\n## Toy\n").nth(1).expect("a chapter of its own");
    assert!(
        chapter.contains("| `shadowline_toy_greetings_total` | counter |  | 1 | Greetings said |")
    );
    let every = page.split("\n## Every service\n").nth(1).expect("what all have");
    assert!(every.contains("shadowline_build_info"));
    let list = shadowline_dashboards::services_list(with_toy());
    assert_eq!(list.lines().last(), Some("toy 8090 - - -"));
}

#[test]
fn what_deploys_it_is_still_missing_and_is_named() {
    assert_eq!(
        missing_entries(&root(), &toy::SERVICE),
        [
            "compose.yaml has no service `toy` that runs `/usr/local/bin/shadowline-toy`",
            "deploy/kubernetes/base/kustomization.yaml does not name `toy.yaml`",
            "deploy/prometheus/prometheus.yml has no job `toy` with the target `toy:8090`",
            "deploy/caddy/Caddyfile has no upstream `toy:8090`",
            "deploy/services does not list `toy`; `make dashboards` writes it",
            "deploy/systemd has no `shadowline-toy.service`",
            "deploy/systemd has no `toy.toml`",
        ]
    );
}

#[test]
fn what_it_needs_is_demanded_too() {
    let needy = Descriptor { needs: &[Need::Log, Need::Database], ..toy::SERVICE };
    let missing = missing_entries(&root(), &needy);
    assert_eq!(
        missing[missing.len() - 3..],
        [
            "in compose.yaml, `toy` does not depend on `kafka`",
            "in compose.yaml, `toy` does not depend on `postgres-setup`",
            "deploy/kubernetes/overlays/strimzi/users.yaml has no user `shadowline-toy`",
        ]
    );
}

#[test]
fn the_steps_name_what_there_is() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    for what in ["service", "metric", "runtime", "detector", "panel"] {
        let heading = format!("### A {what}\n");
        let steps = page.split(&heading).nth(1).unwrap_or_else(|| panic!("no steps for a {what}"));
        let steps = steps.split("\n#").next().expect("the steps");
        assert!(steps.contains("\n1. ") && steps.contains("\n2. "), "{what}: {steps}");
        // Paths are what has a slash in it; `<name>` stands for the new thing.
        let paths = steps.split('`').skip(1).step_by(2);
        let paths = paths.filter(|it| it.contains('/') && !it.contains(['<', ' ', ':']));
        let paths: Vec<_> = paths.collect();
        assert!(!paths.is_empty(), "{what}: {steps}");
        for path in paths {
            assert!(root().join(path).exists(), "{what}: there is no `{path}`");
        }
    }
}
