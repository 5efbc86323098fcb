//! What a session is told before it begins, each default with its reason.

use alloc::{string::String, vec::Vec};
use core::{fmt, time::Duration};

use stomp_proto::{HeartBeat, Limits, Oversize, Version};

use super::{
    brokers::Brokers,
    endpoint::{Endpoint, Login},
    profile::Profile,
};

/// The settings of a [`Session`](crate::Session).
///
/// ```
/// use std::time::Duration;
/// use stomp_session::Config;
///
/// let mut config = Config::new("failover:(tcp://a:61613,tcp://b:61613)".parse()?);
/// config.receipt_timeout = Duration::from_secs(5);
/// # Ok::<(), stomp_session::BrokersError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The brokers to connect to.
    pub brokers: Brokers,
    /// The login for every broker that has none of its own.
    pub login: Option<Login>,
    /// The versions to offer. All; without 1.0 a broker that sends no `version` is refused.
    pub versions: Vec<Version>,
    /// How often we promise to send something. 10 s: Artemis ends every connection that promises nothing after a minute,
    /// and without it no broker notices that a client is gone. Zero promises nothing. The wire counts whole milliseconds: what
    /// is between two of them is rounded up, here and in `receive_beat`.
    pub send_beat: Duration,
    /// How often we want to hear something. 10 s; zero wants nothing, and a dead peer is then never noticed.
    pub receive_beat: Duration,
    /// How often to send an end of line where no heart-beats of ours were agreed on, since the broker wants none or speaks
    /// 1.0. `None`. A connection to a peer that is gone without a word is noticed then by the transport, which cannot
    /// deliver. The specification allows an end of line between frames, but not all that speak 1.0 do.
    pub unasked_beats: Option<Duration>,
    /// The share of the agreed period after which a silent connection sends a heart-beat. 0.8, so that it is in time.
    pub send_fraction: f64,
    /// How many agreed periods of silence mean that the peer is dead. 2, to which `silence_margin` is added: ActiveMQ sends
    /// its first heart-beat after two periods.
    pub silence_periods: f64,
    /// Added to the silence that is tolerated. 500 ms.
    pub silence_margin: Duration,
    /// The time for dialling, TLS included. 10 s.
    pub connect_timeout: Duration,
    /// The time from CONNECT to CONNECTED. 10 s: a broker that hangs accepts connections and never answers.
    pub connected_timeout: Duration,
    /// The time for a RECEIPT, from the moment the frame's last octet was handed over. 60 s; then the outcome is unknown.
    pub receipt_timeout: Duration,
    /// The time for a frame that asked for a RECEIPT, from the call, unless the call says otherwise. 120 s. If nothing of
    /// the frame was handed over by then it is withdrawn and not sent, else the outcome is unknown: a broker that stops
    /// reading makes no wait endless.
    pub timeout: Duration,
    /// The time for a SEND that is sent at least once, from the call, unless the call says otherwise. 10 minutes.
    pub at_least_once_timeout: Duration,
    /// How many SENDs may be kept until they are confirmed. 10,000.
    pub at_least_once_messages: usize,
    /// How many octets the headers and bodies of those may have. 16 MiB.
    pub at_least_once_octets: usize,
    /// How many of them may be out on a connection without a RECEIPT. 256: as many may arrive twice when it breaks.
    pub at_least_once_window: usize,
    /// The header that carries the de-duplication id of a SEND that is sent at least once, if not that of the
    /// [`Profile`]. A SEND that has the header already keeps it.
    pub deduplication_header: Option<String>,
    /// The client's identity, in each of its de-duplication ids. It must be drawn anew from the operating system for each
    /// client and each start, as the adapters do; it never comes from the seed: Artemis remembers ids over restarts, and
    /// receipts and discards what has one that it knows. `None` where nothing is sent at least once.
    pub identity: Option<u128>,
    /// How long an UNSUBSCRIBE waits for messages that somebody has taken and not settled. 10 s.
    pub unsubscribe_timeout: Duration,
    /// The time for a graceful disconnect, outstanding receipts included. 10 s.
    pub disconnect_timeout: Duration,
    /// How long a connection must stand before its loss is the first again and not one more in a row. 5 s: longer than it
    /// takes a broker to fall over the first messages. A connection that came after a longer delay must stand as long as
    /// that.
    pub stable_after: Duration,
    /// What to do when a broker refuses us in words that are known as final, or its certificate is not to be trusted,
    /// before a connection of this session has stood. [`OnRefusal::End`].
    pub refused_at_start: OnRefusal,
    /// The same once a connection has stood. [`OnRefusal::Retry`]: a directory that is out of reach for a moment refuses a
    /// login that was right for weeks.
    pub refused_later: OnRefusal,
    /// How many messages all those subscriptions may have out unacknowledged, together, that say how many they want
    /// ([`Subscribe::prefetch`](crate::Subscribe::prefetch)); one that finds too little left is refused. 1,000: at 1 KiB a
    /// message that is the client's budget for what nobody has taken yet, and a connection that stops reading is dear.
    pub prefetch_budget: u32,
    /// What the broker may send. A message with headers over the limit, or with a body over it whose length was announced, is
    /// read past and becomes [`Event::TooLarge`](crate::Event::TooLarge): a consumer that fails meets the message again after
    /// each reconnect. Before CONNECTED nobody is trusted with more than 64 KiB of headers and as much of a body, and an ERROR
    /// that is larger is judged by what fits.
    pub limits: Limits,
    /// What the brokers mean, whatever their `server` header says. An endpoint's own goes before it.
    pub profile: Option<Profile>,
    /// Where jitter and shuffling come from.
    pub seed: u64,
    /// Further headers of CONNECT.
    connect_headers: ConnectHeaders,
}

