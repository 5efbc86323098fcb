//! The program `broker`: its arguments, what it prints, and that it serves.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use stomp_testkit::pki::{Authority, Leaf};
use stomp_tokio::{
    Client, TlsConfig,
    blocking::{self, Wait as _},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_broker");
const PATIENCE: Duration = Duration::from_secs(60);
const PASSCODE: &str = "sesame";

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn words(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap()
}

#[test]
fn help_fits_a_screen() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    let help = words(help.stdout);
    assert!(help.contains("Usage: broker [OPTIONS] [ADDRESS]"), "{help}");
    assert!(help.lines().count() <= 25 && help.lines().all(|line| line.len() <= 80), "{help}");
}

#[test]
fn wrong_arguments_are_told_in_a_sentence() {
    let rows: [(&[&str], &str); 15] = [
        (&["--nonsense"], "unexpected argument '--nonsense'"),
        (&["--like"], "a value is required for '--like <BROKER>'"),
        (&["--like", "kafka"], "invalid value 'kafka'"),
        (&["nowhere"], "invalid value 'nowhere' for '[ADDRESS]'"),
        (&["127.0.0.1:1", "127.0.0.1:2"], "unexpected argument '127.0.0.1:2'"),
        (&["--user", "alice"], "--user needs BROKER_PASSCODE in the environment, or --passcode-file"),
        (&["--user", "alice", "--passcode-file", "/no/such/file"], "/no/such/file: "),
        (&["--user", "", "--passcode-file", "/dev/null"], "a value is required for '--user <LOGIN>'"),
        (&["--passcode-file", "x"], "--user <LOGIN>"),
        (&["--heart-beat", "often"], "heart-beats are a pair of periods"),
        (&["--tls", "--cert", "x"], "--key <FILE>"),
        (&["--cert", "x", "--key", "x"], "--tls"),
        (&["--tls", "--cert", "/no/such/file", "--key", "x"], "/no/such/file: "),
        (
            &["--tls", "--cert", "Cargo.toml", "--key", "Cargo.toml", "127.0.0.1:0"],
            "no TLS with that certificate",
        ),
        (&["--ca-file", "x"], "--tls"),
    ];
    for (arguments, sentence) in rows {
        let refused = run(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        let said = words(refused.stderr);
        assert!(said.starts_with("error: ") && said.contains(sentence), "{arguments:?}: {said}");
    }
}

#[test]
fn an_address_in_use_is_no_wrong_argument() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(&[&address]);
    assert_eq!(refused.status.code(), Some(1));
    let said = words(refused.stderr);
    assert!(said.starts_with(&format!("broker: cannot listen on {address}: ")), "{said}");
}

#[test]
fn it_serves_people_and_ends_when_it_is_told_to() {
    let mut program = Program::start(&["--like", "artemis", "--frames"]);
    assert_eq!(program.line(), "clients connect without a login, or as guest with the passcode guest:");
    let mut client = program.client();
    let here = client.local_addr().unwrap();
    client.write_all(b"CONNECT\nlogin:guest\npasscode:guest\n\n\0DISCONNECT\n\n\0").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("server:ActiveMQ-Artemis/2.44.0\n"), "{answer}");
    drop(client);
    // Two threads print.
    let mut lines: Vec<_> = (0..4).map(|_| program.line()).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "connection 0 closed".to_owned(),
            format!("connection 0 opened by {here}"),
            "connection 0 sent Frame { command: Connect, headers: {\"login\": \"guest\", \"passcode\": \"***\"}, body: 0 octets }".to_owned(),
            "connection 0 sent Frame { command: Disconnect, headers: {}, body: 0 octets }".to_owned(),
        ]
    );
    program.end();
}

#[test]
fn a_user_has_a_passcode_that_is_not_shown() {
    let file = Scratch::new("passcode", &format!("{PASSCODE}\nmore\n"));
    let path = file.0.to_str().unwrap();
    let by_file = Program::start(&[
        "--user",
        "alice",
        "--passcode-file",
        path,
        "--frames",
        "--heart-beat",
        "7000,8000",
    ]);
    let mut by_environment = Command::new(PROGRAM);
    by_environment.args(["--user", "alice", "--heart-beat", "7000,8000"]).env("BROKER_PASSCODE", PASSCODE);
    for mut program in [by_file, Program::of(by_environment)] {
        assert_eq!(program.line(), "clients connect as alice or guest:");
        let login = format!("login:alice\npasscode:{PASSCODE}\n");
        for (login, answer) in
            [(&*login, "CONNECTED\n"), ("", "ERROR\n"), (&login.replace("alice", "bob"), "ERROR\n")]
        {
            let mut client = program.client();
            let frames = format!("CONNECT\naccept-version:1.2\nhost:h\n{login}\n\0DISCONNECT\n\n\0");
            client.write_all(frames.as_bytes()).unwrap();
            let mut heard = String::new();
            client.read_to_string(&mut heard).unwrap();
            assert!(heard.starts_with(answer), "{heard}");
            assert_eq!(heard.contains("heart-beat:7000,8000\n"), answer == "CONNECTED\n");
        }
        let printed = program.end();
        assert!(printed.contains("connection 2 opened") && !printed.contains(PASSCODE), "{printed}");
    }
}

