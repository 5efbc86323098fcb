//! Carries the context of a trace from a producer to a handler, in the header `traceparent` as W3C has it: `trace_context
//! [URI]`. Without a URI it uses a broker in this process. With OpenTelemetry, its propagator reads and writes the header.

use std::{convert::Infallible, error::Error, fmt};

use stomp_testkit::{broker::BrokerConfig, server::Server};
use stomp_tokio::Delivery;
use tokio::sync::mpsc;
use tracing::{Instrument as _, info, info_span};

/// The trace, and the span in it that was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TraceParent {
    trace: u128,
    span: u64,
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace, self.span)
    }
}

impl TraceParent {
    fn of(delivery: &Delivery) -> Option<Self> {
        let header = delivery.header("traceparent")?.text().ok()?;
        let mut fields = header.split('-').skip(1);
        let trace = u128::from_str_radix(fields.next()?, 16).ok()?;
        Some(Self { trace, span: u64::from_str_radix(fields.next()?, 16).ok()? })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let broker = Server::start(BrokerConfig::default())?;
    let uri = std::env::args().nth(1).unwrap_or_else(|| broker.uri());
    let client = stomp_tokio::connect(&uri).await?;

    let sent = TraceParent { trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span: 0x00f0_67aa_0ba9_02b7 };
    client.send("/queue/orders", "one coffee").header("traceparent", sent.to_string()).confirmed().await?;

    // Within the span of the message: its destination, and the number of the attempt.
    let (seen, mut traces) = mpsc::unbounded_channel();
    let ship = async move |order: Delivery| {
        let parent = TraceParent::of(&order);
        let span = info_span!("ship", trace = parent.map(|it| format!("{:032x}", it.trace)));
        async { info!("shipped") }.instrument(span).await;
        _ = seen.send(parent);
        Ok::<_, Infallible>(())
    };
    let orders = client.subscribe("/queue/orders").await?;
    let runner = tokio::spawn(orders.handle(ship).run());
    let received = traces.recv().await.flatten();
    client.disconnect().await?;
    runner.await??;
    if received == Some(sent) { Ok(()) } else { Err("the trace has ended on its way".into()) }
}
