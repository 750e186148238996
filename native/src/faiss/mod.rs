//! FAISS behind the core's index trait.
//!
//! Two indexes. `FaissFlat` is exact: FAISS holds the rows; a single query is scanned by SIMD kernels over FAISS's own rows, a
//! batch goes to FAISS's matrix product, and either way the final scores are the core's. `FaissKind` is everything
//! else that `index_factory` makes.

use std::io;
use std::sync::Arc;

use twindex_core::kernel::ScanKernel;
use twindex_core::{
    Engine, Error, Metric, PortableEngine, ReadRows, Result, RowSource, RowStats, VectorIndex,
};

#[cfg(feature = "gpu")]
use crate::device::{DeviceInfo, Placement};
use crate::kernel;

mod candidates;
mod ffi;
mod flat;
#[cfg(any(feature = "gpu", test))]
mod gpu;
mod ivf;
mod kinds;
#[cfg(test)]
mod tests;

use flat::FaissFlat;
#[cfg(feature = "gpu")]
pub(crate) use gpu::list as gpu_cards;
use kinds::{FaissKind, Family};

/// The engine that makes FAISS indexes.
///
/// Kinds are FAISS's `index_factory` strings: `Flat`, `IVF...,Flat`, `IVF...,SQ8`, `IVF...,PQ...`, `HNSW...`, `SQ...`, `PQ...`. What they can do:
///
/// | kind | trains | deletes | search-time parameter | scores |
/// | --- | --- | --- | --- | --- |
/// | `Flat` | no | yes | | exact |
/// | `IVFn,...` | on the first vectors, at least `n` | yes | `nprobe` | of the stored or decoded vectors |
/// | `HNSWm` | no | no | `efSearch` | of the stored vectors |
/// | `SQ8` and kin, `PQm` | on the first vectors | yes | | of the decoded vectors |
///
/// With cosine, kinds other than `Flat` hold unit vectors, and reading a vector gives that.
///
/// On NVIDIA cards ([`Device`](crate::Device)) FAISS has `Flat`, `SQfp16`, and `IVFn` with `Flat`, `SQ4`, `SQ6`, `SQ8`, `SQfp16` or `PQm` of 8 bits.
#[derive(Debug, Clone)]
pub struct FaissEngine {
    kernel: Arc<dyn ScanKernel>,
    /// Cards that hold copies of its indexes.
    #[cfg(feature = "gpu")]
    cards: Option<Arc<gpu::NvidiaCards>>,
}

impl FaissEngine {
    /// An engine on the best instruction set of this machine.
    ///
    /// # Errors
    /// `unsupported_content` if FAISS was compiled for AVX2 or AVX-512 and the machine lacks it or the environment turns it off
    /// (`FAISS_NO_AVX2`, `TWINDEX_NO_AVX2`): what is compiled in cannot be turned off. FAISS as Twindex's scripts build it runs
    /// everywhere, and leaves AVX2 to kernels chosen at run time.
    pub fn new() -> Result<Self> {
        let options = ffi::compile_options();
        let compiled_for = ["AVX512", "AVX2"].into_iter().find(|level| options.contains(level));
        if let Some(level) = compiled_for
            && (kernel::avx2_is_off() || !machine_has(level))
        {
            let needs =
                format!("{level}, which FAISS was compiled for and which is missing or turned off here");
            return Err(Error::UnsupportedContent { needs });
        }
        Ok(Self {
            kernel: kernel::best(),
            #[cfg(feature = "gpu")]
            cards: None,
        })
    }

    /// The same with copies of its indexes on cards.
    ///
    /// # Errors
    /// `device_unavailable`.
    #[cfg(feature = "gpu")]
    pub(crate) fn on_cards(self, placement: &Placement) -> crate::Result<Self> {
        Ok(Self { cards: Some(gpu::NvidiaCards::open(placement)?), ..self })
    }

    /// The cards in use.
    #[cfg(feature = "gpu")]
    pub(crate) fn device_info(&self) -> Option<DeviceInfo> {
        self.cards.as_ref().map(|cards| cards.info())
    }

    /// Fails on a kind of index that cannot be where this engine has its indexes.
    fn check_kind(&self, kind: &str) -> Result<()> {
        #[cfg(feature = "gpu")]
        if let Some(cards) = &self.cards {
            return gpu::check_kind(kind, cards.len() > 1);
        }
        let _ = kind;
        Ok(())
    }

