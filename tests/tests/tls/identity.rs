//! Certificates of clients.

use stomp_session::client::{ClientCertificate, TlsBackend};
use stomp_testkit::{
    pki::{Authority, Identity, Leaf},
    tls::TlsFrontConfig,
};

use crate::{
    Bench, assert_final, refusal,
    support::{Adapter, patient_with},
};

/// A broker that wants certificates of `clients`, in each version of TLS.
fn benches(clients: &Authority) -> impl Iterator<Item = Bench> {
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    versions.into_iter().map(|version| {
        let mut config = TlsFrontConfig::default();
        config.client_authority = Some(clients.certificate().to_owned());
        config.versions = vec![version];
        Bench::new(config)
    })
}

fn certificate(identity: &Identity) -> Option<ClientCertificate> {
    Some(ClientCertificate::pem(&*identity.certificate, &*identity.key))
}

pub(crate) async fn a_client_certificate_is_shown<A: Adapter>(backend: TlsBackend) {
    let clients = Authority::new("the clients' authority");
    for bench in benches(&clients) {
        let mut tls = bench.tls(backend);
        tls.client_certificate = certificate(&clients.issue(&Leaf::client("me")));
        let (client, _kill) = A::start(crate::config(&bench.front.uri()), patient_with(tls));
        client.connected().await.unwrap();
        client.send(crate::QUEUE, "").confirmed().await.unwrap();
        client.disconnect().await.unwrap();
    }
}

/// In TLS 1.3 the handshake is over for the client before the broker looks: the refusal comes with the first read.
pub(crate) async fn a_broker_that_wants_one_is_final<A: Adapter>(backend: TlsBackend) {
    let clients = Authority::new("the clients' authority");
    let stranger = Authority::new("somebody else").issue(&Leaf::client("me"));
    for bench in benches(&clients) {
        let uri = format!("failover:({})?startupMaxReconnectAttempts=-1", bench.front.uri());
        let (lost, text) = refusal::<A>(&uri, bench.tls(backend)).await;
        assert_final(&lost);
        assert!(
            text.contains("the broker wants a client certificate")
                || text.contains("wants a client certificate"),
            "{text}"
        );

        let mut tls = bench.tls(backend);
        tls.client_certificate = certificate(&stranger);
        let (lost, text) = refusal::<A>(&uri, tls).await;
        assert_final(&lost);
        assert!(text.contains("the broker refuses the client certificate"), "{text}");
        assert!(!bench.heard(), "nobody was let in");
    }
}
