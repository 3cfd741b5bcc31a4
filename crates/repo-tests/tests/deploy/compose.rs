//! `compose.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use shadowline_services::SERVICES;
use shadowline_testkit::quick_leaves_out;

use super::programs::{assert_flags_are_known, setting, settings};
use super::{documents, read, repository, run, said, skip, str_of, strings, yaml};

/// The services that end when their work is done.
const ONE_SHOT: [&str; 2] = ["secrets", "postgres-setup"];
/// Images that have no program which could check anything.
const NO_HEALTH_CHECK: [&str; 2] = ["otel-collector", "jaeger"];

fn compose() -> Value {
    let mut documents = yaml("compose.yaml");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn services(compose: &Value) -> BTreeMap<String, Value> {
    let services = compose["services"].as_object().expect("services");
    services.iter().map(|(name, it)| (name.clone(), it.clone())).collect()
}

/// Replaces `${NAME:-default}` and `${NAME:?message}` with what the variables say.
///
/// # Errors
/// The message of a variable that must be set and is not.
fn interpolated(text: &str, variables: &[(&str, &str)]) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out += &rest[..at];
        let inner =
            rest[at + 1..].strip_prefix('{').ok_or_else(|| format!("a bare $ in `{text}`"))?;
        let end = inner.find('}').ok_or_else(|| format!("no }} in `{text}`"))?;
        let (name, rule) =
            inner[..end].split_once(':').ok_or_else(|| format!("no rule in `{text}`"))?;
        let value = variables
            .iter()
            .find(|(it, value)| *it == name && !value.is_empty())
            .map(|(_, it)| *it);
        out += match (value, rule.split_at(1)) {
            (Some(value), _) => value,
            (None, ("-", default)) => default,
            (None, ("?", message)) => return Err(format!("{name} {message}")),
            (None, _) => return Err(format!("an unknown rule in `{text}`")),
        };
        rest = &inner[end + 1..];
    }
    Ok(out + rest)
}

/// The environment of a service as Compose would give it.
fn environment(service: &Value, variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let Some(map) = service["environment"].as_object() else { return Vec::new() };
    map.iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), interpolated(&text, variables).expect("a variable that is set"))
        })
        .collect()
}

const ADMIN: [(&str, &str); 2] = [("ADMIN_USER", "me"), ("ADMIN_PASSWORD", "sesame")];

