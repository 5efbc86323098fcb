//! A move: one connection is left in good order for the next, and nothing is lost or doubled on the way.

use std::time::Duration;

use stomp_proto::{AckMode, Version};
use stomp_session::{
    AtLeastOnce, Closed, CommandError, Endpoint, Event, Lost, Message, Move, Moved, NotSent, Outcome, Phase,
    Subscribe, Unknown,
};

use crate::script::{Script, brief, config, seconds, send_frame};

fn listed(uri: &str) -> Script {
    let mut config = config();
    config.brokers = uri.parse().unwrap();
    config.brokers.reconnect.randomize = false;
    config.brokers.reconnect.initial_delay = seconds(20);
    config.brokers.reconnect.startup_max_attempts = None;
    (config.brokers.reconnect.full_jitter, config.brokers.reconnect.jitter) = (false, Duration::ZERO);
    Script::dialled(config)
}

fn connected(uri: &str) -> Script {
    let mut script = listed(uri);
    script.accept(Version::V1_2);
    script.events();
    script.said();
    script
}

const THREE: &str = "failover:(tcp://a,tcp://b,tcp://c)";

fn endpoint(host: &str) -> Endpoint {
    format!("tcp://{host}").parse().unwrap()
}

fn reconnect(script: &mut Script) {
    script.session.reconnect(Move::new("maintenance")).unwrap();
}

fn host(script: &Script) -> String {
    match script.session.phase() {
        Phase::Waiting { endpoint, .. } | Phase::Connecting(endpoint) => endpoint.host().to_owned(),
        Phase::Connected(connection) | Phase::Disconnecting(connection) => {
            connection.endpoint.host().to_owned()
        }
        _ => "nowhere".to_owned(),
    }
}

fn receipts(said: &str) -> Vec<String> {
    said.lines().filter_map(|line| line.strip_prefix("receipt:")).map(str::to_owned).collect()
}

fn answer(script: &mut Script, receipt: &str) {
    script.hear(format!("RECEIPT\nreceipt-id:{receipt}\n\n\0"));
}

/// The broker answers the DISCONNECT, which is the only frame that was written.
fn part(script: &mut Script) {
    let said = script.said();
    assert!(said.starts_with("DISCONNECT\n"), "{said}");
    answer(script, &receipts(&said)[0]);
}

fn moved(script: &mut Script) -> Moved {
    let event = |event| if let Event::Moved(moved) = event { Some(moved) } else { None };
    script.raw_events().into_iter().find_map(event).expect("a move that has ended")
}

fn message(script: &mut Script, subscription: u64, number: u64) -> Option<Message> {
    script.hear(format!(
        "MESSAGE\nsubscription:{subscription}\nmessage-id:m{number}\ndestination:/queue/a\nack:a{number}\n\nx\0"
    ));
    script.messages().pop()
}

#[test]
fn an_idle_session_says_goodbye_and_stands_at_the_next_broker() {
    let mut script = connected(THREE);
    script.session.subscribe(Subscribe::new("/queue/a").header("x", "1")).unwrap();
    let subscribe = script.said();
    answer(&mut script, &receipts(&subscribe)[0]);
    script.events();
    reconnect(&mut script);
    assert_eq!(script.events(), ["moving: maintenance"]);
    part(&mut script);
    let left = "disconnected: connection 1, the connection was left at the application's request, 0 unsent";
    assert_eq!(script.events(), [left, "next: b in 0ns"]);
    assert!(script.closes());
    script.pass(Duration::ZERO);
    script.reconnect(Version::V1_2);
    let events = script.raw_events();
    assert_eq!(
        events.iter().map(brief).collect::<Vec<_>>(),
        ["connected: connection 2", "moved: connection 2"]
    );
    let Some(Event::Moved(moved)) = events.last() else { panic!("{events:?}") };
    assert_eq!((moved.reason.as_str(), moved.graceful), ("maintenance", true));
    assert_eq!((moved.confirmed, moved.unconfirmed, moved.returned), (0, 0, 0));
    assert_eq!((moved.transactions, moved.at_risk), (0, 0));
    assert_eq!(script.now.since_start(), Duration::ZERO, "without a delay");
    let again = script.said();
    let header = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    assert_eq!(again.replace(&header(&again, "receipt:").unwrap(), ""), {
        subscribe.replace(&header(&subscribe, "receipt:").unwrap(), "")
    });
}

