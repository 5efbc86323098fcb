//! Two sessions in one process: what one has given away is nothing to the other.

use stomp_proto::{AckMode, Command, Frame, Version};
use stomp_session::{AckToken, CommandError, Message, Nack, Session, Settle, Subscribe, SubscriptionId};

use crate::script::{Script, config, seconds, send_frame};

/// Each with a connection, a subscription, and a message for it.
fn pair() -> [(Script, Message); 2] {
    ["mine", "theirs"].map(|body| {
        let mut script = Script::connected(config(), Version::V1_2);
        script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        script.said();
        script
            .hear(format!("MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/a\nack:1\n\n{body}\0"));
        let message = script.messages().pop().unwrap();
        (script, message)
    })
}

#[test]
fn what_is_of_another_session_is_refused_and_leaves_no_octet() {
    type Use = fn(&mut Script, &mut Script, &mut Message) -> Result<(), CommandError>;
    let uses: [(&str, Use); 11] = [
        ("ack", |mine, _, message| mine.session.ack(message)),
        ("nack", |mine, _, message| mine.session.nack(message)),
        ("nack_as", |mine, _, message| mine.session.nack_as(message, Nack::Requeue)),
        ("token", |mine, _, message| mine.session.ack(&mut message.ack_token())),
        ("ack_in", |mine, _, message| {
            let transaction = mine.session.begin()?;
            mine.said();
            mine.session.ack_in(transaction, message)
        }),
        ("nack_in", |mine, _, message| {
            let transaction = mine.session.begin()?;
            mine.said();
            mine.session.nack_in(transaction, message)
        }),
        ("unsubscribe", |mine, _, message| mine.session.unsubscribe(message.subscription())),
        ("delete", |mine, _, message| mine.session.delete_durable(message.subscription())),
        ("send_in", |mine, theirs, _| {
            let transaction = theirs.session.begin()?;
            mine.session.begin()?;
            mine.said();
            mine.session.send_in(transaction, &send_frame("/queue/a", "x"))
        }),
        ("commit", |mine, theirs, _| {
            let transaction = theirs.session.begin()?;
            mine.session.begin()?;
            mine.said();
            mine.session.commit(transaction, seconds(1)).map(drop)
        }),
        ("abort", |mine, theirs, _| {
            let transaction = theirs.session.begin()?;
            mine.session.begin()?;
            mine.said();
            mine.session.abort(transaction)
        }),
    ];
    for (what, use_it) in uses {
        let [(mut mine, _), (mut theirs, mut message)] = pair();
        let done = use_it(&mut mine, &mut theirs, &mut message);
        assert_eq!(done, Err(CommandError::OtherSession), "{what}");
        assert_eq!(mine.said(), "", "{what}");
        theirs.session.ack(&mut message).unwrap();
        assert!(theirs.said().ends_with("ACK\nid:1\n\n\0"), "{what}: it is still good where it came");
    }
}

#[test]
fn a_wait_of_another_session_is_not_cancelled() {
    let [(mut mine, _), (mut theirs, _)] = pair();
    let of_theirs = theirs.session.send_confirmed(send_frame("/queue/a", "theirs")).unwrap();
    let of_mine = mine.session.send_confirmed(send_frame("/queue/a", "mine")).unwrap();
    assert_eq!(of_mine.to_string(), of_theirs.to_string(), "they look alike");
    assert_ne!(of_mine, of_theirs);
    assert!(!mine.session.cancel(of_theirs));
    assert!(mine.said().contains("mine"));
}

#[test]
fn a_message_of_another_session_is_not_given_back() {
    let [(mut mine, own), (_, message)] = pair();
    mine.session.unsubscribe(own.subscription()).unwrap();
    mine.session.give_back(&message);
    assert_eq!(mine.said(), "", "UNSUBSCRIBE waits for the message that is out");
    mine.session.give_back(&own);
    assert_eq!(mine.commands(), ["UNSUBSCRIBE"]);
}

