//! The binary as an operator meets it: flags, settings, exit status.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shadowline-monitor-iforest"))
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn refused(arguments: &[&str], variables: &[(&str, &str)], words: &str) {
    let output = run(arguments, variables);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{error}");
    assert!(error.contains(words), "no `{words}` in {error}");
}

#[test]
fn settings_can_be_shown() {
    let variables = [("SHADOWLINE__MAX_BATCH", "7"), ("SHADOWLINE__HTTP__LISTEN", "127.0.0.1:1")];
    let output = run(&["--print-config", "--set", "http.listen=127.0.0.1:2"], &variables);
    assert!(output.status.success());
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in
        ["max_batch = 7", "listen = \"127.0.0.1:2\"", "bootstrap_servers = \"127.0.0.1:9092\""]
    {
        assert!(shown.lines().any(|it| it == line), "no {line} in {shown}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_in_words() {
    let variable = [("SHADOWLINE__TOPICS__PREFX", "x")];
    refused(
        &[],
        &variable,
        "`SHADOWLINE__TOPICS__PREFX`: unknown key `topics.prefx`; did you mean `prefix`?",
    );
    refused(&["--set", "topics.prefix=a b"], &[], "topic prefix `a b` is not usable");
    refused(&["--set", "max_batch"], &[], "expected KEY=VALUE");
    refused(
        &["--config", "no/such/file.toml"],
        &[],
        "read settings file `no/such/file.toml`: No such file",
    );
    refused(&["--colour"], &[], "--colour");
    refused(&["--set", "log.kind=pulsar"], &[], "pulsar");
}

#[test]
fn a_port_that_is_taken_is_a_failure_in_words() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("http.listen={}", taken.local_addr().unwrap());
    let output = run(&["--set", &listen, "--set", "telemetry.format=json"], &[]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("serve HTTP: listen on"), "{error}");
}
