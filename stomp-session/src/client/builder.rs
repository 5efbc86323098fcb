//! The builder of a client, with a method for each setting.

use std::{sync::Arc, time::Duration};

use stomp_proto::{Limits, Version};

#[cfg(feature = "websocket")]
use super::web_socket::WebSocketConfig;
use super::{
    dial::Dial,
    driver::Driver,
    handle::Client,
    runtime::{Connector, Runtime},
    settings::{Credentials, DialSettings, KeepAlive, Settings},
    shared::Shared,
    tls::TlsConfig,
};
use crate::{Brokers, BrokersError, Config, Login, OnRefusal, Profile, Reconnect, Session};

/// A builder of a client, with a method for each setting.
///
/// [`Client::builder`] creates one. An adapter connects it with the methods of its trait `Connect`, which must be
/// imported (`use stomp_tokio::Connect as _;`). All sizes are in octets.
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
    dial: DialSettings,
}

impl Client {
    /// Creates a builder for a client of these brokers.
    ///
    /// The argument is a URI that names one broker (`tcp://login:passcode@host:61613`) or several
    /// (`failover:(tcp://a:61613,tcp://b:61613)?maxReconnectDelay=5000`), or it is [`Brokers`] or an
    /// [`Endpoint`](crate::Endpoint). If the URI is wrong, the method that connects the builder returns the error.
    pub fn builder<B>(brokers: B) -> Builder
    where
        B: TryInto<Brokers>,
        BrokersError: From<B::Error>,
    {
        let config = brokers.try_into().map(Config::new).map_err(BrokersError::from);
        Builder { config, settings: Settings::default(), dial: DialSettings::default() }
    }
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        Self { config: Ok(config), settings: Settings::default(), dial: DialSettings::default() }
    }
}

/// The identity of the client, and what it expects of the brokers.
impl Builder {
    /// Sets the login for every broker that has no login of its own, such as one in its URI. Default: none.
    pub fn login(self, login: Login) -> Self {
        self.session(|config| config.login = Some(login))
    }

    /// Sets a provider that is asked for the login of each attempt to connect, such as for tokens that expire. Default:
    /// none.
    ///
    /// Its logins are used instead of one from the URI or from [`login`](Self::login).
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.settings.credentials = Some(credentials);
        self
    }

    /// Adds a header to CONNECT, such as the `client-id` of a durable subscription. Default: none.
    ///
    /// [`Config::add_connect_header`] says which headers are refused.
    pub fn connect_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.session(|config| config.add_connect_header(name, value))
    }

    /// Sets how to connect to endpoints that require TLS (`ssl://`, `stomp+ssl://`, `stomps://`).
    ///
    /// By default, rustls is used if it is compiled in, and the authorities that the system trusts are trusted. This
    /// setting is not used if the application has a [`Connector`] of its own.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.dial.tls = tls;
        self
    }

    /// Sets how to connect to endpoints that are reached over a WebSocket (`ws://`, `wss://`). Requires the feature
    /// `websocket`.
    ///
    /// This setting is not used if the application has a [`Connector`] of its own.
    ///
    /// ```no_run
    /// use stomp_tokio::{Client, Connect as _, Credentials, Login, WebSocketConfig};
    /// # async fn fetch_token() -> std::io::Result<String> { Ok(String::new()) }
    ///
    /// # async fn example() -> Result<(), stomp_tokio::ConnectError> {
    /// let mut web_socket = WebSocketConfig::default();
    /// web_socket.set_header("origin", "https://app.example");
    /// // A token for each attempt to connect.
    /// let credentials = Credentials::new(async |_attempt| {
    ///     let token = fetch_token().await?;
    ///     let login = Login::unnamed().with_handshake_header("authorization", format!("Bearer {token}"));
    ///     Ok::<_, std::io::Error>(login)
    /// });
    /// let builder = Client::builder("failover:(wss://a.example/ws,wss://b.example/ws)");
    /// let client = builder.web_socket(web_socket).credentials(credentials).connect().await?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "websocket")]
    pub fn web_socket(mut self, web_socket: WebSocketConfig) -> Self {
        self.dial.web_socket = web_socket;
        self
    }

    /// Sets the virtual host of all brokers, which is sent as the `host` header of CONNECT. Default: the path of the URI, or
    /// the option `stomp.vhost` of a WebSocket's, or else `/`.
    pub fn virtual_host(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.session(|config| {
            for endpoint in &mut config.brokers.endpoints {
                *endpoint = endpoint.clone().with_virtual_host(name.clone());
            }
        })
    }

    /// Sets the STOMP versions to offer. Default: all of them.
    ///
    /// Without 1.0, a broker that sends no `version` header is refused.
    pub fn versions(self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.session(|config| config.versions = versions.into_iter().collect())
    }

    /// Sets the profile of the brokers, whatever their `server` header says. Default: none, which chooses one by that
    /// header.
    ///
    /// The header identifies RabbitMQ, ActiveMQ and Artemis. Spring's simple broker has none: set its
    /// [profile](Profile::SPRING). Nothing is assumed about other brokers. A profile that is
    /// set for an [`Endpoint`](crate::Endpoint) takes precedence.
    pub fn profile(self, profile: Profile) -> Self {
        self.session(|config| config.profile = Some(profile.into()))
    }
}

