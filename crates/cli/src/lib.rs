//! The command line: shadowline up, demo, train, apply, replay and the rest.
