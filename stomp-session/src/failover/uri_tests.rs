//! URIs of brokers: what is taken, what is refused, and that errors show nothing of them.

use alloc::{format, vec};
use core::time::Duration;

use super::*;
use crate::model::profile::Profile;

#[test]
fn broker_uris() {
    let rows = [
        ("tcp://localhost", "tcp://localhost:61613", "/"),
        ("stomp://h:1", "tcp://h:1", "/"),
        ("TCP://h:1", "tcp://h:1", "/"),
        (" tcp://h:1\n", "tcp://h:1", "/"),
        ("stomp+nio://h", "tcp://h:61613", "/"),
        ("nio://h", "tcp://h:61613", "/"),
        ("stomp+nio+ssl://h", "stomp+ssl://h:61614", "/"),
        ("ssl://h", "stomp+ssl://h:61614", "/"),
        ("stomps://u:p@h:7/a%2Fb", "stomp+ssl://h:7", "a/b"),
        ("tcp://[::1]:61613", "tcp://[::1]:61613", "/"),
        ("tcp://[fe80::1%25eth0]:61613", "tcp://[fe80::1%25eth0]:61613", "/"),
        ("tcp://[fe80::1%eth0]", "tcp://[fe80::1%25eth0]:61613", "/"),
        ("tcp://user:p@ss:word@127.0.0.1:1/", "tcp://127.0.0.1:1", "/"),
    ];
    for (uri, shown, virtual_host) in rows {
        let endpoint: Endpoint = uri.parse().unwrap();
        assert_eq!((&*format!("{endpoint}"), endpoint.virtual_host()), (shown, virtual_host), "{uri}");
    }
    let zoned: Endpoint = "tcp://[fe80::1%25eth0]".parse().unwrap();
    assert_eq!(zoned.host(), "fe80::1%eth0", "as the resolver wants it");
}

#[test]
fn logins_are_decoded() {
    let login = |uri: &str| uri.parse::<Endpoint>().unwrap().login().cloned();
    assert_eq!(login("tcp://al%69ce:p%40ss%3Aw%5Cord@h"), Some(Login::new("alice", r"p@ss:w\ord")));
    assert_eq!(login("tcp://me@h"), Some(Login::without_passcode("me")));
    assert_eq!(login("tcp://me:@h"), Some(Login::new("me", "")));
    assert_eq!(login("tcp://h"), None);
}

#[test]
fn a_wrong_uri_names_the_wrong_part() {
    let rows = [
        ("localhost:61613", "a broker URI looks like"),
        ("http://h", "the scheme http:// is not supported: the scheme of a WebSocket is ws://"),
        ("foo://h", "the scheme is not supported"),
        ("tcp://", "the host is missing"),
        ("tcp://:61613", "the host is missing"),
        ("tcp://h:", "the port is not a number"),
        ("tcp://h:0", "the port is not a number"),
        ("tcp://h:+1", "the port is not a number"),
        ("tcp://h:65536", "the port is not a number"),
        ("tcp://h:12a", "the port is not a number"),
        ("tcp://a b", "the host is invalid"),
        ("tcp://::1:61613", "the host is missing"),
        ("tcp://[::g]:1", "the host is invalid"),
        ("tcp://[::1%]:1", "the host is invalid"),
        ("tcp://[::1%25e/th]:1", "the host is invalid"),
        ("tcp://u:%zz@h", "the passcode is not percent-encoded"),
        ("tcp://u:s3cr3t/x@h", "'/' is written %2F"),
        ("tcp://svc:61613/x@broker:61613", "there is an '@' after a '/'"),
        ("failover:(tcp://a:1", "brackets"),
        ("failover:tcp://a:1)", "brackets"),
        ("failover:(tcp://a:1,tcp://b:x)", "broker 2 of the list: the port"),
        ("failover:(tcp://a:1)?randomize=1", "the option randomize must be true or false"),
        ("failover:(tcp://a:1)?maxReconnectDelay=False", "the option maxReconnectDelay must be a number"),
        ("failover:(tcp://a:1)?timeout=5", "the option timeout does not exist here: use Config::timeout"),
        ("tcp://a:1?soTimeout=5", "the option soTimeout does not exist here: use Config::send_beat"),
        ("failover:(tcp://a:1)?nested.wireFormat.maxInactivityDuration=5", "use Config::send_beat"),
        ("ssl://a:1?socket.verifyHostName=false", "the option verifyHostName does not exist here: use TlsC"),
        ("failover:(tcp://a:1)?backup=true", "no second connection is kept ready"),
        ("failover:(tcp://a:1)?backOffMultiplier=NaN", "backOffMultiplier"),
        ("failover:(tcp://a:1)?backOffMultiplier=0.5", "backOffMultiplier"),
        ("failover:(tcp://a:1)?maxReconnectAttempts=-2", "the option maxReconnectAttempts must be a number"),
        ("failover:(tcp://a:1)?randomize=True", "the option randomize must be true or false"),
        ("failover:(tcp://a:1)?randomize=true&???=False", "option number 2 is unknown"),
        (
            "failover:(tcp://a:1?profile=rabbit)",
            "the option profile must be rabbitmq, activemq, artemis or spring",
        ),
        (
            "failover:(tcp://a:1?randomize=true)",
            "the option randomize does not exist here: it belongs to the",
        ),
        ("fanout:(static:(tcp://a:1))", "the scheme fanout: is not supported: use a client for each"),
        ("static:(tcp://a:1)", "the scheme static: is not supported: use failover:(…)"),
        ("masterslave:(tcp://a:1,tcp://b:1)", "use failover:(…)?randomize=false"),
        ("tcp:host:61613", "a broker URI looks like"),
        ("tcp:/host:61613", "a broker URI looks like"),
        ("tcp://a:1,", "the port is not a number"),
        ("tcp://[::1]61613", "the port is not a number"),
        ("failover:(tcp://a:1,)", "the port is not a number"),
        ("failover:()", "a broker URI looks like"),
    ];
    assert_refused(&rows);
}

