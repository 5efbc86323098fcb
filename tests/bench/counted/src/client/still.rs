//! A runtime in which no time passes.

use std::{
    future::{Future, pending},
    io,
};

use stomp_session::{Timestamp, client::Runtime};

use super::taker::Taker;

#[derive(Debug)]
pub(super) struct Still;

impl Runtime for Still {
    type Stream = Taker;

    async fn dial(&self, _: &str, _: u16, _: u32) -> io::Result<Taker> {
        Ok(Taker::default())
    }

    fn sleep_until(&self, _: Timestamp) -> impl Future<Output = ()> + Send {
        pending()
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }

    fn entropy(&self) -> [u8; 32] {
        [7; 32]
    }
}