/// The one behind the present in the list, the present last, and the named one before all.
#[test]
fn whom_it_goes_to() {
    for (from, to, order) in [
        ("a", None, ["b", "c", "a"]),
        ("b", None, ["c", "a", "b"]),
        ("c", None, ["a", "b", "c"]),
        ("a", Some("c"), ["c", "b", "a"]),
        ("a", Some("a"), ["a", "b", "c"]),
        ("a", Some("d"), ["d", "b", "c"]),
    ] {
        let others: Vec<_> =
            ["a", "b", "c"].into_iter().cycle().skip_while(|it| *it != from).take(3).collect();
        // It begins at the first of the list: the session is brought to the one that is left.
        let mut script = connected(THREE);
        if from != "a" {
            script.session.reconnect(Move::new("on").to(endpoint(from))).unwrap();
            part(&mut script);
            script.closes();
            script.pass(Duration::ZERO);
            script.reconnect(Version::V1_2);
            script.said();
        }
        assert_eq!(host(&script), others[0]);
        let how = Move::new("away");
        script.session.reconnect(if let Some(to) = to { how.to(endpoint(to)) } else { how }).unwrap();
        part(&mut script);
        script.closes();
        for expected in order {
            assert_eq!(script.attempt().endpoint.host(), expected, "{from} to {to:?}");
            script.report(Lost::DialFailed { reason: "refused".into(), permanent: false });
        }
        assert_eq!(script.now.since_start(), Duration::ZERO, "one round without a delay");
    }
}

#[test]
fn the_only_broker_is_dialled_again() {
    let mut script = connected("tcp://a");
    reconnect(&mut script);
    part(&mut script);
    script.closes();
    script.pass(Duration::ZERO);
    script.reconnect(Version::V1_2);
    assert_eq!((host(&script).as_str(), moved(&mut script).graceful), ("a", true));
}

/// What waits for a RECEIPT gets it; what is kept and was not answered goes on.
#[test]
fn receipts_are_awaited_and_nothing_new_leaves() {
    let mut script = connected(THREE);
    let session = &mut script.session;
    session.send_confirmed(send_frame("/queue/a", "confirmed")).unwrap();
    session.send_at_least_once(send_frame("/queue/a", "kept"), AtLeastOnce::new()).unwrap();
    assert_eq!(script.commands(), ["SEND", "SEND"]);
    reconnect(&mut script);
    let session = &mut script.session;
    assert_eq!(session.send(&send_frame("/queue/a", "late")), Err(CommandError::NotConnected));
    session.send_at_least_once(send_frame("/queue/a", "later"), AtLeastOnce::new()).unwrap();
    session.begin().unwrap_err();
    assert_eq!(script.commands(), [""; 0], "DISCONNECT overtakes no RECEIPT");
    script.confirm("confirmed");
    assert_eq!(script.commands(), [""; 0]);
    script.confirm("kept");
    part(&mut script);
    script.closes();
    script.pass(Duration::ZERO);
    script.reconnect(Version::V1_2);
    assert_eq!(script.commands(), ["SEND"], "what was kept meanwhile");
    let moved = moved(&mut script);
    assert_eq!((moved.confirmed, moved.unconfirmed, moved.graceful), (2, 0, true));
}

