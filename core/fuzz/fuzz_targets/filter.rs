//! Filters: an index of metadata gives what asking each document gives.
//!
//! The first line is a filter, as JSON. Of the others `-N` deletes the document at position N, `=` saves and opens the store, and each other line is
//! the metadata of a document to add. The filter is asked after each line, so that the index lives through the changes.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use twindex_core::{
    DeleteOptions, Document, Filter, FlatEngine, Metadata, Positions, Rows, Settings, Store, Value,
};

fn change(store: &mut Store, line: &str) {
    let ids = || -> String { unreachable!("every document has an id") };
    let engine = Arc::new(FlatEngine::default());
    if line == "=" {
        let bytes = store.serialize_to_bytes().expect("to write");
        *store = Store::deserialize_from_bytes(&bytes, engine).expect("to read what was written");
    } else if let Some(position) = line.strip_prefix('-').and_then(|number| number.parse::<usize>().ok()) {
        let id = store.documents().ids().nth(position).map(str::to_owned);
        if let Some(id) = id {
            store.delete(&DeleteOptions::ids([id])).expect("to delete what is there");
        }
    } else if let Ok(metadata) = serde_json::from_str::<Metadata>(line) {
        let last = store.documents().ids().last().and_then(|id| id.parse::<usize>().ok());
        let document =
            Document::new("").with_id(last.map_or(0, |id| id + 1).to_string()).with_metadata(metadata);
        // Metadata that nests too deep is refused.
        let _ = store.add(vec![document], Rows::new(&[0.0], 1).expect("a row"), &ids);
    }
}

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let filter = lines.next().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let Some(Ok(filter)) = filter.map(Filter::try_from) else { return };
    let mut store = Store::new(Settings::default(), Arc::new(FlatEngine::default())).expect("an empty store");
    for line in lines {
        change(&mut store, line);
        let documents = store.documents();
        let found = documents.matching(&filter);
        let asked = Positions::try_filter(documents.len(), |position| filter.matches(documents.at(position)));
        assert_eq!(found, asked);
    }
});
