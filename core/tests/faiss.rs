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

/// A file put together by hand.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn header(mut self, letters: &[u8; 4], dim: i32, count: i64, trained: bool) -> Self {
        self.0.extend(letters);
        self.0.extend(dim.to_le_bytes());
        [count, 1 << 20, 1 << 20].iter().for_each(|number| self.0.extend(number.to_le_bytes()));
        self.0.push(u8::from(trained));
        self.i32(1)
    }

    fn i32(mut self, number: i32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn floats(mut self, numbers: &[f32]) -> Self {
        numbers.iter().for_each(|number| self.0.extend(number.to_le_bytes()));
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn flat(self, rows: &[f32]) -> Self {
        self.header(b"IxF2", 1, rows.len() as i64, true).u64(rows.len() as u64).floats(rows)
    }

    /// An 8-bit quantizer of one dimension and its codes.
    fn sq8(self, trained: Option<[f32; 2]>, codes: &[u8]) -> Self {
        let numbers = trained.as_ref().map_or(&[][..], |range| &range[..]);
        let head = self.header(b"IxSQ", 1, codes.len() as i64, trained.is_some()).i32(0).i32(0);
        let quantizer = head.floats(&[0.0]).u64(1).u64(1).u64(numbers.len() as u64).floats(numbers);
        quantizer.u64(codes.len() as u64).bytes(codes)
    }

    /// An IVF of plain vectors, not trained, of so many lists, which take no bytes.
    fn untrained_ivf(lists: u64) -> Self {
        let head = Self::default().header(b"IwFl", 1, 0, false).u64(lists).u64(1).flat(&[]);
        head.bytes(&[0]).u64(0).bytes(b"ilar").u64(lists).u64(4).bytes(b"sprs").u64(0)
    }

    /// One list of one vector, written as its difference from the centroid.
    fn residual(centroid: f32, difference: f32) -> Self {
        let head = Self::default().header(b"IwPQ", 1, 1, true).u64(1).u64(1).flat(&[centroid]);
        let quantizer = head.bytes(&[0]).u64(0).bytes(&[1]).u64(1).u64(1).u64(1).u64(1);
        let centroids = quantizer.u64(2).floats(&[difference, 0.0]);
        centroids.bytes(b"ilar").u64(1).u64(1).bytes(b"full").u64(1).u64(1).bytes(&[0]).u64(0)
    }

    #[track_caller]
    fn is_corrupt(&self, why: &str) {
        let error = faiss::read(&self.0[..]).map(|file| file.len()).unwrap_err();
        assert_eq!(error.code(), "corrupt");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn lists_that_take_no_bytes_are_bounded() {
    assert_eq!(faiss::read(&Bytes::untrained_ivf(16).0[..]).unwrap().kind, "IVF16,Flat");
    Bytes::untrained_ivf((1 << 20) + 1).is_corrupt("lists");
}

#[test]
fn a_trained_index_has_nothing_untrained_inside() {
    let refined = |trained| {
        let head = Bytes::default().header(b"IxRF", 1, 0, true).sq8(trained, &[]);
        head.flat(&[]).floats(&[1.0])
    };
    let file = faiss::read(&refined(Some([0.0, 1.0])).0[..]).unwrap();
    let mut index = file.into_index(&PortableEngine::default()).unwrap();
    index.append(Rows::new(&[0.5], 1).unwrap()).unwrap();
    refined(None).is_corrupt("trained");
}

#[test]
fn codes_that_stand_for_infinity_are_refused() {
    assert_eq!(faiss::read(&Bytes::default().sq8(Some([-1.0, 2.0]), &[255]).0[..]).unwrap().len(), 1);
    Bytes::default().sq8(Some([f32::MAX, f32::MAX]), &[255]).is_corrupt("finite");
    Bytes::default().sq8(Some([-f32::MAX, -f32::MAX]), &[255]).is_corrupt("finite");
    assert_eq!(faiss::read(&Bytes::residual(1.0, 2.0).0[..]).unwrap().len(), 1);
    Bytes::residual(f32::MAX, f32::MAX).is_corrupt("finite");
}

fn bytes_of(name: &str) -> Vec<u8> {
    fs::read(folder("faiss").join(name)).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    let error = faiss::read(bytes).map(|file| file.len()).unwrap_err();
    assert_eq!(error.code(), "corrupt", "{error}");
    error.to_string()
}

#[test]
fn lists_that_overlap_or_lie_are_refused() {
    let good = bytes_of("ivf_flat_l2.faiss");
    let last = good.len() - 8;
    let id = u64::from_le_bytes(std::array::from_fn(|i| good[last + i]));
    let mut twice = good.clone();
    twice[last..].copy_from_slice(&(id - 1).to_le_bytes());
    assert!(refused(&twice).contains(&format!("id {} comes twice", id - 1)));
    // One vector more in the first list than there is.
    let at = good.windows(8).position(|window| window == b"ilar\x10\0\0\0").unwrap() + 4 + 8 + 8 + 4 + 8;
    let mut longer = good.clone();
    longer[at] += 1;
    assert!(refused(&longer).contains("inverted lists of 600 vectors in all expected, got 601"));
}

#[test]
fn graphs_that_lead_nowhere_are_refused() {
    let good = bytes_of("hnsw_sq8.faiss");
    let count_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| good[at + i])) as usize;
    let probabilities = 37;
    let starts = probabilities + 8 + 8 * count_at(probabilities);
    let levels = starts + 8 + 4 * count_at(starts);
    let offsets = levels + 8 + 4 * count_at(levels);
    let neighbors = offsets + 8 + 8 * count_at(offsets);
    let entry = neighbors + 8 + 4 * count_at(neighbors);
    let with = |at: usize, number: i32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        refused(&bytes)
    };
    assert!(with(neighbors + 8, 600).contains("node 0: neighbour 600 is not on level 0"));
    assert!(with(neighbors + 8, -2).contains("neighbour -2"));
    assert!(with(levels + 8, 9).contains("node 0: 9 levels"));
    assert!(with(offsets + 8, 1).contains("offsets from 0"));
    assert!(with(offsets + 16, 7).contains("node 0"));
    assert!(with(entry, 600).contains("an entry point"));
    assert!(with(entry, -1).contains("an entry point"));
    assert!(with(entry + 4, 7).contains("an entry point on level 7"));
    assert!(with(entry + 12, 0).contains("efSearch"));
}
