//! Parquet: a row for each document, columns `id`, `page_content`, `metadata` (JSON as text, since documents need not have the same keys) and
//! `vector` (a list of `dim` f32). The store's settings stand in the file's metadata, under `twindex`.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use twindex_core::interop::{ImportOptions, Imported, Report};
use twindex_core::{
    Document, Engine, Error as CoreError, IdSource, Metadata, PartialSettings, Settings, Store,
};

use super::{Format, Table, failed, table_report, vector_at};
use crate::error::{Error, Result};
use crate::local;

/// Rows written and read at a time.
const BATCH: usize = 4096;

/// Where the store's settings stand in the file's metadata.
const SETTINGS: &str = "twindex";

#[derive(Serialize, Deserialize)]
struct StoredSettings {
    metric: String,
    normalize_l2: bool,
}

fn corrupt(reason: impl ToString) -> Error {
    CoreError::Corrupt { section: "Parquet", reason: reason.to_string() }.into()
}

/// The item of a list of numbers. LanceDB, DuckDB and pyarrow call it so too.
fn item() -> Field {
    Field::new("item", DataType::Float32, false)
}

pub(super) fn write(store: &Store, path: &Path) -> Result<Report> {
    let dim = store.dim().unwrap_or_default();
    let width = i32::try_from(dim).map_err(corrupt)?;
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("page_content", DataType::Utf8, false),
        Field::new("metadata", DataType::Utf8, false),
        Field::new("vector", DataType::FixedSizeList(Arc::new(item()), width), false),
    ]));
    let settings = StoredSettings {
        metric: store.metric().name().to_owned(),
        normalize_l2: store.settings().normalize_l2,
    };
    let settings = serde_json::to_string(&settings).map_err(corrupt)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![KeyValue::new(SETTINGS.to_owned(), settings)]))
        .build();
    let mut row = vec![0.0; dim];
    local::replace_by(path, |out| {
        // Failing to write is told as such, with the file.
        let wrong = |error: ParquetError| match error {
            ParquetError::External(source) => failed("write", path)(std::io::Error::other(source)),
            other => failed("write", path)(std::io::Error::other(other)),
        };
        let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(wrong)?;
        for start in (0..store.len()).step_by(BATCH) {
            let rows = start..store.len().min(start + BATCH);
            let (mut ids, mut texts, mut maps) =
                (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
            let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), width).with_field(item());
            for position in rows {
                let document = store.documents().at(position);
                ids.append_value(document.id.as_deref().unwrap_or_default());
                texts.append_value(&document.page_content);
                maps.append_value(serde_json::to_string(&document.metadata).map_err(corrupt)?);
                vector_at(store, position, &mut row)?;
                vectors.values().append_slice(&row);
                vectors.append(true);
            }
            let columns: Vec<ArrayRef> = vec![
                Arc::new(ids.finish()),
                Arc::new(texts.finish()),
                Arc::new(maps.finish()),
                Arc::new(vectors.finish()),
            ];
            let batch = RecordBatch::try_new(schema.clone(), columns).map_err(corrupt)?;
            writer.write(&batch).map_err(wrong)?;
        }
        writer.close().map(drop).map_err(wrong)
    })?;
    Ok(table_report(store, Format::Parquet, true))
}

