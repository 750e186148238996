//! FAISS's index files against what FAISS answered, and files that are damaged or hostile.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use twindex_core::interop::faiss;
use twindex_core::testkit::fixtures::ExpectedIndex;
use twindex_core::{PortableEngine, Positions, Rows, VectorIndex};

/// Whether queries are scaled to unit length first, and FAISS's id of each position.
struct Ids {
    ids: Vec<i64>,
    normalize: bool,
}

struct Fixture {
    name: String,
    bytes: Vec<u8>,
    expected: ExpectedIndex,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/fixtures").join(name)
}

fn fixtures() -> Vec<Fixture> {
    let mut found = Vec::new();
    for folder in [folder("faiss"), folder("legacy/faiss-1.7.4")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "faiss") {
                let expected = fs::read(path.with_extension("json")).unwrap();
                found.push(Fixture {
                    name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                    bytes: fs::read(&path).unwrap(),
                    expected: serde_json::from_slice(&expected).unwrap(),
                });
            }
        }
    }
    assert!(found.len() > 40);
    found
}

/// Those that a store can hold, opened, with FAISS's ids.
fn opened() -> Vec<(Fixture, Box<dyn VectorIndex>, Ids)> {
    let open = |fixture: Fixture| {
        let file =
            faiss::read(&fixture.bytes[..]).unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        let ids = file.ids.clone().unwrap_or_else(|| (0..file.len() as i64).collect());
        let normalize = file.normalize_l2;
        let index = file.into_index(&PortableEngine::default()).unwrap();
        (fixture, index, Ids { ids, normalize })
    };
    fixtures().into_iter().filter(|fixture| fixture.expected.is_held()).map(open).collect()
}

#[test]
fn every_kind_answers_as_faiss_did_or_is_refused_by_name() {
    let mut refused = 0;
    for Fixture { name, bytes, expected } in fixtures() {
        expected
            .check(&bytes, Arc::new(PortableEngine::default()))
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        refused += usize::from(!expected.is_held());
    }
    assert_eq!(refused, 5, "two binary ones of now, one of old, LSH and L1");
}

#[test]
fn what_is_written_is_what_was_read() {
    for (fixture, index, Ids { ids, normalize }) in opened() {
        let Fixture { name, mut bytes, .. } = fixture;
        let file = faiss::read(&bytes[..]).unwrap();
        if normalize || !file.notes.is_empty() || name == "flat_generic_l2" {
            continue;
        }
        let own_ids = file.ids.is_some();
        let index_again = file.into_index(&PortableEngine::default()).unwrap();
        let mut written = faiss::write(&*index_again, own_ids.then_some(&ids)).unwrap();
        if name.contains("idmap") && bytes[..4] == *b"IxMp" {
            bytes[..4].copy_from_slice(b"IxM2");
        }
        assert_eq!(written.len(), bytes.len(), "{name}");
        assert!(written == bytes, "{name}");

        // With the search parameters that were set since, the answers are the same again.
        written = faiss::write(&*index, None).unwrap();
        let reread = faiss::read(&written[..]).unwrap().into_index(&PortableEngine::default()).unwrap();
        let mut query = vec![0.0; index.dim()];
        if !index.is_empty() {
            index.read(0, &mut query).unwrap();
        }
        assert_eq!(
            reread.search(&query, 20, None).unwrap(),
            index.search(&query, 20, None).unwrap(),
            "{name}"
        );
        assert_eq!(reread.info().parameters, index.info().parameters);
    }
}

/// The rows of an index as it gives them back.
fn rows(index: &dyn VectorIndex) -> Vec<Vec<f32>> {
    (0..index.len())
        .map(|position| {
            let mut row = vec![0.0; index.dim()];
            index.read(position, &mut row).unwrap();
            row
        })
        .collect()
}

