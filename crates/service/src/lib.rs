//! What every service shares: settings, telemetry, health, HTTP, graceful shutdown.