#[test]
fn an_attempt_and_an_input_of_another_session_are_nothing_to_this_one() {
    let (mut mine, mut theirs) = (Script::new(config()), Script::new(config()));
    let (my_attempt, their_attempt) = (mine.attempt(), theirs.attempt());
    let now = mine.now;
    assert!(mine.session.handle_connected(their_attempt.id, None, now).is_none());
    let mut input = theirs.session.handle_connected(their_attempt.id, None, now).unwrap();
    let _ = mine.session.handle_connected(my_attempt.id, None, now).unwrap();
    input.feed(b"CONNECTED\nversion:1.2\n\n\0");
    assert!(mine.session.next_event(&mut input, now).is_none());
    assert!(mine.session.connection().is_none());
    assert!(theirs.session.next_event(&mut input, now).is_some());
}

#[test]
fn ids_show_what_stands_on_the_wire() {
    let mut script = Script::connected(config(), Version::V1_2);
    let subscription = script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    let receipt = script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    let transaction = script.session.begin().unwrap();
    let said = script.said();
    for line in [
        format!("\nid:{subscription}\n"),
        format!("\nreceipt:{receipt}\n"),
        format!("\ntransaction:{transaction}\n"),
    ] {
        assert!(said.contains(&line), "{line:?} in {said:?}");
    }
}

/// What settles a message, made of it.
fn settle_by_token(session: &mut Session, token: &mut AckToken) -> Result<(), CommandError> {
    session.ack(token)
}

#[test]
fn a_token_settles_its_message_when_that_is_gone() {
    let rows = [
        (Version::V1_0, "ACK\nmessage-id:1\n\n\0"),
        (Version::V1_1, "ACK\nsubscription:0\nmessage-id:1\n\n\0"),
        (Version::V1_2, "ACK\nid:a\n\n\0"),
    ];
    for (version, ack) in rows {
        for mode in [AckMode::Client, AckMode::ClientIndividual] {
            let mut script = Script::connected(config(), version);
            script.session.subscribe(Subscribe::new("/queue/a").ack(mode)).unwrap();
            script.said();
            script.hear("MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/a\nack:a\nx:y\n\nhello\0");
            let mut message = script.messages().pop().unwrap();
            let mut token = message.ack_token();
            assert_eq!(token.subscription(), message.subscription());
            settle_by_token(&mut script.session, &mut token).unwrap();
            assert!(token.is_settled());
            assert_eq!(script.said(), ack);
            let twice = [script.session.ack(&mut token), script.session.ack(&mut message)];
            assert_eq!(twice, [(); 2].map(|()| Err(CommandError::AlreadySettled)), "{version} {mode:?}");
            assert_eq!(script.said(), "");
            assert_eq!(message.into_frame().header("x").unwrap(), "y");
        }
    }
}

#[test]
fn a_token_is_stale_when_its_connection_has_ended() {
    let [(mut script, message), _] = pair();
    let mut token = message.ack_token();
    script.lose(stomp_session::Lost::Eof);
    script.reconnect(Version::V1_2);
    script.said();
    let came = message.connection();
    assert_eq!(script.session.ack(&mut token), Err(CommandError::Stale { came }));
    assert_eq!(script.said(), "");
}

#[test]
fn a_detached_message_is_nobodys() {
    let [(mut script, _), _] = pair();
    let frame = Frame::new(Command::Message).with_header("ack", "1").with_body("hello");
    let mut message = Message::detached(frame);
    assert_eq!(message.text(), Ok("hello"));
    assert_eq!(script.session.ack(&mut message), Err(CommandError::OtherSession));
    assert_eq!(script.said(), "");
}

const MINE: &str = "MESSAGE\nsubscription:mine\nmessage-id:1\nack:1\ndestination:/queue/a\n\nhello\0";

fn mine() -> Subscribe {
    Subscribe::new("/queue/a").id("mine")
}

fn in_use(name: &str) -> Result<SubscriptionId, CommandError> {
    Err(CommandError::SubscriptionIdInUse(name.into()))
}

