//! An attempt to connect: the login is asked for, then the stream is opened.

use std::{future::Future, io, pin::Pin, sync::Arc};

use super::{
    contain::Contained,
    credentials::Credentials,
    runtime::{Addresses, Connector, TransportError},
};
use crate::{Attempt, AttemptId, Login, Lost, TransportFailure};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An attempt to connect that is under way.
pub(super) struct Dialling<S> {
    pub(super) attempt: AttemptId,
    pub(super) addresses: Arc<Addresses>,
    pub(super) dial: Boxed<Result<(S, Option<Login>), Lost>>,
}

/// Asks for the login first, because a broker does not wait long for CONNECT once a connection is made.
pub(super) async fn dial<C: Connector>(
    attempt: Attempt,
    addresses: Arc<Addresses>,
    connector: Arc<C>,
    credentials: Option<Credentials>,
) -> Result<(C::Stream, Option<Login>), Lost> {
    let login = match credentials {
        Some(credentials) => Some(credentials.ask(attempt.clone()).await?),
        None => None,
    };
    login.as_ref().map_or(Ok(()), |login| attempt.check(login))?;
    let connected = async { connector.connect_counted(&attempt.endpoint, &addresses).await };
    let failed = |reason, permanent| Err(Lost::DialFailed { reason, permanent });
    match Contained::new(connected).await {
        Ok(Ok(stream)) => Ok((stream, login)),
        Ok(Err(error)) => failed(dial_failure(&error), TransportError::is_permanent(&error)),
        Err(panic) => failed(format!("the connector panicked: {panic}").into(), false),
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
    TransportFailure::from(dial_error(error)).of_kind(error.kind())
}
