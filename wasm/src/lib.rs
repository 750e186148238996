//! The place of the npm package: the same core, compiled to WebAssembly. Its exports are not written yet; what is here shows that the core
//! is all a WebAssembly module needs.

pub use twindex_core as core;
