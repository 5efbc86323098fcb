//! Everything that can be set of a client, at one place.

use std::{sync::Arc, time::Duration};

use stomp_proto::{Limits, Version};

use super::{
    credentials::Credentials,
    dial::Dial,
    driver::Driver,
    handle::Client,
    keep_alive::KeepAlive,
    runtime::{Connector, Runtime},
    settings::Settings,
    shared::Shared,
    tls::TlsConfig,
};
use crate::{Brokers, BrokersError, Config, Login, OnRefusal, Profile, Reconnect, Session};

/// A client to be connected: everything that can be set, each with its default and the reason for it.
///
/// [`Client::builder`] makes one. An adapter connects it, by the methods of its trait `Connect`: import that trait
/// (`use stomp_tokio::Connect as _;`). All times are [`Duration`]s, all sizes octets.
///
/// ```no_run
/// use std::time::Duration;
/// use stomp_tokio::{Client, Connect as _};
///
/// # async fn example() -> Result<(), stomp_tokio::ConnectError> {
/// let client = Client::builder("failover:(tcp://a:61613,tcp://b:61613)")
///     .prefetch(20)
///     .heart_beats(Duration::from_secs(5), Duration::from_secs(5))
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
///
/// A builder can be cloned, so that several clients have the same settings.
#[derive(Clone, Debug)]
#[must_use = "there is no client before it is connected"]
pub struct Builder {
    config: Result<Config, BrokersError>,
    settings: Settings,
}

impl Client {
    /// Begins a client of these brokers: of a URI that names one (`tcp://login:passcode@host:61613`) or several
    /// (`failover:(tcp://a:61613,tcp://b:61613)?maxReconnectDelay=5000`), or of [`Brokers`] or an
    /// [`Endpoint`](crate::Endpoint) that were written in types. What is wrong with a URI is an error of whatever connects.
    pub fn builder<B>(brokers: B) -> Builder
    where
        B: TryInto<Brokers>,
        BrokersError: From<B::Error>,
    {
        let config = brokers.try_into().map(Config::new).map_err(BrokersError::from);
        Builder { config, settings: Settings::default() }
    }
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        Self { config: Ok(config), settings: Settings::default() }
    }
}

/// Who we are, and to whom.
impl Builder {
    /// Sets the login for every broker that has none of its own in its URI. None by default.
    pub fn login(self, login: Login) -> Self {
        self.session(|config| config.login = Some(login))
    }

    /// Asks that provider for the login of each attempt, instead of using one from the URI or from
    /// [`login`](Self::login): for tokens that expire. None by default.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.settings.credentials = Some(credentials);
        self
    }

    /// Adds a header to CONNECT, such as the `client-id` of durable subscriptions; see
    /// [`Config::add_connect_header`]. None by default.
    pub fn connect_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.session(|config| config.add_connect_header(name, value))
    }

    /// Sets how TLS is spoken to the endpoints that ask for it (`ssl://`, `stomp+ssl://`, `stomps://`). By default with
    /// rustls, if it is compiled in, and with the authorities that the system trusts. Where a connector of yours makes the
    /// streams, it is the connector's business.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.settings.tls = tls;
        self
    }

    /// Sets the versions to offer. All by default; without 1.0 a broker that sends no `version` is refused.
    pub fn versions(self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.session(|config| config.versions = versions.into_iter().collect())
    }

    /// Says what the brokers mean, whatever their `server` header says; an endpoint's own profile goes before it. None by
    /// default: the header tells RabbitMQ, ActiveMQ and Artemis apart, and of other brokers nothing is assumed.
    pub fn profile(self, profile: Profile) -> Self {
        self.session(|config| config.profile = Some(profile))
    }
}

/// Connecting, and noticing that a connection is dead.
impl Builder {
    /// Changes how the brokers are gone through: delays, attempts, order. By default without an end, with delays from 10 ms
    /// doubling to 30 s; see [`Reconnect`] for each. What the URI has set stays unless it is changed here.
    pub fn reconnect(self, change: impl FnOnce(&mut Reconnect)) -> Self {
        self.session(|config| change(&mut config.brokers.reconnect))
    }