#[test]
fn an_id_of_ones_own_may_be_digits() {
    let mut script = Script::connected(config(), Version::V1_2);
    let own = script.session.subscribe(Subscribe::new("/queue/a").id("1234")).unwrap();
    let also = script.session.subscribe(Subscribe::new("/queue/b").id("2")).unwrap();
    // A number that is somebody's is not generated.
    let generated: Vec<_> =
        ["/queue/c", "/queue/d"].map(|queue| script.session.subscribe(Subscribe::new(queue)).unwrap()).into();
    assert_eq!(generated.iter().map(ToString::to_string).collect::<Vec<_>>(), ["3", "4"]);
    assert!(script.said().contains("SUBSCRIBE\nid:1234\ndestination:/queue/a\n"));
    for (wire_id, expected) in [("1234", own), ("2", also), ("3", generated[0]), ("4", generated[1])] {
        script.hear(format!(
            "MESSAGE\nsubscription:{wire_id}\nmessage-id:1\nack:1\ndestination:/queue/a\n\n\0"
        ));
        assert_eq!(script.messages().pop().unwrap().subscription(), expected, "{wire_id}");
    }
    script.session.unsubscribe(generated[0]).unwrap();
    assert_eq!(script.session.subscribe(Subscribe::new("/queue/a").id("3")), in_use("3"), "it was generated");
    assert!(script.session.subscribe(Subscribe::new("/queue/a").id("1")).is_ok(), "it was passed over");
}

#[test]
fn an_id_of_ones_own_is_free_when_its_unsubscribe_is_answered() {
    for answer in ["RECEIPT\n", "ERROR\nmessage:no such subscription\n"] {
        let mut script = Script::connected(config(), Version::V1_2);
        let first = script.session.subscribe(mine()).unwrap();
        script.said();
        script.hear(MINE);
        let mut message = script.messages().pop().unwrap();
        script.session.unsubscribe(first).unwrap();
        assert_eq!(script.session.subscribe(mine()), in_use("mine"), "a message is out");
        script.session.ack(&mut message).unwrap();
        assert_eq!(script.said(), "ACK\nid:1\n\n\0UNSUBSCRIBE\nid:mine\nreceipt:2\n\n\0");
        assert_eq!(script.session.subscribe(mine()), in_use("mine"), "it is not answered");
        script.hear(format!("{answer}receipt-id:2\n\n\0"));
        assert_eq!(script.events(), ["unsubscribed: SubscriptionId(0)"]);
        let second = script.session.subscribe(mine()).unwrap();
        assert_ne!(first, second);
        assert_eq!(script.commands(), ["SUBSCRIBE"]);
    }
}

#[test]
fn an_id_of_ones_own_is_free_at_once_when_the_broker_has_ended_its_subscription() {
    let mut script = Script::connected(config(), Version::V1_2);
    let first = script.session.subscribe(mine().retry(stomp_session::Retry::Never)).unwrap();
    script.said();
    script.hear(MINE);
    let mut message = script.messages().pop().unwrap();
    script.hear("ERROR\nsubscription:mine\nmessage:cancelled\n\n\0");
    let second = script.session.subscribe(mine()).unwrap();
    assert_ne!(first, second);
    script.said();
    assert_eq!(script.session.ack(&mut message), Err(CommandError::Unsubscribed), "it was another one's");
    assert_eq!(script.said(), "");
}

#[test]
fn a_cancel_that_overtakes_an_unsubscribe_frees_the_id() {
    let mut script = Script::connected(config(), Version::V1_2);
    let first = script.session.subscribe(mine()).unwrap();
    script.said();
    script.hear(MINE);
    let _taken = script.messages();
    script.session.unsubscribe(first).unwrap();
    script.hear("ERROR\nsubscription:mine\nmessage:cancelled\n\n\0");
    assert!(script.session.subscribe(mine()).is_ok());
    assert_eq!(script.commands(), ["SUBSCRIBE"], "there is nothing to unsubscribe any more");
}

