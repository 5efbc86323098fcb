//! The keep-alive of TCP connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use smol::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};
use stomp_session::client::KeepAlive;

/// Sets the options that the system has. One that it lacks is no reason to fail, because heart-beats notice a dead peer
/// too.
pub(crate) fn keep_alive(stream: &TcpStream, keep_alive: &KeepAlive) {
    let socket = SockRef::from(stream);
    let keep_alive = keep_alive.rounded();
    let probing = TcpKeepalive::new().with_time(keep_alive.idle);
    #[cfg(any(
        target_os = "android",
        target_os = "freebsd",
        target_os = "ios",
        target_os = "linux",
        target_os = "macos",
        target_os = "netbsd",
        target_os = "windows",
    ))]
    let probing = probing.with_interval(keep_alive.interval).with_retries(keep_alive.probes);
    _ = socket.set_tcp_keepalive(&probing);
    set_user_timeout(stream, keep_alive.user_timeout);
}

/// Whether the broker of the latest connection has promised heart-beats. A stream checks this until it has.
pub(crate) type Beats = Option<Arc<AtomicBool>>;

/// Switches the user timeout off once heart-beats show whether the broker lives. It would also end the connection to a
/// broker that lives but does not read.
pub(crate) fn trust_beats(stream: &TcpStream, beats: &mut Beats) {
    if beats.as_ref().is_some_and(|promised| promised.load(Ordering::Relaxed)) {
        *beats = None;
        set_user_timeout(stream, None);
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn set_user_timeout(stream: &TcpStream, limit: Option<Duration>) {
    _ = SockRef::from(stream).set_tcp_user_timeout(limit);
}

/// Other systems have no user timeout.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn set_user_timeout(_: &TcpStream, _: Option<Duration>) {}
