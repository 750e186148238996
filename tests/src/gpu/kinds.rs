//! Every kind of index that FAISS has on cards, through everything that a store does, beside the same store on the CPU.

use serde_json::json;
use twindex::VectorStore;
use twindex::core::{DeleteOptions, Document, Filter, Hit, Metric, MmrOptions, SearchOptions};

use super::{Plan, Report, data, on_cpu};
use crate::bench::data::apart;

const DIM: usize = 64;
const ROWS: usize = 20_000;
const MORE: usize = 700;
const KINDS: [&str; 7] =
    ["Flat", "SQfp16", "IVF64,Flat", "IVF64,SQ8", "IVF64,SQ4", "IVF64,SQfp16", "IVF64,PQ16"];

/// How far the recall on a card may be from that on the CPU, where rounding decides which lists are probed or what is the nearest of what is held.
const RECALL: f64 = 0.001;

pub(super) fn failed(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn filters() -> Result<Vec<(&'static str, Option<Filter>)>, String> {
    let parse = |value: serde_json::Value| Filter::try_from(value).map_err(failed);
    Ok(vec![
        ("no filter", None),
        ("half", Some(parse(json!({"n": {"$lt": 50}}))?)),
        ("a twentieth", Some(parse(json!({"n": {"$gte": 95}}))?)),
        ("a hundredth", Some(parse(json!({"n": 7}))?)),
        ("none", Some(parse(json!({"n": 100}))?)),
    ])
}

fn bits(found: &[Vec<Hit>]) -> Vec<Vec<(Option<&str>, u32)>> {
    let hit = |hit: &Hit| hit.score.to_bits();
    found.iter().map(|hits| hits.iter().map(|h| (h.document.id.as_deref(), hit(h))).collect()).collect()
}

/// The part of the hits of `exact` that `found` has.
fn recall(found: &[Vec<Hit>], exact: &[Vec<Hit>]) -> f64 {
    let (mut common, mut all) = (0, 0);
    for (found, exact) in found.iter().zip(exact) {
        all += exact.len();
        common += exact.iter().filter(|e| found.iter().any(|f| f.document.id == e.document.id)).count();
    }
    if all == 0 { 1.0 } else { common as f64 / all as f64 }
}

/// Whether hits that both have, have the same scores.
fn scores_agree(one: &[Vec<Hit>], other: &[Vec<Hit>]) -> bool {
    one.iter().zip(other).all(|(one, other)| {
        one.iter().all(|hit| {
            let same = other.iter().find(|o| o.document.id == hit.document.id);
            same.is_none_or(|o| o.score.to_bits() == hit.score.to_bits())
        })
    })
}

pub(super) async fn check(plan: &Plan, report: &mut Report<'_>) -> Result<(), String> {
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        for kind in KINDS {
            check_kind(plan, report, kind, metric).await?;
        }
    }
    let refused =
        plan.builder().index_factory("HNSW32").dim(DIM).build().err().map(|error| error.to_string());
    let by_name = refused.as_deref().is_some_and(|said| said.contains("\"HNSW32\" cannot be put on a GPU"));
    let seen = refused.unwrap_or_else(|| "it was made".to_owned());
    report.check("a kind that cards lack is refused by name", by_name || plan.is_rehearsal(), &seen)
}

