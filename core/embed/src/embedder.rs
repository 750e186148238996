//! From texts to vectors: tokens, batches, pooling, normalisation.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;
use tokenizers::{PostProcessor, Tokenizer, TruncationDirection, TruncationParams};

use crate::bert::{Batch, Bert};
use crate::error::{EmbedError, Result};
use crate::settings::{BertConfig, ModelLayout, Pooling, SentenceConfig, parse_pooling, parse_sentence};

/// Texts computed together at most.
const BATCH_TEXTS: usize = 32;
/// Tokens (padding included) computed together at most, so that memory stays bounded: 16 texts of 256.
const BATCH_TOKENS: usize = 4096;

/// The files of a sentence-transformers folder, as bytes.
///
/// Only the first three are needed. What the others' absence means is said at each.
///
/// ```no_run
/// use twindex_embed::{Embedder, ModelFiles};
/// # fn read(name: &str) -> Vec<u8> { std::fs::read(name).unwrap() }
/// let (config, tokenizer, weights) = (read("config.json"), read("tokenizer.json"), read("model.safetensors"));
/// let embedder = Embedder::from_parts(ModelFiles::new(&config, &tokenizer, &weights))?;
/// # Ok::<(), twindex_embed::EmbedError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ModelFiles<'a> {
    /// `config.json`: the sizes of the model.
    pub config: &'a [u8],
    /// `tokenizer.json`. Its own truncation length and padding are overridden.
    pub tokenizer: &'a [u8],
    /// `model.safetensors`, in f32, f16, bf16 or f64; computed in f32.
    pub weights: &'a [u8],
    /// `1_Pooling/config.json`. Without it: the mean.
    pub pooling: Option<&'a [u8]>,
    /// `modules.json`. Without it: vectors are normalised.
    pub modules: Option<&'a [u8]>,
    /// `sentence_bert_config.json`. Without it: texts are cut to
    /// [`DEFAULT_MAX_SEQ_LENGTH`](crate::DEFAULT_MAX_SEQ_LENGTH) tokens.
    pub sentence_bert_config: Option<&'a [u8]>,
}

impl<'a> ModelFiles<'a> {
    /// The three needed files alone.
    #[must_use]
    pub fn new(config: &'a [u8], tokenizer: &'a [u8], weights: &'a [u8]) -> Self {
        ModelFiles { config, tokenizer, weights, pooling: None, modules: None, sentence_bert_config: None }
    }
}

/// A loaded model.
///
/// Its vectors are those of sentence-transformers within 1e-5: texts are stripped of surrounding white space, cut to
/// [`max_seq_length`](Embedder::max_seq_length) tokens (special ones included), and padding never counts.
///
/// ```no_run
/// # use twindex_embed::{Embedder, ModelFiles};
/// # fn files() -> ModelFiles<'static> { unimplemented!() }
/// let embedder = Embedder::from_parts(files())?;
/// let vectors = embedder.embed(&["a cat", "a car"])?;
/// assert_eq!(vectors.len(), 2);
/// assert_eq!(vectors[0].len(), embedder.dim());
/// # Ok::<(), twindex_embed::EmbedError>(())
/// ```
pub struct Embedder {
    bert: Bert,
    tokenizer: Tokenizer,
    config: BertConfig,
    sentence: SentenceConfig,
    pooling: Pooling,
    normalize: bool,
}

impl fmt::Debug for Embedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedder")
            .field("dim", &self.dim())
            .field("layers", &self.config.num_hidden_layers)
            .field("max_seq_length", &self.max_seq_length())
            .field("pooling", &self.pooling)
            .field("normalizes", &self.normalize)
            .finish_non_exhaustive()
    }
}

impl Embedder {
    /// Reads a model. The bytes are copied where needed and may be dropped afterwards.
    ///
    /// # Errors
    ///
    /// [`EmbedError::MalformedFile`] for a damaged file, [`EmbedError::InvalidSetting`] for settings that contradict each
    /// other, [`EmbedError::MissingTensor`], [`EmbedError::TensorShape`] and [`EmbedError::TensorType`] for weights that
    /// are not those of `config.json`, and [`EmbedError::UnsupportedModel`], [`EmbedError::UnsupportedPooling`] and
    /// [`EmbedError::UnsupportedModules`] for models of another kind.
    pub fn from_parts(files: ModelFiles<'_>) -> Result<Self> {
        let config = BertConfig::parse(files.config)?;
        let pooling = parse_pooling(files.pooling, config.hidden_size)?;
        let normalize = ModelLayout::from_modules(files.modules)?.normalize;
        let sentence = parse_sentence(files.sentence_bert_config, config.max_position_embeddings)?;
        let tokenizer = read_tokenizer(files.tokenizer, sentence.max_seq_length)?;
        let bert = Bert::load(files.weights, &config)?;
        Ok(Embedder { bert, tokenizer, config, sentence, pooling, normalize })
    }

