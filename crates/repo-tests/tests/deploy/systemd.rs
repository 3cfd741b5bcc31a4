//! The units of systemd, and the settings files beside them.

use std::process::Command;

use shadowline_services::SERVICES;

use super::programs::{assert_flags_are_known, program, setting, settings};
use super::{files, read, repository, run, said, services, skip};

fn unit(service: &str) -> String {
    format!("deploy/systemd/shadowline-{service}.service")
}

/// The command of a unit.
fn command(service: &str) -> Vec<String> {
    let text = read(&unit(service));
    let line = text.lines().find_map(|it| it.strip_prefix("ExecStart=")).expect("a command");
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn every_service_has_its_unit_and_takes_its_settings() {
    let units: Vec<_> = services().map(unit).collect();
    let mut found = files("deploy/systemd", ".service");
    found.sort_by_key(|it| units.iter().position(|unit| unit == it));
    assert_eq!(found, units);
    for row in SERVICES {
        let service = row.name;
        let command = command(service);
        assert_eq!(command[0], format!("/usr/local/bin/shadowline-{service}"));
        assert_flags_are_known(service, &command);
        let place = format!("/etc/shadowline/{service}.toml");
        assert_eq!(command[1..], ["--config".to_owned(), place]);
        let file = repository().join(format!("deploy/systemd/{service}.toml"));
        let arguments = ["--config".to_owned(), file.to_string_lossy().into_owned()];
        let Some(settings) = settings(service, &[], &arguments) else { return };
        let settings =
            settings.unwrap_or_else(|error| panic!("{service} refuses its file: {error}"));
        if let Some(keeps) = row.keeps {
            // Where systemd lets it write.
            let stored = setting(&settings, keeps.setting);
            let state = format!("/var/lib/shadowline/{service}");
            let below = stored.trim_start_matches("sqlite://").strip_prefix(&state);
            assert!(
                below.is_some_and(|it| it.is_empty() || it.starts_with('/')),
                "{service} stores in {stored}"
            );
        }
        assert!(
            read(&unit(service)).contains(&format!("\nStateDirectory=shadowline/{service}\n")),
            "{service}"
        );
        // Behind a door, not before it.
        assert!(setting(&settings, "http.listen").starts_with("127.0.0.1:"), "{service}");
    }
}

#[test]
fn postgresql_is_a_matter_of_two_variables() {
    let text = read("deploy/systemd/metric-specs-postgres.conf");
    let environment: Vec<_> = text
        .lines()
        .filter_map(|it| it.strip_prefix("Environment=")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace("%d", "/run/credentials/shadowline")))
        .collect();
    assert_eq!(environment.len(), 2, "{text}");
    let Some(settings) = settings("metric-specs", &environment, &[]) else { return };
    let settings = settings.unwrap_or_else(|error| panic!("{error}"));
    assert!(setting(&settings, "store").starts_with("postgres://shadowline@"), "{settings}");
    // --print-config shows no setting with such a name; that it is one is known by now.
    assert!(environment[1].1.ends_with("/store_password"), "{environment:?}");
    assert!(
        text.contains("\nLoadCredential=store_password:/etc/shadowline/store_password\n"),
        "{text}"
    );
}

#[test]
fn systemd_finds_nothing_wrong_and_little_exposed() {
    if !Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_ok_and(|it| it.status.success())
    {
        return skip("systemd-analyze (Debian: apt-get install systemd)");
    }
    let folder = tempfile::tempdir().expect("a folder");
    for service in services() {
        let name = format!("shadowline-{service}");
        let Some(program) = program(&name) else { return };
        // The one thing that is elsewhere on this machine.
        let text = read(&unit(service))
            .replace(&format!("/usr/local/bin/{name}"), &program.to_string_lossy());
        let path = folder.path().join(format!("{name}.service"));
        std::fs::write(&path, text).expect("a unit");
        let output = run(Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&path));
        // Other units of this machine may be wrong.
        let ours: Vec<_> =
            said(&output).lines().filter(|it| it.contains(&name)).map(str::to_owned).collect();
        assert!(ours.is_empty(), "{ours:?}");
        let mut security = Command::new("systemd-analyze");
        // Of 100; a unit that restricts nothing has 96.
        let output = run(security
            .args(["security", "--offline=true", "--threshold=15", "--no-pager"])
            .arg(&path));
        assert!(output.status.success(), "{service} may do too much: {}", said(&output));
    }
    let broken = folder.path().join("shadowline-broken.service");
    std::fs::write(&broken, "[Service]\nExecStart=/nowhere/shadowline\n").expect("a unit");
    let output = run(Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&broken));
    assert!(said(&output).contains("shadowline-broken"), "verify sees nothing: {}", said(&output));
}

#[test]
fn users_and_folders_are_what_the_units_use() {
    assert!(
        read("deploy/systemd/shadowline.sysusers")
            .lines()
            .any(|it| it.starts_with("u shadowline "))
    );
    let folders = read("deploy/systemd/shadowline.tmpfiles");
    assert!(folders.contains("\nd /etc/shadowline 0750 root shadowline -\n"), "{folders}");
    for service in services() {
        let unit = read(&unit(service));
        for line in [
            "User=shadowline",
            "Group=shadowline",
            "ProtectSystem=strict",
            "NoNewPrivileges=yes",
            "UMask=0077",
            "StateDirectoryMode=0700",
            // What a program ends with that refuses its settings: a restart does not help.
            "RestartPreventExitStatus=64",
        ] {
            assert!(unit.lines().any(|it| it == line), "{service} has no `{line}`");
        }
    }
}
