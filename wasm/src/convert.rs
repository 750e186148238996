//! JavaScript values to core's and back, every shape and number checked.

use js_sys::{Array, Float32Array, JsString, Object, Uint8Array};
use twindex_core::bytes::{Encoded, Source};
use twindex_core::{Document, Error, Hit, Metadata, Vectors, documents_of_texts, set_ids};
use wasm_bindgen::{JsCast, JsValue};

use crate::error::{Failure, Result, unreadable};
use crate::js::{self, describe, make_document};
use crate::metadata::{Defect, Reader, map_to_js};

/// Whether a value is a string.
pub fn is_text(value: &JsValue) -> bool {
    value.is_string()
}

/// Past this size, memory is asked for before a text is copied, so that there being none is an error and not the end of the module.
const LARGE: usize = 1 << 20;

/// A string, which has to be well-formed Unicode: half of a surrogate pair has no UTF-8.
///
/// # Errors
/// `invalid_argument`, `out_of_memory`.
pub fn text(value: &JsValue) -> Result<String> {
    let string: &JsString = value.unchecked_ref();
    let most = string.length() as usize * 3;
    if most > LARGE {
        room_for::<u8>("text", most)?;
    }
    if !js::is_well_formed(value) {
        return Err(Failure::new(
            "invalid_argument",
            "a string of well-formed Unicode expected, got half of a surrogate pair",
        ));
    }
    value.as_string().ok_or_else(|| Failure::argument("text", "a string", value))
}

/// A string argument.
///
/// # Errors
/// `invalid_argument`, `out_of_memory`.
pub fn text_argument(what: &str, value: &JsValue) -> Result<String> {
    if !is_text(value) {
        return Err(Failure::argument(what, "a string", value));
    }
    text(value).map_err(|failure| within(what, failure))
}

fn within(what: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Error { code, message, cause } => {
            Failure::Error { code, message: format!("{what}: {message}"), cause }
        }
        thrown => thrown,
    }
}

/// Fails where there is no memory for so many items, and keeps none.
fn room_for<T>(what: &'static str, len: usize) -> Result<Vec<T>> {
    let mut items = Vec::new();
    match items.try_reserve_exact(len) {
        Ok(()) => Ok(items),
        Err(_) => Err(Error::OutOfMemory { what, bytes: len as u64 * size_of::<T>() as u64 }.into()),
    }
}

/// Sees to it that there is memory ahead of many small texts.
#[derive(Default)]
struct Room(usize);

impl Room {
    fn taken(&mut self, what: &'static str, bytes: usize) -> Result<()> {
        self.0 += bytes;
        if self.0 > 16 * LARGE {
            self.0 = 0;
            // Four times as much as is taken before it is asked for again: copies of these texts follow.
            room_for::<u8>(what, 64 * LARGE)?;
        }
        Ok(())
    }
}

/// A list argument, as it is now: up to its first hole.
///
/// # Errors
/// `invalid_argument`.
pub fn list(what: &str, expected: &str, value: &JsValue) -> Result<Array> {
    let items = js::list_of(value).map_err(unreadable(what))?;
    if items.is_undefined() {
        Err(Failure::argument(what, expected, value))
    } else {
        Ok(items.unchecked_into())
    }
}