#[test]
fn a_wrong_uri_of_a_web_socket_names_the_wrong_part() {
    let rows = [
        ("ws://a:1/a b", "the path and the query of a WebSocket are percent-encoded"),
        ("ws://a:1/a#b", "the path and the query of a WebSocket are percent-encoded"),
        ("ws://a:1/ws?q=ü", "the path and the query of a WebSocket are percent-encoded"),
        ("ws://a:1/ws?q=u@b", "there is an '@' after a '/'"),
        ("ws://a:1/ws?stomp.host=b", "option number 1 is unknown"),
        ("ws://a:1/ws?stomp.profile=b", "the option profile must be rabbitmq, activemq, artemis or spring"),
        ("ws://a:1/ws?stomp.text=1", "the option stomp.text must be true or false"),
        ("ws://a:1/ws?stomp.vhost=%zz", "the stomp.vhost is not percent-encoded"),
        ("failover:(ws://a/ws,ws://:1/ws)", "broker 2 of the list: the host is missing"),
    ];
    assert_refused(&rows);
}

fn assert_refused(rows: &[(&str, &str)]) {
    for (uri, expected) in rows {
        let shown = format!("{}", uri.parse::<Brokers>().unwrap_err());
        assert!(shown.contains(expected), "{uri}: {shown}");
    }
}

#[test]
fn failover_uris() {
    let brokers: Brokers =
        "failover:(tcp://a:1,ssl://b)?randomize=true,maxReconnectAttempts=-1&backOffMultiplier=3.0&\
         startupMaxReconnectAttempts=5&initialReconnectDelay=7"
            .parse()
            .unwrap();
    assert_eq!(brokers.endpoints.len(), 2);
    let reconnect = brokers.reconnect;
    assert!(reconnect.randomize);
    assert_eq!((reconnect.max_attempts, reconnect.startup_max_attempts), (None, Some(5)));
    assert_eq!((reconnect.initial_delay, reconnect.multiplier), (Duration::from_millis(7), 3.0));
    for uri in [
        "tcp://a:1,tcp://b:2",
        "tcp://a:1, tcp://b:2",
        "(tcp://a:1,tcp://b:2)",
        "tcp://a:1,tcp://b:2?randomize=false",
        "failover:tcp://a:1,tcp://b:2",
        "failover:(tcp://a:1, tcp://b:2)\n",
        "Failover: ( tcp://a:1 ,\n tcp://b:2 ) ? randomize=false , priorityBackup=true",
        "failover://(tcp://a:1,tcp://b:2)",
        "failover://tcp://a:1,tcp://b:2?randomize=false",
        "failover:(tcp://a:1,tcp://b:2)?trackMessages=true&maxCacheSize=1&nested.tcpNoDelay=true&backup=false",
    ] {
        assert_eq!(uri.parse::<Brokers>().unwrap().endpoints.len(), 2, "{uri}");
    }
}

#[test]
fn jitter_that_is_given_replaces_the_full_one_whatever_the_order() {
    let jitter = |options: &str| {
        let brokers: Brokers = format!("failover:(tcp://a){options}").parse().unwrap();
        (brokers.reconnect.full_jitter, brokers.reconnect.jitter.as_millis())
    };
    assert_eq!(jitter(""), (true, 0));
    assert_eq!(jitter("?reconnectDelayJitter=5"), (false, 5));
    assert_eq!(jitter("?reconnectDelayJitter=0"), (false, 0));
    assert_eq!(jitter("?fullJitter=false"), (false, 0));
    assert_eq!(jitter("?fullJitter=true&reconnectDelayJitter=5"), (true, 5));
    assert_eq!(jitter("?reconnectDelayJitter=5&fullJitter=true"), (true, 5));
}