/// Connecting, and noticing that a connection is dead.
impl Builder {
    /// Changes the rules for trying the brokers: delays, attempts and order.
    ///
    /// By default, a client that has lost its connection reconnects without limit, with delays that double from 10 ms
    /// to 30 s. [`Reconnect`] describes each rule. What the URI has set remains unless it is changed here.
    pub fn reconnect(self, change: impl FnOnce(&mut Reconnect)) -> Self {
        self.session(|config| change(&mut config.brokers.reconnect))
    }

    /// Moves the client to a broker that is drawn from the list, once in each period, so that in the mean each broker has as many
    /// clients. Default: never.
    ///
    /// Use this where brokers of a cluster are restarted one after another: the last one has no clients afterwards, since an
    /// established connection is otherwise never left. Each client moves at a random time of its own, in good order, as with
    /// [`Client::reconnect`](super::Client::reconnect); [listeners](super::Client::listen) are told the reason `rebalance`.
    /// If it draws the broker that it has, it stays.
    ///
    /// It moves only while nothing is in flight: no send without its RECEIPT and none that waits, no request without its
    /// reply, no open transaction, no message that was taken and is not settled. Handlers take no more messages until those
    /// that run have ended, for at most three quarters of the [`disconnect_timeout`](Self::disconnect_timeout); otherwise the
    /// client stays until the next period. [`Reconnect::rebalance`] describes what happens if the new broker does not answer,
    /// and which subscriptions may miss messages.
    pub fn rebalance(self, period: Duration) -> Self {
        self.reconnect(|reconnect| reconnect.rebalance = Some(period))
    }

