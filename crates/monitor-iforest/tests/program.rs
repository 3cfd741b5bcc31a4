//! The binary as an operator meets it: flags, settings, exit status.

use shadowline_testkit::ServiceBinary;

const BINARY: ServiceBinary = ServiceBinary(env!("CARGO_BIN_EXE_shadowline-monitor-iforest"));

#[test]
fn settings_can_be_shown() {
    BINARY.shows_settings();
}

#[test]
fn settings_that_make_no_sense_are_refused_in_words() {
    BINARY.refuses_settings_in_words();
}

#[test]
fn a_port_that_is_taken_is_a_failure_in_words() {
    BINARY.fails_on_a_taken_port();
}

#[tokio::test]
async fn it_ends_when_standard_input_closes() {
    BINARY.ends_with_standard_input(&["packages_dir=packages"]).await;
}
