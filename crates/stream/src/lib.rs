//! The only crate that knows Kafka: topics, envelope, origin, consumer loop, and the two logs.