    /// Sets the time limit for opening the transport, TLS included. Default: 10 s. An attempt that succeeds takes less,
    /// wherever the broker is.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.connect_timeout = timeout)
    }

    /// Sets the time limit from CONNECT to CONNECTED. Default: 10 s. A broker that hangs accepts connections and never
    /// answers.
    pub fn connected_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.connected_timeout = timeout)
    }

    /// Sets the time for which a connection must last to be stable. Default: 5 s, which is longer than it takes a
    /// broker to fail on the first messages.
    ///
    /// The loss of a stable connection starts the reconnect delays anew. The loss of any other connection counts as
    /// another failure in a row. A connection that was made after a longer delay must last for as long as that delay.
    pub fn stable_after(self, time: Duration) -> Self {
        self.session(|config| config.stable_after = time)
    }

    /// Sets what to do, before the client has had a connection, when a broker refuses it in words that are known to be
    /// final, or when the broker's certificate cannot be trusted. Default: [`OnRefusal::End`], so that a wrong
    /// configuration shows at once.
    pub fn refused_at_start(self, then: OnRefusal) -> Self {
        self.session(|config| config.refused_at_start = then)
    }

    /// Sets what to do in the same case once the client has had a connection. Default: [`OnRefusal::Retry`], because a
    /// broker whose user directory is out of reach for a moment refuses a login that was right for weeks.
    pub fn refused_later(self, then: OnRefusal) -> Self {
        self.session(|config| config.refused_later = then)
    }

    /// Sets the interval at which the client promises to send something, and the interval at which the broker is asked
    /// to send something. Default: 10 s each. Zero promises nothing or asks for nothing.
    ///
    /// Without the promise, no broker notices that a client is gone, and Artemis ends every connection after a minute.
    /// Without the request, a dead broker is never noticed. The `heart-beat` header counts whole milliseconds; a
    /// fraction of a millisecond is rounded up.
    pub fn heart_beats(self, send: Duration, receive: Duration) -> Self {
        self.session(|config| (config.send_beat, config.receive_beat) = (send, receive))
    }

    /// Sets the interval at which to send an end of line when the two sides have agreed on no heart-beats from the
    /// client, because the broker wants none or speaks 1.0. Default: none.
    ///
    /// With this, the transport fails when it cannot deliver, and so a connection whose peer has silently gone is
    /// noticed. The specification allows an end of line between frames, but not every peer that speaks 1.0 accepts one.
    pub fn unasked_beats(self, period: Duration) -> Self {
        self.session(|config| config.unasked_beats = Some(period))
    }

    /// Sets the fraction of the agreed interval after which a silent connection sends a heart-beat. Default: 0.8, so
    /// that the heart-beat arrives in time. Values are clamped to 0.1 to 1.
    pub fn send_fraction(self, fraction: f64) -> Self {
        self.session(|config| config.send_fraction = fraction)
    }

    /// Sets the number of agreed intervals of silence after which the broker is considered dead. Default: 2, because
    /// ActiveMQ sends its first heart-beat only after two intervals. Values below 1 count as 1.
    ///
    /// [`silence_margin`](Self::silence_margin) is added.
    pub fn silence_periods(self, periods: f64) -> Self {
        self.session(|config| config.silence_periods = periods)
    }

    /// Sets the time that is added to the tolerated silence. Default: 500 ms, for the delay of a network at worst.
    pub fn silence_margin(self, margin: Duration) -> Self {
        self.session(|config| config.silence_margin = margin)
    }

    /// Sets when the system ends a TCP connection whose peer does not answer. Default: after two minutes, because not
    /// every broker sends heart-beats. `None` leaves the defaults of the system.
    ///
    /// This setting is not used if the application has a [`Connector`] of its own.
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.dial.keep_alive = keep_alive.into();
        self
    }
}

/// Sending.
impl Builder {
    /// Sets the time for which a send waits for a connection with room. Default: 60 s, which is longer than most
    /// brokers take to come back.
    pub const fn send_timeout(mut self, timeout: Duration) -> Self {
        self.settings.send_timeout = timeout;
        self
    }

    /// Sets the number of octets that may wait for the transport. Default: 256 KiB, which is mostly more than a
    /// connection carries in a round trip.
    ///
    /// When this budget is used up, further sends wait. [Buffered](super::SendBuilder::buffered) messages that wait
    /// have another budget of the same size. A send without confirmation resolves as soon as its message is within the
    /// budget. The message can then no longer be withdrawn, so a larger budget is rarely better.
    pub const fn outbound_budget(mut self, octets: usize) -> Self {
        self.settings.outbound_budget = octets;
        self
    }

