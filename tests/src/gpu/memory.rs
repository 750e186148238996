//! Cards with too little memory.

use std::ffi::{c_int, c_void};
use std::ptr;

use twindex::core::Metric;
use twindex::{Device, DeviceInfo};

use super::kinds::failed;
use super::{Plan, Report, data};
use crate::bench::data::apart;

const DIM: usize = 384;
const MIB: u64 = 1 << 20;
/// What is left free: more than Twindex leaves beside an index and FAISS's temporary memory, as set here, and too little for [`ROWS`].
const LEFT: u64 = 900 * MIB;
const TEMP_MEMORY: u64 = 64 * MIB;
const ROWS: usize = 400_000;

unsafe extern "C" {
    fn cudaSetDevice(device: c_int) -> c_int;
    fn cudaMalloc(memory: *mut *mut c_void, bytes: usize) -> c_int;
    fn cudaFree(memory: *mut c_void) -> c_int;
}

/// Memory of a card that is taken, and given back when this is dropped.
struct Taken(Vec<*mut c_void>);

impl Taken {
    /// Takes memory of a card until about `left` bytes are free.
    fn all_but(number: usize, left: u64) -> Result<Self, String> {
        let mut taken = Taken(Vec::new());
        // SAFETY: sets the card of this thread, or fails.
        if unsafe { cudaSetDevice(number as c_int) } != 0 {
            return Err("the card cannot be used".to_owned());
        }
        loop {
            let card = twindex::gpu_cards().map_err(failed)?.swap_remove(number);
            if card.free_bytes < left + 32 * MIB {
                return Ok(taken);
            }
            let mut memory = ptr::null_mut();
            // In pieces, since what is free need not lie together.
            let bytes = ((card.free_bytes - left) / 2).clamp(16 * MIB, 8192 * MIB);
            // SAFETY: a place for the result; it is used for nothing, and freed once.
            if unsafe { cudaMalloc(&mut memory, bytes as usize) } != 0 {
                return Ok(taken);
            }
            taken.0.push(memory);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for memory in self.0.drain(..) {
            // SAFETY: from `cudaMalloc`, freed once.
            unsafe { cudaFree(memory) };
        }
    }
}

pub(super) async fn check(plan: &Plan, report: &mut Report<'_>) -> Result<(), String> {
    let Device::Gpu(number) = plan.device else {
        return report.say("not run: needs one card");
    };
    let vectors = data::vectors(ROWS, DIM, 7);
    let all = || apart(&vectors, DIM);
    let few = || apart(&vectors[..1000 * DIM], DIM);
    let builder = || plan.builder().distance_strategy(Metric::L2).gpu_temp_memory(TEMP_MEMORY);

    let free = |number: usize| {
        Ok::<u64, String>(twindex::gpu_cards().map_err(failed)?.swap_remove(number).free_bytes)
    };
    let store = builder().build().map_err(failed)?;
    let before = free(number)?;
    store.add_with_vectors(data::documents(0, ROWS), all()).await.map_err(failed)?;
    let (taken, said) = (before.saturating_sub(free(number)?), store.device().gpu_bytes);
    let vectors_bytes = (ROWS * DIM * 4) as u64;
    let seen = format!(
        "{} MiB of vectors, {} MiB said, {} MiB less free",
        vectors_bytes / MIB,
        said / MIB,
        taken / MIB
    );
    let bounded = (vectors_bytes..vectors_bytes + vectors_bytes / 10 + 128 * MIB).contains(&said);
    report.check(
        "a store says what it takes, and takes no more than a tenth beyond its vectors",
        bounded,
        &seen,
    )?;
    drop(store);

    let store = builder().build().map_err(failed)?;
    store.add_with_vectors(data::documents(0, 1000), few()).await.map_err(failed)?;
    let bytes = store.serialize_to_bytes().await.map_err(failed)?;
    let taken = Taken::all_but(number, LEFT)?;
    let refused = store.add_with_vectors(data::documents(1000, ROWS), all()).await.err();
    let code = refused.as_ref().map_or("none", |error| error.code());
    report.check("too little memory for more vectors is a typed error", code == "out_of_memory", code)?;
    let same = store.serialize_to_bytes().await.map_err(failed)? == bytes;
    report.check("which changes nothing", same && store.count().map_err(failed)? == 1000, "")?;
    let found = store.similarity_search_with_score_by_vector(&vectors[..DIM], 1).await.map_err(failed)?;
    report.check("and the store goes on", found.first().is_some_and(|hit| hit.score == 0.0), "")?;

    let fallback = builder().device_fallback(true).build().map_err(failed)?;
    fallback.add_with_vectors(data::documents(0, ROWS), all()).await.map_err(failed)?;
    let DeviceInfo { device, gpu_bytes, notice, .. } = fallback.device();
    let stands_in = device == Device::Cpu && gpu_bytes == 0 && notice.is_some();
    report.check("or the CPU stands in, with a notice", stands_in, &notice.unwrap_or_default())?;
    let found = fallback.similarity_search_with_score_by_vector(&vectors[..DIM], 1).await.map_err(failed)?;
    report.check("and answers", found.first().is_some_and(|hit| hit.score == 0.0), "")?;
    drop((store, fallback));

    let rest = Taken::all_but(number, 300 * MIB)?;
    let full = builder().dim(DIM).build().err().map_or("none", |error| error.code());
    report.check("a card that is full is a typed error", full == "out_of_memory", full)?;
    drop((rest, taken));
    let code = plan.builder().dim(DIM).build().err().map_or("none", |error| error.code());
    report.check("and can be used again when it is not", code == "none", code)
}
