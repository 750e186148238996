//! What fits on cards: kinds of index, and bytes.

use twindex_core::{Error, Result};

use super::host::Host;

/// Sizes of product quantizer codes that FAISS has code for on cards. From 56 on its tables are of half precision there.
const CODE_SIZES: [usize; 16] = [1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96];

/// Fails with `unsupported_by_index` naming the kind, unless FAISS has it on cards.
pub(in crate::faiss) fn check_kind(kind: &str, several: bool) -> Result<()> {
    let refuse = |reason: String| {
        Err(Error::UnsupportedByIndex { kind: kind.to_owned(), operation: "be put on a GPU", reason })
    };
    let lists = |part: &str| {
        part.strip_prefix("IVF").is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let parts: Vec<&str> = kind.split(',').collect();
    match parts[..] {
        ["Flat"] => Ok(()),
        ["SQfp16"] if several => refuse("FAISS puts it on one card alone".into()),
        ["SQfp16"] => Ok(()),
        [first, "Flat" | "SQ4" | "SQ6" | "SQ8" | "SQfp16"] if lists(first) => Ok(()),
        [first, code] if lists(first) && code.starts_with("PQ") => match code_size(code) {
            Some(size) if CODE_SIZES.contains(&size) => Ok(()),
            _ => refuse(format!("FAISS has PQm there with 8 bits each and m one of {CODE_SIZES:?}")),
        },
        _ => refuse(
            "FAISS has Flat, SQfp16 (flat in half precision), IVFn,Flat, IVFn,SQ4, IVFn,SQ6, IVFn,SQ8, IVFn,SQfp16 and IVFn,PQm there".into(),
        ),
    }
}

/// `m` of `PQm`, `PQmx8`, `PQmnp`, whose parts have 8 bits.
fn code_size(code: &str) -> Option<usize> {
    let rest = code.strip_prefix("PQ")?;
    let rest = rest.strip_suffix("np").unwrap_or(rest);
    rest.strip_suffix("x8").unwrap_or(rest).parse().ok()
}

/// Bytes that an index of `count` rows takes on one card, at most: codes, ids, lengths, centroids, and lists filled up to whole groups of 32.
pub(super) fn bytes_on_cards<H: Host>(host: &H, count: usize) -> u64 {
    let raw = host.raw();
    let code = raw.code_size().unwrap_or(raw.dim() * size_of::<f32>());
    let bytes = match raw.ivf_lists() {
        Some((lists, _)) => count * (code + 8) + lists * (32 * code + 1024) + lists * (raw.dim() + 1) * 4,
        None => count * (code + 4),
    };
    bytes as u64
}