#[test]
fn a_message_of_an_earlier_generation_is_a_typed_error_and_confirms_nothing() {
    let mut script = Script::connected(config(), Version::V1_2);
    let first = script.session.subscribe(mine()).unwrap();
    script.said();
    script.hear(MINE);
    let mut old = script.messages().pop().unwrap();
    script.session.unsubscribe(first).unwrap();
    script.pass(seconds(0));
    script.pass(seconds(10));
    assert_eq!(script.commands(), ["UNSUBSCRIBE"], "at its deadline");
    script.hear("RECEIPT\nreceipt-id:2\n\n\0");
    script.session.subscribe(mine()).unwrap();
    script.said();
    script.events();
    script.hear(MINE);
    assert_eq!(script.events(), ["message: \"hello\""], "it may be a late one: nothing is confirmed");
    script.hear("RECEIPT\nreceipt-id:3\n\n\0");
    assert_eq!(script.events(), ["subscribed: SubscriptionId(1)"]);
    assert_eq!(script.session.ack(&mut old), Err(CommandError::Unsubscribed));
    assert_eq!(script.said(), "");
}

/// What RabbitMQ says of a message that the UNSUBSCRIBE has overtaken.
const STRAY: &str =
    "ERROR\nmessage:Subscription not found\n\nThere is no current subscription with tag 'T_mine'.\n\0";

#[test]
fn on_rabbitmq_a_stray_of_an_earlier_generation_stays_one_and_its_message_is_given_back_by_the_next() {
    let mut script = Script::dialled(config());
    script.hear("CONNECTED\nversion:1.2\nserver:RabbitMQ/4.1.0\nsession:s\n\n\0");
    let first = script.session.subscribe(mine()).unwrap();
    script.said();
    script.session.unsubscribe(first).unwrap();
    assert_eq!(script.said(), "UNSUBSCRIBE\nid:mine\nreceipt:2\n\n\0");
    script.hear("RECEIPT\nreceipt-id:2\n\n\0");
    let second = script.session.subscribe(mine()).unwrap();
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
    script.hear(STRAY);
    assert!(script.session.connection().is_some());
    assert_eq!((script.session.stray_errors(), script.said().as_str()), (1, ""), "no second SUBSCRIBE");
    script.session.unsubscribe(second).unwrap();
    let said = script.said();
    assert!(said.contains("NACK\nid:T_mine@@s@@1\n"), "{said}");
    assert!(said.contains("UNSUBSCRIBE\nid:mine\nreceipt:4\n"), "{said}");
}

#[test]
fn on_rabbitmq_an_id_is_taken_again_while_what_was_on_its_way_is_given_back() {
    let mut script = Script::dialled(config());
    script.hear("CONNECTED\nversion:1.2\nserver:RabbitMQ/4.1.0\nsession:s\n\n\0");
    let first = script.session.subscribe(mine()).unwrap();
    script.session.unsubscribe(first).unwrap();
    script.said();
    script.hear("RECEIPT\nreceipt-id:2\n\n\0");
    script.hear(STRAY);
    assert!(script.said().starts_with("SUBSCRIBE\nid:mine\n"));
    assert_eq!(script.session.subscribe(mine()), in_use("mine"));
    script.hear("RECEIPT\nreceipt-id:3\n\n\0");
    assert_eq!(script.commands(), ["BEGIN"]);
    script.hear("RECEIPT\nreceipt-id:4\n\n\0");
    assert!(script.said().contains("UNSUBSCRIBE\nid:mine\nreceipt:5\n"));
    script.hear("RECEIPT\nreceipt-id:5\n\n\0");
    assert!(script.session.subscribe(mine()).is_ok());
}

#[test]
fn a_generated_id_is_not_used_again() {
    let mut script = Script::connected(config(), Version::V1_2);
    for number in 0..100 {
        let id = script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        assert_eq!(id.to_string(), number.to_string());
        script.session.unsubscribe(id).unwrap();
        assert!(!script.said().contains("UNSUBSCRIBE\nid:0\nreceipt"), "no receipt is needed");
    }
}
