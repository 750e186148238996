use super::*;
use crate::Value;

fn start_indices(documents: &[Document]) -> Vec<i64> {
    documents.iter().map(|d| d.metadata.get("start_index").and_then(Value::as_i64).unwrap()).collect()
}

fn reason(result: Result<()>) -> String {
    match result {
        Err(Error::InvalidSplitter { reason }) => reason,
        other => panic!("expected InvalidSplitter, got {other:?}"),
    }
}

#[test]
fn parameters_that_make_no_sense_are_errors() {
    let splitter = CharacterTextSplitter::new();
    assert_eq!(splitter.validate(), Ok(()));
    assert_eq!(reason(splitter.clone().chunk_size(0).validate()), "chunk_size must be at least 1, got 0");
    let overlapping = splitter.clone().chunk_size(5).chunk_overlap(6);
    assert_eq!(reason(overlapping.validate()), "chunk_overlap must be at most chunk_size, 5, got 6");
    assert_eq!(splitter.clone().chunk_size(5).chunk_overlap(5).validate(), Ok(()));
    assert!(
        overlapping.split_text("a").is_err() && overlapping.split_documents(&[Document::new("a")]).is_err()
    );
    let bad = splitter.separator("a(").is_separator_regex(true);
    assert!(reason(bad.validate()).contains("unterminated"), "{bad:?}");
    let recursive = RecursiveCharacterTextSplitter::new().separators(["x", "a("]);
    assert_eq!(recursive.validate(), Ok(()));
    assert!(reason(recursive.is_separator_regex(true).validate()).starts_with("separator \"a(\": missing )"));
}

#[test]
fn a_changed_splitter_forgets_what_it_compiled() {
    let splitter = CharacterTextSplitter::new().separator("a.").chunk_size(1).chunk_overlap(0);
    assert_eq!(splitter.split_text("1a.2ax3").unwrap(), ["1", "2ax3"]);
    let regex = splitter.clone().is_separator_regex(true);
    assert_eq!(regex.split_text("1a.2ax3").unwrap(), ["1", "2", "3"]);
    let kept = regex.clone().keep_separator(KeepSeparator::End);
    assert_eq!(kept.split_text("1a.2ax3").unwrap(), ["1a.", "2ax", "3"]);
    assert_eq!(kept.separator("[23]").split_text("1a.2ax3").unwrap(), ["1a.2", "ax3"]);
    let recursive = RecursiveCharacterTextSplitter::new().chunk_size(1).chunk_overlap(0).separators(["b"]);
    assert_eq!(recursive.split_text("abac").unwrap(), ["a", "bac"]);
    assert_eq!(recursive.separators(["c"]).split_text("abac").unwrap(), ["aba", "c"]);
}

#[test]
fn an_empty_list_of_separators_means_the_default() {
    let splitter = RecursiveCharacterTextSplitter::new().separators([""; 0]).chunk_size(4).chunk_overlap(0);
    assert_eq!(splitter.split_text("ab cd\n\nef").unwrap(), ["ab", "cd", "ef"]);
}

#[test]
fn an_empty_or_blank_text_has_no_chunks() {
    for text in ["", " ", "\n\n", "\u{1c}\u{85}\u{3000}"] {
        assert!(CharacterTextSplitter::new().split_text(text).unwrap().is_empty());
        assert!(RecursiveCharacterTextSplitter::new().split_text(text).unwrap().is_empty());
    }
    // U+FEFF is no white space in Python.
    assert_eq!(CharacterTextSplitter::new().split_text("\u{feff}").unwrap(), ["\u{feff}"]);
}

#[test]
fn oversized_chunks_are_reported_except_the_last() {
    let splitter = CharacterTextSplitter::new().separator(",").chunk_size(3).chunk_overlap(0);
    let report = splitter.split_text_report("     ,a,toolong,b,alsolong").unwrap();
    assert_eq!(report.chunks, ["a", "toolong", "b", "alsolong"]);
    let seen: Vec<_> = report.oversized.iter().map(|chunk| (chunk.chunk, chunk.size)).collect();
    assert_eq!(seen, [(None, 5), (Some(1), 7)]);
}

