//! Filters that many threads ask at once, of one store.

use std::sync::Arc;

use twindex::core::{DeleteOptions, Document, Filter, FlatEngine, Rows, SearchOptions, Settings, Store};

const COUNT: usize = 3000;

fn store() -> Store {
    let documents = (0..COUNT).map(|i| {
        let document = Document::new("").with_id(i.to_string()).with("kind", (i % 7) as u64);
        document.with("url", format!("https://example.org/{i}"))
    });
    let vectors: Vec<f32> = (0..COUNT).map(|i| i as f32).collect();
    let mut store = Store::new(Settings::default(), Arc::new(FlatEngine::default())).unwrap();
    let ids = || -> String { unreachable!("all have ids") };
    store.add(documents.collect(), Rows::new(&vectors, 1).unwrap(), &ids).unwrap();
    store
}

fn filter() -> Filter {
    serde_json::json!({"kind": {"$gte": 5}, "url": {"$contains": "7"}}).try_into().unwrap()
}

/// The ids of all documents that pass, one by one.
fn passing(store: &Store) -> Vec<String> {
    let passing = store.documents().iter().filter(|document| filter().matches(document) == Ok(true));
    passing.filter_map(|document| document.id.clone()).collect()
}

fn found(store: &Store) -> Vec<String> {
    let hits = store.search(&[0.0], &SearchOptions::from(COUNT).filter(filter())).unwrap();
    hits.into_iter().filter_map(|hit| hit.document.id.clone()).collect()
}

#[test]
fn threads_that_are_the_first_to_name_a_field_at_once_get_the_same_answer() {
    let store = store();
    assert_eq!(store.info().metadata_index_bytes, 0);
    let expected = passing(&store);
    assert!((100..COUNT / 2).contains(&expected.len()));
    std::thread::scope(|scope| {
        let answers: Vec<_> = (0..4).map(|_| scope.spawn(|| found(&store))).collect();
        answers.into_iter().for_each(|answer| assert_eq!(answer.join().unwrap(), expected));
    });
    assert!(store.info().metadata_index_bytes > 0);
}

#[test]
fn a_change_that_fails_leaves_the_answer_and_the_index_as_they_were() {
    let mut store = store();
    let (expected, bytes) = (found(&store), store.info().metadata_index_bytes);
    let failed = store.delete(&DeleteOptions::ids(["5", "no such id"])).unwrap_err();
    assert_eq!(failed.code(), "unknown_id");
    let again = vec![Document::new("").with_id("new").with("kind", 6), Document::new("").with_id("9")];
    let ids = || -> String { unreachable!("all have ids") };
    let failed = store.add(again, Rows::new(&[7.0, 8.0], 1).unwrap(), &ids).unwrap_err();
    assert_eq!(failed.code(), "id_already_exists");
    assert_eq!((found(&store), store.info().metadata_index_bytes), (expected, bytes));

    let replaced = vec![Document::new("").with_id("77").with("kind", 6).with("url", "7")];
    store.upsert(replaced, Rows::new(&[0.5], 1).unwrap(), &ids).unwrap();
    store.delete(&DeleteOptions::filter(serde_json::json!({"kind": 5}).try_into().unwrap())).unwrap();
    let mut after = passing(&store);
    after.sort_by_key(|id| if id == "77" { 0 } else { id.parse::<usize>().unwrap() });
    assert_eq!(found(&store), after);
    assert_eq!(after[0], "77");
}
