//! The container image, as far as it can be seen without an engine: what it holds is put together and run.

use std::collections::BTreeSet;
use std::process::Command;

use shadowline_services::SERVICES;

use super::programs::program;
use super::{read, repository, run, said, skip};

/// The command line, and the program of each service.
fn programs() -> Vec<String> {
    let services = SERVICES.iter().map(|it| it.program.to_owned());
    std::iter::once("shadowline".to_owned()).chain(services).collect()
}

/// What a shell of a checkout prints for a command.
fn printed(command: &str) -> String {
    let output = run(Command::new("sh").args(["-c", command]).current_dir(repository()));
    assert!(output.status.success(), "{command}: {}", said(&output));
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn the_image_has_the_programs_that_compose_starts() {
    let script = read("deploy/container/assemble.sh");
    let names = script.lines().find(|it| it.starts_with("names=")).expect("the programs' names");
    let copied = printed(&format!("here=deploy/container; {names}; echo $names"));
    assert_eq!(copied.split_whitespace().collect::<Vec<_>>(), programs());
    // Every program is built, by the package that has it.
    let containerfile = read("deploy/container/Containerfile");
    let packages = containerfile.split("-p shadowline-cli $(").nth(1).expect("the packages");
    let built = printed(packages.split(" \\\n").next().expect("a line").trim_end_matches(')'));
    for service in SERVICES {
        let package = format!("-p {}", service.program);
        assert!(built.lines().any(|it| it == package), "{} is not built", service.program);
    }
}

#[test]
fn it_is_built_with_this_toolchain_and_what_the_checkout_has() {
    let containerfile = read("deploy/container/Containerfile");
    let toolchain: toml::Table = read("rust-toolchain.toml").parse().expect("a toolchain");
    let channel = toolchain["toolchain"]["channel"].as_str().expect("a channel");
    assert!(
        containerfile.contains(&format!("\nFROM rust:{channel}-bookworm AS build\n")),
        "not Rust {channel}"
    );
    // The ignore file lets in what it names and nothing else, so what it names must be there.
    let ignored = read("deploy/container/Containerfile.dockerignore");
    let mut lines = ignored.lines().filter(|it| !it.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "everything is outside first");
    let inside: BTreeSet<_> =
        lines.map(|it| it.strip_prefix('!').unwrap_or_else(|| panic!("`{it}`"))).collect();
    for path in &inside {
        assert!(repository().join(path).exists(), "there is no {path}");
    }
    assert!(inside.contains("Cargo.lock") && inside.contains("crates"), "{inside:?}");
    // What crates include from outside their folders.
    let mut n_included = 0;
    for path in super::files("crates", ".rs").iter().filter(|it| it.contains("/src/")) {
        for included in read(path).split("include_str!(\"").skip(1) {
            let included = included.split('"').next().expect("a path");
            let whole =
                repository().join(path).parent().expect("a folder").join(included).canonicalize();
            let whole = whole.unwrap_or_else(|error| panic!("{path} includes {included}: {error}"));
            let covered = inside.iter().any(|it| whole.starts_with(repository().join(it)));
            assert!(covered, "{path} includes {included}, which is not in the build's context");
            n_included += 1;
        }
    }
    assert!(n_included > 5, "only {n_included} files are included");
    for line in ["FROM scratch", "USER 65532:65532"] {
        assert!(containerfile.lines().any(|it| it == line), "no `{line}`");
    }
}

#[test]
fn what_is_in_it_runs_as_its_user_and_on_its_own_libraries() {
    let Some(built) = program("shadowline-serving") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("image");
    let mut assemble = Command::new(repository().join("deploy/container/assemble.sh"));
    let output = run(assemble.arg(built.parent().expect("the folder of the programs")).arg(&root));
    assert!(output.status.success(), "{}", said(&output));

    for shell in ["bin/sh", "usr/bin/sh", "bin/bash", "usr/bin/apt"] {
        assert!(!root.join(shell).exists(), "{shell} is in the image");
    }
    let is_root = said(&run(Command::new("id").arg("-u"))).trim() == "0";
    if !is_root {
        return skip("root, to change the root folder");
    }
    let opened = run(Command::new("chmod").arg("755").arg(folder.path()));
    assert!(opened.status.success(), "{}", said(&opened));
    for name in programs() {
        let mut inside = Command::new("chroot");
        inside.arg("--userspec=65532:65532").arg(&root).arg(format!("/usr/local/bin/{name}"));
        let output = run(inside.arg("--version").env_clear().env("PATH", "/usr/sbin:/usr/bin"));
        assert!(
            output.status.success() && said(&output).starts_with(&format!("{name} ")),
            "{}",
            said(&output)
        );
    }
    // Again into the same folder would mix two images.
    let mut again = Command::new(repository().join("deploy/container/assemble.sh"));
    let output = run(again.arg(built.parent().expect("the folder of the programs")).arg(&root));
    assert!(
        said(&output).contains("is not empty") && !output.status.success(),
        "{}",
        said(&output)
    );
}
