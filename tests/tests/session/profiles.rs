//! What the broker turns out to be: the same commands, said to each as it understands them.

use stomp_proto::{AckMode, Version};
use stomp_session::{CommandError, Config, Lost, Meaning, Message, Nack, Prefetch, Profile, Subscribe};

use crate::script::{Script, config, seconds};

pub(crate) const RABBITMQ: &str = "RabbitMQ/3.10.8";
pub(crate) const ACTIVEMQ: &str = "ActiveMQ/5.17.2";
pub(crate) const ARTEMIS: &str = "ActiveMQ-Artemis/2.44.0 ActiveMQ Artemis Messaging Engine";

/// A connection to a broker that calls itself so.
pub(crate) fn connected(config: Config, version: Version, server: &str) -> Script {
    let mut script = Script::dialled(config);
    let server = if server.is_empty() { String::new() } else { format!("server:{server}\n") };
    script.hear(format!("CONNECTED\nversion:{version}\n{server}\n\0"));
    script.events();
    script.said();
    script
}

fn profile(script: &Script) -> &Profile {
    &script.session.connection().unwrap().profile
}

#[test]
fn the_server_header_chooses_and_what_was_set_goes_before_it() {
    let rows = [
        (RABBITMQ, Profile::RABBITMQ),
        (ACTIVEMQ, Profile::ACTIVEMQ),
        (ARTEMIS, Profile::ARTEMIS),
        ("Rabbit", Profile::UNKNOWN),
        ("", Profile::UNKNOWN),
    ];
    for (server, expected) in rows {
        assert_eq!(profile(&connected(config(), Version::V1_2, server)), &expected, "{server}");
        let mut set = config();
        set.profile = Some(Profile::ACTIVEMQ.into());
        assert_eq!(profile(&connected(set.clone(), Version::V1_2, server)), &Profile::ACTIVEMQ, "{server}");
        let own = set.brokers.endpoints.remove(0).with_profile(Profile::ARTEMIS);
        set.brokers.endpoints.push(own);
        assert_eq!(profile(&connected(set, Version::V1_2, server)), &Profile::ARTEMIS, "{server}");
    }
}

#[test]
fn a_profile_is_data_that_users_write() {
    let mut ours = Profile::UNKNOWN;
    ours.name = "ours";
    ours.prefetch = &[Prefetch::Messages("max-inflight")];
    ours.phrases = &[("no such tenant", Meaning::Login)];
    let mut config = config();
    config.profile = Some(ours.into());
    let mut script = connected(config.clone(), Version::V1_2, RABBITMQ);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    let said = script.said();
    assert!(said.contains("max-inflight:10\n") && !said.contains("prefetch"), "{said}");
    for (text, ends) in [("no such tenant", true), ("Access refused for user", false)] {
        let mut script = Script::dialled(config.clone());
        script.hear(format!("ERROR\nmessage:{text}\n\n\0"));
        assert_eq!(script.session.is_closed(), ends, "{text}");
    }
}

/// RabbitMQ lists its versions in every ERROR; one that lists none of ours refuses us for good.
#[test]
fn a_list_of_versions_in_a_refusal_is_final_only_without_one_of_ours() {
    for (list, ends) in [("1.0,1.1,1.2", false), ("2.0", true), ("", true)] {
        let mut script = Script::dialled(config());
        script.hear(format!("ERROR\nmessage:connection limit\nversion:{list}\n\n\0"));
        assert_eq!(script.session.is_closed(), ends, "{list:?}");
    }
}

#[test]
fn what_a_broker_says_of_a_wrong_login_is_final() {
    let (rabbitmq, activemq) = ("Access refused for user 'me'", "User name [me] or password is invalid.");
    let rows = [
        (Profile::RABBITMQ, rabbitmq, activemq),
        (Profile::ACTIVEMQ, activemq, rabbitmq),
        (Profile::ARTEMIS, activemq, rabbitmq),
    ];
    let ends = |profile: &Profile, text: &str| {
        let mut config = config();
        config.profile = Some(profile.clone().into());
        let mut script = Script::dialled(config);
        script.hear(format!("ERROR\nmessage:no\n\n{text}\0"));
        script.session.is_closed()
    };
    for (profile, own, others) in rows {
        assert!(ends(&profile, own), "{}", profile.name);
        assert!(!ends(&profile, others), "{}: it does not say so", profile.name);
        assert!(ends(&Profile::UNKNOWN, own), "nobody knows which broker it is");
    }
}

