//! The store compiled to WebAssembly: the npm package `twindex`.
//!
//! | module | what |
//! | --- | --- |
//! | `store`, `retriever` | the exported classes: each method converts in, makes one core call, converts out |
//! | `promise` | work that starts when it is called and ends in a promise |
//! | `convert`, `metadata`, `options` | JavaScript values to core's and back, every shape and number checked |
//! | `embeddings` | the caller's embeddings, awaited in batches with nothing held |
//! | `interop` | feature `interop`, of the second module: other people's files, indexes that are not flat |
//! | `local` | JavaScript's values inside what core may send between threads |
//! | `error` | core's errors, and those of this boundary, as JavaScript errors |
//!
//! What a store does is decided in `twindex-core`; what is here knows JavaScript and nothing else.
#![cfg(target_family = "wasm")]

mod convert;
mod embeddings;
mod error;
mod ids;
#[cfg(feature = "interop")]
mod interop;
mod js;
mod local;
mod metadata;
mod options;
mod promise;
mod retriever;
mod store;

use wasm_bindgen::prelude::wasm_bindgen;

/// Runs once, when the module is loaded: a panic, which is a defect, is told to JavaScript before it ends the module.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| js::panicked(&panic.to_string())));
}

/// The version of this crate, which is the package's.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
