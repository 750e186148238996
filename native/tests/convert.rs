//! `twindex convert`, run as a program: every form to every other, and what goes wrong.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use twindex::core::interop::ImportOptions;
use twindex::core::{SearchOptions, Store};
use twindex::embeddings::LexicalEmbeddings;
use twindex::interop::{self, Format};
use twindex::{EngineKind, VectorStore};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/fixtures").join(name)
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_twindex"))
            .current_dir(self.0.path())
            .args(args)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn convert(&self, from: &str, to: &str, more: &[&str]) -> Value {
        let (code, out, err) = self.run(&[&["convert", from, to, "--json"], more].concat());
        assert_eq!(code, Some(0), "{from} to {to}: {err}");
        serde_json::from_str(&out).unwrap()
    }

    fn fails(&self, args: &[&str], code: &str) -> String {
        let (status, out, err) = self.run(&[&["convert"], args].concat());
        assert_eq!((status, out.as_str()), (Some(1), ""), "{args:?}: {err}");
        assert!(err.contains(&format!("error[{code}]")), "{args:?}: {err}");
        err
    }

    fn open(&self, name: &str) -> Store {
        let ids = || -> String { unreachable!("all have ids") };
        interop::read(&self.path(name), None, &ImportOptions::new(), EngineKind::default(), &ids)
            .unwrap()
            .store
    }
}

fn assert_same(a: &Store, b: &Store) {
    assert!(a.documents().iter().eq(b.documents().iter()));
    assert_eq!(a.vectors().unwrap(), b.vectors().unwrap());
    let query = a.vectors().unwrap()[..a.dim().unwrap()].to_vec();
    let hits = |store: &Store| -> Vec<(String, u32)> {
        let hits = store.search(&query, &SearchOptions::from(7)).unwrap();
        hits.iter().map(|hit| (hit.document.id.clone().unwrap(), hit.score.to_bits())).collect()
    };
    assert_eq!(hits(a), hits(b));
}

#[test]
fn every_form_leads_to_every_other_and_back() {
    let place = Place::new();
    for name in [
        "flat_l2",
        "flat_ip",
        "unicode_nested",
        "metadata_types",
        "custom_hnsw",
        "custom_ivf",
        "own_index_name",
    ] {
        let from = fixture("langchain").join(name);
        let first = format!("{name}.twindex");
        let told = place.convert(from.to_str().unwrap(), &first, &[]);
        assert!(told["from_format"].as_str().unwrap().starts_with("LangChain folder (Python"), "{told}");
        let original = place.open(&first);
        assert_eq!(told["count"], original.len());
        let plain = original.settings().kind == "Flat";
        let metric = if name == "flat_ip" { "ip" } else { "l2" };
        for (to, more) in [
            ("folder", &[][..]),
            ("js", &["--to", "langchain-js"]),
            ("s.pkl", &[]),
            ("t.jsonl", &[]),
            ("n.npy", &[]),
            #[cfg(feature = "parquet")]
            ("t.parquet", &[]),
            ("copy.twindex", &[]),
        ] {
            let to = format!("{name}-{to}");
            let told = place.convert(&first, &to, more);
            let back = format!("{to}-back.twindex");
            let options: &[&str] =
                if to.ends_with("jsonl") || to.ends_with("npy") { &["--metric", metric] } else { &[] };
            place.convert(&to, &back, options);
            let back = place.open(&back);
            let table = ["jsonl", "npy", "parquet"].iter().any(|end| to.ends_with(end));
            if plain || !table {
                assert_same(&back, &original);
                assert_eq!(back.settings(), original.settings());
            } else {
                assert!(back.documents().iter().eq(original.documents().iter()));
                assert_eq!(back.vectors().unwrap(), original.vectors().unwrap());
                assert!(told["lost"][0].as_str().unwrap().contains("the index of kind"), "{told}");
            }
        }
        // FAISS's file alone has no texts.
        let told = place.convert(&first, &format!("{name}.faiss"), &[]);
        assert!(told["lost"].to_string().contains("texts and metadata"), "{told}");
        place.convert(&format!("{name}.faiss"), &format!("{name}-bare.twindex"), &[]);
        assert_eq!(
            place.open(&format!("{name}-bare.twindex")).vectors().unwrap(),
            original.vectors().unwrap()
        );
    }
}

