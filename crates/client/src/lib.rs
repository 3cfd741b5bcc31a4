//! A typed client of the services' REST interfaces.