#[test]
fn a_profile_for_one_broker_and_for_all() {
    let names = |uri: &str| -> Vec<_> {
        let brokers: Brokers = uri.parse().unwrap();
        brokers.endpoints.iter().map(|endpoint| endpoint.profile().map_or("none", |it| it.name)).collect()
    };
    let rows: [(&str, &[&str]); 5] = [
        ("tcp://a", &["none"]),
        ("tcp://a/vhost?profile=artemis", &["Artemis"]),
        ("tcp://u:p?x@a?profile=rabbitmq", &["RabbitMQ"]),
        ("failover:(tcp://a?profile=artemis,tcp://b)?randomize=false", &["Artemis", "none"]),
        ("failover:tcp://a,tcp://b?profile=ActiveMQ&randomize=false", &["ActiveMQ", "ActiveMQ"]),
    ];
    for (uri, expected) in rows {
        assert_eq!(names(uri), expected, "{uri}");
    }
    assert_eq!("tcp://a?profile=artemis".parse::<Endpoint>().unwrap().profile(), Some(&Profile::ARTEMIS));
}

#[test]
fn what_stands_in_a_login_is_no_part_of_the_list() {
    let brokers: Brokers = "tcp://u:a,b?c(d)e@h:1".parse().unwrap();
    assert_eq!(brokers.endpoints, [Endpoint::plain("h", 1).with_login(Login::new("u", "a,b?c(d)e"))]);
    let brokers: Brokers = "ssl://u:geheim,w@a:1,ssl://b:1".parse().unwrap();
    let login = Login::new("u", "geheim,w");
    assert_eq!(brokers.endpoints, vec![Endpoint::tls("a", 1).with_login(login), Endpoint::tls("b", 1)]);
}

#[test]
fn web_sockets_keep_their_path_and_their_query() {
    let rows = [
        ("ws://h", "ws://h:80/", "/", "/", false),
        ("wss://h", "wss://h:443/", "/", "/", true),
        ("WS://h:15674/ws", "ws://h:15674/ws", "/ws", "/", false),
        ("stomp+wss://u:p@h/a%20b/?x=1", "wss://h:443/a%20b/", "/a%20b/?x=1", "/", true),
        ("ws://[::1]/ws?a=1&stomp.vhost=b%2Fc&d", "ws://[::1]:80/ws", "/ws?a=1&d", "b/c", false),
        ("ws://h/ws?stomp.vhost=b", "ws://h:80/ws", "/ws", "b", false),
        ("ws://h/ws?profile=9&randomize", "ws://h:80/ws", "/ws?profile=9&randomize", "/", false),
    ];
    for (uri, shown, resource, virtual_host, tls) in rows {
        let brokers: Brokers = uri.parse().unwrap();
        let endpoint = &brokers.endpoints[0];
        assert_eq!(*endpoint, uri.parse::<Endpoint>().unwrap(), "{uri}");
        assert_eq!((&*format!("{endpoint}"), endpoint.is_tls()), (shown, tls), "{uri}");
        assert_eq!((endpoint.web_socket(), endpoint.virtual_host()), (Some(resource), virtual_host), "{uri}");
    }
    assert_eq!(
        "ws://h/ws?stomp.profile=artemis".parse::<Endpoint>().unwrap().profile(),
        Some(&Profile::ARTEMIS)
    );
}

#[test]
fn web_sockets_stand_in_lists() {
    let shown = |uri: &str| -> (Vec<_>, bool) {
        let brokers: Brokers = uri.parse().unwrap();
        let resources = brokers.endpoints.iter().map(|it| it.web_socket().map(String::from));
        (resources.collect(), brokers.reconnect.randomize)
    };
    let two = |one: &str, other: &str| vec![Some(one.into()), Some(other.into())];
    assert_eq!(shown("failover:(ws://a/ws?x=1,wss://b)?randomize=false"), (two("/ws?x=1", "/"), false));
    assert_eq!(
        shown("ws://a/ws?x=1,ws://b/ws?randomize=false"),
        (two("/ws?x=1", "/ws?randomize=false"), true)
    );
    assert_eq!(shown("failover:(tcp://a,ws://b/)?randomize=false"), (vec![None, Some("/".into())], false));
}

#[test]
fn nothing_shows_the_query_or_a_header_of_a_web_socket() {
    let login = Login::unnamed().with_handshake_header("cookie", "s3cr3t");
    let endpoint: Endpoint = "ws://u:s3cr3t@h/ws?token=s3cr3t".parse().unwrap();
    let endpoint = endpoint.with_handshake_header("authorization", "s3cr3t");
    let shown = format!("{endpoint} {endpoint:?} {login:?} {:?}", endpoint.clone().with_login(login.clone()));
    assert!(!shown.contains("s3cr3t") && shown.contains("authorization"), "{shown}");
}
