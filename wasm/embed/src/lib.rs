//! A sentence-transformers model in WebAssembly, for the worker of `twindex/embed`.
//!
//! What a model does is decided in `twindex-embed`, which the native library runs too; what is here takes in the bytes
//! of its files, and turns errors into JavaScript's.
#![cfg(target_family = "wasm")]

use js_sys::{Error, Uint8Array};
use twindex_embed::{EmbedError, Embedder, ModelFiles, ModelLayout};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./embed-fault.mjs")]
extern "C" {
    /// Notes what a panic said: nothing else tells it once the module has trapped.
    fn panicked(message: &str);

    /// An error as JavaScript sees it, with its code.
    fn fault(message: &str, code: &str) -> Error;
}

/// Runs once, when the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| panicked(&panic.to_string())));
}

/// The version of this crate, which is the package's.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn to_js(error: &EmbedError) -> JsValue {
    fault(&error.to_string(), error.code()).into()
}

/// A copy of a file's bytes; `out_of_memory` where there is no room for it.
fn bytes_of(file: &Uint8Array) -> Result<Vec<u8>, JsValue> {
    let length = file.length() as usize;
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(length).is_err() {
        let message = format!("no memory for {length} bytes of a model's file");
        return Err(fault(&message, "out_of_memory").into());
    }
    bytes.resize(length, 0);
    file.copy_to(&mut bytes);
    Ok(bytes)
}

fn optional_bytes_of(file: Option<&Uint8Array>) -> Result<Option<Vec<u8>>, JsValue> {
    file.map(bytes_of).transpose()
}

/// Where a model's files lie by its `modules.json`: the folder of configuration, tokenizer and weights, then that of
/// the pooling's configuration, both relative to the model's own.
///
/// # Errors
/// `embed_malformed_file`, `embed_unsupported_modules`.
#[wasm_bindgen(js_name = foldersOf)]
pub fn folders_of(modules: Option<Uint8Array>) -> Result<Vec<String>, JsValue> {
    let modules = optional_bytes_of(modules.as_ref())?;
    let layout = ModelLayout::from_modules(modules.as_deref()).map_err(|e| to_js(&e))?;
    Ok(vec![layout.transformer, layout.pooling])
}

/// A loaded model.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Model {
    embedder: Embedder,
}

#[wasm_bindgen]
impl Model {
    /// Reads a model from its files, which are copied.
    ///
    /// # Errors
    /// The codes of [`EmbedError`], `out_of_memory`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        config: &Uint8Array,
        tokenizer: &Uint8Array,
        weights: &Uint8Array,
        pooling: Option<Uint8Array>,
        modules: Option<Uint8Array>,
        sentence_config: Option<Uint8Array>,
    ) -> Result<Model, JsValue> {
        let (config, tokenizer, weights) = (bytes_of(config)?, bytes_of(tokenizer)?, bytes_of(weights)?);
        let pooling = optional_bytes_of(pooling.as_ref())?;
        let modules = optional_bytes_of(modules.as_ref())?;
        let sentence_config = optional_bytes_of(sentence_config.as_ref())?;
        let embedder = Embedder::from_parts(ModelFiles {
            config: &config,
            tokenizer: &tokenizer,
            weights: &weights,
            pooling: pooling.as_deref(),
            modules: modules.as_deref(),
            sentence_bert_config: sentence_config.as_deref(),
        });
        Ok(Model { embedder: embedder.map_err(|e| to_js(&e))? })
    }

    /// Numbers in a vector.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn dim(&self) -> usize {
        self.embedder.dim()
    }

    /// Tokens a text is cut to, special ones included.
    #[wasm_bindgen(getter, js_name = maxSeqLength)]
    #[must_use]
    pub fn max_seq_length(&self) -> usize {
        self.embedder.max_seq_length()
    }

    /// One vector a text, one after another. Errors name a text by its number in `numbers`, where it has one.
    ///
    /// # Errors
    /// The codes of [`EmbedError`].
    pub fn embed(&self, texts: Vec<String>, numbers: &[u32]) -> Result<Vec<f32>, JsValue> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let vectors = self.embedder.embed(&texts).map_err(|error| to_js(&renumbered(error, numbers)))?;
        Ok(vectors.concat())
    }
}

/// The same error about a text of the caller's whole list.
fn renumbered(mut error: EmbedError, numbers: &[u32]) -> EmbedError {
    if let EmbedError::Tokenizer { text, .. }
    | EmbedError::NoTokens { text }
    | EmbedError::NotFinite { text } = &mut error
    {
        *text = numbers.get(*text).map_or(*text, |&number| number as usize);
    }
    error
}
