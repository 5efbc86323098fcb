//! The bodies of the fuzz targets, which turn arbitrary octets into operations.
//!
//! Each function panics if a property does not hold. They are ordinary functions, so that an ordinary test can replay
//! the seeds of the fuzz targets, too.

use std::{fs, sync::LazyLock, time::Duration};

use stomp_proto::{Command, Frame, Headers, HeartBeat, Item, Limits, Oversize, Sender, Text, Version};
use stomp_session::{Brokers, Endpoint, Schedule};

use crate::codec::{self, Setting};

mod web_socket;

pub use web_socket::websocket;

/// Parses a stream, and checks the frames in it.
///
/// The first octet selects the settings of the parser and what is checked. The rest is the stream.
pub fn decode(data: &[u8]) {
    let Some((&choice, stream)) = data.split_first() else { return };
    let setting = setting(choice);
    let version = setting.version.unwrap_or(Version::V1_2);
    if choice & 0xe0 == 0x20 {
        return codec::reads_past(&setting, stream);
    }
    for item in codec::parse(&setting, [stream]).items {
        match (choice >> 6, item) {
            (0, Item::Frame(frame) | Item::TooLarge { frame, .. }) => codec::read_headers(&frame),
            (1, Item::Frame(frame) | Item::TooLarge { frame, .. }) => codec::keep(&frame),
            // What was received and can be written reads back as itself.
            (profile, Item::Frame(frame)) => _ = codec::round_trips(&frame, version, profile == 2),
            _ => {}
        }
    }
}

/// Parses a stream twice, once whole and once in pieces, and compares the results. One of the two borrows its items.
///
/// The first octet selects the settings, which of the two borrows, and whether the pieces are single octets. The next
/// four select the sizes of the pieces otherwise. The rest is the stream.
pub fn decode_chunked(data: &[u8]) {
    let Some((&[choice, sizes @ ..], stream)) = data.split_first_chunk::<5>() else { return };
    let setting = setting(choice);
    let sizes: [usize; 4] = if choice & 0x40 == 0 { sizes.map(usize::from) } else { [1; 4] };
    let pieces = codec::cut(stream, &sizes);
    if choice & 0x80 == 0 {
        let lent = codec::parse_by(codec::next_copied, &setting, pieces);
        assert_eq!(lent, codec::parse(&setting, [stream]));
    } else {
        let lent = codec::parse_by(codec::next_copied, &setting, [stream]);
        assert_eq!(codec::parse(&setting, pieces), lent);
    }
}

/// Builds a frame, encodes it and reads it back.
///
/// The first octet selects the command, the version and the profile that reads the frame back. The second selects the
/// number of headers that follow, and whether there is a body and a `content-length`. Each header is an octet with the
/// lengths of name and value, the name, and the value. The rest is the body.
pub fn round_trip(data: &[u8]) {
    let mut rest = Rest(data);
    let choice = usize::from(rest.octet());
    let command = Command::ALL[choice % Command::ALL.len()];
    let reading = choice / Command::ALL.len();
    let shape = rest.octet();
    let mut frame = Frame::new(command);
    for _ in 0..shape & 0x1f {
        let lengths = usize::from(rest.octet());
        let name = rest.take(lengths & 0x0f);
        frame.headers_mut().push(name, rest.take(lengths >> 4));
    }
    let body = rest.take(if shape & 0x40 == 0 { usize::MAX } else { 0 });
    frame = frame.with_body(body.to_vec());
    let frame = if shape & 0x80 == 0 { frame } else { frame.without_content_length() };
    let _ = codec::round_trips(&frame, Version::ALL[reading % 3], reading.is_multiple_of(2));
}

/// Reads header lines, and checks that the accessors agree with the list of headers.
///
/// The first octet selects the settings. The rest is the header block of a MESSAGE.
pub fn headers(data: &[u8]) {
    let Some((&choice, lines)) = data.split_first() else { return };
    let setting = Setting { sender: Sender::Server, ..setting(choice) };
    let stream = [b"MESSAGE\n", lines, b"\n\n\0"].concat();
    for item in codec::parse(&setting, [&stream[..]]).items {
        let Item::Frame(frame) = item else { continue };
        let headers = frame.headers();
        match choice >> 6 {
            0 => codec::keep(&frame),
            1 => check_changes(headers, lines.len()),
            _ => check_accessors(headers),
        }
    }
}

