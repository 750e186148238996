//! The embedder on a tiny random BERT made here: needs no download.

mod tiny_model;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tiny_model::{DIM, LAYERS, POSITIONS, Stored, TinyModel};
use twindex_embed::{EmbedError, Embedder, ModelFiles, Pooling};

const TEXTS: [&str; 9] = [
    "the cat sat on the mat.",
    "dogs",
    "",
    " \n ",
    "a much longer text about cats and dogs sitting on mats",
    "THE CAT",
    "東京 😀",
    "x",
    "the dog sat on the cat, the cat on the mat, and the mat on the floor of a house on a hill.",
];

struct Bytes(Vec<(&'static str, Vec<u8>)>);

impl Bytes {
    fn of(model: &TinyModel) -> Self {
        Bytes(model.files())
    }

    fn file(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(n, _)| *n == name).unwrap().1
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, bytes)| &bytes[..])
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(n, _)| *n != name);
        self
    }

    fn load(&self) -> Result<Embedder, EmbedError> {
        Embedder::from_parts(ModelFiles {
            config: self.get("config.json").unwrap(),
            tokenizer: self.get("tokenizer.json").unwrap(),
            weights: self.get("model.safetensors").unwrap(),
            pooling: self.get("1_Pooling/config.json"),
            modules: self.get("modules.json"),
            sentence_bert_config: self.get("sentence_bert_config.json"),
        })
    }
}

fn load(change: impl FnOnce(&mut TinyModel)) -> Result<Embedder, EmbedError> {
    let mut model = TinyModel::new();
    change(&mut model);
    Bytes::of(&model).load()
}

fn code(change: impl FnOnce(&mut TinyModel)) -> &'static str {
    load(change).unwrap_err().code()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

