//! The frames that are read and written: each corpus is one frame, repeated, in reads of one size.

/// Octets a read, as from a socket.
const READ: usize = 16 * 1024;
/// Octets a read where frames arrive in many pieces: an Ethernet frame's worth.
const PACKET: usize = 1460;
/// Octets in a stream of small frames: it stays in the second-level cache.
const STREAM: usize = 512 * 1024;

/// A stream of equal frames, read in pieces of one size.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// What the tables call it.
    pub name: &'static str,
    /// Whole frames.
    pub stream: Vec<u8>,
    /// How many.
    pub frames: u64,
    /// Octets in one body.
    pub body: usize,
    /// Octets a read.
    pub read: usize,
}

impl Corpus {
    fn new(name: &'static str, headers: &[&str], body: usize, announced: bool) -> Self {
        let stream = message(headers, body, announced);
        Self { name, stream, frames: 1, body, read: READ }.repeated(STREAM)
    }

    /// As many frames as fit into `octets`, at least one.
    fn repeated(mut self, octets: usize) -> Self {
        let times = (octets / self.frame_length()).max(1);
        self.stream.truncate(self.frame_length());
        self.stream = self.stream.repeat(times);
        self.frames = times as u64;
        self
    }

    fn in_reads_of(mut self, name: &'static str, read: usize, octets: usize) -> Self {
        self.name = name;
        self.read = read;
        self.repeated(octets)
    }

    /// Octets in one frame.
    #[must_use]
    pub fn frame_length(&self) -> usize {
        self.stream.len() / self.frames as usize
    }
}

const SMALL: [&str; 5] = [
    "subscription:sub-0",
    "message-id:T_sub-0@@session-BZjx7LfPZ0PmVYmJ2vFyHQ@@00000000000042",
    "destination:/queue/orders.incoming",
    "content-type:text/plain",
    "priority:4",
];

const MEDIUM: [&str; 7] = [
    SMALL[0],
    SMALL[1],
    SMALL[2],
    SMALL[3],
    SMALL[4],
    "timestamp:1753900000000",
    "correlation-id:7f1c2a94-58d3-4b8e-9f0a-3d2b1c4e5f60",
];

const ESCAPED: [&str; 9] = [
    SMALL[0],
    r"message-id:ID\cbroker.example.net-40001-1753900000000-2\c1\c1\c1\c1",
    SMALL[2],
    SMALL[3],
    SMALL[4],
    MEDIUM[5],
    r"reply-to:/temp-queue/ID\cclient-7\c2",
    r"origin:C\c\\orders\\incoming",
    r"comment:one line\nand another",
];

/// Frames that arrive whole, 16 KiB a read.
#[must_use]
pub fn whole() -> Vec<Corpus> {
    vec![
        Corpus::new("small", &SMALL, 32, true),
        Corpus::new("medium", &MEDIUM, 1024, true),
        Corpus::new("large", &MEDIUM, 64 * 1024, true),
        Corpus::new("escaped", &ESCAPED, 256, true),
        Corpus::new("1 KiB, no length", &MEDIUM, 1024, false),
        Corpus::new("64 KiB, no length", &MEDIUM, 64 * 1024, false),
    ]
}

/// Frames that arrive in many pieces.
#[must_use]
pub fn chunked() -> Vec<Corpus> {
    let [large, large_without_length] =
        [true, false].map(|announced| Corpus::new("", &MEDIUM, 64 * 1024, announced));
    let mut corpora = vec![
        large.in_reads_of("large, 1460 B reads", PACKET, 4 * large_octets()),
        large_without_length.in_reads_of("64 KiB, no length, 1460 B reads", PACKET, 2 * large_octets()),
    ];
    corpora.extend(octet_by_octet());
    corpora
}

const fn large_octets() -> usize {
    65 * 1024
}

/// Frames of 216 octets, 1 KiB and 64 KiB that arrive octet by octet.
#[must_use]
pub fn octet_by_octet() -> [Corpus; 3] {
    [
        Corpus::new("", &SMALL, 32, true).in_reads_of("small, 1 B reads", 1, 4 * 1024),
        Corpus::new("", &MEDIUM, 1024, true).in_reads_of("medium, 1 B reads", 1, 4 * 1024),
        Corpus::new("", &MEDIUM, 64 * 1024, true).in_reads_of("large, 1 B reads", 1, 1),
    ]
}

fn message(headers: &[&str], body: usize, announced: bool) -> Vec<u8> {
    let mut frame = String::from("MESSAGE\n");
    for header in headers {
        frame.push_str(header);
        frame.push('\n');
    }
    if announced {
        frame.push_str(&format!("content-length:{body}\n"));
    }
    frame.push('\n');
    let mut frame = frame.into_bytes();
    frame.extend(text(body));
    frame.push(0);
    frame
}

/// A body of printable octets: no NUL in it, so that it can go without a length.
fn text(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| b' ' + (at % 95) as u8).collect()
}

/// What a SEND is made of.
#[derive(Clone, Debug)]
pub struct Send {
    /// What the tables call it.
    pub name: &'static str,
    pub destination: &'static str,
    pub headers: [(&'static str, &'static str); 3],
    pub body: Vec<u8>,
    /// Whether a value has to be escaped.
    pub escapes: bool,
}

const PLAIN: [(&str, &str); 3] = [
    ("content-type", "text/plain"),
    ("priority", "4"),
    ("correlation-id", "7f1c2a94-58d3-4b8e-9f0a-3d2b1c4e5f60"),
];

const WITH_ESCAPES: [(&str, &str); 3] = [
    ("content-type", "text/plain"),
    ("reply-to", "/temp-queue/ID:client-7:2"),
    ("correlation-id", r"ID:client-7\42"),
];

/// The SENDs that are written.
#[must_use]
pub fn sends() -> Vec<Send> {
    let send = |name, headers, body, escapes| Send {
        name,
        destination: "/queue/orders.incoming",
        headers,
        body: text(body),
        escapes,
    };
    vec![
        send("32 B", PLAIN, 32, false),
        send("1 KiB", PLAIN, 1024, false),
        send("64 KiB", PLAIN, 64 * 1024, false),
        send("32 B, escapes", WITH_ESCAPES, 32, true),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_frame_has_216_octets() {
        let small = &whole()[0];
        assert_eq!(small.frame_length(), 216);
        assert_eq!(small.stream.len(), 216 * small.frames as usize);
    }
}
