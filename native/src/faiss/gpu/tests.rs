//! Everything about copies but the cards themselves, on something that stands in for them: FAISS on the CPU, with what its indexes on cards lack and with other rounding.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use twindex_core::testkit::Generator;
use twindex_core::{Engine, FlatIndex};

use super::super::ffi::Narrowing;
use super::super::kinds::Family;
use super::fit::check_kind;
use super::*;

#[derive(Debug, Default)]
struct StandIn {
    several: bool,
    fallback: bool,
    full: AtomicBool,
    failing: AtomicBool,
    given_up: AtomicBool,
    uploads: AtomicUsize,
    searched: AtomicUsize,
    trained: AtomicUsize,
}

impl StandIn {
    fn work(&self) -> Result<()> {
        if self.failing.load(Ordering::Relaxed) { Err(failed("the card is lost")) } else { Ok(()) }
    }
}

/// The cards, as indexes hold them.
#[derive(Debug, Clone, Default)]
struct StandInCards(Arc<StandIn>);

#[derive(Debug)]
struct StandInCopy(Mutex<RawIndex>, Arc<StandIn>);

fn copied(index: &RawIndex) -> RawIndex {
    let bytes = index.to_bytes().unwrap();
    let mut rest = &bytes[..];
    RawIndex::read_from(&mut |out| std::io::Read::read_exact(&mut rest, out)).unwrap()
}

impl Cards for StandInCards {
    fn upload(&self, index: &RawIndex, _half_tables: bool) -> Result<Arc<dyn CardIndex>> {
        self.0.work()?;
        self.0.uploads.fetch_add(1, Ordering::Relaxed);
        let mut copy = copied(index);
        copy.set_direct_map(false)?;
        Ok(Arc::new(StandInCopy(Mutex::new(copy), self.0.clone())))
    }

    fn check_room(&self, bytes: u64) -> Result<()> {
        match self.0.full.load(Ordering::Relaxed) {
            true => Err(Error::OutOfMemory { what: "an index on the GPU", bytes }),
            false => Ok(()),
        }
    }

    fn is_single(&self) -> bool {
        !self.0.several
    }

    fn stand_in(&self, error: Error) -> Result<()> {
        if !self.0.fallback {
            return Err(error);
        }
        self.0.given_up.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn are_given_up(&self) -> bool {
        self.0.given_up.load(Ordering::Relaxed)
    }
}

impl CardIndex for StandInCopy {
    fn search(&self, queries: Rows<'_>, k: usize, nprobe: Option<usize>) -> Result<Found> {
        self.1.work()?;
        assert!(k <= MOST && nprobe <= Some(MOST), "FAISS refuses more on cards");
        self.1.searched.fetch_add(queries.len(), Ordering::Relaxed);
        let raw = self.0.lock().unwrap();
        let mut found = raw.search(queries, k, &Narrowing { bitmap: None, nprobe })?;
        if raw.flat_rows().is_some() {
            // Other rounding: scores are off by a few units in the last place, and the order with them.
            let best_first = |a: &(f32, i64), b: &(f32, i64)| {
                if raw.is_inner_product() { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) }
            };
            for (labels, scores) in found.labels.chunks_mut(k).zip(found.distances.chunks_mut(k)) {
                let mut pairs: Vec<(f32, i64)> = labels
                    .iter()
                    .zip(&*scores)
                    .map(|(&label, score)| (score * (1.0 + (label % 5 - 2) as f32 * f32::EPSILON), label))
                    .collect();
                pairs.sort_by(best_first);
                for (i, (score, label)) in pairs.into_iter().enumerate() {
                    (scores[i], labels[i]) = (score, label);
                }
            }
        }
        Ok(found)
    }

    fn train(&self, rows: Rows<'_>) -> Result<()> {
        self.1.work()?;
        self.1.trained.fetch_add(1, Ordering::Relaxed);
        self.0.lock().unwrap().train(rows)
    }

    fn add(&self, rows: Rows<'_>) -> Result<()> {
        self.1.work()?;
        self.0.lock().unwrap().add(rows)
    }

    fn shrink(&self) -> Result<()> {
        self.1.work()
    }

    fn download(&self) -> Result<RawIndex> {
        self.1.work()?;
        Ok(copied(&self.0.lock().unwrap()))
    }
}

/// FAISS's engine with copies of its indexes on what stands in for cards.
#[derive(Debug, Default)]
struct StandInEngine(StandInCards);

