//! Which engine holds the vectors.

use std::fmt;
use std::io;
use std::sync::Arc;

use twindex_core::{Engine, Error, FlatIndex, Metric, PortableEngine, Result, RowStats, VectorIndex};

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
pub(crate) enum NativeEngine {
    #[cfg(feature = "faiss")]
    Faiss(crate::faiss::FaissEngine),
    Flat(PortableEngine),
}

impl NativeEngine {
    pub(crate) fn new(kind: EngineKind) -> Result<Self> {
        Ok(match kind {
            #[cfg(feature = "faiss")]
            EngineKind::Faiss => NativeEngine::Faiss(crate::faiss::FaissEngine::new()?),
            EngineKind::Flat => NativeEngine::Flat(PortableEngine::new(kernel::best())),
        })
    }

    pub(crate) fn shared(&self) -> Arc<dyn Engine> {
        match self {
            #[cfg(feature = "faiss")]
            NativeEngine::Faiss(engine) => Arc::new(engine.clone()),
            NativeEngine::Flat(engine) => Arc::new(engine.clone()),
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
        match self {
            #[cfg(feature = "faiss")]
            NativeEngine::Faiss(engine) => engine.read_rows(dim, metric, count, fill).map(RowsRead::Faiss),
            NativeEngine::Flat(engine) => {
                let mut data = vec![0.0f32; dim * count];
                fill(bytemuck::cast_slice_mut(&mut data))
                    .map_err(|error| Error::Index { engine: "flat", message: error.to_string() })?;
                Ok(RowsRead::Flat { data, dim, engine: engine.clone() })
            }
        }
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
            RowsRead::Faiss(rows) => rows.into_index(stats),
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
