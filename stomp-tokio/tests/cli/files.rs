//! `stomp drain` and `stomp load`.

use std::{fs, path::PathBuf};

use stomp_testkit::server::Server;

use crate::tool::{Tool, broker, until};

/// A path that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stomp-{name}-{}.jsonl", std::process::id()));
        _ = fs::remove_file(&path);
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn lines(&self) -> usize {
        fs::read_to_string(&self.0).unwrap().lines().count()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
        _ = fs::remove_file(format!("{}.sent", self.name()));
    }
}

fn drain<'a>(file: &'a Scratch, options: &[&'a str]) -> Vec<&'a str> {
    [&["drain", "/queue/a", "--to", file.name()], options].concat()
}

fn publish(server: &Server, count: usize) {
    server.with(|broker| (0..count).for_each(|number| broker.publish("/queue/a", number.to_string(), &[])));
}

#[test]
fn what_was_drained_can_be_loaded() {
    let (server, file) = (broker(), Scratch::new("whole"));
    publish(&server, 1000);
    server.with(|broker| broker.publish("/queue/a", vec![0xff, b'\n', 0], &[("a:b", "two\nlines")]));
    Tool::new(&server, &drain(&file, &["-n", "1001"])).run().ends(0).says("1001 messages written");
    assert_eq!((file.lines(), server.with(|broker| broker.depth("/queue/a"))), (1001, 0));
    Tool::new(&server, &["load", file.name()]).run().ends(0).says("1001 messages confirmed");
    Tool::new(&server, &["load", file.name(), "--dest", "/queue/b"]).run().ends(0);
    for queue in ["/queue/a", "/queue/b"] {
        let bodies = server.with(|broker| broker.messages(queue));
        assert_eq!((bodies.len(), &bodies[1000][..], &bodies[7][..]), (1001, &b"\xff\n\0"[..], &b"7"[..]));
    }
    let found = Tool::new(&server, &["subscribe", "/queue/b", "--json", "-n", "1001"]).run().text();
    assert!(found.lines().last().unwrap().contains(r#""a:b":"two\nlines""#), "{found}");
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let (server, file) = (broker(), Scratch::new("there"));
    // The last line was cut off when somebody was killed.
    fs::write(&file.0, "{\"body\":\"old\"}\n{\"bo").unwrap();
    publish(&server, 2);
    Tool::new(&server, &drain(&file, &[])).run().ends(1).says(file.name());
    assert_eq!(server.with(|broker| broker.depth("/queue/a")), 2);
    Tool::new(&server, &drain(&file, &["--append", "-n", "2"])).run().ends(0);
    assert_eq!(file.lines(), 3);
}

/// What does not fit stays in the queue, and the file holds whole lines.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_loses_nothing() {
    let (server, file) = (broker(), Scratch::new("full"));
    let body = "x".repeat(1000);
    server.with(|broker| (0..500).for_each(|_| broker.publish("/queue/a", body.clone(), &[])));
    // Files may have 100 KiB and not more; without the signal it is an error of the write.
    let limits = "trap '' XFSZ; ulimit -f 200";
    let tool = Tool::after(&server, limits, &drain(&file, &["--prefetch", "10", "--idle", "60s"]));
    tool.run().ends(5).says("the others are left");
    until(&server, "the others", |broker| broker.unacked("/queue/a") == 0);
    let left = server.with(|broker| broker.depth("/queue/a"));
    assert_eq!(file.lines() + left, 500);
    assert!(file.lines() > 0 && fs::read_to_string(&file.0).unwrap().ends_with('\n'));
    Tool::new(&server, &drain(&file, &["--append", "-n", &left.to_string()])).run().ends(0);
    assert_eq!(file.lines(), 500);
}

#[test]
fn kills_while_draining_lose_nothing() {
    let (server, file) = (broker(), Scratch::new("killed"));
    publish(&server, 3000);
    for kill in 1..=3 {
        let draining = Tool::new(&server, &drain(&file, &["--append", "--prefetch", "50"])).start();
        until(&server, "a part of them", |broker| {
            broker.depth("/queue/a") + broker.unacked("/queue/a") < 3000 - kill * 500
        });
        draining.kill();
        until(&server, "the end of its connection", |broker| broker.connections().is_empty());
    }
    Tool::new(&server, &drain(&file, &["--append", "--idle", "5s"])).run().ends(0);
    Tool::new(&server, &["load", file.name(), "--dest", "/queue/b"]).run().ends(0);
    let found: std::collections::BTreeSet<_> =
        server.with(|broker| broker.messages("/queue/b")).into_iter().collect();
    assert_eq!(found.len(), 3000);
}

#[test]
fn it_says_how_far_it_came_and_goes_on_there() {
    let (server, file) = (broker(), Scratch::new("broken"));
    let line = |body: &str| format!("{{\"destination\":\"/queue/a\",\"body\":\"{body}\"}}\n");
    fs::write(&file.0, format!("{}{}nonsense\n{}", line("1"), line("2"), line("4"))).unwrap();
    let finished = Tool::new(&server, &["load", file.name(), "--json"]).run().ends(5).says("line 3: no JSON");
    assert_eq!((&finished.json()["confirmed"], &finished.json()["next_line"]), (&2.into(), &3.into()));
    Tool::new(&server, &["load", file.name(), "--resume"]).run().ends(5);
    fs::write(&file.0, format!("{}{}{}{}", line("1"), line("2"), line("3"), line("4"))).unwrap();
    Tool::new(&server, &["load", file.name(), "--from", "3"]).run().ends(0).says("2 messages");
    Tool::new(&server, &["load", file.name(), "--resume"]).run().ends(0).says("2 messages");
    Tool::new(&server, &["load", file.name(), "--resume"]).run().ends(0).says("0 messages");
    let bodies = server.with(|broker| broker.messages("/queue/a"));
    assert_eq!(bodies, ["1", "2", "1", "2", "3", "4", "3", "4"]);
}