#[test]
fn when_its_time_is_over_the_connection_is_left_all_the_same() {
    for said in [false, true] {
        let mut script = connected(THREE);
        let plain = script.session.send_confirmed(send_frame("/queue/a", "confirmed")).unwrap();
        script.session.send_at_least_once(send_frame("/queue/a", "kept"), AtLeastOnce::new()).unwrap();
        script.said();
        script.session.reconnect(Move::new("away").within(seconds(4))).unwrap();
        script.pass(Duration::ZERO);
        if said {
            script.confirm("confirmed");
            script.confirm("kept");
            assert_eq!(script.commands(), ["DISCONNECT"]);
        }
        script.events();
        script.pass(seconds(4) - Duration::from_nanos(1));
        assert!(!script.closes());
        script.pass(Duration::from_nanos(1));
        let events = script.raw_events();
        let outcome = events.iter().find_map(|event| match event {
            Event::Receipt { id, outcome } if *id == plain => Some(outcome.clone()),
            _ => None,
        });
        let unknown = Outcome::Unknown(Unknown::Lost(Lost::Left));
        assert_eq!(outcome, (!said).then_some(unknown));
        script.reconnect(Version::V1_2);
        assert_eq!(script.commands().len(), usize::from(!said), "the one that is kept");
        let moved = moved(&mut script);
        assert_eq!((moved.graceful, moved.unconfirmed), (false, usize::from(!said)));
        assert_eq!(moved.confirmed, if said { 2 } else { 0 });
    }
}

#[test]
fn what_has_not_left_is_not_sent() {
    let mut script = connected(THREE);
    let id = script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.session.reconnect(Move::new("away").within(seconds(1))).unwrap();
    script.pass(Duration::ZERO);
    script.pass(seconds(1));
    let events = script.raw_events();
    let not_sent = Outcome::NotSent(NotSent::Lost(Lost::Left));
    assert!(events.iter().any(
        |event| matches!(event, Event::Receipt { id: of, outcome } if *of == id && *outcome == not_sent)
    ));
}

/// Whenever the connection ends, the move goes on to the next broker at once.
#[test]
fn a_connection_that_dies_meanwhile_is_left_nevertheless() {
    for said in [false, true] {
        let mut script = connected(THREE);
        if !said {
            script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
        }
        script.said();
        script.session.reconnect(Move::new("away").to(endpoint("c"))).unwrap();
        script.said();
        script.lose(Lost::Eof);
        assert_eq!(script.now.since_start(), Duration::ZERO);
        assert_eq!(host(&script), "c");
        script.reconnect(Version::V1_2);
        let moved = moved(&mut script);
        assert_eq!((moved.graceful, moved.unconfirmed), (false, usize::from(!said)));
    }
}

/// Messages that need an acknowledgement go back, the others are nobody else's.
#[test]
fn messages_that_come_meanwhile() {
    let mut script = connected(THREE);
    let session = &mut script.session;
    session.subscribe(Subscribe::new("/queue/a")).unwrap();
    session.subscribe(Subscribe::new("/queue/b").ack(AckMode::Auto)).unwrap();
    session.subscribe(Subscribe::new("/topic/c").keep_stale()).unwrap();
    let subscribed = receipts(&script.said());
    for receipt in &subscribed[1..] {
        answer(&mut script, receipt);
    }
    let mut before = message(&mut script, 0, 1).expect("it stands");
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.said();
    reconnect(&mut script);
    let handed_out: Vec<_> = (0..3).map(|id| message(&mut script, id, 2 + id).is_some()).collect();
    assert_eq!(handed_out, [false, true, true]);
    script.session.ack(&mut before).unwrap();
    assert_eq!(script.commands(), ["ACK"], "and no UNSUBSCRIBE");
    script.confirm("x");
    assert_eq!(script.commands(), ["DISCONNECT"]);
    let handed_out: Vec<_> = (0..3).map(|id| message(&mut script, id, 5 + id).is_some()).collect();
    assert_eq!(handed_out, [false, true, true], "after DISCONNECT as well");
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert_eq!(script.commands(), ["SUBSCRIBE"; 3]);
    let moved = moved(&mut script);
    assert_eq!((moved.returned, moved.at_risk), (2, 2));
}

