//! How fast: FAISS on the CPU, FAISS on the card by its own calls, and Twindex there.

use faiss::gpu::StandardGpuResources;
use faiss::{Index, MetricType, index_factory};
use serde_json::json;
use twindex::Device;
use twindex::core::{Metric, Rows, SearchOptions};

use super::kinds::failed;
use super::{Plan, Report, data};
use crate::bench::data::apart;
use crate::bench::timing::{compare, time};

const DIM: usize = 384;
const K: usize = 10;
const ROUNDS: usize = 5;
const LISTS: usize = 4096;

/// At least so many times as fast as FAISS on the CPU: a search, and training.
const SEARCH: f64 = 20.0;
const TRAIN: f64 = 10.0;
/// At most so much of the time of FAISS's own call.
const OVERHEAD: f64 = 1.05;

/// What a card can do at most: multiplications and additions of 32 bits, and bytes of its memory, a second. By the maker's data sheets.
fn peak(name: &str) -> Option<(f64, f64)> {
    [("H200", 67e12, 4.8e12), ("H100", 67e12, 3.35e12)]
        .into_iter()
        .find_map(|(card, flops, bytes)| name.contains(card).then_some((flops, bytes)))
}

/// FAISS's own index on the card, or on the CPU in a rehearsal.
enum Own<'a> {
    Card(faiss::index::gpu::GpuIndexImpl<'a, faiss::index::IndexImpl>),
    Cpu(faiss::index::IndexImpl),
}

impl Own<'_> {
    fn new<'a>(
        plan: &Plan,
        index: faiss::index::IndexImpl,
        resources: &'a StandardGpuResources,
    ) -> Result<Own<'a>, String> {
        match plan.device {
            Device::Gpu(number) => index.into_gpu(resources, number as i32).map(Own::Card).map_err(failed),
            _ => Ok(Own::Cpu(index)),
        }
    }

    fn index(&mut self) -> &mut dyn Index {
        match self {
            Own::Card(index) => index,
            Own::Cpu(index) => index,
        }
    }
}

/// Takes care that FAISS's resources are made only where there is a card.
fn resources(plan: &Plan) -> Result<Option<StandardGpuResources>, String> {
    if plan.is_rehearsal() { Ok(None) } else { StandardGpuResources::new().map(Some).map_err(failed) }
}

pub(super) async fn flat(plan: &Plan, report: &mut Report<'_>) -> Result<(), String> {
    let rows = data::vectors(plan.rows, DIM, 8);
    let queries = data::vectors(plan.queries, DIM, 9);
    let mut cpu = index_factory(DIM as u32, "Flat", MetricType::L2).map_err(failed)?;
    cpu.add(&rows).map_err(failed)?;
    let mut on_cpu = None;
    let cpu_time = time(|| on_cpu = Some(cpu.search(&queries, K)));
    let on_cpu = on_cpu.transpose().map_err(failed)?;

    let resources = resources(plan)?;
    let mut own = match &resources {
        Some(resources) => Own::new(plan, cpu, resources)?,
        None => Own::Cpu(cpu),
    };
    let store = plan.builder().distance_strategy(Metric::L2).build().map_err(failed)?;
    let add_time = {
        let (documents, vectors) = (data::documents(0, plan.rows), apart(&rows, DIM));
        let start = std::time::Instant::now();
        store.add_with_vectors(documents, vectors).await.map_err(failed)?;
        start.elapsed().as_secs_f64()
    };
    let batch = Rows::new(&queries, DIM).map_err(failed)?;
    let options = SearchOptions::new().k(K);
    let found = store.read(|store| store.search_batch(batch, &options)).map_err(failed)?.map_err(failed)?;
    let positions: Vec<i64> = found
        .iter()
        .flat_map(|hits| {
            hits.iter()
                .map(|hit| hit.document.id.as_deref().and_then(|id| id[1..].parse().ok()).unwrap_or(-1))
        })
        .collect();
    let theirs: Vec<i64> = on_cpu
        .iter()
        .flat_map(|found| &found.labels)
        .map(|label| label.get().map_or(-1, |id| id as i64))
        .collect();
    let same = positions.iter().zip(&theirs).filter(|(ours, theirs)| ours == theirs).count();
    let seen = format!("{same} of {}", theirs.len());
    report.check(
        "Twindex on the card finds what FAISS finds on the CPU, but for ties in rounding",
        positions.len() == theirs.len() && same as f64 >= 0.9999 * theirs.len() as f64,
        &seen,
    )?;

    let compared = compare(
        ROUNDS,
        |_| drop(std::hint::black_box(own.index().search(&queries, K))),
        |_| drop(std::hint::black_box(store.read(|store| store.search_batch(batch, &options)))),
    );
    let speed_up = cpu_time / compared.second;
    let overhead = 1.0 / compared.ratio;
    let seen = format!(
        "{} queries against {} x {DIM}, k {K}: FAISS on the CPU {cpu_time:.2} s, FAISS on the card {:.4} s, Twindex there {:.4} s",
        plan.queries, plan.rows, compared.first, compared.second
    );
    report.say(&format!("   {seen}"))?;
    let rehearsal = plan.is_rehearsal();
    report.check(
        "searched at least 20 times as fast as by FAISS on the CPU",
        rehearsal || speed_up >= SEARCH,
        &format!("{speed_up:.1}"),
    )?;
    report.check(
        "in at most 1.05 of the time of FAISS's own call",
        rehearsal || overhead <= OVERHEAD,
        &format!("{overhead:.3}"),
    )?;
    // Less than a call as a whole: what a server does for each query that comes alone.
    let one = compare(
        ROUNDS * 10,
        |i| drop(std::hint::black_box(own.index().search(&queries[i % plan.queries * DIM..][..DIM], K))),
        |i| {
            let query = &queries[i % plan.queries * DIM..][..DIM];
            drop(std::hint::black_box(store.read(|store| store.search(query, &options))));
        },
    );
    report.say(&format!(
        "   one query: FAISS on the card {:.3} ms, Twindex there {:.3} ms",
        one.first * 1e3,
        one.second * 1e3
    ))?;
    report.figure(
        "flat",
        json!({
            "rows": plan.rows, "dim": DIM, "queries": plan.queries, "k": K,
            "faiss_cpu_s": cpu_time, "faiss_gpu_s": compared.first, "twindex_gpu_s": compared.second, "twindex_add_s": add_time,
            "cpu_over_twindex_gpu": speed_up, "twindex_over_faiss_gpu": overhead,
            "one_query_faiss_gpu_ms": one.first * 1e3, "one_query_twindex_gpu_ms": one.second * 1e3,
        }),
    );
    let card = twindex::gpu_cards().unwrap_or_default().into_iter().next();
    if let Some((flops, bytes)) = card.and_then(|card| peak(&card.name)) {
        let work = 2.0 * (plan.queries * plan.rows * DIM) as f64;
        let read = (plan.rows * DIM * 4) as f64;
        let floors = json!({
            "arithmetic_floor_s": work / flops, "bandwidth_floor_s": read / bytes,
            "times_the_arithmetic_floor": compared.second / (work / flops), "times_the_bandwidth_floor": compared.second / (read / bytes),
            "one_query_times_the_bandwidth_floor": one.second / (read / bytes),
        });
        report.say(&format!("   {floors}"))?;
        report.figure("flat_floors", floors);
    }
    Ok(())
}

