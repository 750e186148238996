//! The `twindex` command line, run as a program.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

#[cfg(feature = "local")]
#[path = "../../core/embed/tests/tiny_model/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of twindex-embed, which use all of it")]
mod tiny_model;

const PROGRAM: &str = env!("CARGO_BIN_EXE_twindex");

const CATS: &str = "\
The cat sleeps on the warm sofa all day and all night.

A kitten plays with a ball of wool until the wool is everywhere.

Cats purr when they are content, and sometimes when they are not.
";
const TRAINS: &str = "\
The night train to Vienna leaves from platform nine at ten.

A steam engine needs water, coal and patience.
";
const MONEY: &str = "\
The central bank raised the interest rate by half a point.

Inflation eats savings slowly, then quickly.
";

/// What a run of the program gave.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    /// The JSON document on standard output of a run that went well and was silent otherwise.
    fn json(&self) -> Value {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Whether it failed with this code, for people.
    #[track_caller]
    fn fails_with(&self, code: &str) -> &str {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), ""), "{self:?}");
        assert!(self.stderr.contains(&format!("error[{code}]: ")), "{code} expected: {self:?}");
        &self.stderr
    }
}

/// A folder to run the program in.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(TempDir::new().unwrap())
    }

    /// A folder with texts and an index of them.
    fn with_index() -> Self {
        let place = Place::new();
        place.write("texts/cats.txt", CATS);
        place.write("texts/trains.md", TRAINS);
        place.write("texts/more/money.txt", MONEY);
        let built =
            place.run(&["build", "texts", "-o", "i.twindex", "--chunk-size", "70", "--ids", "source"]);
        assert_eq!(built.code, Some(0), "{built:?}");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in the folder, hidden ones too.
    fn names(&self) -> BTreeSet<String> {
        let names = fs::read_dir(self.0.path()).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for variable in ["TWINDEX_MODEL_DIR", "OPENAI_API_KEY", "OPENAI_BASE_URL", "http_proxy", "HTTP_PROXY"]
        {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, "", |command| command)
    }

    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).json()
    }

    fn run_with(&self, args: &[&str], input: &str, change: impl FnOnce(&mut Command) -> &mut Command) -> Run {
        let mut command = self.command(PROGRAM);
        let mut child = change(command.args(args).stdin(Stdio::piped())).spawn().unwrap();
        // A program that fails early reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn count(&self) -> u64 {
        self.json(&["info", "i.twindex"])["count"].as_u64().unwrap()
    }
}

fn ids(hits: &Value) -> Vec<&str> {
    hits.as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap()).collect()
}

/// JSON Lines of `n` documents with vectors of 8 numbers, all unlike.
fn vector_lines(n: u32) -> String {
    let line = |i: u32| {
        let vector: Vec<f32> = (0..8).map(|j| ((i * 31 + j * 17) % 97) as f32 / 97.0 + 0.1).collect();
        json!({"id": format!("v{i}"), "text": format!("text {i}"), "metadata": {"n": i}, "vector": vector})
            .to_string()
    };
    (0..n).map(|i| line(i) + "\n").collect()
}

