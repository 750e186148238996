//! The small JSON files of a sentence-transformers folder, read strictly where a wrong reading would change vectors.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{EmbedError, Result};

/// Word pieces a text is cut to where no `sentence_bert_config.json` says otherwise: 256, as in all-MiniLM-L6-v2.
///
/// ```
/// assert_eq!(twindex_embed::DEFAULT_MAX_SEQ_LENGTH, 256);
/// ```
pub const DEFAULT_MAX_SEQ_LENGTH: usize = 256;

/// How the vectors of a text's tokens become one.
///
/// ```
/// use twindex_embed::Pooling;
/// assert_eq!(Pooling::default(), Pooling::Mean);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean, padding left out: what sentence-transformers does without a pooling configuration.
    #[default]
    Mean,
    /// The vector of the first token, `[CLS]`.
    Cls,
}

/// Activation between the two dense layers of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Gelu,
    GeluTanh,
    Relu,
}

/// What of `config.json` matters.
#[derive(Debug, Clone)]
pub(crate) struct BertConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub layer_norm_eps: f64,
    pub pad_token_id: u32,
    pub activation: Activation,
}

#[derive(Deserialize)]
struct RawConfig {
    model_type: Option<String>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    #[serde(default = "bert_eps")]
    layer_norm_eps: f64,
    #[serde(default)]
    pad_token_id: Option<u32>,
    #[serde(default)]
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

fn two() -> usize {
    2
}

fn bert_eps() -> f64 {
    1e-12
}

const CONFIG: &str = "config.json";

impl BertConfig {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        // The kind of model first: another kind lacks fields, and "not a BERT" says more than "no hidden_act".
        let json: Value = serde_json::from_slice(bytes).map_err(|e| EmbedError::malformed(CONFIG, e))?;
        let unsupported =
            |setting, value: &str| EmbedError::UnsupportedModel { setting, value: shorten(value) };
        match json.get("model_type").and_then(Value::as_str) {
            Some("bert") => {}
            Some(other) => return Err(unsupported("model_type", other)),
            None => {
                let first = json.get("architectures").and_then(|a| a.get(0)).and_then(Value::as_str);
                match first {
                    Some(name) if name.starts_with("Bert") => {}
                    Some(name) => return Err(unsupported("architectures", name)),
                    None => return Err(unsupported("model_type", "not there")),
                }
            }
        }
        let raw: RawConfig = serde_json::from_value(json).map_err(|e| EmbedError::malformed(CONFIG, e))?;
        let _ = (&raw.model_type, &raw.architectures);
        if raw.is_decoder {
            return Err(unsupported("is_decoder", "true"));
        }
        match raw.position_embedding_type.as_deref() {
            None | Some("absolute") => {}
            Some(other) => return Err(unsupported("position_embedding_type", other)),
        }
        let activation = match raw.hidden_act.as_str() {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            other => return Err(unsupported("hidden_act", other)),
        };
        let invalid =
            |setting, reason: String| Err(EmbedError::InvalidSetting { file: CONFIG, setting, reason });
        for (setting, value) in [
            ("vocab_size", raw.vocab_size),
            ("hidden_size", raw.hidden_size),
            ("num_hidden_layers", raw.num_hidden_layers),
            ("num_attention_heads", raw.num_attention_heads),
            ("intermediate_size", raw.intermediate_size),
            ("max_position_embeddings", raw.max_position_embeddings),
            ("type_vocab_size", raw.type_vocab_size),
        ] {
            if value == 0 {
                return invalid(setting, "expected at least 1, got 0".into());
            }
        }
        if !raw.hidden_size.is_multiple_of(raw.num_attention_heads) {
            return invalid(
                "num_attention_heads",
                format!(
                    "{} heads do not divide a hidden_size of {}",
                    raw.num_attention_heads, raw.hidden_size
                ),
            );
        }
        if !(raw.layer_norm_eps >= 0.0 && raw.layer_norm_eps < 1.0) {
            return invalid(
                "layer_norm_eps",
                format!("expected from 0 to below 1, got {}", raw.layer_norm_eps),
            );
        }
        Ok(BertConfig {
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            intermediate_size: raw.intermediate_size,
            max_position_embeddings: raw.max_position_embeddings,
            type_vocab_size: raw.type_vocab_size,
            layer_norm_eps: raw.layer_norm_eps,
            pad_token_id: raw.pad_token_id.unwrap_or(0),
            activation,
        })
    }
}

const POOLING: &str = "1_Pooling/config.json";

