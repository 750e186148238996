//! The only place that calls FAISS about cards, and CUDA. FAISS ends the process when CUDA fails in ways it does not expect; callers ask first whether there is a card, code
//! for it, and room.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use faiss_sys as sys;
use twindex_core::{Error, Result, Rows};

use super::super::ffi::{Found, RawIndex, check, failed};

/// What `gpu.cc` tells of a card.
#[repr(C)]
struct CardInfo {
    name: [c_char; 256],
    total_bytes: u64,
    free_bytes: u64,
    major: i32,
    minor: i32,
}

unsafe extern "C" {
    fn twindex_gpu_count(count: *mut c_int, message: *mut c_char, capacity: usize) -> c_int;
    fn twindex_gpu_card(number: c_int, out: *mut CardInfo, message: *mut c_char, capacity: usize) -> c_int;
    fn twindex_gpu_can_pin(bytes: usize) -> c_int;
    fn twindex_gpu_bytes(
        resources: *const c_void,
        bytes: *mut u64,
        message: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn twindex_gpu_set_nprobe(
        index: *mut c_void,
        nprobe: usize,
        message: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn twindex_gpu_reclaim(index: *mut c_void, message: *mut c_char, capacity: usize) -> c_int;
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// Calls a function of `gpu.cc`, which writes why it failed where it is told.
fn call(work: impl FnOnce(*mut c_char, usize) -> c_int) -> Result<(), String> {
    let mut message = [0u8; 1024];
    match work(message.as_mut_ptr().cast(), message.len()) {
        0 => Ok(()),
        _ => Err(text(&message)),
    }
}

/// A call of FAISS that allocates on a card: that there is too little memory has an error of its own.
fn allocating(code: c_int, bytes: u64) -> Result<()> {
    check(code).map_err(|error| match &error {
        Error::Index { message, .. } if message.contains("cudaMalloc error") => {
            Error::OutOfMemory { what: "an index on the GPU", bytes }
        }
        _ => error,
    })
}

/// How many cards CUDA sees, or its words for why there is none.
pub(super) fn count() -> Result<usize, String> {
    let mut count = 0;
    // SAFETY: writes a number, and at most as many bytes of a message as it is told.
    call(|message, capacity| unsafe { twindex_gpu_count(&mut count, message, capacity) })?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// A card, by its number, which is below [`count`].
pub(super) fn card(number: usize) -> Result<crate::GpuCard, String> {
    let mut info = CardInfo { name: [0; 256], total_bytes: 0, free_bytes: 0, major: 0, minor: 0 };
    let device = c_int::try_from(number).map_err(|error| error.to_string())?;
    // SAFETY: writes the struct, laid out as in `gpu.cc`, and at most as many bytes of a message as it is told.
    call(|message, capacity| unsafe { twindex_gpu_card(device, &mut info, message, capacity) })?;
    Ok(crate::GpuCard {
        number,
        name: text(&info.name.map(|byte| byte.cast_unsigned())),
        compute_capability: (info.major.cast_unsigned(), info.minor.cast_unsigned()),
        total_bytes: info.total_bytes,
        free_bytes: info.free_bytes,
    })
}

/// What FAISS needs to work on one card: streams, a cuBLAS handle, temporary memory.
#[derive(Debug)]
pub(super) struct Resources {
    raw: *mut sys::FaissStandardGpuResources,
}

// SAFETY: not bound to a thread. `NvidiaCards` never lets two threads use them at once.
unsafe impl Send for Resources {}
// SAFETY: as above.
unsafe impl Sync for Resources {}

impl Resources {
    /// Resources that take memory on a card when they are first used there; `temp_memory` in place of FAISS's own choice.
    pub(super) fn new(temp_memory: Option<u64>) -> Result<Self> {
        /// FAISS's own choice, for queries on their way to a card.
        const PINNED: usize = 256 << 20;
        let mut raw = ptr::null_mut();
        // SAFETY: a place for the result.
        check(unsafe { sys::faiss_StandardGpuResources_new(&mut raw) })?;
        let resources = Self { raw };
        if let Some(bytes) = temp_memory {
            let bytes = usize::try_from(bytes).map_err(failed)?;
            // SAFETY: made above.
            check(unsafe { sys::faiss_StandardGpuResources_setTempMemory(raw, bytes) })?;
        }
        // SAFETY: allocates and frees, and returns whether that went well.
        if unsafe { twindex_gpu_can_pin(PINNED) } == 0 {
            // SAFETY: made above, and not used on a card yet, which FAISS asserts.
            check(unsafe { sys::faiss_StandardGpuResources_setPinnedMemory(raw, 0) })?;
        }
        Ok(resources)
    }

    /// Bytes on the card that indexes, and temporary memory, take now.
    pub(super) fn bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        // SAFETY: live resources, which only a caller that is alone with them uses; writes a number, and at most as many bytes of a message as it is told.
        call(|message, capacity| unsafe {
            twindex_gpu_bytes(self.raw.cast_const().cast(), &mut bytes, message, capacity)
        })
        .map_err(failed)?;
        Ok(bytes)
    }
}

impl Drop for Resources {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed once. Indexes share what is behind them.
        unsafe { sys::faiss_StandardGpuResources_free(self.raw) };
    }
}

/// How an index is put on cards.
pub(super) struct Upload<'a> {
    /// One for each card.
    pub(super) resources: &'a [Resources],
    /// Numbers of the cards.
    pub(super) devices: &'a [c_int],
    /// Whether each holds a part.
    pub(super) shards: bool,
    /// Whether tables of product quantizers are of half precision.
    pub(super) half_tables: bool,
    /// Bytes that it takes, for the error if they are not there.
    pub(super) bytes: u64,
}

/// A FAISS index on cards. Whoever calls must be alone with the resources that it was made with.
#[derive(Debug)]
pub(super) struct RawGpuIndex {
    raw: *mut sys::FaissIndex,
    dim: usize,
}

// SAFETY: not bound to a thread: FAISS sets the card in each call. `NvidiaCards` never lets two threads use one at once.
unsafe impl Send for RawGpuIndex {}
// SAFETY: as above.
unsafe impl Sync for RawGpuIndex {}

impl RawGpuIndex {
    /// Copies an index to cards, by FAISS's cloner for several, which takes one as well.
    pub(super) fn upload(index: &RawIndex, how: &Upload<'_>) -> Result<Self> {
        assert_eq!(how.resources.len(), how.devices.len(), "resources for each card");
        let providers: Vec<_> = how.resources.iter().map(|resources| resources.raw).collect();
        let mut options = ptr::null_mut();
        // SAFETY: a place for the result.
        check(unsafe { sys::faiss_GpuMultipleClonerOptions_new(&mut options) })?;
        let mut raw = ptr::null_mut();
        // SAFETY: the options are made above, used while they live and freed once; the lists have the lengths given, and the index lives and is not changed.
        let code = unsafe {
            sys::faiss_GpuMultipleClonerOptions_set_shard(options, c_int::from(how.shards));
            sys::faiss_GpuClonerOptions_set_useFloat16(options, c_int::from(how.half_tables));
            let code = sys::faiss_index_cpu_to_gpu_multiple_with_options(
                providers.as_ptr(),
                providers.len(),
                how.devices.as_ptr(),
                how.devices.len(),
                index.ptr(),
                options,
                &mut raw,
            );
            sys::faiss_GpuMultipleClonerOptions_free(options);
            code
        };
        allocating(code, how.bytes)?;
        if raw.is_null() {
            return Err(failed("copying to the card gave no index"));
        }
        Ok(Self { raw, dim: index.dim() })
    }

    /// As [`RawIndex::search`], with a number of lists to probe for kinds that have lists.
    pub(super) fn search(&self, queries: Rows<'_>, k: usize, nprobe: Option<usize>) -> Result<Found> {
        assert_eq!(queries.dim(), self.dim);
        let slots = queries.len().checked_mul(k).ok_or_else(|| failed("too many results"))?;
        let mut found = Found { labels: vec![-1; slots], distances: vec![0.0; slots] };
        if let Some(nprobe) = nprobe {
            // SAFETY: a live index that nobody else uses now; writes at most as many bytes of a message as it is told.
            call(|message, capacity| unsafe {
                twindex_gpu_set_nprobe(self.raw.cast(), nprobe, message, capacity)
            })
            .map_err(failed)?;
        }
        // SAFETY: the queries are n x d numbers and the result slots n x k (both by construction above); a live index that nobody else uses now.
        let code = unsafe {
            sys::faiss_Index_search(
                self.raw,
                queries.len() as i64,
                queries.data().as_ptr(),
                k as i64,
                found.distances.as_mut_ptr(),
                found.labels.as_mut_ptr(),
            )
        };
        allocating(code, slots as u64 * 12)?;
        Ok(found)
    }

    pub(super) fn train(&self, rows: Rows<'_>) -> Result<()> {
        assert_eq!(rows.dim(), self.dim);
        // SAFETY: n x d numbers, and a live index that nobody else uses now.
        let code = unsafe { sys::faiss_Index_train(self.raw, rows.len() as i64, rows.data().as_ptr()) };
        allocating(code, size_of_val(rows.data()) as u64)
    }

    pub(super) fn add(&self, rows: Rows<'_>) -> Result<()> {
        assert_eq!(rows.dim(), self.dim);
        // SAFETY: n x d numbers, and a live index that nobody else uses now.
        let code = unsafe { sys::faiss_Index_add(self.raw, rows.len() as i64, rows.data().as_ptr()) };
        allocating(code, size_of_val(rows.data()) as u64)
    }

    /// Lets go of memory that adding to lists left behind.
    pub(super) fn reclaim(&self) -> Result<()> {
        // SAFETY: a live index that nobody else uses now; writes at most as many bytes of a message as it is told.
        call(|message, capacity| unsafe { twindex_gpu_reclaim(self.raw.cast(), message, capacity) })
            .map_err(failed)
    }

    /// The index as it is on the CPU.
    pub(super) fn download(&self) -> Result<RawIndex> {
        let mut raw = ptr::null_mut();
        // SAFETY: a live index that nobody else uses now, and a place for the result.
        check(unsafe { sys::faiss_index_gpu_to_cpu(self.raw, &mut raw) })?;
        if raw.is_null() {
            return Err(failed("copying from the card gave no index"));
        }
        // SAFETY: a fresh index that nobody else holds.
        Ok(unsafe { RawIndex::from_raw(raw) })
    }
}

impl Drop for RawGpuIndex {
    fn drop(&mut self) {
        // SAFETY: made by `upload`, freed once; whoever drops it is alone with its resources.
        unsafe { sys::faiss_Index_free(self.raw) };
    }
}
