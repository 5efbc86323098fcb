//! What the adapters set on a TCP connection, read back from it, and what else a runtime lends.

use std::{net::TcpListener, os::fd::AsFd as _, pin::pin, time::Duration};

use futures_lite::{AsyncWriteExt as _, io::AsyncWrite};
use socket2::Socket;
use stomp_session::{
    Timestamp,
    client::{KeepAlive, Runtime},
};
use stomp_testkit::{broker::BrokerConfig, server::Server};

use crate::support::{Adapter, Smol, Tokio, patient_settings};

/// An adapter whose connections can be looked at.
trait Dials: Adapter {
    type Runtime: Runtime<Stream: AsyncWrite>;

    fn runtime(keep_alive: Option<KeepAlive>) -> Self::Runtime;

    /// The socket of a connection.
    fn socket(stream: &<Self::Runtime as Runtime>::Stream) -> Socket;
}

impl Dials for Tokio {
    type Runtime = stomp_tokio::Tokio;

    fn runtime(keep_alive: Option<KeepAlive>) -> Self::Runtime {
        stomp_tokio::Tokio::new().keep_alive(keep_alive)
    }

    fn socket(stream: &stomp_tokio::Socket) -> Socket {
        stream.get_ref().as_fd().try_clone_to_owned().unwrap().into()
    }
}

impl Dials for Smol {
    type Runtime = stomp_smol::Smol;

    fn runtime(keep_alive: Option<KeepAlive>) -> Self::Runtime {
        stomp_smol::Smol::new().keep_alive(keep_alive)
    }

    fn socket(stream: &stomp_smol::Socket) -> Socket {
        stream.get_ref().as_fd().try_clone_to_owned().unwrap().into()
    }
}

/// Each case for each adapter.
macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod tokio_socket {
            $(#[test] fn $case() { super::run(super::$case::<super::Tokio>()); })*
        }
        mod smol_socket {
            $(#[test] fn $case() { super::run(super::$case::<super::Smol>()); })*
        }
    };
}

fn run(case: impl Future<Output = ()>) {
    // Tokio's runtime is entered by both: smol needs none.
    Tokio::block_on(case);
}

suite!(
    small_frames_leave_at_once,
    an_idle_connection_is_probed,
    a_wish_is_granted_within_what_systems_take,
    keep_alive_can_be_switched_off,
    a_broker_that_beats_may_be_busy_for_longer,
    the_settings_of_a_client_reach_its_connection,
    entropy_is_random,
    its_clock_goes_on,
);

/// A connection to somebody, and what it is made with.
async fn dial<D: Dials>(
    keep_alive: Option<KeepAlive>,
) -> (D::Runtime, <D::Runtime as Runtime>::Stream, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let runtime = D::runtime(keep_alive);
    let port = listener.local_addr().unwrap().port();
    let stream = runtime.dial("127.0.0.1", port, 0).await.unwrap();
    (runtime, stream, listener)
}

/// Whether it is kept alive, then `TCP_KEEPIDLE`, `TCP_KEEPINTVL` and `TCP_KEEPCNT`.
fn keep_alive_of(socket: &Socket) -> (bool, u64, u64, u32) {
    (
        socket.keepalive().unwrap(),
        socket.tcp_keepalive_time().unwrap().as_secs(),
        socket.tcp_keepalive_interval().unwrap().as_secs(),
        socket.tcp_keepalive_retries().unwrap(),
    )
}

/// `TCP_USER_TIMEOUT` in seconds, where there is one; elsewhere what is expected.
fn user_timeout_of(socket: &Socket, expected: Option<u64>) -> Option<u64> {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    return (socket.tcp_user_timeout().unwrap(), expected).0.map(|limit| limit.as_secs());
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    return (socket, expected).1;
}

async fn small_frames_leave_at_once<D: Dials>() {
    for keep_alive in [Some(KeepAlive::default()), None] {
        let (_runtime, stream, _listener) = dial::<D>(keep_alive).await;
        assert!(D::socket(&stream).tcp_nodelay().unwrap(), "an ACK must not wait for the answer to another");
    }
}

async fn an_idle_connection_is_probed<D: Dials>() {
    let (_runtime, stream, _listener) = dial::<D>(Some(KeepAlive::default())).await;
    let socket = D::socket(&stream);
    assert_eq!(keep_alive_of(&socket), (true, 60, 15, 4));
    assert_eq!(user_timeout_of(&socket, Some(120)), Some(120));
}