    /// Sets how long dialling may take, TLS included. 10 s: a connection that is made takes less, wherever the broker is.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.connect_timeout = timeout)
    }

    /// Sets how long the broker may take from CONNECT to CONNECTED. 10 s: a broker that hangs accepts connections and never
    /// answers.
    pub fn connected_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.connected_timeout = timeout)
    }

    /// Sets how long a connection must stand before its loss is the first again and not one more in a row. 5 s: longer than
    /// it takes a broker to fall over the first messages. A connection that came after a longer delay must stand as long as
    /// that.
    pub fn stable_after(self, time: Duration) -> Self {
        self.session(|config| config.stable_after = time)
    }

    /// Sets what to do when a broker refuses us in words that are known as final, or its certificate is not to be trusted,
    /// before a connection of this client has stood. [`OnRefusal::End`]: what is configured wrongly should show at once.
    pub fn refused_at_start(self, then: OnRefusal) -> Self {
        self.session(|config| config.refused_at_start = then)
    }

    /// Sets the same for when a connection has stood. [`OnRefusal::Retry`]: a directory that is out of reach for a moment
    /// refuses a login that was right for weeks.
    pub fn refused_later(self, then: OnRefusal) -> Self {
        self.session(|config| config.refused_later = then)
    }

    /// Sets how often we promise to send something, and how often we want to hear something. 10 s each: Artemis ends every
    /// connection that promises nothing after a minute, without the one no broker notices that a client is gone, and without
    /// the other a dead broker is never noticed. Zero promises, or wants, nothing. The wire counts whole milliseconds: what
    /// is between two of them is rounded up.
    pub fn heart_beats(self, send: Duration, receive: Duration) -> Self {
        self.session(|config| (config.send_beat, config.receive_beat) = (send, receive))
    }

    /// Sends an end of line that often where no heart-beats of ours were agreed on, since the broker wants none or speaks
    /// 1.0. Off by default: the specification allows an end of line between frames, but not all that speak 1.0 do. With it a
    /// connection to a peer that is gone without a word is noticed by the transport, which cannot deliver.
    pub fn unasked_beats(self, period: Duration) -> Self {
        self.session(|config| config.unasked_beats = Some(period))
    }

    /// Sets the share of the agreed period after which a silent connection sends a heart-beat. 0.8, so that it is in time.
    pub fn send_fraction(self, fraction: f64) -> Self {
        self.session(|config| config.send_fraction = fraction)
    }

    /// Sets how many agreed periods of silence mean that the broker is dead. 2, to which
    /// [`silence_margin`](Self::silence_margin) is added: ActiveMQ sends its first heart-beat after two periods.
    pub fn silence_periods(self, periods: f64) -> Self {
        self.session(|config| config.silence_periods = periods)
    }

    /// Sets what is added to the silence that is tolerated. 500 ms, for what a network takes at worst.
    pub fn silence_margin(self, margin: Duration) -> Self {
        self.session(|config| config.silence_margin = margin)
    }

    /// Sets when the system gives up a TCP connection whose peer does not answer. After two minutes by default, since not
    /// every broker sends heart-beats; `None` leaves the system's own habits. Where a connector of yours makes the streams, it
    /// is the connector's business.
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.settings.keep_alive = keep_alive.into();
        self
    }
}

/// Sending.
impl Builder {
    /// Sets how long a send waits for a connection with room. 60 s: longer than most brokers take to come back.
    pub const fn send_timeout(mut self, timeout: Duration) -> Self {
        self.settings.send_timeout = timeout;
        self
    }

    /// Sets the octets that may wait for the transport; above it a send waits. As many may be
    /// [buffered](super::SendBuilder::buffered) beside them. 256 KiB: more than a connection carries in a round trip, most
    /// often, and what has been handed over can no longer be taken back.
    pub const fn outbound_budget(mut self, octets: usize) -> Self {
        self.settings.outbound_budget = octets;
        self
    }

    /// Sets how long a RECEIPT may take, from the moment the frame's last octet was handed over. 60 s: brokers that sync to
    /// disk under load take seconds. Then the outcome is unknown.
    pub fn receipt_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.receipt_timeout = timeout)
    }

    /// Sets how long a frame that asks for a RECEIPT may take in all, from the call, unless the call says otherwise. 120 s.
    /// If nothing of the frame was handed over by then it is withdrawn and not sent, else the outcome is unknown: a broker
    /// that stops reading makes no wait endless.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.timeout = timeout)
    }

    /// Sets how long a message that is sent [at least once](super::SendBuilder::at_least_once) is kept, from the call, unless
    /// the call says otherwise. 10 minutes: brokers restart and fail over in less.
    pub fn at_least_once_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.at_least_once_timeout = timeout)
    }

    /// Sets how many messages may be kept until they are confirmed. 10,000.
    pub fn at_least_once_messages(self, messages: usize) -> Self {
        self.session(|config| config.at_least_once_messages = messages)
    }

    /// Sets how many octets the headers and bodies of those may have. 16 MiB: they are held in memory.
    pub fn at_least_once_octets(self, octets: usize) -> Self {
        self.session(|config| config.at_least_once_octets = octets)
    }

    /// Sets how many of them may be out on a connection without a RECEIPT. 256: as many may arrive twice when it breaks.
    pub fn at_least_once_window(self, messages: usize) -> Self {
        self.session(|config| config.at_least_once_window = messages)
    }

    /// Sets the header that carries the de-duplication id of a message that is sent at least once. By default that of the
    /// broker's [`Profile`], so that a broker that knows one uses it. A message that has the header already keeps it.
    pub fn deduplication_header(self, name: impl Into<String>) -> Self {
        self.session(|config| config.deduplication_header = Some(name.into()))
    }
}