/// Compose's own parser, built from deploy/compose/check.
fn load(
    files: &[&str],
    profiles: &[&str],
    variables: &[(&str, &str)],
) -> Option<Result<Value, String>> {
    if quick_leaves_out("Go") {
        return None;
    }
    let works = Command::new("go").arg("version").output().is_ok_and(|it| it.status.success());
    if !works {
        skip("Go (Debian: apt-get install golang-go)");
        return None;
    }
    let mut command = Command::new("go");
    command.args(["run", "-C", "deploy/compose/check", "."]).current_dir(repository());
    for name in ["ADMIN_USER", "ADMIN_PASSWORD", "BIND_ADDRESS"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command.args(profiles.iter().flat_map(|it| ["--profile", it]));
    command.args(files.iter().map(|it| repository().join(it)));
    let output = run(&mut command);
    if !output.status.success() {
        return Some(Err(said(&output)));
    }
    Some(Ok(serde_json::from_slice(&output.stdout).expect("the parser prints JSON")))
}

#[test]
fn composes_own_parser_reads_it_as_these_tests_do() {
    let Some(loaded) = load(&["compose.yaml"], &["cluster", "traces"], &ADMIN) else { return };
    let loaded = loaded.expect("compose.yaml loads");
    let ours = services(&compose());
    let names: Vec<_> = loaded["services"].as_object().expect("services").keys().cloned().collect();
    assert_eq!(names, ours.keys().cloned().collect::<Vec<_>>());
    for (name, service) in &ours {
        let theirs = &loaded["services"][name];
        let mut expected = environment(service, &ADMIN);
        expected.sort();
        let mut theirs: Vec<_> = theirs["environment"]
            .as_object()
            .map(|it| {
                it.iter()
                    .map(|(name, value)| (name.clone(), str_of(value, name).to_owned()))
                    .collect()
            })
            .unwrap_or_default();
        theirs.sort();
        assert_eq!(theirs, expected, "the environment of {name}");
    }
    let kafka = load(&["deploy/kafka/compose.yaml"], &[], &[]).expect("Go is here");
    kafka.expect("deploy/kafka/compose.yaml loads");
}

#[test]
fn user_and_password_must_be_set() {
    for (variables, missing) in [(&ADMIN[..1], "ADMIN_PASSWORD"), (&ADMIN[1..], "ADMIN_USER")] {
        let Some(loaded) = load(&["compose.yaml"], &[], variables) else { return };
        let refused = loaded.expect_err("one of them is not set");
        assert!(
            refused.contains(&format!("{missing} is missing a value: is not set; expected")),
            "{refused}"
        );
    }
}

#[test]
fn every_part_of_the_system_is_there() {
    let others = [
        "adminer",
        "alertmanager",
        "caddy",
        "grafana",
        "jaeger",
        "kafka",
        "kafka-2",
        "kafka-3",
        "otel-collector",
        "postgres",
        "postgres-setup",
        "prometheus",
        "secrets",
    ];
    let expected: BTreeSet<_> = others.into_iter().chain(super::services()).collect();
    let services = services(&compose());
    assert_eq!(services.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    for (name, service) in &services {
        let profiles: &[&str] = match name.as_str() {
            "kafka-2" | "kafka-3" => &["cluster"],
            "otel-collector" | "jaeger" => &["traces"],
            _ => &[],
        };
        assert_eq!(strings(&service["profiles"]), profiles, "profiles of {name}");
    }
}

/// The version of an image, which must be one.
fn version(image: &str) -> &str {
    let (_, version) =
        image.rsplit_once(':').unwrap_or_else(|| panic!("image `{image}` has no version"));
    assert!(
        version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()),
        "image `{image}` is not pinned"
    );
    assert!(version.contains('.'), "image `{image}` is pinned to less than a minor version");
    version
}

#[test]
fn images_are_pinned_and_agree() {
    let compose = compose();
    let services = services(&compose);
    let image = |name: &str| str_of(&services[name]["image"], name).to_owned();
    for name in services.keys() {
        version(&image(name));
    }
    let workspace: toml::Table = read("Cargo.toml").parse().expect("a manifest");
    let ours = str_of(
        &serde_json::json!(workspace["workspace"]["package"]["version"].as_str()),
        "version",
    )
    .to_owned();
    for name in super::services() {
        assert_eq!(image(name), format!("shadowline:{ours}"));
    }
    let containerfile = read("deploy/container/Containerfile");
    assert!(
        containerfile.contains(&format!("ARG VERSION={ours}\n")),
        "the image's label has another version"
    );
    assert!(
        read("mk/deploy.mk").contains(&format!("-t shadowline:{ours} ")),
        "make image has another version"
    );
    let pom = read("deploy/kafka/pom.xml");
    assert!(
        pom.contains(&format!("<kafka.version>{}<", version(&image("kafka")))),
        "the tests have another Kafka"
    );
    for other in ["kafka-2", "kafka-3"] {
        assert_eq!(image(other), image("kafka"));
    }
    assert_eq!(yaml("deploy/kafka/compose.yaml")[0]["services"]["kafka"]["image"], image("kafka"));
    for other in ONE_SHOT {
        assert_eq!(image(other), image("postgres"));
    }
}

#[test]
fn nothing_is_published_but_the_door() {
    let mut inside = BTreeSet::new();
    for (name, service) in services(&compose()) {
        let ports = strings(&service["ports"]);
        assert!(name == "caddy" || ports.is_empty(), "{name} publishes {ports:?}");
        assert_ne!(service["network_mode"], "host", "{name} is on the host's network");
        for port in ports {
            let rest = port.strip_prefix("${BIND_ADDRESS:-127.0.0.1}:");
            let rest = rest.unwrap_or_else(|| panic!("`{port}` is not on BIND_ADDRESS"));
            let (outer, inner) = rest.rsplit_once(':').expect("two ports");
            let variable =
                outer.strip_prefix("${").and_then(|it| it.strip_suffix('}')).expect("a variable");
            let (variable, default) = variable.split_once(":-").expect("a default");
            assert_eq!(default, inner, "{variable} has another default than the door's own port");
            inside.insert((variable.to_owned(), inner.to_owned()));
            assert!(
                read("deploy/compose/example.env").contains(&format!("#{variable}={default}\n")),
                "{variable}"
            );
        }
    }
    // The doors of the Caddyfile, except the one for Prometheus and the health check.
    let doors: BTreeSet<_> = read("deploy/caddy/Caddyfile")
        .lines()
        .filter_map(|it| {
            it.strip_prefix("http://:{$")?.strip_suffix("} {")?.split_once(':').map(own)
        })
        .collect();
    let metrics = ("CADDY_METRICS_PORT".to_owned(), "2020".to_owned());
    assert_eq!(doors, inside.into_iter().chain([metrics]).collect());
}

fn own((a, b): (&str, &str)) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

#[test]
fn only_who_must_can_reach_the_outside() {
    let compose = compose();
    let internal: BTreeMap<_, _> = compose["networks"]
        .as_object()
        .expect("networks")
        .iter()
        .map(|(name, it)| (name.clone(), it["internal"] == true))
        .collect();
    let mut used = BTreeSet::new();
    for (name, service) in services(&compose) {
        let networks = strings(&service["networks"]);
        assert!(
            !networks.is_empty() || service["network_mode"] == "none",
            "{name} would be on the default network"
        );
        for network in networks {
            let internal =
                internal.get(&network).unwrap_or_else(|| panic!("{name}: no network `{network}`"));
            let may_leave = ["caddy", "alertmanager"].contains(&name.as_str());
            assert!(*internal || may_leave, "{name} is on `{network}`, which has a way out");
            used.insert(network);
        }
    }
    assert_eq!(used, internal.into_keys().collect());
}

#[test]
fn every_mounted_file_exists_and_every_volume_is_declared() {
    let compose = compose();
    let declared: BTreeSet<_> =
        compose["volumes"].as_object().expect("volumes").keys().cloned().collect();
    let mut used = BTreeSet::new();
    for (name, service) in services(&compose) {
        for volume in strings(&service["volumes"]) {
            let parts: Vec<_> = volume.split(':').collect();
            let [source, target, ..] = parts[..] else { panic!("{name}: volume `{volume}`") };
            assert!(target.starts_with('/'), "{name}: `{volume}` is mounted nowhere");
            if source.starts_with('.') {
                assert!(repository().join(source).exists(), "{name}: there is no {source}");
                assert_eq!(parts.get(2), Some(&"ro"), "{name} could write into {source}");
            } else {
                assert!(declared.contains(source), "{name}: volume `{source}` is not declared");
                used.insert(source.to_owned());
            }
        }
    }
    assert_eq!(used, declared, "volumes that are declared and not used");
}

/// What a service writes is on a volume, so that it survives `down` and `up`.
#[test]
fn data_is_on_named_volumes() {
    let services = services(&compose());
    let packages = SERVICES.iter().filter(|it| it.packages.is_some());
    let packages = packages.map(|it| (it.name, "/var/lib/shadowline"));
    for (name, dir) in packages.chain([
        ("kafka", "/var/lib/kafka/data"),
        ("kafka-2", "/var/lib/kafka/data"),
        ("kafka-3", "/var/lib/kafka/data"),
        ("postgres", "/var/lib/postgresql/data"),
        ("prometheus", "/prometheus"),
        ("alertmanager", "/alertmanager"),
        ("grafana", "/var/lib/grafana"),
        ("jaeger", "/var/lib/jaeger"),
    ]) {
        let volumes = strings(&services[name]["volumes"]);
        assert!(volumes.contains(&format!("{name}-data:{dir}")), "{name} has {volumes:?}");
    }
    for name in ["kafka", "kafka-2", "kafka-3"] {
        // Where nothing is said, the image's Kafka writes to /tmp.
        assert_eq!(
            services[name]["environment"]["KAFKA_LOG_DIRS"], "/var/lib/kafka/data",
            "{name}"
        );
    }
    let kafka = &yaml("deploy/kafka/compose.yaml")[0]["services"]["kafka"];
    assert_eq!(kafka["environment"]["KAFKA_LOG_DIRS"], "/var/lib/kafka/data");
}

#[test]
fn no_password_is_written_down() {
    let secret = |name: &str| {
        let name = name.to_uppercase();
        ["PASSWORD", "SECRET", "TOKEN"].iter().any(|it| name.contains(it))
    };
    let compose = compose();
    let mut n_secrets = 0;
    for (name, service) in services(&compose) {
        let Some(environment) = service["environment"].as_object() else { continue };
        for (variable, value) in environment.iter().filter(|(it, _)| secret(it)) {
            let value = str_of(value, variable);
            let is_file = variable.ends_with("_FILE") && value.starts_with("/secrets/");
            assert!(
                is_file || value.starts_with("${ADMIN_PASSWORD:?"),
                "{name}: {variable} is `{value}`"
            );
            n_secrets += 1;
        }
    }
    assert!(n_secrets >= 8, "only {n_secrets} passwords were looked at");
    for line in
        read("deploy/compose/example.env").lines().filter(|it| secret(it) && !it.starts_with('#'))
    {
        assert!(line.ends_with('='), "example.env has `{line}`");
    }
}

#[test]
fn containers_may_little_and_end_well() {
    for (name, service) in services(&compose()) {
        let restart = if ONE_SHOT.contains(&name.as_str()) { "no" } else { "unless-stopped" };
        assert_eq!(service["restart"], restart, "restart of {name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "capabilities of {name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert!(service["mem_limit"].is_string(), "{name} has no mem_limit");
        assert!(service["pids_limit"].is_u64(), "{name} has no pids_limit");
        assert_eq!(
            service["logging"]["options"]["max-size"], "10m",
            "the log of {name} grows without end"
        );
        assert_ne!(service["privileged"], true, "{name}");
        let checked = service["healthcheck"]["test"].is_array();
        let excused = ONE_SHOT.contains(&name.as_str()) || NO_HEALTH_CHECK.contains(&name.as_str());
        assert!(checked != excused, "health check of {name}");
        if super::services().any(|it| it == name) {
            assert_eq!(service["read_only"], true, "{name}");
            assert_eq!(service["user"], "65532:65532", "{name}");
        }
    }
}

#[test]
fn nobody_waits_for_what_never_comes() {
    let services = services(&compose());
    for (name, service) in &services {
        let Some(conditions) = service["depends_on"].as_object() else { continue };
        for (other, condition) in conditions {
            let on = services.get(other).unwrap_or_else(|| panic!("{name} waits for `{other}`"));
            assert!(
                on["profiles"].is_null(),
                "{name} waits for {other}, which only a profile starts"
            );
            match str_of(&condition["condition"], "condition") {
                "service_healthy" => {
                    assert!(on["healthcheck"]["test"].is_array(), "{other} is never healthy")
                }
                "service_completed_successfully" => {
                    assert!(ONE_SHOT.contains(&other.as_str()), "{other} never ends")
                }
                condition => assert_eq!(condition, "service_started", "{name} waits for {other}"),
            }
        }
    }
    // The door opens whatever else does not.
    assert!(services["caddy"]["depends_on"].is_null());
}

#[test]
fn services_take_their_settings_and_flags() {
    let services = services(&compose());
    for name in super::services() {
        let service = &services[name];
        let path = format!("/usr/local/bin/shadowline-{name}");
        let command = strings(&service["command"]);
        assert_eq!(command[0], path);
        let health = strings(&service["healthcheck"]["test"]);
        assert_eq!(health[..2], ["CMD".to_owned(), path]);
        assert_flags_are_known(name, &command);
        assert_flags_are_known(name, &health);
        let environment = environment(service, &ADMIN);
        let Some(settings) = settings(name, &environment, &command[1..]) else { return };
        let settings =
            settings.unwrap_or_else(|error| panic!("{name} refuses its settings: {error}"));
        assert_eq!(setting(&settings, "log.bootstrap_servers"), "kafka:29092");
        assert_eq!(setting(&settings, "telemetry.format"), "json");
        let volumes = strings(&service["volumes"]);
        for (key, value) in environment.iter().filter(|(_, value)| value.starts_with('/')) {
            let mounted = volumes
                .iter()
                .filter_map(|it| it.split(':').nth(1))
                .any(|it| value.starts_with(it));
            assert!(mounted, "{name}: {key} is {value}, which is on no volume");
        }
        let port = setting(&settings, "http.listen");
        let port = port.strip_prefix("0.0.0.0:").expect("it listens for other containers");
        // The defaults of Prometheus, of the door and of the command line.
        assert!(
            read("deploy/prometheus/prometheus.yml").contains(&format!("[\"{name}:{port}\"]")),
            "{name}:{port}"
        );
        assert!(
            read("deploy/caddy/Caddyfile").contains(&format!(":{name}:{port}}}")),
            "{name}:{port}"
        );
    }
}

#[test]
fn three_brokers_are_a_quorum_and_known_to_the_services() {
    let text = read("deploy/compose/cluster.env");
    let variables: Vec<_> = text
        .lines()
        .filter(|it| !it.starts_with('#'))
        .filter_map(|it| it.split_once('='))
        .collect();
    let services = services(&compose());
    let mut voters = Vec::new();
    let mut brokers = Vec::new();
    for name in ["kafka", "kafka-2", "kafka-3"] {
        let environment: BTreeMap<_, _> =
            environment(&services[name], &variables).into_iter().collect();
        voters.push(format!("{}@{name}:29093", environment["KAFKA_NODE_ID"]));
        brokers.push(format!("{name}:29092"));
        assert_eq!(environment["KAFKA_ADVERTISED_LISTENERS"], format!("INSIDE://{name}:29092"));
        assert_eq!(environment["KAFKA_DEFAULT_REPLICATION_FACTOR"], "3");
        assert_eq!(environment["KAFKA_MIN_INSYNC_REPLICAS"], "2");
    }
    let of = |name: &str, variable: &str| {
        let environment: BTreeMap<_, _> =
            environment(&services[name], &variables).into_iter().collect();
        environment[variable].clone()
    };
    assert_eq!(of("kafka-2", "KAFKA_CONTROLLER_QUORUM_VOTERS"), voters.join(","));
    assert_eq!(of("serving", "SHADOWLINE__LOG__BOOTSTRAP_SERVERS"), brokers.join(","));
    assert_eq!(of("serving", "SHADOWLINE__TOPICS__REPLICATION"), "3");
    let alone: BTreeMap<_, _> = environment(&services["kafka"], &[]).into_iter().collect();
    assert_eq!(alone["KAFKA_CONTROLLER_QUORUM_VOTERS"], "1@kafka:29093");
}

#[test]
fn traces_go_to_the_collector_and_from_there_to_jaeger() {
    let text = read("deploy/compose/traces.env");
    let endpoint = text
        .lines()
        .find_map(|it| it.strip_prefix("OTEL_EXPORTER_OTLP_ENDPOINT="))
        .expect("an endpoint");
    assert_eq!(endpoint, "http://otel-collector:4317");
    let services = services(&compose());
    for name in super::services() {
        let with: BTreeMap<_, _> =
            environment(&services[name], &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)])
                .into_iter()
                .collect();
        assert_eq!(with["OTEL_EXPORTER_OTLP_ENDPOINT"], endpoint);
        let without: BTreeMap<_, _> = environment(&services[name], &[]).into_iter().collect();
        assert_eq!(without["OTEL_EXPORTER_OTLP_ENDPOINT"], "");
    }
    let collector = &yaml("deploy/otel/collector.yaml")[0];
    assert_eq!(collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"], "0.0.0.0:4317");
    assert_eq!(collector["exporters"]["otlp"]["endpoint"], "jaeger:4317");
    let jaeger = &yaml("deploy/otel/jaeger.yaml")[0];
    for (file, kinds) in [
        (collector, ["receivers", "processors", "exporters"]),
        (jaeger, ["receivers", "processors", "exporters"]),
    ] {
        for kind in kinds {
            for name in strings(&file["service"]["pipelines"]["traces"][kind]) {
                assert!(
                    file[kind].as_object().is_some_and(|it| it.contains_key(&name)),
                    "no {kind} `{name}`"
                );
            }
        }
    }
    let backend = str_of(&jaeger["extensions"]["jaeger_query"]["storage"]["traces"], "storage");
    assert_eq!(jaeger["exporters"]["jaeger_storage_exporter"]["trace_storage"], backend);
    let badger = &jaeger["extensions"]["jaeger_storage"]["backends"][backend]["badger"];
    assert!(str_of(&badger["directories"]["keys"], "keys").starts_with("/var/lib/jaeger/"));
}

#[test]
fn interpolation_knows_defaults_and_demands() {
    let with = |text: &str| interpolated(text, &[("A", "1"), ("EMPTY", "")]);
    assert_eq!(with("x${A:-2}y${B:-3}z").unwrap(), "x1y3z");
    assert_eq!(with("${EMPTY:-4}").unwrap(), "4");
    assert_eq!(with("${EMPTY:?must be}").unwrap_err(), "EMPTY must be");
    // A merge in YAML: the map's own keys win.
    let merged = &documents("text", "base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}")[0];
    assert_eq!(merged["more"], serde_json::json!({"a": 1, "b": 3}));
}

#[test]
fn where_the_doors_services_are_is_printed_whole_or_not_at_all() {
    let endpoints = |script: &std::path::Path| {
        let mut command = Command::new("sh");
        command.arg(script).env("ADMIN_USER", "me").env("ADMIN_PASSWORD", "a:b");
        command.output().expect("run endpoints.sh")
    };
    let script = repository().join("deploy/compose/endpoints.sh");
    let printed = endpoints(&script);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let printed: Value = serde_json::from_slice(&printed.stdout).expect("JSON");
    for service in SERVICES {
        let entry = &printed[service.key()];
        let http = format!("http://%6d%65:%61%3a%62@localhost:{}", service.http);
        assert_eq!(entry["http"], http.as_str(), "{}", service.name);
        assert_eq!(entry["grpc"].is_string(), service.grpc.is_some(), "{}", service.name);
    }

    // Without the list beside it.
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("endpoints.sh");
    std::fs::copy(&script, &alone).expect("copy the script");
    let refused = endpoints(&alone);
    assert_eq!((refused.status.code(), refused.stdout), (Some(66), Vec::new()));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("cannot read"), "{error}");
}
