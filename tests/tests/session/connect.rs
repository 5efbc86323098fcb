//! CONNECT and what may answer it: versions, heart-beats, refusals, silence.

use stomp_proto::{HeartBeat, Oversize, Version};
use stomp_session::{CommandError, Event, Login, Lost, Timestamp};
use stomp_testkit::{
    broker::BrokerConfig,
    pair::{Door, Pair},
};

use crate::script::{Script, brief, config, milliseconds, seconds, send_frame};

#[test]
fn each_version_is_agreed_on_and_the_newest_wins() {
    use Version::{V1_0, V1_1, V1_2};
    let rows: [(&[Version], &[Version], Version); 5] = [
        (&[V1_0, V1_1, V1_2], &[V1_0, V1_1, V1_2], V1_2),
        (&[V1_0, V1_1, V1_2], &[V1_0, V1_1], V1_1),
        (&[V1_0, V1_1, V1_2], &[V1_0], V1_0),
        (&[V1_1], &[V1_0, V1_1, V1_2], V1_1),
        (&[V1_0], &[V1_0, V1_1, V1_2], V1_0),
    ];
    for (offered, spoken, agreed) in rows {
        let mut config = config();
        config.versions = offered.to_vec();
        let pair = Pair::connected(config, BrokerConfig::default().versions(spoken));
        let connection = pair.session.connection().unwrap();
        assert_eq!(connection.version, agreed, "{offered:?} {spoken:?}");
        assert!(connection.server.as_deref().is_some_and(|server| server.starts_with("stomp-testkit/")));
        assert_eq!(connection.session.as_deref(), Some("session-0"));
    }
}

#[test]
fn the_connect_frame() {
    let mut config = config();
    (config.send_beat, config.receive_beat) = (seconds(3), seconds(4));
    let mut script = Script::dialled(config.clone());
    let newest = "CONNECT\naccept-version:1.0,1.1,1.2\nhost:/\nheart-beat:3000,4000\n\n\0";
    assert_eq!(script.said(), newest);
    config.versions = vec![Version::V1_0];
    let mut script = Script::dialled(config);
    assert_eq!(script.said(), "CONNECT\nhost:/\n\n\0", "1.0 knows neither versions nor heart-beats");
}

#[test]
fn heart_beats_are_the_slower_of_what_one_can_and_the_other_wants() {
    let rows = [
        ((10, 20), Some("0,0"), (0, 0)),
        ((10, 20), None, (0, 0)),
        ((10, 20), Some("30,40"), (40, 30)),
        ((50, 60), Some("30,40"), (50, 60)),
        ((0, 60), Some("30,40"), (0, 60)),
        ((50, 0), Some("30,40"), (50, 0)),
    ];
    for ((send, receive), answer, (outgoing, incoming)) in rows {
        let mut config = config();
        (config.send_beat, config.receive_beat) = (milliseconds(send), milliseconds(receive));
        let mut script = Script::dialled(config);
        let header = answer.map(|value| format!("heart-beat:{value}\n")).unwrap_or_default();
        script.hear(format!("CONNECTED\nversion:1.2\n{header}\n\0"));
        let agreed = script.session.connection().unwrap().heart_beat;
        assert_eq!(agreed, HeartBeat { outgoing, incoming }, "{answer:?}");
    }
}

