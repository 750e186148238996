use super::*;
use crate::rows::Rows;
use crate::{DeleteOptions, Document, Filter, FlatEngine, Metric, SearchOptions, Value};

fn store(settings: Settings, documents: Vec<Document>, vectors: &[f32], dim: usize) -> Store {
    let mut store = Store::new(settings, Arc::new(FlatEngine::default())).expect("settings");
    store.add(documents, Rows::new(vectors, dim).expect("rows"), &|| unreachable!()).expect("add");
    store
}

fn sample(metric: Metric) -> Store {
    let metadata: Value = serde_json::from_str(
        r#"{"z": null, "a": {"n": [1, 1.0, -9223372036854775808, 18446744073709551615, true, "\u0000é𝄞"]}, "e": {}}"#,
    )
    .expect("JSON");
    let Value::Map(metadata) = metadata else { unreachable!() };
    let documents = vec![
        Document::new("one").with_id("1").with_metadata(metadata),
        Document::new("").with_id("2"),
        Document::new("three\r\n").with_id("𝄞").with("x", 0.1),
    ];
    store(Settings::new().metric(metric).normalize_l2(true), documents, &[1.0, 2.0, 3.0, 4.0, -0.0, 1e-40], 2)
}

fn decode(bytes: &[u8]) -> Result<Store> {
    Store::deserialize_from_bytes(bytes, Arc::new(FlatEngine::default()))
}

#[test]
fn a_store_comes_back_whole_and_encodes_to_the_same_bytes() {
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        let store = sample(metric);
        let bytes = store.serialize_to_bytes().unwrap();
        assert_eq!(bytes.len() as u64, store.encode().unwrap().byte_len());
        let back = decode(&bytes).unwrap();
        assert!(back.documents().iter().eq(store.documents().iter()));
        assert_eq!(back.settings(), store.settings());
        assert_eq!(back.vectors().unwrap(), store.vectors().unwrap());
        assert_eq!(back.serialize_to_bytes().unwrap(), bytes);
        let options = SearchOptions::default();
        assert_eq!(back.search(&[0.5, 1.0], &options).unwrap(), store.search(&[0.5, 1.0], &options).unwrap());
    }
}

#[test]
fn empty_stores_come_back() {
    let engine = || Arc::new(FlatEngine::default());
    let unknown = Store::new(Settings::default(), engine()).unwrap();
    let bytes = unknown.serialize_to_bytes().unwrap();
    assert_eq!(decode(&bytes).unwrap().settings(), unknown.settings());
    let known = Store::new(Settings::new().dim(3), engine()).unwrap();
    assert_eq!(decode(&known.serialize_to_bytes().unwrap()).unwrap().dim(), Some(3));
    let mut emptied = sample(Metric::L2);
    emptied.delete(&DeleteOptions::filter(Filter::matching(|_| true))).unwrap();
    let back = decode(&emptied.serialize_to_bytes().unwrap()).unwrap();
    assert_eq!((back.len(), back.dim()), (0, Some(2)));
}

#[test]
fn key_order_does_not_change_the_bytes() {
    let with = |keys: [&str; 2]| {
        let metadata = keys.into_iter().map(|key| (key, 1)).collect();
        store(Settings::default(), vec![Document::new("t").with_id("i").with_metadata(metadata)], &[1.0], 1)
    };
    assert_eq!(with(["a", "b"]).serialize_to_bytes(), with(["b", "a"]).serialize_to_bytes());
}

