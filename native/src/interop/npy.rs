//! NumPy's array of vectors, `NAME.npy`, with the documents beside it in `NAME.jsonl`, a line for each row.
//!
//! The format is NumPy's (NEP 1, versions 1 to 3): `\x93NUMPY`, version, length and text of a header, numbers. Read and written are rows of `<f4` in C order.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use twindex_core::interop::{ImportOptions, Imported, Report};
use twindex_core::{Engine, Error as CoreError, IdSource, Settings, Store};

use super::{Format, Table, failed, jsonl, table_report, vector_at};
use crate::error::{Error, Result};
use crate::local;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Headers are short; what says otherwise is no header.
const MAX_HEADER: usize = 1 << 16;

/// The documents that belong to an array.
pub(super) fn documents_beside(path: &Path) -> PathBuf {
    path.with_extension("jsonl")
}

fn corrupt<T>(reason: impl Into<String>) -> Result<T> {
    Err(CoreError::Corrupt { section: "NumPy", reason: reason.into() }.into())
}

pub(super) fn write(store: &Store, path: &Path) -> Result<Report> {
    let dim = store.dim().unwrap_or_default();
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {dim}), }}", store.len());
    // Numbers start at a multiple of 64 bytes.
    let before = MAGIC.len() + 4;
    header
        .push_str(&" ".repeat((before + header.len() + 1).next_multiple_of(64) - before - header.len() - 1));
    header.push('\n');
    let mut row = vec![0.0f32; dim];
    let numbers = local::write_beside(path, |out| {
        let io = || failed("write", path);
        out.write_all(MAGIC).map_err(io())?;
        out.write_all(&[1, 0]).map_err(io())?;
        out.write_all(&(header.len() as u16).to_le_bytes()).map_err(io())?;
        out.write_all(header.as_bytes()).map_err(io())?;
        for position in 0..store.len() {
            vector_at(store, position, &mut row)?;
            row.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())).map_err(io())?;
        }
        Ok(())
    })?;
    let beside = documents_beside(path);
    let documents = local::write_beside(&beside, |out| jsonl::write_documents(store, &beside, out))?;
    local::take_place(&numbers, path)?;
    local::take_place(&documents, &beside)?;
    Ok(table_report(store, Format::Npy, false))
}

pub(super) fn read(
    path: &Path,
    options: &ImportOptions,
    engine: Arc<dyn Engine>,
    ids: &dyn IdSource,
) -> Result<Imported> {
    let (vectors, rows, dim) = read_rows(path)?;
    let beside = documents_beside(path);
    let mut documents = Vec::new();
    jsonl::lines(&beside, |number, row| match row.vector {
        None => {
            documents.push(row.document);
            Ok(())
        }
        Some(_) => Err(jsonl::wrong(number, "expected no vector, since the array has them".into())),
    })?;
    if documents.len() != rows {
        let (name, count) = (beside.display(), documents.len());
        return corrupt(format!("a document for each of {rows} rows expected, {name} has {count}"));
    }
    let settings = Settings::new()
        .metric(options.metric.unwrap_or_default())
        .normalize_l2(options.normalize_l2.unwrap_or_default());
    let table = Table { documents, vectors, dim: (dim > 0).then_some(dim) };
    table.into_store(settings, engine, ids, Format::Npy.name())
}

fn read_rows(path: &Path) -> Result<(Vec<f32>, usize, usize)> {
    let io = || failed("read", path);
    let file = File::open(path).map_err(io())?;
    let total = file.metadata().map_err(io())?.len();
    let mut file = BufReader::new(file);
    let truncated = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            Error::Store(CoreError::Corrupt { section: "NumPy", reason: "the header is cut short".into() })
        }
        _ => failed("read", path)(error),
    };
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(truncated)?;
    if !start.starts_with(MAGIC) {
        return corrupt("an array of NumPy's expected");
    }
    let (len, before) = match start[6] {
        1 => {
            let mut len = [0; 2];
            file.read_exact(&mut len).map_err(truncated)?;
            (usize::from(u16::from_le_bytes(len)), 10)
        }
        2 | 3 => {
            let mut len = [0; 4];
            file.read_exact(&mut len).map_err(truncated)?;
            (u32::from_le_bytes(len) as usize, 12)
        }
        version => return corrupt(format!("format version 1 to 3 expected, got {version}")),
    };
    if len > MAX_HEADER {
        return corrupt(format!("a header of at most {MAX_HEADER} bytes expected, got {len}"));
    }
    let mut header = vec![0; len];
    file.read_exact(&mut header).map_err(truncated)?;
    let header = String::from_utf8_lossy(&header);
    let Some((rows, dim)) = shape(&header) else {
        return corrupt(format!(
            "an array of two dimensions, '<f4', in C order expected, got {}",
            header.trim()
        ));
    };
    let bytes = rows.checked_mul(dim).and_then(|numbers| numbers.checked_mul(size_of::<f32>()));
    let left = total - (before + len) as u64;
    if bytes.map(|bytes| bytes as u64) != Some(left) {
        return corrupt(format!(
            "{rows} rows of {dim} numbers expected after the header, {left} bytes are there"
        ));
    }
    let mut data = Vec::new();
    data.try_reserve_exact(rows * dim)
        .map_err(|_| CoreError::OutOfMemory { what: "vectors", bytes: left })?;
    data.resize(rows * dim, 0.0f32);
    file.read_exact(bytemuck::cast_slice_mut(&mut data)).map_err(io())?;
    if cfg!(target_endian = "big") {
        data.iter_mut().for_each(|x| *x = f32::from_bits(x.to_bits().swap_bytes()));
    }
    Ok((data, rows, dim))
}

/// Rows and numbers per row, if the header is of such an array.
fn shape(header: &str) -> Option<(usize, usize)> {
    let plain: String = header.chars().filter(|c| !c.is_whitespace()).collect();
    let plain = plain.replace('"', "'");
    let fits = plain.contains("'descr':'<f4'") && plain.contains("'fortran_order':False");
    let shape = plain.split_once("'shape':(").filter(|_| fits)?.1.split_once(')')?.0;
    let (rows, dim) = shape.split_once(',')?;
    Some((rows.parse().ok()?, dim.trim_end_matches(',').parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_numpy_writes_them() {
        assert_eq!(
            shape("{'descr': '<f4', 'fortran_order': False, 'shape': (20000, 384), }   \n"),
            Some((20000, 384))
        );
        assert_eq!(shape("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }"), None);
        assert_eq!(shape("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }"), None);
        assert_eq!(shape("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"), None);
        assert_eq!(shape("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }"), None);
        assert_eq!(shape(""), None);
    }
}
