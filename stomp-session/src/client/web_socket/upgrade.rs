//! The request of a handshake, in which HTTP is to be upgraded, and the answer to it (RFC 6455, sections 4.1 and 4.2.2), and
//! what the answer means.

use std::{fmt::Write as _, io};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use httparse::{Header, Status};
use sha1::{Digest as _, Sha1};
use stomp_proto::Version;

use crate::{Endpoint, client::runtime::TransportError, model::endpoint::HandshakeHeaders};

/// What begins so, or is one of these, is said by the handshake itself.
const RESERVED_PREFIX: &str = "sec-websocket-";
const RESERVED: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];

/// The subprotocol of a version. STOMP 1.2 names it in no place, but every broker and client does so.
pub(super) const fn subprotocol(version: Version) -> &'static str {
    match version {
        Version::V1_0 => "v10.stomp",
        Version::V1_1 => "v11.stomp",
        Version::V1_2 => "v12.stomp",
    }
}

/// All headers that are set, each once: those of the login before those of the endpoint, and these before the general ones.
pub(super) fn headers(general: &HandshakeHeaders, endpoint: &Endpoint) -> HandshakeHeaders {
    let mut all = general.clone();
    let own = endpoint.handshake_headers().iter();
    let login = endpoint.login().into_iter().flat_map(|login| login.handshake_headers().iter());
    own.chain(login).for_each(|(name, value)| all.set(name.into(), value.into()));
    all
}

/// Checks what cannot be written. The error shows no value.
pub(super) fn check_headers(headers: &HandshakeHeaders) -> Result<(), TransportError> {
    headers.iter().try_for_each(|(name, value)| {
        let lower = name.to_ascii_lowercase();
        let wrong = if RESERVED.contains(&&*lower) || lower.starts_with(RESERVED_PREFIX) {
            "belongs to the handshake itself"
        } else if name.is_empty() || !name.bytes().all(is_token) {
            "has a name that is none"
        } else if value.bytes().any(|octet| octet.is_ascii_control() && octet != b'\t') {
            "has a value that cannot be written"
        } else {
            return Ok(());
        };
        let name = name.escape_debug();
        Err(TransportError::permanent(format!("the handshake header \"{name}\" {wrong}")))
    })
}

/// RFC 9110, section 5.6.2.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// The request, newest version first.
pub(super) fn request(
    endpoint: &Endpoint,
    versions: &[Version],
    headers: &HandshakeHeaders,
    key: &str,
) -> String {
    let mut offered: Vec<_> = versions.to_vec();
    offered.sort_unstable_by(|one, other| other.cmp(one));
    offered.dedup();
    let offered: Vec<_> = offered.into_iter().map(subprotocol).collect();
    let mut text = format!("GET {} HTTP/1.1\r\n", endpoint.web_socket().unwrap_or("/"));
    let mut line = |name: &str, value: &str| _ = write!(text, "{name}: {value}\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        line("Host", &host(endpoint));
    }
    line("Upgrade", "websocket");
    line("Connection", "Upgrade");
    line("Sec-WebSocket-Key", key);
    line("Sec-WebSocket-Version", "13");
    if !offered.is_empty() {
        line("Sec-WebSocket-Protocol", &offered.join(", "));
    }
    headers.iter().for_each(|(name, value)| line(name, value));
    text.push_str("\r\n");
    text
}

/// The host, and the port if it is not that of the scheme (RFC 9110, section 7.2). A zone means nothing to others (RFC 6874).
fn host(endpoint: &Endpoint) -> String {
    let host = endpoint.host();
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    let bracketed = if host.contains(':') { format!("[{address}]") } else { host.into() };
    match (endpoint.is_tls(), endpoint.port()) {
        (false, 80) | (true, 443) => bracketed,
        (_, port) => format!("{bracketed}:{port}"),
    }
}

/// Appended to the key. RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Key` for these octets, which are new each time.
pub(super) fn key(nonce: &[u8; 16]) -> String {
    BASE64_STANDARD.encode(nonce)
}

/// The value of `Sec-WebSocket-Accept` that proves that a server has understood.
pub(super) fn accept(key: &str) -> String {
    BASE64_STANDARD.encode(Sha1::digest(format!("{key}{GUID}")))
}

/// The most octets that an answer may have.
const MOST: usize = 16 * 1024;
/// The most headers that an answer may have.
const MOST_HEADERS: usize = 64;
/// With which every answer begins.
const BEGINNING: &[u8] = b"HTTP/1.";

/// What was asked for, against which the answer is checked.
pub(super) struct Asked {
    pub(super) accept: String,
    pub(super) protocols: Vec<&'static str>,
}

/// An answer that opens a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its octets. What follows is the WebSocket's.
    pub(super) length: usize,
    /// The version whose subprotocol the server has chosen.
    pub(super) version: Option<Version>,
}

/// Reads what has come so far. Returns an answer if it is complete and opens a WebSocket.
pub(super) fn read_answer(octets: &[u8], asked: &Asked) -> io::Result<Option<Answer>> {
    let known = octets.len().min(BEGINNING.len());
    if octets.get(..known) != BEGINNING.get(..known) {
        return Err(not_http(octets).into());
    }
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(octets) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if octets.len() < MOST => return Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(no_web_socket("it is too long"));
        }
        Err(_) => return Err(no_web_socket("it breaks the rules of HTTP")),
    };
    match response.code {
        Some(101) => {}
        status => return Err(refusal(status.unwrap_or_default()).into()),
    }
    Ok(Some(Answer { length, version: chosen_version(response.headers, asked)? }))
}

