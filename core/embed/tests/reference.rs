//! all-MiniLM-L6-v2 against 50 vectors that sentence-transformers computed (`tests/data/embedder`).
//!
//! Needs the model: `TWINDEX_MODEL_DIR=$(scripts/model.sh | tail -n 1) cargo test -p twindex-embed`. Without it this
//! says so and passes, except in CI, where it fails.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;
use twindex_embed::{Embedder, ModelFiles, Pooling};

#[derive(Deserialize)]
struct Reference {
    text: String,
    token_ids: Vec<u32>,
}

/// The model's folder, or `None` (never in CI) with a line that says what was not checked.
fn model_folder() -> Option<PathBuf> {
    match std::env::var_os("TWINDEX_MODEL_DIR") {
        Some(folder) => Some(folder.into()),
        None if std::env::var_os("CI").is_some() => {
            panic!(
                "CI is set, but TWINDEX_MODEL_DIR is not: run scripts/model.sh and set it to the folder it prints"
            )
        }
        None => {
            eprintln!(
                "NOT CHECKED: TWINDEX_MODEL_DIR is not set, only the tiny model of tests/tiny.rs was checked"
            );
            None
        }
    }
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name} in {}: {e}", folder.display()))
}

fn load(folder: &Path) -> Embedder {
    Embedder::from_parts(ModelFiles {
        config: &read(folder, "config.json"),
        tokenizer: &read(folder, "tokenizer.json"),
        weights: &read(folder, "model.safetensors"),
        pooling: Some(&read(folder, "1_Pooling/config.json")),
        modules: Some(&read(folder, "modules.json")),
        sentence_bert_config: Some(&read(folder, "sentence_bert_config.json")),
    })
    .unwrap()
}

fn references() -> (Vec<Reference>, Vec<Vec<f32>>) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/embedder");
    let texts: Vec<Reference> = serde_json::from_slice(&read(&data, "texts.json")).unwrap();
    let npy = read(&data, "embeddings.npy");
    assert_eq!(&npy[..6], b"\x93NUMPY");
    let start = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    let numbers: Vec<f32> =
        npy[start..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let rows: Vec<Vec<f32>> = numbers.chunks_exact(384).map(<[f32]>::to_vec).collect();
    assert_eq!((texts.len(), rows.len()), (50, 50));
    (texts, rows)
}

fn largest_difference(vectors: &[Vec<f32>], expected: &[Vec<f32>]) -> f32 {
    assert_eq!(vectors.len(), expected.len());
    let differences = vectors.iter().zip(expected).flat_map(|(a, b)| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(x, y)| (x - y).abs())
    });
    differences.fold(0.0, f32::max)
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let Some(folder) = model_folder() else { return };
    let start = Instant::now();
    let embedder = load(&folder);
    let loaded = start.elapsed();
    assert_eq!(embedder.dim(), 384);
    assert_eq!(embedder.max_seq_length(), 256);
    assert_eq!(embedder.pooling(), Pooling::Mean);
    assert!(embedder.normalizes());

    let (references, expected) = references();
    assert!(references.iter().any(|r| r.token_ids.len() == 256), "a text that is cut must be among them");
    let texts: Vec<&str> = references.iter().map(|r| r.text.as_str()).collect();

    let start = Instant::now();
    let together = embedder.embed(&texts).unwrap();
    let batched = start.elapsed();
    let start = Instant::now();
    let alone: Vec<Vec<f32>> = texts.iter().map(|text| embedder.embed(&[text]).unwrap().remove(0)).collect();
    let one_by_one = start.elapsed();

    let (batch, single) = (largest_difference(&together, &expected), largest_difference(&alone, &expected));
    println!("loaded in {loaded:?}; 50 texts in batches {batched:?}, one by one {one_by_one:?}");
    println!("largest difference in batches {batch:e}, one by one {single:e}");
    assert!(batch < 1e-5, "in batches: {batch:e}");
    assert!(single < 1e-5, "one by one: {single:e}");
    assert!(largest_difference(&together, &alone) < 1e-5);
}