/// Reads `1_Pooling/config.json`; `None` is the mean.
pub(crate) fn parse_pooling(bytes: Option<&[u8]>, hidden_size: usize) -> Result<Pooling> {
    let Some(bytes) = bytes else { return Ok(Pooling::Mean) };
    let json: BTreeMap<String, Value> =
        serde_json::from_slice(bytes).map_err(|e| EmbedError::malformed(POOLING, e))?;
    for setting in ["word_embedding_dimension", "embedding_dimension"] {
        if let Some(value) = json.get(setting).filter(|value| !value.is_null())
            && value.as_u64() != u64::try_from(hidden_size).ok()
        {
            return Err(EmbedError::InvalidSetting {
                file: POOLING,
                setting,
                reason: format!(
                    "the model's hidden_size is {hidden_size}, got {}",
                    shorten(&value.to_string())
                ),
            });
        }
    }
    // Two forms: one flag for each mode, and (newer) one `pooling_mode` with the name of the mode.
    let mut modes: Vec<String> = Vec::new();
    for (key, value) in &json {
        if key == "pooling_mode" {
            match value {
                Value::String(mode) => modes.push(mode.clone()),
                other => modes.push(other.to_string()),
            }
        } else if let Some(mode) = key.strip_prefix("pooling_mode_") {
            match value {
                Value::Bool(true) => {
                    modes.push(mode.trim_end_matches("_tokens").trim_end_matches("_token").into())
                }
                Value::Bool(false) => {}
                other => {
                    return Err(EmbedError::malformed(
                        POOLING,
                        format_args!("{key} is {}, expected true or false", shorten(&other.to_string())),
                    ));
                }
            }
        }
    }
    modes.sort();
    modes.dedup();
    match modes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] if json.keys().all(|key| !key.starts_with("pooling_mode")) => Ok(Pooling::Mean),
        [] => Err(EmbedError::UnsupportedPooling { modes: "none".into() }),
        ["mean"] => Ok(Pooling::Mean),
        ["cls"] => Ok(Pooling::Cls),
        _ => Err(EmbedError::UnsupportedPooling { modes: shorten(&modes.join(" and ")) }),
    }
}

/// What `modules.json` says of a model: where its parts lie, and whether its vectors are normalised.
///
/// ```
/// use twindex_embed::ModelLayout;
/// let modules = br#"[
///     {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
///     {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
/// ]"#;
/// let layout = ModelLayout::from_modules(Some(modules))?;
/// assert_eq!((layout.transformer.as_str(), layout.pooling.as_str()), ("", "1_Pooling"));
/// assert!(!layout.normalize);
/// assert!(ModelLayout::from_modules(None)?.normalize);
/// # Ok::<(), twindex_embed::EmbedError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelLayout {
    /// Folder of `config.json`, `tokenizer.json` and the weights, relative to the model's; empty for the model's own.
    pub transformer: String,
    /// Folder of the pooling `config.json`, relative to the model's.
    pub pooling: String,
    /// Whether vectors are divided by their length.
    pub normalize: bool,
}

const MODULES: &str = "modules.json";

#[derive(Deserialize)]
struct RawModule {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
}

impl ModelLayout {
    /// Reads `modules.json`. Without one (`None`): files in the model's own folder, `1_Pooling`, and normalised
    /// vectors, as nearly every sentence-transformers model that is searched by cosine has them.
    ///
    /// # Errors
    ///
    /// [`EmbedError::MalformedFile`] for anything but a list of modules, or a path that leaves the folder;
    /// [`EmbedError::UnsupportedModules`] for a chain other than Transformer, Pooling, Normalize (or without the last).
    pub fn from_modules(modules: Option<&[u8]>) -> Result<Self> {
        let Some(bytes) = modules else {
            return Ok(ModelLayout {
                transformer: String::new(),
                pooling: "1_Pooling".into(),
                normalize: true,
            });
        };
        let modules: Vec<RawModule> =
            serde_json::from_slice(bytes).map_err(|e| EmbedError::malformed(MODULES, e))?;
        for module in &modules {
            let path = &module.path;
            let leaves = path.contains(['\\', ':', '\0'])
                || path.starts_with('/')
                || path.split('/').any(|part| part == "..");
            if leaves {
                return Err(EmbedError::malformed(
                    MODULES,
                    format_args!("the path {:?} leaves the model's folder", shorten(path)),
                ));
            }
        }
        let kinds: Vec<&str> =
            modules.iter().map(|m| m.kind.rsplit('.').next().unwrap_or(m.kind.as_str())).collect();
        match (&kinds[..], &modules[..]) {
            (["Transformer", "Pooling"], [transformer, pooling])
            | (["Transformer", "Pooling", "Normalize"], [transformer, pooling, _]) => Ok(ModelLayout {
                transformer: transformer.path.clone(),
                pooling: pooling.path.clone(),
                normalize: kinds.len() == 3,
            }),
            _ => Err(EmbedError::UnsupportedModules {
                modules: if kinds.is_empty() { "none".into() } else { shorten(&kinds.join(", ")) },
            }),
        }
    }
}

const SENTENCE: &str = "sentence_bert_config.json";

