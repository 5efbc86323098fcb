//! What a client offers, read from its first message (RFC 8446, section 4.1.2).

use std::io::Read as _;
use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::Command,
    thread::{self, JoinHandle},
};

use stomp_session::client::TlsBackend;
use stomp_testkit::pki::Authority;

use crate::{
    refusal,
    support::{Adapter, Smol, Tokio},
    trusting, uri,
};

/// A ClientHello.
pub(crate) struct Hello {
    pub(crate) ciphers: Vec<u8>,
    /// The versions of TLS, as two octets each.
    versions: Vec<[u8; 2]>,
}

/// The extension that names them (RFC 8446, section 4.2.1). Without it only the field says one, and those below are meant too.
const SUPPORTED_VERSIONS: [u8; 2] = [0, 43];
const TLS_1_2: [u8; 2] = [3, 3];
const TLS_1_3: [u8; 2] = [3, 4];

impl Hello {
    /// What a client with that library says to somebody who closes the connection then.
    pub(crate) async fn of<A: Adapter>(backend: TlsBackend) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let hearing: JoinHandle<_> = thread::spawn(move || Self::read(&mut listener.accept().unwrap().0));
        _ = refusal::<A>(&uri("localhost", address), trusting(&Authority::new("nobody"), backend)).await;
        hearing.join().unwrap()
    }

    fn read(client: &mut TcpStream) -> Self {
        let mut field = |length: usize| {
            let mut octets = vec![0; length];
            client.read_exact(&mut octets).unwrap();
            octets
        };
        let number = |octets: &[u8]| octets.iter().fold(0, |number, octet| number << 8 | usize::from(*octet));
        assert_eq!(field(5)[0], 22, "the head of a record of the handshake");
        assert_eq!(field(4)[0], 1, "the head of a ClientHello");
        let mut versions = vec![[field(1)[0], field(1)[0]]];
        field(32);
        let session = number(&field(1));
        field(session);
        let length = number(&field(2));
        let ciphers = field(length);
        let compressions = number(&field(1));
        field(compressions);
        let mut left = number(&field(2));
        while left > 0 {
            let (kind, length) = (field(2), number(&field(2)));
            let octets = field(length);
            left -= 4 + length;
            if kind == SUPPORTED_VERSIONS {
                versions = octets[1..].chunks(2).map(|version| [version[0], version[1]]).collect();
            }
        }
        Self { ciphers, versions }
    }
}

/// Says to the child of [`old_versions_are_never_offered`] that it is the child.
const CHILD: &str = "STOMP_TEST_OLD_TLS";

/// A system whose OpenSSL would speak TLS 1.0. That is said where the environment says, which is the whole process's: so this one
/// starts another.
const OLD: &str = "openssl_conf = conf\n[conf]\nssl_conf = ssl\n[ssl]\nsystem_default = old\n\
                   [old]\nMinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n";

#[test]
fn old_versions_are_never_offered() {
    if std::env::var_os(CHILD).is_some() {
        crate::run::<Tokio, _>(offers_no_old_version::<Tokio>);
        return crate::run::<Smol, _>(offers_no_old_version::<Smol>);
    }
    let config = std::env::temp_dir().join(format!("stomp-tests-old-tls-{}.cnf", std::process::id()));
    fs::write(&config, OLD).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "hello::old_versions_are_never_offered", "--nocapture"]);
    let status = child.env(CHILD, "").env("OPENSSL_CONF", &config).status().unwrap();
    fs::remove_file(&config).unwrap();
    assert!(status.success());
}

async fn offers_no_old_version<A: Adapter>(backend: TlsBackend) {
    let mut versions = Hello::of::<A>(backend).await.versions;
    versions.sort_unstable();
    assert_eq!(versions, [TLS_1_2, TLS_1_3], "{} {backend:?}", A::NAME);
}
