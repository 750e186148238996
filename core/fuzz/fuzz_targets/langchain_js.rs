//! LangChain.js's `docstore.json`, and files of which nobody said what they are.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use twindex_core::interop::{ImportOptions, faiss, langchain_js, read_files};
use twindex_core::{Engine, FlatEngine, Metric, PortableEngine, Rows};

fuzz_target!(|bytes: &[u8]| {
    let [rows, docstore @ ..] = bytes else { return };
    let rows = usize::from(rows % 16);
    let mut index = FlatEngine::default().create("Flat", 2, Metric::L2).expect("a flat index");
    index.append(Rows::new(&vec![0.5; 2 * rows], 2).expect("rows")).expect("to add");
    let index = faiss::write(&*index, None).expect("to write");
    let (options, engine) = (ImportOptions::new(), Arc::new(PortableEngine::default()));
    if let Ok(imported) = langchain_js::read_folder(&index[..], docstore, &options, engine.clone()) {
        let folder = langchain_js::write_folder(&imported.store).expect("to write what was read");
        let again = langchain_js::read_folder(&folder.index[..], &folder.docstore, &options, engine.clone());
        let again = again.expect("to read what was written").store;
        assert!(again.documents().iter().eq(imported.store.documents().iter()));
    }
    let ids = || "new".to_owned();
    let _ = read_files(&[("a".to_owned(), docstore.to_vec())], &options, engine, &ids);
});
