//! NVIDIA cards, as FAISS uses them.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use twindex_core::{Error as StoreError, Result as StoreResult, Rows};

use super::super::ffi::{Found, RawIndex};
use super::ffi::{self, RawGpuIndex, Resources, Upload};
use super::{CardIndex, Cards};
use crate::device::{Device, DeviceInfo, GpuCard, Placement};
use crate::error::{Error, Result};

/// What is left free on a card beside what an index takes: CUDA's code and contexts, cuBLAS's workspace, results.
const SPARE: u64 = 512 << 20;

/// FAISS's temporary memory on a card of more than 8 GiB, unless it is told otherwise; it never takes more.
const TEMP_MEMORY: u64 = 1536 << 20;

/// The cards of this machine.
pub(crate) fn list() -> Result<Vec<GpuCard>> {
    let unavailable = |reason: String| Error::DeviceUnavailable { device: Device::Gpu(0), reason };
    let count = ffi::count().map_err(|words| unavailable(no_card(&words)))?;
    (0..count).map(|number| ffi::card(number).map_err(unavailable)).collect()
}

/// CUDA's words for why there is no card, with what they mean where they hide it.
fn no_card(words: &str) -> String {
    if words.contains("driver version is insufficient") {
        format!("there is no NVIDIA driver, or one too old for this build (CUDA: {words})")
    } else {
        format!("there is no card (CUDA: {words})")
    }
}

/// Cards in use, shared by the indexes of one engine.
#[derive(Debug)]
pub(crate) struct NvidiaCards {
    device: Device,
    numbers: Vec<c_int>,
    resources: Vec<Resources>,
    fallback: bool,
    shards: bool,
    temp_memory: u64,
    /// Whoever uses the resources, or an index made with them, holds this.
    alone: Mutex<()>,
    /// Whether temporary memory is taken already.
    started: AtomicBool,
    given_up: Mutex<Option<String>>,
}

impl NvidiaCards {
    /// The cards of a device that is not the CPU.
    ///
    /// # Errors
    /// `device_unavailable` if there is no such card, no driver, or no code for the card in this build.
    pub(crate) fn open(placement: &Placement) -> Result<Arc<Self>> {
        let device = placement.device;
        let unavailable = |reason: String| Error::DeviceUnavailable { device, reason };
        let count = ffi::count().map_err(|words| unavailable(no_card(&words)))?;
        let numbers: Vec<usize> = match device {
            Device::Cpu => Vec::new(),
            Device::Gpu(number) => vec![number],
            Device::AllGpus => (0..count).collect(),
        };
        if numbers.is_empty() || numbers.iter().any(|&number| number >= count) {
            return Err(unavailable(format!("this machine has {count} card(s), counted from 0")));
        }
        for &number in &numbers {
            let card = ffi::card(number).map_err(unavailable)?;
            check_architecture(env!("TWINDEX_CUDA_ARCHITECTURES"), card.compute_capability)
                .map_err(|reason| unavailable(format!("{card}: {reason}")))?;
        }
        let resources =
            numbers.iter().map(|_| Resources::new(placement.temp_memory)).collect::<StoreResult<_>>()?;
        Ok(Arc::new(Self {
            device,
            numbers: numbers.iter().map(|&number| number as c_int).collect(),
            resources,
            fallback: placement.fallback,
            shards: placement.shards,
            temp_memory: placement.temp_memory.unwrap_or(TEMP_MEMORY).min(TEMP_MEMORY),
            alone: Mutex::new(()),
            started: AtomicBool::new(false),
            given_up: Mutex::new(None),
        }))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// What is in use, and how much of it.
    pub(crate) fn info(&self) -> DeviceInfo {
        if let Some(notice) = self.notice() {
            return DeviceInfo::cpu(Some(notice));
        }
        let _alone = self.alone();
        let gpu_bytes = self.resources.iter().filter_map(|resources| resources.bytes().ok()).sum();
        DeviceInfo { device: self.device, gpu_bytes, notice: None }
    }

    fn notice(&self) -> Option<String> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many cards share the bytes of an index.
    fn parts(&self) -> u64 {
        if self.shards { self.numbers.len() as u64 } else { 1 }
    }
}

/// Cards as indexes hold them.
#[derive(Debug)]
pub(crate) struct Shared(pub(crate) Arc<NvidiaCards>);

impl Cards for Shared {
    fn upload(&self, index: &RawIndex, half_tables: bool) -> StoreResult<Arc<dyn CardIndex>> {
        let cards = &self.0;
        let code_size = index.code_size().unwrap_or(0);
        let how = Upload {
            resources: &cards.resources,
            devices: &cards.numbers,
            shards: cards.shards && cards.numbers.len() > 1,
            half_tables,
            bytes: (index.len() * code_size) as u64,
        };
        let alone = cards.alone();
        // An index that is not trained goes to the first card alone, to be trained there.
        let how = if index.is_trained() {
            how
        } else {
            Upload { resources: &how.resources[..1], devices: &how.devices[..1], shards: false, ..how }
        };
        let raw = RawGpuIndex::upload(index, &how)?;
        cards.started.store(true, Ordering::Relaxed);
        drop(alone);
        Ok(Arc::new(NvidiaIndex { raw: Some(raw), cards: cards.clone() }))
    }