#[test]
fn settings_that_a_form_does_not_keep_are_told_and_can_be_given() {
    let place = Place::new();
    let folder = fixture("langchain").join("normalized_l2");
    place.convert(folder.to_str().unwrap(), "a.twindex", &["--normalize", "--metric", "cosine"]);
    let store = place.open("a.twindex");
    assert!(store.settings().normalize_l2);
    assert_eq!(store.metric().name(), "COSINE");
    let told = place.convert("a.twindex", "a.jsonl", &[]);
    assert!(told["lost"].to_string().contains("COSINE") && told["lost"].to_string().contains("normalize_L2"));
    place.convert("a.jsonl", "b.twindex", &["--normalize", "--metric", "cosine"]);
    assert_same(&place.open("b.twindex"), &store);
    #[cfg(feature = "parquet")]
    {
        assert_eq!(place.convert("a.twindex", "a.parquet", &[])["lost"], serde_json::json!([]));
        place.convert("a.parquet", "c.twindex", &[]);
        assert_same(&place.open("c.twindex"), &store);
        assert_eq!(place.open("c.twindex").settings(), store.settings());
        place.fails(&["a.parquet", "d.twindex", "--metric", "l2"], "setting_mismatch");
    }
    let told = place.convert("a.twindex", "folder", &[]);
    assert!(told["lost"].to_string().contains("FAISS has no cosine"), "{told}");
    place.fails(&["a.twindex", "d.twindex", "--metric", "ip"], "setting_mismatch");
}

#[test]
fn numbers_as_ids_are_kept_by_faiss_alone() {
    let place = Place::new();
    let from = fixture("faiss/idmap2_flat.faiss");
    place.convert(from.to_str().unwrap(), "a.twindex", &[]);
    let told = place.convert("a.twindex", "b.faiss", &[]);
    assert_eq!(told["lost"].as_array().unwrap().len(), 0, "{told}");
    assert_eq!(fs::read(place.path("b.faiss")).unwrap(), fs::read(from).unwrap());
}

