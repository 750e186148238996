//! The structured sections of version 1, in postcard. Frozen: what is here never changes its meaning.
//!
//! Written by hand against serde, not derived on the domain types: the wire cannot change by accident, documents are
//! written without a copy, and reading bounds nesting and allocation.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, SeqAccess, VariantAccess, Visitor};
use serde::ser::{SerializeSeq, SerializeStruct, SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};

use super::Head;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::store::Settings;
use crate::value::{MAX_NESTING, Metadata, Value};

/// Never more than this many items are reserved on the word of the input.
const MAX_RESERVE: usize = 1024;

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
    postcard::to_allocvec(&wire).expect("plain data encodes")
}

pub(super) fn decode_settings(bytes: &[u8]) -> Result<Head> {
    let corrupt = |reason: String| Error::Corrupt { section: "settings", reason };
    let (wire, rest) =
        postcard::take_from_bytes::<SettingsV1<'_>>(bytes).map_err(|error| corrupt(error.to_string()))?;
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

pub(super) fn encode_documents(documents: &[Arc<Document>]) -> Vec<u8> {
    // Texts are most of the section; a guess near the truth avoids growing in steps.
    let guess = documents.iter().map(|d| d.page_content.len() + 48).sum();
    let wire = DocumentsOut(documents);
    postcard::to_extend(&wire, Vec::with_capacity(guess)).expect("stored documents encode")
}

pub(super) fn decode_documents(bytes: &[u8], count: usize) -> Result<Vec<Document>> {
    let corrupt = |reason: String| Error::Corrupt { section: "documents", reason };
    let mut deserializer = postcard::Deserializer::from_bytes(bytes);
    let documents = DocumentsIn { count, limit: bytes.len() }
        .deserialize(&mut deserializer)
        .map_err(|error| corrupt(error.to_string()))?;
    let rest = deserializer.finalize().map_err(|error| corrupt(error.to_string()))?;
    if !rest.is_empty() {
        return Err(corrupt(format!("{} bytes follow the last document", rest.len())));
    }
    if documents.len() != count {
        return Err(corrupt(format!("{count} documents expected, got {}", documents.len())));
    }
    Ok(documents)
}

struct DocumentsOut<'a>(&'a [Arc<Document>]);
struct DocumentOut<'a>(&'a Document);
struct MapOut<'a>(&'a Metadata);
struct EntryOut<'a>(&'a str, &'a Value);
struct ValueOut<'a>(&'a Value);
struct ListOut<'a>(&'a [Value]);

impl Serialize for DocumentsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|document| seq.serialize_element(&DocumentOut(document)))?;
        seq.end()
    }
}

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
const VARIANTS: &[&str] = &["Null", "Bool", "Int", "UInt", "Float", "String", "List", "Map"];

impl Serialize for ValueOut<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => s.serialize_unit_variant(VALUE, 0, VARIANTS[0]),
            Value::Bool(b) => s.serialize_newtype_variant(VALUE, 1, VARIANTS[1], b),
            Value::Int(n) => s.serialize_newtype_variant(VALUE, 2, VARIANTS[2], n),
            Value::UInt(n) => s.serialize_newtype_variant(VALUE, 3, VARIANTS[3], n),
            Value::Float(x) => s.serialize_newtype_variant(VALUE, 4, VARIANTS[4], x),
            Value::String(text) => s.serialize_newtype_variant(VALUE, 5, VARIANTS[5], text),
            Value::List(items) => s.serialize_newtype_variant(VALUE, 6, VARIANTS[6], &ListOut(items)),
            Value::Map(map) => s.serialize_newtype_variant(VALUE, 7, VARIANTS[7], &MapOut(map)),
        }
    }
}

/// Reads a list of things that a seed each reads.
fn read_list<'de, A: SeqAccess<'de>, T, S>(
    mut seq: A,
    mut seed: impl FnMut() -> S,
) -> Result<Vec<T>, A::Error>
where
    S: DeserializeSeed<'de, Value = T>,
{
    let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(MAX_RESERVE));
    while let Some(item) = seq.next_element_seed(seed())? {
        items.push(item);
    }
    items.shrink_to_fit();
    Ok(items)
}