/// Nanoseconds in a millisecond.
const NANOSECONDS: u128 = 1_000_000;

/// What to do when a broker refuses us in words that are known as final: a wrong login, no common version, a certificate
/// of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnRefusal {
    /// That broker is given up, and the session ends when all are.
    End,
    /// It is tried again for as long as the session lives.
    Retry,
    /// It is tried again until that long after its first refusal in a row, and then given up.
    Until(Duration),
}

/// A header of CONNECT may be a token: it is never shown.
#[derive(Clone, Default)]
struct ConnectHeaders(Vec<(String, String)>);

impl fmt::Debug for ConnectHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Config {
    /// The defaults for these brokers.
    #[must_use]
    pub fn new(brokers: Brokers) -> Self {
        let mut limits = Limits::default();
        limits.oversize = Oversize::Drain;
        Self {
            brokers,
            login: None,
            versions: Version::ALL.to_vec(),
            send_beat: Duration::from_secs(10),
            receive_beat: Duration::from_secs(10),
            unasked_beats: None,
            send_fraction: 0.8,
            silence_periods: 2.0,
            silence_margin: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(10),
            connected_timeout: Duration::from_secs(10),
            receipt_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(120),
            at_least_once_timeout: Duration::from_secs(600),
            at_least_once_messages: 10_000,
            at_least_once_octets: 16 * 1024 * 1024,
            at_least_once_window: 256,
            deduplication_header: None,
            identity: None,
            unsubscribe_timeout: Duration::from_secs(10),
            disconnect_timeout: Duration::from_secs(10),
            stable_after: Duration::from_secs(5),
            refused_at_start: OnRefusal::End,
            refused_later: OnRefusal::Retry,
            prefetch_budget: 1000,
            limits,
            profile: None,
            seed: 0,
            connect_headers: ConnectHeaders::default(),
        }
    }

    /// Adds a header to CONNECT, such as the `client-id` of a durable subscription. It is sent to every broker of the list,
    /// so that a secret belongs into [`Login`]. One that the session writes itself (`accept-version`, `heart-beat`,
    /// `host`, `login`, `passcode`) or that CONNECT must not have (`receipt`) makes the attempt fail for good, as does a
    /// `client-id` without [`Config::send_beat`]: the broker would never notice that the old connection is dead, and
    /// refuse the new one.
    pub fn add_connect_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.connect_headers.0.push((name.into(), value.into()));
    }

    pub(crate) fn connect_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.connect_headers.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The login for that endpoint.
    pub(crate) fn login_for(&self, endpoint: &Endpoint) -> Option<Login> {
        endpoint.login().or(self.login.as_ref()).cloned()
    }

    /// The profile that was set for that endpoint, by whomever.
    pub(crate) fn profile_for<'a>(&'a self, endpoint: &'a Endpoint) -> Option<&'a Profile> {
        endpoint.profile().or(self.profile.as_ref())
    }

    /// What the `heart-beat` header of CONNECT says. A period that is none would promise nothing.
    pub(crate) fn heart_beat(&self) -> HeartBeat {
        let milliseconds =
            |period: Duration| u64::try_from(period.as_nanos().div_ceil(NANOSECONDS)).unwrap_or(u64::MAX);
        HeartBeat { outgoing: milliseconds(self.send_beat), incoming: milliseconds(self.receive_beat) }
    }
}
