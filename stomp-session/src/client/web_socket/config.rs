//! The configuration of WebSockets.

use std::time::Duration;

use crate::model::handshake_headers::HandshakeHeaders;

/// The configuration of WebSockets, for endpoints that are reached over one (`ws://`, `wss://`). Requires the feature
/// `websocket`.
///
/// ```
/// use stomp_session::client::{Client, WebSocketConfig};
///
/// let mut web_socket = WebSocketConfig::default();
/// web_socket.set_header("origin", "https://app.example");
/// let builder = Client::builder("wss://broker.example/ws").web_socket(web_socket);
/// ```
///
/// The subprotocols `v12.stomp`, `v11.stomp` and `v10.stomp` are offered, as far as the versions are. A server that chooses
/// another is refused, and one that chooses none is not, since CONNECTED says the version.
///
/// Each frame of STOMP, and each heart-beat, is sent as one message, in pieces where it is large. What comes may be cut into
/// messages in any way, as text or binary. A message of any size is read as it comes: what bounds it are the limits on
/// frames of STOMP.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WebSocketConfig {
    /// Whether to send text instead of binary messages to every server, and not only where the endpoint
    /// [asks for it](crate::Endpoint::with_text_messages). Default: `false`.
    ///
    /// ActiveMQ's `ws` transport ignores binary messages. A broker closes the connection on a frame that is sent as text and
    /// is no UTF-8, such as one with a binary body.
    pub text: bool,
    /// The number of octets above which a frame of STOMP is sent in several messages. Default: `None`, which leaves it to the
    /// [`Profile`](crate::Profile::message_limit), if one was set.
    ///
    /// A server may refuse a message that is larger than its buffer: with Spring on Tomcat, it is 8 KiB. Spring, RabbitMQ and
    /// Artemis put a frame together again; ActiveMQ does not. Values below 256 count as 256.
    pub message_limit: Option<usize>,
    /// The time limit for the handshake, counted from when the connection is made, TLS included. Default: 5 s, which is half
    /// of the time limit for the whole dial, so that the error names the part that hangs.
    pub handshake_timeout: Duration,
    pub(super) headers: HandshakeHeaders,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            text: false,
            message_limit: None,
            handshake_timeout: Duration::from_secs(5),
            headers: HandshakeHeaders::default(),
        }
    }
}

impl WebSocketConfig {
    /// Sets a header of every handshake, such as `origin`, instead of one of the same name. Its value is never displayed.
    ///
    /// A header that is set for an [endpoint](crate::Endpoint::with_handshake_header) takes its place, and one of a
    /// [login](crate::Login::with_handshake_header), which may be another for each attempt, takes the place of both.
    ///
    /// A dial fails for good if a header cannot be written, or if it is one of the handshake itself: `connection`,
    /// `upgrade`, `content-length`, `transfer-encoding`, or one that begins with `sec-websocket-`.
    pub fn set_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.headers.set(name.into(), value.into());
    }
}