#[test]
fn what_cannot_be_read_is_named_and_leaves_the_target_as_it_was() {
    let place = Place::new();
    let flat = fixture("langchain/flat_l2");
    let flat = flat.to_str().unwrap();
    place.convert(flat, "old.twindex", &[]);
    let old = fs::read(place.path("old.twindex")).unwrap();
    let said = place.fails(&[flat, "old.twindex"], "file_exists");
    assert!(said.contains("--force"), "{said}");

    let binary = fixture("faiss/binary_flat.faiss");
    let said = place.fails(&[binary.to_str().unwrap(), "old.twindex", "--force"], "unsupported_content");
    assert!(said.contains("IndexBinaryFlat"), "{said}");
    place.convert("old.twindex", "t.jsonl", &[]);
    let lines = fs::read_to_string(place.path("t.jsonl")).unwrap();
    for (broken, code, why) in [
        (lines.replacen("\"vector\":[", "\"vector\":[1.5,", 1), "corrupt", "line 2: expected a vector of"),
        (lines.replacen("\"vector\"", "\"vektor\"", 1), "corrupt", "line 1: expected the keys"),
        (lines[..lines.len() - 30].to_owned(), "corrupt", "expected a JSON object"),
        (lines.replacen("\"vector\":[", "\"vector\":[1e39,", 1), "corrupt", "line 1"),
        (format!("{lines}{}", lines.lines().next().unwrap()), "duplicate_ids_in_call", ""),
        ("{\"page_content\": \"no vector\"}".to_owned(), "corrupt", "without one"),
    ] {
        fs::write(place.path("broken.jsonl"), broken).unwrap();
        let said = place.fails(&["broken.jsonl", "old.twindex", "--force"], code);
        assert!(said.contains(why), "{why}: {said}");
    }
    place.convert("old.twindex", "n.npy", &[]);
    let (array, documents) =
        (fs::read(place.path("n.npy")).unwrap(), fs::read(place.path("n.jsonl")).unwrap());
    for (array, documents, why) in [
        (&array[..array.len() - 4], &documents[..], "bytes are there"),
        (&array[..5], &documents, "cut short"),
        (&array, &documents[..documents.len() - 5], "line"),
        (&array, b"{\"page_content\": \"one\"}", "a document for each of"),
        (&array, lines.as_bytes(), "expected no vector"),
    ] {
        fs::write(place.path("b.npy"), array).unwrap();
        fs::write(place.path("b.jsonl"), documents).unwrap();
        let said = place.fails(&["b.npy", "old.twindex", "--force", "--from-form", "npy"], "corrupt");
        assert!(said.contains(why), "{why}: {said}");
    }
    let said = place.fails(&["old.twindex", "n.npy"], "file_exists");
    assert!(said.contains("n.npy"), "{said}");
    #[cfg(feature = "parquet")]
    {
        place.convert("old.twindex", "t.parquet", &[]);
        let table = fs::read(place.path("t.parquet")).unwrap();
        for end in [5, table.len() / 2, table.len() - 1] {
            fs::write(place.path("broken.parquet"), &table[..end]).unwrap();
            place.fails(&["broken.parquet", "old.twindex", "--force"], "corrupt");
        }
    }
    fs::create_dir(place.path("empty")).unwrap();
    place.fails(&["empty", "old.twindex", "--force"], "not_a_store");
    place.fails(&["nowhere", "old.twindex", "--force"], "file_not_found");
    fs::create_dir(place.path("two")).unwrap();
    for name in ["a.faiss", "b.faiss"] {
        fs::copy(Path::new(flat).join("index.faiss"), place.path("two").join(name)).unwrap();
    }
    let said = place.fails(&["two", "old.twindex", "--force"], "invalid_option");
    assert!(said.contains("a, b"), "{said}");
    place.convert("two", "b.twindex", &["--index-name", "b"]);
    assert_eq!(fs::read(place.path("old.twindex")).unwrap(), old);
    let left =
        fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.ends_with(".tmp") || name.ends_with(".trial")).count(), 0);
}

#[tokio::test]
async fn a_store_opens_and_saves_what_langchain_has() {
    let store = VectorStore::load_langchain(fixture("langchain/flat_l2"), LexicalEmbeddings::default())
        .await
        .unwrap();
    let count = store.count().unwrap();
    let place = Place::new();
    let report = store.save_langchain(place.path("out"), Format::LangChain, Some("my store")).await.unwrap();
    assert_eq!((report.documents, report.lost.len()), (count, 0));
    let builder = VectorStore::builder(LexicalEmbeddings::default()).engine(EngineKind::Flat);
    let (again, report) = builder.load_langchain(place.path("out"), Some("my store")).await.unwrap();
    assert_eq!(report.index, "IndexFlatL2 (Flat)");
    assert_same(
        &again.read(|store| store.serialize_to_bytes()).unwrap().map(|bytes| reopened(&bytes)).unwrap(),
        &store.read(|store| store.serialize_to_bytes()).unwrap().map(|bytes| reopened(&bytes)).unwrap(),
    );
    // Nobody has to allow anything: a pickle that would run something is refused.
    fs::write(place.path("out/my store.pkl"), b"\x80\x04cos\nsystem\nX\x02\0\0\0id\x85R.").unwrap();
    let error =
        VectorStore::load_langchain(place.path("out"), LexicalEmbeddings::default()).await.unwrap_err();
    assert_eq!(error.code(), "unsupported_content");
    assert!(error.to_string().contains("os.system"), "{error}");
}

fn reopened(bytes: &[u8]) -> Store {
    Store::deserialize_from_bytes(bytes, std::sync::Arc::new(twindex::core::PortableEngine::default()))
        .unwrap()
}
