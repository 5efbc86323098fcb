//! What a profile says of a broker, in words.

use stomp_tokio::{Cumulative, Nack, Profile, Version};

/// What somebody who uses the broker should know.
pub(crate) fn of_profile(profile: &Profile) -> Vec<String> {
    let mut words = vec![match profile.nack {
        Nack::Requeue => "a NACK gives the message back at once".to_owned(),
        Nack::DeadLetter => "a NACK moves the message to a dead letter queue".to_owned(),
        Nack::Discard => "a NACK destroys the message".to_owned(),
        _ => "what a NACK does is not known".to_owned(),
    }];
    words.push(format!(
        "a subscription has up to {} messages ahead unless told otherwise",
        profile.default_prefetch
    ));
    let rules = [
        (
            profile.cumulative == Cumulative::Connection,
            "a cumulative ACK would cover the whole connection: each message gets its own",
        ),
        (
            profile.end_counts,
            "the end of a connection counts as a delivery of each message that is not acknowledged",
        ),
        (profile.requeue_counts && profile.end_counts, "so does a NACK"),
        (
            !profile.send_to_queue.is_empty(),
            "a destination is a topic unless --to-queue or --from-queue says otherwise",
        ),
        (profile.durable_needs_client_id, "a durable subscription needs --client-id"),
        (
            !profile.frame_limits.is_empty(),
            "frames above its limits would end the connection: they are refused here",
        ),
        (profile.name == Profile::UNKNOWN.name, "this broker is not known: nothing is taken for granted"),
    ];
    words.extend(rules.into_iter().filter(|(applies, _)| *applies).map(|(_, rule)| rule.to_owned()));
    words
}

/// What the server of a WebSocket has chosen of the subprotocols.
pub(crate) fn of_subprotocol(chosen: Option<Version>) -> String {
    match chosen {
        Some(version) => format!("v{}.stomp", version.to_string().replace('.', "")),
        None => "no subprotocol chosen".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broker_is_described() {
        let says =
            |profile: &Profile, words: &str| of_profile(profile).iter().any(|line| line.contains(words));
        assert!(says(&Profile::RABBITMQ, "gives the message back"));
        assert!(says(&Profile::RABBITMQ_4, "counts as a delivery"));
        assert!(says(&Profile::ACTIVEMQ, "--client-id"));
        assert!(says(&Profile::ARTEMIS, "destroys"));
        assert!(says(&Profile::UNKNOWN, "not known"));
    }
}