#[test]
fn chunk_documents_have_their_own_copy_of_the_metadata_and_no_id() {
    let splitter = CharacterTextSplitter::new().separator(" ").chunk_size(1).chunk_overlap(0);
    let document = Document::new("a b").with_id("7").with("tags", vec!["x"]);
    let chunks = splitter.split_documents(std::slice::from_ref(&document)).unwrap();
    let expected = ["a", "b"].map(|text| Document::new(text).with_metadata(document.metadata.clone()));
    assert_eq!(chunks, expected);
    assert_eq!(splitter.create_documents(&["a b"], &[document.metadata]).unwrap(), expected);
    assert_eq!(splitter.create_documents(&["a"], &[]).unwrap(), [Document::new("a")]);
    let wrong = splitter.create_documents(&["a", "b"], &[Metadata::new()]);
    assert_eq!(wrong, Err(Error::LengthMismatch { what: "metadatas", expected: 2, actual: 1 }));
}

#[test]
fn start_index_counts_code_points_and_is_minus_one_where_a_chunk_is_not_found() {
    let splitter =
        CharacterTextSplitter::new().separator(" ").chunk_size(3).chunk_overlap(1).add_start_index(true);
    let documents = splitter.create_documents(&["é 😀 é 😀"], &[]).unwrap();
    assert_eq!(
        documents.iter().map(|d| d.page_content.as_str()).collect::<Vec<_>>(),
        ["é 😀", "😀 é", "é 😀"]
    );
    assert_eq!(start_indices(&documents), [0, 2, 4]);
    // Empty pieces are dropped, so "a b" is not in the text; the search for "c" starts near the beginning.
    let documents = splitter.chunk_overlap(0).create_documents(&["a  b cc"], &[]).unwrap();
    assert_eq!(start_indices(&documents), [-1, 5]);
}

#[test]
fn a_replaced_start_index_and_one_splitter_for_many_texts() {
    let splitter: Box<dyn TextSplitter> =
        Box::new(RecursiveCharacterTextSplitter::new().chunk_size(3).chunk_overlap(0).add_start_index(true));
    let documents = ["ab cd", "ef gh"].map(|text| Document::new(text).with("start_index", "old"));
    assert_eq!(start_indices(&splitter.split_documents(&documents).unwrap()), [0, 3, 0, 3]);
}

#[test]
fn length_functions_count_what_they_say() {
    let text = "é😀";
    assert_eq!(LengthFunction::default().count(text), 2);
    assert_eq!(LengthFunction::Utf16.count(text), 3);
    assert_eq!(LengthFunction::Utf8.count(text), 6);
    let huge = CharacterTextSplitter::new().length_function(LengthFunction::custom(|_| usize::MAX));
    assert_eq!(huge.separator(" ").split_text("a b").unwrap(), ["a", "b"]);
}

#[test]
fn each_piece_is_measured_once() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let measured = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&measured);
    let length = LengthFunction::custom(move |text| {
        count.fetch_add(text.len(), Ordering::Relaxed);
        text.len()
    });
    let text = "word ".repeat(20_000);
    let splitter = CharacterTextSplitter::new().separator(" ").length_function(length);
    splitter.chunk_size(1000).chunk_overlap(900).split_text(&text).unwrap();
    assert!(measured.load(Ordering::Relaxed) <= text.len() + 10);
}

#[test]
fn a_long_text_without_a_match_of_a_look_behind_is_searched_to_its_end() {
    let text = "a".repeat(3_000_000) + ". b";
    let splitter = CharacterTextSplitter::new().separator(r"(?<=\. )").is_separator_regex(true);
    assert_eq!(splitter.split_text(&text).unwrap().len(), 2);
}

#[test]
fn many_separators_and_deep_parentheses_do_not_exhaust_the_stack() {
    let separators: Vec<String> =
        (0..20_000u32).filter_map(|i| char::from_u32(0x4e00 + i)).map(String::from).collect();
    let text: String = separators.concat();
    let splitter = RecursiveCharacterTextSplitter::new().chunk_size(1).chunk_overlap(0);
    let chunks = splitter.clone().separators(&separators[..3000]).split_text(&text).unwrap();
    assert_eq!(chunks.concat(), text);
    let deep = "(".repeat(100_000) + &")".repeat(100_000);
    assert!(splitter.separators([deep]).is_separator_regex(true).split_text("a").is_err());
}

