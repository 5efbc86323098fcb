//! `stomp reply`: runs a command for each request, and sends what it prints.

use std::{process::Stdio, time::Duration};

use clap::Args;
use serde_json::{Map, Value, json};
use stomp_tokio::{Client, Delivery, Failure as Failed, OnFailure, SendError, StopReason, Stopped};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    exit::{Code, Failure, Outcome},
    options::Span,
    output::counted,
    run::Run,
};

/// So much of what a command prints is sent at most.
const LONGEST: u64 = 128 << 20;

/// Run a command for each request, and send what it prints
#[derive(Args)]
pub(crate) struct Reply {
    /// Where the requests come from, such as /queue/prices
    #[arg(value_name = "DEST")]
    destination: String,
    /// For the shell; stdin: body, $STOMP_HEADERS: JSON
    #[arg(short, long, value_name = "CMD")]
    exec: String,
    /// How many at the same time
    #[arg(long, default_value_t = 1, value_name = "N")]
    concurrency: u16,
    /// The longest time for one
    #[arg(long, default_value = "60s", value_name = "TIME")]
    exec_timeout: Span,
    /// Where it fails, reply with a header exit-code
    #[arg(long)]
    keep_going: bool,
    /// It is a queue, whatever its name (Artemis)
    #[arg(long)]
    from_queue: bool,
}

impl Reply {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        let link = run.connect().await?;
        let concurrency = self.concurrency.max(1);
        let subscribe = link.client.subscribe(&self.destination).prefetch(concurrency.into());
        let subscribe = if self.from_queue { subscribe.from_queue() } else { subscribe };
        let requests = run.unless_stopped(subscribe).await??;
        let (client, stop, grace) = (link.client.clone(), run.stop.clone(), self.exec_timeout.0);
        let answered = requests
            .handle(async |request| self.answer(&client, &request).await)
            .concurrency(concurrency.into())
            .on_failure(OnFailure::Stop)
            .grace(grace)
            .until(async move { _ = stop.requested().await })
            .run()
            .await;
        drop(client);
        _ = link.leave().await;
        outcome(answered)
    }

    /// Answers one request. One without a `reply-to` is handled as well.
    async fn answer(&self, client: &Client, request: &Delivery) -> Result<(), Failure> {
        let (printed, code) = self.execute(request).await?;
        if code != Some(0) && !self.keep_going {
            let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
            return Err(Failure::new(
                Code::Failed,
                format!("the command ended {code}; the request stays in the queue"),
            ));
        }
        if request.header("reply-to").is_none() {
            return Ok(());
        }
        let reply = client.reply(request, printed);
        let reply = match code {
            Some(0) => reply,
            code => reply.header("exit-code", code.unwrap_or(-1).to_string()),
        };
        match reply.await {
            // Whoever has asked is gone; the request was handled nevertheless.
            Ok(()) | Err(SendError::Rejected(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What the command prints, and its exit code unless a signal ended it.
    async fn execute(&self, request: &Delivery) -> Result<(Vec<u8>, Option<i32>), Failure> {
        let failed = |error: std::io::Error| Failure::io(&self.exec, &error);
        let mut child = self.spawn(request).map_err(failed)?;
        let group = Group(child.id());
        match timeout(self.exec_timeout.0, talk(&mut child, request.body())).await {
            Ok(done) => {
                group.has_ended();
                done.map_err(failed)
            }
            // Dropped, it is killed.
            Err(_) => Err(Failure::new(Code::TimedOut, late(self.exec_timeout.0))),
        }
    }

    /// It does not get to know how we log in.
    fn spawn(&self, request: &Delivery) -> std::io::Result<Child> {
        let (shell, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
        let named = |(name, value): (stomp_tokio::Text<'_>, stomp_tokio::Text<'_>)| {
            let [name, value] =
                [name, value].map(|text| String::from_utf8_lossy(&text.octets()).into_owned());
            (name, Value::from(value.replace('\0', "")))
        };
        // The first of each name counts.
        let headers: Vec<_> = request.headers().iter().map(named).collect();
        let headers: Map<String, Value> = headers.into_iter().rev().collect();
        let mut command = Command::new(shell);
        command.args([option, &self.exec]).env("STOMP_HEADERS", Value::Object(headers).to_string());
        ["STOMP_URI", "STOMP_LOGIN", "STOMP_PASSCODE"].iter().for_each(|name| _ = command.env_remove(name));
        // In a group of its own: a signal to the tool lets it end, and its children are killed with it.
        #[cfg(unix)]
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()
    }
}

/// The processes of a command, which are killed when this is dropped before they have ended.
struct Group(Option<u32>);

impl Group {
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.0.and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
            _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// Writes and reads at once: a command may print before it has read all.
async fn talk(child: &mut Child, body: &[u8]) -> std::io::Result<(Vec<u8>, Option<i32>)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A command need not read what it is given.
            _ = stdin.write_all(body).await;
            _ = stdin.shutdown().await;
        }
    };
    let read = async {
        let mut printed = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(LONGEST).read_to_end(&mut printed).await?;
        }
        std::io::Result::Ok(printed)
    };
    let ((), printed) = tokio::join!(write, read);
    let printed = printed?;
    let status = child.wait().await?;
    Ok((printed, status.code()))
}

fn late(limit: Duration) -> String {
    format!("the command took longer than {:.1} s; the request stays in the queue", limit.as_secs_f64())
}

fn outcome(answered: Result<stomp_tokio::Tally, Stopped<Failure>>) -> Result<Outcome, Failure> {
    match answered {
        Ok(tally) => {
            let told = json!({ "answered": tally.handled });
            Ok(Outcome::new(Code::Done, format!("{} answered", counted(tally.handled, "request")), told))
        }
        Err(Stopped { tally, reason: StopReason::Failed(Failed::Error(failure)), .. }) => {
            Err(Failure { code: failure.code_after(tally.handled), ..failure })
        }
        Err(stopped) => Err(Failure::new(Code::Failed, stopped.to_string())),
    }
}
