//! `stomp check`, and connections that do not come about.

use std::net::TcpListener;

use stomp_testkit::broker::BrokerConfig;

use crate::tool::{PASSCODE, Tool, broker, start};

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp://{}", listener.local_addr().unwrap())
}

#[test]
fn a_broker_is_described_in_words() {
    let server = start(BrokerConfig::rabbitmq());
    let found = Tool::new(&server, &["check"]).run().ends(0).text();
    for words in ["login       ok", "RabbitMQ/3.10.8", "1.2", "every 10 s", "a NACK gives", "disconnect  ok"]
    {
        assert!(found.contains(words), "{words}: {found}");
    }
    let told = Tool::new(&server, &["check", "--json"]).run().ends(0).json();
    let broker = &told["brokers"][0];
    assert_eq!((&broker["ok"], &broker["profile"]), (&true.into(), &"RabbitMQ".into()));
    assert_eq!(broker["heart_beat"]["send"], 10_000);
}

#[test]
fn the_step_that_failed_is_named() {
    let server = broker();
    let failed = |tool: Tool, code: i32, step: &str| {
        let found = tool.run().ends(code).text();
        assert!(found.contains(&format!("{step:<12}FAILED")), "{step}: {found}");
    };
    failed(Tool::at(&nobody(), &["check"]), 3, "dial");
    failed(Tool::at("tcp://does-not-exist.invalid", &["check"]), 3, "name");
    failed(Tool::new(&server, &["check"]).env("STOMP_PASSCODE", "wrong-canary-7f3a"), 3, "login");
    let tls = format!("ssl://{}", server.address());
    failed(Tool::at(&tls, &["check", "-t", "5"]), 3, "TLS");
    server.with(|broker| broker.silence_new_connections(true));
    failed(Tool::new(&server, &["check", "-t", "3"]), 4, "login");
}

/// The handshake of a WebSocket is not that of TLS.
#[test]
fn a_web_socket_is_a_step_of_its_own() {
    let server = broker();
    let uri = format!("ws://{}/ws", server.address());
    let found = Tool::at(&uri, &["check"]).run().ends(0).text();
    assert!(found.contains("TLS         none"), "{found}");
    assert!(found.contains("WebSocket   ok      101, v12.stomp ("), "{found}");
    let told = Tool::at(&uri, &["check", "--json"]).run().ends(0).json();
    let step = &told["brokers"][0]["steps"][2];
    assert_eq!((&step["step"], &step["words"]), (&"WebSocket".into(), &"101, v12.stomp".into()));
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("ws://{}/ws", nowhere.local_addr().unwrap());
    let hung_up = std::thread::spawn(move || drop(nowhere.accept()));
    let found = Tool::at(&uri, &["check", "--timeout", "20"]).run().ends(3).text();
    assert!(found.contains("WebSocket   FAILED"), "{found}");
    hung_up.join().unwrap();
}

#[test]
fn each_broker_of_a_list_is_checked() {
    let server = broker();
    let uri = format!("failover:({},tcp://keeper:{PASSCODE}@{})", nobody(), server.address());
    let found = Tool::at(&uri, &["check"]).run().ends(5).text();
    assert!(found.contains("dial        FAILED") && found.contains("disconnect  ok"), "{found}");
}

#[test]
fn what_cannot_connect_says_so_in_time() {
    let down = nobody();
    for arguments in [
        &["send", "/queue/a", "x"][..],
        &["subscribe", "/queue/a"],
        &["request", "/queue/a", "x"],
        &["reply", "/queue/a", "-e", "cat"],
        &["move", "/queue/a", "/queue/b"],
        &["drain", "/queue/a", "--to", "never-made"],
        &["bench", "send", "/queue/a"],
        &["trace"],
    ] {
        Tool::at(&down, arguments).run().ends(3).says("onnection refused");
    }
    assert!(!std::path::Path::new("never-made").exists());
    let waiting = ["send", "/queue/a", "x", "--wait", "-t", "2s"];
    Tool::at(&down, &waiting).run().ends(4).says("no connection within 2.0 s").says("onnection refused");
    let server = broker();
    let wrong = Tool::new(&server, &["send", "/queue/a", "x"]).env("STOMP_PASSCODE", "wrong-canary-7f3a");
    wrong.run().ends(3).says("Access refused for user 'keeper'");
    server.with(|broker| broker.silence_new_connections(true));
    Tool::new(&server, &["send", "/queue/a", "x", "-t", "300ms"]).run().ends(4);
}

#[test]
fn a_login_comes_from_the_environment_or_a_file() {
    let server = start(BrokerConfig::default().without_anonymous());
    let file = std::env::temp_dir().join(format!("stomp-passcode-{}", std::process::id()));
    std::fs::write(&file, format!("{PASSCODE}\nanother line\n")).unwrap();
    let tool =
        |arguments: &[&str]| Tool::new(&server, arguments).without("STOMP_LOGIN").without("STOMP_PASSCODE");
    let arguments = ["send", "/queue/a", "x", "--login", "keeper", "--passcode-file", file.to_str().unwrap()];
    tool(&arguments).run().ends(0);
    tool(&arguments[..3]).run().ends(3);
    let uri = format!("tcp://keeper:{PASSCODE}@{}", server.address());
    tool(&arguments[..3]).env("STOMP_URI", &uri).run().ends(0);
    std::fs::remove_file(file).unwrap();
}
