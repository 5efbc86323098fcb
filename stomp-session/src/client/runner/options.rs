//! The options of a runner.

use std::{future::Future, pin::Pin, time::Duration};

use super::{outcome::Failure, policy::OnFailure};
use crate::client::message::Message;

/// The default time limit for running handlers after a stop.
const GRACE: Duration = Duration::from_secs(10);

type Decide<E> = Box<dyn Fn(&Message, &Failure<E>) -> OnFailure + Send>;
type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Options<E> {
    pub(super) decide: Decide<E>,
    pub(super) limit: usize,
    pub(super) grace: Duration,
    pub(super) until: Option<Until>,
}

impl<E> Default for Options<E> {
    fn default() -> Self {
        Self { decide: Box::new(|_, _| OnFailure::Stop), limit: 1, grace: GRACE, until: None }
    }
}
