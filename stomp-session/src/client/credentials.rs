//! Who we are, asked anew for each attempt.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::contain::Contained;
use crate::{Attempt, Login, Lost};

type Asking = Pin<Box<dyn Future<Output = Result<Login, String>> + Send>>;

/// Asks for the login of each attempt to connect: for tokens that expire, and vaults. It is asked by the driver before it
/// dials, within [`Builder::connect_timeout`](super::Builder::connect_timeout), and given up with the attempt; so it must be
/// fit to be dropped at any await. An error, or a panic, ends the attempt with [`Lost::NoCredentials`] and its text, in which
/// the passcodes that are known are hidden.
///
/// [`Attempt::refused`] says what the broker did not like about the last one. Where a refused login may be followed by a
/// better one, [`Builder::refused_at_start`](super::Builder::refused_at_start) keeps the session from giving the broker up.
/// The provider is then asked again and again; the login that was refused is not sent to that broker for a minute, doubling
/// to 15 ([`Lost::LoginHeldBack`]), another one is sent at once.
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
    /// Asks that function.
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