fn length(v: &[f32]) -> f64 {
    v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn a_batch_gives_what_each_text_alone_gives_in_the_asked_order() {
    let embedder = load(|_| {}).unwrap();
    // More than one batch, of mixed lengths, longest first.
    let mut texts: Vec<&str> = TEXTS.iter().cycle().take(100).copied().collect();
    texts.sort_by_key(|t| std::cmp::Reverse(t.len()));
    let together = embedder.embed(&texts).unwrap();
    assert_eq!(together.len(), texts.len());
    for (text, vector) in texts.iter().zip(&together) {
        let alone = &embedder.embed(&[text]).unwrap()[0];
        let difference = largest_difference(alone, vector);
        assert!(difference < 1e-5, "{text:?} differs by {difference}");
    }
    // The check above means nothing if every text has the same vector.
    let (cat, dog) = (embedder.embed(&["the cat"]).unwrap(), embedder.embed(&["the dog"]).unwrap());
    assert!(largest_difference(&cat[0], &dog[0]) > 1e-2);
}

#[test]
fn no_texts_give_no_vectors() {
    assert_eq!(load(|_| {}).unwrap().embed(&[]).unwrap(), Vec::<Vec<f32>>::new());
}

#[test]
fn vectors_have_length_one_if_and_only_if_the_modules_say_so() {
    let normal = load(|_| {}).unwrap();
    assert!(normal.normalizes());
    assert_eq!(normal.dim(), DIM);
    let raw = load(|m| {
        m.modules.as_array_mut().unwrap().pop();
    })
    .unwrap();
    assert!(!raw.normalizes());
    for text in TEXTS {
        let (unit, raw) = (&normal.embed(&[text]).unwrap()[0], &raw.embed(&[text]).unwrap()[0]);
        assert!((length(unit) - 1.0).abs() < 1e-6);
        assert!((length(raw) - 1.0).abs() > 1e-3, "{text:?} has length {}", length(raw));
        let scaled: Vec<f32> = raw.iter().map(|x| (f64::from(*x) / length(raw)) as f32).collect();
        assert!(largest_difference(unit, &scaled) < 1e-6);
    }
}

#[test]
fn without_the_small_files_the_documented_defaults_hold() {
    let bytes = Bytes::of(&TinyModel::new())
        .without("modules.json")
        .without("1_Pooling/config.json")
        .without("sentence_bert_config.json");
    let embedder = bytes.load().unwrap();
    assert!(embedder.normalizes());
    assert_eq!(embedder.pooling(), Pooling::Mean);
    assert_eq!(embedder.max_seq_length(), POSITIONS, "256, but never more than the positions");
}

#[test]
fn a_text_is_cut_to_the_sequence_length_and_keeps_its_last_special_token() {
    let cut = |n: usize| load(|m| m.sentence_bert_config = json!({"max_seq_length": n})).unwrap();
    let long = "cat dog cat dog cat dog cat dog";
    // [CLS] and [SEP] count: 8 tokens are 6 words.
    let (a, b) = (cut(8).embed(&[long]).unwrap(), cut(32).embed(&["cat dog cat dog cat dog"]).unwrap());
    assert!(largest_difference(&a[0], &b[0]) < 1e-6);
    assert!(largest_difference(&a[0], &cut(32).embed(&[long]).unwrap()[0]) > 1e-3);
    assert_eq!(code(|m| m.sentence_bert_config = json!({"max_seq_length": 2})), "embed_invalid_setting");
    assert_eq!(code(|m| m.sentence_bert_config = json!({"max_seq_length": 0})), "embed_invalid_setting");
}

#[test]
fn texts_longer_than_the_sequence_length_in_one_batch_with_short_ones_agree() {
    let embedder = load(|m| m.sentence_bert_config = json!({"max_seq_length": 64})).unwrap();
    let long = "the cat sat on the mat. ".repeat(50);
    let vectors = embedder.embed(&[&long, "cat"]).unwrap();
    assert!(largest_difference(&vectors[0], &embedder.embed(&[&long]).unwrap()[0]) < 1e-5);
    assert!(largest_difference(&vectors[1], &embedder.embed(&["cat"]).unwrap()[0]) < 1e-5);
}

#[test]
fn cls_pooling_takes_the_first_token() {
    let pooling = json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false});
    let cls = load(|m| m.pooling = pooling.clone()).unwrap();
    assert_eq!(cls.pooling(), Pooling::Cls);
    let mean = load(|_| {}).unwrap();
    let text = ["the cat sat"];
    assert!(largest_difference(&cls.embed(&text).unwrap()[0], &mean.embed(&text).unwrap()[0]) > 1e-2);
    // With one token in all, the mean of the tokens is the first token.
    let bare = |m: &mut TinyModel| m.tokenizer["post_processor"] = Value::Null;
    let mean = load(bare).unwrap();
    let cls = load(|m| (bare(m), m.pooling = pooling).0).unwrap();
    assert_eq!(cls.embed(&["cat"]).unwrap(), mean.embed(&["cat"]).unwrap());
}

#[test]
fn lower_casing_follows_the_sentence_configuration() {
    let cased = |lower: bool| {
        load(|m| {
            m.tokenizer["normalizer"]["lowercase"] = json!(false);
            m.sentence_bert_config = json!({"max_seq_length": 32, "do_lower_case": lower});
        })
        .unwrap()
    };
    let differ = |e: &Embedder| {
        largest_difference(&e.embed(&["THE CAT"]).unwrap()[0], &e.embed(&["the cat"]).unwrap()[0]) > 1e-3
    };
    assert!(differ(&cased(false)));
    assert!(!differ(&cased(true)));
}

#[test]
fn half_precision_weights_give_nearly_the_same_vectors() {
    let model = TinyModel::new();
    let mut bytes = Bytes::of(&model);
    let full = bytes.load().unwrap().embed(&TEXTS).unwrap();
    *bytes.file("model.safetensors") = model.safetensors(Stored::F16);
    let half = bytes.load().unwrap().embed(&TEXTS).unwrap();
    for (a, b) in full.iter().zip(&half) {
        let difference = largest_difference(a, b);
        assert!(difference > 0.0 && difference < 2e-2, "{difference}");
    }
}