struct DocumentsIn {
    count: usize,
    limit: usize,
}

impl<'de> DeserializeSeed<'de> for DocumentsIn {
    type Value = Vec<Document>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for DocumentsIn {
    type Value = Vec<Document>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("documents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // A document takes at least three bytes, so this many cannot be a lie of more than the input's size.
        let mut documents = Vec::with_capacity(self.count.min(self.limit / 3 + 1));
        while let Some(document) = seq.next_element_seed(DocumentIn)? {
            documents.push(document);
        }
        Ok(documents)
    }
}

struct DocumentIn;

impl<'de> DeserializeSeed<'de> for DocumentIn {
    type Value = Document;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Document, D::Error> {
        deserializer.deserialize_tuple(3, self)
    }
}

impl<'de> Visitor<'de> for DocumentIn {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("id, page_content and metadata")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Document, A::Error> {
        let missing = || de::Error::invalid_length(0, &"three fields");
        let id: String = seq.next_element()?.ok_or_else(missing)?;
        let page_content: String = seq.next_element()?.ok_or_else(missing)?;
        let metadata = seq.next_element_seed(MapIn { depth: 0 })?.ok_or_else(missing)?;
        Ok(Document { id: Some(id), page_content, metadata })
    }
}

struct MapIn {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for MapIn {
    type Value = Metadata;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Metadata, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for MapIn {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map as a sorted list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Metadata, A::Error> {
        let entries = read_list(seq, || EntryIn { depth: self.depth })?;
        Metadata::from_sorted(entries).ok_or_else(|| de::Error::custom("keys of a map are not sorted"))
    }
}

struct EntryIn {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for EntryIn {
    type Value = (Box<str>, Value);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_tuple(2, self)
    }
}

impl<'de> Visitor<'de> for EntryIn {
    type Value = (Box<str>, Value);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key and a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let missing = || de::Error::invalid_length(0, &"a key and a value");
        let key: Box<str> = seq.next_element()?.ok_or_else(missing)?;
        let value = seq.next_element_seed(ValueIn { depth: self.depth + 1 })?.ok_or_else(missing)?;
        Ok((key, value))
    }
}

struct ListIn {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ListIn {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListIn {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        read_list(seq, || ValueIn { depth: self.depth + 1 })
    }
}

struct ValueIn {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ValueIn {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > MAX_NESTING {
            return Err(de::Error::custom(format!("metadata nests more than {MAX_NESTING} levels deep")));
        }
        deserializer.deserialize_enum(VALUE, VARIANTS, self)
    }
}

impl<'de> Visitor<'de> for ValueIn {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (variant, content): (u32, _) = data.variant_seed(Variant)?;
        Ok(match variant {
            0 => {
                content.unit_variant()?;
                Value::Null
            }
            1 => Value::Bool(content.newtype_variant()?),
            2 => Value::Int(content.newtype_variant()?),
            3 => match content.newtype_variant::<u64>()? {
                n if i64::try_from(n).is_ok() => {
                    return Err(de::Error::custom("an integer that fits i64 is written as UInt"));
                }
                n => Value::UInt(n),
            },
            4 => match content.newtype_variant::<f64>()? {
                x if x.is_finite() => Value::Float(x),
                _ => return Err(de::Error::custom("a float is not finite")),
            },
            5 => Value::String(content.newtype_variant()?),
            6 => Value::List(content.newtype_variant_seed(ListIn { depth: self.depth })?),
            7 => Value::Map(content.newtype_variant_seed(MapIn { depth: self.depth })?),
            other => return Err(de::Error::custom(format!("value kinds 0 to 7 expected, got {other}"))),
        })
    }
}

/// The number of an enum variant, as it is.
struct Variant;

impl<'de> DeserializeSeed<'de> for Variant {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        u32::deserialize(deserializer)
    }
}