/// Returns the version whose subprotocol was chosen.
fn chosen_version(headers: &[Header<'_>], asked: &Asked) -> io::Result<Option<Version>> {
    let values = |name: &'static str| {
        let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.flat_map(|header| header.value.split(|octet| *octet == b',')).map(<[u8]>::trim_ascii)
    };
    if !values("upgrade").any(|value| value.eq_ignore_ascii_case(b"websocket")) {
        return Err(no_web_socket("it upgrades to something else"));
    }
    if !values("connection").any(|value| value.eq_ignore_ascii_case(b"upgrade")) {
        return Err(no_web_socket("it does not upgrade the connection"));
    }
    if !values("sec-websocket-accept").eq([asked.accept.as_bytes()]) {
        return Err(no_web_socket("it answers another handshake"));
    }
    if values("sec-websocket-extensions").any(|value| !value.is_empty()) {
        return Err(no_web_socket("it chooses an extension that was not offered"));
    }
    // Section 4.1: one that was not offered ends it. None at all is the server's right.
    let is_offered = |value: &[u8]| asked.protocols.iter().any(|protocol| protocol.as_bytes() == value);
    if !values("sec-websocket-protocol").all(is_offered) {
        let text = "the server chose a subprotocol that is none of the offered versions of STOMP: \
            is it the path of a broker?";
        return Err(TransportError::permanent(text).into());
    }
    let is_chosen = |version: &Version| {
        values("sec-websocket-protocol").any(|value| value == subprotocol(*version).as_bytes())
    };
    Ok(Version::ALL.into_iter().find(is_chosen))
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
    use crate::Login;

    fn written(uri: &str, headers: &HandshakeHeaders) -> String {
        request(&uri.parse().unwrap(), &[Version::V1_1, Version::V1_2], headers, "KEY==")
    }

    #[test]
    fn a_request_says_what_a_server_must_know() {
        let mut headers = HandshakeHeaders::default();
        headers.set("Origin".into(), "https://app.example".into());
        assert_eq!(
            written("ws://u:p@broker.example:15674/ws?tenant=7", &headers),
            "GET /ws?tenant=7 HTTP/1.1\r\nHost: broker.example:15674\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: KEY==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v12.stomp, v11.stomp\r\n\
             Origin: https://app.example\r\n\r\n"
        );
        for (uri, host) in [
            ("ws://h", "Host: h\r\n"),
            ("wss://h", "Host: h\r\n"),
            ("ws://h:443", "Host: h:443\r\n"),
            ("wss://[fe80::1%25eth0]:1", "Host: [fe80::1]:1\r\n"),
        ] {
            assert!(written(uri, &HandshakeHeaders::default()).contains(host), "{uri}");
        }
        headers.set("host".into(), "other".into());
        assert_eq!(written("ws://h", &headers).to_ascii_lowercase().matches("host: ").count(), 1);
    }

    #[test]
    fn the_nearest_of_equal_headers_counts() {
        let mut general = HandshakeHeaders::default();
        [("a", "general"), ("b", "general"), ("c", "general")]
            .into_iter()
            .for_each(|(name, value)| general.set(name.into(), value.into()));
        let endpoint =
            Endpoint::plain("h", 1).with_handshake_header("B", "own").with_handshake_header("c", "own");
        let endpoint = endpoint.with_login(Login::unnamed().with_handshake_header("C", "login"));
        let all = headers(&general, &endpoint);
        assert_eq!(all.iter().collect::<Vec<_>>(), [("a", "general"), ("B", "own"), ("C", "login")]);
    }

    #[test]
    fn what_cannot_be_written_is_named_without_its_value() {
        let rows = [
            ("Upgrade", "secret", "the handshake itself"),
            ("sec-websocket-protocol", "secret", "the handshake itself"),
            ("", "secret", "a name that is none"),
            ("a b", "secret", "a name that is none"),
            ("a", "secret\r\nb: c", "cannot be written"),
            ("a", "secret\0", "cannot be written"),
        ];
        for (name, value, expected) in rows {
            let mut headers = HandshakeHeaders::default();
            headers.set(name.into(), value.into());
            let error = check_headers(&headers).unwrap_err();
            assert!(error.to_string().contains(expected) && !error.to_string().contains("secret"), "{error}");
            assert!(TransportError::is_permanent(&error.into()));
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(key(b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
    }

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Accept: ok=\r\nSec-WebSocket-Protocol: v12.stomp\r\n\r\n";

    fn answer(text: &str) -> Result<Option<Answer>, String> {
        let asked = Asked { accept: "ok=".into(), protocols: vec!["v12.stomp", "v11.stomp"] };
        read_answer(text.as_bytes(), &asked).map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_is_complete_with_its_last_octet() {
        for length in 0..GOOD.len() {
            assert_eq!(answer(&GOOD[..length]), Ok(None), "{length}");
        }
        let good = |length, version| Ok(Some(Answer { length, version }));
        assert_eq!(answer(GOOD), good(GOOD.len(), Some(Version::V1_2)));
        let more = format!("{GOOD}\x01\x02");
        assert_eq!(answer(&more), good(GOOD.len(), Some(Version::V1_2)), "frames may follow at once");
        let other = GOOD.replace("Sec-WebSocket-Protocol: v12", "sec-websocket-protocol:v11");
        assert_eq!(answer(&other), good(other.len(), Some(Version::V1_1)));
        let none = GOOD.replace("Sec-WebSocket-Protocol: v12.stomp\r\n", "");
        assert_eq!(answer(&none), good(none.len(), None));
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
            (other("101", "abc"), "breaks the rules of HTTP"),
            (other("upgrade: WebSocket", "upgrade"), "breaks the rules of HTTP"),
            (format!("HTTP/1.1 101 x\r\n{}", "a: b\r\n".repeat(MOST_HEADERS + 1)), "too long"),
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
