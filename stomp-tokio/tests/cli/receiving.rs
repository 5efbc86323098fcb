//! `stomp subscribe`.

use serde_json::{Value, json};
use stomp_testkit::{
    broker::{Denial, proto::Command},
    server::Server,
};

use crate::tool::{Tool, broker, until};

fn publish(server: &Server, bodies: &[&str]) {
    server.with(|broker| {
        bodies.iter().for_each(|body| broker.publish("/queue/a", (*body).to_owned(), &[("colour", "red")]));
    });
}

/// The number of messages in the queue, sent or not.
fn left(server: &Server) -> usize {
    server.with(|broker| broker.depth("/queue/a") + broker.unacked("/queue/a"))
}

#[test]
fn bodies_are_printed_and_acknowledged() {
    let server = broker();
    publish(&server, &["one", "two", "three"]);
    let found = Tool::new(&server, &["subscribe", "/queue/a", "-n", "2"]).run().ends(0);
    assert_eq!(found.text(), "one\ntwo\n");
    assert_eq!(left(&server), 1);
    let found = Tool::new(&server, &["subscribe", "/queue/a", "--show-headers", "-n", "1"]).run().ends(0);
    assert!(
        found.text().contains("\ncolour: red\n") && found.text().ends_with("\n\nthree\n"),
        "{}",
        found.text()
    );
}

#[test]
fn machines_get_a_line_of_json_for_each() {
    let server = broker();
    publish(&server, &["two\nlines"]);
    server.with(|broker| broker.publish("/queue/a", vec![0xff, 0], &[("k", "ü")]));
    let found = Tool::new(&server, &["subscribe", "/queue/a", "-n", "2", "--json"]).run().ends(0).text();
    let lines: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["body"], &lines[0]["headers"]["colour"]), (&json!("two\nlines"), &json!("red")));
    assert_eq!((&lines[1]["body_base64"], &lines[1]["headers"]["k"]), (&json!("/wA="), &json!("ü")));
    assert_eq!(lines[1]["destination"], "/queue/a");
}

#[test]
fn octets_that_are_no_text_stay_as_they_are() {
    let server = broker();
    server.with(|broker| broker.publish("/queue/a", vec![0xff, 0x1b, 0], &[]));
    let found = Tool::new(&server, &["subscribe", "/queue/a", "-n", "1"]).run().ends(0);
    assert_eq!(found.stdout, [0xff, 0x1b, 0, b'\n']);
}

