//! Starts logs and services for tests; builders, fixtures and wait_for.
