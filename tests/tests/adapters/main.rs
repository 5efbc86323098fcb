//! One suite for every adapter, over real sockets, plain and by each library of TLS, bare and over a WebSocket: against the embedded broker, and through a
//! proxy that fails on purpose.

#[path = "../support/mod.rs"]
mod support;

mod embedded;
mod faulty;
#[cfg(unix)]
mod sockets;
mod threads;

use std::net::SocketAddr;

use stomp_session::{
    Config,
    client::{Builder, Client, ConnectError, TlsBackend, TlsConfig, WebSocketConfig},
};
use stomp_testkit::{
    broker::BrokerConfig,
    pki::{Authority, Leaf},
    server::Server,
    tls::{TlsFront, TlsFrontConfig},
    web_front::WebFront,
};
use support::{Adapter, Kill, PATIENCE, Smol, Tokio, patient_config, patient_tls, patient_with};

const QUEUE: &str = "/queue/a";

fn run<A: Adapter, F: Future<Output = ()>>(line: Line, case: fn(Line) -> F) {
    let ended = A::block_on(A::within(PATIENCE, case(line)));
    assert!(ended.is_some(), "{} {line:?}: it did not end within {PATIENCE:?}", A::NAME);
}

macro_rules! instance {
    ($name:ident, $adapter:ident, $line:expr, $($part:ident::$case:ident),* $(,)?) => {
        mod $name {
            $(#[test] fn $case() { crate::run::<crate::$adapter, _>($line, crate::$part::$case::<crate::$adapter>); })*
        }
    };
}

/// Each case for each adapter and each line.
macro_rules! suite {
    ($($cases:tt)*) => {
        instance!(tokio_plain, Tokio, crate::Line::Plain, $($cases)*);
        instance!(tokio_native_tls, Tokio, crate::Line::Tls(crate::TlsBackend::NativeTls), $($cases)*);
        instance!(tokio_rustls, Tokio, crate::Line::Tls(crate::TlsBackend::Rustls), $($cases)*);
        instance!(tokio_ws, Tokio, crate::Line::Web, $($cases)*);
        instance!(tokio_wss, Tokio, crate::Line::WebTls(crate::TlsBackend::Rustls), $($cases)*);
        instance!(smol_plain, Smol, crate::Line::Plain, $($cases)*);
        instance!(smol_native_tls, Smol, crate::Line::Tls(crate::TlsBackend::NativeTls), $($cases)*);
        instance!(smol_rustls, Smol, crate::Line::Tls(crate::TlsBackend::Rustls), $($cases)*);
        instance!(smol_ws, Smol, crate::Line::Web, $($cases)*);
        instance!(smol_wss, Smol, crate::Line::WebTls(crate::TlsBackend::Rustls), $($cases)*);
    };
}

suite!(
    embedded::sends_and_receives_in_every_version,
    embedded::a_large_body_goes_both_ways,
    embedded::a_burst_is_neither_lost_nor_reordered,
    embedded::a_lost_connection_is_made_again,
    embedded::a_move_between_brokers_loses_and_doubles_nothing,
    embedded::a_broker_that_restarts_is_found_again,
    embedded::a_dead_broker_of_a_list_is_passed_over,
    embedded::a_broker_that_refuses_us_is_passed_over,
    embedded::unacknowledged_messages_come_again,
    embedded::a_stale_message_cannot_be_acknowledged,
    embedded::the_last_handle_disconnects,
    embedded::a_dropped_driver_ends_every_wait,
    embedded::disconnect_waits_for_receipts,
    embedded::a_refused_login_is_told,
    embedded::nobody_listens,
    embedded::a_mute_broker_is_given_up,
    embedded::http_is_recognised,
    embedded::a_wrong_uri_is_told,
    embedded::a_subscription_id_is_used_once,
    embedded::publishers_in_bulk,
    threads::sends_of_many_threads_hold_up_nobody,
    threads::publishers_of_many_threads_hold_up_nobody,
    faulty::one_octet_at_a_time_and_late,
    faulty::an_end_after_any_octet_of_the_broker,
    faulty::an_end_after_any_octet_of_ours,
    faulty::a_receipt_that_never_comes,
    faulty::receipts_out_of_order,
    faulty::a_message_that_never_comes_is_sent_again,
);

/// What is spoken between a client and its broker.
#[derive(Clone, Copy, Debug)]
enum Line {
    Plain,
    Tls(TlsBackend),
    Web,
    WebTls(TlsBackend),
}

impl Line {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "tcp",
            Self::Tls(_) => "ssl",
            Self::Web => "ws",
            Self::WebTls(_) => "wss",
        }
    }

    /// The way to the embedded broker that listens there, which takes WebSockets itself.
    fn to(self, address: SocketAddr) -> Way {
        let (Self::Tls(backend) | Self::WebTls(backend)) = self else {
            return Way { line: self, address, fronts: (None, None), tls: patient_tls() };
        };
        // OpenSSL looks for an issuer by its name.
        let authority = Authority::new(&format!("the authority of {address}"));
        let broker = authority.issue(&Leaf::server(&["localhost"]));
        let front = TlsFront::start(address, &broker, TlsFrontConfig::default()).expect("a loopback port");
        let mut tls = patient_tls();
        tls.backend = backend;
        tls.system_roots = false;
        tls.roots.push(authority.certificate().into());
        Way { line: self, address: front.address(), fronts: (None, Some(front)), tls }
    }

    /// The way to what listens there and speaks plain STOMP.
    fn to_plain(self, address: SocketAddr) -> Way {
        if let Self::Plain | Self::Tls(_) = self {
            return self.to(address);
        }
        let front = WebFront::start(address).expect("a loopback port");
        let mut way = self.to(front.address());
        way.fronts.0 = Some(front);
        way
    }
}

/// How a client gets to a broker.
struct Way {
    line: Line,
    address: SocketAddr,
    #[allow(dead_code, reason = "they work as long as they are there")]
    fronts: (Option<WebFront>, Option<TlsFront>),
    tls: TlsConfig,
}

impl Way {
    fn settings(&self) -> Builder {
        let mut web_socket = WebSocketConfig::default();
        web_socket.handshake_timeout = PATIENCE;
        patient_with(self.tls.clone()).web_socket(web_socket)
    }

    fn uri(&self) -> String {
        format!("{}://guest:guest@localhost:{}", self.line.scheme(), self.address.port())
    }

    fn config(&self) -> Config {
        config(&self.uri())
    }

    async fn client<A: Adapter>(&self) -> Client {
        self.client_of::<A>(self.config()).await
    }

    /// A client that nobody kills.
    async fn client_of<A: Adapter>(&self, config: Config) -> Client {
        let (client, kill) = self.connect_with::<A>(config).await.expect("the broker lets us in");
        std::mem::forget(kill);
        client
    }

    async fn connect_with<A: Adapter>(&self, config: Config) -> Result<(Client, Kill), ConnectError> {
        support::connect_as::<A>(config, self.settings()).await
    }
}

/// The embedded broker, and the way to it.
struct Bench {
    server: Server,
    way: Way,
}

impl Bench {
    fn new(line: Line, config: BrokerConfig) -> Self {
        let server = Server::start(config).expect("a loopback port");
        let way = line.to(server.address());
        Self { server, way }
    }
}

fn config(uri: &str) -> Config {
    patient_config(uri)
}
