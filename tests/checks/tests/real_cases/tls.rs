//! TLS with every real broker: the ports let in only who shows the right certificate.

use std::time::Duration;

use stomp_session::{
    Closed, Lost,
    client::{ClientCertificate, TlsBackend, TlsConfig},
};
use stomp_testkit::{
    pki::{Authority, Identity, Leaf},
    real::Feature::Tls,
};

use super::{Bench, Case, next, run, settings, start};
use crate::support::Adapter;

const BACKENDS: [TlsBackend; 2] = [TlsBackend::NativeTls, TlsBackend::Rustls];

/// All cases.
pub(crate) fn cases<A: Adapter>() -> [Case; 4] {
    [
        ("speaks TLS", &[Tls], speaks::<A>),
        ("is not who it should be over TLS", &[Tls], is_somebody_else::<A>),
        ("wants a client certificate", &[Tls], wants_a_certificate::<A>),
        ("speaks no TLS on its plain port", &[], speaks_none::<A>),
    ]
}

impl Bench<'_> {
    /// What trusts the broker, and shows that certificate.
    pub(super) fn tls(&self, backend: TlsBackend, shown: Option<&Identity>) -> TlsConfig {
        let mut tls = TlsConfig::default();
        tls.backend = backend;
        tls.roots.push(self.broker.layout().keys().authority().into());
        tls.client_certificate =
            shown.map(|identity| ClientCertificate::pem(&*identity.certificate, &*identity.key));
        tls
    }

    /// A certificate that the broker takes.
    pub(super) fn right(&self) -> Option<&Identity> {
        Some(self.broker.layout().keys().client())
    }
}

fn speaks<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        for backend in BACKENDS {
            let config = super::config(&bench.broker.tls_uri());
            let (client, _kill) = start::<A>(config, settings(bench.tls(backend, bench.right())));
            client.connected().await.unwrap_or_else(|error| panic!("{backend:?}: {error}"));
            let mut messages = client.subscribe(&bench.destination()).await.unwrap();
            // Several records, and some that are full.
            let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
            client.send(&bench.destination(), body.clone()).confirmed().await.unwrap();
            let message = next::<A>(&mut messages).await;
            assert!(message.body() == body, "the body came as it went");
            message.ack().unwrap();
            bench.part(&client).await;
        }
    });
}

/// Why there is no connection, for good or not, and in which words.
async fn refusal<A: Adapter>(uri: &str, tls: TlsConfig) -> (bool, String) {
    let (client, _kill) = start::<A>(super::config(uri), settings(tls));
    match client.connected().await {
        Err(closed @ Closed::GaveUp { last: Lost::DialFailed { permanent, .. }, .. }) => {
            (permanent, closed.to_string())
        }
        other => panic!("{other:?}"),
    }
}

fn is_somebody_else<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        for backend in BACKENDS {
            let mut tls = bench.tls(backend, bench.right());
            tls.server_name = Some("broker.example".into());
            let (permanent, text) = refusal::<A>(&bench.broker.tls_uri(), tls).await;
            assert!(permanent && text.contains("is not valid for \"broker.example\""), "{text}");

            let mut tls = bench.tls(backend, bench.right());
            tls.roots.clear();
            let (permanent, text) = refusal::<A>(&bench.broker.tls_uri(), tls).await;
            assert!(permanent && text.contains("from an authority that is not trusted"), "{text}");
        }
    });
}

fn wants_a_certificate<A: Adapter>(bench: &mut Bench<'_>) {
    let stranger = Authority::new("somebody else").issue(&Leaf::client("guest"));
    run::<A>(async {
        for backend in BACKENDS {
            for (shown, words) in
                [(None, "wants a client certificate"), (Some(&stranger), "refuses the client certificate")]
            {
                let tls = bench.tls(backend, shown);
                let (permanent, text) = refusal::<A>(&bench.broker.tls_uri(), tls).await;
                assert!(permanent && text.contains(words), "{text}");
            }
        }
    });
}

/// RabbitMQ closes; ActiveMQ and Artemis never answer.
fn speaks_none<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        for backend in BACKENDS {
            let mut tls = bench.tls(backend, bench.right());
            tls.handshake_timeout = Duration::from_millis(500);
            let uri = format!("ssl://guest:guest@localhost:{}", bench.broker.stomp_port());
            let (permanent, text) = refusal::<A>(&uri, tls).await;
            assert!(!permanent && text.contains("TLS"), "{text}");
        }
    });
}