/// What answers CONNECT, what the attempt ends with, and whether it is the last one.
#[test]
fn what_answers_connect_badly() {
    let rows = [
        ("ERROR\nmessage:no\n\n\0", "the broker refused the connection: no", false),
        ("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'a'\n\0", "Access refused", true),
        ("ERROR\nmessage:Bad CONNECT\n\nVirtual host '/x' access denied\n\0", "access denied", true),
        ("ERROR\nmessage:User name [a] or password is invalid.\n\n\0", "password is invalid", true),
        ("ERROR\nmessage:Authentication failed\n\nno\0", "Authentication failed", true),
        ("ERROR\nmessage:Invalid Login\n\n\0", "Invalid Login", true),
        ("ERROR\nmessage:no such version\nversion:2.0\n\n\0", "no such version", true),
        ("ERROR\nmessage:Broker\\c already connected\n\n\0", "already connected", false),
        ("CONNECTED\nversion:2.0\n\n\0", "version \"2.0\", which was not offered", true),
        ("CONNECTED\nversion:1.2\nheart-beat:x\n\n\0", "heart-beat header is invalid: \"x\"", true),
        ("MESSAGE\nmessage-id:1\ndestination:a\nsubscription:0\n\n\0", "MESSAGE frame where none is", false),
        ("RECEIPT\nreceipt-id:1\n\n\0", "RECEIPT frame where none is", false),
        ("HTTP/1.1 400 Bad Request\r\n", "HTTP: STOMP has a port of its own", false),
        ("AMQP\u{0}\u{0}\u{9}\u{1}", "AMQP: RabbitMQ's STOMP port", false),
        ("\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}F", "TLS: use stomp+ssl://", false),
        ("SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "not STOMP", false),
    ];
    for (answer, told, last) in rows {
        let mut script = Script::dialled(config());
        script.hear(answer);
        let events = script.events();
        assert!(events[0].starts_with("failed: broker, ") && events[0].contains(told), "{told}: {events:?}");
        let next = match last {
            true => "closed: no connection to tcp://broker:61613: ",
            // A refusal that may pass takes longer to pass than a broken line.
            false if answer.starts_with("ERROR") => "next: broker in 1s",
            false => "next: broker in 10ms",
        };
        assert!(events.len() == 2 && events[1].starts_with(next), "{told}: {events:?}");
        assert!(script.closes(), "{told}");
        assert_eq!(script.session.is_closed(), last, "{told}");
    }
}

#[test]
fn an_end_before_connected_says_what_to_look_at() {
    let mut script = Script::dialled(config());
    script.report(Lost::Eof);
    let events = script.events();
    assert!(events[0].contains("is it a STOMP port without TLS, and is the login right?"), "{events:?}");
}

/// A transport that says why it ended knows better, and the broker is left alone for a while all the same.
#[test]
fn what_the_transport_says_before_connected_is_told() {
    for login in [None, Some(Login::new("me", r"p\ss"))] {
        let mut script = Script::new(config());
        script.dial_as(login.clone());
        script.report(Lost::Io("certificate required".into()));
        let events = script.events();
        assert!(events[0].contains("certificate required"), "{events:?}");
        assert_eq!(events[0].contains("ConnectEscaping") || events[0].contains("profile"), login.is_some());
        assert_eq!(events[1], "next: broker in 1s");
    }
}

/// A refusal is judged by its headers, where its body is too large to be kept, or some of its headers are.
#[test]
fn an_error_that_is_too_large_stays_what_it_is() {
    let many = "x:y\n".repeat(1001);
    let body = "x".repeat(200_000);
    for (text, is_final) in [("Access refused for user 'me'", true), ("no", false)] {
        for rest in [
            format!("content-length:200000\n\n{body}\0"),
            format!("\n{body}"),
            format!("{many}content-length:200000\n\n{body}\0"),
            format!("x:{body}\n\nbody\0"),
        ] {
            let mut script = Script::dialled(config());
            for octets in format!("ERROR\nmessage:{text}\n{rest}").as_bytes().chunks(1000) {
                script.hear(octets);
            }
            let events = script.events();
            assert_eq!(events[0], format!("failed: broker, the broker refused the connection: {text}"));
            assert_eq!(script.session.is_closed(), is_final, "{events:?}");
        }
    }
}

/// Whatever the limits of the configuration are: nobody is judged by less than 64 KiB, unless they are tighter.
#[test]
fn the_limits_before_connected_are_no_wider_than_those_after() {
    let rows =
        [(u64::MAX, 64 * 1024, true), (u64::MAX, 64 * 1024 + 1, false), (10, 10, true), (10, 11, false)];
    for (limit, length, is_kept) in rows {
        for oversize in [Oversize::Fail, Oversize::Drain] {
            let mut config = config();
            (config.limits.body, config.limits.oversize) = (limit, oversize);
            let mut script = Script::dialled(config);
            script.hear(format!("ERROR\nmessage:no\ncontent-length:{length}\n\n{}\0", "x".repeat(length)));
            let Some(Event::ConnectFailed { reason: Lost::Refused(error), .. }) =
                script.raw_events().into_iter().next()
            else {
                panic!("{limit}: {length}")
            };
            assert_eq!(error.frame().body().len(), if is_kept { length } else { 0 }, "{limit}");
        }
    }
}

#[test]
fn blanks_around_what_a_broker_lists_are_passed_over() {
    let rows = [
        ("CONNECTED\nversion:1.2\nheart-beat:10000, 20000\n\n\0", Some((20_000, 10_000))),
        ("CONNECTED\nversion:1.2\nheart-beat: 10000,20000 \n\n\0", Some((20_000, 10_000))),
        ("CONNECTED\nversion:1.2\nheart-beat:10000\t,\t20000\n\n\0", Some((20_000, 10_000))),
        ("CONNECTED\nversion:1.2\nheart-beat:10 000,20000\n\n\0", None),
        ("CONNECTED\nversion:1.2\nheart-beat: , \n\n\0", None),
    ];
    for (answer, agreed) in rows {
        let mut config = config();
        (config.send_beat, config.receive_beat) = (milliseconds(1), milliseconds(1));
        let mut script = Script::dialled(config);
        script.hear(answer);
        let found = script.session.connection().map(|connection| connection.heart_beat);
        let agreed = agreed.map(|(outgoing, incoming)| HeartBeat { outgoing, incoming });
        assert_eq!(found, agreed, "{answer:?}");
    }
    for (versions, is_final) in [("1.0, 1.1, 1.2", false), ("1.0 ,\t1.1", false), ("0.9, 2.0", true)] {
        let mut script = Script::dialled(config());
        script.hear(format!("ERROR\nmessage:no\nversion:{versions}\n\n\0"));
        assert_eq!(script.session.is_closed(), is_final, "{versions:?}");
    }
}

#[test]
fn dialling_and_connected_have_their_time_and_no_more() {
    let rows = [
        (
            Door::Stuck,
            "failed: broker, the connection was not made within 3.0 s: is the host reachable from here?",
            3000,
        ),
        (
            Door::Open,
            "failed: broker, the broker accepted the connection and did not answer CONNECT within 4.0 s",
            4000,
        ),
    ];
    for (door, told, after) in rows {
        let mut config = config();
        (config.connect_timeout, config.connected_timeout) = (seconds(3), seconds(4));
        let mut pair = Pair::new(config, BrokerConfig::default());
        pair.broker.silence_new_connections(true);
        pair.set_door(door);
        pair.advance(milliseconds(after - 1));
        assert!(pair.events().is_empty(), "{door:?}");
        pair.advance(milliseconds(1));
        let events: Vec<_> = pair.events().iter().map(brief).collect();
        assert_eq!(events, [told, "next: broker in 10ms"]);
        pair.advance(milliseconds(10));
        assert_eq!(pair.attempts().len(), 2);
        assert!(pair.broker.connections().len() <= 1, "the first connection was closed");
    }
}

#[test]
fn a_timeout_of_zero_still_lets_time_pass() {
    let mut config = config();
    (config.connect_timeout, config.connected_timeout) = (seconds(0), seconds(0));
    let mut pair = Pair::new(config, BrokerConfig::default());
    pair.set_door(Door::Stuck);
    pair.advance(seconds(1));
    assert!((5..200).contains(&pair.attempts().len()), "{}", pair.attempts().len());
}

#[test]
fn nothing_is_said_before_connected_but_connect() {
    let mut config = config();
    config.send_beat = milliseconds(10);
    let mut script = Script::dialled(config);
    assert_eq!(script.commands(), ["CONNECT"]);
    assert_eq!(script.session.send(&send_frame("/queue/a", "x")), Err(CommandError::NotConnected));
    let refused = script.session.send_confirmed(send_frame("/queue/a", "x"));
    assert_eq!(*refused.unwrap_err(), CommandError::NotConnected);
    assert_eq!(script.session.begin(), Err(CommandError::NotConnected));
    script.session.subscribe(stomp_session::Subscribe::new("/queue/a")).unwrap();
    script.pass(seconds(5));
    assert_eq!(script.said(), "", "no heart-beat, no SUBSCRIBE");
    script.accept(Version::V1_2);
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
}

#[test]
fn the_octets_of_an_earlier_connection_are_ignored() {
    let mut script = Script::dialled(config());
    let mut old = {
        script.report(Lost::Eof);
        script.pass(seconds(1));
        let attempt = script.attempt();
        script.session.handle_connected(attempt.id, None, script.now).unwrap()
    };
    script.report(Lost::Eof);
    script.pass(seconds(1));
    script.dial();
    script.events();
    old.feed(b"CONNECTED\nversion:1.0\n\n\0");
    assert!(script.session.next_event(&mut old, script.now).is_none());
    assert!(script.events().is_empty() && script.session.connection().is_none());
    script.accept(Version::V1_2);
    assert_eq!(script.events(), ["connected: connection 3"]);
}

/// A clock that runs back is a mistake of the owner's. A debug build says so; a release build stands still.
#[test]
fn a_time_that_runs_back_is_a_mistake() {
    let run = || {
        let mut script = Script::dialled(config());
        script.pass(seconds(10));
        script.session.handle_timeout(Timestamp::from_start(seconds(5)));
        script.due_in().is_none_or(|due| due <= seconds(60))
    };
    assert_eq!(std::panic::catch_unwind(run).ok(), if cfg!(debug_assertions) { None } else { Some(true) });
}