#[test]
fn bodies_go_to_files_that_are_new() {
    let server = broker();
    publish(&server, &["one", "two"]);
    let folder = std::env::temp_dir().join(format!("stomp-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("000001"), "there").unwrap();
    let arguments = ["subscribe", "/queue/a", "-n", "2", "--to-dir", folder.to_str().unwrap()];
    let found = Tool::new(&server, &arguments).run().ends(0);
    let contents: Vec<_> = found.text().lines().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    assert_eq!(contents, ["one", "two"]);
    assert_eq!(std::fs::read_to_string(folder.join("000001")).unwrap(), "there");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_empty_queue_is_no_error_unless_messages_were_expected() {
    let server = broker();
    Tool::new(&server, &["subscribe", "/queue/a", "--idle", "50ms"]).run().ends(0).says("0 messages");
    let arguments = ["subscribe", "/queue/a", "-n", "2", "--idle", "3s"];
    publish(&server, &["one"]);
    Tool::new(&server, &arguments).run().ends(4).says("1 message of 2");
}

#[test]
fn what_is_not_acknowledged_stays() {
    let server = broker();
    publish(&server, &["one", "two"]);
    let arguments = ["subscribe", "/queue/a", "--ack", "none", "-n", "2"];
    assert_eq!(Tool::new(&server, &arguments).run().ends(0).text(), "one\ntwo\n");
    until(&server, "the messages", |broker| broker.depth("/queue/a") == 2);
    Tool::new(&server, &["subscribe", "/queue/a", "--ack", "client", "-n", "1"]).run().ends(0);
    assert_eq!(left(&server), 1);
    let auto = ["subscribe", "/queue/a", "--ack", "auto", "--idle", "3s"];
    Tool::new(&server, &[&auto[..], &["-n", "1"]].concat()).run().ends(2).says("would be lost");
    assert_eq!(Tool::new(&server, &auto).run().ends(0).text(), "two\n");
    assert_eq!(left(&server), 0);
}

#[test]
fn a_message_that_is_too_large_stays_and_the_others_come() {
    let server = broker();
    publish(&server, &["small", "too large", "tiny"]);
    let arguments = ["subscribe", "/queue/a", "--max-body", "5", "-n", "2"];
    let found = Tool::new(&server, &arguments).run().ends(5).says("1 left that are larger than --max-body");
    assert_eq!(found.text(), "small\ntiny\n");
    until(&server, "the message", |broker| broker.depth("/queue/a") == 1);
}

#[test]
fn a_subscription_that_is_refused_says_why() {
    let server = broker();
    let no = Denial::of(Command::Subscribe).saying("not here", "the queue is closed");
    server.with(|broker| broker.deny(no));
    for arguments in [
        &["subscribe", "/queue/a"][..],
        &["move", "/queue/a", "/queue/b"],
        &["drain", "/queue/a", "--to", "never-made"],
        &["reply", "/queue/a", "--exec", "cat"],
    ] {
        Tool::new(&server, arguments).run().ends(1).says("not here: the queue is closed");
    }
    assert!(!std::path::Path::new("never-made").exists());
}

/// What does not fit leaves no part of a file, and stays in the queue.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_loses_no_body() {
    let server = broker();
    publish(&server, &["small", &"x".repeat(300_000)]);
    let folder = std::env::temp_dir().join(format!("stomp-full-{}", std::process::id()));
    let arguments = ["subscribe", "/queue/a", "-n", "2", "--to-dir", folder.to_str().unwrap()];
    let found = Tool::after(&server, "trap '' XFSZ; ulimit -f 200", &arguments).run().ends(5);
    assert_eq!((found.text().lines().count(), std::fs::read_dir(&folder).unwrap().count()), (1, 1));
    until(&server, "the message", |broker| broker.depth("/queue/a") == 1);
    std::fs::remove_dir_all(folder).unwrap();
}

/// Somebody has redirected stdout to a file for which there is no room.
#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_printed_is_not_acknowledged() {
    let server = broker();
    publish(&server, &["one"]);
    let tool = Tool::after(&server, "exec >/dev/full", &["subscribe", "/queue/a", "-n", "1"]);
    tool.run().ends(1).says("stdout: No space left");
    until(&server, "the message", |broker| broker.depth("/queue/a") == 1);
}

/// The reader has enough after one message: no other is acknowledged.
#[test]
fn nothing_is_lost_when_the_reader_goes() {
    let server = broker();
    let body = "x".repeat(300_000);
    let mut following = Tool::new(&server, &["subscribe", "/queue/a", "--follow"]).start();
    publish(&server, &[&*body; 10]);
    assert_eq!(following.read_line().len(), 300_001);
    drop(following.stdout.take());
    following.finish().ends(0);
    let printed = 10 - left(&server);
    // What a pipe holds is printed: a part of the second message was, which is not acknowledged.
    assert_eq!(printed, 1);
}

#[cfg(unix)]
#[test]
fn a_topic_is_followed_over_a_restart_until_a_signal_comes() {
    let server = broker();
    let address = server.address();
    let mut following = Tool::new(&server, &["subscribe", "/topic/a", "-f"]).start();
    let is_there = |broker: &stomp_testkit::broker::Broker| broker.subscribers("/topic/a") == 1;
    until(&server, "the subscription", is_there);
    server.with(|broker| broker.publish("/topic/a", "before", &[]));
    assert_eq!(following.read_line(), "before\n");
    let server = Server::resume(address, server.stop()).unwrap();
    until(&server, "the subscription", is_there);
    server.with(|broker| broker.publish("/topic/a", "after", &[]));
    assert_eq!(following.read_line(), "after\n");
    following.signal(rustix::process::Signal::TERM);
    following.finish().ends(0).says("connected again").says("2 messages");
}