/// What of `sentence_bert_config.json` matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SentenceConfig {
    pub max_seq_length: usize,
    pub do_lower_case: bool,
}

#[derive(Deserialize)]
struct RawSentence {
    #[serde(default)]
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: Option<bool>,
}

/// Reads `sentence_bert_config.json`; the length never exceeds the positions the model has.
pub(crate) fn parse_sentence(bytes: Option<&[u8]>, positions: usize) -> Result<SentenceConfig> {
    let raw = match bytes {
        Some(bytes) => serde_json::from_slice(bytes).map_err(|e| EmbedError::malformed(SENTENCE, e))?,
        None => RawSentence { max_seq_length: None, do_lower_case: None },
    };
    let max_seq_length = raw.max_seq_length.unwrap_or(DEFAULT_MAX_SEQ_LENGTH).min(positions);
    Ok(SentenceConfig { max_seq_length, do_lower_case: raw.do_lower_case.unwrap_or(false) })
}

/// At most 100 characters of something from a file, so that a message stays readable.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 100;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooling(json: &str) -> Result<Pooling> {
        parse_pooling(Some(json.as_bytes()), 8)
    }

    #[test]
    fn both_forms_of_the_pooling_configuration_are_read() {
        assert_eq!(
            pooling(r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}"#),
            Ok(Pooling::Mean)
        );
        assert_eq!(
            pooling(r#"{"pooling_mode_mean_tokens": false, "pooling_mode_cls_token": true}"#),
            Ok(Pooling::Cls)
        );
        assert_eq!(pooling(r#"{"pooling_mode": "cls", "word_embedding_dimension": 8}"#), Ok(Pooling::Cls));
        assert_eq!(pooling("{}"), Ok(Pooling::Mean));
        assert_eq!(parse_pooling(None, 8), Ok(Pooling::Mean));
    }

    #[test]
    fn other_ways_of_pooling_are_refused() {
        for json in [
            r#"{"pooling_mode_max_tokens": true}"#,
            r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}"#,
            r#"{"pooling_mode_mean_sqrt_len_tokens": true}"#,
            r#"{"pooling_mode_weightedmean_tokens": true}"#,
            r#"{"pooling_mode": "lasttoken"}"#,
            r#"{"pooling_mode": ["mean", "max"]}"#,
            r#"{"pooling_mode_mean_tokens": false}"#,
        ] {
            assert_eq!(pooling(json).unwrap_err().code(), "embed_unsupported_pooling", "{json}");
        }
        assert_eq!(pooling(r#"{"pooling_mode_mean_tokens": 1}"#).unwrap_err().code(), "embed_malformed_file");
        assert_eq!(
            pooling(r#"{"word_embedding_dimension": 9}"#).unwrap_err().code(),
            "embed_invalid_setting"
        );
    }

    #[test]
    fn module_chains_other_than_the_usual_are_refused() {
        let chain = |kinds: &[&str]| {
            let list: Vec<Value> = kinds
                .iter()
                .map(|k| serde_json::json!({"path": "", "type": format!("sentence_transformers.models.{k}")}))
                .collect();
            ModelLayout::from_modules(Some(&serde_json::to_vec(&list).unwrap()))
        };
        assert!(chain(&["Transformer", "Pooling", "Normalize"]).unwrap().normalize);
        assert!(!chain(&["Transformer", "Pooling"]).unwrap().normalize);
        for kinds in
            [&[][..], &["Transformer"], &["Pooling", "Transformer"], &["Transformer", "Pooling", "Dense"]]
        {
            assert_eq!(chain(kinds).unwrap_err().code(), "embed_unsupported_modules", "{kinds:?}");
        }
        for path in ["../x", "/etc", "a/../b", "C:x", "a\\\\b"] {
            let json = format!(r#"[{{"path": "{path}", "type": "Transformer"}}]"#);
            let error = ModelLayout::from_modules(Some(json.as_bytes())).unwrap_err();
            assert_eq!(error.code(), "embed_malformed_file", "{path}");
        }
    }

    #[test]
    fn the_sequence_length_has_a_default_and_never_exceeds_the_positions() {
        let length = |json: Option<&str>, positions| {
            parse_sentence(json.map(str::as_bytes), positions).map(|s| s.max_seq_length)
        };
        assert_eq!(length(None, 512), Ok(256));
        assert_eq!(length(None, 64), Ok(64));
        assert_eq!(length(Some(r#"{"max_seq_length": null}"#), 512), Ok(256));
        assert_eq!(length(Some(r#"{"max_seq_length": 384}"#), 512), Ok(384));
        assert_eq!(length(Some(r#"{"max_seq_length": 9999}"#), 512), Ok(512));
        assert_eq!(
            length(Some(r#"{"max_seq_length": -1}"#), 512).unwrap_err().code(),
            "embed_malformed_file"
        );
    }
}
