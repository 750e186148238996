//! A model's folder, computed off the runtime's threads: a tiny random one written here, and the real one where
//! `TWINDEX_MODEL_DIR` says where it is.
#![cfg(feature = "local")]

#[path = "../../core/embed/tests/tiny_model/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of twindex-embed, which use all of it")]
mod tiny_model;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tiny_model::{DIM, TinyModel};
use twindex::embeddings::{Embeddings, EmbeddingsError, LocalEmbeddings};

fn write(model: &TinyModel, folder: &Path) {
    std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
    for (name, content) in model.files() {
        std::fs::write(folder.join(name), content).unwrap();
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[tokio::test]
async fn a_folder_is_loaded_and_gives_unit_vectors_in_the_order_of_the_texts() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("tiny-model");
    write(&TinyModel::new(), &folder);
    let embeddings = LocalEmbeddings::load(&folder).await.unwrap();
    assert_eq!((embeddings.dim(), embeddings.name()), (DIM, "local:tiny-model"));
    let texts = strings(&["a longer text about cats on mats", "dog", "the cat"]);
    let vectors = embeddings.embed_documents(&texts).await.unwrap();
    assert_eq!(vectors.len(), 3);
    for (text, vector) in texts.iter().zip(&vectors) {
        let alone = embeddings.embed_query(text).await.unwrap();
        assert!((dot(vector, &alone) - 1.0).abs() < 1e-5, "{text}");
    }
    assert!(dot(&vectors[1], &vectors[2]) < 0.999);
    assert!(embeddings.embed_documents(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn more_texts_than_one_task_takes_keep_their_order_and_their_numbers() {
    let temp = tempfile::tempdir().unwrap();
    let mut model = TinyModel::new();
    // "cat" becomes a token beyond the model's vocabulary.
    model.tokenizer["model"]["vocab"]["cat"] = 9999.into();
    write(&model, temp.path());
    let embeddings = LocalEmbeddings::load(temp.path()).await.unwrap();
    let mut texts: Vec<String> = (0..1100).map(|i| "dog ".repeat(1 + i % 7)).collect();
    let vectors = embeddings.embed_documents(&texts).await.unwrap();
    assert_eq!(vectors.len(), 1100);
    for i in [0, 511, 512, 1099] {
        assert!((dot(&vectors[i], &vectors[i % 7]) - 1.0).abs() < 1e-5, "{i}");
    }
    texts[1030] = "cat".into();
    let error = embeddings.embed_documents(&texts).await.unwrap_err();
    assert!(error.to_string().contains("text 1030"), "{error}");
}

#[tokio::test]
async fn files_in_the_folders_that_the_modules_name_are_found() {
    let temp = tempfile::tempdir().unwrap();
    let mut model = TinyModel::new();
    model.modules[0]["path"] = "0_Transformer".into();
    write(&model, temp.path());
    std::fs::create_dir(temp.path().join("0_Transformer")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors", "sentence_bert_config.json"] {
        std::fs::rename(temp.path().join(name), temp.path().join("0_Transformer").join(name)).unwrap();
    }
    assert_eq!(LocalEmbeddings::load(temp.path()).await.unwrap().dim(), DIM);
}

#[tokio::test]
async fn a_missing_file_is_named_with_its_folder() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let temp = tempfile::tempdir().unwrap();
        write(&TinyModel::new(), temp.path());
        std::fs::remove_file(temp.path().join(name)).unwrap();
        let error = LocalEmbeddings::load(temp.path()).await.unwrap_err();
        assert_eq!(error.code(), "embeddings_model_file");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(&temp.path().display().to_string()), "{text}");
        assert!(error.source().is_some());
    }
}

#[tokio::test]
async fn a_damaged_or_unsupported_model_is_an_error_that_names_the_folder() {
    let temp = tempfile::tempdir().unwrap();
    write(&TinyModel::new(), temp.path());
    std::fs::write(temp.path().join("model.safetensors"), b"damaged").unwrap();
    let error = LocalEmbeddings::load(temp.path()).await.unwrap_err();
    assert!(matches!(error, EmbeddingsError::Model { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("model.safetensors") && text.contains(&temp.path().display().to_string()),
        "{text}"
    );

    let mut model = TinyModel::new();
    model.config["model_type"] = "gpt2".into();
    write(&model, temp.path());
    let error = LocalEmbeddings::load(temp.path()).await.unwrap_err();
    assert!(error.to_string().contains("only BERT models are supported"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn the_runtime_runs_on_while_a_model_computes() {
    let temp = tempfile::tempdir().unwrap();
    write(&TinyModel::new(), temp.path());
    let embeddings = LocalEmbeddings::load(temp.path()).await.unwrap();
    let (ticks, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let ticker = tokio::spawn({
        let (ticks, done) = (Arc::clone(&ticks), Arc::clone(&done));
        async move {
            while !done.load(Ordering::Relaxed) {
                ticks.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    // One task for the pool, so that between its start and its end the runtime has nothing else to await.
    let texts: Vec<String> = (0..512).map(|i| format!("the cat sat on the mat {i}")).collect();
    embeddings.embed_documents(&texts).await.unwrap();
    done.store(true, Ordering::Relaxed);
    ticker.await.unwrap();
    assert!(ticks.load(Ordering::Relaxed) > 1, "the only thread of the runtime was blocked");
}

#[tokio::test]
async fn the_real_model_knows_meaning() {
    let Some(folder) = std::env::var_os("TWINDEX_MODEL_DIR") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI is set, but TWINDEX_MODEL_DIR is not: run scripts/model.sh"
        );
        eprintln!("NOT CHECKED: TWINDEX_MODEL_DIR is not set, only the tiny model was checked");
        return;
    };
    let embeddings = LocalEmbeddings::load(folder).await.unwrap();
    assert_eq!(embeddings.dim(), 384);
    let query = embeddings.embed_query("How do automobiles work?").await.unwrap();
    let documents = strings(&["An engine turns the wheels of a car.", "How do interest rates work?"]);
    let vectors = embeddings.embed_documents(&documents).await.unwrap();
    assert!(dot(&query, &vectors[0]) > dot(&query, &vectors[1]));
}