async fn check_kind(plan: &Plan, report: &mut Report<'_>, kind: &str, metric: Metric) -> Result<(), String> {
    let name = format!("{kind}, {}", metric.name());
    let vectors = data::vectors(ROWS, DIM, 3);
    let builder = || plan.builder().index_factory(kind).distance_strategy(metric);
    let store = builder().build().map_err(failed)?;
    store.add_with_vectors(data::documents(0, ROWS), apart(&vectors, DIM)).await.map_err(failed)?;
    if kind.starts_with("IVF") {
        store.set_search_parameter("nprobe", 8).await.map_err(failed)?;
    }
    let bytes = store.serialize_to_bytes().await.map_err(failed)?;
    let open = |bytes: Vec<u8>| on_cpu().deserialize_from_bytes(bytes);
    let cpu = open(bytes.clone()).await.map_err(failed)?;
    let again = cpu.serialize_to_bytes().await.map_err(failed)?;
    report.check(
        &format!("{name}: what the card made opens on the CPU, with the same bytes"),
        again == bytes,
        "",
    )?;
    let back = builder().deserialize_from_bytes(bytes).await.map_err(failed)?;
    answers(report, &format!("{name}, opened there"), &back, &cpu, kind == "Flat").await?;
    answers(report, &name, &store, &cpu, kind == "Flat").await?;

    // The same changes to both.
    let more = data::vectors(MORE, DIM, 4);
    let gone = || Filter::try_from(json!({"n": 3})).map(DeleteOptions::filter).map_err(failed);
    let other = on_cpu().index_factory(kind).distance_strategy(metric).build().map_err(failed)?;
    if !kind.starts_with("IVF") {
        other
            .add_with_vectors(data::documents(ROWS + MORE, 50), apart(&more[..50 * DIM], DIM))
            .await
            .map_err(failed)?;
    }
    for store in [&store, &cpu] {
        store.add_with_vectors(data::documents(ROWS, MORE), apart(&more, DIM)).await.map_err(failed)?;
        store.delete(gone()?).await.map_err(failed)?;
        store.merge_from(&other).await.map_err(failed)?;
    }
    let same = store.serialize_to_bytes().await.map_err(failed)?
        == cpu.serialize_to_bytes().await.map_err(failed)?;
    report.check(&format!("{name}: added to, deleted from and merged, the bytes are the same"), same, "")?;
    answers(report, &format!("{name}, changed"), &store, &cpu, kind == "Flat").await?;
    if kind == "IVF64,Flat" {
        for store in [&store, &cpu] {
            store.set_search_parameter("nprobe", 64).await.map_err(failed)?;
        }
        answers(report, &format!("{name}, all lists probed"), &store, &cpu, true).await?;
    }
    Ok(())
}

/// Compares the answers of a store on the device and one on the CPU: to the bit where the kind is exact, else within what rounding may do.
async fn answers(
    report: &mut Report<'_>,
    name: &str,
    store: &VectorStore,
    cpu: &VectorStore,
    exact: bool,
) -> Result<(), String> {
    let queries = apart(&data::vectors(100, DIM, 5), DIM);
    let flat = on_cpu()
        .distance_strategy(store.read(|store| store.metric()).map_err(failed)?)
        .build()
        .map_err(failed)?;
    let (documents, held) = store
        .read(|store| {
            let ids: Vec<&str> = store.index_to_docstore_id().map(|(_, id)| id).collect();
            let documents: Vec<Document> = store.get_by_ids(&ids).iter().map(|one| (**one).clone()).collect();
            store.vectors().map(|held| (documents, held))
        })
        .map_err(failed)?
        .map_err(failed)?;
    flat.add_with_vectors(documents, apart(&held, DIM)).await.map_err(failed)?;
    let (mut equal, mut of, mut starved, mut worst, mut scores) = (0, 0, 0, 0f64, true);
    for (_, filter) in filters()? {
        for k in [1, 10, 100, 3000] {
            let queries = &queries[..if k == 3000 { 3 } else { queries.len() }];
            let options = || {
                let mut options = SearchOptions::new().k(k);
                options.filter = filter.clone();
                options
            };
            let found = store.similarity_search_batch_by_vector(queries, options()).await.map_err(failed)?;
            let expected = cpu.similarity_search_batch_by_vector(queries, options()).await.map_err(failed)?;
            let truth = flat.similarity_search_batch_by_vector(queries, options()).await.map_err(failed)?;
            let alone =
                store.similarity_search_with_score_by_vector(&queries[0], options()).await.map_err(failed)?;
            equal += bits(&found).iter().zip(bits(&expected)).filter(|(one, other)| **one == *other).count();
            of += queries.len();
            starved += found.iter().zip(&truth).filter(|(hits, truth)| hits.len() != truth.len()).count();
            worst = worst.max((recall(&found, &truth) - recall(&expected, &truth)).abs());
            scores &= scores_agree(&found, &expected);
            if exact {
                scores &= bits(std::slice::from_ref(&alone)) == bits(&found[..1]);
            }
        }
    }
    let seen =
        format!("{equal} of {of} answers equal, recall apart by at most {worst:.5}, {starved} too short");
    let holds = scores && starved == 0 && if exact { equal == of } else { worst <= RECALL };
    report.check(&format!("{name}: answers, with filters"), holds, &seen)?;
    if exact {
        let mut same = true;
        for query in queries.iter().take(10) {
            let options = || MmrOptions::new().k(5).fetch_k(40);
            let one = store.max_marginal_relevance_search_with_score_by_vector(query, options()).await;
            let other = cpu.max_marginal_relevance_search_with_score_by_vector(query, options()).await;
            same &= bits(&[one.map_err(failed)?]) == bits(&[other.map_err(failed)?]);
        }
        report.check(&format!("{name}: maximal marginal relevance"), same, "")?;
    }
    Ok(())
}
