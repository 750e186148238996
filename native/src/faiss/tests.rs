use twindex_core::testkit::Generator;
use twindex_core::{Neighbor, Positions, Rows};

use super::*;

fn engine() -> FaissEngine {
    FaissEngine::new().expect("FAISS runs here")
}

twindex_core::testkit::index_suite!(engine());

/// Vectors around a few centres, as embeddings are.
fn clustered(count: usize, dim: usize) -> Vec<f32> {
    let mut generator = Generator::new(7);
    let centres = generator.floats(dim * 12);
    (0..count)
        .flat_map(|i| {
            let centre = &centres[i % 12 * dim..][..dim];
            centre.iter().map(|x| x + 0.3 * generator.float()).collect::<Vec<f32>>()
        })
        .collect()
}

const KINDS: [&str; 8] =
    ["IVF16,Flat", "IVF16,SQ8", "IVF16,PQ4x6", "HNSW16", "HNSW16,Flat", "HNSW16,SQ8", "SQ8", "PQ4x6"];

const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

fn read_all(index: &dyn VectorIndex) -> Vec<f32> {
    let mut data = vec![0.0; index.len() * index.dim()];
    for (position, row) in data.chunks_exact_mut(index.dim()).enumerate() {
        index.read(position, row).expect("read");
    }
    data
}

#[test]
fn every_kind_finds_most_true_neighbours_and_scores_what_it_holds() {
    let (dim, count, k) = (16, 3000, 10);
    let data = clustered(count, dim);
    let rows = Rows::new(&data, dim).unwrap();
    for kind in KINDS {
        for metric in METRICS {
            let mut index = engine().create(kind, dim, metric).unwrap();
            index.append(rows.slice(0..count - 500)).unwrap();
            index.append(rows.slice(count - 500..count)).unwrap();
            let parameter = if kind.starts_with("IVF") { "nprobe" } else { "efSearch" };
            if !matches!(kind, "SQ8" | "PQ4x6") {
                index.set_search_parameter(parameter, 64).unwrap();
            }
            let held = read_all(&*index);
            let mut hits = 0;
            for query in rows.iter().step_by(100) {
                let found = index.search(query, k, None).unwrap();
                assert_eq!(found.len(), k, "{kind} {metric}");
                assert!(found.is_sorted_by(|a, b| Neighbor::order(metric, a, b).is_le()));
                for hit in &found {
                    let row = &held[hit.position * dim..][..dim];
                    assert_eq!(*hit, Neighbor::scored(metric, query, row, hit.position), "{kind} {metric}");
                }
                let truth = twindex_core::testkit::brute_force(metric, rows, query, k, None);
                hits += truth.iter().filter(|t| found.iter().any(|f| f.position == t.position)).count();
            }
            let least = if kind.contains("PQ") { 20 } else { 270 };
            assert!(hits >= least, "{kind} {metric}: {hits} of 300");
        }
    }
}

#[test]
fn a_filter_never_starves_any_kind() {
    let (dim, count) = (16, 3000);
    let data = clustered(count, dim);
    let rows = Rows::new(&data, dim).unwrap();
    for kind in KINDS {
        let mut index = engine().create(kind, dim, Metric::L2).unwrap();
        index.append(rows).unwrap();
        for keep in [2, 40, 300] {
            // Only rows of the centres farthest from the query's.
            let among = Positions::try_filter(count, |p| Ok::<_, ()>(p % 12 != 0 && p % keep == 1)).unwrap();
            for batch in [rows.slice(0..1), rows.slice(0..30)] {
                for (query, found) in batch.iter().zip(index.search_batch(batch, 7, Some(&among)).unwrap()) {
                    assert_eq!(found.len(), 7.min(among.len()), "{kind}");
                    assert!(found.iter().all(|hit| among.contains(hit.position)), "{kind}");
                    assert_eq!(index.search(query, 7, Some(&among)).unwrap(), found, "{kind}");
                }
            }
        }
        assert_eq!(index.search(rows.row(0), count + 9, None).unwrap().len(), count, "{kind}");
    }
}

