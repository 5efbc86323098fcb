//! STOMP over TCP as it is, or over a WebSocket, told apart by the first octets.

use std::{
    borrow::Cow,
    collections::VecDeque,
    io::{self, Read, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tungstenite::{
    HandshakeError, Message, WebSocket,
    handshake::server::{Request, Response},
    http::HeaderValue,
    protocol::WebSocketConfig,
};

/// With which the handshake of a WebSocket begins. No frame of STOMP does.
const GET: &[u8] = b"GET ";
/// The most octets that a handshake may have.
const REQUEST: usize = 16 * 1024;
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// The subprotocols, the best first.
const PROTOCOLS: [&str; 3] = ["v12.stomp", "v11.stomp", "v10.stomp"];

/// What a connection speaks.
pub(crate) struct Line(Mutex<State>);

enum State {
    /// Nothing is known yet. These are the first octets.
    New(Vec<u8>),
    Plain,
    /// The request has begun.
    Asking(Vec<u8>),
    Open {
        web_socket: Box<WebSocket<Memory>>,
        /// Whether the client sends text: it is answered alike.
        text: bool,
    },
    Failed,
}

/// What came is for the broker.
pub(crate) enum Came {
    Plain,
    /// Part of it is, and part of it is answered.
    Read {
        payload: Vec<u8>,
        answer: Vec<u8>,
        ended: bool,
    },
}

impl Came {
    const fn nothing() -> Self {
        Self::Read { payload: Vec::new(), answer: Vec::new(), ended: false }
    }

    const fn refusal() -> Self {
        Self::Read { payload: Vec::new(), answer: Vec::new(), ended: true }
    }
}

impl Line {
    /// A connection that may turn out to be a WebSocket, or is none.
    pub(crate) const fn new(web_sockets: bool) -> Self {
        Self(Mutex::new(if web_sockets { State::New(Vec::new()) } else { State::Plain }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn came(&self, octets: &[u8]) -> Came {
        self.state().came(octets)
    }

    /// Frames of the broker as they are written.
    pub(crate) fn say<'a>(&self, frames: &'a [u8]) -> Cow<'a, [u8]> {
        match &mut *self.state() {
            State::Open { web_socket, text } => Cow::Owned(say(web_socket, *text, frames)),
            State::New(_) | State::Plain => Cow::Borrowed(frames),
            State::Asking(_) | State::Failed => Cow::Borrowed(&[]),
        }
    }

    /// What is written last.
    pub(crate) fn close(&self) -> Vec<u8> {
        match &mut *self.state() {
            State::Open { web_socket, .. } => {
                // It may be closed already.
                _ = web_socket.close(None);
                _ = web_socket.flush();
                std::mem::take(&mut web_socket.get_mut().written)
            }
            _ => Vec::new(),
        }
    }
}

impl State {
    fn came(&mut self, octets: &[u8]) -> Came {
        match self {
            Self::Plain => Came::Plain,
            Self::Failed => Came::refusal(),
            Self::Open { web_socket, text } => {
                web_socket.get_mut().came.extend(octets);
                read(web_socket, text)
            }
            Self::New(first) => {
                first.extend_from_slice(octets);
                let known = first.len().min(GET.len());
                let first = std::mem::take(first);
                if first.get(..known) != GET.get(..known) {
                    *self = Self::Plain;
                    return Came::Read { payload: first, answer: Vec::new(), ended: false };
                }
                *self = if known < GET.len() { Self::New(first) } else { Self::Asking(first) };
                self.ask()
            }
            Self::Asking(request) => {
                request.extend_from_slice(octets);
                self.ask()
            }
        }
    }

    /// Answers the request, if it is complete.
    fn ask(&mut self) -> Came {
        let Self::Asking(request) = self else { return Came::nothing() };
        if !request.windows(4).any(|window| window == b"\r\n\r\n") {
            return if request.len() < REQUEST { Came::nothing() } else { self.refuse() };
        }
        let memory = Memory { came: std::mem::take(request).into(), written: Vec::new() };
        // The broker has limits of its own.
        let config =
            WebSocketConfig::default().max_message_size(None).max_frame_size(None).write_buffer_size(0);
        match tungstenite::accept_hdr_with_config(memory, choose, Some(config)) {
            Ok(web_socket) => {
                *self = Self::Open { web_socket: Box::new(web_socket), text: true };
                self.came(&[])
            }
            Err(HandshakeError::Interrupted(_) | HandshakeError::Failure(_)) => self.refuse(),
        }
    }

    fn refuse(&mut self) -> Came {
        *self = Self::Failed;
        Came::Read { payload: Vec::new(), answer: BAD_REQUEST.into(), ended: true }
    }
}

/// Chooses the best subprotocol, if one is offered.
#[allow(clippy::result_large_err, reason = "tungstenite's own type")]
fn choose(
    request: &Request,
    mut response: Response,
) -> Result<Response, tungstenite::handshake::server::ErrorResponse> {
    let offered = request.headers().get_all("sec-websocket-protocol");
    let offered: Vec<_> = offered
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if let Some(best) = PROTOCOLS.into_iter().find(|known| offered.contains(known)) {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(best));
    }
    Ok(response)
}

fn read(web_socket: &mut WebSocket<Memory>, text: &mut bool) -> Came {
    let mut payload = Vec::new();
    let ended = loop {
        match web_socket.read() {
            Ok(Message::Text(octets)) => {
                *text = true;
                payload.extend_from_slice(octets.as_bytes());
            }
            Ok(Message::Binary(octets)) => {
                *text = false;
                payload.extend_from_slice(&octets);
            }
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break false,
            Err(_) => break true,
        }
    };
    // The answers to pings, and to a close.
    _ = web_socket.flush();
    Came::Read { payload, answer: std::mem::take(&mut web_socket.get_mut().written), ended }
}

fn say(web_socket: &mut WebSocket<Memory>, text: bool, frames: &[u8]) -> Vec<u8> {
    let message = match str::from_utf8(frames) {
        Ok(frames) if text => Message::text(frames),
        _ => Message::binary(frames.to_vec()),
    };
    // A client that has closed hears nothing more.
    _ = web_socket.send(message);
    std::mem::take(&mut web_socket.get_mut().written)
}

/// A stream in memory: octets that came, and octets to be written.
struct Memory {
    came: VecDeque<u8>,
    written: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.came.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.came.read(room) }
    }
}

impl Write for Memory {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