impl Engine for StandInEngine {
    fn name(&self) -> &'static str {
        "faiss"
    }

    fn create(&self, kind: &str, dim: usize, metric: Metric) -> Result<Box<dyn VectorIndex>> {
        let cards = Arc::new(self.0.clone());
        Ok(match Family::of(kind)? {
            Family::Flat => {
                Box::new(Mirrored::new(FaissFlat::new(dim, metric, crate::kernel::best())?, cards)?)
            }
            family => Box::new(Mirrored::new(FaissKind::new(kind, family, dim, metric)?, cards)?),
        })
    }

    fn open(&self, kind: &str, dim: usize, metric: Metric, bytes: &[u8]) -> Result<Box<dyn VectorIndex>> {
        let host = FaissKind::open(kind, Family::of(kind)?, dim, metric, bytes)?;
        Ok(Box::new(Mirrored::new(host, Arc::new(self.0.clone()))?))
    }
}

twindex_core::testkit::index_suite!(StandInEngine::default());

const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

const KINDS: [&str; 4] = ["IVF16,Flat", "IVF16,SQ8", "IVF16,PQ4", "SQfp16"];

/// Vectors around a few centres, some of them the same, of like lengths or of unlike ones.
fn vectors(count: usize, dim: usize, unlike: bool) -> Vec<f32> {
    let mut generator = Generator::new(23);
    let centres = generator.floats(dim * 12);
    let mut data: Vec<f32> = (0..count)
        .flat_map(|i| {
            let length = if unlike { 1.0 + (i % 40) as f32 } else { 1.0 };
            let centre = &centres[i % 12 * dim..][..dim];
            centre.iter().map(|x| (x + 0.3 * generator.float()) * length).collect::<Vec<f32>>()
        })
        .collect();
    for i in (0..count).step_by(50).skip(1) {
        data.copy_within((i - 1) * dim..i * dim, i * dim);
    }
    data
}

fn bits(found: &[Vec<Neighbor>]) -> Vec<Vec<(usize, u32)>> {
    found.iter().map(|hits| hits.iter().map(|hit| (hit.position, hit.score.to_bits())).collect()).collect()
}

fn read_all(index: &dyn VectorIndex) -> Vec<u32> {
    let mut row = vec![0.0; index.dim()];
    (0..index.len())
        .flat_map(|position| {
            index.read(position, &mut row).unwrap();
            row.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        })
        .collect()
}

/// Filters that keep much and little, spread and only far from the first queries.
fn filters(count: usize) -> Vec<Option<Positions>> {
    let keep =
        |keep: &dyn Fn(usize) -> bool| Some(Positions::try_filter(count, |p| Ok::<_, ()>(keep(p))).unwrap());
    vec![
        None,
        keep(&|_| true),
        keep(&|p| p % 2 == 1),
        keep(&|p| p % 12 > 9),
        keep(&|p| p % 100 == 7),
        keep(&|p| p % 12 == 11 && p % 5 < 3),
        keep(&|p| p == 4321),
        keep(&|_| false),
    ]
}

#[test]
fn a_flat_index_on_cards_answers_with_the_bits_of_the_cpu() {
    let (dim, count) = (12, 7000);
    for unlike in [false, true] {
        let data = vectors(count, dim, unlike);
        let rows = Rows::new(&data, dim).unwrap();
        for metric in METRICS {
            let cards = StandInCards::default();
            let mut plain = FlatIndex::new(dim, metric, crate::kernel::best()).unwrap();
            let mut index = StandInEngine(cards.clone()).create("Flat", dim, metric).unwrap();
            for part in [rows.slice(0..count - 900), rows.slice(count - 900..count)] {
                plain.append(part).unwrap();
                index.append(part).unwrap();
            }
            for among in filters(count) {
                for k in [1, 10, 200, 3000] {
                    for queries in [rows.slice(0..1), rows.slice(120..140)] {
                        let found = index.search_batch(queries, k, among.as_ref()).unwrap();
                        let expected = plain.search_batch(queries, k, among.as_ref()).unwrap();
                        assert_eq!(bits(&found), bits(&expected), "{metric} {unlike} {k}");
                    }
                }
            }
            // Of queries without a filter, and with one that keeps half, for which k is within reach; not counting second rounds.
            assert!(cards.0.searched.load(Ordering::Relaxed) >= 3 * 3 * 21, "{metric} {unlike}: {cards:?}");
        }
    }
}

