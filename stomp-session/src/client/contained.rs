//! Code that is not ours and panics has failed, and takes nobody along.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use stomp_proto::Headers;

/// What a panic has said.
pub(super) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".into())
}

/// A future whose panic is an error, the panic's text. It may panic when it is polled and when it is dropped.
pub(super) struct Contained<F>(Option<Pin<Box<F>>>);

impl<F> Contained<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }

    fn discard(&mut self) {
        let future = self.0.take();
        // Who drops it has no use for what it says about that.
        _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => {
                self.discard();
                Poll::Ready(Err(panic_text(&*payload)))
            }
        }
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        self.discard();
    }
}

/// A change of headers that changes none where it panics.
pub(super) fn contained_change(
    change: impl Fn(&mut Headers) + Send + Sync + 'static,
) -> impl Fn(&mut Headers) + Send + Sync + 'static {
    move |headers| {
        let before = headers.clone();
        if catch_unwind(AssertUnwindSafe(|| change(headers))).is_err() {
            *headers = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, panic::panic_any, task::Waker};

    use super::*;

    struct PanicsInDrop;

    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }

    fn poll<F: Future>(future: &mut Contained<F>) -> Poll<Result<F::Output, String>> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_panic_is_an_error_wherever_it_happens() {
        let mut fine = Contained::new(async { 7 });
        assert_eq!(poll(&mut fine), Poll::Ready(Ok(7)));
        let mut panics = Contained::new(async {
            let _kept = PanicsInDrop;
            pending::<()>().await;
        });
        assert_eq!(poll(&mut panics), Poll::Pending);
        drop(panics);
        let mut panics = Contained::new(async { panic!("{} of {}", 1, 2) });
        assert_eq!(poll(&mut panics), Poll::Ready(Err::<(), _>("1 of 2".into())));
        let mut panics = Contained::new(async { panic_any(7) });
        assert_eq!(poll(&mut panics), Poll::Ready(Err::<(), _>("no message".into())));
    }
}