/// Artemis takes a destination for a topic unless the SUBSCRIBE says that it is a queue, whatever its name looks like.
#[test]
fn on_artemis_what_is_not_said_to_be_a_queue_is_at_risk() {
    let mut script = listed("failover:(tcp://a?profile=artemis,tcp://b?profile=artemis)");
    script.accept(Version::V1_2);
    for subscribe in [
        Subscribe::new("/queue/a"),
        Subscribe::new("orders"),
        Subscribe::new("orders").header("subscription-type", "ANYCAST"),
        Subscribe::new("/topic/b").header("durable-subscription-name", "mine"),
    ] {
        script.session.subscribe(subscribe).unwrap();
    }
    for receipt in receipts(&script.said()) {
        answer(&mut script, &receipt);
    }
    reconnect(&mut script);
    part(&mut script);
    script.pass(Duration::ZERO);
    script.reconnect(Version::V1_2);
    assert_eq!(moved(&mut script).at_risk, 2);
}

#[test]
fn what_cannot_be_settled_any_more_is_stale() {
    let mut script = connected(THREE);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    let subscribed = receipts(&script.said());
    answer(&mut script, &subscribed[0]);
    let (mut first, mut second) = (message(&mut script, 0, 1).unwrap(), message(&mut script, 0, 2).unwrap());
    reconnect(&mut script);
    assert_eq!(script.commands(), ["DISCONNECT"]);
    let came = first.connection();
    assert_eq!(script.session.ack(&mut first), Err(CommandError::Stale { came }));
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert_eq!(script.session.ack(&mut second), Err(CommandError::Stale { came }));
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
}

#[test]
fn transactions_that_are_open_are_lost_and_a_commit_is_awaited() {
    let mut script = connected(THREE);
    let (open, committed) = (script.session.begin().unwrap(), script.session.begin().unwrap());
    let id = script.session.commit(committed, seconds(60)).unwrap();
    let asked = receipts(&script.said());
    reconnect(&mut script);
    let began = script.session.connection().unwrap().id;
    let lost = Err(CommandError::TransactionLost { began });
    assert_eq!(script.session.send_in(open, &send_frame("/queue/a", "x")), lost);
    for receipt in &asked {
        answer(&mut script, receipt);
    }
    assert!(script.events().contains(&format!("{id:?}: Confirmed")));
    part(&mut script);
    script.closes();
    script.pass(Duration::ZERO);
    script.reconnect(Version::V1_2);
    assert_eq!(script.session.abort(open), lost);
    let moved = moved(&mut script);
    assert_eq!((moved.transactions, moved.confirmed), (1, 1));
}

#[test]
fn a_subscription_that_is_made_meanwhile_is_sent_on_the_next_connection() {
    let mut script = connected(THREE);
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.said();
    reconnect(&mut script);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    let given_up = script.session.subscribe(Subscribe::new("/queue/b")).unwrap();
    script.session.unsubscribe(given_up).unwrap();
    assert_eq!(script.commands(), [""; 0]);
    script.confirm("x");
    part(&mut script);
    script.closes();
    script.pass(Duration::ZERO);
    script.reconnect(Version::V1_2);
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
}

#[test]
fn without_a_connection_it_dials_at_once() {
    for to in [None, Some("c")] {
        let mut script = listed("failover:(tcp://a,tcp://b)");
        script.report(Lost::Eof);
        script.attempt();
        script.report(Lost::Eof);
        assert_eq!(script.due_in(), Some(seconds(20)));
        script.events();
        let how = Move::new("now");
        script.session.reconnect(if let Some(to) = to { how.to(endpoint(to)) } else { how }).unwrap();
        let next = to.unwrap_or("a");
        assert_eq!(script.events(), ["moving: now".to_owned(), format!("next: {next} in 0ns")]);
        script.reconnect(Version::V1_2);
        assert_eq!((host(&script).as_str(), script.now.since_start()), (next, Duration::ZERO));
        let moved = moved(&mut script);
        assert_eq!((moved.graceful, moved.connection.endpoint.host()), (false, next));
    }
}

/// A command brings no time: whether a broker is held back is looked at when its turn comes.
#[test]
fn a_broker_that_was_held_back_has_its_turn() {
    let mut script = listed("failover:(tcp://a,tcp://b)");
    script.report(Lost::ClosedBeforeConnected);
    script.attempt();
    assert_eq!(host(&script), "b");
    reconnect(&mut script);
    script.events();
    script.now = script.now.after(seconds(30));
    script.report(Lost::Eof);
    assert_eq!(script.events(), ["failed: b, the broker closed the connection", "next: a in 0ns"]);
}

