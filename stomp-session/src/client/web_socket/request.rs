//! The request of a handshake (RFC 6455, section 4.1).

use std::fmt::Write as _;

use stomp_proto::Version;

use crate::{Endpoint, client::runtime::TransportError, model::handshake_headers::HandshakeHeaders};

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
pub(super) fn check(headers: &HandshakeHeaders) -> Result<(), TransportError> {
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
            let error = check(&headers).unwrap_err();
            assert!(error.to_string().contains(expected) && !error.to_string().contains("secret"), "{error}");
            assert!(TransportError::is_permanent(&error.into()));
        }
    }
}