async fn a_wish_is_granted_within_what_systems_take<D: Dials>() {
    let mut wish = KeepAlive::default();
    (wish.idle, wish.interval, wish.probes) = (Duration::from_secs(300), Duration::from_millis(6_500), 9);
    wish.user_timeout = Some(Duration::from_secs(50));
    let (_runtime, stream, _listener) = dial::<D>(Some(wish.clone())).await;
    assert_eq!(keep_alive_of(&D::socket(&stream)), (true, 300, 7, 9));
    assert_eq!(user_timeout_of(&D::socket(&stream), Some(50)), Some(50));

    (wish.idle, wish.interval, wish.probes) = (Duration::ZERO, Duration::MAX, u32::MAX);
    wish.user_timeout = None;
    let (_runtime, stream, _listener) = dial::<D>(Some(wish)).await;
    assert_eq!(keep_alive_of(&D::socket(&stream)), (true, 1, 32_767, 127));
    assert_eq!(user_timeout_of(&D::socket(&stream), None), None);
}

async fn keep_alive_can_be_switched_off<D: Dials>() {
    let (_runtime, stream, _listener) = dial::<D>(None).await;
    let socket = D::socket(&stream);
    assert!(!socket.keepalive().unwrap());
    assert_eq!(user_timeout_of(&socket, None), None);
}

/// A broker that is short of memory reads nothing for as long as that lasts. Its heart-beats tell that it lives.
async fn a_broker_that_beats_may_be_busy_for_longer<D: Dials>() {
    let (runtime, mut stream, listener) = dial::<D>(Some(KeepAlive::default())).await;
    runtime.broker_beats(false);
    stream.write_all(b"\n").await.unwrap();
    assert_eq!(user_timeout_of(&D::socket(&stream), Some(120)), Some(120), "nobody else would notice");
    runtime.broker_beats(true);
    stream.write_all(b"\n").await.unwrap();
    assert_eq!(user_timeout_of(&D::socket(&stream), None), None);
    assert_eq!(keep_alive_of(&D::socket(&stream)), (true, 60, 15, 4), "it is asked all the same");

    // The next broker has promised nothing yet.
    let port = listener.local_addr().unwrap().port();
    let mut next = runtime.dial("127.0.0.1", port, 1).await.unwrap();
    next.write_all(b"\n").await.unwrap();
    assert_eq!(user_timeout_of(&D::socket(&next), Some(120)), Some(120));
}

/// The system shows the timer of each of its connections.
async fn the_settings_of_a_client_reach_its_connection<D: Dials>() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let mut patient = KeepAlive::default();
    patient.idle = Duration::from_secs(5_000);
    for (keep_alive, probed) in
        [(Some(KeepAlive::default()), Some(1..=60)), (Some(patient), Some(61..=5_000)), (None, None)]
    {
        let server = Server::start(BrokerConfig::default()).unwrap();
        let settings = patient_settings().keep_alive(keep_alive);
        let (client, _kill) = D::start(crate::config(&server.uri()), settings);
        client.connected().await.unwrap();
        let timer = keep_alive_timer(server.address().port()).await;
        assert_eq!(timer.is_some(), probed.is_some());
        assert!(timer.zip(probed).is_none_or(|(timer, probed)| probed.contains(&timer)), "{timer:?} s");
        client.disconnect().await.unwrap();
    }
}

/// The seconds until the client of that port probes its connection; `None` if it never does. proc_net_tcp(5): fields 2 and
/// 3 are the addresses, 4 is the state, 6 the timer and its hundredths of a second.
async fn keep_alive_timer(port: u16) -> Option<u64> {
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row[2].ends_with(&format!(":{port:04X}")) && row[3] == "01").unwrap();
        let (timer, after) = row[5].split_once(':').unwrap();
        match timer {
            "00" => return None,
            "02" => return Some(u64::from_str_radix(after, 16).unwrap() / 100),
            // Something is on its way, and not acknowledged yet.
            _ => futures_lite::future::yield_now().await,
        }
    }
}

/// No octet of it is always the same: by chance that would happen once in 2^(8·63) times.
async fn entropy_is_random<D: Dials>() {
    let runtime = D::runtime(None);
    let draws: Vec<_> = (0..64).map(|_| runtime.entropy()).collect();
    let is_fixed = |at: usize| draws.iter().all(|draw| draw[at] == draws[0][at]);
    assert!(!(0..32).any(is_fixed), "{draws:?}");
}

/// It begins at zero, and a sleep ends no sooner than it was to.
async fn its_clock_goes_on<D: Dials>() {
    let runtime = D::runtime(None);
    let begun = runtime.now();
    for pause in [Duration::ZERO, Duration::from_millis(20)] {
        let until = runtime.now().after(pause);
        runtime.sleep_until(until).await;
        assert!(runtime.now() >= until);
    }
    runtime.sleep_until(begun).await;
    let never = pin!(runtime.sleep_until(Timestamp::MAX));
    assert!(futures_lite::future::poll_once(never).await.is_none());
}