pub(super) fn read(
    path: &Path,
    options: &ImportOptions,
    engine: Arc<dyn Engine>,
    ids: &dyn IdSource,
) -> Result<Imported> {
    let file = File::open(path).map_err(failed("read", path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(corrupt)?;
    let stored = reader.metadata().file_metadata().key_value_metadata();
    let stored = stored.and_then(|pairs| pairs.iter().find(|pair| pair.key == SETTINGS)?.value.clone());
    let mut settings = Settings::new();
    if let Some(stored) = stored {
        let stored: StoredSettings = serde_json::from_str(&stored).map_err(corrupt)?;
        settings = settings.metric(stored.metric.parse()?).normalize_l2(stored.normalize_l2);
        let given = PartialSettings {
            metric: options.metric,
            normalize_l2: options.normalize_l2,
            ..PartialSettings::default()
        };
        given.check(&settings)?;
    } else {
        settings = settings
            .metric(options.metric.unwrap_or_default())
            .normalize_l2(options.normalize_l2.unwrap_or_default());
    }
    let mut table = Table::new();
    for batch in reader.with_batch_size(BATCH).build().map_err(corrupt)? {
        take(&batch.map_err(corrupt)?, &mut table)?;
    }
    table.into_store(settings, engine, ids, Format::Parquet.name())
}

/// A column by one of its names.
fn column<'a>(batch: &'a RecordBatch, names: &[&str]) -> Option<&'a ArrayRef> {
    names.iter().find_map(|name| batch.column_by_name(name))
}

/// The texts of a column, `None` where there is none.
fn texts<'a>(array: &'a ArrayRef, name: &str) -> Result<Box<dyn Iterator<Item = Option<&'a str>> + 'a>> {
    Ok(match array.data_type() {
        DataType::Utf8 => Box::new(array.as_string::<i32>().iter()),
        DataType::LargeUtf8 => Box::new(array.as_string::<i64>().iter()),
        DataType::Utf8View => Box::new(array.as_string_view().iter()),
        other => return Err(corrupt(format!("column {name}: text expected, got {other}"))),
    })
}

fn take(batch: &RecordBatch, table: &mut Table) -> Result<()> {
    let before = table.documents.len();
    let Some(text) = column(batch, &["page_content", "text"]) else {
        return Err(corrupt("a column page_content (or text) expected, got none"));
    };
    for (i, text) in texts(text, "page_content")?.enumerate() {
        let text = text.ok_or_else(|| corrupt(format!("row {}: a text expected, got null", before + i)))?;
        table.documents.push(Document::new(text));
    }
    let documents = &mut table.documents[before..];
    if let Some(ids) = column(batch, &["id"]) {
        for (document, id) in documents.iter_mut().zip(texts(ids, "id")?) {
            document.id = id.map(str::to_owned);
        }
    }
    if let Some(maps) = column(batch, &["metadata"]) {
        for (i, (document, map)) in documents.iter_mut().zip(texts(maps, "metadata")?).enumerate() {
            if let Some(map) = map {
                document.metadata = serde_json::from_str::<Metadata>(map).map_err(|error| {
                    corrupt(format!("row {}: metadata: a JSON object expected: {error}", before + i))
                })?;
            }
        }
    }
    let Some(vectors) = column(batch, &["vector", "embedding"]) else {
        return Err(corrupt("a column vector (or embedding) expected, got none"));
    };
    for row in 0..vectors.len() {
        let number = before + row;
        if vectors.is_null(row) {
            return Err(corrupt(format!("row {number}: a vector expected, got null")));
        }
        let list = match vectors.data_type() {
            DataType::FixedSizeList(..) => vectors.as_fixed_size_list().value(row),
            DataType::List(_) => vectors.as_list::<i32>().value(row),
            DataType::LargeList(_) => vectors.as_list::<i64>().value(row),
            other => {
                return Err(corrupt(format!("column vector: lists of 32-bit floats expected, got {other}")));
            }
        };
        let Some(list) = list.as_primitive_opt::<Float32Type>() else {
            return Err(corrupt(format!(
                "column vector: lists of 32-bit floats expected, got {}",
                list.data_type()
            )));
        };
        if list.null_count() > 0 {
            return Err(corrupt(format!("row {number}: a vector without nulls expected")));
        }
        let dim = *table.dim.get_or_insert(list.len());
        if list.len() != dim {
            return Err(corrupt(format!(
                "row {number}: a vector of {dim} numbers expected, as before, got {}",
                list.len()
            )));
        }
        table.vectors.extend_from_slice(list.values());
    }
    Ok(())
}
