//! A service's binary as an operator meets it: flags, settings, exit status. And what it has committed.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::wait::wait_for;

/// Everything here is over long before; what takes longer never ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service's binary; what `env!("CARGO_BIN_EXE_…")` gives.
#[derive(Debug, Clone, Copy)]
pub struct ServiceBinary(pub &'static str);

impl ServiceBinary {
    /// Runs it to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(self.0);
        command.args(arguments).envs(variables.iter().copied());
        command.output().unwrap_or_else(|error| panic!("start {}: {error}", self.0))
    }

    /// Runs it with settings that it must refuse: with exit status 64, and these words on standard error.
    ///
    /// # Panics
    /// If it does anything else.
    pub fn refuses(self, arguments: &[&str], variables: &[(&str, &str)], words: &str) {
        let output = self.run(arguments, variables);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{error}");
        assert!(error.contains(words), "no `{words}` in {error}");
    }

    /// `--print-config` shows the settings that would be used: flags over the environment over the defaults.
    ///
    /// # Panics
    /// If it shows others.
    pub fn shows_settings(self) {
        let variables =
            [("SHADOWLINE__MAX_BATCH", "7"), ("SHADOWLINE__HTTP__LISTEN", "127.0.0.1:1")];
        let output = self.run(&["--print-config", "--set", "http.listen=127.0.0.1:2"], &variables);
        assert!(output.status.success());
        let shown = String::from_utf8_lossy(&output.stdout);
        for line in
            ["max_batch = 7", "listen = \"127.0.0.1:2\"", "bootstrap_servers = \"127.0.0.1:9092\""]
        {
            assert!(shown.lines().any(|it| it == line), "no {line} in {shown}");
        }
    }

    /// Settings that cannot work are refused, each by its name.
    ///
    /// # Panics
    /// If one is not.
    pub fn refuses_settings_in_words(self) {
        let variable = [("SHADOWLINE__TOPICS__PREFX", "x")];
        let words =
            "`SHADOWLINE__TOPICS__PREFX`: unknown key `topics.prefx`; did you mean `prefix`?";
        self.refuses(&[], &variable, words);
        let words = "flag `--set max_batch`: key `max_batch`: found integer `0`, expected a whole number of at least 1";
        self.refuses(&["--set", "max_batch=0"], &[], words);
        for (arguments, words) in [
            (["--set", "group="], "key `group`: it is empty"),
            (["--set", "topics.prefix=a b"], "topic prefix `a b` is not usable"),
            (["--set", "max_batch"], "expected KEY=VALUE"),
            (
                ["--config", "no/such/file.toml"],
                "read settings file `no/such/file.toml`: No such file",
            ),
            (["--colour", "red"], "--colour"),
            (["--set", "log.kind=pulsar"], "pulsar"),
        ] {
            self.refuses(&arguments, &[], words);
        }
    }

    /// A port that is taken ends it with exit status 1, in words.
    ///
    /// # Panics
    /// If it does not.
    pub fn fails_on_a_taken_port(self) {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind a port");
        let listen = format!("http.listen={}", taken.local_addr().expect("a bound address"));
        let output = self.run(&["--set", &listen, "--set", "telemetry.format=json"], &[]);
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("serve HTTP: listen on"), "{error}");
    }

    /// With `--until-stdin-closes` it runs while standard input is open, and ends in order when that closes.
    ///
    /// # Panics
    /// If it ends before, or not as it should.
    pub async fn ends_with_standard_input(self, settings: &[&str]) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut command = tokio::process::Command::new(self.0);
        command
            .arg("--until-stdin-closes")
            .current_dir(dir.path())
            .env_remove("RUST_LOG")
            .kill_on_drop(true);
        for setting in ["http.listen=127.0.0.1:0", "log.kind=embedded", "log.dir=log"] {
            command.args(["--set", setting]);
        }
        for setting in settings {
            command.args(["--set", setting]);
        }
        let said = std::fs::File::create(dir.path().join("said")).expect("a file");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(said);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {}: {error}", self.0));
        let said = || std::fs::read_to_string(dir.path().join("said")).unwrap_or_default();
        wait_for("it is starting", PATIENCE, async || said().contains("starting")).await;
        assert!(child.try_wait().expect("its state").is_none(), "{}", said());
        drop(child.stdin.take());
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("it did not end: {}", said()));
        assert_eq!(status.expect("its status").code(), Some(0), "{}", said());
        assert!(said().contains("standard input closed"), "{}", said());
    }
}

/// Compares a file that is committed with what is made now, or with the variable set, writes it.
///
/// # Panics
/// If they differ, or it cannot be written.
pub fn assert_committed(path: impl AsRef<Path>, made: &str, variable: &str) {
    let path = path.as_ref();
    if std::env::var_os(variable).is_some() {
        std::fs::write(path, made).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let path = path.display();
    assert!(committed == made, "{path} is out of date: run this test with {variable}=1");
}
