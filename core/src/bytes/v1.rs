//! The structured sections of version 1, in postcard. Frozen: what is here never changes its meaning.
//!
//! Written against serde by hand, not derived on the domain types, so that the wire cannot change by accident. Settings are
//! read by serde; documents, of which there are many, by [`wire`](super::wire), which can also pass over one without building it.

use serde::ser::{SerializeSeq, SerializeStruct, SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};

use super::Head;
use super::wire::{Damage, Reader, variant};
use crate::document::Document;
use crate::documents::Documents;
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::store::Settings;
use crate::value::{Metadata, Value, whole};

#[derive(Serialize, Deserialize)]
struct SettingsV1<'a> {
    metric: MetricV1,
    normalize_l2: bool,
    dim: Option<u64>,
    count: u64,
    kind: &'a str,
}

#[derive(Serialize, Deserialize)]
enum MetricV1 {
    L2,
    InnerProduct,
    Cosine,
}

pub(super) fn encode_settings(settings: &Settings, count: usize) -> Vec<u8> {
    let wire = SettingsV1 {
        metric: match settings.metric {
            Metric::L2 => MetricV1::L2,
            Metric::InnerProduct => MetricV1::InnerProduct,
            Metric::Cosine => MetricV1::Cosine,
        },
        normalize_l2: settings.normalize_l2,
        dim: settings.dim.map(|dim| dim as u64),
        count: count as u64,
        kind: &settings.kind,
    };
    let Ok(bytes) = postcard::to_allocvec(&wire) else { unreachable!("{ENCODES}") };
    bytes
}

pub(super) fn decode_settings(bytes: &[u8]) -> Result<Head> {
    let corrupt = |reason: String| Error::Corrupt { section: "settings", reason };
    let (wire, rest) = postcard::take_from_bytes::<SettingsV1<'_>>(bytes)
        .map_err(|_| corrupt("these are no settings".into()))?;
    if !rest.is_empty() {
        return Err(corrupt(format!("{} bytes follow the settings", rest.len())));
    }
    let number = |what: &str, n: u64, limit: u64| match usize::try_from(n) {
        Ok(n) if n as u64 <= limit => Ok(n),
        _ => Err(corrupt(format!("a {what} of at most {limit} expected, got {n}"))),
    };
    let dim = wire.dim.map(|dim| number("dimension", dim, i32::MAX as u64)).transpose()?;
    if dim == Some(0) {
        return Err(corrupt("a dimension of at least 1 expected, got 0".into()));
    }
    let settings = Settings {
        metric: match wire.metric {
            MetricV1::L2 => Metric::L2,
            MetricV1::InnerProduct => Metric::InnerProduct,
            MetricV1::Cosine => Metric::Cosine,
        },
        normalize_l2: wire.normalize_l2,
        kind: wire.kind.to_owned(),
        dim,
    };
    Ok(Head { settings, count: number("count", wire.count, crate::MAX_DOCUMENTS as u64)? })
}

/// The documents section: a postcard sequence of documents.
///
/// # Errors
/// `out_of_memory`.
pub(crate) fn encode_documents(documents: &Documents) -> Result<Vec<u8>> {
    // Texts are most of the section; a guess near the truth avoids growing in steps.
    let guess =
        documents.iter_encoded().map(|d| d.map_or_else(|d| d.page_content.len() + 64, <[u8]>::len)).sum();
    let mut out = Vec::new();
    out.try_reserve_exact(guess)
        .map_err(|_| Error::OutOfMemory { what: "documents", bytes: guess as u64 })?;
    let extend = |encoded: postcard::Result<Vec<u8>>| encoded.unwrap_or_else(|_| unreachable!("{ENCODES}"));
    let mut out = extend(postcard::to_extend(&(documents.len() as u64), out));
    for document in documents.iter_encoded() {
        match document {
            Ok(bytes) => out.extend_from_slice(bytes),
            Err(document) => out = extend(postcard::to_extend(&DocumentOut(document), out)),
        }
    }
    Ok(out)
}

const ENCODES: &str = "plain data and checked documents encode";

