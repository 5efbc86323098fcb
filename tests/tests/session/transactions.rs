//! Transactions: they belong to their connection, every frame asks for a RECEIPT, and nothing of them is sent twice.

use stomp_proto::{AckMode, Version};
use stomp_session::{CommandError, Event, Lost, Subscribe, TransactionId};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::script::{Script, brief, config, seconds, send_frame};

fn receipts(script: &mut Script, ids: &[u64]) {
    ids.iter().for_each(|id| script.hear(format!("RECEIPT\nreceipt-id:{id}\n\n\0")));
}

/// BEGIN asks for receipt 2, the SENDs for 3 and 4, COMMIT for 5.
fn begun(script: &mut Script) -> TransactionId {
    let transaction = script.session.begin().unwrap();
    for body in ["a", "b"] {
        script.session.send_in(transaction, &send_frame("/queue/a", body)).unwrap();
    }
    transaction
}

fn committed() -> (Script, TransactionId) {
    let mut script = Script::connected(config(), Version::V1_2);
    let transaction = begun(&mut script);
    script.session.commit(transaction, seconds(120)).unwrap();
    script.said();
    (script, transaction)
}

#[test]
fn every_frame_of_it_asks_for_a_receipt() {
    let mut script = Script::connected(config(), Version::V1_2);
    let transaction = begun(&mut script);
    let begun = "BEGIN\ntransaction:t1\nreceipt:2\n\n\0\
        SEND\ndestination:/queue/a\ntransaction:t1\nreceipt:3\ncontent-length:1\n\na\0\
        SEND\ndestination:/queue/a\ntransaction:t1\nreceipt:4\ncontent-length:1\n\nb\0";
    assert_eq!(script.said(), begun);
    script.session.commit(transaction, seconds(120)).unwrap();
    assert_eq!(script.said(), "COMMIT\ntransaction:t1\nreceipt:5\n\n\0");
}

/// RabbitMQ answers the SENDs only after the COMMIT, and the COMMIT may be the first.
#[test]
fn a_commit_is_confirmed_when_all_of_it_is() {
    for order in [[2, 3, 4, 5], [2, 5, 4, 3], [5, 2, 3, 4]] {
        let (mut script, _) = committed();
        let (last, first) = order.split_last().unwrap();
        receipts(&mut script, first);
        assert_eq!(script.events(), [""; 0], "{order:?}");
        receipts(&mut script, &[*last]);
        assert_eq!(script.events(), ["ReceiptId(5): Confirmed"], "{order:?}");
        assert_eq!((script.session.awaited_receipts(), script.due_in()), (0, None));
    }
}

#[test]
fn answers_that_do_not_come_make_it_unknown() {
    for answered in [&[2, 3, 4][..], &[2, 3, 5], &[5]] {
        let (mut script, _) = committed();
        receipts(&mut script, answered);
        script.pass(seconds(59));
        assert_eq!(script.events(), [""; 0]);
        script.pass(seconds(1));
        assert_eq!(script.events(), ["ReceiptId(5): Unknown(Timeout(60s))"], "{answered:?}");
        assert_eq!((script.session.awaited_receipts(), script.due_in()), (0, None));
    }
}

#[test]
fn a_cut_makes_a_commit_unknown_and_nothing_of_it_is_sent_again() {
    for answered in [&[][..], &[2, 3, 4], &[5], &[2, 3, 5]] {
        let (mut script, transaction) = committed();
        receipts(&mut script, answered);
        script.lose(Lost::Eof);
        assert_eq!(script.events()[0], "ReceiptId(5): Unknown(Lost(Eof))", "{answered:?}");
        script.reconnect(Version::V1_2);
        assert_eq!(script.said(), "");
        let later = script.session.abort(transaction).unwrap_err().to_string();
        assert!(later.contains("connection 1, which has ended"), "{later}");
    }
}

#[test]
fn a_commit_that_has_not_left_was_not_sent() {
    let mut script = Script::connected(config(), Version::V1_2);
    let transaction = begun(&mut script);
    script.said();
    script.session.commit(transaction, seconds(120)).unwrap();
    script.lose(Lost::Eof);
    assert_eq!(script.events()[0], "ReceiptId(5): NotSent(Lost(Eof))");
    script.reconnect(Version::V1_2);
    assert_eq!(script.said(), "");
}

/// The broker would keep the transaction open, and what was acknowledged in it.
#[test]
fn a_commit_that_is_taken_back_is_an_abort() {
    let mut script = Script::connected(config(), Version::V1_2);
    let transaction = begun(&mut script);
    script.said();
    script.session.commit(transaction, seconds(1)).unwrap();
    // Nothing is collected: the transport takes nothing.
    script.session.handle_timeout(script.now);
    script.pass(seconds(1));
    assert_eq!(script.events(), ["ReceiptId(5): NotSent(Timeout(1s))"]);
    assert_eq!(script.said(), "ABORT\ntransaction:t1\nreceipt:6\n\n\0");
    assert_eq!(script.session.abort(transaction), Err(CommandError::TransactionOver));
    receipts(&mut script, &[6]);
    assert_eq!((script.session.awaited_receipts(), script.due_in()), (0, None));
}

