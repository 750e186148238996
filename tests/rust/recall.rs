//! Exact search over 20,000 dictionary entries finds the exact neighbours, on both engines.
//!
//! The pack is too large to be here: it is read from `TWINDEX_SHARED`, or from `shared` beside the workspace.

use std::path::{Path, PathBuf};

use twindex_tests::recall::Pack;
use twindex_tests::runner::ENGINES;

#[test]
fn exact_search_finds_the_exact_neighbours() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("TWINDEX_SHARED").map_or_else(beside, PathBuf::from);
    let folder = shared.join("data/wordnet");
    let pack = Pack::read(&folder).unwrap_or_else(|error| {
        panic!("{error}; set TWINDEX_SHARED to the folder that has data/wordnet in it");
    });
    let mut report = Vec::new();
    for engine in ENGINES {
        let checked = pack.check(engine, &mut report).expect("every search succeeds");
        let report = String::from_utf8_lossy(&report);
        assert_eq!(checked.failed, 0, "{report}");
        // 4 metrics and 6 filters, 500 queries, one by one and in a batch.
        assert_eq!(checked.passed, 10 * 500 * 2, "{report}");
    }
    println!("{}", String::from_utf8_lossy(&report));
}
