//! The settings of a session, each default with its reason, and those of a SEND that is sent at least once.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{fmt, time::Duration};

use stomp_proto::{HeartBeat, Limits, Oversize, Version};

use super::{
    brokers::Brokers,
    endpoint::{Endpoint, Login},
    profile::Profile,
};

/// The settings of a [`Session`](crate::Session).
///
/// [`Config::new`] sets every field to its default. Change the fields before the session is created.
/// Users of the client set them with the methods of its builder.
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
    /// The login for every broker that has no login of its own. Default: `None`.
    pub login: Option<Login>,
    /// The STOMP versions to offer. Default: all of them.
    ///
    /// Without 1.0, a broker that sends no `version` header is refused.
    pub versions: Vec<Version>,
    /// The interval at which the client promises to send something. Default: 10 s. Zero promises nothing.
    ///
    /// Without this promise, no broker notices that a client is gone, and Artemis ends every connection after a minute.
    ///
    /// The `heart-beat` header counts whole milliseconds. A fraction of a millisecond is rounded up, both here and in
    /// `receive_beat`.
    pub send_beat: Duration,
    /// The interval at which the broker is asked to send something. Default: 10 s. Zero asks for nothing, and then a
    /// dead broker is never noticed.
    pub receive_beat: Duration,
    /// The interval at which to send an end of line when the two sides have agreed on no heart-beats from the client,
    /// because the broker wants none or speaks 1.0. Default: `None`.
    ///
    /// With this, the transport fails when it cannot deliver, and so a connection whose peer has silently gone is
    /// noticed. The specification allows an end of line between frames, but not every peer that speaks 1.0 accepts one.
    pub unasked_beats: Option<Duration>,
    /// The fraction of the agreed interval after which a silent connection sends a heart-beat. Default: 0.8, so that
    /// the heart-beat arrives in time. Values are clamped to 0.1 to 1.
    pub send_fraction: f64,
    /// The number of agreed intervals of silence after which the broker is considered dead. Default: 2, because
    /// ActiveMQ sends its first heart-beat only after two intervals. Values below 1 count as 1. `silence_margin` is
    /// added.
    pub silence_periods: f64,
    /// The time that is added to the tolerated silence. Default: 500 ms.
    ///
    /// It is also how late the time may be reported to the session before it sends an
    /// [`Event::LocalStall`](crate::Event::LocalStall).
    pub silence_margin: Duration,
    /// The time limit for opening the transport, TLS included. Default: 10 s.
    pub connect_timeout: Duration,
    /// The time limit from CONNECT to CONNECTED. Default: 10 s. A broker that hangs accepts connections and never
    /// answers.
    pub connected_timeout: Duration,
    /// The time limit for a RECEIPT, counted from the moment the last octet of its frame was handed to the transport.
    /// Default: 60 s. When it has passed, the outcome is unknown.
    pub receipt_timeout: Duration,
    /// The time limit for a frame that asks for a RECEIPT, counted from the call, unless the call sets one. Default:
    /// 120 s.
    ///
    /// If nothing of the frame was handed to the transport in that time, the frame is withdrawn and not sent. Otherwise
    /// its outcome is unknown. So no wait is endless, even if the broker stops reading.
    pub timeout: Duration,
    /// The time limit for a SEND that is sent at least once, counted from the call, unless the call sets one. Default:
    /// 10 minutes.
    pub at_least_once_timeout: Duration,
    /// The number of SENDs that may be kept until they are confirmed. Default: 10,000.
    pub at_least_once_messages: usize,
    /// The number of octets that the headers and bodies of the kept SENDs may have in total. Default: 16 MiB.
    pub at_least_once_octets: usize,
    /// The number of kept SENDs that may await their RECEIPT on a connection at the same time. Default: 256. This is
    /// also the number that may arrive twice when the connection breaks.
    pub at_least_once_window: usize,
    /// The header that carries the de-duplication id of a SEND that is sent at least once. Default: `None`, which uses
    /// the header of the [`Profile`].
    ///
    /// A SEND that already has the header keeps its value.
    pub deduplication_header: Option<String>,
    /// The identity of the client, which is part of each of its de-duplication ids. Default: `None`, which rules out
    /// sending at least once.
    ///
    /// Draw it anew from the operating system for each client and each start, as the adapters do. Never derive it from
    /// the seed: Artemis remembers ids across restarts, and it confirms and discards a SEND whose id it knows.
    pub identity: Option<u128>,
    /// The time for which an UNSUBSCRIBE waits for messages that were taken and are not settled. Default: 10 s.
    pub unsubscribe_timeout: Duration,
    /// The time limit for a graceful disconnect, outstanding receipts included. Default: 10 s.
    pub disconnect_timeout: Duration,
    /// The time for which a connection must last to be stable. Default: 5 s, which is longer than it takes a broker to
    /// fail on the first messages.
    ///
    /// The loss of a stable connection starts the reconnect delays anew. The loss of any other connection counts as
    /// another failure in a row. A connection that was made after a longer delay must last for as long as that delay.
    pub stable_after: Duration,
    /// What to do, before the session has had a connection, when a broker refuses the client in words that are known to
    /// be final, or when its certificate cannot be trusted. Default: [`OnRefusal::End`].
    pub refused_at_start: OnRefusal,
    /// What to do in the same case once the session has had a connection. Default: [`OnRefusal::Retry`], because a
    /// broker whose user directory is out of reach for a moment refuses a login that was right for weeks.
    pub refused_later: OnRefusal,
    /// The number of unacknowledged messages that all subscriptions with an explicit
    /// [`prefetch`](crate::Subscribe::prefetch) may have in total. Default: 1,000.
    ///
    /// A subscription that asks for more than is left is refused. At 1 KiB a message, the default fits into the
    /// client's memory budget for messages that are not taken yet. When that budget is used up the connection is no
    /// longer read, which is costly.
    pub prefetch_budget: u32,
    /// The limits on what the broker may send.
    ///
    /// By default `limits.oversize` is [`Oversize::Drain`]: a message whose headers are over the limit, or whose
    /// announced body length is, is read past and becomes [`Event::TooLarge`](crate::Event::TooLarge). The connection
    /// goes on, because a consumer that failed on the message would meet it again after each reconnect.
    ///
    /// Before CONNECTED, at most 64 KiB of headers and 64 KiB of body are accepted from anybody. An ERROR that is
    /// larger is judged by the part that fits.
    pub limits: Limits,
    /// The profile of the brokers, whatever their `server` header says. Default: `None`, which chooses one by that
    /// header.
    ///
    /// A profile that is set for an [`Endpoint`] takes precedence.
    pub profile: Option<Arc<Profile>>,
    /// The seed for jitter and shuffling. Default: 0.
    pub seed: u64,
    /// Additional headers of CONNECT.
    connect_headers: ConnectHeaders,
}