/// The items of a list, each with what it is called in messages. Holes are undefined.
fn items<'a>(
    what: &'a str,
    list: &'a Array,
) -> impl ExactSizeIterator<Item = (JsValue, impl Fn() -> String + 'a)> + 'a {
    (0..list.length()).map(move |at| (list.get(at), move || format!("{what}[{at}]")))
}

/// A list of strings.
///
/// # Errors
/// `invalid_argument`, `out_of_memory`.
pub fn texts(what: &str, value: &JsValue) -> Result<Vec<String>> {
    let list = &list(what, "a list of strings", value)?;
    let mut room = Room::default();
    let copied = |(item, name): (JsValue, _)| {
        let name: &dyn Fn() -> String = &name;
        if !is_text(&item) {
            return Err(Failure::argument(&name(), "a string", &item));
        }
        let text = text(&item).map_err(|failure| within(&name(), failure))?;
        room.taken("texts", text.len()).map(|()| text)
    };
    items(what, list).map(copied).collect()
}

/// Ids beside documents: one for each; null and undefined stand for a new one.
///
/// # Errors
/// `invalid_argument`, `out_of_memory`.
pub fn optional_ids(value: &JsValue) -> Result<Option<Vec<Option<String>>>> {
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    let list = &list("ids", "a list of strings", value)?;
    items("ids", list).map(|(item, name)| optional_text(&name, &item)).collect::<Result<Vec<_>>>().map(Some)
}

fn optional_text(name: &dyn Fn() -> String, value: &JsValue) -> Result<Option<String>> {
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    if !is_text(value) {
        return Err(Failure::argument(&name(), "a string", value));
    }
    text(value).map(Some).map_err(|failure| within(&name(), failure))
}

/// The metadata of a document, and about how many bytes it takes; null and undefined stand for none.
fn metadata(row: usize, value: &JsValue) -> Result<(Metadata, usize)> {
    if value.is_undefined() || value.is_null() {
        return Ok((Metadata::new(), 0));
    }
    let invalid = |reason: String| Failure::from(Error::InvalidMetadata { row, reason });
    let mut reader = Reader::for_metadata();
    match reader.object(value) {
        Ok(Some(metadata)) => Ok((metadata, reader.weight)),
        Ok(None) => Err(invalid(format!("expected an object, got {}", describe(value)))),
        Err(Defect::TooDeep) => Err(invalid(format!(
            "nested more than {} levels deep, or containing itself",
            twindex_core::MAX_NESTING
        ))),
        Err(Defect::Other(reason)) => Err(invalid(reason)),
    }
}

/// Metadata beside texts: one object for each, or one for all.
///
/// # Errors
/// `invalid_metadata`, `length_mismatch`, `out_of_memory`.
pub fn metadatas(count: usize, value: &JsValue) -> Result<Option<Vec<Metadata>>> {
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    let list = js::list_of(value).map_err(unreadable("metadatas"))?;
    if list.is_undefined() {
        let (one, weight) = metadata(0, value)?;
        room_for::<u8>("metadata", weight.saturating_mul(count))?;
        return Ok(Some(vec![one; count]));
    }
    let mut room = Room::default();
    let taken = |(row, item): (usize, JsValue)| {
        let (metadata, weight) = metadata(row, &item)?;
        room.taken("metadata", weight).map(|()| metadata)
    };
    list.unchecked_ref::<Array>().iter().enumerate().map(taken).collect::<Result<_>>().map(Some)
}

/// Documents of texts, as `addTexts` takes them.
///
/// # Errors
/// `invalid_argument`, `invalid_metadata`, `length_mismatch`, `out_of_memory`.
pub fn texts_to_documents(
    values: &JsValue,
    metadata: &JsValue,
    ids: Option<Vec<Option<String>>>,
) -> Result<Vec<Document>> {
    let texts = texts("texts", values)?;
    let metadata = metadatas(texts.len(), metadata)?;
    Ok(documents_of_texts(texts, metadata, ids)?)
}

/// Documents, as `addDocuments` takes them.
///
/// # Errors
/// `invalid_argument`, `invalid_metadata`, `length_mismatch`, `out_of_memory`.
pub fn documents(value: &JsValue, ids: Option<Vec<Option<String>>>) -> Result<Vec<Document>> {
    let list = &list("documents", "a list of documents", value)?;
    let mut documents = room_for("documents", list.length() as usize)?;
    let mut room = Room::default();
    for at in 0..list.length() {
        let seen = js::inspect(list, at, LARGE as u32).map_err(Failure::Thrown)?;
        let page_content = if seen & 4 > 0 { text(&js::seen_text_value())? } else { js::seen_text() };
        let id = (seen & 1 > 0).then(js::seen_id);
        let (metadata, weight) =
            if seen & 2 > 0 { metadata(at as usize, &js::seen_metadata())? } else { (Metadata::new(), 0) };
        room.taken("documents", page_content.len() + weight)?;
        documents.push(Document { page_content, id, metadata });
    }
    set_ids(&mut documents, ids)?;
    Ok(documents)
}

/// Where vectors come from: what a wrong one is called, and under which code.
#[derive(Clone, Copy)]
pub enum Origin {
    /// An argument of the call.
    Argument(&'static str),
    /// What the embeddings answered.
    Embeddings,
}

impl Origin {
    fn unreadable(self, thrown: JsValue) -> Failure {
        match self {
            Origin::Argument(what) => unreadable(what)(thrown),
            Origin::Embeddings => {
                let message = format!("the embeddings' answer cannot be read: {}", describe(&thrown));
                Failure::new("embeddings_malformed_answer", message).caused_by(thrown)
            }
        }
    }

    fn failure(self, place: &str, expected: &str, actual: &JsValue) -> Failure {
        let message = |what: &str| format!("{what}{place}: expected {expected}, got {}", describe(actual));
        match self {
            Origin::Argument(what) => Failure::new("invalid_argument", message(what)),
            Origin::Embeddings => {
                Failure::new("embeddings_malformed_answer", message("the embeddings' answer"))
            }
        }
    }
}

/// One vector.
///
/// # Errors
/// `invalid_argument` or `embeddings_malformed_answer`, `empty_vector`, `out_of_memory`.
pub fn vector(origin: Origin, value: &JsValue) -> Result<Vec<f32>> {
    let vectors = packed(origin, &Array::of1(value), None, false)?;
    Ok(vectors.into_data().into_owned())
}

/// Several vectors: a list of them, or one flat `Float32Array` of rows of `dim` numbers. A list must agree with `dim` where there is one, and
/// an answer of embeddings with the number of texts.
///
/// # Errors
/// `invalid_argument` or `embeddings_malformed_answer`, `embeddings_wrong_count`, `dimension_mismatch`, `ragged_rows`, `empty_vector`,
/// `out_of_memory`.
pub fn vectors(
    origin: Origin,
    value: &JsValue,
    dim: Option<usize>,
    count: Option<usize>,
) -> Result<Vectors<'static>> {
    if let Origin::Argument(what) = origin {
        let view = js::view_of(value);
        if view.is_null() {
            return Err(origin.failure("", "memory that was not given away", value));
        }
        if let Some(flat) = view.dyn_ref::<Float32Array>() {
            let Some(dim) = dim.or_else(|| (flat.length() == 0).then_some(1)) else {
                let needs = "a flat Float32Array needs the option dim while the store has no vectors";
                return Err(Failure::new("invalid_argument", format!("{what}: {needs}")));
            };
            return Ok(Vectors::new(floats(flat)?, dim)?);
        }
    }
    let list = js::list_of(value).map_err(|thrown| origin.unreadable(thrown))?;
    if list.is_undefined() {
        let expected = match origin {
            Origin::Argument(_) => "a Float32Array or a list of vectors",
            Origin::Embeddings => "a list of vectors",
        };
        return Err(origin.failure("", expected, value));
    }
    let list: &Array = list.unchecked_ref();
    if let Some(expected) = count
        && list.length() as usize != expected
    {
        let message = format!("expected {expected} vectors, one for each text, got {}", list.length());
        return Err(Failure::new("embeddings_wrong_count", message));
    }
    if list.length() == 0 {
        return Ok(Vectors::new(Vec::new(), dim.unwrap_or(1))?);
    }
    packed(origin, list, dim, true)
}

/// The vectors of a list, of which there is at least one, side by side.
fn packed(origin: Origin, list: &Array, dim: Option<usize>, named: bool) -> Result<Vectors<'static>> {
    let answer = js::pack(list, dim.unwrap_or(0) as f64).map_err(|thrown| origin.unreadable(thrown))?;
    let first =
        || js::get(&list.get(0), "length").ok().and_then(|length| length.as_f64()).unwrap_or_default();
    let dim = dim.unwrap_or_else(|| first() as usize);
    if answer.is_null() {
        let bytes = u64::from(list.length()) * dim as u64 * size_of::<f32>() as u64;
        return Err(Error::OutOfMemory { what: "vectors", bytes }.into());
    }
    if let Some(data) = answer.dyn_ref::<Float32Array>() {
        return Ok(Vectors::new(floats(data)?, dim)?);
    }
    let defect: &Array = answer.unchecked_ref();
    let at = |i| defect.get(i).as_f64().unwrap_or_default();
    if defect.length() == 2 {
        return Err(
            Error::DimensionMismatch { expected: dim, actual: at(1) as usize, row: at(0) as usize }.into()
        );
    }
    let row = if named { format!("[{}]", at(0) as usize) } else { String::new() };
    Err(if at(1) < 0.0 {
        origin.failure(&row, "a vector: a Float32Array or a list of numbers", &defect.get(2))
    } else {
        origin.failure(&format!("{row}[{}]", at(1) as usize), "a number", &defect.get(2))
    })
}

