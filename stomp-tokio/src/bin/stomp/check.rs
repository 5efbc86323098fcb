//! `stomp check`: connects to each broker, step by step, and says which step failed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::{Map, Value, json};
use stomp_tokio::{Brokers, Compat, Connection, Dial, Endpoint, Tokio, TransportStream};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{
    exit::{Code, Failure, Outcome, facts},
    run::Run,
    words,
};

/// Say step by step whether a broker can be used
#[derive(Args)]
pub(crate) struct Check {
    /// The broker or the brokers [default: --uri]
    #[arg(value_name = "URI")]
    pub(crate) broker: Option<String>,
}

/// What was found out about one broker.
struct Report {
    lines: Vec<String>,
    steps: Vec<Value>,
    facts: Map<String, Value>,
    failure: Option<Failure>,
}

impl Check {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        let brokers = run.brokers()?;
        // What is wrong with the options is no fault of a broker.
        drop(run.builder(brokers.clone())?);
        let mut reports = Vec::new();
        for endpoint in &brokers.endpoints {
            let mut report = Report::new(endpoint);
            if let Err(failure) = report.check(run, endpoint, &brokers).await {
                report.failed(&failure);
            }
            reports.push(report);
        }
        Ok(outcome(reports))
    }
}

fn outcome(reports: Vec<Report>) -> Outcome {
    let failed = reports.iter().filter(|report| report.failure.is_some()).count();
    let code = match reports.iter().find_map(|report| report.failure.as_ref()) {
        Some(_) if failed < reports.len() => Code::Partly,
        Some(failure) => failure.code,
        None => Code::Done,
    };
    let words: Vec<_> = reports.iter().map(|report| report.lines.join("\n")).collect();
    let told: Vec<_> = reports.into_iter().map(Report::told).collect();
    Outcome::new(code, words.join("\n\n"), json!({ "brokers": told })).report()
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

impl Report {
    fn new(endpoint: &Endpoint) -> Self {
        let lines = vec![format!("{endpoint}, virtual host {}", endpoint.virtual_host())];
        let facts = facts(json!({ "broker": endpoint.to_string() }));
        Self { lines, steps: Vec::new(), facts, failure: None }
    }

    fn line(&mut self, name: &str, mark: &str, words: &str) {
        self.lines.push(format!("  {name:<12}{mark:<8}{words}"));
    }

    fn passed(&mut self, step: &str, since: Instant, words: &str) {
        let took = milliseconds(since.elapsed());
        self.line(step, "ok", &format!("{words} ({took:.1} ms)"));
        self.steps.push(json!({ "step": step, "ok": true, "words": words, "ms": took }));
    }

    fn failed(&mut self, failure: &Failure) {
        let (step, words) = failure.words.split_once('\n').unwrap_or(("check", &failure.words));
        self.line(step, "FAILED", words);
        self.steps.push(json!({ "step": step, "ok": false, "words": words }));
        self.failure = Some(failure.clone());
    }

    fn told(mut self) -> Value {
        self.facts.insert("ok".into(), self.failure.is_none().into());
        self.facts.insert("steps".into(), self.steps.into());
        self.facts.into()
    }

    async fn check(&mut self, run: &Run, endpoint: &Endpoint, brokers: &Brokers) -> Result<(), Failure> {
        self.reach(run, endpoint).await?;
        let one = Brokers::one(endpoint.clone()).with_reconnect(brokers.reconnect.clone());
        let builder = run.builder(one)?;
        let since = Instant::now();
        let link = run.connect_by(builder).await.map_err(|failure| at("login", failure))?;
        let connection = link.client.connection();
        self.passed("login", since, "the broker has answered CONNECTED");
        if let Some(connection) = &connection {
            self.describe(connection);
        }
        let since = Instant::now();
        match link.leave().await {
            Ok(_) => self.passed("disconnect", since, "confirmed"),
            Err(closed) => return Err(at("disconnect", closed.into())),
        }
        Ok(())
    }

    /// The steps below STOMP, on a connection of their own.
    async fn reach(&mut self, run: &Run, endpoint: &Endpoint) -> Result<(), Failure> {
        let since = Instant::now();
        let found = in_time(run, "name", lookup_host((endpoint.host(), endpoint.port()))).await?;
        let addresses: Vec<_> = found.collect();
        let names: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        self.passed("name", since, &names.join(", "));
        let since = Instant::now();
        let stream = in_time(run, "dial", TcpStream::connect(&addresses[..])).await?;
        let peer = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
        self.passed("dial", since, &format!("connected to {peer}"));
        let dial = Dial::new(Arc::new(Tokio::new()), run.tls()?);
        let stream = self.secure(run, &dial, endpoint, stream).await?;
        if endpoint.web_socket().is_some() {
            let since = Instant::now();
            let opening = dial.open_web_socket(endpoint, stream);
            let (_, chosen) = in_time(run, "WebSocket", opening).await?;
            self.passed("WebSocket", since, &format!("101, {}", words::of_subprotocol(chosen)));
        }
        Ok(())
    }

    async fn secure(
        &mut self,
        run: &Run,
        dial: &Dial<Tokio>,
        endpoint: &Endpoint,
        stream: TcpStream,
    ) -> Result<TransportStream, Failure> {
        let since = Instant::now();
        // The same without the WebSocket, which is a step of its own.
        let below = match endpoint.is_tls() {
            true => Endpoint::tls(endpoint.host(), endpoint.port()),
            false => Endpoint::plain(endpoint.host(), endpoint.port()),
        };
        let stream = in_time(run, "TLS", dial.secure(&below, Compat::from(stream))).await?;
        match endpoint.is_tls() {
            true => self.passed("TLS", since, "the certificate is trusted and issued for this host"),
            false => self.line("TLS", "none", "what is sent can be read on the way"),
        }
        Ok(stream)
    }

    fn describe(&mut self, connection: &Connection) {
        let (server, beat) = (connection.server.as_deref().unwrap_or("not named"), connection.heart_beat);
        let [ours, theirs] = [beat.outgoing, beat.incoming].map(|beat| match beat {
            0 => "never".to_owned(),
            beat => format!("every {} s", beat as f64 / 1000.0),
        });
        self.line("version", "", &connection.version.to_string());
        self.line("server", "", server);
        self.line("heart-beats", "", &format!("ours {ours}, the broker's {theirs}"));
        self.line("profile", "", connection.profile.name);
        let words = words::of_profile(&connection.profile);
        words.iter().for_each(|words| self.line("", "", words));
        self.facts.extend(facts(json!({
            "version": connection.version.to_string(), "server": connection.server,
            "heart_beat": { "send": beat.outgoing, "receive": beat.incoming },
            "profile": connection.profile.name, "profile_says": words,
        })));
    }
}

/// The step stands before the words, on a line of its own.
fn at(step: &str, failure: Failure) -> Failure {
    Failure { words: format!("{step}\n{}", failure.words), ..failure }
}

async fn in_time<T>(
    run: &Run,
    step: &str,
    work: impl Future<Output = std::io::Result<T>>,
) -> Result<T, Failure> {
    match run.unless_stopped(timeout(run.patience(), work)).await? {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
            Err(at(step, Failure::new(Code::TimedOut, error.to_string())))
        }
        Ok(Err(error)) => Err(at(step, Failure::new(Code::NoConnection, error.to_string()))),
        Err(_) => {
            let words = format!("nothing within {:.1} s", run.patience().as_secs_f64());
            Err(at(step, Failure::new(Code::TimedOut, words)))
        }
    }
}
