//! TLS over real sockets: every adapter with every library, against certificates of the test's own making. What is said once
//! a connection stands is the business of the suite of the adapters.

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod choice;
mod conversation;
mod errors;
mod failures;

mod hello;
mod identity;
mod pipes;
mod proxy;

use std::net::SocketAddr;

use stomp_session::{
    Closed, Config, Lost,
    client::{Client, TlsBackend, TlsConfig},
};
use stomp_testkit::{
    broker::BrokerConfig,
    pki::{Authority, Leaf},
    server::Server,
    tls::{TlsFront, TlsFrontConfig},
};
use support::{Adapter, Kill, PATIENCE, Smol, Tokio, patient_config, patient_tls, patient_with};

const QUEUE: &str = "/queue/a";

/// Runs every case with each library.
fn run<A: Adapter, F: Future<Output = ()>>(case: impl Fn(TlsBackend) -> F) {
    for backend in [TlsBackend::NativeTls, TlsBackend::Rustls] {
        println!("with {backend:?}");
        let ended = A::block_on(A::within(PATIENCE, case(backend)));
        assert!(ended.is_some(), "{} {backend:?}: it did not end within {PATIENCE:?}", A::NAME);
    }
}

/// Each case for each adapter.
macro_rules! suite {
    ($($part:ident::$case:ident),* $(,)?) => {
        mod tokio_suite {
            $(#[test] fn $case() { super::run::<super::Tokio, _>(super::$part::$case::<super::Tokio>); })*
        }
        mod smol_suite {
            $(#[test] fn $case() { super::run::<super::Smol, _>(super::$part::$case::<super::Smol>); })*
        }
    };
}

suite!(
    certificates::bad_ones_end_the_dial_for_good,
    certificates::good_ones_are_taken,
    certificates::dangerous_switches_do_what_they_say,
    certificates::the_default_trusts_whom_the_system_trusts,
    certificates::settings_that_cannot_be_used_are_named,
    choice::a_configuration_of_rustls_is_used_or_refused,
    choice::a_wrong_choice_is_final_without_a_dial,
    choice::nothing_beside_a_configuration_of_rustls_is_ignored,
    choice::rustls_unless_another_is_chosen,
    choice::the_identity_of_a_configuration_of_rustls_counts,
    conversation::a_graceful_end_says_goodbye,
    conversation::an_end_is_an_end_with_and_without_a_farewell,
    failures::a_plain_port_is_never_spoken_to_in_the_clear,
    failures::tls_is_recognised_by_who_expects_none,
    failures::what_comes_before_tls_is_not_believed,
    failures::a_handshake_that_stalls_is_given_up,
    failures::a_broken_handshake_is_tried_again,
    failures::an_end_after_any_octet_is_tried_again,
    failures::the_next_broker_is_tried,
    identity::a_client_certificate_is_shown,
    identity::a_broker_that_wants_one_is_final,
);

/// An embedded broker behind TLS.
struct Bench {
    authority: Authority,
    server: Server,
    front: TlsFront,
}

impl Bench {
    /// With a certificate for `localhost` and `127.0.0.1`.
    fn new(config: TlsFrontConfig) -> Self {
        Self::with(&Leaf::server(&["localhost", "127.0.0.1"]), config)
    }

    fn with(leaf: &Leaf, config: TlsFrontConfig) -> Self {
        let authority = Authority::new("the authority");
        let server = Server::start(BrokerConfig::default().recording()).expect("a loopback port");
        let identity = authority.issue(leaf);
        let front = TlsFront::start(server.address(), &identity, config).expect("a loopback port");
        Self { authority, server, front }
    }

    fn tls(&self, backend: TlsBackend) -> TlsConfig {
        trusting(&self.authority, backend)
    }

    async fn client<A: Adapter>(&self, backend: TlsBackend) -> (Client, Kill) {
        let (client, kill) = A::start(config(&self.front.uri()), patient_with(self.tls(backend)));
        client.connected().await.expect("the broker is trusted");
        (client, kill)
    }

    /// Whether a client has said anything to the broker.
    fn heard(&self) -> bool {
        self.server.with(|broker| broker.received().any(|(_, frames)| !frames.is_empty()))
    }
}

/// What trusts that authority, and nobody else.
fn trusting(authority: &Authority, backend: TlsBackend) -> TlsConfig {
    let mut tls = patient_tls();
    tls.backend = backend;
    tls.system_roots = false;
    tls.roots.push(authority.certificate().into());
    tls
}

fn config(uri: &str) -> Config {
    patient_config(uri)
}

fn uri(host: &str, address: SocketAddr) -> String {
    format!("stomps://guest:guest@{host}:{}", address.port())
}

/// Why there is no connection, and the words for it.
async fn refusal<A: Adapter>(uri: &str, tls: TlsConfig) -> (Lost, String) {
    let (client, _kill) = A::start(config(uri), patient_with(tls));
    match client.connected().await {
        Err(closed @ Closed::GaveUp { .. }) => {
            let text = closed.to_string();
            println!("{text}");
            let Closed::GaveUp { last, .. } = closed else { unreachable!() };
            (last, text)
        }
        other => panic!("{}: {other:?}", A::NAME),
    }
}

#[track_caller]
fn assert_final(lost: &Lost) {
    assert!(matches!(lost, Lost::DialFailed { permanent: true, .. }), "{lost:?}");
}

#[track_caller]
fn assert_passing(lost: &Lost) {
    assert!(matches!(lost, Lost::DialFailed { permanent: false, .. }), "{lost:?}");
}