    /// An index where this engine has its indexes.
    #[cfg(feature = "gpu")]
    fn placed<H: gpu::Host + 'static>(&self, host: H) -> Result<Box<dyn VectorIndex>> {
        Ok(match &self.cards {
            Some(cards) => Box::new(gpu::Mirrored::new(host, Arc::new(gpu::Shared(cards.clone())))?),
            None => Box::new(host),
        })
    }

    /// An index where this engine has its indexes.
    #[cfg(not(feature = "gpu"))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "cards may be full")]
    fn placed<H: VectorIndex + 'static>(&self, host: H) -> Result<Box<dyn VectorIndex>> {
        Ok(Box::new(host))
    }

    /// FAISS's version and what it was compiled for, such as `1.12.0 OPTIMIZE GENERIC`.
    #[must_use]
    pub fn faiss_version() -> String {
        format!("{} {}", ffi::version(), ffi::compile_options())
    }

    fn portable(&self) -> PortableEngine {
        PortableEngine::new(self.kernel.clone())
    }

    /// Rows that FAISS allocates and `fill` writes, piece by piece in order. For readers of files, which so copy the vectors only once.
    pub(crate) fn read_rows(
        &self,
        dim: usize,
        metric: Metric,
        count: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> Result<RowsRead> {
        Ok(RowsRead { raw: flat::read(dim, metric, count, fill)?, metric, engine: self.clone() })
    }
}

/// Rows in FAISS's memory, on the way to being an index.
pub(crate) struct RowsRead {
    raw: ffi::RawIndex,
    metric: Metric,
    engine: FaissEngine,
}

impl RowsRead {
    /// The index, given the statistics of the rows.
    pub(crate) fn into_index(self, stats: RowStats) -> Result<Box<dyn VectorIndex>> {
        let kernel = self.engine.kernel.clone();
        self.engine.placed(FaissFlat::from_raw(self.raw, self.metric, stats, kernel))
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn machine_has(level: &str) -> bool {
    match level {
        "AVX512" => std::arch::is_x86_feature_detected!("avx512f"),
        _ => std::arch::is_x86_feature_detected!("avx2"),
    }
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn machine_has(_: &str) -> bool {
    false
}

impl ReadRows for FaissEngine {
    fn read_rows(
        &self,
        dim: usize,
        metric: Metric,
        count: usize,
        rows: &mut dyn RowSource,
    ) -> Result<Box<dyn VectorIndex>> {
        let mut failure = None;
        let read = FaissEngine::read_rows(self, dim, metric, count, &mut |out| {
            rows.fill(out).map_err(|error| {
                failure = Some(error);
                io::Error::other("the rows could not be read")
            })
        });
        match failure {
            Some(error) => Err(error),
            None => read?.into_index(rows.stats()),
        }
    }
}

impl Engine for FaissEngine {
    fn name(&self) -> &'static str {
        "faiss"
    }

    fn create(&self, kind: &str, dim: usize, metric: Metric) -> Result<Box<dyn VectorIndex>> {
        if dim == 0 {
            return Err(Error::EmptyVector);
        }
        let family = Family::of(kind)?;
        self.check_kind(kind)?;
        match family {
            Family::Flat => self.placed(FaissFlat::new(dim, metric, self.kernel.clone())?),
            family => self.placed(FaissKind::new(kind, family, dim, metric)?),
        }
    }

    fn row_reader(&self) -> Option<&dyn ReadRows> {
        Some(self)
    }

    fn open(&self, kind: &str, dim: usize, metric: Metric, bytes: &[u8]) -> Result<Box<dyn VectorIndex>> {
        self.check_kind(kind)?;
        let family = match Family::of(kind) {
            Ok(family) => family,
            // What is not made here, but was made by FAISS elsewhere, the core searches.
            Err(_) => return self.portable().open(kind, dim, metric, bytes),
        };
        match family {
            Family::Flat => {
                let reason = "a vectors section expected for a Flat index, got a FAISS one".into();
                Err(Error::Corrupt { section: "faiss", reason })
            }
            family => self.placed(FaissKind::open(kind, family, dim, metric, bytes)?),
        }
    }
}
