//! What is imported from JavaScript.

use js_sys::{Array, Float32Array, Function, Object, Promise, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./error.mjs")]
extern "C" {
    /// An error as JavaScript sees it, with its code.
    pub type VectorStoreError;

    #[wasm_bindgen(constructor)]
    pub fn new(message: &str, code: &str, options: &Object) -> VectorStoreError;
}

#[wasm_bindgen(raw_module = "./glue-support.mjs")]
extern "C" {
    /// Ends every call under way: the module cannot go on.
    pub fn panicked(message: &str);

    /// Reads a document of a list, or throws an error of ours: see `glue-support.mjs`.
    #[wasm_bindgen(catch)]
    pub fn inspect(list: &Array, at: u32, long: u32) -> Result<u32, JsValue>;

    #[wasm_bindgen(js_name = seenText)]
    pub fn seen_text() -> String;

    #[wasm_bindgen(js_name = seenText)]
    pub fn seen_text_value() -> JsValue;

    #[wasm_bindgen(js_name = seenId)]
    pub fn seen_id() -> String;

    #[wasm_bindgen(js_name = seenMetadata)]
    pub fn seen_metadata() -> JsValue;

    /// `{ pageContent, metadata, id }`.
    #[wasm_bindgen(js_name = makeDocument)]
    pub fn make_document(page_content: &str, metadata: JsValue, id: &str) -> Object;

    /// Sets an own property whatever its name is, `__proto__` included.
    #[wasm_bindgen(js_name = setOwn)]
    pub fn set_own(object: &Object, key: &str, value: &JsValue);

    /// A bigint in decimal.
    #[wasm_bindgen(js_name = digitsOf)]
    pub fn digits_of(bigint: &JsValue) -> String;

    /// Whether a string has no half of a surrogate pair in it.
    #[wasm_bindgen(js_name = isWellFormed)]
    pub fn is_well_formed(text: &JsValue) -> bool;

    /// What a value is, in words, for messages.
    pub fn describe(value: &JsValue) -> String;

    /// The items of a list, up to the first hole; undefined if it is none.
    #[wasm_bindgen(js_name = listOf, catch)]
    pub fn list_of(value: &JsValue) -> Result<JsValue, JsValue>;

    /// Keys and values in turn of an object as JSON has it; undefined if it is none.
    #[wasm_bindgen(js_name = fieldsOf, catch)]
    pub fn fields_of(value: &JsValue) -> Result<JsValue, JsValue>;

    /// The options given, or the first key that is none of the known ones, which stand with commas between.
    #[wasm_bindgen(js_name = optionsOf, catch)]
    pub fn options_of(value: &JsValue, known: &str) -> Result<JsValue, JsValue>;

    /// A typed array over a typed array's or a buffer's memory; null if that was given away, undefined if it is none.
    #[wasm_bindgen(js_name = viewOf)]
    pub fn view_of(value: &JsValue) -> JsValue;

    /// Lays vectors side by side: a `Float32Array`, null without memory, or a list that says what is wrong, see `glue-support.mjs`.
    #[wasm_bindgen(catch)]
    pub fn pack(vectors: &Array, dim: f64) -> Result<JsValue, JsValue>;

    /// Memory outside this module's; throws where there is none.
    #[wasm_bindgen(js_name = newBytes, catch)]
    pub fn new_bytes(len: f64) -> Result<Uint8Array, JsValue>;

    /// Memory outside this module's; throws where there is none.
    #[wasm_bindgen(js_name = newFloats, catch)]
    pub fn new_floats(len: f64) -> Result<Float32Array, JsValue>;

    /// Whether a value cancels calls, by what the engine says of it.
    #[wasm_bindgen(js_name = isSignal)]
    pub fn is_signal(value: &JsValue) -> bool;

    pub fn aborted(signal: &AbortSignal) -> bool;

    pub fn reason(signal: &AbortSignal) -> JsValue;

    /// A promise of a value that may be one.
    pub fn settled(value: &JsValue) -> Promise;

    /// Settles as the promise does, or rejects when the signal aborts, if that is first.
    #[wasm_bindgen(js_name = untilAborted)]
    pub fn until_aborted(promise: &Promise, signal: &AbortSignal) -> Promise;

    /// Sixteen random bytes for each of `count` ids.
    #[wasm_bindgen(js_name = randomBytes)]
    pub fn random_bytes(len: u32) -> Uint8Array;

    /// `{ code, message }`, the numbers at the end of the message.
    #[wasm_bindgen(js_name = makeWarning)]
    pub fn make_warning(code: &str, before: &str, numbers: &Array) -> Object;

    /// Prints a warning where nobody asked to be told.
    pub fn warn(warning: &Object);
}

#[wasm_bindgen]
extern "C" {
    /// What cancels a call.
    #[derive(Clone)]
    pub type AbortSignal;

    /// The caller's embeddings.
    #[derive(Clone)]
    pub type EmbeddingsLike;

    #[wasm_bindgen(method, structural, catch, js_name = embedDocuments)]
    pub fn embed_documents(this: &EmbeddingsLike, texts: &Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, structural, catch, js_name = embedQuery)]
    pub fn embed_query(this: &EmbeddingsLike, text: &JsValue) -> Result<JsValue, JsValue>;
}

/// A property of an object; an absent one is undefined.
pub fn get(object: &JsValue, key: &str) -> Result<JsValue, JsValue> {
    js_sys::Reflect::get(object, &JsValue::from_str(key))
}

/// A property that is a function.
pub fn has_method(object: &JsValue, key: &str) -> bool {
    get(object, key).is_ok_and(|value| value.has_type::<Function>())
}
