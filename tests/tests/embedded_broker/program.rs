//! The program `broker`: its arguments, and that it serves.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_broker");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

#[test]
fn help_and_usage_errors() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout).unwrap().contains("Usage: broker"));
    let wrong: [&[&str]; 10] = [
        &["--nonsense"],
        &["--like"],
        &["--like", "kafka"],
        &["nowhere"],
        &["a:1", "b:2"],
        &["--user"],
        &["--user", "alice"],
        &["--user", "alice", "--passcode-file", "/no/such/file"],
        &["--passcode-file", "x"],
        &["--heart-beat", "often"],
    ];
    for arguments in wrong {
        let refused = run(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8(refused.stderr).unwrap().contains("Usage: broker"), "{arguments:?}");
    }
}

#[test]
fn it_serves_until_it_is_killed() {
    let mut command = Command::new(PROGRAM);
    command.args(["--like", "artemis", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut program = Killed(command.spawn().unwrap());
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap();
    let mut client = TcpStream::connect(address.strip_prefix("listening on ").unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(lines.next().unwrap().starts_with("clients connect to tcp://127.0.0.1:"));
    let here = client.local_addr().unwrap();
    client.write_all(b"CONNECT\n\n\0DISCONNECT\n\n\0").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("server:ActiveMQ-Artemis/2.44.0\n"), "{answer}");
    drop(client);
    assert_eq!(lines.next().unwrap(), format!("connection 0 opened by {here}"));
    assert_eq!(lines.next().unwrap(), "connection 0 closed");
}

#[test]
fn a_user_has_a_passcode_that_is_not_shown() {
    let mut command = Command::new(PROGRAM);
    command.args(["--user", "alice", "--heart-beat", "7000,8000", "127.0.0.1:0"]);
    let mut program =
        Killed(command.env("BROKER_PASSCODE", "sesame").stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap();
    let where_to = lines.next().unwrap();
    assert!(where_to.ends_with(", as alice or guest") && !where_to.contains("sesame"), "{where_to}");
    for (login, answer) in [("login:alice\npasscode:sesame\n", "CONNECTED\n"), ("", "ERROR\n")] {
        let mut client = TcpStream::connect(address.strip_prefix("listening on ").unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let frames = format!("CONNECT\naccept-version:1.2\nhost:h\n{login}\n\0DISCONNECT\n\n\0");
        client.write_all(frames.as_bytes()).unwrap();
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        assert!(heard.starts_with(answer), "{heard}");
        assert_eq!(heard.contains("heart-beat:7000,8000\n"), answer == "CONNECTED\n");
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