#[test]
fn without_ws_a_web_socket_is_refused() {
    let mut program = Program::start(&[]);
    program.line();
    let mut client = program.client();
    client.write_all(b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n\0").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("ERROR\n"), "{answer}");
    program.end();
}

/// Each way that is printed is a way, with the certificate that is printed and no other.
#[test]
fn clients_connect_by_every_uri_that_is_printed() {
    let mut program = Program::start(&["--tls", "--ws"]);
    program.line();
    let uris: Vec<_> = (0..4).map(|_| program.line()).collect();
    let schemes = uris.iter().map(|uri| uri.trim_start().split_once(':').unwrap().0);
    assert_eq!(schemes.collect::<Vec<_>>(), ["tcp", "ws", "ssl", "wss"]);
    let trust = program.line();
    let authority = PathBuf::from(trust.strip_prefix("the certificate of the authority to trust: ").unwrap());
    let root = fs::read(&authority).unwrap();
    for uri in &uris {
        speak(uri.trim(), &root).unwrap_or_else(|error| panic!("{uri}: {error}"));
    }
    let other = Authority::new("somebody else").certificate().to_owned();
    assert!(speak(uris[2].trim(), other.as_bytes()).is_err());
    program.end();
    assert!(!authority.exists(), "a temporary file is left");
}

#[test]
fn a_certificate_may_be_given_and_an_authority_named() {
    let authority = Authority::new("a given one");
    let identity = authority.issue(&Leaf::server(&["127.0.0.1"]));
    let (certificate, key) =
        (Scratch::new("certificate", &identity.certificate), Scratch::new("key", &identity.key));
    let files = [&certificate, &key].map(|file| file.0.to_str().unwrap());
    let mut program = Program::start(&["--tls", "--cert", files[0], "--key", files[1]]);
    program.line();
    let uris = [program.line(), program.line()];
    speak(uris[1].trim(), authority.certificate().as_bytes()).unwrap();
    program.end();

    let named = Scratch::new("authority", "");
    let mut program = Program::start(&["--tls", "--ca-file", named.0.to_str().unwrap()]);
    let uris = [program.line(), program.line(), program.line()];
    assert!(program.line().ends_with(named.0.to_str().unwrap()));
    speak(uris[2].trim(), &fs::read(&named.0).unwrap()).unwrap();
    program.end();
    assert!(named.0.exists());
}

/// A message goes there and back.
fn speak(uri: &str, root: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let mut tls = TlsConfig::default();
    tls.system_roots = false;
    tls.roots.push(root.to_vec());
    let client = blocking::connect_with(Client::builder(uri).tls(tls))?;
    let mut messages = client.subscribe("/queue/a").wait()?;
    client.send("/queue/a", "hello").confirmed().wait()?;
    let message = blocking::within(&mut messages, PATIENCE).next().ok_or("no message")?;
    assert_eq!(message.body(), b"hello");
    message.ack()?;
    client.disconnect().wait()?;
    Ok(())
}

/// A file of a test, which is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str) -> Self {
        let path = env::temp_dir().join(format!("stomp-program-{name}-{}", std::process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

/// The program on a free port, with what it prints.
struct Program {
    child: Child,
    lines: Receiver<String>,
    printed: String,
    address: Option<String>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_remove("BROKER_PASSCODE");
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (said, heard) = mpsc::channel();
        thread::spawn(move || lines.for_each(|line| _ = said.send(line)));
        Self { child, lines: heard, printed: String::new(), address: None }
    }

    fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE).expect("the program prints");
        self.printed += &format!("{line}\n");
        line
    }

    /// A connection to where it listens, which the second line says.
    fn client(&mut self) -> TcpStream {
        if self.address.is_none() {
            self.address = self.line().strip_prefix("  tcp://").map(str::to_owned);
        }
        let client = TcpStream::connect(self.address.as_deref().unwrap()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// Tells it to end, and returns all that it has printed.
    fn end(mut self) -> String {
        let id = self.child.id().to_string();
        if cfg!(unix) {
            assert!(Command::new("kill").arg(id).status().unwrap().success());
            assert_eq!(self.wait().code(), Some(0));
        } else {
            self.child.kill().unwrap();
            self.wait();
        }
        std::mem::take(&mut self.printed)
    }

    fn wait(&mut self) -> ExitStatus {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.printed += &format!("{line}\n"),
                Err(mpsc::RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("the program does not end"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
