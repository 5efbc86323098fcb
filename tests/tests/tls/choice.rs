//! Which library speaks, where both are compiled in.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use stomp_session::client::{ClientCertificate, TlsBackend, TlsConfig};
use stomp_testkit::{
    pki::{Authority, Identity, Leaf},
    tls::TlsFrontConfig,
};

use crate::{
    Bench, assert_final,
    hello::Hello,
    refusal,
    support::{Adapter, Tokio, patient_tls, patient_with},
    trusting,
};

/// The ciphers that a client offers tell the libraries apart.
pub(crate) async fn rustls_unless_another_is_chosen<A: Adapter>(backend: TlsBackend) {
    let ours = Hello::of::<A>(TlsBackend::default()).await.ciphers;
    let same = ours == Hello::of::<A>(backend).await.ciphers;
    assert_eq!(same, backend == TlsBackend::Rustls, "{backend:?}");
}

/// Trusts nobody, but for a configuration of rustls that trusts the authority of the bench.
fn by_rustls(bench: &Bench, backend: TlsBackend, ours: Option<&Identity>) -> TlsConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(bench.authority.certificate())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let config = match ours {
        None => config.with_no_client_auth(),
        Some(ours) => {
            let key = PrivateKeyDer::from_pem_slice(ours.key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![certificate(&ours.certificate)], key).unwrap()
        }
    };
    let mut tls = patient_tls();
    tls.backend = backend;
    tls.system_roots = false;
    tls.rustls = Some(Arc::new(config));
    tls
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

pub(crate) async fn a_configuration_of_rustls_is_used_or_refused<A: Adapter>(backend: TlsBackend) {
    let bench = Bench::new(TlsFrontConfig::default());
    for backend in [backend, TlsBackend::default()] {
        let tls = by_rustls(&bench, backend, None);
        if backend == TlsBackend::NativeTls {
            let list = format!("failover:({})?startupMaxReconnectAttempts=-1", bench.front.uri());
            let (lost, text) = refusal::<A>(&list, tls).await;
            assert_final(&lost);
            assert!(text.contains("NativeTls cannot use TlsConfig::rustls"), "{text}");
            assert!(!bench.heard(), "nobody is dialled");
            continue;
        }
        let (client, _kill) = A::start(crate::config(&bench.front.uri()), patient_with(tls));
        client.connected().await.unwrap_or_else(|error| panic!("{backend:?}: {error}"));
        client.disconnect().await.unwrap();
    }
}

/// What is set beside a configuration of rustls would be set in vain: a certificate that is not shown, an authority that is not
/// trusted.
pub(crate) async fn nothing_beside_a_configuration_of_rustls_is_ignored<A: Adapter>(_: TlsBackend) {
    let bench = Bench::new(TlsFrontConfig::default());
    let ours = bench.authority.issue(&Leaf::client("me"));
    type Set<'a> = &'a dyn Fn(&mut TlsConfig);
    let cases: [(&str, Set<'_>); 4] = [
        ("roots", &|tls| tls.roots.push(bench.authority.certificate().into())),
        ("client_certificate", &|tls| {
            tls.client_certificate = Some(ClientCertificate::pem(&*ours.certificate, &*ours.key));
        }),
        ("danger_accept_invalid_certificates", &|tls| tls.danger_accept_invalid_certificates = true),
        ("danger_accept_invalid_host_names", &|tls| tls.danger_accept_invalid_host_names = true),
    ];
    for (field, set) in cases {
        let mut tls = by_rustls(&bench, TlsBackend::default(), None);
        set(&mut tls);
        let (lost, text) = refusal::<A>(&bench.front.uri(), tls).await;
        assert_final(&lost);
        assert!(
            text.contains(&format!("TlsConfig::{field} cannot be used beside TlsConfig::rustls")),
            "{text}"
        );
    }
    assert!(!bench.heard(), "nobody is dialled");
}

/// What is wrong with a configuration is said whether or not somebody listens.
pub(crate) async fn a_wrong_choice_is_final_without_a_dial<A: Adapter>(_: TlsBackend) {
    let bench = Bench::new(TlsFrontConfig::default());
    let tls = by_rustls(&bench, TlsBackend::NativeTls, None);
    let list = "failover:(ssl://127.0.0.1:1)?startupMaxReconnectAttempts=-1";
    let (lost, text) = refusal::<A>(list, tls).await;
    assert_final(&lost);
    assert!(text.contains("TlsConfig::rustls"), "{text}");
}

pub(crate) async fn the_identity_of_a_configuration_of_rustls_counts<A: Adapter>(_: TlsBackend) {
    let mut config = TlsFrontConfig::default();
    config.client_authority = Some(Authority::new("the clients' authority").certificate().to_owned());
    let bench = Bench::new(config);
    let tls = by_rustls(&bench, TlsBackend::Rustls, None);
    let (lost, text) = refusal::<A>(&bench.front.uri(), tls).await;
    assert_final(&lost);
    assert!(text.contains("the broker wants a client certificate"), "{text}");

    let stranger = Authority::new("somebody else").issue(&Leaf::client("me"));
    let tls = by_rustls(&bench, TlsBackend::Rustls, Some(&stranger));
    let (lost, text) = refusal::<A>(&bench.front.uri(), tls).await;
    assert_final(&lost);
    assert!(text.contains("the broker refuses the client certificate"), "{text}");
}

/// Says to the child of [`a_system_that_trusts_nobody_is_told`] that it is the child.
const CHILD: &str = "STOMP_TEST_TRUSTS_NOBODY";

/// A small machine has no certificates of authorities. The libraries look for them where the environment says, which is
/// the whole process's: so this one starts another.
#[test]
fn a_system_that_trusts_nobody_is_told() {
    if std::env::var_os(CHILD).is_some() {
        return crate::run::<Tokio, _>(nobody_is_trusted::<Tokio>);
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "choice::a_system_that_trusts_nobody_is_told", "--nocapture"]);
    let nowhere = std::env::temp_dir().join("stomp-tests-no-such-file");
    child.env(CHILD, "").env("SSL_CERT_FILE", &nowhere).env("SSL_CERT_DIR", &nowhere);
    assert!(child.status().unwrap().success());
}

async fn nobody_is_trusted<A: Adapter>(backend: TlsBackend) {
    let bench = Bench::new(TlsFrontConfig::default());
    let mut tls = patient_tls();
    tls.backend = backend;
    let (lost, text) = refusal::<A>(&bench.front.uri(), tls).await;
    assert_final(&lost);
    assert!(text.contains("TlsConfig::roots"), "{text}");
    assert!(!text.contains("roots cannot be used"), "none were given: {text}");

    // A certificate that the tls trust is trusted here, too.
    let mut tls = trusting(&bench.authority, backend);
    tls.system_roots = true;
    let (client, _kill) = A::start(crate::config(&bench.front.uri()), patient_with(tls));
    client.connected().await.unwrap();
    client.disconnect().await.unwrap();
}
