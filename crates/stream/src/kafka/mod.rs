//! Apache Kafka through librdkafka.
//!
//! Every call of the client that waits for a broker runs on a thread that may block.

mod aside;
mod bad_property;
mod calls;
mod causes;
mod context;
mod log;
mod member;
mod operator;
mod polled;
mod producer;
mod properties;
mod reader;
mod settings;
mod size_limits;
mod topic_ids;

pub use log::KafkaLog;
pub(crate) use member::KafkaMember;
pub(crate) use producer::KafkaProducer;
pub(crate) use properties::check as check_properties;
pub(crate) use reader::KafkaReader;