#[test]
fn people_are_told_what_was_read_embedded_and_found() {
    let place = Place::new();
    place.write("texts/cats.txt", CATS);
    place.write("texts/.hidden.txt", "secret");
    place.write("texts/photo.png", [0xff; 3]);
    let built = place.run(&["build", "texts", "-o", "out", "--chunk-size", "70"]);
    assert_eq!(built.code, Some(0), "{built:?}");
    for said in [
        "read 3 documents from 1 file",
        "texts/cats.txt: 3 documents",
        "skipped 1 (it is hidden): texts/.hidden.txt",
        "skipped 1 (files .png are not read from folders): texts/photo.png",
        "embeddings: lexical (matches shared words and parts of words, not meaning)",
    ] {
        assert!(built.stderr.contains(said), "{said:?} expected: {built:?}");
    }
    assert!(!built.stderr.contains('\r') && !built.stderr.contains('\u{1b}'), "{built:?}");
    assert!(
        built.stdout.starts_with("out/index.twindex: 3 documents added, 3 in all; 384 numbers each, Flat")
    );

    let quiet = place.run(&["build", "texts", "-o", "out", "-q"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));

    let found = place.run(&["search", "out", "a sleeping cat", "-k", "1"]);
    assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""), "{found:?}");
    for said in
        ["EUCLIDEAN_DISTANCE, lower is better", "embeddings: lexical", "query: a sleeping cat", "  1  "]
    {
        assert!(found.stdout.contains(said), "{said:?} expected: {found:?}");
    }
    assert!(found.stdout.contains("     The cat sleeps on the warm sofa"), "{found:?}");
    assert!(found.stdout.contains(r#"     {"source":"texts/cats.txt"}"#), "{found:?}");
}

#[test]
fn a_device_that_cannot_be_used_fails_early_or_the_cpu_stands_in_with_a_warning() {
    let place = Place::with_index();
    let before = place.names();
    let refused = place.run(&["build", "texts", "-o", "new.twindex", "--device", "gpu:63"]);
    assert!(refused.fails_with("device_unavailable").contains("device gpu:63 cannot be used: "));
    assert_eq!(place.names(), before, "nothing is written");
    for command in [&["search", "i.twindex", "cats"][..], &["info", "i.twindex"]] {
        place.run(&[command, &["--device", "gpu:63"]].concat()).fails_with("device_unavailable");
    }
    place.run(&["search", "i.twindex", "cats", "--device", "gpu", "--map"]).fails_with("invalid_option");
    let wrong = place.run(&["search", "i.twindex", "cats", "--device", "tpu"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("expected cpu, gpu, gpu:N with the number of a card, or all, got \"tpu\""));

    let stand_in = ["--device", "gpu:63", "--device-fallback"];
    let found = place.run(&[&["search", "i.twindex", "a sleeping cat"][..], &stand_in].concat());
    assert_eq!(found.code, Some(0), "{found:?}");
    assert!(
        found.stderr.starts_with("warning[device_fallback]: the CPU stands in: device gpu:63"),
        "{found:?}"
    );
    assert_eq!(found.stderr.lines().count(), 1, "once: {found:?}");
    assert_eq!(found.stdout, place.run(&["search", "i.twindex", "a sleeping cat"]).stdout);
    let built = place.json(&[&["build", "texts", "-o", "new.twindex"][..], &stand_in].concat());
    assert_eq!(built["warnings"][0]["code"], "device_fallback");
    assert_eq!(built["device"]["device"], "cpu");

    let info = place.json(&["info", "i.twindex"]);
    assert_eq!(info["device"], json!({"device": "cpu", "gpu_bytes": 0, "notice": null}));
    let none = info["gpus"]["cards"].as_array().unwrap().is_empty();
    assert_eq!(info["gpus"]["unavailable"].is_string(), none, "{info}");
    assert!(place.run(&["info", "i.twindex"]).stdout.contains("device       cpu\n"));
}

#[test]
fn an_index_is_built_searched_changed_and_merged() {
    let place = Place::with_index();
    let info = place.json(&["info", "i.twindex"]);
    assert_eq!((&info["count"], &info["dim"], &info["kind"]), (&json!(7), &json!(384), &json!("Flat")));
    assert_eq!((&info["metric"], &info["engine"]), (&json!("EUCLIDEAN_DISTANCE"), &json!("faiss")));
    assert_eq!(info["file_bytes"], json!(place.read("i.twindex").len()));
    assert_eq!((&info["format_version"], &info["vector_bytes"]), (&json!(1), &json!(7 * 384 * 4)));
    assert!(info["faiss_version"].as_str().unwrap().starts_with("1."), "{info}");
    assert!(
        info["encoded_bytes"].as_u64().unwrap() > 300 && info["document_bytes_each"].as_f64().unwrap() > 10.0
    );
    assert!(place.run(&["info", "i.twindex"]).stdout.contains("kind         Flat\n"));

    let found = place.json(&["search", "i.twindex", "steam engine"]);
    assert_eq!(found["results"][0]["hits"][0]["id"], "texts/trains.md#1");
    assert_eq!(found["results"][0]["hits"][0]["metadata"], json!({"source": "texts/trains.md"}));

    place.write("dogs.txt", "Dogs bark at the postman.");
    let added = place.json(&["add", "i.twindex", "dogs.txt", "--ids", "source"]);
    assert_eq!((&added["added"], &added["count"]), (&json!(1), &json!(8)));
    assert_eq!(added["embeddings"], json!({"kind": "lexical", "name": "lexical", "matches": "words"}));
    let again = place.run(&["add", "i.twindex", "dogs.txt", "--ids", "source"]);
    assert!(again.fails_with("id_already_exists").contains("hint: --upsert"), "{again:?}");
    place.write("dogs.txt", "Dogs sleep most of the day.");
    let added = place.json(&["add", "i.twindex", "dogs.txt", "--ids", "source", "--upsert"]);
    assert_eq!(added["count"], 8);
    let got = place.json(&["get", "i.twindex", "dogs.txt#0"]);
    assert_eq!(got["documents"][0]["page_content"], "Dogs sleep most of the day.");
    let got = place.run(&["get", "i.twindex", "nobody", "dogs.txt#0", "--json"]);
    assert_eq!(got.code, Some(3), "{got:?}");
    let got: Value = serde_json::from_str(&got.stdout).unwrap();
    assert_eq!((ids(&got["documents"]), &got["unknown"]), (vec!["dogs.txt#0"], &json!(["nobody"])));

    let filter = r#"{"source": "texts/cats.txt"}"#;
    let listed = place.json(&["list", "i.twindex", "--filter", filter, "--limit", "2"]);
    assert_eq!((ids(&listed["documents"]).len(), &listed["matching"]), (2, &json!(3)));
    let dry = place.json(&["delete", "i.twindex", "--filter", filter, "--dry-run"]);
    assert_eq!((&dry["deleted"], &dry["count"], &dry["dry_run"]), (&json!(3), &json!(8), &json!(true)));
    assert_eq!(place.count(), 8);
    let deleted = place.json(&["delete", "i.twindex", "--filter", filter]);
    assert_eq!((&deleted["deleted"], &deleted["count"]), (&json!(3), &json!(5)));
    place.run(&["delete", "i.twindex", "--id", "dogs.txt#0", "--id", "nobody"]).fails_with("unknown_id");
    assert_eq!(place.count(), 5);
    let deleted =
        place.json(&["delete", "i.twindex", "--id", "dogs.txt#0", "--id", "nobody", "--ignore-unknown"]);
    assert_eq!((&deleted["ids"], &deleted["count"]), (&json!(["dogs.txt#0"]), &json!(4)));

    place.run(&["build", "texts/cats.txt", "-o", "cats", "--ids", "source"]);
    let from = place.read("cats/index.twindex");
    let merged = place.json(&["merge", "i.twindex", "cats"]);
    assert_eq!((&merged["added"], &merged["count"]), (&json!(1), &json!(5)));
    assert_eq!(place.read("cats/index.twindex"), from);
    let before = place.read("i.twindex");
    let twice = place.run(&["merge", "i.twindex", "cats"]);
    assert!(twice.fails_with("id_already_exists").contains("cats/index.twindex: "), "{twice:?}");
    place.run(&["merge", "i.twindex", "i.twindex"]).fails_with("id_already_exists");
    assert_eq!(place.read("i.twindex"), before);
}

#[test]
fn searches_take_langchains_options() {
    let place = Place::with_index();
    let search = |more: &[&str]| place.json(&[&["search", "i.twindex", "a cat on a sofa"], more].concat());
    let plain = search(&["-k", "3"]);
    assert_eq!(plain["lower_is_better"], true);
    let hits = &plain["results"][0]["hits"];
    let scores: Vec<f64> =
        hits.as_array().unwrap().iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
    assert!(scores.len() == 3 && scores.is_sorted(), "{scores:?}");

    let filtered = search(&["--filter", r#"{"source": {"$ne": "texts/cats.txt"}}"#, "-k", "9"]);
    assert_eq!(ids(&filtered["results"][0]["hits"]).len(), 4);
    let diverse = search(&["--mmr", "--fetch-k", "7", "--lambda", "0", "-k", "3"]);
    assert_eq!(diverse["search_type"], "mmr");
    assert_ne!(ids(&diverse["results"][0]["hits"]), ids(hits));
    let close = search(&["--score-threshold", &scores[0].to_string()]);
    assert_eq!(ids(&close["results"][0]["hits"]).len(), 1);
    let relevant = search(&["--relevance", "-k", "1"]);
    let relevance = relevant["results"][0]["hits"][0]["score"].as_f64().unwrap();
    assert!((relevance - (1.0 - scores[0] / 2f64.sqrt())).abs() < 1e-6, "{relevance} of {}", scores[0]);
    assert_eq!((&relevant["score"], &relevant["lower_is_better"]), (&json!("relevance"), &json!(false)));
    let warned = search(&["--relevance", "-k", "7"]);
    assert_eq!(warned["warnings"][0]["code"], "relevance_out_of_range");
    for engine in [&["--engine", "flat"][..], &["--engine", "flat", "--map"], &["--map"]] {
        assert_eq!(&search(&[engine, &["-k", "3"]].concat())["results"][0]["hits"], hits, "{engine:?}");
    }

    assert_eq!(&search(&["--recall", "0.9", "-k", "3"])["results"][0]["hits"], hits);
    for recall in ["0", "1.5", "NaN"] {
        place.run(&["search", "i.twindex", "cats", "--recall", recall]).fails_with("invalid_option");
    }

    let batch =
        place.run_with(&["search", "i.twindex", "cats", "-", "--json"], "trains\n\ninterest rate\n", |c| c);
    let batch = batch.json();
    let queries: Vec<&Value> = batch["results"].as_array().unwrap().iter().map(|r| &r["query"]).collect();
    assert_eq!(queries, ["cats", "trains", "interest rate"]);
    assert_eq!(batch["results"][2]["hits"][0]["id"], "texts/more/money.txt#0");

    let nothing = place.run(&["search", "i.twindex", "cats", "--filter", r#"{"source": "none"}"#]);
    assert_eq!((nothing.code, nothing.stdout.contains("nothing found")), (Some(3), true), "{nothing:?}");
    place.run(&["search", "i.twindex", "cats", "-k", "0"]).fails_with("k_not_positive");
    place
        .run(&["search", "i.twindex", "cats", "--filter", r#"{"$no": 1}"#])
        .fails_with("unsupported_filter_operator");
    place.run(&["search", "i.twindex", "cats", "--nprobe", "3"]).fails_with("unsupported_by_index");
    let error = place.run(&["search", "nowhere", "cats", "--json"]);
    assert_eq!((error.code, error.stdout.as_str()), (Some(1), ""));
    let error: Value = serde_json::from_str(&error.stderr).unwrap();
    assert_eq!(error["error"]["code"], "file_not_found");
    assert!(error["error"]["message"].as_str().unwrap().contains("nowhere"), "{error}");
}

#[test]
fn vectors_in_json_lines_are_taken_by_every_kind_on_every_engine() {
    let place = Place::new();
    place.write("v.jsonl", vector_lines(300));
    let cases: [(&[&str], Value); 7] = [
        (&["--index-factory", "Flat"], json!({})),
        (&["--index-factory", "Flat", "--engine", "flat"], json!({})),
        (&["--index-factory", "Flat", "--metric", "cosine", "--normalize"], json!({})),
        (&["--index-factory", "IVF4,Flat", "--nprobe", "3"], json!({"nprobe": 3})),
        (&["--index-factory", "HNSW8", "--ef-search", "90"], json!({})),
        (&["--index-factory", "SQ8", "--metric", "ip"], json!({})),
        (&["--index-factory", "IVF4,SQ8", "--metric", "COSINE"], json!({})),
    ];
    for (more, parameters) in cases {
        let built = place.json(&[&["build", "v.jsonl", "-o", "i.twindex"], more].concat());
        assert_eq!(
            (&built["count"], &built["dim"], &built["embeddings"]),
            (&json!(300), &json!(8), &Value::Null)
        );
        let info = place.json(&["info", "i.twindex"]);
        let expected: Vec<_> = parameters.as_object().unwrap().iter().collect();
        assert!(expected.iter().all(|(name, value)| &info["parameters"][name] == *value), "{more:?}: {info}");
        assert_eq!((&info["kind"], &info["trained"]), (&json!(more[1]), &json!(true)), "{info}");

        // With the vector of a document as lexical embeddings never give it, the warning comes and the search still works.
        let found = place.json(&["search", "i.twindex", "text 7", "--dim", "8", "-k", "300"]);
        assert_eq!(found["warnings"][0]["code"], "embeddings_differ", "{more:?}");
        assert_eq!(ids(&found["results"][0]["hits"]).iter().collect::<BTreeSet<_>>().len(), 300, "{more:?}");

        place.write("w.jsonl", r#"{"id": "w", "text": "w", "vector": [1, 0, 0, 0, 0, 0, 0, 0.5]}"#);
        assert_eq!(place.json(&["add", "i.twindex", "w.jsonl"])["count"], 301, "{more:?}");
        let dry = place.run(&["delete", "i.twindex", "--id", "w", "--dry-run"]);
        let deleted = place.run(&["delete", "i.twindex", "--id", "w"]);
        if more[1].starts_with("HNSW") {
            dry.fails_with("unsupported_by_index");
            deleted.fails_with("unsupported_by_index");
        } else {
            assert_eq!((dry.code, deleted.code, place.count()), (Some(0), Some(0), 300), "{more:?}");
        }
    }

    // What list prints is what build read: the same store, byte for byte.
    place.run(&["build", "v.jsonl", "-o", "a.twindex"]);
    let lines = place.run(&["list", "a.twindex", "--jsonl", "--vectors"]);
    assert_eq!((lines.code, lines.stdout.lines().count()), (Some(0), 300));
    let again =
        place.run_with(&["build", "-", "--input-format", "jsonl", "-o", "b.twindex"], &lines.stdout, |c| c);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(place.read("a.twindex"), place.read("b.twindex"));

    // What cannot be is known before anything is written.
    for (more, code) in [
        (&["--nprobe", "3"][..], "unsupported_by_index"),
        (&["--index-factory", "Nothing"], "unsupported_by_index"),
        (&["--index-factory", "IVF4,Flat", "--engine", "flat"], "unsupported_content"),
        (&["--index-factory", "IVF400,Flat"], "too_few_to_train"),
    ] {
        let failed = place.run(&[&["build", "v.jsonl", "-o", "none/x.twindex"], more].concat());
        assert!(failed.fails_with(code).len() > 20 && !place.path("none/x.twindex").exists(), "{more:?}");
    }
}

#[test]
fn embeddings_that_an_index_was_not_built_with_are_noticed() {
    let place = Place::with_index();
    let wrong = place.run(&["search", "i.twindex", "cats", "--dim", "64"]);
    let said = wrong.fails_with("dimension_mismatch");
    assert!(said.contains("lexical") && said.contains("64 numbers") && said.contains("384"), "{said}");
    place.run(&["add", "i.twindex", "texts/cats.txt", "--dim", "64"]).fails_with("dimension_mismatch");

    // As long as lexical vectors, and not theirs.
    let line = |i: usize| {
        let vector: Vec<f32> = (0..384).map(|j| ((i + j * j) % 11) as f32 - 5.0).collect();
        json!({"id": i.to_string(), "text": format!("cats number {i}"), "vector": vector}).to_string()
    };
    place.write("v.jsonl", (0..5).map(|i| line(i) + "\n").collect::<String>());
    place.run(&["build", "v.jsonl", "-o", "v.twindex"]);
    let before = place.read("v.twindex");
    let said = place.run(&["search", "v.twindex", "cats"]);
    assert_eq!(said.code, Some(0));
    assert!(said.stderr.starts_with("warning[embeddings_differ]: "), "{said:?}");
    place.run(&["add", "v.twindex", "texts/cats.txt"]).fails_with("embeddings_differ");
    assert_eq!(place.read("v.twindex"), before);
    let asked = place.json(&["add", "v.twindex", "texts/cats.txt", "--embeddings", "lexical"]);
    assert_eq!((&asked["count"], &asked["warnings"][0]["code"]), (&json!(6), &json!("embeddings_differ")));

    for (more, code) in [
        (&["--model", "nowhere"][..], "embeddings_invalid_option"),
        (&["--embeddings", "openai"], "embeddings_invalid_option"),
        (&["--embeddings", "openai", "--model", "m"], "embeddings_invalid_option"),
        (&["--embeddings", "local"], "embeddings_invalid_option"),
        (&["--base-url", "http://localhost/v1"], "embeddings_invalid_option"),
        (&["--dim", "3"], "embeddings_invalid_option"),
    ] {
        place.run(&[&["search", "i.twindex", "cats"], more].concat()).fails_with(code);
    }
    let said =
        place.run_with(&["search", "i.twindex", "cats"], "", |c| c.env("TWINDEX_MODEL_DIR", "nowhere"));
    assert!(said.code == Some(0) && said.stderr.contains("warning[no_model_there]"), "{said:?}");
}

#[cfg(feature = "local")]
#[test]
fn a_model_in_a_folder_is_used_unless_another_is_named() {
    let place = Place::new();
    let model = tiny_model::TinyModel::new();
    model.files().into_iter().for_each(|(name, content)| place.write(&format!("model/{name}"), content));
    place.write("cats.txt", "the cat\n\na dog");
    let built =
        place.json(&["build", "cats.txt", "-o", "i.twindex", "--model", "model", "--chunk-size", "8"]);
    let embeddings = json!({"kind": "local", "name": "local:model", "matches": "meaning"});
    assert_eq!((&built["embeddings"], &built["dim"]), (&embeddings, &json!(tiny_model::DIM)));
    let found = place.run_with(&["search", "i.twindex", "the cat", "--json"], "", |command| {
        command.env("TWINDEX_MODEL_DIR", "model")
    });
    let found = found.json();
    assert_eq!((&found["embeddings"], &found["warnings"]), (&embeddings, &json!([])));
    assert_eq!(found["results"][0]["hits"][0]["page_content"], "the cat");
    place.run(&["search", "i.twindex", "the cat"]).fails_with("dimension_mismatch");
    fs::remove_file(place.path("model/model.safetensors")).unwrap();
    let failed = place.run(&["search", "i.twindex", "the cat", "--model", "model"]);
    assert!(failed.fails_with("embeddings_model_file").contains("model.safetensors"), "{failed:?}");
}

/// A service that speaks OpenAI's protocol: the vector of a text is how often each of 8 letters is in it. It stops with the test.
fn service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut len = 0;
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    len = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; len];
            stream.read_exact(&mut body).unwrap();
            let request: Value = serde_json::from_slice(&body).unwrap();
            let vector = |text: &str| "aeinorst".chars().map(|c| text.matches(c).count()).collect::<Vec<_>>();
            let data: Vec<Value> = request["input"]
                .as_array()
                .unwrap()
                .iter()
                .enumerate()
                .map(|(i, text)| json!({"index": i, "embedding": vector(text.as_str().unwrap())}))
                .collect();
            let answer = json!({"data": data, "model": request["model"]}).to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            write!(stream.get_mut(), "{head}content-length: {}\r\n\r\n{answer}", answer.len()).unwrap();
        }
    });
    url
}

#[test]
fn a_service_gives_the_vectors() {
    let place = Place::new();
    place.write("cats.txt", CATS);
    let url = service();
    let service = ["--embeddings", "openai", "--model", "letters", "--base-url", &url];
    let built =
        place.json(&[&["build", "cats.txt", "-o", "i.twindex", "--chunk-size", "70"], &service[..]].concat());
    assert_eq!((&built["count"], &built["dim"]), (&json!(3), &json!(8)));
    assert_eq!(built["embeddings"], json!({"kind": "openai", "name": "letters", "matches": "meaning"}));
    let query = "The cat sleeps on the warm sofa all day and all night.";
    let found = place.json(&[&["search", "i.twindex", query, "-k", "1"], &service[..]].concat());
    assert_eq!(found["results"][0]["hits"][0]["score"], 0.0);
    let before = place.read("i.twindex");
    let nobody = ["--embeddings", "openai", "--model", "m", "--base-url", "file:///"];
    place
        .run(&[&["add", "i.twindex", "cats.txt"], &nobody[..]].concat())
        .fails_with("embeddings_invalid_option");
    assert_eq!(place.read("i.twindex"), before);
}

#[test]
fn inputs_are_read_cut_and_named() {
    let place = Place::new();
    place.write("in/b.txt", "\u{feff}Bravo.\r\n\r\nSecond.");
    place.write("in/a/z.MD", "Zulu.");
    place.write("in/c.jsonl", "{\"id\": \"c\", \"text\": \"One. Two.\"}\n\n{\"page_content\": \"Charlie.\", \"metadata\": {\"n\": 1}}\n");
    place.write("in/.git/x.txt", "hidden");
    place.write("in/blank.txt", " \n ");
    place.write("odd", "Odd.");
    std::os::unix::fs::symlink(place.path("in"), place.path("in/loop")).unwrap();
    let build =
        ["build", "in", "odd", "in/b.txt", "-", "-o", "i.twindex", "--ids", "source", "--chunk-size", "8"];
    let built = place.run_with(&[&build[..], &["--json"]].concat(), "From a pipe.", |c| c).json();
    let listed = place.json(&["list", "i.twindex"]);
    assert_eq!(
        ids(&listed["documents"]),
        ["in/b.txt#0", "in/b.txt#1", "c", "in/c.jsonl#1", "in/a/z.MD#0", "odd#0", "stdin#0", "stdin#1"]
    );
    assert_eq!(listed["documents"][0]["page_content"], "Bravo.");
    assert_eq!(listed["documents"][3]["metadata"], json!({"n": 1}));
    let skipped: Vec<(&str, &str)> = built["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["path"].as_str().unwrap(), s["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        skipped,
        [
            ("in/.git", "it is hidden"),
            ("in/loop", "it is a link to a folder"),
            ("in/b.txt", "it was given before"),
            ("in/blank.txt", "it is blank")
        ]
    );

    let split = place.json(&["build", "in/c.jsonl", "-o", "i.twindex", "--split-jsonl", "--chunk-size", "5"]);
    assert_eq!(split["count"], 4);
    let whole =
        place.json(&["build", "in/b.txt", "-o", "i.twindex", "--splitter", "none", "--chunk-size", "5"]);
    assert_eq!(whole["count"], 1);
    let places = place.json(&["build", "in/b.txt", "-o", "i.twindex", "--chunk-size", "8", "--start-index"]);
    assert_eq!(places["count"], 2);
    assert_eq!(place.json(&["list", "i.twindex"])["documents"][1]["metadata"]["start_index"], 8);
    let before = place.read("i.twindex");

    place.write("in/latin.txt", [b'a', 0xe9]);
    place.write("bad.jsonl", "{\"text\": \"a\"}\n{\"text\": 3}\n");
    place.write(
        "deep.jsonl",
        format!("{{\"text\": \"a\", \"metadata\": {}1{}}}", "[".repeat(5000), "]".repeat(5000)),
    );
    for (args, code, said) in [
        (&["in"][..], "invalid_utf8", "in/latin.txt: "),
        (&["bad.jsonl"], "invalid_jsonl", "bad.jsonl: line 2"),
        (&["deep.jsonl"], "invalid_jsonl", "deep.jsonl: line 1"),
        (&["nothing.txt"], "file_not_found", "nothing.txt"),
        (&["in/blank.txt"], "no_documents", ""),
        (&["odd", "--chunk-size", "0"], "invalid_splitter", "chunk_size"),
        (&["odd", "--chunk-size", "5", "--chunk-overlap", "6"], "invalid_splitter", "chunk_overlap"),
        (&["odd", "--index-name", "x"], "invalid_option", "--index-name"),
    ] {
        let failed = place.run(&[&["build", "-o", "i.twindex", "-q"], args].concat());
        assert!(failed.fails_with(code).contains(said), "{args:?}: {failed:?}");
    }
    assert_eq!(place.read("i.twindex"), before);
    let passed = place.json(&["build", "in", "-o", "o", "--index-name", "x", "--skip-unreadable"]);
    assert!(passed["skipped"].to_string().contains("in/latin.txt"), "{passed}");
    assert!(place.path("o/x.twindex").is_file());
    assert_eq!(place.json(&["info", "o", "--index-name", "x"])["count"], passed["count"]);
}

#[test]
fn wrong_usage_has_the_exit_code_2_and_help_has_0() {
    let place = Place::with_index();
    for args in [
        &[][..],
        &["nonsense"],
        &["build", "texts"],
        &["build", "-o", "x"],
        &["search", "i.twindex"],
        &["search", "i.twindex", "q", "-k", "-1"],
        &["search", "i.twindex", "q", "--filter", "{"],
        &["search", "i.twindex", "q", "--fetch-k", "3"],
        &["search", "i.twindex", "q", "--mmr", "--relevance"],
        &["build", "texts", "-o", "x", "--metric", "jaccard"],
        &["delete", "i.twindex"],
        &["delete", "i.twindex", "--id", "a", "--filter", "{}"],
    ] {
        let wrong = place.run(args);
        assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(2), ""), "{args:?}: {wrong:?}");
        assert!(!wrong.stderr.is_empty());
    }
    let version = place.run(&["--version"]);
    assert_eq!((version.code, version.stdout), (Some(0), format!("twindex {}\n", env!("CARGO_PKG_VERSION"))));
    let help = place.run(&["--help"]);
    assert!(help.code == Some(0) && help.stdout.contains("Exit codes:"), "{help:?}");
    for command in ["build", "search", "info", "add", "delete", "merge", "get", "list"] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{help:?}");
        let help = place.run(&[command, "--help"]);
        assert!(help.code == Some(0) && help.stdout.contains("With --json: "), "{command}: {help:?}");
    }
}

#[test]
fn damaged_and_foreign_files_are_refused_and_left_alone() {
    let place = Place::with_index();
    let good = place.read("i.twindex");
    place.write("cats.txt", CATS);
    let step = good.len() / 12;
    let mut bad: Vec<Vec<u8>> = (0..good.len()).step_by(step).map(|len| good[..len].to_vec()).collect();
    bad.extend((3..good.len()).step_by(step).map(|at| {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        flipped
    }));
    bad.push([&good[..], b"x"].concat());
    bad.push(b"Just a text.".to_vec());
    let codes = ["not_a_store", "truncated", "corrupt", "checksum_mismatch", "newer_version"];
    let mut seen = BTreeSet::new();
    for (i, bytes) in bad.iter().enumerate() {
        place.write("bad.twindex", bytes);
        let commands: [&[&str]; 4] = [
            &["info", "bad.twindex"],
            &["search", "bad.twindex", "cats", "--map"],
            &["add", "bad.twindex", "cats.txt"],
            &["merge", "i.twindex", "bad.twindex"],
        ];
        let run = place.run(&[commands[i % 4], &["--json"]].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{i}: {run:?}");
        let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
        let code = error["error"]["code"].as_str().unwrap();
        seen.insert(*codes.iter().find(|known| **known == code).unwrap_or_else(|| panic!("{i}: {error}")));
        assert_eq!(&place.read("bad.twindex"), bytes, "{i}");
    }
    assert!(seen.len() >= 3, "{seen:?}");
    assert_eq!(place.read("i.twindex"), good);
    assert_eq!(place.names().len(), 4, "{:?}", place.names());

    place.run(&["build", "cats.txt", "-o", "cats.txt/x.twindex"]).fails_with("io_error");
    place.run(&["build", "cats.txt", "-o", "cats.txt"]).fails_with("io_error");
    place.run(&["info", "texts"]).fails_with("file_not_found");
    place.run(&["info", "i.twindex/x"]).fails_with("io_error");
    assert_eq!(place.read("cats.txt"), CATS.as_bytes());
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let place = Place::with_index();
    let long: String = (0..3000).map(|i| format!("Sentence number {i} of a long text.\n\n")).collect();
    place.write("long.txt", long);
    let (before, names) = (place.read("i.twindex"), place.names());
    for command in ["add i.twindex long.txt -q", "build long.txt -o i.twindex -q"] {
        // Writing beyond 32 or 64 kB then fails, as it would on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f 64; exec '{PROGRAM}' {command}");
        let output = place.command("sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("error[io_error]: cannot write i.twindex"), "{said}");
        assert_eq!((place.read("i.twindex"), place.names()), (before.clone(), names.clone()));
    }
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_file_or_the_new() {
    const ROUNDS: u32 = 24;
    let place = Place::with_index();
    let long: String = (0..4000).map(|i| format!("Sentence number {i} of a long text.\n\n")).collect();
    place.write("long.txt", long);
    let old = place.read("i.twindex");
    let started = Instant::now();
    let (mut killed, mut kept, mut replaced) = (0, 0, 0);
    for command in [&["add", "i.twindex", "long.txt"][..], &["build", "long.txt", "-o", "i.twindex"]] {
        let command = [command, &["--ids", "source", "--chunk-size", "60", "-q"]].concat();
        let before = Instant::now();
        assert_eq!(place.run(&command).code, Some(0));
        let whole = before.elapsed();
        let new = place.read("i.twindex");
        assert_ne!(old, new);
        for round in 0..ROUNDS {
            place.write("i.twindex", &old);
            let mut child = place.command(PROGRAM).args(&command).spawn().unwrap();
            thread::sleep((whole * round / (ROUNDS - 4)).min(Duration::from_millis(400)));
            child.kill().unwrap();
            killed += u32::from(child.wait().unwrap().code().is_none());
            let left = place.read("i.twindex");
            assert!(left == old || left == new, "{command:?}, round {round}: {} bytes", left.len());
            *(if left == old { &mut kept } else { &mut replaced }) += 1;
        }
        // What a killed process left behind is in nobody's way.
        place.write("i.twindex", &old);
        assert_eq!(place.run(&command).code, Some(0));
        assert_eq!(place.read("i.twindex"), new);
        place.write("i.twindex", &old);
    }
    println!("{killed} killed, {kept} kept, {replaced} replaced in {:?}", started.elapsed());
    assert!(killed >= ROUNDS / 2 && kept >= ROUNDS / 2, "{killed} killed, {kept} kept, {replaced} replaced");
}

#[test]
fn programs_that_add_at_once_lose_nothing() {
    let place = Place::with_index();
    let children: Vec<_> = (0..6)
        .map(|i| {
            let name = format!("extra{i}.txt");
            place.write(&name, format!("Extra number {i}."));
            place.command(PROGRAM).args(["add", "i.twindex", &name, "-q"]).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
    }
    assert_eq!(place.count(), 7 + 6);
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_a_full_device_is_one() {
    let place = Place::new();
    place.write("v.jsonl", vector_lines(5000));
    assert_eq!(place.run(&["build", "v.jsonl", "-o", "i.twindex"]).code, Some(0));
    let mut child =
        place.command(PROGRAM).args(["list", "i.twindex", "--jsonl", "--vectors"]).spawn().unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
    if Path::new("/dev/full").exists() {
        let full = fs::File::create("/dev/full").unwrap();
        let failed = place.run_with(&["list", "i.twindex"], "", |command| command.stdout(full));
        failed.fails_with("io_error");
    }
}

#[test]
fn saving_follows_a_link_and_texts_cannot_steer_the_terminal() {
    let place = Place::with_index();
    std::os::unix::fs::symlink(place.path("i.twindex"), place.path("link.twindex")).unwrap();
    place.write("esc.txt", "Red \u{1b}[31malert\u{7}.");
    assert_eq!(place.json(&["add", "link.twindex", "esc.txt"])["count"], 8);
    assert!(place.path("link.twindex").is_symlink());
    assert_eq!(place.count(), 8);
    for args in [&["list", "i.twindex"][..], &["search", "i.twindex", "red alert", "--full"]] {
        let shown = place.run(args);
        assert!(shown.stdout.contains("\u{fffd}[31malert\u{fffd}."), "{shown:?}");
        assert!(!shown.stdout.contains('\u{1b}'), "{shown:?}");
    }
}

#[test]
fn an_index_is_saved_with_smaller_vectors_and_stays_so() {
    let place = Place::new();
    place.write("a.txt", "The cat sleeps on the warm sofa.\n\nDogs bark at the postman.");
    place.write("b.txt", "The steam engine pulls the train.");
    let build = |vectors: &str, out: &str| {
        place.json(&["build", "a.txt", "-o", out, "--ids", "source", "--vectors", vectors])
    };
    let whole = build("f32", "f32.twindex");
    assert_eq!((&whole["vectors"], &whole["vector_loss"]["largest"]), (&json!("f32"), &json!(0.0)));
    for (vectors, row_len, most) in [("f16", 2 * 384, 5e-4), ("i8", 384 + 4, 0.05)] {
        let file = format!("{vectors}.twindex");
        let built = build(vectors, &file);
        let saved =
            |told: &Value| whole["file_bytes"].as_u64().unwrap() - told["file_bytes"].as_u64().unwrap();
        let count = whole["count"].as_u64().unwrap();
        assert_eq!((&built["vectors"], saved(&built)), (&json!(vectors), count * (4 * 384 - row_len)));
        let loss = |told: &Value| told["vector_loss"]["largest"].as_f64().unwrap();
        assert!(0.0 < loss(&built) && loss(&built) < most, "{built}");
        let info = place.json(&["info", &file]);
        assert_eq!((&info["vectors"], &info["format_version"]), (&json!(vectors), &json!(2)));
        assert_eq!(info["vector_bytes"], json!(count * 384 * 4), "memory holds f32");
        for engine in ["faiss", "flat"] {
            let found = place.json(&["search", &file, "steam engine", "--engine", engine]);
            assert_eq!(found, place.json(&["search", &file, "steam engine", "--map"]), "{engine}");
        }
        // The same from an index that is there, and back: f32 keeps what was left.
        let told = place.json(&["convert", "f32.twindex", "small.twindex", "--vectors", vectors, "--force"]);
        assert!(told["lost"][0].as_str().unwrap().contains(vectors), "{told}");
        assert_eq!(place.read("small.twindex"), place.read(&file));
        let told = place.json(&["convert", &file, "same.twindex", "--force"]);
        assert_eq!((&told["lost"], place.read("same.twindex")), (&json!([]), place.read(&file)));
        place.json(&["convert", &file, "back.twindex", "--vectors", "f32", "--force"]);
        place.json(&["convert", "back.twindex", "same.twindex", "--vectors", vectors, "--force"]);
        assert_eq!(place.read("same.twindex"), place.read(&file));
        let added = place.json(&["add", &file, "b.txt", "--ids", "source"]);
        assert_eq!(added["vectors"], json!(vectors));
        assert!(loss(&added) > 0.0, "the new one loses: {added}");
        place.json(&["delete", &file, "--filter", r#"{"source": "b.txt"}"#]);
        assert_eq!(place.read(&file), place.read("small.twindex"), "and the others do not");
    }
    let shown = place.run(&["build", "a.txt", "-o", "shown.twindex", "--vectors", "i8"]);
    assert!(shown.stdout.contains("\nvectors as i8: saving changed them by "), "{shown:?}");
    let refused = place.run(&["convert", "f32.twindex", "docs.jsonl", "--vectors", "i8"]);
    assert!(refused.fails_with("invalid_option").contains("JSON Lines"), "{refused:?}");
    let refused =
        place.run(&["build", "a.txt", "-o", "h.twindex", "--index-factory", "HNSW8", "--vectors", "i8"]);
    refused.fails_with("unsupported_by_index");
    assert!(!place.run(&["info", "h.twindex"]).stdout.contains("HNSW"), "nothing was written");
}