#[test]
fn nack_does_what_was_wanted_or_nothing() {
    let rows = [
        (RABBITMQ, Nack::Requeue, Some("NACK\nid:7\n\n\0")),
        (RABBITMQ, Nack::DeadLetter, Some("NACK\nid:7\nrequeue:false\n\n\0")),
        (RABBITMQ, Nack::Discard, None),
        (ACTIVEMQ, Nack::DeadLetter, Some("NACK\nid:7\n\n\0")),
        (ACTIVEMQ, Nack::Requeue, None),
        (ARTEMIS, Nack::Discard, Some("NACK\nid:7\n\n\0")),
        (ARTEMIS, Nack::DeadLetter, None),
        ("", Nack::Unknown, Some("NACK\nid:7\n\n\0")),
        ("", Nack::Requeue, None),
    ];
    for (server, wanted, expected) in rows {
        let mut script = connected(config(), Version::V1_2, server);
        let mut message = subscribed(&mut script);
        let broker = profile(&script).name;
        let refused = script.session.nack_as(&mut message, wanted);
        assert_eq!(script.said(), expected.unwrap_or_default(), "{server} {wanted:?}");
        let cannot = CommandError::NackCannot { broker, wanted };
        assert_eq!(refused, if expected.is_some() { Ok(()) } else { Err(cannot) });
    }
}

fn subscribed(script: &mut Script) -> Message {
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.said();
    script.hear("MESSAGE\nsubscription:0\nmessage-id:7\ndestination:/queue/a\nack:7\n\nhello\0");
    let message = script.messages().pop().expect("a message");
    assert_eq!(message.text(), Ok("hello"));
    message
}

#[test]
fn a_plain_nack_that_destroys_is_refused_where_the_broker_is_known() {
    let mut script = connected(config(), Version::V1_2, ARTEMIS);
    let mut message = subscribed(&mut script);
    let refused = script.session.nack(&mut message);
    assert_eq!(refused, Err(CommandError::NackDiscards { broker: "Artemis" }));
    assert_eq!(script.said(), "");
}

/// The number that the broker is told for each subscription, in the unit of its header.
fn told(script: &mut Script, header: &str) -> Vec<u32> {
    let said = script.said();
    let values = said.lines().filter_map(|line| line.strip_prefix(header)?.strip_prefix(':'));
    values.map(|value| value.parse().unwrap()).collect()
}

#[test]
fn prefetch_is_always_explicit_and_in_the_brokers_unit() {
    let rows = [
        (RABBITMQ, "prefetch-count", 7),
        (ACTIVEMQ, "activemq.prefetchSize", 7),
        (ARTEMIS, "consumer-window-size", 7 * 1024),
        ("", "prefetch-count", 7),
        ("", "activemq.prefetchSize", 7),
    ];
    for (server, header, number) in rows {
        for ack_mode in [AckMode::Client, AckMode::ClientIndividual] {
            let mut script = connected(config(), Version::V1_2, server);
            script.session.subscribe(Subscribe::new("/queue/a").ack(ack_mode).prefetch(7)).unwrap();
            assert_eq!(told(&mut script, header), [number], "{server} {ack_mode:?}");
        }
    }
}

/// Artemis, known or not, would stop for good at the end of a window of octets: with `auto` it gives none of them back.
#[test]
fn with_auto_no_limit_is_told_that_would_never_be_lifted() {
    let rows: [(&str, &[&str]); 4] = [
        (RABBITMQ, &["prefetch-count:7"]),
        (ACTIVEMQ, &["activemq.prefetchSize:7"]),
        (ARTEMIS, &["consumer-window-size:-1"]),
        ("", &["prefetch-count:7"]),
    ];
    for (server, expected) in rows {
        let mut script = connected(config(), Version::V1_2, server);
        script.session.subscribe(Subscribe::new("/queue/a").ack(AckMode::Auto).prefetch(7)).unwrap();
        let said = script.said();
        let limits = ["prefetch", "activemq", "consumer"];
        let told: Vec<_> =
            said.lines().filter(|line| limits.iter().any(|limit| line.starts_with(limit))).collect();
        assert_eq!(told, expected, "{server}");
    }
}

#[test]
fn a_prefetch_is_granted_as_it_was_said_and_kept_or_refused() {
    /// Budget, asked for one after another, granted here and on the next connection, and what was left for one that was refused.
    type Row = (u32, &'static [u32], &'static [u32], Option<(u32, u32)>);
    let rows: [Row; 7] = [
        (100, &[40, 40], &[40, 40], None),
        (100, &[80, 80], &[80], Some((80, 20))),
        (1000, &[500, 500, 500], &[500, 500], Some((500, 0))),
        (100, &[100, 1], &[100], Some((1, 0))),
        (100, &[0], &[], Some((0, 100))),
        (0, &[10], &[], Some((10, 0))),
        (u32::MAX, &[u32::MAX, u32::MAX], &[u32::MAX], Some((u32::MAX, 0))),
    ];
    for (budget, asked, granted, refused) in rows {
        let mut config = config();
        config.prefetch_budget = budget;
        let mut script = connected(config, Version::V1_2, RABBITMQ);
        let wanted = asked.iter().map(|prefetch| Subscribe::new("/queue/a").prefetch(*prefetch));
        let results: Vec<_> = wanted.map(|subscribe| script.session.subscribe(subscribe)).collect();
        let error = results.into_iter().find_map(Result::err);
        assert_eq!(error, refused.map(|(wanted, left)| CommandError::Prefetch { wanted, left }));
        assert_eq!(told(&mut script, "prefetch-count"), granted, "{budget} for {asked:?}");
        script.lose(Lost::Eof);
        script.dial();
        script.said();
        script.hear(format!("CONNECTED\nversion:1.2\nserver:{RABBITMQ}\n\n\0"));
        assert_eq!(told(&mut script, "prefetch-count"), granted, "{budget} for {asked:?}: as before");
    }
}

