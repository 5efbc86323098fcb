//! A provider of credentials, which is asked for each attempt to connect.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::contain::Contained;
use crate::{Attempt, Login, Lost};

type Asking = Pin<Box<dyn Future<Output = Result<Login, String>> + Send>>;

/// A provider of the login for each attempt to connect, such as for tokens that expire or for a vault.
///
/// The driver asks the provider before it dials, within [`Builder::connect_timeout`](super::Builder::connect_timeout),
/// and drops its future when the attempt is given up. The future must therefore be safe to drop at any await. An error
/// or a panic ends the attempt with [`Lost::NoCredentials`] and its text, in which known passcodes are hidden.
///
/// [`Attempt::refused`] is the ERROR with which the broker refused the last attempt. If a refused login may be followed
/// by a better one, set [`Builder::refused_at_start`](super::Builder::refused_at_start), so that the session does not
/// give the broker up. The provider is then asked again for each attempt. A login that was refused is not sent to that
/// broker for a minute at first, doubling up to 15 minutes ([`Lost::LoginHeldBack`]). A different login is sent at
/// once.
///
/// ```
/// use stomp_session::{Login, client::{Client, Credentials}};
/// # async fn fetch_token() -> std::io::Result<String> { Ok(String::new()) }
///
/// let credentials = Credentials::new(async |_attempt| {
///     let token = fetch_token().await?;
///     Ok::<_, std::io::Error>(Login::new("me", token))
/// });
/// let builder = Client::builder("tcp://broker.example").credentials(credentials);
/// ```
#[derive(Clone)]
pub struct Credentials(Arc<dyn Fn(Attempt) -> Asking + Send + Sync>);

impl Credentials {
    /// Creates a provider that calls this function for each attempt.
    pub fn new<F, E>(provider: impl Fn(Attempt) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Login, E>> + Send + 'static,
        E: fmt::Display,
    {
        Self(Arc::new(move |attempt| {
            let asked = provider(attempt);
            Box::pin(async { asked.await.map_err(|error| error.to_string()) })
        }))
    }

    pub(super) async fn ask(self, attempt: Attempt) -> Result<Login, Lost> {
        let asked = Contained::new(async move { (self.0)(attempt).await }).await;
        asked.unwrap_or_else(|panic| Err(format!("panicked: {panic}"))).map_err(Lost::NoCredentials)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}
