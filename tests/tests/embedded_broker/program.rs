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
    for arguments in [&["--nonsense"][..], &["--like"], &["--like", "kafka"], &["nowhere"], &["a:1", "b:2"]] {
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
    let here = client.local_addr().unwrap();
    client.write_all(b"CONNECT\n\n\0DISCONNECT\n\n\0").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("server:ActiveMQ-Artemis/2.44.0\n"), "{answer}");
    drop(client);
    assert_eq!(lines.next().unwrap(), format!("connection 0 opened by {here}"));
    assert_eq!(lines.next().unwrap(), "connection 0 closed");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