    /// Sets the time limit for a RECEIPT, counted from the moment the last octet of its frame was handed to the
    /// transport. Default: 60 s, because brokers that write to disk under load take seconds. When it has passed, the
    /// outcome is unknown.
    pub fn receipt_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.receipt_timeout = timeout)
    }

    /// Sets the time limit for a frame that asks for a RECEIPT, counted from the call, unless the call sets one.
    /// Default: 120 s.
    ///
    /// If nothing of the frame was handed to the transport in that time, the frame is withdrawn and not sent. Otherwise
    /// its outcome is unknown. So no wait is endless, even if the broker stops reading.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.timeout = timeout)
    }

    /// Sets the time limit for a message that is sent [at least once](super::SendBuilder::at_least_once), counted from
    /// the call, unless the call sets one. Default: 10 minutes, because brokers restart and fail over in less.
    pub fn at_least_once_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.at_least_once_timeout = timeout)
    }

    /// Sets the number of messages that may be kept until they are confirmed. Default: 10,000.
    pub fn at_least_once_messages(self, messages: usize) -> Self {
        self.session(|config| config.at_least_once_messages = messages)
    }

    /// Sets the number of octets that the headers and bodies of the kept messages may have in total. Default: 16 MiB,
    /// because they are held in memory.
    pub fn at_least_once_octets(self, octets: usize) -> Self {
        self.session(|config| config.at_least_once_octets = octets)
    }

    /// Sets the number of kept messages that may await their RECEIPT on a connection at the same time. Default: 256.
    ///
    /// This is also the number that may arrive twice when the connection breaks.
    pub fn at_least_once_window(self, messages: usize) -> Self {
        self.session(|config| config.at_least_once_window = messages)
    }

    /// Sets the header that carries the de-duplication id of a message that is sent at least once. Default: the header
    /// of the broker's [`Profile`], if the broker knows one.
    ///
    /// A message that already has the header keeps its value.
    pub fn deduplication_header(self, name: impl Into<String>) -> Self {
        self.session(|config| config.deduplication_header = Some(name.into()))
    }
}

/// Receiving.
impl Builder {
    /// Sets the prefetch of each subscription that does not set one with
    /// [`SubscribeBuilder::prefetch`](super::SubscribeBuilder::prefetch). Default: the prefetch of the broker's
    /// [`Profile`].
    ///
    /// The prefetch is the number of unacknowledged messages that the broker may have sent at the same time. A prefetch
    /// that is set here is reserved in the [budget](Self::prefetch_budget). Nothing is reserved for the one of the
    /// profile.
    pub const fn prefetch(mut self, messages: u32) -> Self {
        self.settings.prefetch = Some(messages);
        self
    }

    /// Sets the number of unacknowledged messages that all subscriptions with an explicit [`prefetch`](Self::prefetch)
    /// may have in total. Default: 1,000.
    ///
    /// A subscription that asks for more than is left is refused. At 1 KiB a message, the default fits into the [budget
    /// for messages that are not taken yet](Self::inbound_budget). When that budget is used up, the connection is no
    /// longer read, which is costly.
    pub fn prefetch_budget(self, messages: u32) -> Self {
        self.session(|config| config.prefetch_budget = messages)
    }

    /// Sets the number of octets that received messages may have until they are taken. Default: 1 MiB.
    ///
    /// When this budget is used up, the connection is no longer read. Nothing is dropped: the broker waits.
    pub const fn inbound_budget(mut self, octets: usize) -> Self {
        self.settings.inbound_budget = octets;
        self
    }

    /// Changes the limits on what the broker may send. [`Limits`] describes each of them and its default.
    ///
    /// A message whose headers are over the limit, or whose announced body length is, is read past, because a consumer
    /// that failed on the message would meet it again after each reconnect.
    /// [`SubscribeBuilder::oversized`](super::SubscribeBuilder::oversized) sets what becomes of it. Before CONNECTED,
    /// at most 64 KiB of headers and 64 KiB of body are accepted from anybody. An ERROR that is larger is judged by the
    /// part that fits.
    pub fn limits(self, change: impl FnOnce(&mut Limits)) -> Self {
        self.session(|config| change(&mut config.limits))
    }

    /// Sets the time limit for the broker's confirmation of a subscription. Default: 60 s, because a queue that must be
    /// created or opened first takes seconds.
    pub const fn subscribe_timeout(mut self, timeout: Duration) -> Self {
        self.settings.subscribe_timeout = timeout;
        self
    }

