//! Documents from bytes: a text file, or JSON Lines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::{Document, Metadata, Value};

/// Why bytes could not be read as documents.
///
/// As with [`Error`](crate::Error), every variant has a stable [`code`](LoadError::code).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are not UTF-8.
    InvalidUtf8 {
        /// Where the first wrong byte is, counted from 0.
        offset: usize,
        /// The line it is in, counted from 1.
        line: usize,
    },
    /// A line of JSON Lines that is not a document.
    InvalidJsonl {
        /// The line, counted from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
        /// What came.
        actual: String,
    },
}

impl LoadError {
    /// A stable name for the cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            LoadError::InvalidUtf8 { .. } => "invalid_utf8",
            LoadError::InvalidJsonl { .. } => "invalid_jsonl",
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::InvalidUtf8 { offset, line } => {
                write!(f, "expected UTF-8, got something else in line {line} (byte {offset})")
            }
            LoadError::InvalidJsonl { line, expected, actual } => {
                write!(f, "line {line}: expected {expected}, got {actual}")
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// One document of a JSON Lines file.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct JsonlRow {
    /// The document, with an id if the line has one.
    pub document: Document,
    /// The vector, if the line has one.
    pub vector: Option<Vec<f32>>,
}

/// A text file as one document, with the metadata `source`, as LangChain's `TextLoader` makes it.
///
/// A byte order mark is left out. Line ends `\r\n` and `\r` become `\n`, as they do in Python: separators such as
/// `"\n\n"` then work on any file.
///
/// ```
/// use twindex_core::text::load_text;
/// let document = load_text("caf\u{e9}\r\n".as_bytes(), "notes/menu.txt")?;
/// assert_eq!(document.page_content, "caf\u{e9}\n");
/// assert_eq!(document.metadata.get("source").and_then(|v| v.as_str()), Some("notes/menu.txt"));
/// # Ok::<(), twindex_core::text::LoadError>(())
/// ```
///
/// # Errors
/// [`LoadError::InvalidUtf8`].
pub fn load_text(bytes: &[u8], source: impl Into<String>) -> Result<Document, LoadError> {
    let text = utf8(bytes)?;
    let text = match text.contains('\r') {
        true => text.replace("\r\n", "\n").replace('\r', "\n"),
        false => text.to_owned(),
    };
    Ok(Document::new(text).with("source", source.into()))
}

/// Documents from JSON Lines: one JSON object a line, blank lines left out.
///
/// An object has the text as `text`, `page_content` or `pageContent`, and may have `id` (a string),
/// `metadata` (an object) and `vector` or `embedding` (numbers that fit an `f32`). `null` for these three means
/// that there is none. `"type": "Document"`, which LangChain writes, is taken too. Any other key, and any
/// key twice, is an error, so that nothing is lost in silence. (Of a key twice within metadata, the last value
/// stays, as in Python and JavaScript.)
///
/// ```
/// use twindex_core::text::load_jsonl;
/// let lines = br#"{"id": "a", "text": "to walk", "metadata": {"pos": "verb"}}
/// {"page_content": "a path", "embedding": [0.6, 0.8]}"#;
/// let rows = load_jsonl(lines)?;
/// assert_eq!(rows[0].document.id.as_deref(), Some("a"));
/// assert_eq!(rows[1].vector.as_deref(), Some(&[0.6, 0.8][..]));
/// # Ok::<(), twindex_core::text::LoadError>(())
/// ```
///
/// # Errors
/// [`LoadError::InvalidUtf8`], or [`LoadError::InvalidJsonl`] with the number of the first wrong line.
pub fn load_jsonl(bytes: &[u8]) -> Result<Vec<JsonlRow>, LoadError> {
    let mut rows = Vec::new();
    for (i, line) in utf8(bytes)?.split('\n').enumerate() {
        if !line.trim_ascii().is_empty() {
            let wrong = |(expected, actual)| LoadError::InvalidJsonl { line: i + 1, expected, actual };
            rows.push(row(line).map_err(wrong)?);
        }
    }
    Ok(rows)
}

fn utf8(bytes: &[u8]) -> Result<&str, LoadError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        LoadError::InvalidUtf8 { offset, line: bytes[..offset].iter().filter(|&&b| b == b'\n').count() + 1 }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// What was expected and what came.
type Wrong = (&'static str, String);

fn row(line: &str) -> Result<JsonlRow, Wrong> {
    const KEYS: &str = "the keys id, text (or page_content, pageContent), metadata, vector (or embedding)";
    let Entries(entries) = serde_json::from_str(line).map_err(|error| ("a JSON object", not_json(&error)))?;
    let (mut id, mut text, mut metadata, mut vector, mut kind) = (None, None, None, None, None);
    for (key, value) in entries {
        let (slot, expected) = match key.as_str() {
            "id" => (&mut id, "one id"),
            "text" | "page_content" | "pageContent" => (&mut text, "one text"),
            "metadata" => (&mut metadata, "one map of metadata"),
            "vector" | "embedding" => (&mut vector, "one vector"),
            "type" => (&mut kind, "one type"),
            _ => return Err((KEYS, format!("the key {}", shown(&Value::String(key))))),
        };
        if slot.replace(value).is_some() {
            return Err((expected, format!("another in the key {key:?}")));
        }
    }
    let mut document = match text {
        Some(Value::String(text)) => Document::new(text),
        Some(other) => return Err(("a string as the text", shown(&other))),
        None => return Err(("a text", "an object without one".to_owned())),
    };
    document.id = match id {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id),
        Some(other) => return Err(("a string as the id", shown(&other))),
    };
    document.metadata = match metadata {
        None | Some(Value::Null) => Metadata::new(),
        Some(Value::Map(map)) => map,
        Some(other) => return Err(("a map as the metadata", shown(&other))),
    };
    let vector = match vector {
        None | Some(Value::Null) => None,
        Some(Value::List(numbers)) => Some(numbers.iter().map(component).collect::<Result<_, _>>()?),
        Some(other) => return Err(("a list of numbers as the vector", shown(&other))),
    };
    match kind {
        None => {}
        Some(Value::String(kind)) if kind == "Document" => {}
        Some(other) => return Err(("the type \"Document\"", shown(&other))),
    }
    Ok(JsonlRow { document, vector })
}

fn component(number: &Value) -> Result<f32, Wrong> {
    let narrow = number.as_f64().map(|x| x as f32).filter(|x| x.is_finite());
    narrow.ok_or_else(|| ("numbers that fit an f32 in the vector", shown(number)))
}

/// A value for a message, not longer than one can read.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    match value {
        Value::List(_) | Value::Map(_) => value.type_name().to_owned(),
        Value::String(text) if text.chars().count() > LONGEST => {
            format!("{:?}...", text.chars().take(LONGEST).collect::<String>())
        }
        other => other.to_string(),
    }
}

/// serde_json's message with the column where it has one; its line is always 1 here.
fn not_json(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rsplit_once(" at line ") {
        Some((what, _)) if error.column() == 0 => what.to_owned(),
        Some((what, _)) => format!("{what} at column {}", error.column()),
        None => message,
    }
}

/// An object's entries as they come, so that a key given twice can be seen.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}