#[test]
fn weights_saved_with_a_training_head_are_found_under_their_prefix() {
    let plain = load(|_| {}).unwrap();
    let prefixed = load(|m| {
        for (name, _, _) in &mut m.tensors {
            *name = format!("bert.{name}").replace("LayerNorm.weight", "LayerNorm.gamma");
            *name = name.replace("LayerNorm.bias", "LayerNorm.beta");
        }
    })
    .unwrap();
    assert_eq!(plain.embed(&TEXTS).unwrap(), prefixed.embed(&TEXTS).unwrap());
}

#[test]
fn other_kinds_of_model_are_refused() {
    for (setting, value) in [
        ("model_type", json!("distilbert")),
        ("model_type", json!("xlm-roberta")),
        ("model_type", json!("t5")),
        ("hidden_act", json!("swish")),
        ("position_embedding_type", json!("relative_key")),
        ("is_decoder", json!(true)),
    ] {
        let error = load(|m| m.config[setting] = value.clone()).unwrap_err();
        assert_eq!(error.code(), "embed_unsupported_model", "{setting} {value}: {error}");
        assert!(error.to_string().contains(setting), "{error}");
    }
    assert_eq!(code(|m| m.pooling = json!({"pooling_mode": "max"})), "embed_unsupported_pooling");
    assert_eq!(code(|m| m.modules[2]["type"] = json!("x.models.Dense")), "embed_unsupported_modules");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for setting in
        ["hidden_size", "num_attention_heads", "num_hidden_layers", "max_position_embeddings", "vocab_size"]
    {
        assert_eq!(code(|m| m.config[setting] = json!(0)), "embed_invalid_setting", "{setting}");
        assert_eq!(code(|m| m.config[setting] = json!(-1)), "embed_malformed_file", "{setting}");
        assert_eq!(code(|m| m.config[setting] = Value::Null), "embed_malformed_file", "{setting}");
    }
    assert_eq!(code(|m| m.config["num_attention_heads"] = json!(3)), "embed_invalid_setting");
    assert_eq!(code(|m| m.config["layer_norm_eps"] = json!(-1.0)), "embed_invalid_setting");
    assert_eq!(code(|m| m.pooling["word_embedding_dimension"] = json!(DIM + 1)), "embed_invalid_setting");
}

#[test]
fn weights_that_are_not_those_of_the_configuration_are_refused() {
    assert_eq!(code(|m| m.config["num_hidden_layers"] = json!(LAYERS + 1)), "embed_missing_tensor");
    assert_eq!(code(|m| m.config["num_hidden_layers"] = json!(u64::MAX)), "embed_missing_tensor");
    assert_eq!(code(|m| m.config["vocab_size"] = json!(u64::MAX)), "embed_tensor_shape");
    assert_eq!(code(|m| m.config["intermediate_size"] = json!(33)), "embed_tensor_shape");
    assert_eq!(code(|m| drop(m.tensors.remove(0))), "embed_missing_tensor");
    let mut bytes = Bytes::of(&TinyModel::new());
    let weights = bytes.file("model.safetensors");
    let at = weights.windows(5).position(|w| w == b"\"F32\"").unwrap();
    weights[at..at + 5].copy_from_slice(b"\"I32\"");
    assert_eq!(bytes.load().unwrap_err().code(), "embed_tensor_type");
}

#[test]
fn infinite_weights_are_an_error_at_the_text() {
    let embedder = load(|m| m.tensors[0].2[5 * DIM] = f32::INFINITY).unwrap();
    assert!(embedder.embed(&["dog"]).is_ok());
    assert_eq!(embedder.embed(&["dog", "cat"]), Err(EmbedError::NotFinite { text: 1 }));
}

#[test]
fn a_tokenizer_of_another_model_is_an_error_at_the_text() {
    let embedder = load(|m| m.tokenizer["model"]["vocab"]["cat"] = json!(9999)).unwrap();
    assert!(embedder.embed(&["dog"]).is_ok());
    let error = embedder.embed(&["dog", "the cat"]).unwrap_err();
    assert!(matches!(error, EmbedError::Tokenizer { text: 1, .. }), "{error}");
    let bare = load(|m| m.tokenizer["post_processor"] = Value::Null).unwrap();
    assert_eq!(bare.embed(&["cat", ""]), Err(EmbedError::NoTokens { text: 1 }));
}

