//! Which certificates are taken, and what is said about the others.

use stomp_session::client::TlsBackend;
use stomp_testkit::{
    broker::BrokerConfig,
    pki::{Authority, Identity, Leaf},
    server::Server,
    tls::{TlsFront, TlsFrontConfig},
};

use crate::{
    Bench, assert_final, refusal,
    support::{Adapter, connect_with, patient_with},
    trusting, uri,
};

/// What is wrong, what our words for it are, the host that is dialled, and the certificate.
type Bad = (&'static str, &'static str, &'static str, fn(&Authority) -> Identity);

const WRONG_NAME: &str = "is not valid for \"localhost\"";
const UNKNOWN: &str = "self-signed or from an authority that is not trusted";

/// Every name is looked for where the URI has it: not at the address it resolves to, and not in what the broker says of itself.
const BAD: [Bad; 11] = [
    ("another name", WRONG_NAME, "localhost", |a| a.issue(&Leaf::server(&["wrong.example"]))),
    ("a name that ends alike", WRONG_NAME, "localhost", |a| a.issue(&Leaf::server(&["evil-localhost"]))),
    ("a name below", WRONG_NAME, "localhost", |a| a.issue(&Leaf::server(&["*.localhost"]))),
    ("its address", WRONG_NAME, "localhost", |a| a.issue(&Leaf::server(&["127.0.0.1"]))),
    ("its address as a common name", WRONG_NAME, "localhost", |a| {
        a.issue(&Leaf::server(&["wrong.example"]).called("localhost"))
    }),
    ("a name where an address is dialled", "is not valid for \"127.0.0.1\"", "127.0.0.1", |a| {
        a.issue(&Leaf::server(&["localhost"]))
    }),
    ("expired", "has expired", "localhost", |a| a.issue(&Leaf::server(&["localhost"]).expired())),
    ("of tomorrow", "is not valid yet", "localhost", |a| {
        a.issue(&Leaf::server(&["localhost"]).of_tomorrow())
    }),
    ("self-signed", "certificate is", "localhost", |_| Leaf::server(&["localhost"]).self_signed()),
    ("of somebody else", UNKNOWN, "localhost", |_| {
        Authority::new("somebody else").issue(&Leaf::server(&["localhost"]))
    }),
    ("a client's", "is not one for servers", "localhost", |a| a.issue(&Leaf::client("localhost"))),
];

pub(crate) async fn bad_ones_end_the_dial_for_good<A: Adapter>(backend: TlsBackend) {
    let authority = Authority::new("the authority");
    let server = Server::start(BrokerConfig::default().recording()).unwrap();
    for (what, words, host, issue) in BAD {
        println!("{what}:");
        let identity = issue(&authority);
        let front = TlsFront::start(server.address(), &identity, TlsFrontConfig::default()).unwrap();
        // Final, however patient we are told to be.
        let list = format!("failover:({})?startupMaxReconnectAttempts=-1", uri(host, front.address()));
        let (lost, text) = refusal::<A>(&list, trusting(&authority, backend)).await;
        assert_final(&lost);
        assert!(text.contains(words), "{what}: {text}");
    }
    let heard = server.with(|broker| broker.received().any(|(_, frames)| !frames.is_empty()));
    assert!(!heard, "a login went to who is not trusted");
}

pub(crate) async fn good_ones_are_taken<A: Adapter>(backend: TlsBackend) {
    let cases: [(&str, &[&str], Option<&str>); 4] = [
        ("localhost", &["localhost"], None),
        ("localhost", &["other.example", "localhost"], None),
        ("127.0.0.1", &["127.0.0.1"], None),
        ("127.0.0.1", &["broker.example"], Some("broker.example")),
    ];
    for (host, names, server_name) in cases {
        let bench = Bench::with(&Leaf::server(names), TlsFrontConfig::default());
        let mut tls = bench.tls(backend);
        // Several certificates in one text, the right one among them.
        tls.roots[0].extend_from_slice(Authority::new("another").certificate().as_bytes());
        tls.server_name = server_name.map(str::to_owned);
        let (client, _kill) = A::start(crate::config(&uri(host, bench.front.address())), patient_with(tls));
        client.connected().await.unwrap_or_else(|error| panic!("{host} {names:?}: {error}"));
        client.disconnect().await.unwrap();
    }
}

pub(crate) async fn dangerous_switches_do_what_they_say<A: Adapter>(backend: TlsBackend) {
    let bench = Bench::with(&Leaf::server(&["wrong.example"]), TlsFrontConfig::default());
    let mut tls = bench.tls(backend);
    tls.danger_accept_invalid_host_names = true;
    let (client, _kill) = A::start(crate::config(&bench.front.uri()), patient_with(tls.clone()));
    client.connected().await.expect("any name will do");
    client.disconnect().await.unwrap();

    // The authority still matters.
    tls.roots = vec![Authority::new("somebody else").certificate().into()];
    let (lost, text) = refusal::<A>(&bench.front.uri(), tls.clone()).await;
    assert_final(&lost);
    assert!(text.contains(UNKNOWN), "{text}");

    tls.danger_accept_invalid_host_names = false;
    tls.danger_accept_invalid_certificates = true;
    let (client, _kill) = A::start(crate::config(&bench.front.uri()), patient_with(tls));
    client.connected().await.expect("anything will do");
    client.disconnect().await.unwrap();
}

/// What a plain URI means: TLS as it should be, with no switch to be found first.
pub(crate) async fn the_default_trusts_whom_the_system_trusts<A: Adapter>(_: TlsBackend) {
    let bench = Bench::new(TlsFrontConfig::default());
    for uri in [bench.front.uri(), bench.front.uri().replace("ssl://", "stomp+ssl://")] {
        // With all defaults, its time may be over before the reason is known.
        A::connect(&uri).await.map(|_| ()).unwrap_err();
        let refused = connect_with::<A>(crate::config(&uri)).await.map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains(UNKNOWN), "{refused}");
    }
    assert!(!bench.heard(), "a login went to who is not trusted");
}

pub(crate) async fn settings_that_cannot_be_used_are_named<A: Adapter>(backend: TlsBackend) {
    use stomp_session::client::ClientCertificate;
    let bench = Bench::new(TlsFrontConfig::default());
    let ours = bench.authority.issue(&Leaf::client("me"));
    let garbage = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n";
    for (certificate, key) in
        [(&*ours.certificate, garbage), ("canary", &*ours.key), (&*ours.certificate, "canary")]
    {
        let mut tls = bench.tls(backend);
        tls.client_certificate = Some(ClientCertificate::pem(certificate, key));
        assert!(!format!("{tls:?}").contains("canary"));
        let (lost, text) = refusal::<A>(&bench.front.uri(), tls).await;
        assert_final(&lost);
        assert!(text.contains("TlsConfig::client_certificate cannot be used"), "{text}");
        assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
    }
    let mut tls = bench.tls(backend);
    tls.roots.push(b"no PEM".into());
    let (lost, text) = refusal::<A>(&bench.front.uri(), tls).await;
    assert_final(&lost);
    assert!(text.contains("TlsConfig::roots cannot be used"), "{text}");
}
