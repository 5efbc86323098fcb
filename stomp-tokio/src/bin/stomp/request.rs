//! `stomp request`: sends a request and prints its reply.

use std::{io::IsTerminal as _, path::PathBuf};

use clap::Args;
use stomp_tokio::Bytes;

use crate::{
    exit::{Failure, Outcome},
    lines,
    options::Header,
    output::for_stdout,
    record,
    run::Run,
};

/// Send a request, and print its reply
#[derive(Args)]
pub(crate) struct Request {
    /// Where somebody answers, such as /queue/prices
    #[arg(value_name = "DEST")]
    destination: String,
    /// The body; without one, it is read from stdin
    body: Option<String>,
    /// Read the body from a file (-: stdin)
    #[arg(short, long, conflicts_with = "body")]
    file: Option<PathBuf>,
    /// A header, several times; escapes \n \r \c \\
    #[arg(short = 'H', long, value_name = "NAME:VALUE")]
    header: Vec<Header>,
    /// No content-length: text for JMS (ActiveMQ)
    #[arg(long)]
    text: bool,
    /// It is a queue, whatever its name (Artemis)
    #[arg(long)]
    to_queue: bool,
}

impl Request {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        let body: Bytes = match (&self.body, &self.file) {
            (Some(body), _) => body.clone().into(),
            (None, None) if std::io::stdin().is_terminal() => Bytes::new(),
            (None, file) => lines::whole(file.as_ref()).await?.into(),
        };
        let link = run.connect().await?;
        let request = link.client.request(&self.destination, body).timeout(run.patience());
        let request =
            self.header.iter().fold(request, |it, header| it.append_header(&header.name, &header.value));
        let request = if self.text { request.text() } else { request };
        let request = if self.to_queue { request.to_queue() } else { request };
        let replied = run.unless_stopped(request).await;
        let printed = match replied {
            Ok(Ok(reply)) => {
                let text = match run.output.json {
                    true => record::line(reply.headers(), reply.body()),
                    false => [&for_stdout(reply.body())[..], b"\n"].concat(),
                };
                run.output.print(&text).await.map(|_| Outcome::silent())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(failure) => Err(failure),
        };
        _ = link.leave().await;
        printed
    }
}