fn check_accessors(headers: &Headers) {
    for (name, value) in headers.iter() {
        let spoken = HeartBeat::from_octets(&value.octets());
        assert!(
            spoken.is_none_or(|spoken| HeartBeat::from_octets(spoken.to_string().as_bytes()) == Some(spoken))
        );
        let parsed = value.text().ok().and_then(|text| text.parse::<u64>().ok());
        assert!(value.number().is_none_or(|number| parsed == Some(number)));
        let Ok(name) = name.text() else { continue };
        let first = headers.iter().find(|(other, _)| *other == *name).map(|(_, value)| value);
        assert_eq!(headers.get(&name), first, "the first of repeated headers counts");
    }
}

/// Changes one of the headers.
fn check_changes(headers: &Headers, which: usize) {
    let Some((name, _)) = headers.iter().nth(which.checked_rem(headers.len()).unwrap_or_default()) else {
        return;
    };
    let Ok(name) = name.text() else { return };
    let mut changed = headers.clone();
    changed.set(&*name, "new");
    assert!(changed.iter().filter(|(other, _)| *other == *name).map(|(_, value)| value).eq(["new"]));
    let others = |headers: &Headers| -> Vec<_> {
        let owned =
            |(name, value): (Text<'_>, Text<'_>)| (name.octets().into_owned(), value.octets().into_owned());
        headers.iter().filter(|(other, _)| *other != *name).map(owned).collect()
    };
    assert_eq!(others(&changed), others(headers));
    changed.remove(&*name);
    assert!(!changed.contains(&name) && changed.len() < headers.len());
}

/// Runs sessions, model brokers and the network between them, with settings and steps read from the octets. See
/// [`disaster`](crate::disaster).
///
/// # Panics
/// Panics if a law does not hold.
pub fn disaster(data: &[u8]) {
    assert_eq!(crate::disaster::run(data, false).violation, None);
}

/// Parses a broker URI.
///
/// # Panics
/// Panics if one of these properties does not hold:
///
/// - The endpoints of a valid URI are displayed as URIs of the same endpoints, without their logins.
/// - The delays of its schedule do not exceed the maximum.
/// - The error for an invalid URI shows no part of it, since any part may be a login.
pub fn uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let brokers = match text.parse::<Brokers>() {
        Ok(brokers) => brokers,
        Err(error) => return assert_eq!(repeated(text, &format!("{error} {error:?}")), None, "{error:?}"),
    };
    assert!(!brokers.endpoints.is_empty());
    for endpoint in &brokers.endpoints {
        let again: Endpoint = endpoint.to_string().parse().expect("an endpoint shows itself as a URI");
        let place = |endpoint: &Endpoint| (endpoint.host().to_owned(), endpoint.port(), endpoint.is_tls());
        assert_eq!(place(&again), place(endpoint));
        assert!(endpoint.login().is_none_or(|login| format!("{login:?}") == "Login(***)"));
    }
    let limit = brokers.reconnect.max_delay.max(Duration::from_millis(10));
    assert!(Schedule::new(brokers, 0).take(50).all(|(_, delay)| delay <= limit));
}

/// The words that an error may contain: the source of what writes it. It is read, and not included, because it is there in
/// a checkout and not beside a packaged crate.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let source = |file| {
        let path = format!("{}/../../stomp-session/src/failover/{file}", env!("CARGO_MANIFEST_DIR"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    ["uri.rs", "options.rs", "uri_error.rs"].map(source).into()
});

/// Returns a fragment of four characters of `secret` that occurs in `shown` and is not part of an error's own words.
#[must_use]
pub fn repeated<'a>(secret: &'a str, shown: &str) -> Option<&'a str> {
    let mut fragments = fragments(secret);
    fragments.find(|fragment| shown.contains(fragment) && !WORDS.iter().any(|words| words.contains(fragment)))
}

/// Returns an iterator over all fragments of four characters. Longer fragments consist of these.
pub fn fragments(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let ends: Vec<_> = ends.collect();
    (4..ends.len()).map(move |end| (ends[end - 4], ends[end])).map(|(from, to)| &text[from..to])
}

/// The settings selected by an octet: the version, which may be unknown, the sender, the profile and the limits.
fn setting(choice: u8) -> Setting {
    let versions = [Some(Version::V1_2), Some(Version::V1_1), Some(Version::V1_0), None];
    let mut limits = Limits::default();
    if choice & 0x10 != 0 {
        (limits.command, limits.header_line, limits.headers) = (12, 40, 4);
        (limits.header_block, limits.body) = (100, 20);
    }
    limits.oversize = if choice & 0x20 == 0 { Oversize::Fail } else { Oversize::Drain };
    Setting {
        sender: if choice & 0x08 == 0 { Sender::Server } else { Sender::Client },
        version: versions[usize::from(choice & 3)],
        strict: choice & 0x04 != 0,
        limits,
    }
}

/// Octets that are consumed from the front. Once they are used up, zeros and empty slices follow.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }
}
