//! Starts logs, databases and servers for tests.
