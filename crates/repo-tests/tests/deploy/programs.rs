//! What the services' programs say of themselves.

use std::path::PathBuf;
use std::process::Command;

use super::{run, said, services, skip};

/// Where cargo put a program of this workspace; none if it was not built.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    // This test is in `<target>/release/deps`.
    let test = std::env::current_exe().expect("the path of this test");
    let found = test.ancestors().nth(2).expect("the target's folder").join(name);
    if !found.is_file() {
        skip(&format!("{} (make build)", found.display()));
        return None;
    }
    Some(found)
}

/// The settings that a service would run with: these variables of the environment, these arguments, nothing else.
pub(crate) fn settings(
    service: &str,
    environment: &[(String, String)],
    arguments: &[String],
) -> Option<Result<toml::Table, String>> {
    let program = program(&format!("shadowline-{service}"))?;
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().cloned()).args(arguments).arg("--print-config");
    let output = run(&mut command);
    if !output.status.success() {
        return Some(Err(said(&output)));
    }
    let text = String::from_utf8(output.stdout).expect("settings are text");
    Some(Ok(text.parse().expect("--print-config prints TOML")))
}

/// A setting by its dotted name, as text.
pub(crate) fn setting(settings: &toml::Table, key: &str) -> String {
    let mut parts = key.split('.');
    let mut value = settings
        .get(parts.next().expect("a key"))
        .unwrap_or_else(|| panic!("no `{key}` in {settings}"));
    for part in parts {
        value = value.get(part).unwrap_or_else(|| panic!("no `{key}` in {settings}"));
    }
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Fails for an argument that begins with `--` and is not in the program's help.
pub(crate) fn assert_flags_are_known(service: &str, arguments: &[String]) {
    let Some(program) = program(&format!("shadowline-{service}")) else { return };
    let help = said(&run(Command::new(program).arg("--help")));
    for argument in arguments.iter().filter(|it| it.starts_with("--")) {
        let flag = argument.split('=').next().expect("a flag");
        let known = help.split(|c: char| c.is_whitespace() || c == ',').any(|it| it == flag);
        assert!(known, "{service} has no {flag}:\n{help}");
    }
}

#[test]
fn a_misspelt_setting_is_refused() {
    for service in services() {
        let wrong = [("SHADOWLINE__HTTP__LISTN".to_owned(), "127.0.0.1:1".to_owned())];
        let Some(settings) = settings(service, &wrong, &[]) else { return };
        let refused = settings.expect_err("a misspelt key");
        assert!(
            refused.contains("SHADOWLINE__HTTP__LISTN") && refused.contains("`listen`"),
            "{refused}"
        );
    }
}