#[test]
fn who_is_leaving_takes_a_commit_back_without_an_abort() {
    let mut script = Script::connected(config(), Version::V1_2);
    let transaction = begun(&mut script);
    script.said();
    script.session.commit(transaction, seconds(1)).unwrap();
    script.session.disconnect();
    script.session.handle_timeout(script.now);
    script.pass(seconds(1));
    assert_eq!(script.events(), ["ReceiptId(5): NotSent(Timeout(1s))"]);
    assert_eq!(script.commands(), ["DISCONNECT"], "which aborts it");
}

#[test]
fn it_belongs_to_its_connection() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    let transaction = script.session.begin().unwrap();
    script.lose(Lost::Eof);
    for connected in [false, true] {
        if connected {
            script.reconnect(Version::V1_2);
        }
        script.said();
        if connected {
            script.hear("MESSAGE\nsubscription:0\nmessage-id:1\nack:1\ndestination:/queue/a\n\nx\0");
        }
        let mut messages = script.messages();
        let session = &mut script.session;
        let mut answers = vec![
            session.send_in(transaction, &send_frame("/queue/a", "x")),
            session.commit(transaction, seconds(1)).map(|_| ()),
            session.abort(transaction),
        ];
        answers.extend(messages.iter_mut().map(|message| session.ack_in(transaction, message)));
        assert_eq!(answers.len(), if connected { 4 } else { 3 });
        for answer in answers {
            assert!(matches!(answer, Err(CommandError::TransactionLost { .. })), "{answer:?}");
        }
        assert_eq!(script.said(), "");
    }
}

#[test]
fn after_its_end_nothing_is_done_in_it() {
    for commits in [false, true] {
        let mut script = Script::connected(config(), Version::V1_2);
        let transaction = begun(&mut script);
        match commits {
            true => _ = script.session.commit(transaction, seconds(1)).unwrap(),
            false => script.session.abort(transaction).unwrap(),
        }
        script.said();
        let session = &mut script.session;
        assert_eq!(
            session.send_in(transaction, &send_frame("/queue/a", "x")),
            Err(CommandError::TransactionOver)
        );
        assert_eq!(session.commit(transaction, seconds(1)), Err(CommandError::TransactionOver));
        assert_eq!(session.abort(transaction), Err(CommandError::TransactionOver));
        assert_eq!(script.said(), "");
    }
}

#[test]
fn one_of_which_a_frame_was_refused_is_aborted_instead() {
    let mut script = Script::connected(config(), Version::V1_2);
    let transaction = begun(&mut script);
    script.said();
    script.hear("ERROR\nmessage:no\nreceipt-id:3\n\n\0");
    assert_eq!(script.events(), [""; 0], "it is told at the commit");
    script.session.commit(transaction, seconds(1)).unwrap();
    assert_eq!(script.commands(), ["ABORT"]);
    assert_eq!(script.events(), ["ReceiptId(5): Rejected(ServerError(no))"]);
}

#[test]
fn a_refusal_behind_the_commit_is_told() {
    let (mut script, _) = committed();
    receipts(&mut script, &[2, 5, 4]);
    script.hear("ERROR\nmessage:no\nreceipt-id:3\n\n\0");
    assert_eq!(script.events(), ["ReceiptId(5): Unknown(PartRejected(ServerError(no)))"]);
    let (mut script, _) = committed();
    script.hear("ERROR\nmessage:no\nreceipt-id:5\n\n\0");
    assert_eq!(script.events(), ["ReceiptId(5): Rejected(ServerError(no))"]);
    assert_eq!(script.session.awaited_receipts(), 0);
}

#[test]
fn the_end_waits_for_a_commit_and_for_nothing_that_was_not_committed() {
    let mut script = Script::connected(config(), Version::V1_2);
    begun(&mut script);
    script.said();
    script.session.disconnect();
    assert_eq!(script.commands(), ["DISCONNECT"]);
    let (mut script, _) = committed();
    script.session.disconnect();
    receipts(&mut script, &[5, 2, 3]);
    assert_eq!(script.said(), "");
    receipts(&mut script, &[4]);
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

#[test]
fn at_a_broker_it_counts_when_committed_and_not_when_aborted() {
    for broker in [BrokerConfig::rabbitmq(), BrokerConfig::activemq(), BrokerConfig::default()] {
        for commits in [false, true] {
            let mut pair = Pair::connected(config(), broker.clone());
            pair.session.subscribe(Subscribe::new("/queue/in").ack(AckMode::ClientIndividual)).unwrap();
            pair.broker.publish("/queue/in", "x", &[]);
            pair.drive();
            let message = |event| if let Event::Message(message) = event { Some(message) } else { None };
            let mut message = pair.events().into_iter().find_map(message).unwrap();
            let transaction = pair.session.begin().unwrap();
            pair.session.ack_in(transaction, &mut message).unwrap();
            pair.session.send_in(transaction, &send_frame("/queue/out", "y")).unwrap();
            match commits {
                true => _ = pair.session.commit(transaction, seconds(10)).unwrap(),
                false => pair.session.abort(transaction).unwrap(),
            }
            pair.drive();
            // Nobody waits for the answers to what was aborted.
            let events: Vec<_> =
                pair.events().iter().map(brief).filter(|event| event != "unroutable").collect();
            assert_eq!(events.len(), usize::from(commits), "{events:?}");
            assert!(events.iter().all(|event| event.ends_with("Confirmed")), "{events:?}");
            assert_eq!(pair.broker.depth("/queue/out"), usize::from(commits));
            assert_eq!(pair.broker.unacked("/queue/in"), usize::from(!commits));
            assert_eq!(pair.session.awaited_receipts(), 0);
        }
    }
}