#[test]
fn the_default_prefetch_is_that_of_the_profile_however_many_there_are() {
    let rows = [
        (RABBITMQ, "prefetch-count", 10),
        (ACTIVEMQ, "activemq.prefetchSize", 100),
        ("", "prefetch-count", 10),
    ];
    for (server, name, expected) in rows {
        let mut config = config();
        config.prefetch_budget = 30;
        let mut script = connected(config, Version::V1_2, server);
        for _ in 0..12 {
            script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        }
        assert_eq!(told(&mut script, name), [expected; 12], "{server}");
        // Of the budget they have taken nothing, nor does one with `auto`.
        script.session.subscribe(Subscribe::new("/queue/a").ack(AckMode::Auto).prefetch(500)).unwrap();
        script.session.subscribe(Subscribe::new("/queue/a").prefetch(30)).unwrap();
        script.said();
    }
}

#[test]
fn a_subscription_that_ended_leaves_its_part_of_the_budget() {
    let mut config = config();
    config.prefetch_budget = 100;
    let mut script = connected(config, Version::V1_2, RABBITMQ);
    let id = script.session.subscribe(Subscribe::new("/queue/a").prefetch(90)).unwrap();
    script.session.unsubscribe(id).unwrap();
    script.said();
    script.session.subscribe(Subscribe::new("/queue/b").prefetch(90)).unwrap();
    assert_eq!(told(&mut script, "prefetch-count"), [90]);
}

#[test]
fn artemis_in_version_1_0_hears_a_line_end_every_period_unasked() {
    for (server, set, beats) in
        [("", Some(Profile::ARTEMIS), true), ("", None, false), (RABBITMQ, None, false)]
    {
        let mut config = config();
        config.profile = set.map(Into::into);
        config.send_beat = seconds(10);
        let mut script = connected(config, Version::V1_0, server);
        for _ in 0..10 {
            script.pass(seconds(8));
            assert_eq!(script.said(), if beats { "\n" } else { "" }, "{server:?}");
        }
    }
}

#[test]
fn headers_of_ones_own_in_connect_are_sent_escaped_and_never_shown() {
    let mut config = config();
    config.send_beat = seconds(10);
    config.add_connect_header("client-id", r"a\b");
    assert!(!format!("{config:?}").contains(r"a\"));
    assert!(Script::dialled(config).said().contains("client-id:a\\\\b\n"));
}

#[test]
fn headers_that_connect_must_not_have_end_the_attempt() {
    let rows = [
        ("receipt", "1", "must not ask for a receipt"),
        ("host", "b", "the header host twice"),
        ("heart-beat", "0,0", "the header heart-beat twice"),
        ("client-id", "me", "a client-id needs heart-beats"),
    ];
    for (name, value, told) in rows {
        let mut config = config();
        config.add_connect_header(name, value);
        let mut script = Script::new(config);
        let attempt = script.attempt();
        drop(script.session.handle_connected(attempt.id, None, script.now));
        let events = script.events();
        assert!(events[0].contains(told), "{events:?}");
        assert!(script.session.is_closed(), "{name}");
    }
}

#[test]
fn an_exclusive_consumer_needs_heart_beats() {
    for name in ["exclusive", "activemq.exclusive"] {
        let exclusive = || Subscribe::new("/queue/a").header(name, "true");
        let mut script = connected(config(), Version::V1_2, RABBITMQ);
        assert_eq!(script.session.subscribe(exclusive()), Err(CommandError::NeedsHeartBeats(name)));
        assert_eq!(script.said(), "");
        let mut beating = config();
        beating.send_beat = seconds(10);
        let mut script = connected(beating, Version::V1_2, RABBITMQ);
        assert!(script.session.subscribe(exclusive()).is_ok());
    }
}

#[test]
fn a_trace_shows_no_header_of_ones_own_in_connect() {
    let mut config = config();
    config.add_connect_header("authorization", "canary");
    config.login = Some(stomp_session::Login::new("me", "canary"));
    let mut script = Script::new(config);
    script.session.trace_frames(true);
    script.dial();
    assert!(script.said().contains("canary"));
    let events = format!("{:?}", script.raw_events());
    assert!(events.contains("FrameSent") && events.contains("me") && !events.contains("canary"), "{events}");
}
