//! The default settings of all services: whole, checked alike, and written in one way.

use std::collections::BTreeMap;
use std::time::Duration;

use shadowline_service::settings::{self, Layers, SettingsError};
use shadowline_services::{Descriptor, SERVICES};

/// Reads a service's settings and shows what came of them.
fn read(service: &Descriptor, layers: &Layers) -> Result<String, SettingsError> {
    settings::print(&service.settings(layers, None)?.to_toml()?)
}

/// Numbers and times that work at zero.
const MAY_BE_ZERO: [(&str, &str); 1] = [
    // What is in flight is then cut off at once.
    ("serving", "shutdown_grace"),
];

/// Every key of a table with its value, the levels separated by dots.
fn keys(prefix: &str, table: &toml::Table, into: &mut Vec<(String, toml::Value)>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(table) => keys(&key, table, into),
            _ => into.push((key, value.clone())),
        }
    }
}

fn is_time(value: &toml::Value) -> bool {
    let units = ["ms", "s", "m", "h", "d"];
    value.as_str().is_some_and(|it| {
        let unit = it.trim_start_matches(|c: char| c.is_ascii_digit());
        unit.len() < it.len() && units.contains(&unit)
    })
}

#[test]
fn the_defaults_of_every_service_are_whole_and_print_as_settings() {
    for service in SERVICES {
        let Descriptor { name, defaults, .. } = service;
        let shown = read(service, &Layers::defaults(defaults).unwrap()).unwrap();
        let again = read(service, &Layers::defaults(&shown).unwrap()).unwrap();
        assert_eq!(shown, again, "{name}");
        // Nobody who names no log gets another one.
        assert!(shown.contains("bootstrap_servers = \"127.0.0.1:9092\""), "{name}: {shown}");
    }
}

#[test]
fn no_number_and_no_time_of_any_service_may_be_zero_where_zero_cannot_work() {
    let mut n_refused = BTreeMap::new();
    for service in SERVICES {
        let Descriptor { name, defaults, .. } = service;
        let mut all = Vec::new();
        keys("", &defaults.parse().unwrap(), &mut all);
        for (key, value) in all {
            let zero = match &value {
                toml::Value::Integer(_) => "0",
                value if is_time(value) => "0s",
                _ => continue,
            };
            let layers = Layers::defaults(defaults).unwrap().set("a flag", &key, zero);
            if MAY_BE_ZERO.contains(&(*name, key.as_str())) {
                read(service, &layers).unwrap();
                continue;
            }
            let Err(error) = read(service, &layers) else {
                panic!("{name}: `{key}` may be {zero}")
            };
            let error = error.to_string();
            for words in [format!("`{key}`"), zero.to_owned(), "expected".to_owned()] {
                assert!(error.contains(&words), "{name}: no {words} in: {error}");
            }
            *n_refused.entry(*name).or_insert(0) += 1;
        }
    }
    // So that a walk that finds nothing does not pass: `max_batch` or a size, partitions and replicas, at least.
    for service in SERVICES {
        let n_refused = n_refused.get(service.name).copied().unwrap_or(0);
        assert!(3 <= n_refused, "{}: {n_refused}", service.name);
    }
    assert!(is_time(&toml::Value::String("30d".into())));
    assert!(!is_time(&toml::Value::String("data".into())));
    assert_eq!(humantime("400d"), Duration::from_secs(400 * 86_400));
}

/// A default's time is one that the services read.
fn humantime(text: &str) -> Duration {
    #[derive(serde::Deserialize)]
    struct One {
        it: settings::NonZeroDuration,
    }
    let layers = Layers::defaults("it = '1s'").unwrap().set("a test", "it", text);
    layers.extract::<One>().unwrap().it.get()
}

