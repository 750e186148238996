//! The caller's embeddings, awaited in batches with nothing held.

use js_sys::{Array, Object};
use twindex_core::{Error, Vectors};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::convert::{self, Origin, texts_out};
use crate::error::{Failure, Result};
use crate::js::{AbortSignal, EmbeddingsLike, describe, has_method, set_own, settled, until_aborted};
use crate::options::EmbedRequest;
use crate::promise::check;

/// Texts per call unless told: what a service takes at once, and a model in a page makes progress by.
const BATCH: usize = 64;

/// Something of the caller's that turns texts into vectors.
#[derive(Clone)]
pub struct Embeddings(Option<EmbeddingsLike>);

impl Embeddings {
    /// Embeddings of an argument; null and undefined stand for none.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn new(value: &JsValue) -> Result<Self> {
        if value.is_undefined() || value.is_null() {
            return Ok(Self(None));
        }
        if value.is_object() && has_method(value, "embedDocuments") && has_method(value, "embedQuery") {
            return Ok(Self(Some(value.unchecked_ref::<EmbeddingsLike>().clone())));
        }
        Err(Failure::argument("embeddings", "an object with embedDocuments and embedQuery", value))
    }

    fn get(&self) -> Result<&EmbeddingsLike> {
        self.0.as_ref().ok_or_else(|| {
            Failure::new("no_embeddings", "the store was made without embeddings: it takes vectors only")
        })
    }

    /// The vectors of texts, in order. `dim` is what they must have, where that is known.
    ///
    /// # Errors
    /// `no_embeddings`, `embeddings_custom` for what they throw, `embeddings_malformed_answer`, `embeddings_wrong_count`, `dimension_mismatch`,
    /// `empty_vector`; the signal's reason; what the progress function throws.
    pub async fn documents(
        &self,
        texts: &[&str],
        mut dim: Option<usize>,
        request: &EmbedRequest,
    ) -> Result<Vectors<'static>> {
        let signal = request.signal.as_ref();
        check(signal)?;
        let batch = request.batch_size.unwrap_or(BATCH);
        let mut data: Vec<f32> = Vec::new();
        let mut done = 0;
        for texts_of_batch in texts.chunks(batch) {
            let embeddings = self.get()?;
            let list: Array = texts_out(texts_of_batch).unchecked_into();
            let answer = answer(embeddings.embed_documents(&list), signal).await?;
            let expected = Some(texts_of_batch.len());
            let vectors = convert::vectors(Origin::Embeddings, &answer, dim, expected)
                .map_err(|failure| later(failure, done))?;
            dim = Some(vectors.rows().dim());
            let more = vectors.rows().data();
            if data.is_empty() {
                // Room for all of them, now that their length is known.
                reserve(&mut data, vectors.rows().dim(), texts.len())?;
            }
            data.extend_from_slice(more);
            done += texts_of_batch.len();
            tell(request, done, texts.len()).await?;
            check(signal)?;
        }
        Ok(Vectors::new(data, dim.unwrap_or(1))?)
    }

    /// The vector of a text to search for.
    ///
    /// # Errors
    /// As [`documents`](Self::documents).
    pub async fn query(&self, text: &str, signal: Option<&AbortSignal>) -> Result<Vec<f32>> {
        check(signal)?;
        let embeddings = self.get()?;
        let answer = answer(embeddings.embed_query(&JsValue::from_str(text)), signal).await?;
        convert::vector(Origin::Embeddings, &answer)
    }
}

/// Room for so many vectors.
///
/// # Errors
/// `out_of_memory`.
pub fn reserve(data: &mut Vec<f32>, dim: usize, count: usize) -> Result<()> {
    let reserved = dim.checked_mul(count).and_then(|numbers| data.try_reserve_exact(numbers).ok());
    let bytes = dim as u64 * count as u64 * size_of::<f32>() as u64;
    reserved.ok_or_else(|| Error::OutOfMemory { what: "vectors", bytes }.into())
}

/// A vector of another length, counted from the first batch on.
fn later(failure: Failure, done: usize) -> Failure {
    match failure {
        Failure::Error { code: "dimension_mismatch", message, cause } if done > 0 => Failure::Error {
            code: "dimension_mismatch",
            message: format!("{message} (in a batch that starts at text {done})"),
            cause,
        },
        failure => failure,
    }
}

/// What the embeddings answer, a promise or not, unless the signal aborts first.
async fn answer(called: Result<JsValue, JsValue>, signal: Option<&AbortSignal>) -> Result<JsValue> {
    let failed = |thrown: JsValue| {
        Failure::new("embeddings_custom", format!("the embeddings failed: {}", describe(&thrown)))
            .caused_by(thrown)
    };
    let promise = settled(&called.map_err(failed)?);
    let answered = match signal {
        Some(signal) => JsFuture::from(until_aborted(&promise, signal)).await,
        None => JsFuture::from(promise).await,
    };
    check(signal)?;
    answered.map_err(failed)
}

/// Calls the progress function, and waits for it if it answers with a promise.
async fn tell(request: &EmbedRequest, done: usize, total: usize) -> Result<()> {
    let Some(on_progress) = &request.on_progress else { return Ok(()) };
    let progress = Object::new();
    set_own(&progress, "done", &JsValue::from_f64(done as f64));
    set_own(&progress, "total", &JsValue::from_f64(total as f64));
    let answer = on_progress.call1(&JsValue::UNDEFINED, &progress).map_err(Failure::Thrown)?;
    if answer.is_object() {
        JsFuture::from(settled(&answer)).await.map_err(Failure::Thrown)?;
    }
    Ok(())
}
