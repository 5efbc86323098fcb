//! The settings of a client beyond those of its session, among them the provider of credentials and TCP keep-alive.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

#[cfg(feature = "websocket")]
use super::web_socket::WebSocketConfig;
use super::{contain::Contained, tls::TlsConfig};
use crate::{Attempt, Login, Lost};

/// The settings of a client beyond those of its session. [`Builder`](super::Builder) describes each of them.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) inbound_budget: usize,
    pub(super) outbound_budget: usize,
    pub(super) prefetch: Option<u32>,
    pub(super) send_timeout: Duration,
    pub(super) subscribe_timeout: Duration,
    pub(super) credentials: Option<Credentials>,
}

/// What is needed to dial, and nobody else asks for.
#[derive(Clone, Debug)]
pub(super) struct DialSettings {
    pub(super) keep_alive: Option<KeepAlive>,
    pub(super) tls: TlsConfig,
    #[cfg(feature = "websocket")]
    pub(super) web_socket: WebSocketConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inbound_budget: 1024 * 1024,
            outbound_budget: 256 * 1024,
            prefetch: None,
            send_timeout: Duration::from_secs(60),
            subscribe_timeout: Duration::from_secs(60),
            credentials: None,
        }
    }
}

impl Default for DialSettings {
    fn default() -> Self {
        Self {
            keep_alive: Some(KeepAlive::default()),
            tls: TlsConfig::default(),
            #[cfg(feature = "websocket")]
            web_socket: WebSocketConfig::default(),
        }
    }
}

type Asking = Pin<Box<dyn Future<Output = Result<Login, String>> + Send>>;

/// A provider of the login for each attempt to connect, such as for tokens that expire or for a vault.
///
/// The driver asks the provider before it dials, within [`Builder::connect_timeout`](super::Builder::connect_timeout),
/// and drops its future when the attempt is given up. The future must therefore be safe to drop at any await. An error
/// or a panic ends the attempt with [`Lost::NoCredentials`] and its text, in which known passcodes are hidden.
///
/// [`Attempt::refused`] is the ERROR with which the broker refused the last attempt. If a refused login may be followed
/// by a better one, set [`Builder::refused_at_start`](super::Builder::refused_at_start), so that the session does not
/// give the broker up. The provider is then asked again for each attempt. A login that was refused is not sent to that
/// broker for a minute at first, doubling up to 15 minutes ([`Lost::LoginHeldBack`]). A different login is sent at
/// once.
///
/// ```
/// use stomp_session::{Login, client::{Client, Credentials}};
/// # async fn fetch_token() -> std::io::Result<String> { Ok(String::new()) }
///
/// let credentials = Credentials::new(async |_attempt| {
///     let token = fetch_token().await?;
///     Ok::<_, std::io::Error>(Login::new("me", token))
/// });
/// let builder = Client::builder("tcp://broker.example").credentials(credentials);
/// ```
#[derive(Clone)]
pub struct Credentials(Arc<dyn Fn(Attempt) -> Asking + Send + Sync>);

impl Credentials {
    /// Creates a provider that calls this function for each attempt.
    pub fn new<F, E>(provider: impl Fn(Attempt) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Login, E>> + Send + 'static,
        E: fmt::Display,
    {
        Self(Arc::new(move |attempt| {
            let asked = provider(attempt);
            Box::pin(async { asked.await.map_err(|error| error.to_string()) })
        }))
    }

    pub(super) async fn ask(self, attempt: Attempt) -> Result<Login, Lost> {
        let asked = Contained::new(async move { (self.0)(attempt).await }).await;
        asked.unwrap_or_else(|panic| Err(format!("panicked: {panic}"))).map_err(Lost::NoCredentials)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Settings that say when the system ends a TCP connection whose peer does not answer.
///
/// Heart-beats notice a dead peer sooner, but not every broker sends them: STOMP 1.0 has none, and a broker may answer
/// `heart-beat:0,0`. By default, an idle connection whose peer has vanished ends after 60 s + 4 × 15 s = 2 min.
///
/// The values are rounded up to whole seconds and clamped to what systems accept: 1 to 32,767 s, and 1 to 127 probes.
/// If a system lacks one of the options, the option has no effect.
///
/// ```
/// use std::time::Duration;
/// use stomp_session::client::{Client, KeepAlive};
///
/// let mut patient = KeepAlive::default();
/// patient.idle = Duration::from_secs(600);
/// let builder = Client::builder("tcp://broker.example").keep_alive(patient);
/// let builder = builder.keep_alive(None); // the defaults of the system, which mostly send no probes
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// The silence after which the peer is asked whether it is still there (`TCP_KEEPIDLE`). Default: 60 s.
    pub idle: Duration,
    /// The time between two of these probes (`TCP_KEEPINTVL`). Default: 15 s.
    pub interval: Duration,
    /// The number of unanswered probes after which the connection ends (`TCP_KEEPCNT`). Default: 4.
    pub probes: u32,
    /// The time for which sent octets may stay unacknowledged (`TCP_USER_TIMEOUT`, on Linux and Android). Default:
    /// 2 min, after which an idle connection ends too. Without it, Linux sends them again for about 15 min.
    ///
    /// It also ends a connection to a peer that is alive but reads nothing, such as a broker that is short of memory.
    /// It is therefore switched off as soon as a broker has promised heart-beats, which tell such a peer from a dead
    /// one.
    pub user_timeout: Option<Duration>,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(15),
            probes: 4,
            user_timeout: Some(Duration::from_secs(120)),
        }
    }
}

impl KeepAlive {
    /// Returns these settings with values that every system accepts. This is for adapters.
    #[must_use]
    pub fn rounded(&self) -> Self {
        Self {
            idle: seconds(self.idle),
            interval: seconds(self.interval),
            probes: self.probes.clamp(1, 127),
            user_timeout: self.user_timeout.map(seconds),
        }
    }
}

/// Rounded up: a system would cut off what is left of a second, and takes no zero.
fn seconds(time: Duration) -> Duration {
    let begun = u64::from(time.subsec_nanos() > 0);
    Duration::from_secs(time.as_secs().saturating_add(begun).clamp(1, 32_767))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_system_takes_is_left() {
        let rounded = |time, probes| {
            let wild = KeepAlive { idle: time, interval: time, probes, user_timeout: Some(time) };
            let kept = wild.rounded();
            assert_eq!((kept.interval, kept.user_timeout), (kept.idle, Some(kept.idle)));
            (kept.idle.as_secs_f64(), kept.probes)
        };
        assert_eq!(rounded(Duration::ZERO, 0), (1.0, 1));
        assert_eq!(rounded(Duration::from_millis(1), 1), (1.0, 1));
        assert_eq!(rounded(Duration::from_secs(7), 127), (7.0, 127));
        assert_eq!(rounded(Duration::from_millis(7_001), 128), (8.0, 127));
        assert_eq!(rounded(Duration::MAX, u32::MAX), (32_767.0, 127));
        assert_eq!(KeepAlive::default().rounded(), KeepAlive::default());
    }
}