    /// Sets the time for which an UNSUBSCRIBE waits for messages that were taken and are not settled, such as those of
    /// handlers that still run. Default: 10 s.
    pub fn unsubscribe_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.unsubscribe_timeout = timeout)
    }

    /// Sets the time limit for a graceful disconnect, outstanding receipts and running handlers included. Default:
    /// 10 s, because a service that is stopped is usually given 10 to 30 s.
    pub fn disconnect_timeout(self, timeout: Duration) -> Self {
        self.session(|config| config.disconnect_timeout = timeout)
    }
}

/// For programs that embed the session, and for adapters.
impl Builder {
    /// Replaces the settings of the session, the brokers included.
    ///
    /// The settings of the client beyond its session remain: [`credentials`](Self::credentials), [`tls`](Self::tls),
    /// [`keep_alive`](Self::keep_alive), [`inbound_budget`](Self::inbound_budget),
    /// [`outbound_budget`](Self::outbound_budget), [`prefetch`](Self::prefetch), [`send_timeout`](Self::send_timeout)
    /// and [`subscribe_timeout`](Self::subscribe_timeout).
    pub fn config(self, config: Config) -> Self {
        Self { config: Ok(config), ..self }
    }

    /// Creates the client, and the driver that runs it on this runtime with streams from this connector.
    ///
    /// The seed of the session is drawn from the runtime, as is its identity if it has none. Spawn [`Driver::run`]
    /// before you await anything of the client.
    ///
    /// # Errors
    /// Returns an error if the URI is wrong.
    pub fn build_on<R: Runtime, C: Connector>(
        self,
        runtime: Arc<R>,
        connector: Arc<C>,
    ) -> Result<(Client, Driver<R, C>), BrokersError> {
        let Self { config, settings, .. } = self;
        let mut config = config?;
        let [a, b, c, d, e, f, g, h, identity @ ..] = runtime.entropy();
        config.seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let identity = identity.iter().take(16).fold(0, |identity, octet| identity << 8 | u128::from(*octet));
        config.identity.get_or_insert(identity);
        let shared = Arc::new(Shared::new(Session::new(config, runtime.now()), settings));
        Ok((Client::new(Arc::clone(&shared)), Driver::new(runtime, connector, shared)))
    }

    /// Creates the client and its driver with [`Dial`] as the connector.
    ///
    /// `runtime` creates the runtime for TCP connections that are [kept alive](Self::keep_alive) in this way. TLS is
    /// used as it was [set](Self::tls). Otherwise, this method does the same as [`build_on`](Self::build_on).
    ///
    /// # Errors
    /// Returns an error if the URI is wrong.
    pub fn dial_on<R: Runtime>(
        self,
        runtime: impl FnOnce(Option<KeepAlive>) -> R,
    ) -> Result<(Client, Driver<R, Dial<R>>), BrokersError> {
        let runtime = Arc::new(runtime(self.dial.keep_alive.clone()));
        let dial = Dial::new(Arc::clone(&runtime), self.dial.tls.clone());
        #[cfg(feature = "websocket")]
        let dial = match &self.config {
            Ok(config) => {
                dial.web_socket(self.web_socket_for(config)).versions(config.versions.iter().copied())
            }
            Err(_) => dial,
        };
        self.build_on(runtime, Arc::new(dial))
    }

    /// What is set for WebSockets goes before what a profile says that is set for all brokers.
    #[cfg(feature = "websocket")]
    fn web_socket_for(&self, config: &Config) -> WebSocketConfig {
        let mut web_socket = self.dial.web_socket.clone();
        let by_profile = || config.profile.as_ref()?.message_limit;
        web_socket.message_limit = web_socket.message_limit.or_else(by_profile);
        web_socket
    }

    /// Without effect if the URI is wrong: then there will be no session.
    fn session(mut self, change: impl FnOnce(&mut Config)) -> Self {
        _ = self.config.as_mut().map(change);
        self
    }
}