#[test]
fn what_is_dialled_goes_on_unless_another_one_is_named() {
    let mut script = listed(THREE);
    reconnect(&mut script);
    script.session.reconnect(Move::new("again").to(endpoint("a"))).unwrap();
    assert!(!script.closes());
    assert_eq!(script.events(), ["moving: maintenance"], "the second joins the first");
    script.session.reconnect(Move::new("there").to(endpoint("c"))).unwrap();
    assert_eq!(
        script.events(),
        ["failed: a, the connection was left at the application's request", "next: c in 0ns"]
    );
    assert!(script.closes());
    script.pass(Duration::ZERO);
    script.reconnect(Version::V1_2);
    assert_eq!((host(&script).as_str(), moved(&mut script).reason.as_str()), ("c", "maintenance"));
}

#[test]
fn a_second_call_joins_the_first_and_may_name_another_broker() {
    let mut script = connected(THREE);
    reconnect(&mut script);
    assert_eq!(script.commands(), ["DISCONNECT"]);
    script.session.reconnect(Move::new("there").to(endpoint("c"))).unwrap();
    reconnect(&mut script);
    assert_eq!(script.commands(), [""; 0]);
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert_eq!(host(&script), "c");
    let events = script.events();
    assert_eq!(events.iter().filter(|event| event.starts_with("mov")).count(), 2, "{events:?}");
}

/// A move is the end of no stable connection: the delays do not grow, and limits do not count it.
#[test]
fn it_counts_for_no_delay_and_no_limit() {
    let mut script =
        connected("failover:(tcp://a,tcp://b)?maxReconnectAttempts=0&initialReconnectDelay=1000");
    for _ in 0..10 {
        reconnect(&mut script);
        part(&mut script);
        script.closes();
        script.pass(Duration::ZERO);
        script.reconnect(Version::V1_2);
        assert_eq!(script.said(), "");
    }
    assert_eq!(script.now.since_start(), Duration::ZERO);
    assert!(!script.session.is_closed());
}

/// The session ends, whatever the move was at, and only what is kept is connected for once more.
#[test]
fn a_disconnect_wins() {
    for kept in [false, true] {
        for said in [false, true] {
            let mut script = connected(THREE);
            if !said {
                script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
                script.said();
            }
            reconnect(&mut script);
            if kept {
                script.session.send_at_least_once(send_frame("/queue/a", "k"), AtLeastOnce::new()).unwrap();
            }
            assert_eq!(script.commands().len(), usize::from(said));
            script.session.disconnect();
            let refused = script.session.reconnect(Move::new("late"));
            assert_eq!(refused, Err(CommandError::Closed));
            if !said {
                script.confirm("x");
            }
            let mut writes = 0;
            while !script.session.is_closed() {
                let frames = script.said();
                for receipt in receipts(&frames) {
                    answer(&mut script, &receipt);
                }
                if script.session.connection().is_none() && !script.session.is_closed() {
                    script.reconnect(Version::V1_2);
                } else if frames.is_empty() {
                    // What was said before the end began.
                    script.lose(Lost::Eof);
                }
                writes += 1;
                assert!(writes < 10, "kept {kept}, said {said}");
            }
            let events = script.raw_events();
            assert!(matches!(events.last(), Some(Event::Closed(Closed::Disconnected { .. }))), "{events:?}");
            assert!(events.iter().all(|event| !matches!(event, Event::Moved(_))));
            let confirmed =
                events.iter().filter(|it| matches!(it, Event::Receipt { outcome: Outcome::Confirmed, .. }));
            assert_eq!(confirmed.count(), usize::from(kept) + usize::from(!said));
            assert_eq!(script.session.poll_timeout(), None);
        }
    }
}

#[test]
fn after_the_end_it_is_an_error() {
    let mut script = connected(THREE);
    script.session.close();
    assert_eq!(script.session.reconnect(Move::new("late")), Err(CommandError::Closed));
    assert_eq!(script.session.poll_timeout(), None);
}
