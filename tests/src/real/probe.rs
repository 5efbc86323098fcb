//! Knows how to ask a port whether a STOMP broker answers there, without any STOMP library.

use super::User;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long one question may take. A broker that is starting up may accept and then say nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether something listens on `port`.
pub(super) fn listens(port: u16) -> bool {
    open(port).is_ok()
}

/// Whether a CONNECT of `user` on `port` is answered with CONNECTED.
pub(super) fn answers(port: u16, user: User, virtual_host: &str) -> bool {
    ask(port, &connect(user, virtual_host)).is_ok_and(|answer| answer == *CONNECTED)
}

/// Whether `port` opens a WebSocket at `path`.
pub(super) fn opens(port: u16, path: &str) -> bool {
    ask(port, &handshake(port, path)).is_ok_and(|answer| answer == *SWITCHES)
}

const CONNECTED: &[u8; 10] = b"CONNECTED\n";
const SWITCHES: &[u8; 13] = b"HTTP/1.1 101 ";

fn ask<const N: usize>(port: u16, question: &str) -> io::Result<[u8; N]> {
    let mut stream = open(port)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(question.as_bytes())?;
    let mut answer = [0; N];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn open(port: u16) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)
}

fn connect(user: User, virtual_host: &str) -> String {
    let User { login, passcode } = user;
    format!("CONNECT\naccept-version:1.2\nhost:{virtual_host}\nlogin:{login}\npasscode:{passcode}\n\n\0")
}

fn handshake(port: u16, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Protocol: v12.stomp\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::GUEST;
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Serves one connection: reads the question to its end, then answers with `answer`.
    fn serve(answer: &'static [u8], end: &'static [u8]) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = Vec::new();
            while !question.ends_with(end) {
                let mut octet = [0];
                stream.read_exact(&mut octet).unwrap();
                question.extend(octet);
            }
            stream.write_all(answer).unwrap();
        });
        port
    }

    #[test]
    fn only_connected_counts_as_an_answer() {
        let answered = |answer| answers(serve(answer, b"\0"), GUEST, "/");
        assert!(answered(b"CONNECTED\nversion:1.2\n\n\0"));
        assert!(!answered(b"ERROR\nmessage:no\n\n\0"));
        assert!(!answered(b"CONN"));
        assert!(!answered(b""));
    }

    #[test]
    fn only_a_switch_of_protocols_opens_a_web_socket() {
        let opened = |answer| opens(serve(answer, b"\r\n\r\n"), "/ws");
        assert!(opened(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"));
        assert!(!opened(b"HTTP/1.1 404 Not Found\r\n\r\n"));
        assert!(!opened(b"ERROR\nmessage:no\n\n\0"));
    }

    #[test]
    fn a_closed_port_answers_nothing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port));
        drop(listener);
        assert!(!listens(port));
        assert!(!answers(port, GUEST, "/"));
    }

    #[test]
    fn the_question_is_one_frame() {
        let question = connect(GUEST, "/");
        assert_eq!(question, "CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0");
    }
}
