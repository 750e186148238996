//! An index that a card made, for tests/js/gpu.mjs to open in Node.

use serde_json::json;
use twindex::core::{Metric, SearchOptions};

use super::kinds::failed;
use super::{Plan, Report, data, on_cpu};
use crate::bench::data::apart;

const DIM: usize = 64;
const ROWS: usize = 20_000;

/// Writes `gpu.twindex` and `gpu.json`, its answers, which FAISS on the CPU gives as well.
pub(super) async fn write(plan: &Plan, report: &mut Report<'_>) -> Result<(), String> {
    let Some(folder) = &plan.out else {
        return report.say("not run: --out names no folder");
    };
    let vectors = data::vectors(ROWS, DIM, 3);
    let builder = plan.builder().index_factory("IVF64,Flat").distance_strategy(Metric::L2);
    let store = builder.build().map_err(failed)?;
    store.add_with_vectors(data::documents(0, ROWS), apart(&vectors, DIM)).await.map_err(failed)?;
    store.set_search_parameter("nprobe", 8).await.map_err(failed)?;
    let file = folder.join("gpu.twindex");
    store.save_file(&file).await.map_err(failed)?;
    let cpu = on_cpu().load_file(&file).await.map_err(failed)?;
    let queries = apart(&data::vectors(50, DIM, 6), DIM);
    let found = cpu.similarity_search_batch_by_vector(&queries, SearchOptions::new().k(10)).await;
    let answers: Vec<_> = queries
        .iter()
        .zip(found.map_err(failed)?)
        .map(|(query, hits)| {
            let ids: Vec<_> = hits.iter().map(|hit| hit.document.id.clone()).collect();
            let scores: Vec<_> = hits.iter().map(|hit| hit.score).collect();
            json!({"query": query, "ids": ids, "scores": scores})
        })
        .collect();
    let text = serde_json::to_vec(&answers).map_err(failed)?;
    std::fs::write(folder.join("gpu.json"), text).map_err(failed)?;
    report.check("an IVF index of the card's is written for Node", true, &file.display().to_string())
}