    /// Numbers in a vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.config.hidden_size
    }

    /// Tokens a text is cut to, special ones included.
    #[must_use]
    pub fn max_seq_length(&self) -> usize {
        self.sentence.max_seq_length
    }

    /// How the vectors of a text's tokens become one.
    #[must_use]
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Whether vectors have length 1.
    #[must_use]
    pub fn normalizes(&self) -> bool {
        self.normalize
    }

    /// One vector a text, in the order of the texts; no texts give no vectors.
    ///
    /// Texts are computed in batches of similar length, of at most 32 texts and 4096 tokens. A text's vector
    /// depends on the others only by rounding, below 1e-5.
    ///
    /// # Errors
    ///
    /// [`EmbedError::Tokenizer`], [`EmbedError::NoTokens`], [`EmbedError::NotFinite`] or [`EmbedError::Compute`]: a
    /// tokenizer that does not belong to the weights, or damaged weights.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let mut tokens = Vec::with_capacity(texts.len());
        for (number, text) in texts.iter().enumerate() {
            tokens.push(self.tokenize(number, text)?);
        }
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&i| tokens[i].ids.len());
        let mut vectors = vec![Vec::new(); texts.len()];
        let mut rest = &order[..];
        while let Some(&first) = rest.first() {
            // Ascending lengths: the batch is as long as its last text, so it ends before the text that breaks a bound.
            let shortest = tokens[first].ids.len();
            let (mut count, mut padded) = (1, shortest);
            while let Some(&next) = rest.get(count) {
                let length = tokens[next].ids.len();
                // Padding costs as much as text: nothing much longer than the shortest joins.
                let too_long = length > shortest + shortest / 4 + 4;
                if count == BATCH_TEXTS || too_long || (count + 1) * length > BATCH_TOKENS {
                    break;
                }
                (count, padded) = (count + 1, length);
            }
            let (batch, after) = rest.split_at(count);
            rest = after;
            self.embed_batch(&tokens, batch, padded, &mut vectors)?;
        }
        Ok(vectors)
    }

    fn tokenize(&self, number: usize, text: &str) -> Result<Tokens> {
        // As sentence-transformers does: Python's strip() also takes the separators U+001C to U+001F.
        let text = text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c));
        let text =
            if self.sentence.do_lower_case { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) };
        let failed = |reason: String| EmbedError::Tokenizer { text: number, reason };
        let encoding =
            guarded(|| self.tokenizer.encode(text, true).map_err(|e| e.to_string())).map_err(failed)?;
        let tokens = Tokens { ids: encoding.get_ids().to_vec(), type_ids: encoding.get_type_ids().to_vec() };
        if tokens.ids.is_empty() {
            return Err(EmbedError::NoTokens { text: number });
        }
        if tokens.ids.len() > self.sentence.max_seq_length || tokens.type_ids.len() != tokens.ids.len() {
            return Err(failed(format!(
                "{} tokens where at most {} were asked for",
                tokens.ids.len(),
                self.sentence.max_seq_length
            )));
        }
        let exceeds = |ids: &[u32], limit: usize| ids.iter().any(|&id| id as usize >= limit);
        if exceeds(&tokens.ids, self.config.vocab_size)
            || exceeds(&tokens.type_ids, self.config.type_vocab_size)
        {
            return Err(failed(format!(
                "a token id beyond the model's vocabulary of {}: tokenizer and weights do not belong together",
                self.config.vocab_size
            )));
        }
        Ok(tokens)
    }

    fn embed_batch(
        &self,
        tokens: &[Tokens],
        batch: &[usize],
        padded: usize,
        vectors: &mut [Vec<f32>],
    ) -> Result<()> {
        let mut ids = Vec::with_capacity(batch.len() * padded);
        let mut type_ids = Vec::with_capacity(batch.len() * padded);
        let mut lengths = Vec::with_capacity(batch.len());
        // Any id in the vocabulary does: what stands in the padding is masked.
        let pad = if (self.config.pad_token_id as usize) < self.config.vocab_size {
            self.config.pad_token_id
        } else {
            0
        };
        for (row, &text) in batch.iter().enumerate() {
            ids.extend_from_slice(&tokens[text].ids);
            ids.resize((row + 1) * padded, pad);
            type_ids.extend_from_slice(&tokens[text].type_ids);
            type_ids.resize((row + 1) * padded, 0);
            lengths.push(tokens[text].ids.len());
        }
        let states = self.bert.forward(Batch { ids, type_ids, lengths, padded })?;
        let dim = self.dim();
        for (&text, rows) in batch.iter().zip(states.chunks_exact(padded * dim)) {
            let rows = &rows[..tokens[text].ids.len() * dim];
            let mut vector = match self.pooling {
                Pooling::Cls => rows[..dim].to_vec(),
                Pooling::Mean => mean(rows, dim),
            };
            if self.normalize {
                normalize(&mut vector);
            }
            if vector.iter().any(|x| !x.is_finite()) {
                return Err(EmbedError::NotFinite { text });
            }
            vectors[text] = vector;
        }
        Ok(())
    }
}

