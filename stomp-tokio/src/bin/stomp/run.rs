//! What all commands run with: the broker, the login, the output, and the wish to end.

use std::{fs, path::Path, time::Duration};

use stomp_tokio::{
    Brokers, BrokersError, Builder, Client, ClientCertificate, Closed, Connect as _, Farewell, Login,
    SendBuilder, SubscribeBuilder, TlsConfig,
};
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    exit::{Code, Failure},
    news::News,
    options::Options,
    output::Output,
    secrets::Secrets,
    signals::Stop,
};

/// The longest time to part from a broker.
const PARTING: Duration = Duration::from_secs(10);

/// So many octets may wait for their RECEIPT, beside a message of any size.
const KEPT: usize = 32 << 20;

/// So many octets of messages are received ahead, and eight times as many while an acknowledgement awaits its answer, which
/// comes after them. Beyond that it is unknown whether it was acknowledged.
const AHEAD: usize = 16 << 20;

/// What a command runs with.
pub(crate) struct Run {
    pub(crate) output: Output,
    pub(crate) stop: Stop,
    pub(crate) secrets: Secrets,
    login: Option<Login>,
    options: Options,
}

/// A client, and what is heard of its connection.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) news: News,
    telling: JoinHandle<()>,
}

impl Run {
    /// Reads what the options name.
    pub(crate) fn new(options: Options, output: Output, stop: Stop) -> Result<Self, Failure> {
        let mut secrets = Secrets::default();
        options.uri.iter().for_each(|uri| secrets.note_uri(uri));
        let login = secrets.login(&options)?;
        Ok(Self { output, stop, secrets, login, options })
    }

    /// The longest wait for an answer.
    pub(crate) const fn patience(&self) -> Duration {
        self.options.timeout.0
    }

    /// The brokers that the options name.
    pub(crate) fn brokers(&self) -> Result<Brokers, Failure> {
        let missing =
            || Failure::usage("which broker? Give --uri or set STOMP_URI, such as tcp://localhost:61613");
        let uri = self.options.uri.as_ref().filter(|uri| !uri.is_empty()).ok_or_else(missing)?;
        uri.parse().map_err(|error: BrokersError| Failure::usage(error.to_string()))
    }

    /// All settings of a client for these brokers.
    pub(crate) fn builder(&self, mut brokers: Brokers) -> Result<Builder, Failure> {
        if self.options.wait {
            brokers.reconnect.startup_max_attempts = None;
        }
        let patience = self.patience();
        let tenth = Duration::from_secs(10).min(patience);
        let builder = Client::builder(brokers)
            .connect_timeout(tenth)
            .connected_timeout(tenth)
            .send_timeout(patience)
            .timeout(patience)
            .receipt_timeout(patience)
            .at_least_once_timeout(patience)
            .at_least_once_octets(
                usize::try_from(self.options.max_body).unwrap_or(usize::MAX).saturating_add(KEPT),
            )
            .subscribe_timeout(patience)
            .prefetch_budget(u32::MAX)
            .inbound_budget(AHEAD)
            .disconnect_timeout(PARTING.min(patience))
            .limits(|limits| limits.body = self.options.max_body)
            .tls(self.tls()?);
        let builder = match &self.login {
            Some(login) => builder.login(login.clone()),
            None => builder,
        };
        Ok(match &self.options.client_id {
            Some(id) => builder.connect_header("client-id", id),
            None => builder,
        })
    }

    pub(crate) fn tls(&self) -> Result<TlsConfig, Failure> {
        let mut tls = TlsConfig::default();
        for file in &self.options.ca_file {
            tls.roots.push(read(file)?);
        }
        if let (Some(chain), Some(key)) = (&self.options.cert_file, &self.options.key_file) {
            tls.client_certificate = Some(ClientCertificate::pem(read(chain)?, read(key)?));
        }
        Ok(tls)
    }

    /// All settings of a client, as the options have them.
    pub(crate) fn prepare(&self) -> Result<Builder, Failure> {
        let brokers = self.brokers()?;
        self.builder(brokers)
    }

    /// Connects within the time that the user has.
    pub(crate) async fn connect(&self) -> Result<Link, Failure> {
        let builder = self.prepare()?;
        self.connect_by(builder).await
    }

    /// The same with more settings.
    pub(crate) async fn connect_by(&self, builder: Builder) -> Result<Link, Failure> {
        let (client, driver) = builder.build().map_err(|error| Failure::usage(error.to_string()))?;
        let listener = if self.options.frames { client.trace() } else { client.listen() };
        let news = News::default();
        let telling = tokio::spawn(news.clone().tell(listener, self.output.clone(), self.secrets.clone()));
        tokio::spawn(driver.run());
        let connected = tokio::select! {
            code = self.stop.requested() => return Err(Failure::new(code, "ended before it was connected")),
            connected = timeout(self.patience(), client.connected()) => connected,
        };
        match connected {
            Ok(Ok(_)) => Ok(Link { client, news, telling }),
            Ok(Err(closed)) => Err(closed.into()),
            Err(_) => Err(self.no_connection(&news)),
        }
    }

    /// The output of the future, unless a signal comes first.
    pub(crate) async fn unless_stopped<T>(&self, future: impl IntoFuture<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            code = self.stop.requested() => Err(Failure::new(code, "ended by a signal")),
            output = future.into_future() => Ok(output),
        }
    }

    /// There was no connection for that time.
    pub(crate) fn no_connection(&self, news: &News) -> Failure {
        let why = news.last_failure().map(|why| format!(": {why}")).unwrap_or_default();
        Failure::new(
            Code::TimedOut,
            format!("no connection within {:.1} s{why}", self.patience().as_secs_f64()),
        )
    }
}

impl Link {
    /// Whether this broker takes every destination for a topic unless it is told otherwise. A message to a topic without
    /// subscribers is confirmed and lost.
    fn wants_to_be_told(&self) -> bool {
        let connection = self.client.connection();
        connection.is_some_and(|connection| !connection.profile.send_to_queue.is_empty())
    }

    /// The message, sent to a queue.
    pub(crate) fn to_queue(&self, send: SendBuilder) -> SendBuilder {
        if self.wants_to_be_told() { send.to_queue() } else { send }
    }

    /// The subscription, to a queue.
    pub(crate) fn subscribe_to_queue(&self, subscribe: SubscribeBuilder) -> SubscribeBuilder {
        if self.wants_to_be_told() { subscribe.from_queue() } else { subscribe }
    }

    /// Disconnects within its deadline, and hears all news.
    pub(crate) async fn leave(self) -> Result<Farewell, Closed> {
        let farewell = self.client.disconnect().await;
        drop(self.client);
        _ = self.telling.await;
        farewell
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::io(file.display(), &error))
}