/// The numbers of an array outside this module's memory.
fn floats(array: &Float32Array) -> Result<Vec<f32>> {
    let mut numbers = room_for("vectors", array.length() as usize)?;
    let room = &mut numbers.spare_capacity_mut()[..array.length() as usize];
    array.copy_to_uninit(room);
    // SAFETY: copy_to_uninit wrote every one of these slots; it panics if the lengths differ.
    unsafe { numbers.set_len(array.length() as usize) };
    Ok(numbers)
}

/// Bytes outside this module's memory, copied in piece by piece.
pub struct BytesSource(Uint8Array);

impl BytesSource {
    /// Bytes of an argument.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn new(value: &JsValue) -> Result<Self> {
        let view = js::view_of(value);
        if view.is_null() {
            return Err(Failure::argument("bytes", "memory that was not given away", value));
        }
        let Ok(bytes) = view.dyn_into::<Uint8Array>() else {
            return Err(Failure::argument("bytes", "a Uint8Array, ArrayBuffer, Blob or Response", value));
        };
        // More than this module can address, and than a length of 32 bits says.
        let len = js::get(&bytes, "length").ok().and_then(|len| len.as_f64()).unwrap_or_default();
        if len > f64::from(u32::MAX) {
            return Err(Error::OutOfMemory { what: "bytes", bytes: len as u64 }.into());
        }
        Ok(Self(bytes))
    }
}