#[test]
fn text_files_become_documents_with_a_source() {
    let document = load_text(b"\xef\xbb\xbfone\r\n\r\ntwo\rthree\n", "a.txt").unwrap();
    assert_eq!(document, Document::new("one\n\ntwo\nthree\n").with("source", "a.txt"));
    let error = load_text(b"fine\n\xff", "a.txt").unwrap_err();
    assert_eq!(error, LoadError::InvalidUtf8 { offset: 5, line: 2 });
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("invalid_utf8", "expected UTF-8, got something else in line 2 (byte 5)")
    );
}

#[test]
fn json_lines_become_documents() {
    let lines = "\u{feff}{\"text\":\"a\"}\r\n \t\r\n{\"pageContent\":\"b\",\"id\":null,\"metadata\":null,\"vector\":null}\n\
        {\"id\":\"7\",\"metadata\":{\"n\":1,\"x\":1.0},\"page_content\":\"c\u{2028}\",\"type\":\"Document\",\"embedding\":[1,-0.5,1e-60]}";
    let rows = load_jsonl(lines.as_bytes()).unwrap();
    assert_eq!(rows[0], JsonlRow { document: Document::new("a"), vector: None });
    assert_eq!(rows[1], JsonlRow { document: Document::new("b"), vector: None });
    let third = Document::new("c\u{2028}").with_id("7").with("n", 1).with("x", 1.0);
    assert_eq!(rows[2], JsonlRow { document: third, vector: Some(vec![1.0, -0.5, 0.0]) });
    assert_eq!(rows.len(), 3);
    assert_eq!(load_jsonl(b"\n \n"), Ok(vec![]));
}

#[test]
fn wrong_json_lines_say_where_and_why() {
    let cases = [
        ("{\"text\":\"a\"", "expected a JSON object, got EOF while parsing an object at column 11"),
        ("[1]", "expected a JSON object, got invalid type: sequence, expected a JSON object"),
        ("{\"text\":\"a\"} x", "expected a JSON object, got trailing characters at column 14"),
        ("{}", "expected a text, got an object without one"),
        ("{\"text\":7}", "expected a string as the text, got 7"),
        (
            "{\"text\":\"a\",\"page_content\":\"b\"}",
            "expected one text, got another in the key \"page_content\"",
        ),
        ("{\"id\":\"a\",\"text\":\"a\",\"id\":\"b\"}", "expected one id, got another in the key \"id\""),
        ("{\"text\":\"a\",\"id\":7}", "expected a string as the id, got 7"),
        ("{\"text\":\"a\",\"metadata\":[1]}", "expected a map as the metadata, got a list"),
        ("{\"text\":\"a\",\"vector\":\"1,2\"}", "expected a list of numbers as the vector, got \"1,2\""),
        ("{\"text\":\"a\",\"vector\":[1,null]}", "expected numbers that fit an f32 in the vector, got null"),
        ("{\"text\":\"a\",\"vector\":[1e39]}", "expected numbers that fit an f32 in the vector, got 1e+39"),
        ("{\"text\":\"a\",\"type\":\"Chunk\"}", "expected the type \"Document\", got \"Chunk\""),
        (
            "{\"text\":\"a\",\"metadta\":{}}",
            "expected the keys id, text (or page_content, pageContent), metadata, vector (or embedding), got the key \"metadta\"",
        ),
    ];
    for (line, why) in cases {
        let error = load_jsonl(format!("{{\"text\":\"fine\"}}\n\n{line}\n").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("line 3: {why}"), "{line}");
        assert_eq!(error.code(), "invalid_jsonl");
    }
    let long = format!("{{\"text\":\"a\",\"{}\":1}}", "k".repeat(10_000));
    assert!(load_jsonl(long.as_bytes()).unwrap_err().to_string().len() < 250);
    let deep =
        format!("{{\"text\":\"a\",\"metadata\":{{\"x\":{}1{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(load_jsonl(deep.as_bytes()).unwrap_err().code(), "invalid_jsonl");
}
