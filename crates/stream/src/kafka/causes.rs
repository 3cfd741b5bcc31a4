//! What an error of the client means to the operator who has to mend it.

use std::error::Error;
use std::fmt;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// An error with what to look at; only the error where nothing is known to look at.
#[derive(Debug)]
pub(super) struct Explained {
    advice: Option<String>,
    error: KafkaError,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.advice {
            Some(advice) => write!(f, "{advice} ({})", self.error),
            None => self.error.fmt(f),
        }
    }
}

impl Error for Explained {}

/// Says what an error means; `topic` is the one that was asked or written to.
pub(super) fn explain(error: KafkaError, topic: Option<&str>) -> Explained {
    let advice = error.rdkafka_error_code().and_then(|it| advice(it, topic));
    Explained { advice, error }
}

/// What to look at, where an error of this kind says too little by itself.
pub(super) fn advice(code: Code, topic: Option<&str>) -> Option<String> {
    let on_topic = |rights: &str| match topic {
        Some(topic) => format!("the user of kafka lacks the right {rights} on topic `{topic}`"),
        None => format!("the user of kafka lacks the right {rights} on a topic"),
    };
    Some(match code {
        // The broker says the one of a single record, and the other of those in a batch that has several.
        Code::InvalidTimestamp | Code::InvalidRecord => {
            let of = topic.map(|it| format!(" of topic `{it}`")).unwrap_or_default();
            format!(
                "the broker refuses the time of a record: a clock is wrong, this machine's or the broker's, or \
                 message.timestamp.before.max.ms or message.timestamp.after.max.ms{of} is too strict"
            )
        }
        Code::TopicAuthorizationFailed => on_topic("WRITE to send, or READ and DESCRIBE to read,"),
        Code::GroupAuthorizationFailed => {
            "the user of kafka lacks the right READ on the consumer group".to_owned()
        }
        Code::ClusterAuthorizationFailed => {
            let any = "a topic";
            format!(
                "the user of kafka lacks the right WRITE on {}, or IDEMPOTENT_WRITE or CREATE on the cluster",
                topic.map_or(any.to_owned(), |it| format!("topic `{it}`"))
            )
        }
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "the broker refuses the user or the password (sasl.username, sasl.password)".to_owned()
        }
        Code::UnsupportedSASLMechanism => "the broker does not take this sasl.mechanism".to_owned(),
        _ => return None,
    })
}

/// Whether a record failed only because another one did.
pub(super) fn is_consequence(code: Code) -> bool {
    matches!(
        code,
        Code::PurgeQueue
            | Code::PurgeInflight
            | Code::Fatal
            | Code::GaplessGuarantee
            | Code::InvalidDifferentRecord
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_look_at() {
        let said = |code, topic| explain(KafkaError::MessageProduction(code), topic).to_string();
        let time = said(Code::InvalidRecord, Some("t"));
        assert!(time.contains("clock") && time.contains("topic `t`"), "{time}");
        let right = said(Code::TopicAuthorizationFailed, Some("t"));
        assert!(right.contains("right WRITE") && right.contains("topic `t`"), "{right}");
        assert_eq!(
            said(Code::UnknownTopic, None),
            KafkaError::MessageProduction(Code::UnknownTopic).to_string()
        );
    }
}
