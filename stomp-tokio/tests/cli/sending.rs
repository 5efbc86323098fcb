//! `stomp send`.

use stomp_testkit::{
    broker::{BrokerConfig, Denial, proto::Command},
    server::Server,
};

use crate::tool::{Tool, broker, start, until};

fn bodies(server: &Server, queue: &str) -> Vec<String> {
    server.with(|broker| {
        broker.messages(queue).iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    })
}

/// A header of the last message that was sent.
fn header(server: &Server, name: &str) -> Option<String> {
    server.with(|broker| {
        let frames: Vec<_> = broker.received().flat_map(|(_, frames)| frames.to_vec()).collect();
        let send = frames.into_iter().rev().find(|frame| frame.command() == Command::Send)?;
        send.header_str(name).map(std::borrow::Cow::into_owned)
    })
}

#[test]
fn a_body_comes_from_the_command_line_from_stdin_or_from_a_file() {
    let server = broker();
    let file = std::env::temp_dir().join(format!("stomp-send-{}", std::process::id()));
    std::fs::write(&file, "three").unwrap();
    Tool::new(&server, &["send", "/queue/a", "one"]).run().ends(0).says("1 message sent");
    Tool::new(&server, &["send", "/queue/a"]).run_with("two").ends(0);
    Tool::new(&server, &["send", "/queue/a", "--file", file.to_str().unwrap()]).run().ends(0);
    assert_eq!(bodies(&server, "/queue/a"), ["one", "two", "three"]);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn headers_may_hold_colons_and_ends_of_line() {
    let server = start(BrokerConfig::default().recording());
    let arguments = ["send", "/queue/a", "x", "-rp", "-H", r"a\cb:c:d\ne\\", "-H", "colour:two\nlines"];
    Tool::new(&server, &arguments).run().ends(0);
    assert_eq!(header(&server, "a:b").as_deref(), Some("c:d\ne\\"));
    assert_eq!(header(&server, "colour").as_deref(), Some("two\nlines"));
    assert_eq!(header(&server, "persistent").as_deref(), Some("true"));
}

/// The headers of its delivery are not sent again; those of a line that was written by hand are.
#[test]
fn what_was_received_can_be_sent_as_it_is() {
    let server = start(BrokerConfig::artemis().recording());
    Tool::new(&server, &["send", "/queue/a", "x", "--receipt", "-H", "colour:red"]).run().ends(0);
    let came = Tool::new(&server, &["subscribe", "/queue/a", "-n", "1", "--json"]).run().ends(0);
    Tool::new(&server, &["send", "/queue/b", "--jsonl"]).run_with(&came.stdout).ends(0);
    assert_eq!(bodies(&server, "/queue/b"), ["x"]);
    assert_eq!(header(&server, "colour").as_deref(), Some("red"));
    assert_eq!([header(&server, "message-id"), header(&server, "subscription")], [None, None]);
    let line = "{\"headers\":{\"priority\":9},\"body\":\"y\"}\n";
    Tool::new(&server, &["send", "/queue/b", "--jsonl"]).run_with(line).ends(0);
    assert_eq!(header(&server, "priority").as_deref(), Some("9"));
}

#[test]
fn each_line_is_a_message() {
    let server = broker();
    Tool::new(&server, &["send", "/queue/a", "--lines", "--receipt"]).run_with("a\r\nb\n\nc").ends(0);
    assert_eq!(bodies(&server, "/queue/a"), ["a", "b", "", "c"]);
    let lines = "{\"headers\":{\"n\":1},\"body\":\"d\"}\n{\"body_base64\":\"ZQ==\"}\n";
    let told =
        Tool::new(&server, &["send", "/queue/a", "--jsonl", "-r", "--json"]).run_with(lines).ends(0).json();
    assert_eq!((&told["sent"], &told["confirmed"], &told["exit_code"]), (&2.into(), &2.into(), &0.into()));
    assert_eq!(bodies(&server, "/queue/a")[4..], ["d", "e"]);
    Tool::new(&server, &["send", "/queue/b", "--jsonl"])
        .run_with("{}\nnonsense\n")
        .ends(2)
        .says("stdin, line 2");
}

#[test]
fn a_message_can_be_sent_many_times_and_slowly() {
    let server = broker();
    Tool::new(&server, &["send", "/queue/a", "x", "-n", "500", "--rate", "2000", "-r"]).run().ends(0);
    assert_eq!(bodies(&server, "/queue/a").len(), 500);
}

#[test]
fn what_the_broker_refuses_is_told_in_its_words() {
    let server = broker();
    let no = Denial::of(Command::Send).at("/queue/a").saying("not here", "the queue is closed");
    server.with(|broker| broker.deny(no));
    for options in [&["-r"][..], &[]] {
        let arguments = [&["send", "/queue/a", "x"], options].concat();
        Tool::new(&server, &arguments).run().ends(1).says("not here: the queue is closed");
    }
    // A part of it was done.
    let lines = "{\"destination\":\"/queue/b\"}\n{\"destination\":\"/queue/a\"}\n";
    Tool::new(&server, &["load", "-"]).run_with(lines).ends(5).says("go on with --from 2");
}

/// The broker is stopped and started while the tool runs.
#[test]
fn at_least_once_goes_on_over_a_restart() {
    let server = broker();
    let address = server.address();
    let mut sending = Tool::new(&server, &["send", "/queue/a", "--lines", "--at-least-once"]).start();
    sending.write_line("before");
    until(&server, "the first message", |broker| broker.depth("/queue/a") == 1);
    let stopped = server.stop();
    sending.write_line("meanwhile");
    let server = Server::resume(address, stopped).unwrap();
    sending.write_line("after");
    sending.finish().ends(0).says("3 messages sent");
    let mut found = bodies(&server, "/queue/a");
    found.dedup();
    assert_eq!(found, ["before", "meanwhile", "after"]);
}

#[test]
fn a_message_that_is_too_large_is_refused_before_it_is_sent() {
    let server = start(BrokerConfig::rabbitmq_4_0());
    let body = "x".repeat(5 << 20);
    Tool::new(&server, &["send", "/queue/a", "-r"])
        .run_with(body)
        .ends(1)
        .says("reads no frame of more than");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_and_what_was_sent_is_told() {
    let server = broker();
    let mut sending = Tool::new(&server, &["send", "/queue/a", "--lines", "-r"]).start();
    sending.write_line("one");
    until(&server, "the message", |broker| broker.depth("/queue/a") == 1);
    sending.signal(rustix::process::Signal::INT);
    let stdin = sending.stdin.take();
    sending.finish().ends(130).says("1 message sent");
    drop(stdin);
    assert_eq!(server.with(|broker| broker.connections().len()), 0);
}