#[test]
fn kinds_on_cards_answer_with_the_bits_of_the_cpu_and_no_filter_starves_them() {
    let (dim, count) = (8, 4400);
    let data = vectors(count, dim, false);
    let rows = Rows::new(&data, dim).unwrap();
    let alone = KINDS.into_iter().flat_map(|kind| METRICS.map(|metric| (kind, metric, false)));
    for (kind, metric, several) in alone.chain([("IVF16,Flat", Metric::L2, true), ("Flat", Metric::L2, true)])
    {
        let cards = StandInCards(Arc::new(StandIn { several, ..StandIn::default() }));
        let mut index = StandInEngine(cards.clone()).create(kind, dim, metric).unwrap();
        index.append(rows.slice(0..count - 10)).unwrap();
        index.append(rows.slice(count - 10..count)).unwrap();
        let plain: Box<dyn VectorIndex> = if kind == "Flat" {
            let mut plain = FlatIndex::new(dim, metric, crate::kernel::best()).unwrap();
            plain.append(rows).unwrap();
            Box::new(plain)
        } else {
            if kind.starts_with("IVF") {
                assert_eq!(cards.0.trained.load(Ordering::Relaxed), 1, "{kind} is trained there");
                index.set_search_parameter("nprobe", 3).unwrap();
            }
            let bytes = index.to_engine_bytes().unwrap();
            Box::new(FaissKind::open(kind, Family::of(kind).unwrap(), dim, metric, &bytes).unwrap())
        };
        assert_eq!(read_all(&*index), read_all(&*plain), "{kind} {metric}");
        let queries = rows.slice(60..66);
        for (among, k) in filters(count).into_iter().flat_map(|among| [1, 40].map(|k| (among.clone(), k))) {
            let found = index.search_batch(queries, k, among.as_ref()).unwrap();
            let expected = plain.search_batch(queries, k, among.as_ref()).unwrap();
            assert_eq!(bits(&found), bits(&expected), "{kind} {metric} {k}");
            let available = among.as_ref().map_or(count, Positions::len);
            assert!(found.iter().all(|hits| hits.len() == k.min(available)), "{kind} {metric} {k}");
        }
        // More than cards can find.
        let found = index.search(rows.row(3), 2500, None).unwrap();
        assert_eq!(found, plain.search(rows.row(3), 2500, None).unwrap(), "{kind} {metric}");
        assert!(cards.0.searched.load(Ordering::Relaxed) > 0, "{kind} {metric}");
    }
}

#[test]
fn what_is_removed_is_gone_from_the_cards_too() {
    let (dim, count) = (8, 4000);
    let data = vectors(count, dim, false);
    let rows = Rows::new(&data, dim).unwrap();
    let gone = Positions::try_filter(count, |p| Ok::<_, ()>(p % 3 == 0)).unwrap();
    for kind in ["Flat", "IVF16,Flat", "SQfp16"] {
        let engine = StandInEngine::default();
        let mut index = engine.create(kind, dim, Metric::L2).unwrap();
        index.append(rows).unwrap();
        index.remove(&gone).unwrap();
        assert_eq!(index.len(), count - gone.len());
        let before = engine.0.0.searched.load(Ordering::Relaxed);
        let found = index.search_batch(rows.slice(0..40), 1, None).unwrap();
        assert!(engine.0.0.searched.load(Ordering::Relaxed) > before, "{kind}: by the cards");
        // Every row that stayed finds itself, where it is now.
        for (i, hits) in found.iter().enumerate().filter(|(i, _)| i % 3 != 0) {
            assert!(hits[0].score < 1e-4 && hits[0].position < i - i / 3, "{kind} {i}: {hits:?}");
        }
    }
}

#[test]
fn a_change_that_cards_refuse_changes_nothing() {
    let (dim, count) = (8, 3000);
    let data = vectors(count, dim, false);
    let rows = Rows::new(&data, dim).unwrap();
    for kind in ["Flat", "IVF16,Flat", "IVF16,SQ8", "SQfp16"] {
        for several in [false, true] {
            let cards = StandInCards(Arc::new(StandIn { several, ..StandIn::default() }));
            let mut index = StandInEngine(cards.clone()).create(kind, dim, Metric::Cosine).unwrap();
            index.append(rows.slice(0..2000)).unwrap();
            let before = read_all(&*index);
            let answers = bits(&index.search_batch(rows.slice(0..30), 9, None).unwrap());
            for (cause, code) in [(&cards.0.failing, "index_failed"), (&cards.0.full, "out_of_memory")] {
                cause.store(true, Ordering::Relaxed);
                let refused = index.append(rows.slice(2000..count));
                // With no room twice, but once, rows are moved by way of the host.
                assert_eq!(refused.unwrap_err().code(), code, "{kind}");
                assert_eq!(read_all(&*index), before, "{kind}");
                assert_eq!(
                    index.search(rows.row(0), 3, None).unwrap_err().code(),
                    code,
                    "{kind}: it is said, not hidden"
                );
                cause.store(false, Ordering::Relaxed);
                assert_eq!(bits(&index.search_batch(rows.slice(0..30), 9, None).unwrap()), answers, "{kind}");
            }
            index.append(rows.slice(2000..count)).unwrap();
            assert_eq!(index.len(), count);
        }
    }
}

