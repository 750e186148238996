//! `twindex info`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;
use twindex::core::bytes::{HEADER_LEN, MAGIC, VERSION, VectorEncoding};
use twindex::{DeviceInfo, GpuCard};

use crate::args::InfoArgs;
use crate::failure::Failure;
use crate::ui::{Ui, bytes};
use crate::{Ending, index_file};

#[derive(Debug, Serialize)]
struct Info {
    index: String,
    file_bytes: u64,
    format_version: u16,
    count: usize,
    dim: Option<usize>,
    metric: &'static str,
    normalize_l2: bool,
    kind: String,
    vectors: VectorEncoding,
    engine: &'static str,
    simd: Option<String>,
    faiss_version: Option<String>,
    trained: Option<bool>,
    vector_bytes: u64,
    index_extra_bytes: u64,
    encoded_bytes: u64,
    document_bytes: u64,
    document_bytes_each: Option<f64>,
    parameters: BTreeMap<String, usize>,
    device: DeviceInfo,
    gpus: Gpus,
}

/// The cards of this machine, or why there is none.
#[derive(Debug, Serialize)]
struct Gpus {
    cards: Vec<GpuCard>,
    unavailable: Option<String>,
}

impl Gpus {
    fn look() -> Self {
        match twindex::gpu_cards() {
            Ok(cards) => Self { cards, unavailable: None },
            Err(twindex::Error::DeviceUnavailable { reason, .. }) => {
                Self { cards: Vec::new(), unavailable: Some(reason) }
            }
            Err(error) => Self { cards: Vec::new(), unavailable: Some(error.to_string()) },
        }
    }
}

pub(crate) async fn info(args: InfoArgs, ui: &Ui) -> Result<Ending, Failure> {
    let path = args.index.path()?;
    let store = index_file::open_on(&path, args.index.engine()?, false, &args.device, ui).await?;
    let info = store.info()?;
    let (file_bytes, format_version) = header(&path)?;
    let index = info.index.as_ref();
    let info = Info {
        index: path.display().to_string(),
        file_bytes,
        format_version,
        count: info.count,
        dim: info.dim,
        metric: info.metric,
        normalize_l2: info.normalize_l2,
        kind: info.kind.clone(),
        vectors: info.vector_encoding,
        engine: info.engine,
        simd: index.map(|index| index.simd.clone()),
        faiss_version: faiss_version(),
        trained: index.map(|index| index.trained),
        vector_bytes: index.map_or(0, |index| index.vector_bytes),
        index_extra_bytes: index.map_or(0, |index| index.extra_bytes),
        encoded_bytes: info.encoded_bytes,
        document_bytes: info.document_bytes,
        document_bytes_each: (info.count > 0).then(|| info.document_bytes as f64 / info.count as f64),
        parameters: index.map(|index| index.parameters.iter().cloned().collect()).unwrap_or_default(),
        device: store.device(),
        gpus: Gpus::look(),
    };
    ui.answer(|| &info, |out| write_text(out, &info))?;
    Ok(Ending::Done)
}

fn write_text(out: &mut dyn std::io::Write, info: &Info) -> std::io::Result<()> {
    let mut line = |name: &str, value: String| writeln!(out, "{name:<12} {value}");
    let unknown = || "not known yet".to_owned();
    line(
        "file",
        format!("{}, {}, format version {}", info.index, bytes(info.file_bytes), info.format_version),
    )?;
    line("count", info.count.to_string())?;
    line("dimension", info.dim.map_or_else(unknown, |dim| dim.to_string()))?;
    line("metric", info.metric.to_owned())?;
    line("normalized", if info.normalize_l2 { "yes" } else { "no" }.to_owned())?;
    line("kind", info.kind.clone())?;
    for (name, value) in &info.parameters {
        line(name, value.to_string())?;
    }
    line("engine", info.engine.to_owned())?;
    line("SIMD", info.simd.clone().unwrap_or_else(unknown))?;
    line("FAISS", info.faiss_version.clone().unwrap_or_else(|| "not built in".to_owned()))?;
    let on_cards = match info.device.gpu_bytes {
        0 => String::new(),
        taken => format!(", {} of its memory taken", bytes(taken)),
    };
    line("device", format!("{}{on_cards}", info.device.device))?;
    for card in &info.gpus.cards {
        line("card", card.to_string())?;
    }
    if let Some(why) = &info.gpus.unavailable {
        line("cards", format!("none to use: {why}"))?;
    }
    line(
        "vectors",
        format!(
            "{}, and {} beyond them; {} in the file",
            bytes(info.vector_bytes),
            bytes(info.index_extra_bytes),
            info.vectors
        ),
    )?;
    line("documents", format!("{} of texts, metadata and ids", bytes(info.encoded_bytes)))?;
    let each = info.document_bytes_each.map_or(String::new(), |each| format!(", {each:.0} a document"));
    line("records", format!("{}{each}: bookkeeping, without texts and metadata", bytes(info.document_bytes)))
}

/// The file's length and the version in its header, which opening it has checked.
fn header(path: &Path) -> Result<(u64, u16), Failure> {
    let failed = |error| Failure::file("read", path, error);
    let mut file = File::open(path).map_err(failed)?;
    let mut header = [0; HEADER_LEN];
    file.read_exact(&mut header).map_err(failed)?;
    let version = header[MAGIC.len()..].first_chunk().map_or(VERSION, |&bytes| u16::from_le_bytes(bytes));
    Ok((file.metadata().map_err(failed)?.len(), version))
}

fn faiss_version() -> Option<String> {
    #[cfg(feature = "faiss")]
    return Some(twindex::faiss::FaissEngine::faiss_version());
    #[cfg(not(feature = "faiss"))]
    None
}
