//! What is drawn in a terminal, and what is not drawn elsewhere.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::Stdio,
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::tool::{Tool, broker, until};

/// Both sides of a pseudo-terminal.
fn terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let theirs =
        open(ptsname(&ours, Vec::new()).unwrap(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    tcsetwinsize(&theirs, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    (File::from(ours), theirs)
}

/// Everything that is drawn until the other side is closed, which Linux says with an error.
fn drawn(mut terminal: File) -> String {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = terminal.read(&mut chunk) {
        all.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn progress_is_drawn_in_a_terminal_and_nowhere_else() {
    let server = broker();
    let (ours, theirs) = terminal();
    let mut tool = Tool::new(&server, &["send", "/queue/a", "--lines", "-r"]);
    let command = tool.command().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    // The command has a copy of the terminal, without which it ends with the process.
    drop(tool);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\ntwo\n").unwrap();
    until(&server, "the messages", |broker| broker.depth("/queue/a") == 2);
    drop(stdin);
    let seen = drawn(ours);
    assert!(child.wait().unwrap().success());
    assert!(seen.contains("messages, ") && seen.contains("stomp: 2 messages sent"), "{seen:?}");
    let plain = Tool::new(&server, &["send", "/queue/a", "--lines", "-r"]).run_with("one\n").ends(0);
    assert_eq!(plain.stderr, "stomp: 1 message sent\n");
    let quiet = Tool::new(&server, &["send", "/queue/a", "--lines", "-rq"]).run_with("one\n").ends(0);
    assert_eq!((&*quiet.stderr, quiet.stdout.len()), ("", 0));
}

#[test]
fn a_bar_is_drawn_where_the_number_is_known() {
    let server = broker();
    server.with(|broker| (0..300).for_each(|_| broker.publish("/queue/a", "x", &[])));
    let (ours, theirs) = terminal();
    let mut tool = Tool::new(&server, &["move", "/queue/a", "/queue/b", "-n", "300"]);
    let mut child = tool.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(theirs).spawn().unwrap();
    drop(tool);
    let seen = drawn(ours);
    assert!(child.wait().unwrap().success());
    assert!(seen.contains(" of 300, ") && seen.contains("stomp: 300 messages moved"), "{seen:?}");
}

#[test]
fn a_message_cannot_move_the_cursor_of_a_terminal() {
    let server = broker();
    server.with(|broker| broker.publish("/queue/a", "a\u{1b}[2Jb", &[]));
    let (ours, theirs) = terminal();
    let mut tool = Tool::new(&server, &["subscribe", "/queue/a", "-n", "1", "-q"]);
    let mut child =
        tool.command().stdin(Stdio::null()).stdout(theirs).stderr(Stdio::piped()).spawn().unwrap();
    drop(tool);
    assert_eq!(drawn(ours), "a\\u{1b}[2Jb\r\n");
    assert!(child.wait().unwrap().success());
}