/// Receiving.
impl Builder {
    /// Sets the prefetch of each subscription that does not say its own, with
    /// [`SubscribeBuilder::prefetch`](super::SubscribeBuilder::prefetch): how many messages may be out unacknowledged. By
    /// default that of the broker's [`Profile`], of which nothing is reserved in the
    /// [budget](Self::prefetch_budget).
    pub const fn prefetch(mut self, messages: u32) -> Self {
        self.settings.prefetch = Some(messages);
        self
    }

    /// Sets how many messages all those subscriptions may have out unacknowledged, together, that say how many they want; one
    /// that finds too little left is refused. 1,000: at 1 KiB a message that is the
    /// [budget for what nobody has taken](Self::inbound_budget), and a connection that stops reading is dear.
    pub fn prefetch_budget(self, messages: u32) -> Self {
        self.session(|config| config.prefetch_budget = messages)
    }

    /// Sets the octets of messages that nobody has taken yet, above which reading stops. 1 MiB. Nothing is dropped: the broker
    /// waits.
    pub const fn inbound_budget(mut self, octets: usize) -> Self {
        self.settings.inbound_budget = octets;
        self
    }

    /// Changes the limits of what the broker may send; see [`Limits`] for each and its default. A message with headers over
    /// the limit, or with a body over it whose length was announced, is read past: a consumer that fails would meet the
    /// message again after each reconnect. [`SubscribeBuilder::oversized`](super::SubscribeBuilder::oversized) says what
    /// becomes of it. Before CONNECTED nobody is trusted with more than 64 KiB of headers and as much of a body, and an ERROR
    /// that is larger is judged by what fits.
    pub fn limits(self, change: impl FnOnce(&mut Limits)) -> Self {
        self.session(|config| change(&mut config.limits))
    }

    /// Sets how long a subscribe waits for the broker's confirmation. 60 s: a queue that has to be made or opened first takes
    /// seconds.
    pub const fn subscribe_timeout(mut self, timeout: Duration) -> Self {
        self.settings.subscribe_timeout = timeout;
        self
    }

    /// Sets how long an UNSUBSCRIBE waits for messages that somebody has taken and not settled. 10 s, for the handlers that
    /// still run.
    pub fn unsubscribe_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.unsubscribe_timeout = timeout)
    }

    /// Sets how long a graceful disconnect may take, outstanding receipts and running handlers included. 10 s: what stops a
    /// service gives it 10 to 30 s.
    pub fn disconnect_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.disconnect_timeout = timeout)
    }
}

/// For programs that embed the session, and for adapters.
impl Builder {
    /// Takes the settings of the session from there, the brokers included, and leaves what was set of the client beyond them:
    /// [`credentials`](Self::credentials), [`tls`](Self::tls), [`keep_alive`](Self::keep_alive), the budgets in octets, and the
    /// times and the prefetch of sends and subscriptions.
    pub fn config(self, config: Config) -> Self {
        Self { config: Ok(config), ..self }
    }

    /// Returns the client and the driver that runs it, over that runtime and with streams from that connector. The seed of the
    /// session is drawn from the runtime, and its identity if it has none. Spawn [`Driver::run`] before awaiting anything of
    /// the client.
    ///
    /// # Errors
    /// What is wrong with the URI.
    pub fn build_on<R: Runtime, C: Connector>(
        self,
        runtime: Arc<R>,
        connector: Arc<C>,
    ) -> Result<(Client, Driver<R, C>), BrokersError> {
        let Self { config, settings } = self;
        let mut config = config?;
        let [a, b, c, d, e, f, g, h, identity @ ..] = runtime.entropy();
        config.seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let identity = identity.iter().take(16).fold(0, |identity, octet| identity << 8 | u128::from(*octet));
        config.identity.get_or_insert(identity);
        let shared = Arc::new(Shared::new(Session::new(config, runtime.now()), settings));
        Ok((Client::new(Arc::clone(&shared)), Driver::new(runtime, connector, shared)))
    }

    /// As [`build_on`](Self::build_on) with [`Dial`] as the connector: TCP from the runtime, which is made with what was
    /// [set](Self::keep_alive) for its connections, and TLS as it was [set](Self::tls).
    ///
    /// # Errors
    /// What is wrong with the URI.
    pub fn dial_on<R: Runtime>(
        self,
        runtime: impl FnOnce(Option<KeepAlive>) -> R,
    ) -> Result<(Client, Driver<R, Dial<R>>), BrokersError> {
        let runtime = Arc::new(runtime(self.settings.keep_alive.clone()));
        let dial = Arc::new(Dial::new(Arc::clone(&runtime), self.settings.tls.clone()));
        self.build_on(runtime, dial)
    }

    /// What is set of a session that will never be, since its URI is wrong, is lost.
    fn session(mut self, change: impl FnOnce(&mut Config)) -> Self {
        _ = self.config.as_mut().map(change);
        self
    }
}
