//! What is not ours may panic: wakers, handlers, the last owner of a body. Their panic must not end what is ours.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs code that is not ours. Returns the message of its panic if it panics.
///
/// Whoever calls this must not look again at a value that the code may have left half changed.
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

/// Drops a value that is not ours. Whether that went without a panic, or else the message of it.
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
