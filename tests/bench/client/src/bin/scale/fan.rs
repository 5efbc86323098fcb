//! One connection, many subscriptions.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use cpu_time::ThreadTime;
use stomp_bench::table;
use stomp_bench_client::sink::{BLAST, COUNT, OCTETS, Sink};
use stomp_session::proto::AckMode;
use stomp_tokio::{Client, Subscription};
use tokio::{runtime::Builder, sync::Notify};

/// In all, however many subscriptions they are for.
const MESSAGES: usize = 1_000_000;

#[derive(Default)]
struct Progress {
    taken: AtomicUsize,
    done: Notify,
}

pub(crate) fn run() -> io::Result<()> {
    let mut rows =
        vec![["subscriptions", "messages each", "CPU a message", "all of it"].map(str::to_owned).to_vec()];
    for subscriptions in [1, 1_000] {
        rows.push(measure(subscriptions)?);
    }
    table::print(&rows);
    Ok(())
}

fn measure(subscriptions: usize) -> io::Result<Vec<String>> {
    let sink = Sink::start()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (cpu, wall) = runtime.block_on(async {
        let client = stomp_tokio::connect(&format!("tcp://{}", sink.address))
            .await
            .expect("the sink lets everybody in");
        let progress = Arc::new(Progress::default());
        for number in 0..subscriptions {
            let subscribe = client.subscribe(&format!("/queue/{number}")).ack(AckMode::Auto);
            tokio::spawn(take(subscribe.await.expect("it is confirmed"), Arc::clone(&progress)));
        }
        let (cpu, wall) = (ThreadTime::now(), Instant::now());
        blast(&client).await;
        progress.done.notified().await;
        (cpu.elapsed(), wall.elapsed())
    });
    let each = (MESSAGES / subscriptions).to_string();
    Ok(vec![
        subscriptions.to_string(),
        each,
        format!("{:.2?}", cpu.div_f64(MESSAGES as f64)),
        format!("{wall:.2?}"),
    ])
}

async fn blast(client: &Client) {
    let send = client.send(BLAST, "").header(COUNT, MESSAGES.to_string()).header(OCTETS, "32");
    send.await.expect("the sink takes everything");
}

async fn take(mut subscription: Subscription, progress: Arc<Progress>) {
    while subscription.next().await.is_some() {
        if progress.taken.fetch_add(1, Ordering::Relaxed) + 1 == MESSAGES {
            progress.done.notify_one();
        }
    }
}
