//! FAISS's index files: whatever the bytes are, they are refused with an error or give an index that can be searched, changed and written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twindex_core::interop::faiss;
use twindex_core::{PortableEngine, Positions, Rows};

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = faiss::read(bytes) else { return };
    let count = file.len();
    let Ok(mut index) = file.into_index(&PortableEngine::default()) else { return };
    assert_eq!(index.len(), count);
    let query = vec![0.25; index.dim()];
    assert_eq!(index.search(&query, 5, None).expect("a search").len(), count.min(5));
    let some = Positions::try_filter(count, |p| Ok::<_, ()>(p % 2 == 0)).expect("no error");
    assert_eq!(index.search(&query, 3, Some(&some)).expect("a filtered search").len(), some.len().min(3));
    // What is written is read again, and is the same.
    let written = faiss::write(&*index, None).expect("to write what was read");
    let again = faiss::read(&written[..]).expect("to read what was written");
    let again = again.into_index(&PortableEngine::default()).expect("an index");
    assert_eq!(faiss::write(&*again, None).expect("to write"), written);
    let rows = Rows::new(&query, query.len()).expect("one row");
    if index.append(rows).is_ok() {
        assert_eq!(index.len(), count + 1);
    }
    if index.check_can_remove().is_ok() {
        let gone = Positions::try_filter(index.len(), |p| Ok::<_, ()>(p % 3 == 0)).expect("no error");
        let left = index.len() - gone.len();
        index.remove(&gone).expect("to remove");
        assert_eq!(index.len(), left);
        index.search(&query, 2, None).expect("a search");
    }
});