/// Checks the documents section and finds where each document starts.
pub(crate) fn scan_documents(bytes: &[u8], count: usize) -> Result<Vec<u64>> {
    let mut reader = Reader::new(bytes);
    scan(&mut reader, bytes.len(), count)
        .and_then(
            |offsets| if reader.left() == 0 { Ok(offsets) } else { Err("bytes follow the last document") },
        )
        .map_err(|damage| Error::Corrupt {
            section: "documents",
            reason: format!("at byte {}: {damage}", bytes.len() - reader.left()),
        })
}

fn scan(reader: &mut Reader<'_>, len: usize, count: usize) -> Result<Vec<u64>, Damage> {
    if reader.count(3)? != count {
        return Err("another number of documents than the settings announce");
    }
    let mut offsets = Vec::with_capacity(count);
    for _ in 0..count {
        offsets.push((len - reader.left()) as u64);
        skip_document(reader)?;
    }
    Ok(offsets)
}

fn skip_document(reader: &mut Reader<'_>) -> Result<(), Damage> {
    reader.text()?;
    reader.text()?;
    reader.skip_map(1)
}

/// The id of a document that starts here, checked by [`scan_documents`].
pub(crate) fn id_at(bytes: &[u8]) -> &str {
    Reader::new(bytes).text().expect(SCANNED)
}

/// The document that starts here, checked by [`scan_documents`].
pub(crate) fn document_at(bytes: &[u8]) -> Document {
    let mut reader = Reader::new(bytes);
    let mut read = || {
        let id = Some(reader.text()?.to_owned());
        Ok::<_, Damage>(Document { id, page_content: reader.text()?.to_owned(), metadata: reader.map(1)? })
    };
    read().expect(SCANNED)
}

/// What filters see under a name in the metadata of the document that starts here, checked by [`scan_documents`].
#[cfg(feature = "metadata-index")]
pub(crate) fn metadata_value_at(bytes: &[u8], name: &str) -> Option<Value> {
    let mut reader = Reader::new(bytes);
    let mut find = || {
        reader.text()?;
        reader.text()?;
        reader.find(name, 1)
    };
    find().expect(SCANNED)
}

/// How many bytes the document that starts here takes, checked by [`scan_documents`].
pub(crate) fn document_len(bytes: &[u8]) -> usize {
    let mut reader = Reader::new(bytes);
    skip_document(&mut reader).expect(SCANNED);
    bytes.len() - reader.left()
}

const SCANNED: &str = "the section was checked when it was opened";

struct DocumentOut<'a>(&'a Document);
struct MapOut<'a>(&'a Metadata);
struct EntryOut<'a>(&'a str, &'a Value);
struct ValueOut<'a>(&'a Value);
struct ListOut<'a>(&'a [Value]);

impl Serialize for DocumentOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("Document", 3)?;
        record.serialize_field("id", self.0.id.as_deref().unwrap_or_default())?;
        record.serialize_field("page_content", &self.0.page_content)?;
        record.serialize_field("metadata", &MapOut(&self.0.metadata))?;
        record.end()
    }
}

impl Serialize for MapOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(key, value)| seq.serialize_element(&EntryOut(key, value)))?;
        seq.end()
    }
}

impl Serialize for EntryOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(self.0)?;
        pair.serialize_element(&ValueOut(self.1))?;
        pair.end()
    }
}

impl Serialize for ListOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|item| seq.serialize_element(&ValueOut(item)))?;
        seq.end()
    }
}

const VALUE: &str = "Value";

impl Serialize for ValueOut<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => s.serialize_unit_variant(VALUE, variant::NULL, "Null"),
            Value::Bool(b) => s.serialize_newtype_variant(VALUE, variant::BOOL, "Bool", b),
            Value::Int(n) => s.serialize_newtype_variant(VALUE, variant::INT, "Int", n),
            Value::UInt(n) => s.serialize_newtype_variant(VALUE, variant::UINT, "UInt", n),
            Value::Float(x) => match whole(*x) {
                Some(n) => s.serialize_newtype_variant(VALUE, variant::INT, "Int", &n),
                None => s.serialize_newtype_variant(VALUE, variant::FLOAT, "Float", x),
            },
            Value::String(text) => s.serialize_newtype_variant(VALUE, variant::STRING, "String", text),
            Value::List(items) => s.serialize_newtype_variant(VALUE, variant::LIST, "List", &ListOut(items)),
            Value::Map(map) => s.serialize_newtype_variant(VALUE, variant::MAP, "Map", &MapOut(map)),
        }
    }
}
