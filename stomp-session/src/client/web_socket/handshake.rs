//! Opens a WebSocket on a stream: asks for it, checks the answer, and limits the time.

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
    accept,
    config::WebSocketConfig,
    request,
    response::{self, Answer, Asked},
    stream::WebSocket,
    writer::Writer,
};
use crate::{
    Endpoint,
    client::{
        runtime::{Runtime, TransportError},
        stream::uninterrupted,
    },
    model::{handshake_headers::HandshakeHeaders, mask::Mask},
};

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
        Ok(request::check(&self.headers(endpoint))?)
    }

    fn headers(&self, endpoint: &Endpoint) -> HandshakeHeaders {
        request::headers(&self.config.headers, endpoint)
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
        let key = accept::key(&nonce);
        let text = request::request(endpoint, &self.versions, &headers, &key);
        let protocols = self.versions.iter().copied().map(request::subprotocol).collect();
        let asked = Asked { accept: accept::accept(&key), protocols };
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
        if let Some(Answer { length, version }) = response::read(&answer, asked)? {
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