#[test]
fn every_truncation_and_every_flipped_bit_is_an_error() {
    let bytes = sample(Metric::L2).serialize_to_bytes().unwrap();
    for len in 0..bytes.len() {
        let code = decode(&bytes[..len]).unwrap_err().code();
        assert!(matches!(code, "truncated" | "not_a_store"), "{len} bytes: {code}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(decode(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(decode(&longer).unwrap_err().code(), "corrupt");
}

/// Replaces a section and makes lengths and checksums right again, so that the section's own checks are reached.
fn with_section(kind: SectionKind, content: Vec<u8>) -> Vec<u8> {
    let bytes = sample(Metric::L2).serialize_to_bytes().unwrap();
    let layout = Layout::parse(&bytes, bytes.len() as u64).unwrap();
    let sections: Vec<(SectionKind, Vec<u8>)> = layout
        .sections()
        .iter()
        .map(|s| (s.kind, if s.kind == kind { content.clone() } else { s.of(&bytes).to_vec() }))
        .collect();
    let mut out = layout::encode(sections.iter().map(|(kind, bytes)| (*kind, &bytes[..])));
    for (_, bytes) in sections {
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.extend(bytes);
    }
    out
}

#[test]
fn hostile_sections_with_right_checksums_are_refused() {
    let document =
        |metadata: &[u8]| [&[3, 1, b'1', 0][..], metadata, &[1, b'2', 0, 0, 1, b'3', 0, 0]].concat();
    assert!(
        decode(&with_section(SectionKind::Documents, document(&[0]))).is_ok(),
        "the template itself is sound"
    );
    let mut deep = vec![1, 1, b'k'];
    deep.extend([6, 1].repeat(100_000));
    let cases: Vec<(&str, SectionKind, Vec<u8>)> = vec![
        ("nested lists", SectionKind::Documents, document(&deep)),
        ("a count of 2^63", SectionKind::Documents, [&[0xff; 9][..], &[1]].concat()),
        ("a string longer than the section", SectionKind::Documents, vec![3, 0xff, 0xff, 0xff, 0x7f, b'x']),
        ("bad UTF-8", SectionKind::Documents, vec![3, 1, 0xff, 0, 0, 1, b'2', 0, 0, 1, b'3', 0, 0]),
        (
            "an id that comes twice",
            SectionKind::Documents,
            vec![3, 1, b'1', 0, 0, 1, b'1', 0, 0, 1, b'3', 0, 0],
        ),
        ("too few documents", SectionKind::Documents, vec![2, 1, b'1', 0, 0, 1, b'2', 0, 0]),
        ("bytes after the last document", SectionKind::Documents, [document(&[0]), vec![0]].concat()),
        ("unsorted keys", SectionKind::Documents, document(&[2, 1, b'b', 0, 1, b'a', 0])),
        ("a key twice", SectionKind::Documents, document(&[2, 1, b'a', 0, 1, b'a', 0])),
        ("a small UInt", SectionKind::Documents, document(&[1, 1, b'a', 3, 5])),
        (
            "a whole number as a float",
            SectionKind::Documents,
            document(&[1, 1, b'a', 4, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
        ),
        ("a NaN", SectionKind::Documents, document(&[1, 1, b'a', 4, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f])),
        ("a number in too many bytes", SectionKind::Documents, document(&[1, 1, b'a', 2, 0x82, 0])),
        (
            "a number of 65 bits",
            SectionKind::Documents,
            document(&[&[1, 1, b'a', 2][..], &[0xff; 9], &[2]].concat()),
        ),
        ("a boolean of 2", SectionKind::Documents, document(&[1, 1, b'a', 1, 2])),
        ("an unknown value", SectionKind::Documents, document(&[1, 1, b'a', 8])),
        ("settings too short", SectionKind::Settings, vec![0]),
        ("a metric there is not", SectionKind::Settings, vec![3, 0, 1, 2, 3, 4, b'F', b'l', b'a', b't']),
        ("a dimension of 0", SectionKind::Settings, vec![0, 0, 1, 0, 3, 4, b'F', b'l', b'a', b't']),
        ("another count", SectionKind::Settings, vec![0, 0, 1, 2, 4, 4, b'F', b'l', b'a', b't']),
        ("settings too long", SectionKind::Settings, vec![0, 0, 1, 2, 3, 4, b'F', b'l', b'a', b't', 0]),
        ("vectors of another length", SectionKind::Vectors, vec![0; 20]),
    ];
    for (what, kind, content) in cases {
        assert_eq!(decode(&with_section(kind, content)).map(|_| ()).unwrap_err().code(), "corrupt", "{what}");
    }
    let infinite = [0f32, 0.0, 0.0, f32::INFINITY, 0.0, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let error = decode(&with_section(SectionKind::Vectors, infinite)).unwrap_err();
    assert_eq!(error, Error::NotFinite { row: 1, component: 1 });
    let faiss_kind = vec![0, 0, 1, 2, 3, 6, b'H', b'N', b'S', b'W', b'3', b'2'];
    assert_eq!(
        decode(&with_section(SectionKind::Settings, faiss_kind)).unwrap_err().code(),
        "unsupported_content"
    );
}

#[test]
fn damage_to_vectors_is_named_as_such_even_where_it_makes_a_number_infinite() {
    let mut bytes = sample(Metric::L2).serialize_to_bytes().unwrap();
    let vectors = *Layout::parse(&bytes, bytes.len() as u64).unwrap().require(SectionKind::Vectors).unwrap();
    bytes[vectors.offset as usize..][..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert_eq!(decode(&bytes).unwrap_err(), Error::ChecksumMismatch { section: "vectors" });
}

#[test]
fn a_whole_number_encodes_as_an_integer_however_it_is_held() {
    let with = |value: Value| {
        store(Settings::default(), vec![Document::new("t").with_id("i").with("n", value)], &[1.0], 1)
            .serialize_to_bytes()
    };
    assert_eq!(with(Value::Float(3.0)), with(Value::Int(3)));
    assert_ne!(with(Value::Float(2f64.powi(53))), with(Value::Int(1 << 53)));
}

#[test]
fn foreign_and_newer_files_are_named() {
    let seen = |bytes: &[u8]| match decode(bytes).unwrap_err() {
        Error::NotAStore { looks_like } => looks_like,
        other => panic!("{other}"),
    };
    assert_eq!(seen(b""), Some("an empty file"));
    assert_eq!(seen(b"\x80\x04\x95"), Some("a Python pickle (LangChain's index.pkl or serialized store)"));
    assert_eq!(seen(b"IxF2\0\0"), Some("a FAISS index file"));
    assert_eq!(seen(b"hello"), None);
    let mut newer = sample(Metric::L2).serialize_to_bytes().unwrap();
    newer[8] = 2;
    assert_eq!(decode(&newer).unwrap_err(), Error::NewerVersion { supported: 1, actual: 2 });
}

/// The examples of FORMAT.md, read from its hex dumps.
fn examples() -> Vec<Vec<u8>> {
    let text = include_str!("../../FORMAT.md").split("## Examples").nth(1).expect("the examples");
    let dumps = text.split("```").skip(1).step_by(2);
    dumps
        .map(|dump| {
            let lines = dump.lines().filter_map(|line| line.split_once("  "));
            lines
                .flat_map(|(_, hex)| hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("hex")))
                .collect()
        })
        .collect()
}

#[test]
fn the_format_document_shows_real_bytes() {
    let empty = Store::new(Settings::new(), Arc::new(FlatEngine::default())).unwrap();
    let document = Document::new("hi").with_id("a").with("n", 1);
    let one = store(Settings::new().metric(Metric::Cosine), vec![document], &[3.0, 4.0], 2);
    assert_eq!(examples(), [empty.serialize_to_bytes().unwrap(), one.serialize_to_bytes().unwrap()]);
}
