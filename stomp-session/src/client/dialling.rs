//! An attempt to connect: the login is asked for, then the stream is opened.

use std::{future::Future, io, pin::Pin, sync::Arc};

use super::{
    contain::Contained,
    credentials::Credentials,
    runtime::{Addresses, Connector, TransportError},
};
use crate::{Attempt, AttemptId, Endpoint, Login, Lost, TransportFailure};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An attempt to connect that is under way.
pub(super) struct Dialling<S> {
    pub(super) attempt: AttemptId,
    pub(super) addresses: Arc<Addresses>,
    /// The stream or why there is none, and the login that the application was asked for.
    pub(super) dial: Boxed<(Result<S, Lost>, Option<Login>)>,
}

/// Asks for the login first, because a broker does not wait long for CONNECT once a connection is made.
pub(super) async fn dial<C: Connector>(
    attempt: Attempt,
    addresses: Arc<Addresses>,
    connector: Arc<C>,
    credentials: Option<Credentials>,
) -> (Result<C::Stream, Lost>, Option<Login>) {
    let login = match credentials {
        Some(credentials) => match credentials.ask(attempt.clone()).await {
            Ok(login) => Some(login),
            Err(lost) => return (Err(lost), None),
        },
        None => None,
    };
    if let Err(lost) = login.as_ref().map_or(Ok(()), |login| attempt.check(login)) {
        return (Err(lost), login);
    }
    let endpoint = with_headers(attempt, login.as_ref());
    let connected = async { connector.connect_counted(&endpoint, &addresses).await };
    let dialled = match Contained::new(connected).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if TransportError::is_login_refused(&error) => {
            Err(Lost::LoginRefused(dial_failure(&error)))
        }
        Ok(Err(error)) => Err(Lost::DialFailed {
            reason: dial_failure(&error),
            permanent: TransportError::is_permanent(&error),
        }),
        Err(panic) => {
            let reason = format!("the connector panicked: {panic}").into();
            Err(Lost::DialFailed { reason, permanent: false })
        }
    };
    (dialled, login)
}

/// The endpoint of an attempt, with its login where the handshake of a WebSocket needs that before CONNECT is written.
fn with_headers(attempt: Attempt, login: Option<&Login>) -> Endpoint {
    match login.or(attempt.configured.as_ref()) {
        Some(login) if !login.handshake_headers().is_empty() => attempt.endpoint.with_login(login.clone()),
        _ => attempt.endpoint,
    }
}

/// Returns the error of the operating system with what to do about it, or the explanation of a TLS error with its
/// source.
fn dial_error(error: &io::Error) -> String {
    if let Some(source) = std::error::Error::source(error) {
        return format!("{error} ({source})");
    }
    match error.kind() {
        _ if error.get_ref().is_some_and(|inner| inner.is::<TransportError>()) => error.to_string(),
        io::ErrorKind::ConnectionRefused => format!("{error}: is a broker listening there?"),
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("{error}: is the host reachable from here?")
        }
        _ => error.to_string(),
    }
}

/// The failure of an attempt, in words that help.
pub(super) fn dial_failure(error: &io::Error) -> TransportFailure {
    coded(TransportFailure::from(dial_error(error)).of_kind(error.kind()), error)
}

/// The failure of a stream that was open.
pub(super) fn stream_failure(error: &io::Error) -> TransportFailure {
    coded(TransportFailure::from(error), error)
}

fn coded(failure: TransportFailure, error: &io::Error) -> TransportFailure {
    match TransportError::code(error) {
        Some(code) => failure.of_code(code),
        None => failure,
    }
}
