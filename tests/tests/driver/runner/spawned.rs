//! Handlers of every form, in runners that are spawned: what matters is that it compiles, and that several are in flight.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use stomp_checks::sim::World;
use stomp_session::client::{Client, Delivery, SendError, Stopped, Subscription, Tally};
use stomp_testkit::broker::BrokerConfig;

use super::{left, subscribe, with_messages};
use crate::kit::seconds;

const COPIES: &str = "/queue/copies";
const COUNT: usize = 6;

/// Spawns what `run` makes of a subscription, and disconnects when everything has been handled.
fn handles_all<F, E>(run: impl FnOnce(Subscription, Client, World) -> F)
where
    F: Future<Output = Result<Tally, Stopped<E>>> + Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), COUNT);
    sim.block_on(async {
        let messages = subscribe(&client).await;
        let runner = world.spawn(run(messages, client.clone(), world.clone()));
        world.sleep(seconds(30)).await;
        client.disconnect().await.unwrap();
        assert_eq!(runner.await.unwrap().handled, COUNT as u64);
    });
    assert_eq!(left(&world), (0, 0));
    assert_eq!(world.broker("broker", |broker| broker.depth(COPIES)), COUNT);
}

/// The first handler that one writes.
#[test]
fn a_closure_that_owns_a_client() {
    handles_all(|messages, client, _| {
        messages
            .handle(async move |message| client.send(COPIES, message.body_bytes()).confirmed().await)
            .concurrency(3)
            .run()
    });
}

async fn copy(client: &Client, message: &Delivery) -> Result<(), SendError> {
    client.send(COPIES, message.body_bytes()).confirmed().await
}

/// It lends what it owns to what it calls, while others do the same.
#[test]
fn a_closure_that_lends_what_it_owns() {
    struct Service {
        client: Client,
        world: World,
        running: AtomicU64,
    }
    impl Service {
        async fn serve(&self, message: Delivery) -> Result<(), Box<dyn Error + Send + Sync>> {
            let running = self.running.fetch_add(1, Ordering::Relaxed);
            // The first three are there before one ends.
            self.world.sleep(seconds(1)).await;
            copy(&self.client, &message).await?;
            if running == 0 && self.running.load(Ordering::Relaxed) < 3 {
                return Err("nobody ran beside it".into());
            }
            Ok(())
        }
    }
    handles_all(|messages, client, world| {
        let service = Service { client, world, running: AtomicU64::new(0) };
        messages.handle(async move |message| service.serve(message).await).concurrency(3).run()
    });
    handles_all(|messages, client, world| {
        let service = Arc::new(Service { client, world, running: AtomicU64::new(0) });
        messages.handle(async move |message| service.serve(message).await).concurrency(3).run()
    });
}

#[test]
fn a_closure_that_clones_for_each_message() {
    handles_all(|messages, client, _| {
        let handler = move |message: Delivery| {
            let client = client.clone();
            async move { copy(&client, &message).await }
        };
        messages.handle(handler).concurrency(3).run()
    });
    handles_all(|messages, client, _| {
        let handler = move |message: Delivery| {
            let client = client.clone();
            async move { copy(&client, &message).await }
        };
        messages.handle_with(handler).concurrency(3).run()
    });
}

/// `?` on errors of several kinds.
#[test]
fn a_closure_that_fails_in_several_ways() {
    handles_all(|messages, client, _| {
        let handler = async move |message: Delivery| {
            let number: u64 = message.text().map_err(io::Error::other)?.parse()?;
            copy(&client, &message).await?;
            assert!(number < COUNT as u64);
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        };
        messages.handle(handler).concurrency(3).run()
    });
}

async fn acknowledge(_: Delivery) -> Result<(), SendError> {
    Ok(())
}

#[test]
fn functions_by_name() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 2);
    sim.block_on(async {
        let one = world.spawn(subscribe(&client).await.handle(acknowledge).run());
        let two = world.spawn(subscribe(&client).await.handle_with(acknowledge).run());
        world.sleep(seconds(1)).await;
        client.disconnect().await.unwrap();
        assert_eq!(one.await.unwrap().handled + two.await.unwrap().handled, 2);
    });
}

/// State that changes, and that has no lock.
#[test]
fn a_function_with_mutable_state() {
    handles_all(|messages, client, _| {
        let mut seen = 0;
        let handler = move |message: Delivery| {
            seen += 1;
            let copy = (seen <= COUNT).then(|| client.send(COPIES, message.body_bytes()).confirmed());
            async move { copy.expect("no more than there are").await }
        };
        messages.handle_with(handler).concurrency(3).run()
    });
}

/// In a task that is spawned, around what that task owns. The compiler cannot prove that of `handle`.
#[test]
fn a_closure_that_borrows_in_a_spawned_task() {
    handles_all(|messages, client, _| async move {
        let client = &client;
        messages.handle_with(async |message| copy(client, &message).await).concurrency(3).await
    });
}

/// A generic caller that need not know whether it can be spawned.
fn generic<H, E>(messages: Subscription, handler: H) -> impl Future<Output = Result<Tally, Stopped<E>>>
where
    H: AsyncFn(Delivery) -> Result<(), E>,
    E: fmt::Display,
{
    messages.handle(handler).concurrency(3).run()
}

type Boxed<E> = Pin<Box<dyn Future<Output = Result<Tally, Stopped<E>>> + Send>>;

/// One that has to know.
fn boxed<H, E, F>(messages: Subscription, handler: H) -> Boxed<E>
where
    H: FnMut(Delivery) -> F + Send + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    Box::pin(messages.handle_with(handler).concurrency(3).run())
}

#[test]
fn generic_callers() {
    handles_all(|messages, client, _| generic(messages, async move |message| copy(&client, &message).await));
    handles_all(|messages, client, _| {
        boxed(messages, move |message: Delivery| {
            let client = client.clone();
            async move { copy(&client, &message).await }
        })
    });
}
