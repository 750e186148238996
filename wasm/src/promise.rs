//! Work that starts when it is called and ends in a promise.

use std::future::Future;
use std::pin::Pin;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

use crate::error::{Failure, Result};
use crate::js::{AbortSignal, aborted, reason};

/// What a call does once it has taken in what it was given. Boxed, so that what runs it is compiled once, not for every method.
pub type Work = Pin<Box<dyn Future<Output = Result<JsValue>>>>;

/// A promise of what `start` begins.
///
/// `start` runs at once: it copies what the call was given and clones the handles it needs. The work runs later, never inside
/// another call, and borrows nothing across an await; so a callback may call anything.
pub fn promise<F>(start: impl FnOnce() -> Result<F>) -> Promise
where
    F: Future<Output = Result<JsValue>> + 'static,
{
    settle(start().map(|work| Box::pin(work) as Work))
}

fn settle(started: Result<Work>) -> Promise {
    match started {
        Ok(work) => future_to_promise(async move { work.await.map_err(Failure::into_js) }),
        Err(failure) => Promise::reject(&failure.into_js()),
    }
}

/// Fails with the reason of a signal that has aborted.
///
/// # Errors
/// The reason.
pub fn check(signal: Option<&AbortSignal>) -> Result<()> {
    match signal {
        Some(signal) if aborted(signal) => Err(Failure::Thrown(reason(signal))),
        _ => Ok(()),
    }
}