    fn check_room(&self, bytes: u64) -> StoreResult<()> {
        let cards = &self.0;
        let _alone = cards.alone();
        let temp_memory = if cards.started.load(Ordering::Relaxed) { 0 } else { cards.temp_memory };
        let needed = bytes.div_ceil(cards.parts()) + temp_memory + SPARE;
        for &number in &cards.numbers {
            let card = ffi::card(number as usize).map_err(super::super::ffi::failed)?;
            if card.free_bytes < needed {
                return Err(StoreError::OutOfMemory { what: "an index on the GPU", bytes: needed });
            }
        }
        Ok(())
    }

    fn is_single(&self) -> bool {
        self.0.numbers.len() == 1
    }

    fn stand_in(&self, error: StoreError) -> StoreResult<()> {
        if !self.0.fallback {
            return Err(error);
        }
        let notice = format!("the CPU stands in for device {}: {error}", self.0.device);
        log::warn!(target: "twindex::gpu", "device_fallback: {notice}");
        *self.0.given_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(notice);
        Ok(())
    }

    fn are_given_up(&self) -> bool {
        self.0.notice().is_some()
    }
}

/// A copy on cards.
#[derive(Debug)]
struct NvidiaIndex {
    /// Taken out when it is dropped.
    raw: Option<RawGpuIndex>,
    cards: Arc<NvidiaCards>,
}

impl NvidiaIndex {
    fn raw(&self) -> &RawGpuIndex {
        self.raw.as_ref().expect("there until it is dropped")
    }
}

impl CardIndex for NvidiaIndex {
    fn search(&self, queries: Rows<'_>, k: usize, nprobe: Option<usize>) -> StoreResult<Found> {
        let _alone = self.cards.alone();
        self.raw().search(queries, k, nprobe)
    }

    fn train(&self, rows: Rows<'_>) -> StoreResult<()> {
        let _alone = self.cards.alone();
        self.raw().train(rows)
    }

    fn add(&self, rows: Rows<'_>) -> StoreResult<()> {
        let _alone = self.cards.alone();
        self.raw().add(rows)
    }

    fn shrink(&self) -> StoreResult<()> {
        let _alone = self.cards.alone();
        self.raw().reclaim()
    }

    fn download(&self) -> StoreResult<RawIndex> {
        let _alone = self.cards.alone();
        self.raw().download()
    }
}

impl Drop for NvidiaIndex {
    fn drop(&mut self) {
        let _alone = self.cards.alone();
        self.raw = None;
    }
}

/// Whether code for these architectures, as CMake names them, runs on a card: code for `90` on 9.x from 9.0 on, and, compiled when it starts, on later ones; code for
/// `90-real` and `90a` on 9.x alone. What cannot be told is let through.
fn check_architecture(built_for: &str, (major, minor): (u32, u32)) -> Result<(), String> {
    let known = |name: &str| {
        let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
        let number: u32 = digits.parse().ok()?;
        let later = matches!(&name[digits.len()..], "" | "-virtual");
        let here = major * 10 + minor;
        Some(number <= here && (later || number / 10 == major))
    };
    let runs: Vec<Option<bool>> = built_for.split(';').map(known).collect();
    if runs.iter().any(|runs| *runs != Some(false)) {
        return Ok(());
    }
    Err(format!("this twindex was built for compute capability {built_for} (CUDAARCHS)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_runs_on_its_own_cards_and_on_later_ones_if_it_may() {
        for (built_for, card, runs) in [
            ("90", (9, 0), true),
            ("90", (10, 0), true),
            ("90", (8, 9), false),
            ("90-real", (10, 0), false),
            ("90-real", (9, 0), true),
            ("90a", (10, 0), false),
            ("80;90", (8, 6), true),
            ("80-real;90-real", (10, 0), false),
            ("native", (8, 0), true),
            ("", (5, 0), true),
        ] {
            assert_eq!(check_architecture(built_for, card).is_ok(), runs, "{built_for} on {card:?}");
        }
    }

    #[test]
    fn cards_that_are_not_there_are_refused_in_words() {
        let count = ffi::count().unwrap_or(0);
        let beyond = [Device::Gpu(count), Device::Gpu(count + 7)];
        let all = (count == 0).then_some(Device::AllGpus);
        for device in beyond.into_iter().chain(all) {
            let error = NvidiaCards::open(&Placement { device, ..Placement::default() }).unwrap_err();
            assert_eq!(error.code(), "device_unavailable");
            let said = error.to_string();
            let why = if count == 0 { "there is no " } else { "this machine has " };
            assert!(said.starts_with(&format!("device {device} cannot be used: {why}")), "{said}");
        }
        assert_eq!(list().map_or(0, |cards| cards.len()), count);
    }
}
