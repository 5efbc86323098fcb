//! How a WebSocket opens: what is sent, and which answers are taken.

use std::time::Duration;

use futures_lite::{AsyncReadExt as _, future::block_on};
use stomp_checks::{
    sim::{Sim, Weather},
    wire::{Wire, answer, open},
};
use stomp_session::{
    Config, Login, Lost,
    client::{Client, Runtime as _, TransportError, WebSocketConfig},
};
use stomp_testkit::broker::BrokerConfig;

use crate::server::{endpoint, frame};

#[test]
fn path_query_and_headers_are_sent_and_no_login_of_stomp() {
    let wire = Wire::new(answer("Sec-WebSocket-Protocol: v12.stomp\r\n").as_bytes(), &[3, 0, 1]);
    let mut config = WebSocketConfig::default();
    config.set_header("Origin", "https://app.example");
    config.set_header("Cookie", "general");
    let login = Login::new("me", "secret").with_handshake_header("authorization", "Bearer t0ken");
    let endpoint = endpoint().with_handshake_header("cookie", "own").with_login(login);
    block_on(open(&endpoint, config, &wire)).unwrap();
    let request = String::from_utf8(wire.with(|ends| ends.up.clone())).unwrap();
    for line in [
        "GET /ws?tenant=7 HTTP/1.1\r\n",
        "\r\nHost: broker.example\r\n",
        "\r\nSec-WebSocket-Protocol: v12.stomp, v11.stomp, v10.stomp\r\n",
        "\r\nOrigin: https://app.example\r\n",
        "\r\ncookie: own\r\n",
        "\r\nauthorization: Bearer t0ken\r\n",
    ] {
        assert!(request.contains(line), "{line:?}: {request}");
    }
    assert!(!request.contains("secret") && !request.contains("general"), "{request}");
}

#[test]
fn a_subprotocol_is_one_that_was_offered_or_none() {
    for (lines, is_taken) in [
        ("", true),
        ("Sec-WebSocket-Protocol: v12.stomp\r\n", true),
        ("sec-websocket-protocol: v10.stomp\r\n", true),
        ("Sec-WebSocket-Protocol: mqtt\r\n", false),
        ("Sec-WebSocket-Protocol: v12.stomp, mqtt\r\n", false),
        ("Sec-WebSocket-Protocol: \r\n", false),
    ] {
        let wire = Wire::new(answer(lines).as_bytes(), &[]);
        match block_on(open(&endpoint(), WebSocketConfig::default(), &wire)) {
            Ok(_) => assert!(is_taken, "{lines}"),
            Err(error) => {
                assert!(!is_taken && TransportError::is_permanent(&error), "{lines}: {error}");
                assert!(error.to_string().contains("none of the offered versions"), "{error}");
            }
        }
    }
}

#[test]
fn a_header_that_cannot_be_written_is_final_and_nothing_is_sent() {
    let wire = Wire::new(answer("").as_bytes(), &[]);
    let endpoint = endpoint().with_handshake_header("x-token", "s3cr3t\r\nx: y");
    let error = block_on(open(&endpoint, WebSocketConfig::default(), &wire)).unwrap_err();
    assert!(TransportError::is_permanent(&error));
    assert!(error.to_string().contains("x-token") && !error.to_string().contains("s3cr3t"), "{error}");
    assert!(wire.with(|ends| ends.up.is_empty()));
}

#[test]
fn an_answer_that_ends_too_early_is_an_error() {
    let whole = answer("");
    for length in 0..whole.len() {
        let wire = Wire::new(&whole.as_bytes()[..length], &[5, 1]);
        wire.with(|ends| ends.ended = true);
        let error = block_on(open(&endpoint(), WebSocketConfig::default(), &wire)).unwrap_err();
        assert!(
            error.to_string().contains("closed the connection instead of answering"),
            "{length}: {error}"
        );
    }
}

/// A message of a gigabyte is announced: it costs what has come of it.
#[test]
fn the_length_of_a_message_is_no_reason_for_memory() {
    let mut down = answer("").into_bytes();
    down.extend([0x82, 127]);
    down.extend((1_u64 << 30).to_be_bytes());
    down.extend_from_slice(b"MESSAGE\n");
    let wire = Wire::new(&down, &[]);
    let mut room = [0; 64];
    let read = block_on(async {
        let mut web_socket = open(&endpoint(), WebSocketConfig::default(), &wire).await.unwrap();
        web_socket.read(&mut room).await.unwrap()
    });
    assert_eq!(&room[..read], b"MESSAGE\n");
}

#[test]
fn what_breaks_the_protocol_is_told_and_closed_with_its_code() {
    let rows: [(Vec<u8>, &str); 3] = [
        (frame(0xc2, b"x"), "a frame of an extension"),
        (frame(0x80, b"x"), "a piece of a message that has not begun"),
        ([frame(0x02, b"x"), frame(0x81, b"y")].concat(), "a message within another"),
    ];
    for (sent, expected) in rows {
        let wire = Wire::new(&[answer("").as_bytes(), &sent].concat(), &[1, 2]);
        let error = block_on(async {
            let mut web_socket = open(&endpoint(), WebSocketConfig::default(), &wire).await.unwrap();
            web_socket.read_to_end(&mut Vec::new()).await.unwrap_err()
        });
        assert!(error.to_string().contains(expected), "{error}");
        let close = wire.messages().pop();
        let Some(tungstenite::Message::Close(Some(close))) = close else { panic!("{close:?}") };
        assert_eq!(u16::from(close.code), 1002);
    }
}

/// A client in virtual time whose only broker is there, and says nothing.
fn mute(set: impl FnOnce(&mut Config)) -> (Lost, Duration) {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", BrokerConfig::default());
    let world = sim.world();
    world.set_frozen("broker", true);
    let mut config = Config::new("ws://broker/ws".parse().unwrap());
    set(&mut config);
    let runtime = world.clone();
    let builder = Client::builder("ws://broker").config(config);
    let (client, driver) = builder.dial_on(|_| runtime).unwrap();
    drop(world.spawn(driver.run()));
    let closed = sim.block_on(client.connected()).unwrap_err();
    let stomp_session::Closed::GaveUp { last, .. } = closed else { panic!("{closed:?}") };
    (last, sim.now().since_start())
}

#[test]
fn a_handshake_without_an_answer_is_given_up() {
    let (lost, after) = mute(|_| {});
    assert!(matches!(lost, Lost::DialFailed { permanent: false, .. }), "{lost:?}");
    assert!(lost.to_string().contains("the WebSocket's handshake did not end within 5.0 s"), "{lost}");
    assert_eq!(after.as_secs(), 5);
    // The deadline of the whole dial counts as well.
    let (lost, after) = mute(|config| config.connect_timeout = Duration::from_secs(2));
    assert_eq!((lost, after.as_secs()), (Lost::ConnectTimeout(Duration::from_secs(2)), 2));
}