pub(super) async fn train(plan: &Plan, report: &mut Report<'_>) -> Result<(), String> {
    let rows = data::vectors(plan.rows, DIM, 8);
    let lists = LISTS.min(plan.rows / 40).max(1);
    let kind = format!("IVF{lists},Flat");
    let make = || index_factory(DIM as u32, &kind, MetricType::L2).map_err(failed);
    let mut cpu = make()?;
    let mut outcome = Ok(());
    let cpu_time = time(|| outcome = cpu.train(&rows));
    outcome.map_err(failed)?;

    let resources = resources(plan)?;
    let mut own = match &resources {
        Some(resources) => Own::new(plan, make()?, resources)?,
        None => Own::Cpu(make()?),
    };
    let mut outcome = Ok(());
    let gpu_time = time(|| outcome = own.index().train(&rows));
    outcome.map_err(failed)?;
    let mut outcome = Ok(());
    let gpu_add = time(|| outcome = own.index().add(&rows));
    outcome.map_err(failed)?;
    drop(own);

    let store = plan.builder().index_factory(&kind).distance_strategy(Metric::L2).build().map_err(failed)?;
    let (documents, vectors) = (data::documents(0, plan.rows), apart(&rows, DIM));
    let start = std::time::Instant::now();
    store.add_with_vectors(documents, vectors).await.map_err(failed)?;
    let ours = start.elapsed().as_secs_f64();
    let ratio = cpu_time / gpu_time;
    let seen = format!(
        "{kind} on {} x {DIM}: trained on the CPU in {cpu_time:.2} s, on the card in {gpu_time:.2} s; trained, filled (FAISS {gpu_add:.2} s) and brought back as a Twindex store in {ours:.2} s",
        plan.rows
    );
    report.say(&format!("   {seen}"))?;
    report.check(
        "trained at least 10 times as fast as on the CPU",
        plan.is_rehearsal() || ratio >= TRAIN,
        &format!("{ratio:.1}"),
    )?;
    let whole = cpu_time / ours;
    report.figure(
        "train",
        json!({
            "kind": kind, "rows": plan.rows, "dim": DIM, "faiss_cpu_train_s": cpu_time, "faiss_gpu_train_s": gpu_time, "faiss_gpu_add_s": gpu_add,
            "twindex_gpu_whole_s": ours, "cpu_over_gpu_train": ratio, "cpu_train_over_twindex_whole": whole,
        }),
    );
    Ok(())
}
