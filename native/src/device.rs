//! Where an index is searched and trained: on the CPU, or on NVIDIA cards.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};

/// Where vectors are searched, and approximate kinds of index trained.
///
/// On a card FAISS holds a copy of the index; the index itself stays in the machine's memory, where hits are scored again, changes are made and files are
/// written from. So answers have the ids, order and score bits of the CPU, and a store that a card made opens anywhere.
///
/// As text: `cpu`, `gpu` (the first card), `gpu:1` (the second), `all` (every card).
///
/// ```
/// use twindex::Device;
/// assert_eq!("gpu:1".parse::<Device>()?, Device::Gpu(1));
/// assert_eq!(Device::Gpu(0).to_string(), "gpu");
/// assert_eq!("gpu:one".parse::<Device>().unwrap_err().code(), "invalid_option");
/// # Ok::<(), twindex::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor. The default.
    #[default]
    Cpu,
    /// One card, counted from 0.
    Gpu(usize),
    /// All cards, by FAISS's own way of using several. Not tried by us on a machine that has several.
    AllGpus,
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |digits: &str| {
            // A sign is not a number of a card, though Rust parses it.
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        match text {
            "cpu" => Some(Device::Cpu),
            "gpu" => Some(Device::Gpu(0)),
            "all" => Some(Device::AllGpus),
            _ => text.strip_prefix("gpu:").and_then(number).map(Device::Gpu),
        }
        .ok_or_else(|| {
            let reason = format!("expected cpu, gpu, gpu:N with the number of a card, or all, got {text:?}");
            twindex_core::Error::InvalidOption { option: "device", reason }.into()
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Gpu(0) => f.write_str("gpu"),
            Device::Gpu(number) => write!(f, "gpu:{number}"),
            Device::AllGpus => f.write_str("all"),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A device and how it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Placement {
    pub(crate) device: Device,
    /// Whether the CPU may stand in for a device that cannot be used.
    pub(crate) fallback: bool,
    /// Bytes of temporary memory on each card; `None` for FAISS's own choice.
    pub(crate) temp_memory: Option<u64>,
    /// Whether several cards hold a part of the vectors each.
    pub(crate) shards: bool,
}

/// An NVIDIA card that this machine has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GpuCard {
    /// Its number, as in `gpu:1`.
    pub number: usize,
    /// What it calls itself.
    pub name: String,
    /// CUDA's compute capability, such as `(9, 0)`.
    pub compute_capability: (u32, u32),
    /// Bytes of memory.
    pub total_bytes: u64,
    /// Bytes of memory that nobody uses now.
    pub free_bytes: u64,
}

impl fmt::Display for GpuCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let (major, minor) = self.compute_capability;
        write!(
            f,
            "{} ({}), compute capability {major}.{minor}, {:.1} of {:.1} GiB free",
            Device::Gpu(self.number),
            self.name,
            gib(self.free_bytes),
            gib(self.total_bytes)
        )
    }
}

/// Where a store is searched now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The device in use.
    pub device: Device,
    /// Bytes that the store takes on cards, temporary memory included.
    pub gpu_bytes: u64,
    /// Why the CPU stands in for the device that was asked for, if it does.
    pub notice: Option<String>,
}

impl DeviceInfo {
    pub(crate) fn cpu(notice: Option<String>) -> Self {
        Self { device: Device::Cpu, gpu_bytes: 0, notice }
    }
}

/// The NVIDIA cards of this machine.
///
/// # Errors
/// `device_unavailable` saying why there is none: no card, no driver, or a build without the feature `gpu`.
pub fn gpu_cards() -> Result<Vec<GpuCard>> {
    #[cfg(feature = "gpu")]
    return crate::faiss::gpu_cards();
    #[cfg(not(feature = "gpu"))]
    Err(not_built_in(Device::Gpu(0)))
}

/// The error of a build that has no support for cards.
#[cfg(not(feature = "gpu"))]
pub(crate) fn not_built_in(device: Device) -> Error {
    Error::DeviceUnavailable { device, reason: "this twindex was built without the feature `gpu`".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_what_it_is_written_as() {
        for (text, device) in [
            ("cpu", Device::Cpu),
            ("gpu", Device::Gpu(0)),
            ("gpu:3", Device::Gpu(3)),
            ("all", Device::AllGpus),
        ] {
            assert_eq!(text.parse::<Device>().unwrap(), device);
            assert_eq!(device.to_string(), text);
        }
        assert_eq!("gpu:0".parse::<Device>().unwrap(), Device::Gpu(0));
        for wrong in
            ["", "GPU", "gpu:", "gpu:-1", "gpu:+1", "gpu:1,2", "gpu1", "cuda", "gpu:99999999999999999999"]
        {
            let error = wrong.parse::<Device>().unwrap_err();
            assert_eq!(error.code(), "invalid_option", "{wrong}");
            assert!(error.to_string().contains(&format!("{wrong:?}")), "{error}");
        }
    }

    #[cfg(not(feature = "gpu"))]
    #[test]
    fn a_build_without_the_feature_names_it() {
        let error = gpu_cards().unwrap_err();
        assert_eq!(error.code(), "device_unavailable");
        assert!(error.to_string().contains("the feature `gpu`"), "{error}");
    }
}
