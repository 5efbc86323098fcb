//! Code of the application may panic: wakers, handlers, and the drop of a body. Such a panic must not end the driver. The box
//! of a handler's future is used again for the next one.

use std::{
    any::Any,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use stomp_proto::Headers;

/// Runs code of the application. Returns the message of its panic if it panics.
///
/// The caller must not use a value again that the code may have left half changed.
pub(super) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = text_of(&*payload);
        // A payload is not ours either. What a second panic leaves behind is forgotten: somewhere this has to end.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(second);
        }
        text
    })
}

/// Drops a value of the application. Returns the message of its panic if it panics.
pub(super) fn dropped<T>(value: T) -> Result<(), String> {
    contained(|| drop(value))
}

/// Drops values one by one: two that panic while one vector of them is dropped would abort the program.
pub(super) fn drop_each<T>(values: impl IntoIterator<Item = T>) {
    values.into_iter().for_each(|value| drop(dropped(value)));
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".into())
}

/// A future that resolves to the message of its panic if it panics, both when it is polled and when it is dropped.
pub(super) struct Contained<F>(Option<Pin<Box<F>>>);

impl<F> Contained<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }

    fn discard(&mut self) {
        // Who drops it has no use for what it says about that.
        drop(dropped(self.0.take()));
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        match contained(|| future.as_mut().poll(cx)) {
            Ok(polled) => polled.map(Ok),
            Err(text) => {
                self.discard();
                Poll::Ready(Err(text))
            }
        }
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        self.discard();
    }
}

/// Returns a change of headers that changes nothing if it panics.
pub(super) fn contained_change(
    change: impl Fn(&mut Headers) + Send + Sync + 'static,
) -> impl Fn(&mut Headers) + Send + Sync + 'static {
    move |headers| {
        let before = headers.clone();
        if contained(|| change(headers)).is_err() {
            *headers = before;
        }
    }
}

/// A future of a handler, or none.
pub(super) struct HandlerBox<F>(Pin<Box<Option<F>>>);

impl<F> HandlerBox<F> {
    /// Puts a future into an empty box, or a new one.
    pub(super) fn put(empty_box: Option<Self>, future: F) -> Self {
        match empty_box {
            Some(mut empty_box) => {
                empty_box.0.set(Some(future));
                empty_box
            }
            None => Self(Box::pin(Some(future))),
        }
    }

    /// Drops the future, and gives the box for another one.
    pub(super) fn empty(mut self) -> Option<Self> {
        self.0.set(None);
        Some(self)
    }
}

impl<F: Future> Future for HandlerBox<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().as_pin_mut().map_or(Poll::Pending, |future| future.poll(cx))
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