struct Tokens {
    ids: Vec<u32>,
    type_ids: Vec<u32>,
}

const TOKENIZER: &str = "tokenizer.json";

fn read_tokenizer(bytes: &[u8], max_seq_length: usize) -> Result<Tokenizer> {
    let mut json: Value = serde_json::from_slice(bytes).map_err(|e| EmbedError::malformed(TOKENIZER, e))?;
    let direction = match json.pointer("/truncation/direction").and_then(Value::as_str) {
        Some("Left") => TruncationDirection::Left,
        _ => TruncationDirection::Right,
    };
    let Some(parts) = json.as_object_mut() else {
        return Err(EmbedError::malformed(TOKENIZER, "expected a JSON object"));
    };
    // What is not needed to encode is not read: the library panics on a damaged decoder. Nor are truncation and
    // padding: all-MiniLM-L6-v2's own file says "cut to 128, pad to 128", which sentence-transformers overrides too.
    for unused in ["decoder", "truncation", "padding"] {
        parts.remove(unused);
    }
    if let Some(processor) = parts.get("post_processor") {
        check_templates(processor)?;
    }
    let mut tokenizer = guarded(|| Tokenizer::from_bytes(json.to_string()).map_err(|e| e.to_string()))
        .map_err(|reason| EmbedError::malformed(TOKENIZER, reason))?;
    // Checked before it is set, because the library subtracts one from the other.
    let special = tokenizer.get_post_processor().map_or(0, |p| p.added_tokens(false));
    if max_seq_length <= special {
        return Err(EmbedError::InvalidSetting {
            file: "sentence_bert_config.json",
            setting: "max_seq_length",
            reason: format!("{max_seq_length} leaves no room for a text beside {special} special tokens"),
        });
    }
    let truncation =
        TruncationParams { max_length: max_seq_length, direction, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|e| EmbedError::malformed(TOKENIZER, e))?;
    Ok(tokenizer)
}

/// Refuses templates that the library would index out of bounds with: a second text where there is one, or a special
/// token that is not defined.
fn check_templates(processor: &Value) -> Result<()> {
    for part in processor.get("processors").and_then(Value::as_array).into_iter().flatten() {
        check_templates(part)?;
    }
    let defined = processor.get("special_tokens");
    for piece in processor.get("single").and_then(Value::as_array).into_iter().flatten() {
        if piece.pointer("/Sequence/id").is_some_and(|id| id != "A") {
            return Err(EmbedError::malformed(TOKENIZER, "the template for one text uses a second one"));
        }
        if let Some(id) = piece.pointer("/SpecialToken/id").and_then(Value::as_str)
            && defined.is_none_or(|tokens| tokens.get(id).is_none())
        {
            return Err(EmbedError::malformed(
                TOKENIZER,
                "the template uses a special token that is not defined",
            ));
        }
    }
    Ok(())
}

/// Turns a panic of the tokenizer library, which damaged tables can still cause, into an error. Where panics abort, as
/// in WebAssembly, it changes nothing.
fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err("the tokenizer library panicked: the file is damaged".to_owned()))
}

/// Mean of rows, summed in f64.
fn mean(rows: &[f32], dim: usize) -> Vec<f32> {
    let mut sums = vec![0f64; dim];
    for row in rows.chunks_exact(dim) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    let count = (rows.len() / dim) as f64;
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

/// Divides by the length; lengths below 1e-12 count as 1e-12, as in PyTorch.
fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt().max(1e-12);
    for x in vector {
        *x = (f64::from(*x) / norm) as f32;
    }
}