impl Source for BytesSource {
    fn total(&self) -> u64 {
        self.0.length().into()
    }

    fn copy(&mut self, offset: u64, out: &mut [u8]) -> twindex_core::Result<()> {
        // Offsets lie within a total that came from a u32.
        let start = offset as u32;
        self.0.subarray(start, start + out.len() as u32).copy_to(out);
        Ok(())
    }
}

/// An encoded store as bytes outside this module's memory.
///
/// # Errors
/// `out_of_memory`.
pub fn bytes_out(encoded: &Encoded<'_>) -> Result<Uint8Array> {
    let len = encoded.byte_len();
    let out = js::new_bytes(len as f64).map_err(|thrown| {
        Failure::from(Error::OutOfMemory { what: "bytes", bytes: len }).caused_by(thrown)
    })?;
    let mut at = 0;
    for chunk in encoded.chunks() {
        out.subarray(at, at + chunk.len() as u32).copy_from(chunk);
        at += chunk.len() as u32;
    }
    Ok(out)
}

/// Numbers outside this module's memory.
///
/// # Errors
/// `out_of_memory`.
pub fn floats_out(numbers: &[f32]) -> Result<Float32Array> {
    let bytes = size_of_val(numbers) as u64;
    let out = js::new_floats(numbers.len() as f64)
        .map_err(|thrown| Failure::from(Error::OutOfMemory { what: "vectors", bytes }).caused_by(thrown))?;
    out.copy_from(numbers);
    Ok(out)
}

/// A document, copied out.
pub fn document_out(document: &Document) -> Object {
    let id = document.id.as_deref().unwrap_or_default();
    make_document(&document.page_content, map_to_js(&document.metadata), id)
}

/// Documents without their scores.
pub fn documents_out(hits: &[Hit]) -> JsValue {
    hits.iter().map(|hit| document_out(&hit.document)).collect::<Array>().into()
}

/// Documents with their scores.
pub fn hits_out(hits: &[Hit]) -> JsValue {
    let pair = |hit: &Hit| Array::of2(&document_out(&hit.document), &JsValue::from_f64(hit.score.into()));
    hits.iter().map(pair).collect::<Array>().into()
}

/// Strings.
pub fn texts_out<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> JsValue {
    texts.into_iter().map(|text| JsValue::from_str(text.as_ref())).collect::<Array>().into()
}
