//! LangChain's pickles: refused with an error, or a store that can be written and read again. The first byte tells which of a folder's pickle and a
//! serialized store the rest is.
#![no_main]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;
use twindex_core::interop::{ImportOptions, faiss, langchain};
use twindex_core::{FlatEngine, Engine, Metric, PortableEngine, Rows};

/// An index of so many vectors.
fn index(rows: usize) -> Vec<u8> {
    let mut index = FlatEngine::default().create("Flat", 2, Metric::L2).expect("a flat index");
    index.append(Rows::new(&vec![0.5; 2 * rows], 2).expect("rows")).expect("to add");
    faiss::write(&*index, None).expect("to write")
}

fuzz_target!(|bytes: &[u8]| {
    let [kind, pickle @ ..] = bytes else { return };
    let next = AtomicUsize::new(0);
    let ids = || format!("new {}", next.fetch_add(1, Ordering::Relaxed));
    let (options, engine) = (ImportOptions::new(), Arc::new(PortableEngine::default()));
    let read = if kind % 2 == 0 {
        langchain::read_serialized(pickle, &options, engine.clone(), &ids)
    } else {
        langchain::read_folder(&index(usize::from(kind / 2))[..], pickle, &options, engine.clone(), &ids)
    };
    let Ok(imported) = read else { return };
    let folder = langchain::write_folder(&imported.store).expect("to write what was read");
    let again = langchain::read_folder(&folder.index[..], &folder.docstore, &options, engine, &ids);
    let again = again.expect("to read what was written").store;
    assert!(again.documents().iter().eq(imported.store.documents().iter()));
});