#[test]
fn every_service_refuses_what_none_can_work_with() {
    for service in SERVICES {
        let Descriptor { name, defaults, .. } = service;
        let refused = |key: &str, value: &str| {
            let layers = Layers::defaults(defaults).unwrap().set("a flag", key, value);
            read(service, &layers).unwrap_err().to_string()
        };
        let servers = Layers::defaults(defaults).unwrap().set("a flag", "log.kind", "kafka").set(
            "a flag",
            "log.bootstrap_servers",
            "",
        );
        let error = read(service, &servers).unwrap_err().to_string();
        assert!(error.contains("expected addresses as HOST:PORT,HOST:PORT"), "{name}: {error}");
        let error = refused("topics.prefix", "a b");
        assert!(error.contains("topic prefix `a b` is not usable"), "{name}: {error}");
        if defaults.lines().any(|it| it.starts_with("group = ")) {
            let error = refused("group", "");
            assert!(error.contains("key `group`: it is empty; expected"), "{name}: {error}");
        }
        let error = refused("topics.partition", "3");
        assert!(error.contains("did you mean `partitions`?"), "{name}: {error}");
    }
}

#[test]
fn a_misspelt_key_is_refused() {
    for service in SERVICES {
        let Descriptor { name, defaults, .. } = service;
        if !defaults.lines().any(|it| it.starts_with("max_batch = ")) {
            continue;
        }
        let layers =
            Layers::defaults(defaults).unwrap().environment([("SHADOWLINE__MAX_BATCHES", "3")]);
        assert_eq!(
            read(service, &layers).unwrap_err().to_string(),
            "environment variable `SHADOWLINE__MAX_BATCHES`: unknown key `max_batches`; did you mean `max_batch`?",
            "{name}"
        );
    }
}

/// The keys of a file of defaults in their order, each with the comment above it.
fn with_comments(defaults: &str) -> Vec<(String, String)> {
    let (mut table, mut comment, mut found) = (String::new(), String::new(), Vec::new());
    for line in defaults.lines() {
        if line.starts_with('#') {
            comment.push_str(line);
            comment.push('\n');
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').to_owned();
            found.push((format!("[{table}]"), std::mem::take(&mut comment)));
        } else if let Some((key, _)) = line.split_once(" = ") {
            let key = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            found.push((key, std::mem::take(&mut comment)));
        } else {
            // A comment on its own is the file's head, or after the last key, the log's.
            let name = if found.is_empty() { "head" } else { "log" };
            if !comment.is_empty() {
                found.push((name.to_owned(), std::mem::take(&mut comment)));
            }
        }
    }
    found.push(("log".to_owned(), comment));
    found
}

#[test]
fn what_several_services_have_is_written_once_over() {
    // What the key is for is not the same in them.
    const OF_ITS_OWN: [&str; 2] = ["group", "max_batch"];
    let files: Vec<_> = SERVICES
        .iter()
        .map(|it| (it.name, with_comments(&it.defaults.replace(it.name, "NAME"))))
        .collect();
    for (name, keys) in &files {
        for (other_name, others) in &files {
            let shared: Vec<_> =
                keys.iter().filter(|it| others.iter().any(|other| it.0 == other.0)).collect();
            let of_other: Vec<_> =
                others.iter().filter(|it| keys.iter().any(|key| it.0 == key.0)).collect();
            for (it, other) in shared.iter().zip(&of_other) {
                assert_eq!(it.0, other.0, "{name} and {other_name} have them in another order");
                if !OF_ITS_OWN.contains(&it.0.as_str()) {
                    assert_eq!(it.1, other.1, "`{}` of {name} and {other_name}", it.0);
                }
            }
        }
        for key in ["head", "http.listen", "topics.prefix", "[telemetry]", "log"] {
            assert!(keys.iter().any(|it| it.0 == key), "{name} has no {key}");
        }
    }
}

