//! How brokers are reached over a WebSocket.

use super::{Layout, OnDisconnect, User};

/// How a broker is reached over a WebSocket, and what is different there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocket {
    /// The purpose of the port: `ws`, or `stomp` if one port serves both.
    pub port: &'static str,
    /// The purpose of the port with TLS, which requires a client certificate. `None` if the broker has none here.
    pub tls_port: Option<&'static str>,
    /// The path of the URI.
    pub path: &'static str,
    /// The status of HTTP for a path at which nothing is. `None` if every path is served.
    pub wrong_path: Option<u16>,
    /// Whether the broker names one of the offered subprotocols in its answer to the handshake.
    pub names_subprotocol: bool,
    /// The profile that the URI sets, where the broker does not name itself (`stomp.profile`).
    pub profile: Option<&'static str>,
    /// Whether the broker ignores binary messages. Frames are then sent as text (`stomp.text=true`).
    pub text_only: bool,
    /// The most octets of a message, above which a frame must be sent as several. `None` if the broker takes larger
    /// messages than any test sends.
    pub message_limit: Option<usize>,
    /// Whether a frame may be sent as several messages. Otherwise each frame must be one.
    pub joins_messages: bool,
    /// The most octets of a frame. `None`: more than any test sends.
    pub frame_limit: Option<usize>,
    /// What DISCONNECT is answered with.
    pub disconnect: OnDisconnect,
}

impl WebSocket {
    /// A broker that takes whatever a test sends, in any messages, and answers as over TCP.
    pub(super) const LIKE_TCP: Self = Self {
        port: "ws",
        tls_port: Some("wss"),
        path: "/",
        wrong_path: None,
        names_subprotocol: true,
        profile: None,
        text_only: false,
        message_limit: None,
        joins_messages: true,
        frame_limit: None,
        disconnect: OnDisconnect::Receipt,
    };

    /// Returns the URI of a node without TLS, with these credentials.
    pub(super) fn uri(&self, layout: &Layout, node: usize, user: User) -> String {
        let port = layout.port(node, self.port);
        format!("ws://{}@127.0.0.1:{port}{}", credentials(user), self.resource())
    }

    /// Returns the URI of a node over TLS, with these credentials.
    pub(super) fn tls_uri(&self, layout: &Layout, node: usize, user: User) -> Option<String> {
        let port = layout.port(node, self.tls_port?);
        Some(format!("wss://{}@localhost:{port}{}", credentials(user), self.resource()))
    }

    /// Path and query.
    fn resource(&self) -> String {
        let text = self.text_only.then(|| "stomp.text=true".to_owned());
        let profile = self.profile.map(|name| format!("stomp.profile={name}"));
        let query: Vec<_> = text.into_iter().chain(profile).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{}", self.path, query.join("&"))
    }
}

fn credentials(user: User) -> String {
    format!("{}:{}", user.login, user.passcode)
}
