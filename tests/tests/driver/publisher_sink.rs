//! A publisher as a `Sink`.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_sink::Sink;
use stomp_checks::sim::{Door, Sim, Weather};
use stomp_session::client::{Publisher, SendError};

use crate::{
    kit::{config, seconds, seeds, settings},
    publisher::{bodies, numbers},
};

/// Ready, start, flush.
#[test]
fn it_is_a_sink() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let settings = settings().outbound_budget(100);
        let client = sim.client(config(), settings);
        sim.block_on(async {
            let mut publisher = client.publisher("/queue/a").confirmed().window(5).build().unwrap();
            for number in 0..40 {
                poll_fn(|cx| Pin::new(&mut publisher).poll_ready(cx)).await.unwrap();
                Pin::new(&mut publisher).start_send(number.to_string().into()).unwrap();
            }
            poll_fn(|cx| Sink::poll_close(Pin::new(&mut publisher), cx)).await.unwrap();
            assert_eq!((publisher.next_number(), publisher.first_unsettled()), (40, 40));
        });
        assert_eq!(bodies(&mut sim), numbers(40), "seed {seed}");
    }
}

#[test]
fn a_sink_says_that_what_it_took_was_not_sent() {
    let mut sim = Sim::in_weather(7, Weather::calm());
    sim.set_door("broker", Door::Refusing);
    let settings = settings().send_timeout(seconds(5));
    let client = sim.client(config(), settings);
    sim.block_on(async {
        let mut publisher = client.publisher("/queue/a").build().unwrap();
        let ready = |cx: &mut Context<'_>, publisher: &mut Publisher| Pin::new(publisher).poll_ready(cx);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(ready(&mut cx, &mut publisher), Poll::Ready(Ok(())));
        Pin::new(&mut publisher).start_send("a".into()).unwrap();
        assert_eq!(ready(&mut cx, &mut publisher), Poll::Pending);
        let full = Pin::new(&mut publisher).start_send("b".into());
        assert_eq!(full, Err(SendError::Full.into()), "nobody said that it was ready");
        let error = Err(SendError::NoConnection(seconds(5)).into());
        assert_eq!(poll_fn(|cx| ready(cx, &mut publisher)).await, error);
        assert_eq!(publisher.next_number(), 0);
        assert_eq!(ready(&mut cx, &mut publisher), Poll::Ready(Ok(())), "and it goes on");
    });
}