#[test]
fn kinds_without_a_graph_take_vectors_and_let_them_go() {
    let mut changed = 0;
    for (fixture, mut index, _) in opened() {
        let name = fixture.name;
        let before = rows(&*index);
        let whole: Vec<f32> = (0..2 * index.dim()).map(|i| (i % 7) as f32).collect();
        let added = Rows::new(&whole, index.dim()).unwrap();
        if name.contains("hnsw") {
            assert_eq!(index.append(added).unwrap_err().code(), "unsupported_by_index", "{name}");
            assert_eq!(index.check_can_remove().unwrap_err().code(), "unsupported_by_index", "{name}");
            assert_eq!(rows(&*index), before, "{name}");
            continue;
        }
        index.append(added).unwrap();
        assert_eq!(index.len(), before.len() + 2, "{name}");
        let after = rows(&*index);
        assert_eq!(after[..before.len()], before, "{name}");
        if !name.contains("sq") && !name.contains("pq") {
            assert_eq!(after[before.len()..], [&whole[..index.dim()], &whole[index.dim()..]], "{name}");
        }
        let gone = Positions::try_filter(index.len(), |p| Ok::<_, ()>(p % 3 == 1)).unwrap();
        index.remove(&gone).unwrap();
        let kept: Vec<_> =
            after.iter().enumerate().filter(|(p, _)| p % 3 != 1).map(|(_, row)| row.clone()).collect();
        assert_eq!(rows(&*index), kept, "{name}");
        let written = faiss::write(&*index, None).unwrap();
        let reread = faiss::read(&written[..]).unwrap().into_index(&PortableEngine::default()).unwrap();
        assert_eq!(rows(&*reread), kept, "{name}");
        // All of it is still found.
        let query = &kept[kept.len() - 1];
        let found = index.search(query, kept.len(), None).unwrap();
        assert_eq!(found.len(), kept.len(), "{name}");
        assert_eq!(reread.search(query, 5, None).unwrap(), index.search(query, 5, None).unwrap(), "{name}");
        changed += 1;
    }
    assert!(changed > 20);
}

#[test]
fn a_filter_never_starves_a_search() {
    for (fixture, index, _) in opened() {
        for share in [2, 5, 100] {
            let among = Positions::try_filter(index.len(), |p| Ok::<_, ()>(p % share == 0)).unwrap();
            let query = vec![0.5; index.dim()];
            let hits = index.search(&query, 20, Some(&among)).unwrap();
            assert_eq!(hits.len(), among.len().min(20), "{}", fixture.name);
            assert!(hits.iter().all(|hit| among.contains(hit.position)));
        }
    }
}

/// Opens bytes that may be anything, and uses what comes of it.
fn try_out(bytes: &[u8]) -> Result<(), String> {
    let file = faiss::read(bytes).map_err(|error| {
        assert!(!error.to_string().is_empty());
        error.code().to_owned()
    })?;
    let index = file.into_index(&PortableEngine::default()).unwrap();
    let query = vec![0.25; index.dim()];
    let hits = index.search(&query, 5, None).unwrap();
    assert_eq!(hits.len(), index.len().min(5));
    Ok(())
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    for Fixture { name, bytes, .. } in fixtures() {
        let step = if bytes.len() < 4096 { 1 } else { 997 };
        for end in (0..bytes.len()).step_by(step) {
            assert!(try_out(&bytes[..end]).is_err(), "{name} cut at {end}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(try_out(&longer).is_err(), "{name}");
    }
}

#[test]
fn damage_anywhere_is_refused_or_harmless() {
    let mut state = 7u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for Fixture { bytes, .. } in fixtures() {
        for round in 0..300 {
            let mut damaged = bytes.clone();
            // Most structure is at the beginning.
            let at = if round % 2 == 0 { random(bytes.len().min(400)) } else { random(bytes.len()) };
            damaged[at] ^= 1 << random(8);
            if round % 3 == 0 {
                damaged[at..].iter_mut().take(8).for_each(|byte| *byte = 0xff);
            }
            let _ = try_out(&damaged);
        }
    }
}
