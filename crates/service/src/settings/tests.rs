//! Layers of settings and their errors.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;

const DEFAULTS: &str = "grace = '5s'\n[http]\nlisten = '127.0.0.1:8010'\nmax_body_bytes = 10\n";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(with = "humantime_serde")]
    grace: Duration,
    password: Option<Secret>,
    http: Http,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    listen: String,
    max_body_bytes: u64,
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn refused(toml: &str, env: &[(&str, &str)], flags: &[&str]) -> String {
    let file = file(toml);
    let flags: Vec<String> = flags.iter().map(|it| (*it).to_owned()).collect();
    let error = Layers::defaults(DEFAULTS)
        .and_then(|it| it.file(Some(file.path())))
        .and_then(|it| it.environment(env.iter().copied()).flags(&flags))
        .and_then(|it| it.extract::<Config>())
        .unwrap_err();
    error.to_string().replace(&file.path().display().to_string(), "FILE")
}

#[test]
fn later_layers_win() {
    let file = file("grace = '1s'\n[http]\nlisten = 'file:1'\nmax_body_bytes = 1\n");
    let layers = Layers::defaults(DEFAULTS).unwrap().file(Some(file.path())).unwrap();
    let layers = layers.environment([
        ("SHADOWLINE__HTTP__MAX_BODY_BYTES", "2"),
        ("SHADOWLINE__HTTP__LISTEN", "env:1"),
        ("SHADOWLINE_SERVICE_HOST", "of others"),
        ("PATH", "of others"),
    ]);
    let layers = layers.flags(&["http.listen=flag:1".to_owned()]).unwrap();
    let config: Config = layers.extract().unwrap();
    assert_eq!(config.grace, Duration::from_secs(1));
    assert_eq!((config.http.listen.as_str(), config.http.max_body_bytes), ("flag:1", 2));
}

#[test]
fn an_unknown_key_is_named_with_its_origin_and_the_nearest_known_one() {
    assert_eq!(
        refused("[http]\nlistn = 'x'", &[], &[]),
        "settings file `FILE`: unknown key `http.listn`; did you mean `listen`?"
    );
    assert_eq!(
        refused("", &[("SHADOWLINE__HTPP__LISTEN", "x")], &[]),
        "environment variable `SHADOWLINE__HTPP__LISTEN`: unknown key `htpp`; did you mean `http`?"
    );
    assert_eq!(
        refused("", &[], &["http.colour=red"]),
        "flag `--set http.colour`: unknown key `http.colour`; known here: `listen`, `max_body_bytes`"
    );
}

#[test]
fn a_bad_value_is_named_with_its_origin() {
    let error = refused("", &[("SHADOWLINE__HTTP__MAX_BODY_BYTES", "lots")], &[]);
    assert!(
        error.starts_with(
            "environment variable `SHADOWLINE__HTTP__MAX_BODY_BYTES`: key `http.max_body_bytes`: invalid type: found string \"lots\""
        ),
        "{error}"
    );
    let error = refused("grace = 'soon'", &[], &[]);
    assert!(error.starts_with("settings file `FILE`: key `grace`: "), "{error}");
    assert!(refused("", &[], &["http.listen"]).contains("expected KEY=VALUE"));
}

#[test]
fn a_missing_key_says_where_to_set_it() {
    let error = Layers::defaults("grace = '1s'\n[http]\nlisten = 'x'").unwrap().extract::<Config>();
    assert_eq!(
        error.unwrap_err().to_string(),
        "missing key `http.max_body_bytes`: set it in the settings file or by `SHADOWLINE__HTTP__MAX_BODY_BYTES`"
    );
}

#[test]
fn a_file_that_was_named_must_be_there_and_be_toml() {
    let missing = Layers::defaults(DEFAULTS).unwrap().file(Some(Path::new("no/such.toml")));
    assert_eq!(missing.unwrap_err().to_string(), "read settings file `no/such.toml`");
    let broken = file("grace = ");
    let error = Layers::defaults(DEFAULTS).unwrap().file(Some(broken.path())).unwrap_err();
    assert!(error.to_string().starts_with("parse settings file"), "{error}");
}

#[test]
fn a_part_has_its_defaults_in_its_own_table() {
    #[derive(Deserialize)]
    struct Up {
        knn: Config,
    }
    let layers = Layers::defaults("[knn]\ngrace = '9s'").unwrap();
    let up: Up = layers.defaults_in("knn", DEFAULTS).unwrap().extract().unwrap();
    assert_eq!(up.knn.grace, Duration::from_secs(9));
    assert_eq!(up.knn.http.max_body_bytes, 10);
}

#[test]
fn what_is_passed_through_under_a_secret_key_is_not_shown() {
    let config: toml::Table =
        "password_file = '/run/db'\n[properties]\n'sasl.password' = 'hunter2'\n'sasl.username' = 'me'"
            .parse()
            .unwrap();
    let shown = print(&config).unwrap();
    assert!(!shown.contains("hunter2") && shown.contains("= \"me\""), "{shown}");
    assert!(shown.contains("password_file = \"/run/db\""), "{shown}");
}

#[test]
fn secrets_are_never_shown() {
    let file = file("password = 'hunter2'");
    let config: Config =
        Layers::defaults(DEFAULTS).unwrap().file(Some(file.path())).unwrap().extract().unwrap();
    assert_eq!(config.password.as_ref().unwrap().expose(), "hunter2");
    let shown = print(&config).unwrap();
    assert!(!format!("{config:?}{shown}").contains("hunter2"));
    assert!(shown.contains("password = \"********\""), "{shown}");
    assert!(!refused("password = 4711", &[], &[]).contains("4711"));
    // What is printed is a settings file again.
    let again: Config = Layers::defaults(&shown).unwrap().extract().unwrap();
    assert_eq!(again.http.listen, "127.0.0.1:8010");
}
