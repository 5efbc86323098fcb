//! Which frames a stub or an expectation is about.

use core::fmt;
use std::sync::Arc;

use bytes::Bytes;
use stomp_proto::{Command, Frame};

type Predicate = Arc<dyn Fn(&Frame) -> bool + Send + Sync>;

/// A description of frames that clients send.
///
/// It is made by [`send`], [`subscribe`], [`connect`], [`frame`] or their like, and narrowed down by its methods. A frame has
/// to meet all of them.
///
/// ```
/// use stomp_testkit::broker::send;
///
/// let orders = send().to("/queue/orders").header("type", "book").body_json(&serde_json::json!({"isbn": "978"}));
/// assert_eq!(orders.to_string(), r#"SEND to /queue/orders with type:book and the body {"isbn":"978"} as JSON"#);
/// ```
#[derive(Clone)]
#[must_use = "it is handed to `when` or `expect`"]
pub struct Matcher {
    command: Command,
    /// Frames with these are meant as well.
    others: Vec<Command>,
    destination: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Body>,
    predicates: Vec<Predicate>,
}

#[derive(Clone)]
enum Body {
    Json(serde_json::Value),
    Octets(Bytes),
}

/// Describes the frames with this command. CONNECT includes STOMP.
pub const fn frame(command: Command) -> Matcher {
    Matcher {
        command,
        others: Vec::new(),
        destination: None,
        headers: Vec::new(),
        body: None,
        predicates: Vec::new(),
    }
}

/// Describes CONNECT frames, and STOMP frames, which mean the same.
pub const fn connect() -> Matcher {
    frame(Command::Connect)
}

/// Describes SEND frames.
pub const fn send() -> Matcher {
    frame(Command::Send)
}

/// Describes SUBSCRIBE frames.
pub const fn subscribe() -> Matcher {
    frame(Command::Subscribe)
}

/// Describes ACK frames.
pub const fn ack() -> Matcher {
    frame(Command::Ack)
}

/// Describes NACK frames.
pub const fn nack() -> Matcher {
    frame(Command::Nack)
}

impl Matcher {
    /// Narrows it down to frames with this destination.
    pub fn to(mut self, destination: &str) -> Self {
        self.destination = Some(destination.to_owned());
        self
    }

    /// Narrows it down to frames with this header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Narrows it down to frames with this body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(Body::Octets(body.into()));
        self
    }

    /// Narrows it down to frames whose body is JSON of this value, however it is written.
    pub fn body_json(mut self, value: &serde_json::Value) -> Self {
        self.body = Some(Body::Json(value.clone()));
        self
    }

    /// Narrows it down to frames for which this returns `true`.
    ///
    /// It is called on the thread of the broker, which must not be called from it.
    pub fn that(mut self, predicate: impl Fn(&Frame) -> bool + Send + Sync + 'static) -> Self {
        self.predicates.push(Arc::new(predicate));
        self
    }

    /// Means frames with this command as well.
    pub(super) fn or(mut self, command: Command) -> Self {
        self.others.push(command);
        self
    }

    pub(super) fn meets(&self, frame: &Frame) -> bool {
        let has = |name: &str, value: &str| frame.header(name).is_some_and(|text| text == *value);
        self.is_of(frame.command())
            && self.destination.as_ref().is_none_or(|destination| has("destination", destination))
            && self.headers.iter().all(|(name, value)| has(name, value))
            && self.body.as_ref().is_none_or(|body| body.meets(frame.body()))
            && self.predicates.iter().all(|predicate| predicate(frame))
    }

    /// The command of the frames.
    pub(super) const fn kind(&self) -> Command {
        self.command
    }

    /// Whether a frame with this command is of the kind that is described.
    pub(super) fn is_of(&self, command: Command) -> bool {
        let command = if command == Command::Stomp { Command::Connect } else { command };
        self.command == command || self.others.contains(&command)
    }
}

impl Body {
    fn meets(&self, octets: &[u8]) -> bool {
        match self {
            Self::Json(value) => {
                serde_json::from_slice(octets).is_ok_and(|body: serde_json::Value| body == *value)
            }
            Self::Octets(body) => body == octets,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.command)?;
        self.others.iter().try_for_each(|other| write!(f, " or {other}"))?;
        if let Some(destination) = &self.destination {
            write!(f, " to {destination}")?;
        }
        for (number, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{} {name}:{value}", if number == 0 { " with" } else { "," })?;
        }
        match &self.body {
            Some(Body::Json(value)) => write!(f, " and the body {value} as JSON")?,
            Some(Body::Octets(body)) => write!(f, " and the body \"{}\"", body.escape_ascii())?,
            None => {}
        }
        match self.predicates.len() {
            0 => Ok(()),
            1 => f.write_str(" that meets a condition"),
            conditions => write!(f, " that meets {conditions} conditions"),
        }
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