#[test]
fn a_kind_that_could_not_be_trained_there_can_be_later() {
    let (dim, count) = (8, 500);
    let data = vectors(count, dim, false);
    let rows = Rows::new(&data, dim).unwrap();
    let cards = StandInCards::default();
    let mut index = StandInEngine(cards.clone()).create("IVF16,Flat", dim, Metric::L2).unwrap();
    assert_eq!(index.append(rows.slice(0..15)).unwrap_err().code(), "too_few_to_train");
    cards.0.failing.store(true, Ordering::Relaxed);
    assert_eq!(index.append(rows).unwrap_err().code(), "index_failed");
    assert_eq!((index.len(), index.info().trained), (0, false));
    cards.0.failing.store(false, Ordering::Relaxed);
    index.append(rows).unwrap();
    assert_eq!((index.len(), index.info().trained), (count, true));
}

#[test]
fn the_cpu_stands_in_where_it_may() {
    let (dim, count) = (8, 3000);
    let data = vectors(count, dim, false);
    let rows = Rows::new(&data, dim).unwrap();
    let standing_in = || StandInCards(Arc::new(StandIn { fallback: true, ..StandIn::default() }));
    for kind in ["Flat", "IVF16,Flat"] {
        let full = standing_in();
        full.0.full.store(true, Ordering::Relaxed);
        let lost = standing_in();
        for cards in [full, lost] {
            let mut index = StandInEngine(cards.clone()).create(kind, dim, Metric::L2).unwrap();
            index.append(rows.slice(0..2000)).unwrap();
            cards.0.failing.store(true, Ordering::Relaxed);
            index.append(rows.slice(2000..count)).unwrap();
            assert_eq!(index.len(), count, "{kind}");
            assert!(cards.are_given_up(), "{kind}");
            let searched = cards.0.searched.load(Ordering::Relaxed);
            assert_eq!(index.search(rows.row(2500), 1, None).unwrap()[0].score, 0.0, "{kind}");
            assert_eq!(cards.0.searched.load(Ordering::Relaxed), searched, "{kind}: not by the cards");
        }
    }
}

#[test]
fn searches_on_many_threads_end_and_agree() {
    use rayon::prelude::*;
    let (dim, count) = (8, 5000);
    let data = vectors(count, dim, false);
    let rows = Rows::new(&data, dim).unwrap();
    let mut index = StandInEngine::default().create("Flat", dim, Metric::L2).unwrap();
    index.append(rows).unwrap();
    let expected = bits(&index.search_batch(rows.slice(0..200), 5, None).unwrap());
    let agree = (0..64usize)
        .into_par_iter()
        .all(|_| bits(&index.search_batch(rows.slice(0..200), 5, None).unwrap()) == expected);
    assert!(agree);
}

#[test]
fn kinds_that_cards_lack_are_refused_by_name() {
    for kind in [
        "Flat",
        "SQfp16",
        "IVF4096,Flat",
        "IVF64,SQ8",
        "IVF64,SQfp16",
        "IVF64,PQ48",
        "IVF64,PQ96x8",
        "IVF64,PQ8np",
    ] {
        check_kind(kind, false).unwrap();
    }
    for kind in [
        "HNSW32",
        "SQ8",
        "PQ16",
        "IVF16,PQ4x6",
        "IVF16,PQ5",
        "IVF16_HNSW8,Flat",
        "IVF64,SQbf16",
        "IVF,Flat",
        "OPQ8,IVF64,PQ8",
    ] {
        let error = check_kind(kind, false).unwrap_err();
        assert_eq!(error.code(), "unsupported_by_index");
        assert!(error.to_string().contains(&format!("{kind:?} cannot be put on a GPU")), "{error}");
    }
    assert!(check_kind("SQfp16", true).unwrap_err().to_string().contains("one card alone"));
}

#[test]
fn a_filter_asks_for_as_many_as_should_hold_k() {
    assert_eq!(first_fetch(10, 1000, 1000), 16);
    assert_eq!(first_fetch(10, 12, 12), 12);
    assert_eq!(first_fetch(10, 1_000_000, 500_000), 52);
    assert_eq!(first_fetch(10, 1_000_000, 1), 1_000_000);
}
