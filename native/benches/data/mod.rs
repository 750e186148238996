//! The data folder that benchmarks read: the one named by `TWINDEX_SHARED` (default `../shared` beside the repository).

use std::path::{Path, PathBuf};
use std::{env, fs};

pub type Failure = Box<dyn std::error::Error>;

/// Where real rows, their documents and queries lie.
pub fn wordnet() -> PathBuf {
    let shared = env::var_os("TWINDEX_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    shared.join("data/wordnet")
}

/// The numbers of a `.npy` file of f32.
pub fn floats(path: &Path) -> Result<Vec<f32>, Failure> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    Ok(bytes[header..].as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect())
}