#[test]
fn a_template_that_cannot_be_filled_is_refused() {
    let single = "/post_processor/single";
    let error =
        load(|m| m.tokenizer.pointer_mut(single).unwrap()[1]["Sequence"]["id"] = json!("B")).unwrap_err();
    assert_eq!(error.code(), "embed_malformed_file", "{error}");
    let error = load(|m| m.tokenizer.pointer_mut(single).unwrap()[0]["SpecialToken"]["id"] = json!("[X]"))
        .unwrap_err();
    assert_eq!(error.code(), "embed_malformed_file", "{error}");
}

#[test]
fn damaged_sentencepiece_tables_are_an_error() {
    let damaged = json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"});
    assert_eq!(code(|m| m.tokenizer["normalizer"] = damaged), "embed_malformed_file");
}

#[test]
fn files_cut_short_anywhere_are_errors() {
    let model = TinyModel::new();
    for (name, content) in model.files() {
        let step = (content.len() / 200).max(1);
        for end in (0..content.len()).step_by(step) {
            let mut bytes = Bytes::of(&model);
            bytes.file(name).truncate(end);
            let error = bytes.load().expect_err(&format!("{name} cut to {end} bytes was read"));
            assert_eq!(error.code(), "embed_malformed_file", "{name} cut to {end} bytes: {error}");
        }
    }
}

#[test]
fn a_damaged_byte_anywhere_never_panics() {
    let model = TinyModel::new();
    for (name, content) in model.files() {
        // In the weights the header is of interest; what follows is numbers.
        let end = content.len().min(7000);
        for at in (0..end).step_by(3) {
            let mut bytes = Bytes::of(&model);
            bytes.file(name)[at] = [b'0', b'9', b'"', b'}', 0xff, b'Z', b'-'][at % 7];
            if let Ok(embedder) = bytes.load() {
                let _ = embedder.embed(&["the cat sat on the mat", ""]);
            }
        }
    }
}

#[test]
fn every_text_of_any_script_has_a_finite_vector() {
    let embedder = load(|_| {}).unwrap();
    let texts = ["\0", "\u{feff}", "a\u{301}", "\u{202e}abc", "👩‍👩‍👧", "[CLS] [SEP] [PAD]", "\u{10ffff}"];
    for vector in embedder.embed(&texts).unwrap() {
        assert!((length(&vector) - 1.0).abs() < 1e-6);
    }
}

#[test]
fn an_embedder_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Embedder>();
}

/// `tests/data/tiny_model` is this model's folder, with the vectors that it gives natively: other targets compare theirs.
/// With `TWINDEX_WRITE_FIXTURES` set, it is written.
#[test]
fn the_committed_folder_holds_this_model_and_its_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/tiny_model");
    let model = TinyModel::new();
    let vectors = load(|_| {}).unwrap().embed(&TEXTS).unwrap();
    if std::env::var_os("TWINDEX_WRITE_FIXTURES").is_some() {
        fs::create_dir_all(folder.join("1_Pooling")).unwrap();
        for (name, content) in model.files() {
            fs::write(folder.join(name), content).unwrap();
        }
        let expected = json!({"texts": TEXTS, "vectors": vectors});
        fs::write(folder.join("vectors.json"), format!("{expected}\n")).unwrap();
    }
    for (name, content) in model.files() {
        assert!(fs::read(folder.join(name)).unwrap() == content, "{name}");
    }
    let expected: Value = serde_json::from_slice(&fs::read(folder.join("vectors.json")).unwrap()).unwrap();
    assert_eq!(expected["texts"], json!(TEXTS));
    let committed: Vec<Vec<f32>> = serde_json::from_value(expected["vectors"].clone()).unwrap();
    for (a, b) in vectors.iter().zip(&committed) {
        assert!(largest_difference(a, b) < 1e-6);
    }
}
