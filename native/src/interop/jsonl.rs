//! JSON Lines: `{"id", "page_content", "metadata", "vector"}`, what `twindex list --jsonl --vectors` prints and `twindex build` reads.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use twindex_core::interop::{ImportOptions, Imported, Report};
use twindex_core::text::{JsonlRow, LoadError, load_jsonl};
use twindex_core::{Engine, Error as CoreError, IdSource, Metadata, Settings, Store};

use super::{Format, Table, failed, table_report, vector_at};
use crate::error::{Error, Result};
use crate::local;

/// Vectors are printed shortest, so that they come back to the bit.
#[derive(Serialize)]
struct Line<'a> {
    id: Option<&'a str>,
    page_content: &'a str,
    metadata: &'a Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'a [f32]>,
}

type Out<'a> = &'a mut (dyn Write + Send);

pub(super) fn write(store: &Store, path: &Path) -> Result<Report> {
    local::replace_by(path, |out| write_lines(store, path, out, true))?;
    Ok(table_report(store, Format::JsonLines, false))
}

/// The documents without their vectors.
pub(super) fn write_documents(store: &Store, path: &Path, out: Out<'_>) -> Result<()> {
    write_lines(store, path, out, false)
}

fn write_lines(store: &Store, path: &Path, out: Out<'_>, with_vectors: bool) -> Result<()> {
    let mut row = vec![0.0; store.dim().unwrap_or_default()];
    for (position, document) in store.documents().iter().enumerate() {
        if with_vectors {
            vector_at(store, position, &mut row)?;
        }
        let line = Line {
            id: document.id.as_deref(),
            page_content: &document.page_content,
            metadata: &document.metadata,
            vector: with_vectors.then_some(&row[..]),
        };
        serde_json::to_writer(&mut *out, &line).map_err(|error| failed("write", path)(error.into()))?;
        out.write_all(b"\n").map_err(failed("write", path))?;
    }
    Ok(())
}

/// What is wrong with a line.
pub(super) fn wrong(number: usize, reason: String) -> Error {
    CoreError::Corrupt { section: "JSON Lines", reason: format!("line {number}: {reason}") }.into()
}

/// Takes the documents of a file one by one, with the numbers of their lines.
pub(super) fn lines(path: &Path, mut take: impl FnMut(usize, JsonlRow) -> Result<()>) -> Result<()> {
    let mut file = BufReader::new(File::open(path).map_err(failed("read", path))?);
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        if file.read_until(b'\n', &mut line).map_err(failed("read", path))? == 0 {
            return Ok(());
        }
        let rows = load_jsonl(&line).map_err(|error| match error {
            LoadError::InvalidJsonl { expected, actual, .. } => {
                wrong(number, format!("expected {expected}, got {actual}"))
            }
            LoadError::InvalidUtf8 { offset, .. } => {
                wrong(number, format!("expected UTF-8, byte {offset} is not"))
            }
            other => wrong(number, other.to_string()),
        })?;
        rows.into_iter().try_for_each(|row| take(number, row))?;
    }
}

pub(super) fn read(
    path: &Path,
    options: &ImportOptions,
    engine: Arc<dyn Engine>,
    ids: &dyn IdSource,
) -> Result<Imported> {
    let mut table = Table::new();
    lines(path, |number, row| {
        let vector = row.vector.ok_or_else(|| {
            let why = "expected a vector, got an object without one (`twindex build` embeds texts)";
            wrong(number, why.into())
        })?;
        let dim = *table.dim.get_or_insert(vector.len());
        if vector.len() != dim {
            let len = vector.len();
            return Err(wrong(number, format!("expected a vector of {dim} numbers, as before, got {len}")));
        }
        table.vectors.extend(vector);
        table.documents.push(row.document);
        Ok(())
    })?;
    let settings = Settings::new()
        .metric(options.metric.unwrap_or_default())
        .normalize_l2(options.normalize_l2.unwrap_or_default());
    table.into_store(settings, engine, ids, Format::JsonLines.name())
}
