//! A BERT of a few thousand random weights, written as the files of a sentence-transformers folder.

use serde_json::{Map, Value, json};

/// Numbers in a vector of the tiny model.
pub const DIM: usize = 16;
/// Positions the tiny model has.
pub const POSITIONS: usize = 64;
/// Transformer blocks of the tiny model.
pub const LAYERS: usize = 2;
const INNER: usize = 32;
const TYPES: usize = 2;

/// The bytes of the files that a folder may hold; the weights as (name, shape, numbers).
pub struct TinyModel {
    pub config: Value,
    pub tokenizer: Value,
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    pub modules: Value,
    pub pooling: Value,
    pub sentence_bert_config: Value,
}

/// How the weights are stored.
#[derive(Clone, Copy, PartialEq)]
pub enum Stored {
    F32,
    F16,
}

impl TinyModel {
    pub fn new() -> Self {
        let vocab = vocabulary();
        let config = json!({
            "architectures": ["BertModel"], "model_type": "bert", "vocab_size": vocab.len(), "hidden_size": DIM,
            "num_hidden_layers": LAYERS, "num_attention_heads": 4, "intermediate_size": INNER, "hidden_act": "gelu",
            "max_position_embeddings": POSITIONS, "type_vocab_size": TYPES, "layer_norm_eps": 1e-12, "pad_token_id": 0
        });
        let special = |id: usize, content: &str| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        };
        let ids: Map<String, Value> =
            vocab.iter().enumerate().map(|(id, word)| (word.clone(), Value::from(id))).collect();
        let tokenizer = json!({
            "version": "1.0",
            // As in all-MiniLM-L6-v2: both must be overridden.
            "truncation": {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
            "padding": {"strategy": {"Fixed": 12}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                        "pad_type_id": 0, "pad_token": "[PAD]"},
            "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                           "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                           {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                                   "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}
            },
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100, "vocab": ids}
        });
        TinyModel {
            config,
            tokenizer,
            tensors: tensors(vocab.len()),
            modules: json!([
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
            ]),
            pooling: json!({"word_embedding_dimension": DIM, "pooling_mode_cls_token": false,
                            "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false}),
            sentence_bert_config: json!({"max_seq_length": 32, "do_lower_case": false}),
        }
    }

    /// `model.safetensors`: the length of a JSON header, the header, the numbers.
    pub fn safetensors(&self, stored: Stored) -> Vec<u8> {
        let (mut header, mut body) = (Map::new(), Vec::new());
        for (name, shape, numbers) in &self.tensors {
            let start = body.len();
            for &x in numbers {
                match stored {
                    Stored::F32 => body.extend_from_slice(&x.to_le_bytes()),
                    Stored::F16 => body.extend_from_slice(&f16_bits(x).to_le_bytes()),
                }
            }
            let kind = if stored == Stored::F32 { "F32" } else { "F16" };
            header.insert(
                name.clone(),
                json!({"dtype": kind, "shape": shape, "data_offsets": [start, body.len()]}),
            );
        }
        let mut header = Value::Object(header).to_string();
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(&body);
        file
    }

    /// The files of a folder: name and content.
    pub fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("config.json", self.config.to_string().into_bytes()),
            ("tokenizer.json", self.tokenizer.to_string().into_bytes()),
            ("model.safetensors", self.safetensors(Stored::F32)),
            ("modules.json", self.modules.to_string().into_bytes()),
            ("1_Pooling/config.json", self.pooling.to_string().into_bytes()),
            ("sentence_bert_config.json", self.sentence_bert_config.to_string().into_bytes()),
        ]
    }
}

/// Four special tokens, some words, every letter alone and as a continuation.
fn vocabulary() -> Vec<String> {
    let words =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "dog", "sat", "on", "mat", "##s", "##ing", "."];
    let mut vocab: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    for letter in 'a'..='z' {
        vocab.push(letter.to_string());
        if letter != 's' {
            vocab.push(format!("##{letter}"));
        }
    }
    vocab
}

fn tensors(vocab: usize) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    // A fixed generator (Knuth's MMIX constants), so that the model is the same in every run.
    let mut state = 42u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32 / (1u32 << 23) as f32) - 1.0
    };
    let mut list = Vec::new();
    let mut add = |name: String, shape: &[usize], centre: f32, width: f32| {
        let numbers = (0..shape.iter().product()).map(|_| centre + width * random()).collect();
        list.push((name, shape.to_vec(), numbers));
    };
    add("embeddings.word_embeddings.weight".into(), &[vocab, DIM], 0.0, 1.0);
    add("embeddings.position_embeddings.weight".into(), &[POSITIONS, DIM], 0.0, 0.5);
    add("embeddings.token_type_embeddings.weight".into(), &[TYPES, DIM], 0.0, 0.5);
    add("embeddings.LayerNorm.weight".into(), &[DIM], 1.0, 0.2);
    add("embeddings.LayerNorm.bias".into(), &[DIM], 0.0, 0.2);
    for layer in 0..LAYERS {
        for (part, inputs, outputs) in [
            ("attention.self.query", DIM, DIM),
            ("attention.self.key", DIM, DIM),
            ("attention.self.value", DIM, DIM),
            ("attention.output.dense", DIM, DIM),
            ("intermediate.dense", DIM, INNER),
            ("output.dense", INNER, DIM),
        ] {
            add(format!("encoder.layer.{layer}.{part}.weight"), &[outputs, inputs], 0.0, 0.6);
            add(format!("encoder.layer.{layer}.{part}.bias"), &[outputs], 0.0, 0.2);
        }
        for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
            add(format!("encoder.layer.{layer}.{part}.weight"), &[DIM], 1.0, 0.2);
            add(format!("encoder.layer.{layer}.{part}.bias"), &[DIM], 0.0, 0.2);
        }
    }
    list
}

/// The nearest f16 towards zero, for the normal numbers that occur here (smaller ones become 0).
fn f16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = ((bits >> 23) & 0xff) as i32 - 127 + 15;
    if exponent <= 0 {
        return sign;
    }
    assert!(exponent < 31, "{x} is too large");
    sign | ((exponent as u16) << 10) | ((bits >> 13) & 0x3ff) as u16
}
