//! What can be said of a message that is sent.

use clap::Args;
use stomp_tokio::SendBuilder;

use crate::options::Header;

/// The properties of what is sent.
#[derive(Args, Clone)]
pub(crate) struct Properties {
    /// A header, several times; escapes \n \r \c \\
    #[arg(short = 'H', long, value_name = "NAME:VALUE")]
    header: Vec<Header>,
    /// Survive a restart of the broker
    #[arg(short, long)]
    persistent: bool,
    /// No content-length: text for JMS (ActiveMQ)
    #[arg(long)]
    text: bool,
    /// It is a queue, whatever its name (Artemis)
    #[arg(long)]
    to_queue: bool,
}

impl Properties {
    /// The message with these properties.
    pub(crate) fn of(&self, send: SendBuilder) -> SendBuilder {
        let send =
            self.header.iter().fold(send, |send, header| send.append_header(&header.name, &header.value));
        let send = if self.persistent { send.persistent() } else { send };
        let send = if self.text { send.text() } else { send };
        if self.to_queue { send.to_queue() } else { send }
    }
}
