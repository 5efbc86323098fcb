//! What the broker turns out to be. Brokers that speak the same frames mean different things by them; each of these
//! differences has a test:
//!
//! | difference | test |
//! | --- | --- |
//! | which broker it is, by its word or its user's | `profiles::the_server_header_chooses_and_what_was_set_goes_before_it`, `profiles::a_profile_is_data_that_users_write` |
//! | NACK requeues, dead-letters or destroys | `profiles::nack_does_what_was_wanted_or_nothing`, `profiles::a_plain_nack_that_destroys_is_refused_where_the_broker_is_known` |
//! | a cumulative ACK touches other subscriptions | `unsubscribe::where_an_ack_touches_others_cumulative_ones_are_spelled_out`, [`a_cumulative_ack_leaves_other_subscriptions_alone`] |
//! | prefetch is inherited, and counts messages or octets | `profiles::prefetch_is_always_explicit_and_in_the_brokers_unit`, `profiles::the_default_prefetch_is_that_of_the_profile_however_many_there_are` |
//! | UNSUBSCRIBE strands messages, answers with ERRORs, and messages come after it | `unsubscribe::on_rabbitmq_what_was_on_its_way_is_given_back_by_a_subscription_of_one_message`, `unsubscribe::stray_errors_of_a_subscription_that_is_over_fail_nothing`, `unsubscribe::messages_that_come_later_are_dropped_and_counted_and_never_refused` |
//! | an ABORT takes ACKs back, or does not | [`an_ack_in_a_transaction_that_is_aborted_counts_on_artemis`] |
//! | CONNECT is unescaped or taken literally | [`connect_values_are_written_as_each_broker_reads_them`], `credentials::a_refused_backslash_says_which_switch_to_try` |
//! | who promises no heart-beats is thrown out | [`heart_beats_are_promised_by_default`], `profiles::artemis_in_version_1_0_hears_a_line_end_every_period_unasked` |
//! | an end-of-line before CONNECT is never answered | `connect::nothing_is_said_before_connected_but_connect` |
//! | a dead client is noticed by heart-beats alone | `profiles::an_exclusive_consumer_needs_heart_beats`, `profiles::headers_that_connect_must_not_have_end_the_attempt` |
//! | receipts that DISCONNECT overtakes are dropped | [`disconnect_waits_for_the_receipts_of_every_broker`] |
//! | a refusal is final, or passes | `profiles::a_list_of_versions_in_a_refusal_is_final_only_without_one_of_ours`, `connect::what_answers_connect_badly` |
//! | `redelivered:false` proves nothing | [`whether_it_says_redelivered_changes_nothing`] |

use stomp_proto::{AckMode, Version};
use stomp_session::{Config, Event, Login, Message, Profile, Subscribe};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::{
    profiles::{ACTIVEMQ, ARTEMIS, RABBITMQ, connected},
    script::{Script, config, send_frame},
};

#[test]
fn heart_beats_are_promised_by_default() {
    let mut script = Script::dialled(Config::new("tcp://broker".parse().unwrap()));
    assert!(script.said().contains("heart-beat:10000,10000\n"));
}

#[test]
fn connect_values_are_written_as_each_broker_reads_them() {
    let rows = [
        (None, r"passcode:p\\ss"),
        (Some(Profile::RABBITMQ), r"passcode:p\\ss"),
        (Some(Profile::ACTIVEMQ), r"passcode:p\\ss"),
        (Some(Profile::ARTEMIS), r"passcode:p\ss"),
    ];
    for (profile, expected) in rows {
        let mut config = config();
        config.profile = profile.map(Into::into);
        config.login = Some(Login::new("me", r"p\ss"));
        let said = Script::dialled(config).said();
        assert!(said.lines().any(|line| line == expected), "{expected}: {said}");
    }
}

fn messages(pair: &mut Pair) -> Vec<Message> {
    let message = |event| if let Event::Message(message) = event { Some(message) } else { None };
    pair.events().into_iter().filter_map(message).collect()
}

/// RabbitMQ takes a cumulative ACK for all messages of the connection.
#[test]
fn a_cumulative_ack_leaves_other_subscriptions_alone() {
    for broker in [BrokerConfig::rabbitmq(), BrokerConfig::activemq(), BrokerConfig::artemis()] {
        let shown = format!("{broker:?}");
        let mut pair = Pair::connected(config(), broker);
        for queue in ["/queue/a", "/queue/b"] {
            pair.session.subscribe(Subscribe::new(queue).ack(AckMode::Client)).unwrap();
        }
        for queue in ["/queue/b", "/queue/a", "/queue/a", "/queue/a"] {
            pair.broker.publish(queue, "x", &[]);
        }
        pair.drive();
        let mut of_a: Vec<_> = messages(&mut pair);
        of_a.retain(|message| message.header("destination").unwrap() == "/queue/a");
        pair.session.ack(&mut of_a[1]).unwrap();
        pair.drive();
        assert_eq!((pair.broker.unacked("/queue/a"), pair.broker.unacked("/queue/b")), (1, 1), "{shown}");
    }
}

/// Artemis counts an ACK when it comes.
#[test]
fn an_ack_in_a_transaction_that_is_aborted_counts_on_artemis() {
    let rows = [(BrokerConfig::rabbitmq(), 1), (BrokerConfig::activemq(), 1), (BrokerConfig::artemis(), 0)];
    for (broker, unacked) in rows {
        let shown = format!("{broker:?}");
        let mut pair = Pair::connected(config(), broker);
        pair.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        pair.broker.publish("/queue/a", "x", &[]);
        pair.drive();
        let mut message = messages(&mut pair).pop().unwrap();
        let transaction = pair.session.begin().unwrap();
        pair.session.ack_in(transaction, &mut message).unwrap();
        pair.session.abort(transaction).unwrap();
        pair.drive();
        assert_eq!(pair.broker.unacked("/queue/a"), unacked, "{shown}");
    }
}

#[test]
fn disconnect_waits_for_the_receipts_of_every_broker() {
    for server in [RABBITMQ, ACTIVEMQ, ARTEMIS, ""] {
        let mut script = connected(config(), Version::V1_2, server);
        script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
        script.session.disconnect();
        assert_eq!(script.commands(), ["SEND"], "{server}");
        script.hear("RECEIPT\nreceipt-id:1\n\n\0");
        assert_eq!(script.commands(), ["DISCONNECT"], "{server}");
    }
}

#[test]
fn whether_it_says_redelivered_changes_nothing() {
    let life = |header: &str| {
        let mut script = connected(config(), Version::V1_2, ARTEMIS);
        script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        script.said();
        script.hear(format!(
            "MESSAGE\nsubscription:0\nmessage-id:1\nack:1\ndestination:/queue/a\n{header}\nhello\0"
        ));
        let mut message = script.messages().pop().expect("a message");
        script.session.ack(&mut message).unwrap();
        script.said()
    };
    assert_eq!(life(""), "ACK\nid:1\n\n\0");
    assert_eq!(life("redelivered:true\n"), life(""));
    assert_eq!(life("redelivered:false\n"), life(""));
}