#[test]
fn kinds_that_can_delete_close_up_and_the_others_say_so() {
    let (dim, count) = (16, 2000);
    let data = clustered(count, dim);
    let rows = Rows::new(&data, dim).unwrap();
    for kind in KINDS {
        for metric in METRICS {
            let mut index = engine().create(kind, dim, metric).unwrap();
            index.append(rows).unwrap();
            let before = read_all(&*index);
            let gone = Positions::try_filter(count, |p| Ok::<_, ()>(p % 3 == 0 || p > 1900)).unwrap();
            if kind.starts_with("HNSW") {
                assert_eq!(index.remove(&gone).unwrap_err().code(), "unsupported_by_index");
                assert_eq!(read_all(&*index), before);
                continue;
            }
            index.remove(&gone).unwrap();
            let kept: Vec<f32> = (0..count)
                .filter(|&p| !gone.contains(p))
                .flat_map(|p| before[p * dim..][..dim].to_vec())
                .collect();
            assert_eq!(read_all(&*index), kept, "{kind} {metric}");
            index.append(rows.slice(0..10)).unwrap();
            let after = read_all(&*index);
            assert_eq!(after[..kept.len()], kept);
            assert_eq!(
                after[kept.len()..],
                before[..10 * dim],
                "{kind} {metric}: the same rows encode alike"
            );
            let found = index.search(rows.row(1), 5, None).unwrap();
            for hit in found {
                let row = &after[hit.position * dim..][..dim];
                assert_eq!(hit, Neighbor::scored(metric, rows.row(1), row, hit.position), "{kind} {metric}");
            }
        }
    }
}

#[test]
fn every_kind_comes_back_from_its_bytes() {
    let (dim, count) = (16, 1500);
    let data = clustered(count, dim);
    let rows = Rows::new(&data, dim).unwrap();
    for kind in KINDS {
        let mut index = engine().create(kind, dim, Metric::InnerProduct).unwrap();
        index.append(rows).unwrap();
        if kind.starts_with("IVF") {
            index.set_search_parameter("nprobe", 3).unwrap();
        }
        let bytes = index.to_engine_bytes().unwrap();
        assert_eq!(index.to_engine_bytes().unwrap(), bytes, "{kind}");
        let back = engine().open(kind, dim, Metric::InnerProduct, &bytes).unwrap();
        assert_eq!(back.to_engine_bytes().unwrap(), bytes, "{kind}");
        assert_eq!(back.info().parameters, index.info().parameters, "{kind}");
        for query in rows.iter().take(20) {
            assert_eq!(back.search(query, 5, None).unwrap(), index.search(query, 5, None).unwrap(), "{kind}");
        }
        for damaged in [&bytes[..bytes.len() - 1], &bytes[..40], &[&bytes[..], b"x"].concat()] {
            assert_eq!(
                engine().open(kind, dim, Metric::InnerProduct, damaged).unwrap_err().code(),
                "corrupt"
            );
        }
        assert_eq!(engine().open(kind, dim, Metric::L2, &bytes).unwrap_err().code(), "corrupt");
        assert_eq!(engine().open(kind, dim + 1, Metric::InnerProduct, &bytes).unwrap_err().code(), "corrupt");
    }
}

#[test]
fn long_rows_are_searched_exactly() {
    twindex_core::testkit::index_is_exact_on_hard_rows_of(&engine(), 1030, 4096);
}

