//! `stomp trace`: shows the frames of a connection, in both directions and without secrets.

use std::{future::pending, time::Instant};

use clap::Args;
use serde_json::{Value, json};
use stomp_tokio::{Client, Closed, Connect as _, Frame, Listener, Notice};
use tokio::time::{sleep, timeout};

use crate::{
    exit::{Code, Failure, Outcome},
    frames,
    options::{Header, Span},
    output::Reader,
    run::Run,
};

/// Show the frames of a connection both ways, without secrets
#[derive(Args)]
pub(crate) struct Trace {
    /// Subscribe to it, and leave its messages where they are
    #[arg(value_name = "DEST")]
    destination: Option<String>,
    /// A header of the SUBSCRIBE
    #[arg(short = 'H', long, value_name = "NAME:VALUE")]
    header: Vec<Header>,
    /// How many the broker may send
    #[arg(long, value_name = "N")]
    prefetch: Option<u32>,
    /// End after that time [default: when a signal comes]
    #[arg(long = "for", value_name = "TIME")]
    time: Option<Span>,
    /// Show heart-beats, too
    #[arg(long)]
    heart_beats: bool,
}

impl Trace {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        let builder = run.prepare()?;
        let (client, driver) = builder.build().map_err(|error| Failure::usage(error.to_string()))?;
        let mut listener = client.trace();
        tokio::spawn(driver.run());
        let start = Instant::now();
        let watching = tokio::spawn(self.watch(client.clone()));
        let shown = tokio::select! {
            shown = self.show(run, &mut listener, start) => shown,
            late = connect_in_time(run, &client) => late,
            () = self.end(run) => Ok(None),
        };
        watching.abort();
        _ = watching.await;
        // How it parts is shown as well.
        let parting = client.disconnect();
        if !matches!(shown, Ok(Some(Reader::Gone))) {
            _ = self.show(run, &mut listener, start).await;
        }
        _ = parting.await;
        shown.map(|_| Outcome::silent())
    }

    async fn end(&self, run: &Run) {
        match &self.time {
            Some(time) => tokio::select! {
                _ = run.stop.requested() => {}
                () = sleep(time.0) => {}
            },
            None => _ = run.stop.requested().await,
        }
    }

    /// Subscribes, and takes what comes without a word to the broker. What goes wrong is in the frames.
    fn watch(&self, client: Client) -> impl Future<Output = ()> + Send + 'static {
        let subscribe = self.destination.as_ref().map(|destination| {
            let subscribe = client.subscribe(destination);
            let subscribe = self.prefetch.into_iter().fold(subscribe, |it, prefetch| it.prefetch(prefetch));
            self.header.iter().fold(subscribe, |it, header| it.header(&header.name, &header.value))
        });
        async move {
            let Some(subscribe) = subscribe else { return };
            if let Ok(mut subscription) = subscribe.await {
                while subscription.next().await.is_some() {}
            }
        }
    }

    /// Shows what happens until the session ends or nobody reads.
    async fn show(
        &self,
        run: &Run,
        listener: &mut Listener,
        start: Instant,
    ) -> Result<Option<Reader>, Failure> {
        while let Some(notice) = listener.next().await {
            let closed = match &notice {
                Notice::Closed(closed @ Closed::GaveUp { .. }) => Some(closed.clone()),
                _ => None,
            };
            if let Some(line) = self.line(run, notice, start)
                && run.output.print(line.as_bytes()).await? == Reader::Gone
            {
                return Ok(Some(Reader::Gone));
            }
            if let Some(closed) = closed {
                return Err(closed.into());
            }
        }
        Ok(None)
    }

    fn line(&self, run: &Run, notice: Notice, start: Instant) -> Option<String> {
        let since = start.elapsed().as_secs_f64();
        let frame = |way, arrow, frame: &Frame| match run.output.json {
            true => {
                let mut told = frames::told(frame, &run.secrets);
                told["seconds"] = since.into();
                told["direction"] = way;
                format!("{told}\n")
            }
            false => format!("{since:9.3} {arrow} {}\n\n", frames::shown(frame, &run.secrets)),
        };
        match notice {
            Notice::Sent(sent) => Some(frame(Value::from("sent"), ">>>", &sent)),
            Notice::Received(received) => Some(frame(Value::from("received"), "<<<", &received)),
            Notice::HeartBeatSent | Notice::HeartBeatReceived if !self.heart_beats => None,
            notice => {
                let words = run.secrets.hide(&words(&notice)?);
                Some(match run.output.json {
                    true => format!("{}\n", json!({ "seconds": since, "event": words })),
                    false => format!("{since:9.3} --- {words}\n\n"),
                })
            }
        }
    }
}

/// Ends when there was no connection in time.
async fn connect_in_time(run: &Run, client: &Client) -> Result<Option<Reader>, Failure> {
    match timeout(run.patience(), client.connected()).await {
        Ok(_) => pending().await,
        Err(_) => {
            let words = format!("no connection within {:.1} s", run.patience().as_secs_f64());
            Err(Failure::new(Code::TimedOut, words))
        }
    }
}

fn words(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::HeartBeatSent => "heart-beat sent".to_owned(),
        Notice::HeartBeatReceived => "heart-beat received".to_owned(),
        Notice::Connecting(attempt) => format!("connecting to {}", attempt.endpoint),
        Notice::ConnectFailed { endpoint, reason } => format!("no connection to {endpoint}: {reason}"),
        Notice::Connected(connection) => format!("connected to {}", connection.endpoint),
        Notice::Disconnected { reason, .. } => format!("the connection has ended: {reason}"),
        Notice::Closed(closed) => closed.to_string(),
        Notice::Missed(number) => format!("{number} frames were missed"),
        _ => return None,
    })
}
