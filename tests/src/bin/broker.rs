//! A STOMP broker for trying things out. `broker --help` describes it.

#![forbid(unsafe_code)]

use std::{
    env,
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    path::{Path, PathBuf},
    process::{self, ExitCode},
    str::FromStr,
    sync::Arc,
    thread,
    time::Duration,
};

use clap::{
    CommandFactory as _, Parser, ValueEnum, builder::NonEmptyStringValueParser, error::ErrorKind as Usage,
};
use stomp_testkit::{
    broker::{Broker, BrokerConfig, proto::HeartBeat},
    pki::{Authority, Identity, Leaf},
    server::{Server, ServerEvent, reachable},
    tls::{TlsFront, TlsFrontConfig},
};

const ABOUT: &str = "A STOMP broker for trying things out, which keeps its messages in memory";
const AFTER: &str = "\
Brokers: rabbitmq (3.10), rabbitmq-4.0, rabbitmq-4.3, activemq (5), activemq-6,
         artemis (2.44), artemis-2.57
Clients may connect without a login, or as guest with the passcode guest.";

/// How long the certificate is valid that the program makes.
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Parser)]
#[command(name = "broker", version, about = ABOUT, after_help = AFTER)]
struct Options {
    /// Where to listen; port 0 is any free port
    #[arg(default_value = "127.0.0.1:61613")]
    address: Address,
    /// Behave like this broker, see below
    #[arg(long, value_name = "BROKER", hide_possible_values = true)]
    like: Option<Like>,
    /// Ask for a login; passcode: BROKER_PASSCODE
    #[arg(long, value_name = "LOGIN", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// A file whose first line is the passcode
    #[arg(long, value_name = "FILE", requires = "user")]
    passcode_file: Option<PathBuf>,
    /// Offer and ask for heart-beats, in milliseconds
    #[arg(long, value_name = "OUT,IN", value_parser = periods)]
    heart_beat: Option<HeartBeat>,
    /// Take WebSockets as well, on the same port
    #[arg(long)]
    ws: bool,
    /// Take TLS as well, on the next port
    #[arg(long)]
    tls: bool,
    /// The certificate for that, instead of a new one
    #[arg(long, value_name = "FILE", requires = "tls", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of the certificate
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Where to put the authority of a new certificate
    #[arg(long, value_name = "FILE", requires = "tls", conflicts_with = "cert")]
    ca_file: Option<PathBuf>,
    /// Print each frame of clients, without its body
    #[arg(long, conflicts_with = "quiet")]
    frames: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// What a host and a port stand for.
#[derive(Clone, Debug)]
struct Address(Vec<SocketAddr>);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = text.to_socket_addrs().map_err(|error| error.to_string())?;
        Ok(Self(found.collect()))
    }
}

/// The brokers whose behaviour is known.
#[derive(Clone, Copy, ValueEnum)]
enum Like {
    Activemq,
    #[value(name = "activemq-6")]
    Activemq6,
    Artemis,
    #[value(name = "artemis-2.57")]
    Artemis2_57,
    Rabbitmq,
    #[value(name = "rabbitmq-4.0")]
    Rabbitmq4_0,
    #[value(name = "rabbitmq-4.3")]
    Rabbitmq4_3,
}

impl Like {
    fn config(self) -> BrokerConfig {
        match self {
            Self::Activemq => BrokerConfig::activemq(),
            Self::Activemq6 => BrokerConfig::activemq_6(),
            Self::Artemis => BrokerConfig::artemis(),
            Self::Artemis2_57 => BrokerConfig::artemis_2_57(),
            Self::Rabbitmq => BrokerConfig::rabbitmq(),
            Self::Rabbitmq4_0 => BrokerConfig::rabbitmq_4_0(),
            Self::Rabbitmq4_3 => BrokerConfig::rabbitmq_4_3(),
        }
    }
}

fn periods(text: &str) -> Result<HeartBeat, String> {
    let pair = HeartBeat::from_octets(text.as_bytes());
    pair.ok_or_else(|| "heart-beats are a pair of periods, such as 10000,10000".to_owned())
}

fn main() -> ExitCode {
    let options = Options::parse();
    match config(&options).and_then(|config| serve(&options, config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Other(words)) => {
            eprintln!("broker: {words}");
            ExitCode::FAILURE
        }
        Err(Failure::Usage(words)) => Options::command().error(Usage::ValueValidation, words).exit(),
    }
}

fn config(options: &Options) -> Result<BrokerConfig, Failure> {
    let mut config = options.like.map_or_else(BrokerConfig::default, Like::config);
    if let Some(offer) = options.heart_beat {
        config = config.heart_beat(offer);
    }
    if let Some(login) = &options.user {
        config = config.user(login, &passcode(options.passcode_file.as_deref())?).without_anonymous();
    }
    Ok(if options.ws { config } else { config.without_web_sockets() })
}

