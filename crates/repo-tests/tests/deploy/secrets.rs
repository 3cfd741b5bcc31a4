//! Who gets the password of the door, in containers and without.

use std::collections::BTreeSet;
use std::process::Command;

use super::{read, repository, run, said, yaml};

/// Those that check it, have it as their own, or make a user of it.
const WITH_IT: [&str; 3] = ["caddy", "grafana", "postgres-setup"];

#[test]
fn only_who_needs_it_has_the_doors_password() {
    let compose = yaml("compose.yaml").remove(0);
    let services = compose["services"].as_object().expect("services");
    let with_it: BTreeSet<_> = services
        .iter()
        .filter(|(_, it)| it["environment"].to_string().contains("ADMIN_PASSWORD"))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(with_it, BTreeSet::from(WITH_IT));
}

#[test]
fn what_the_stack_starts_has_it_only_if_it_is_given() {
    let script = read("deploy/local/stack.sh");
    let from = script.find("\nexport BIND_ADDRESS=").expect("where its variables are read");
    let to = script.find("\nas_admin \"$root/deploy/caddy/start.sh\" check").expect("their check");
    let command =
        format!("{}\nenv | grep -c sesame\nas_admin env | grep -c sesame", &script[from..to]);
    // As a user starts it, by the environment.
    let mut bash = Command::new("bash");
    bash.args(["-c", &command]).current_dir(repository());
    let output = run(bash.env("ADMIN_USER", "me").env("ADMIN_PASSWORD", "sesame"));
    assert_eq!(said(&output).trim(), "0\n1");
    let given: Vec<_> = script
        .lines()
        .filter(|it| it.contains("as_admin ") || it.contains("=\"$ADMIN_PASSWORD\""))
        .filter(|it| !it.trim_start().starts_with('#'))
        .collect();
    // The check, PostgreSQL's users, Grafana, Caddy, the file of endpoints.
    assert_eq!(given.len(), 5, "{given:#?}");
}
