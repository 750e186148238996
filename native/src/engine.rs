//! Which engine holds the vectors.

use std::fmt;
use std::io;
use std::sync::Arc;

use twindex_core::{Engine, Error, FlatIndex, Metric, PortableEngine, Result, RowStats, VectorIndex};

use crate::device::{Device, DeviceInfo, Placement};
use crate::kernel;

/// Which engine holds the vectors of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineKind {
    /// FAISS, every kind of `index_factory` that Twindex takes. The default where it is built in.
    #[cfg(feature = "faiss")]
    #[default]
    Faiss,
    /// The core's own: exact flat indexes, and every kind that FAISS trained and wrote.
    #[cfg_attr(not(feature = "faiss"), default)]
    Flat,
}

/// An engine, kept by its own type where files are read straight into it.
#[derive(Debug, Clone)]
pub(crate) struct NativeEngine {
    own: Own,
    /// Why the CPU stands in for the device that was asked for.
    notice: Option<String>,
}

#[derive(Debug, Clone)]
enum Own {
    #[cfg(feature = "faiss")]
    Faiss(crate::faiss::FaissEngine),
    Flat(PortableEngine),
}

impl NativeEngine {
    /// An engine on a device, or on the CPU if that may stand in for it.
    ///
    /// # Errors
    /// `device_unavailable`; `invalid_option` for Twindex's own engine on a card.
    pub(crate) fn new(kind: EngineKind, placement: &Placement) -> crate::Result<Self> {
        let own = match kind {
            #[cfg(feature = "faiss")]
            EngineKind::Faiss => Own::Faiss(crate::faiss::FaissEngine::new()?),
            EngineKind::Flat => Own::Flat(PortableEngine::new(kernel::best())),
        };
        if placement.device == Device::Cpu {
            return Ok(Self { own, notice: None });
        }
        match own.clone().on_cards(placement) {
            Ok(own) => Ok(Self { own, notice: None }),
            Err(error @ crate::Error::DeviceUnavailable { .. }) if placement.fallback => {
                let notice = format!("the CPU stands in: {error}");
                log::warn!(target: "twindex::gpu", "device_fallback: {notice}");
                Ok(Self { own, notice: Some(notice) })
            }
            Err(error) => Err(error),
        }
    }

    /// Where indexes are searched now.
    pub(crate) fn device_info(&self) -> DeviceInfo {
        #[cfg(feature = "gpu")]
        if let Own::Faiss(engine) = &self.own
            && let Some(info) = engine.device_info()
        {
            return info;
        }
        DeviceInfo::cpu(self.notice.clone())
    }

    pub(crate) fn shared(&self) -> Arc<dyn Engine> {
        match &self.own {
            #[cfg(feature = "faiss")]
            Own::Faiss(engine) => Arc::new(engine.clone()),
            Own::Flat(engine) => Arc::new(engine.clone()),
        }
    }

    /// Memory for `count` vectors that `fill` reads into, in order, and that becomes the index without another copy.
    pub(crate) fn read_rows(
        &self,
        dim: usize,
        metric: Metric,
        count: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> Result<RowsRead> {
        // The flat index learns its metric with the statistics.
        #[cfg(not(feature = "faiss"))]
        let _ = metric;
        match &self.own {
            #[cfg(feature = "faiss")]
            Own::Faiss(engine) => engine.read_rows(dim, metric, count, fill).map(RowsRead::Faiss),
            Own::Flat(engine) => {
                let mut data = vec![0.0f32; dim * count];
                fill(bytemuck::cast_slice_mut(&mut data))
                    .map_err(|error| Error::Index { engine: "flat", message: error.to_string() })?;
                Ok(RowsRead::Flat { data, dim, engine: engine.clone() })
            }
        }
    }
}

impl Own {
    #[cfg(feature = "gpu")]
    fn on_cards(self, placement: &Placement) -> crate::Result<Self> {
        match self {
            Own::Faiss(engine) => engine.on_cards(placement).map(Own::Faiss),
            Own::Flat(_) => {
                let reason = format!("Twindex's own engine searches on the CPU, not on {}", placement.device);
                Err(Error::InvalidOption { option: "device", reason }.into())
            }
        }
    }

    #[cfg(not(feature = "gpu"))]
    fn on_cards(self, placement: &Placement) -> crate::Result<Self> {
        Err(crate::device::not_built_in(placement.device))
    }
}

/// Vectors read, on the way to being an index.
pub(crate) enum RowsRead {
    #[cfg(feature = "faiss")]
    Faiss(crate::faiss::RowsRead),
    Flat {
        data: Vec<f32>,
        dim: usize,
        engine: PortableEngine,
    },
}

impl RowsRead {
    /// The index, given the statistics of the rows.
    pub(crate) fn into_index(self, stats: RowStats) -> Result<Box<dyn VectorIndex>> {
        Ok(match self {
            #[cfg(feature = "faiss")]
            RowsRead::Faiss(rows) => rows.into_index(stats)?,
            RowsRead::Flat { data, dim, engine } => {
                Box::new(FlatIndex::from_rows(data, dim, stats, engine.kernel())?)
            }
        })
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "faiss")]
            EngineKind::Faiss => "faiss",
            EngineKind::Flat => "flat",
        })
    }
}
