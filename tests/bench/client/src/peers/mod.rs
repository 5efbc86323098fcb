//! The clients, each with its interface.

pub(crate) mod async_stomp;
pub(crate) mod core;
pub(crate) mod handled;
pub(crate) mod iridium;
pub(crate) mod ours;
pub(crate) mod published;
pub(crate) mod raw;
pub(crate) mod tokio_stomp;

use stomp_bench::corpus::{self, Send};

/// Why nothing fails.
pub(crate) const SENT: &str = "the sink takes everything";
pub(crate) const CONNECTED: &str = "the sink lets everybody in";
pub(crate) const RECEIVED: &str = "the sink sends what was ordered";

pub(crate) const DESTINATION: &str = "/queue/orders.incoming";
pub(crate) const SUBSCRIPTION: &str = "sub-0";

/// What is sent: 32 octets that its sender owns, as each message has others.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Vec<u8>,
}

impl Letter {
    /// With three headers, as in the encode tables.
    pub(crate) fn small() -> Self {
        let Send { headers, body, .. } = corpus::sends().swap_remove(0);
        Self { headers: headers.to_vec(), body }
    }

    /// The destination and the body alone.
    pub(crate) fn bare() -> Self {
        Self { headers: Vec::new(), ..Self::small() }
    }

    /// With what the peers are given, since they write a `content-length` only when they must.
    fn owned_headers(&self, receipt: Option<u64>) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut headers: Vec<_> = self.headers.iter().map(owned).collect();
        headers.push(("content-length".to_owned(), self.body.len().to_string()));
        headers.extend(receipt.map(|number| ("receipt".to_owned(), number.to_string())));
        headers
    }
}

/// The headers of a SEND to [`BLAST`](crate::sink::BLAST).
fn order(messages: usize, octets: usize) -> Vec<(String, String)> {
    use crate::sink::{COUNT, OCTETS};
    vec![(COUNT.to_owned(), messages.to_string()), (OCTETS.to_owned(), octets.to_string())]
}