/// Nanoseconds in a millisecond.
const NANOSECONDS: u128 = 1_000_000;

/// What to do when a broker refuses the client for a reason that is known to be final: a wrong login, no common
/// version, or a certificate that cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnRefusal {
    /// Gives the broker up. The session ends when all brokers are given up.
    End,
    /// Tries the broker again for as long as the session lives.
    Retry,
    /// Tries the broker again until this time after its first refusal in a row, and then gives it up.
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
    /// Creates a configuration with the default settings for these brokers.
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

    /// Adds a header to CONNECT, such as the `client-id` of a durable subscription.
    ///
    /// The header is sent to every broker of the list. Secrets belong in a [`Login`].
    ///
    /// An attempt fails for good if CONNECT has a header that the session sets itself (`accept-version`, `heart-beat`,
    /// `host`, `login` or `passcode`) or one that it must not have (`receipt`). It also fails for good if there is a
    /// `client-id` while [`Config::send_beat`] is zero: the broker would never notice that the old connection is dead,
    /// and would refuse the new one.
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

    /// The profile that was set for this endpoint, or else for all.
    pub(crate) fn profile_for<'a>(&'a self, endpoint: &'a Endpoint) -> Option<&'a Profile> {
        self.shared_profile_for(endpoint).map(|profile| &**profile)
    }

    pub(crate) fn shared_profile_for<'a>(&'a self, endpoint: &'a Endpoint) -> Option<&'a Arc<Profile>> {
        endpoint.shared_profile().or(self.profile.as_ref())
    }

    /// The value of the `heart-beat` header of CONNECT. Periods are rounded up, since 0 would promise nothing.
    pub(crate) fn heart_beat(&self) -> HeartBeat {
        let milliseconds =
            |period: Duration| u64::try_from(period.as_nanos().div_ceil(NANOSECONDS)).unwrap_or(u64::MAX);
        HeartBeat { outgoing: milliseconds(self.send_beat), incoming: milliseconds(self.receive_beat) }
    }
}

/// The options of a SEND that is sent at least once: see
/// [`Session::send_at_least_once`](crate::Session::send_at_least_once).
///
/// ```
/// use std::time::Duration;
/// let options = stomp_session::AtLeastOnce::new().ordered().timeout(Duration::from_secs(3600));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "it is handed to `Session::send_at_least_once`"]
pub struct AtLeastOnce {
    pub(crate) timeout: Option<Duration>,
    pub(crate) ordered: bool,
}

impl AtLeastOnce {
    /// Creates the default options: not ordered, and with
    /// [`Config::at_least_once_timeout`](crate::Config::at_least_once_timeout) as the time limit.
    pub const fn new() -> Self {
        Self { timeout: None, ordered: false }
    }

    /// Sets the time limit, counted from the call that sends the frame.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the frame only after the RECEIPT of the previous ordered SEND to the same destination has come.
    ///
    /// Without this, SENDs are written in order, and repeated in order. With the repetitions, a queue may hold A B A.
    pub const fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }
}