#[test]
fn the_same_bytes_answer_alike_with_faiss_and_without() {
    let (dim, count) = (16, 2000);
    let data = clustered(count, dim);
    let rows = Rows::new(&data, dim).unwrap();
    let among = Positions::try_filter(count, |p| Ok::<_, ()>(p % 3 != 0)).unwrap();
    for kind in KINDS {
        for metric in METRICS {
            let mut built = engine().create(kind, dim, metric).unwrap();
            built.append(rows).unwrap();
            if kind.starts_with("IVF") {
                built.set_search_parameter("nprobe", 5).unwrap();
            }
            let bytes = built.to_engine_bytes().unwrap();
            let faiss = engine().open(kind, dim, metric, &bytes).unwrap();
            let portable = PortableEngine::default().open(kind, dim, metric, &bytes).unwrap();
            // An IVF's direct map is not kept.
            let same = portable.to_engine_bytes().unwrap() == bytes;
            assert_eq!(same, !kind.starts_with("IVF"), "{kind} {metric}");
            let (expected, held) = (read_all(&*faiss), read_all(&*portable));
            let near = |a: f32, b: f32| (a - b).abs() <= 1e-5 * a.abs().max(1.0);
            assert!(expected.iter().zip(&held).all(|(&a, &b)| near(a, b)), "{kind} {metric}");
            for query in rows.iter().step_by(100) {
                for among in [None, Some(&among)] {
                    let expected = faiss.search(query, 10, among).unwrap();
                    let found = portable.search(query, 10, among).unwrap();
                    assert_eq!(found.len(), expected.len(), "{kind} {metric}");
                    // Rows of one code are equally near: which of them comes is open, how near it is is not.
                    for (a, b) in expected.iter().zip(&found) {
                        // FAISS cuts by inner product, of decoded vectors that are not quite of unit length; a tie that it cuts off may be the nearer one.
                        let better = kind.contains("PQ") && metric == Metric::Cosine && b.score > a.score;
                        assert!(near(a.score, b.score) || better, "{kind} {metric}: {expected:?} {found:?}");
                    }
                    if !kind.contains("PQ") {
                        let positions =
                            |hits: &[Neighbor]| hits.iter().map(|hit| hit.position).collect::<Vec<_>>();
                        assert_eq!(positions(&found), positions(&expected), "{kind} {metric}");
                    }
                }
            }
        }
    }
}

#[test]
fn untrainable_input_leaves_an_index_that_can_still_be_trained() {
    let data = clustered(400, 16);
    let rows = Rows::new(&data, 16).unwrap();
    for (kind, code) in
        [("IVF16,Flat", "too_few_to_train"), ("IVF4,PQ4x6", "index_failed"), ("PQ4x6", "index_failed")]
    {
        let mut index = engine().create(kind, 16, Metric::L2).unwrap();
        assert_eq!(index.append(rows.slice(0..8)).unwrap_err().code(), code, "{kind}");
        assert!(index.is_empty());
        index.append(rows).unwrap();
        assert_eq!(index.search(rows.row(3), 1, None).unwrap().len(), 1);
    }
}

#[test]
fn foreign_kinds_and_parameters_are_refused_by_name() {
    for kind in [
        "",
        "flat",
        "IDMap,Flat",
        "IVF16,Flat,RFlat",
        "LSH",
        "PCA8,Flat",
        "PQ4x4fs",
        "HNSW16,PQ4x6",
        "IVF0,Flat",
        "IVF,Flat",
        "IVFx,Flat",
        "HNSW",
        "HNSW0",
        "HNSW1",
        "PQ0",
        "PQx8",
        "IVF4,PQ0",
    ] {
        assert_eq!(
            engine().create(kind, 16, Metric::L2).unwrap_err().code(),
            "unsupported_by_index",
            "{kind}"
        );
    }
    assert_eq!(engine().create("PQ5", 16, Metric::L2).unwrap_err().code(), "index_failed");
    let mut index = engine().create("HNSW16", 16, Metric::L2).unwrap();
    assert_eq!(index.set_search_parameter("nprobe", 3).unwrap_err().code(), "unsupported_by_index");
    assert_eq!(index.set_search_parameter("efSearch", 0).unwrap_err().code(), "invalid_option");
}