/// The passcode of the user, which is neither an argument, that everybody on the machine could read, nor ever printed.
fn passcode(file: Option<&Path>) -> Result<String, Failure> {
    let none = "--user needs BROKER_PASSCODE in the environment, or --passcode-file";
    match file {
        Some(file) => Ok(read(file)?.lines().next().unwrap_or_default().to_owned()),
        None => env::var("BROKER_PASSCODE").map_err(|_| Failure::Usage(none.to_owned())),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

fn serve(options: &Options, config: BrokerConfig) -> Result<(), Failure> {
    let quiet = options.quiet;
    let observe = move |event| {
        if !quiet {
            tell(event);
        }
    };
    let server = Server::observed(&*options.address.0, Broker::new(config), observe);
    let server = Arc::new(server.map_err(|error| cannot_listen(&options.address.0, &error))?);
    let encrypted = if options.tls { Some(Encrypted::start(options, server.address())?) } else { None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Whoever reads where to connect may stop the program from then on.
    let mut stop = runtime.block_on(async { Stop::listen() })?;
    if !quiet {
        announce(options, server.address(), encrypted.as_ref());
    }
    if options.frames {
        let server = Arc::clone(&server);
        thread::spawn(move || print_frames(&server));
    }
    runtime.block_on(stop.wait());
    drop(encrypted.map(|encrypted| encrypted.authority));
    // The system closes the connections. No thread is waited for, since it may write what nobody reads.
    process::exit(0)
}

/// TLS on a port of its own.
struct Encrypted {
    front: TlsFront,
    /// Where the certificate is that clients have to trust, unless it is a given one.
    authority: Option<AuthorityFile>,
}

impl Encrypted {
    fn start(options: &Options, broker: SocketAddr) -> Result<Self, Failure> {
        let is_any = options.address.0.iter().all(|address| address.port() == 0);
        let port = match broker.port().checked_add(1) {
            _ if is_any => 0,
            Some(next) => next,
            None => return Err(Failure::Usage("there is no port after 65535 for --tls".to_owned())),
        };
        let (identity, authority) = match (&options.cert, &options.key) {
            (Some(certificate), Some(key)) => {
                (Identity { certificate: read(certificate)?, key: read(key)? }, None)
            }
            _ => Self::new_identity(options, broker.ip())?,
        };
        let address = SocketAddr::new(broker.ip(), port);
        let front = TlsFront::bind(address, reachable(broker), &identity, TlsFrontConfig::default());
        let front = front.map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => {
                Failure::Usage(format!("no TLS with that certificate and key: {error}"))
            }
            _ => cannot_listen(&[address], &error),
        })?;
        Ok(Self { front, authority })
    }

    fn new_identity(
        options: &Options,
        listens: IpAddr,
    ) -> Result<(Identity, Option<AuthorityFile>), Failure> {
        let authority = Authority::new("the program broker of stomp-testkit");
        let listens = listens.to_string();
        let names = ["localhost", "127.0.0.1", "::1", &listens];
        let identity = authority.issue(&Leaf::server(&names).valid_for(MONTH));
        let file = AuthorityFile::write(options.ca_file.as_deref(), authority.certificate())?;
        Ok((identity, Some(file)))
    }
}

/// A file with the certificate of an authority. Nothing in it is secret.
struct AuthorityFile {
    path: PathBuf,
    is_temporary: bool,
}

impl AuthorityFile {
    fn write(named: Option<&Path>, certificate: &str) -> Result<Self, Failure> {
        let (path, is_temporary) = match named {
            Some(path) => (path.to_owned(), false),
            None => (env::temp_dir().join(format!("stomp-broker-{}.pem", process::id())), true),
        };
        let written = if is_temporary {
            // One may be left of a process that was killed. Another's file, or a link, is not written to.
            _ = fs::remove_file(&path);
            File::create_new(&path).and_then(|mut file| file.write_all(certificate.as_bytes()))
        } else {
            fs::write(&path, certificate)
        };
        written.map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
        Ok(Self { path, is_temporary })
    }
}

impl Drop for AuthorityFile {
    fn drop(&mut self) {
        if self.is_temporary {
            _ = fs::remove_file(&self.path);
        }
    }
}

/// Says where to connect, a URI for each way.
fn announce(options: &Options, address: SocketAddr, encrypted: Option<&Encrypted>) {
    let who = match &options.user {
        Some(login) => format!("as {login} or guest"),
        None => "without a login, or as guest with the passcode guest".to_owned(),
    };
    say(&format!("clients connect {who}:"));
    let plain = ("tcp", "ws", reachable(address));
    let tls = encrypted.map(|encrypted| ("ssl", "wss", reachable(encrypted.front.address())));
    for (scheme, web, address) in [plain].into_iter().chain(tls) {
        say(&format!("  {scheme}://{address}"));
        if options.ws {
            say(&format!("  {web}://{address}/ws"));
        }
    }
    if let Some(authority) = encrypted.and_then(|encrypted| encrypted.authority.as_ref()) {
        say(&format!("the certificate of the authority to trust: {}", authority.path.display()));
    }
}

fn tell(event: ServerEvent) {
    match event {
        ServerEvent::Opened { connection, client } => {
            say(&format!("connection {connection} opened by {client}"))
        }
        ServerEvent::Closed { connection } => say(&format!("connection {connection} closed")),
        _ => {}
    }
}

/// Prints what clients send, as it comes. Frames hide passcodes themselves.
fn print_frames(server: &Server) {
    let some = |broker: &Broker| broker.received().any(|(_, frames)| !frames.is_empty());
    while server.wait_for(Duration::MAX, some).blocking().is_ok() {
        for (connection, frame) in server.with(Broker::take_frames) {
            say(&format!("connection {connection} sent {frame:?}"));
        }
    }
}

/// A closed standard output does not stop the broker.
fn say(line: &str) {
    _ = writeln!(io::stdout().lock(), "{line}");
}

/// Why the broker does not serve.
enum Failure {
    Other(String),
    /// The arguments are wrong.
    Usage(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

fn cannot_listen(addresses: &[SocketAddr], error: &io::Error) -> Failure {
    let addresses: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    Failure::Other(format!("cannot listen on {}: {error}", addresses.join(" or ")))
}

/// What ends the program: SIGINT, or SIGTERM where there is such a thing.
struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Stop {
    #[cfg(unix)]
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { signals: [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?] })
    }

    #[cfg(unix)]
    async fn wait(&mut self) {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    #[allow(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn wait(&mut self) {
        _ = tokio::signal::ctrl_c().await;
    }
}
