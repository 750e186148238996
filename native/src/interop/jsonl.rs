//! JSON Lines: `{"id", "page_content", "metadata", "vector"}`, what `twindex list --jsonl --vectors` prints and `twindex build` reads.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use twindex_core::interop::{ImportOptions, Imported, Report};
use twindex_core::text::{LoadError, load_jsonl};
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
    vector: &'a [f32],
}

pub(super) fn write(store: &Store, path: &Path) -> Result<Report> {
    let mut row = vec![0.0; store.dim().unwrap_or_default()];
    local::replace_by(path, |out| {
        for (position, document) in store.documents().iter().enumerate() {
            vector_at(store, position, &mut row)?;
            let line = Line {
                id: document.id.as_deref(),
                page_content: &document.page_content,
                metadata: &document.metadata,
                vector: &row,
            };
            serde_json::to_writer(&mut *out, &line).map_err(|error| failed("write", path)(error.into()))?;
            out.write_all(b"\n").map_err(failed("write", path))?;
        }
        Ok(())
    })?;
    Ok(table_report(store, Format::JsonLines, false))
}

pub(super) fn read(
    path: &Path,
    options: &ImportOptions,
    engine: Arc<dyn Engine>,
    ids: &dyn IdSource,
) -> Result<Imported> {
    let mut file = BufReader::new(File::open(path).map_err(failed("read", path))?);
    let mut table = Table::new();
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        if file.read_until(b'\n', &mut line).map_err(failed("read", path))? == 0 {
            break;
        }
        let wrong = |reason: String| {
            Error::Store(CoreError::Corrupt {
                section: "JSON Lines",
                reason: format!("line {number}: {reason}"),
            })
        };
        let rows = load_jsonl(&line).map_err(|error| match error {
            LoadError::InvalidJsonl { expected, actual, .. } => {
                wrong(format!("expected {expected}, got {actual}"))
            }
            LoadError::InvalidUtf8 { offset, .. } => wrong(format!("expected UTF-8, byte {offset} is not")),
            other => wrong(other.to_string()),
        })?;
        for row in rows {
            let vector = row.vector.ok_or_else(|| {
                wrong("expected a vector, got an object without one (`twindex build` embeds texts)".into())
            })?;
            let dim = *table.dim.get_or_insert(vector.len());
            if vector.len() != dim {
                return Err(wrong(format!(
                    "expected a vector of {dim} numbers, as before, got {}",
                    vector.len()
                )));
            }
            table.vectors.extend(vector);
            table.documents.push(row.document);
        }
    }
    let settings = Settings::new()
        .metric(options.metric.unwrap_or_default())
        .normalize_l2(options.normalize_l2.unwrap_or_default());
    table.into_store(settings, engine, ids, Format::JsonLines.name())
}
