//! Opens a WebSocket on a stream, as it is configured: asks for it, checks the answer, and limits the time.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_proto::Version;

use super::{
    stream::WebSocket,
    upgrade::{self, Answer, Asked},
    writer::Writer,
};
use crate::{
    Endpoint,
    client::{
        runtime::{Runtime, TransportError},
        stream::uninterrupted,
    },
    model::{endpoint::HandshakeHeaders, mask::Mask},
};

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
    headers: HandshakeHeaders,
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

/// The octets that are read at a time. What of them belongs to the first message is handed on.
const ROOM: usize = 1024;

/// What the WebSockets of one client share.
#[derive(Debug)]
pub(in crate::client) struct WebSockets {
    pub(in crate::client) config: WebSocketConfig,
    pub(in crate::client) versions: Vec<Version>,
}

impl Default for WebSockets {
    fn default() -> Self {
        Self { config: WebSocketConfig::default(), versions: Version::ALL.to_vec() }
    }
}

impl WebSockets {
    /// Returns an error if no handshake can succeed because of the headers.
    pub(in crate::client) fn check(&self, endpoint: &Endpoint) -> io::Result<()> {
        Ok(upgrade::check_headers(&self.headers(endpoint))?)
    }

    fn headers(&self, endpoint: &Endpoint) -> HandshakeHeaders {
        upgrade::headers(&self.config.headers, endpoint)
    }

    /// Opens a WebSocket on a stream, and returns the version that the server has chosen. Cancel safe: if dropped, the stream
    /// is closed.
    pub(in crate::client) async fn open<R, S>(
        &self,
        runtime: &R,
        endpoint: &Endpoint,
        mut stream: S,
    ) -> io::Result<(WebSocket<S>, Option<Version>)>
    where
        R: Runtime,
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let headers = self.headers(endpoint);
        let entropy = runtime.entropy();
        let (nonce, seed) = halves(&entropy);
        let key = upgrade::key(&nonce);
        let text = upgrade::request(endpoint, &self.versions, &headers, &key);
        let protocols = self.versions.iter().copied().map(upgrade::subprotocol).collect();
        let asked = Asked { accept: upgrade::accept(&key), protocols };
        let asking = ask(&mut stream, text.as_bytes(), &asked);
        let (chosen, early) = within(runtime, self.config.handshake_timeout, asking).await?;
        let secrets = headers.iter().map(|(_, value)| value);
        let login = endpoint.login().into_iter().flat_map(|login| login.secrets());
        let query =
            endpoint.web_socket().and_then(|resource| resource.split_once('?')).map(|(_, query)| query);
        let mask = Mask::of_secrets(secrets.chain(login).chain(query));
        let message_limit = self.config.message_limit.or_else(|| endpoint.profile()?.message_limit);
        let writer = Writer::new(seed, self.config.text || endpoint.sends_text(), message_limit);
        Ok((WebSocket::new(stream, writer, early, mask), chosen))
    }
}

/// Waits for a handshake, for that long.
async fn within<R: Runtime, T>(
    runtime: &R,
    limit: Duration,
    handshake: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let mut deadline = pin!(runtime.sleep_until(runtime.now().after(limit)));
    let mut handshake = pin!(handshake);
    poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Pending => deadline.as_mut().poll(cx).map(|()| Err(too_slow(limit))),
        ready => ready,
    })
    .await
}

fn halves(entropy: &[u8; 32]) -> ([u8; 16], [u8; 16]) {
    let (mut nonce, mut seed) = ([0; 16], [0; 16]);
    let (first, second) = entropy.split_at(16);
    nonce.copy_from_slice(first);
    seed.copy_from_slice(second);
    (nonce, seed)
}

fn too_slow(limit: Duration) -> io::Error {
    let seconds = limit.as_secs_f64();
    let text =
        format!("the WebSocket's handshake did not end within {seconds:.1} s: is it a WebSocket's port?");
    TransportError::new(text).of_kind(io::ErrorKind::TimedOut).into()
}

/// Writes the request and reads the answer. Returns the version that it chooses, and what came behind it.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut request: &[u8],
    asked: &Asked,
) -> io::Result<(Option<Version>, Vec<u8>)> {
    poll_fn(|cx| poll_write_all(stream, cx, &mut request)).await?;
    let mut answer = Vec::new();
    loop {
        let mut room = [0; ROOM];
        let count = poll_fn(|cx| uninterrupted(|| Pin::new(&mut *stream).poll_read(cx, &mut room))).await?;
        if count == 0 {
            let text = "the server closed the connection instead of answering the WebSocket's handshake: \
                is it a WebSocket's port?";
            return Err(TransportError::new(text).of_kind(io::ErrorKind::ConnectionAborted).into());
        }
        answer.extend_from_slice(room.get(..count).unwrap_or_default());
        if let Some(Answer { length, version }) = upgrade::read_answer(&answer, asked)? {
            return Ok((version, answer.split_off(length)));
        }
    }
}

fn poll_write_all<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    text: &mut &[u8],
) -> Poll<io::Result<()>> {
    while !text.is_empty() {
        let count = ready!(uninterrupted(|| Pin::new(&mut *stream).poll_write(cx, text)))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *text = text.get(count..).unwrap_or_default();
    }
    uninterrupted(|| Pin::new(&mut *stream).poll_flush(cx))
}
