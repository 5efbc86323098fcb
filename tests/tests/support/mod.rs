//! What a suite needs of an adapter, so that it is written once and run for each.

use std::{future::Future, time::Duration};

use stomp_session::{
    Config,
    client::{Builder, Client, ConnectError, Listener, TlsConfig},
};

/// Longer than any step takes, even on a busy machine: a test that waits this long has hung. No other duration decides a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// Drops the driver, and with it the connection, without a word to the broker.
pub(crate) type Kill = Box<dyn FnOnce() + Send>;

/// A runtime with its adapter.
pub(crate) trait Adapter: 'static {
    /// For messages.
    const NAME: &'static str;

    /// Runs the runtime.
    fn block_on<T>(future: impl Future<Output = T>) -> T;

    /// A client with a listener that misses nothing, whose driver is running then.
    fn start_heard(config: Config, settings: Builder) -> (Client, Listener, Kill);

    /// A client whose driver is running.
    fn start(config: Config, settings: Builder) -> (Client, Kill) {
        let (client, _, kill) = Self::start_heard(config, settings);
        (client, kill)
    }

    /// The client of one URI.
    fn connect(uri: &str) -> impl Future<Output = Result<Client, ConnectError>> + Send;

    /// The future's output, unless it takes longer than that.
    fn within<T>(limit: Duration, future: impl Future<Output = T>) -> impl Future<Output = Option<T>>;
}

/// stomp-tokio.
pub(crate) struct Tokio;

impl Adapter for Tokio {
    const NAME: &'static str = "tokio";

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Runtime::new().expect("tokio starts");
        runtime.block_on(future)
    }

    fn start_heard(config: Config, settings: Builder) -> (Client, Listener, Kill) {
        let (client, driver) = stomp_tokio::Connect::build(settings.config(config)).expect("no URI is read");
        let listener = client.listen();
        let task = tokio::spawn(driver.run());
        (client, listener, Box::new(move || task.abort()))
    }

    async fn connect(uri: &str) -> Result<Client, ConnectError> {
        stomp_tokio::connect(uri).await
    }

    async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(limit, future).await.ok()
    }
}

/// stomp-smol.
pub(crate) struct Smol;

impl Adapter for Smol {
    const NAME: &'static str = "smol";

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }

    fn start_heard(config: Config, settings: Builder) -> (Client, Listener, Kill) {
        let (client, driver) = stomp_smol::Connect::build(settings.config(config)).expect("no URI is read");
        let listener = client.listen();
        let task = smol::spawn(driver.run());
        (client, listener, Box::new(move || drop(task)))
    }

    async fn connect(uri: &str) -> Result<Client, ConnectError> {
        stomp_smol::connect(uri).await
    }

    async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let late = async {
            smol::Timer::after(limit).await;
            None
        };
        smol::future::or(async { Some(future.await) }, late).await
    }
}

/// For the broker of that URI, however busy the machine is: nothing is given up, and no heart-beat can be late.
#[allow(dead_code, reason = "a suite may have other limits")]
pub(crate) fn patient_config(uri: &str) -> Config {
    let mut config = Config::new(uri.parse().expect("a URI"));
    (config.send_beat, config.receive_beat) = (Duration::ZERO, Duration::ZERO);
    (config.connect_timeout, config.connected_timeout) = (PATIENCE, PATIENCE);
    (config.receipt_timeout, config.timeout) = (PATIENCE, PATIENCE);
    (config.unsubscribe_timeout, config.disconnect_timeout) = (PATIENCE, PATIENCE);
    config
}

/// The same for what is set of a client.
#[allow(dead_code, reason = "a suite may have other limits")]
pub(crate) fn patient_settings() -> Builder {
    patient_with(patient_tls())
}

/// The same with that TLS.
#[allow(dead_code, reason = "a suite may speak none")]
pub(crate) fn patient_with(tls: TlsConfig) -> Builder {
    Client::builder("tcp://localhost").tls(tls).send_timeout(PATIENCE).subscribe_timeout(PATIENCE)
}

/// The same for TLS.
#[allow(dead_code, reason = "a suite may speak none")]
pub(crate) fn patient_tls() -> TlsConfig {
    let mut tls = TlsConfig::default();
    tls.handshake_timeout = PATIENCE;
    tls
}

/// Begins all of them, does that, and waits for all: their outcomes, in their order.
#[allow(dead_code, reason = "not every suite has many at once")]
pub(crate) async fn join<F: Future + Unpin>(mut futures: Vec<F>, then: impl FnOnce()) -> Vec<F::Output> {
    let mut early = Vec::new();
    for future in &mut futures {
        early.push(futures_lite::future::poll_once(future).await);
    }
    then();
    let mut outputs = Vec::new();
    for (early, future) in early.into_iter().zip(futures) {
        outputs.push(match early {
            Some(output) => output,
            None => future.await,
        });
    }
    outputs
}

/// A client of that configuration, connected.
#[allow(dead_code, reason = "a suite may have settings for all of its clients")]
pub(crate) async fn connect_with<A: Adapter>(config: Config) -> Result<(Client, Kill), ConnectError> {
    connect_as::<A>(config, patient_settings()).await
}

/// A client of that configuration and these settings, connected.
pub(crate) async fn connect_as<A: Adapter>(
    config: Config,
    settings: Builder,
) -> Result<(Client, Kill), ConnectError> {
    let (client, kill) = A::start(config, settings);
    // A smol task that is dropped is cancelled: the handle to kill is kept whatever comes.
    client.connected().await?;
    Ok((client, kill))
}