#[test]
fn every_service_listens_on_this_machine_unless_it_is_told_otherwise() {
    for service in SERVICES {
        let layers = Layers::defaults(service.defaults).unwrap();
        let settings = service.settings(&layers, None).unwrap();
        for listen in [Some(settings.http()), settings.grpc()].into_iter().flatten() {
            let address: std::net::SocketAddr = listen.listen.parse().unwrap();
            assert!(address.ip().is_loopback(), "{} listens on {address}", service.name);
        }
    }
}

#[test]
fn times_are_printed_as_they_were_written() {
    for service in SERVICES {
        let Descriptor { name, defaults, .. } = service;
        let mut all = Vec::new();
        keys("", &defaults.parse().unwrap(), &mut all);
        let times: Vec<_> = all.into_iter().filter(|(_, it)| is_time(it)).collect();
        let shown = read(service, &Layers::defaults(defaults).unwrap()).unwrap();
        let mut printed = Vec::new();
        keys("", &shown.parse().unwrap(), &mut printed);
        for time in times {
            assert!(printed.contains(&time), "{name} prints {time:?} otherwise: {shown}");
            for written in ["90m", "36h", "1h 30m", "500ms", "400d"] {
                let layers = Layers::defaults(defaults).unwrap().set("a flag", &time.0, written);
                // Some have bounds of their own.
                let Ok(shown) = read(service, &layers) else { continue };
                let line = format!("= \"{written}\"");
                assert!(shown.contains(&line), "{name}: {} {written}: {shown}", time.0);
            }
        }
    }
}

#[test]
fn the_address_of_a_log_says_which_kind_it_is() {
    for service in SERVICES {
        let layers = || Layers::defaults(service.defaults).unwrap();
        let log = |key: &str, value: &str| -> toml::Table {
            let shown = read(service, &layers().set("a flag", key, value)).unwrap();
            let shown: toml::Table = shown.parse().unwrap();
            shown["log"].as_table().unwrap().clone()
        };
        let kafka = log("log.bootstrap_servers", "b:1");
        assert_eq!(kafka["kind"].as_str(), Some("kafka"));
        assert_eq!(kafka["bootstrap_servers"].as_str(), Some("b:1"));
        let embedded = log("log.dir", "here");
        assert_eq!(embedded["kind"].as_str(), Some("embedded"));
        assert_eq!(embedded["dir"].as_str(), Some("here"));
    }
}

#[test]
fn a_secret_under_a_wrong_name_is_not_told() {
    const SECRET: &str = "hunter2";
    for service in SERVICES {
        let properties = [
            ("sasl.pasword", SECRET),
            ("ssl.key.pass", SECRET),
            ("security.protocol", "SASL_SSL"),
            ("sasl.username", "me"),
        ];
        let properties: BTreeMap<_, _> = properties.into();
        let log = BTreeMap::from([("properties", properties)]);
        let mut shown = toml::Table::try_from(BTreeMap::from([("log", log)])).unwrap();
        shown.insert("store_pasword".to_owned(), "postgres://me:hunter2@db/x".into());
        let printed = settings::print(&shown).unwrap();
        assert!(!printed.contains(SECRET), "{printed}");
        assert!(printed.contains("SASL_SSL") && printed.contains("\"me\""), "{printed}");
        for (key, value) in [
            ("log.properties", "sasl.password=hunter2"),
            ("log.properties.x", "{\"hunter2\"=1}"),
            ("max_batch", "kafka://me:hunter2@broker"),
            ("http", "http://me:hunter2@here"),
        ] {
            let layers = Layers::defaults(service.defaults).unwrap().set("a flag", key, value);
            if key == "max_batch" && !service.defaults.contains("\nmax_batch = ") {
                continue;
            }
            let error = read(service, &layers).unwrap_err().to_string();
            assert!(!error.contains(SECRET), "{key}: {error}");
        }
        let flags = Layers::defaults(service.defaults).unwrap();
        let error = flags.flags(&["sasl.password:hunter2".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("`--set sasl.password…`") && !error.contains(SECRET), "{error}");
    }
}
