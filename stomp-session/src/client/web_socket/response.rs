//! The answer to a handshake (RFC 6455, section 4.1), and what it means.

use std::io;

use stomp_proto::Version;

use super::request::subprotocol;
use crate::client::runtime::TransportError;

/// The most octets that an answer may have.
const MOST: usize = 16 * 1024;
/// With which every answer begins.
const BEGINNING: &[u8] = b"HTTP/1.";

/// What was asked for, against which the answer is checked.
pub(super) struct Asked {
    pub(super) accept: String,
    pub(super) protocols: Vec<&'static str>,
}

/// Reads what has come so far. Returns the length of the answer if it is complete and opens a WebSocket.
pub(super) fn read(octets: &[u8], asked: &Asked) -> io::Result<Option<usize>> {
    let known = octets.len().min(BEGINNING.len());
    if octets.get(..known) != BEGINNING.get(..known) {
        return Err(not_http(octets).into());
    }
    let Some(end) = octets.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if octets.len() >= MOST { Err(no_web_socket("it is too long")) } else { Ok(None) };
    };
    let head = String::from_utf8_lossy(octets.get(..end).unwrap_or_default());
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let Some(status) = status else { return Err(no_web_socket("it has no status")) };
    if status != 101 {
        return Err(refusal(status).into());
    }
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
    check(&headers, asked)?;
    Ok(Some(end.saturating_add(4)))
}

fn check(headers: &[(&str, &str)], asked: &Asked) -> io::Result<()> {
    let values = |name: &'static str| {
        let named = headers.iter().filter(move |(other, _)| other.trim().eq_ignore_ascii_case(name));
        named.flat_map(|(_, value)| value.split(',')).map(str::trim)
    };
    if !values("upgrade").any(|value| value.eq_ignore_ascii_case("websocket")) {
        return Err(no_web_socket("it upgrades to something else"));
    }
    if !values("connection").any(|value| value.eq_ignore_ascii_case("upgrade")) {
        return Err(no_web_socket("it does not upgrade the connection"));
    }
    if !values("sec-websocket-accept").eq([&*asked.accept]) {
        return Err(no_web_socket("it answers another handshake"));
    }
    if values("sec-websocket-extensions").any(|value| !value.is_empty()) {
        return Err(no_web_socket("it chooses an extension that was not offered"));
    }
    // Section 4.1: one that was not offered ends it. None at all is the server's right.
    if values("sec-websocket-protocol").any(|value| !asked.protocols.contains(&value)) {
        let text = "the server chose a subprotocol that is none of the offered versions of STOMP: \
            is it the path of a broker?";
        return Err(TransportError::permanent(text).into());
    }
    Ok(())
}

/// The version whose subprotocol a checked answer names.
pub(super) fn chosen(answer: &[u8]) -> Option<Version> {
    let head = String::from_utf8_lossy(answer);
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = headers.find(|(name, _)| name.trim().eq_ignore_ascii_case("sec-websocket-protocol"))?;
    Version::ALL.into_iter().find(|version| subprotocol(*version) == value.trim())
}

fn no_web_socket(what: &str) -> io::Error {
    let text = format!("the answer to the WebSocket's handshake opens none: {what}");
    TransportError::new(text).of_kind(io::ErrorKind::InvalidData).into()
}

/// An answer that is none of HTTP.
fn not_http(octets: &[u8]) -> TransportError {
    let hint = match octets {
        [0x15 | 0x16, ..] => "it speaks TLS: use wss://",
        [b'E' | b'\n', ..] => "is it a port of STOMP without WebSocket? use tcp://",
        _ => "is it a WebSocket's port?",
    };
    let text = format!("the handshake of the WebSocket was answered by something that is not HTTP: {hint}");
    TransportError::new(text).of_kind(io::ErrorKind::InvalidData)
}

/// A status that opens no WebSocket. No word of the server is repeated: it may echo what it was sent.
fn refusal(status: u16) -> TransportError {
    let (phrase, hint) = words(status);
    let text = format!("the handshake of the WebSocket was refused with HTTP {status}{phrase}: {hint}");
    let error = match status {
        401 | 403 => TransportError::login_refused(text).of_kind(io::ErrorKind::PermissionDenied),
        404 => TransportError::permanent(text).of_kind(io::ErrorKind::NotFound),
        _ => TransportError::new(text),
    };
    error.of_code(status)
}

const fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        200..300 => (" and not 101", "does the path lead to a WebSocket?"),
        300..400 => (" (a redirection)", "use the URI to which it leads"),
        400 => {
            (" Bad Request", "does the path lead to a WebSocket, and does the server expect other headers?")
        }
        401 => (" Unauthorized", "does the handshake need a header such as authorization?"),
        403 => (" Forbidden", "are its headers right, such as authorization, cookie and origin?"),
        404 => (" Not Found", "is the path right? with RabbitMQ it is /ws, with Spring often /ws/websocket"),
        405 => (" Method Not Allowed", "does the path lead to a WebSocket?"),
        407 => (" Proxy Authentication Required", "a proxy stands before the broker"),
        426 => (" Upgrade Required", "the server speaks another version of WebSocket"),
        429 => (" Too Many Requests", "the server asks for patience"),
        500 => (" Internal Server Error", "the server has met an error of its own"),
        502 => (" Bad Gateway", "the broker behind it does not answer"),
        503 => (" Service Unavailable", "the broker behind it is not available"),
        504 => (" Gateway Timeout", "the broker behind it does not answer"),
        _ => ("", "does the path lead to a WebSocket?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Accept: ok=\r\nSec-WebSocket-Protocol: v12.stomp\r\n\r\n";

    fn answer(text: &str) -> Result<Option<usize>, String> {
        let asked = Asked { accept: "ok=".into(), protocols: vec!["v12.stomp", "v11.stomp"] };
        read(text.as_bytes(), &asked).map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_is_complete_with_its_last_octet() {
        for length in 0..GOOD.len() {
            assert_eq!(answer(&GOOD[..length]), Ok(None), "{length}");
        }
        assert_eq!(answer(GOOD), Ok(Some(GOOD.len())));
        assert_eq!(answer(&format!("{GOOD}\x01\x02")), Ok(Some(GOOD.len())), "frames may follow at once");
        assert_eq!(
            answer(&GOOD.replace("Sec-WebSocket-Protocol: v12.stomp\r\n", "")).map(|it| it.is_some()),
            Ok(true)
        );
    }

    #[test]
    fn the_version_that_is_chosen_is_read() {
        assert_eq!(chosen(GOOD.as_bytes()), Some(Version::V1_2));
        let other = GOOD.replace("Sec-WebSocket-Protocol: v12.stomp", "sec-websocket-protocol:v10.stomp ");
        assert_eq!(chosen(other.as_bytes()), Some(Version::V1_0));
        assert_eq!(chosen(GOOD.replace("Protocol", "Other").as_bytes()), None);
    }

    #[test]
    fn a_wrong_answer_is_explained() {
        let other = |from: &str, to: &str| GOOD.replace(from, to);
        let rows = [
            (other("WebSocket", "h2c"), "upgrades to something else"),
            (other("Upgrade\r\nSec", "close\r\nSec"), "does not upgrade"),
            (other("ok=", "no="), "another handshake"),
            (other("ok=\r\n", "ok=\r\nSec-WebSocket-Accept: ok=\r\n"), "another handshake"),
            (other("ok=\r\n", "ok=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"), "extension"),
            (other("v12.stomp", "mqtt"), "none of the offered versions"),
            (other("v12.stomp", "v10.stomp"), "none of the offered versions"),
            (other("101", "abc"), "has no status"),
            ("ERROR\nmessage:x\n\n\0".into(), "use tcp://"),
            ("\x15\x03\x01\0\x02\x02\x28".into(), "use wss://"),
            ("220 mail.example ESMTP\r\n".into(), "not HTTP"),
            (format!("HTTP/1.1 101 x\r\na: {}", "x".repeat(MOST)), "too long"),
        ];
        for (text, expected) in rows {
            let error = answer(&text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn each_status_has_its_words() {
        for (status, expected) in [
            (200, "does the path lead"),
            (302, "to which it leads"),
            (401, "authorization"),
            (403, "origin"),
            (404, "RabbitMQ it is /ws"),
            (426, "another version"),
            (503, "not available"),
            (599, "599: does the path"),
        ] {
            let error = answer(&format!("HTTP/1.1 {status} s3cr3t\r\nx: s3cr3t\r\n\r\ns3cr3t")).unwrap_err();
            assert!(error.contains(expected) && error.contains(&status.to_string()), "{error}");
            assert!(!error.contains("s3cr3t"), "nothing of the server's words: {error}");
        }
    }
}
