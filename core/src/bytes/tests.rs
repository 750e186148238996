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
    joined(&sections)
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
    newer[8] = 3;
    assert_eq!(decode(&newer).unwrap_err(), Error::NewerVersion { supported: 2, actual: 3 });
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
    let small = one.encode_as(VectorEncoding::I8).unwrap().to_vec();
    assert_eq!(examples(), [empty.serialize_to_bytes().unwrap(), one.serialize_to_bytes().unwrap(), small]);
}

const SMALL: [VectorEncoding; 2] = [VectorEncoding::F16, VectorEncoding::I8];

/// Rows of many lengths, of numbers that are halves already, of one large number, of zeros and of next to nothing.
fn hard_rows(dim: usize) -> Vec<f32> {
    let mut random = crate::testkit::Generator::new(77);
    let mut data = random.floats(200 * dim);
    for (i, row) in data.chunks_exact_mut(dim).enumerate() {
        let factor = 10f32.powi(i as i32 % 9 - 6);
        row.iter_mut().for_each(|x| *x *= factor);
        match i % 10 {
            1 => row[i % dim] = -60_000.0,
            2 => row.iter_mut().for_each(|x| *x = (*x * 8.0).round() / 8.0),
            3 => row.fill(-0.0),
            4 => row.fill(1e-41),
            5 => row.fill(1.5e-36),
            _ => {}
        }
    }
    data
}

fn rows_store(metric: Metric, data: &[f32], dim: usize) -> Store {
    let documents = (0..data.len() / dim).map(|i| Document::new("").with_id(i.to_string())).collect();
    store(Settings::new().metric(metric), documents, data, dim)
}

#[test]
fn small_vectors_lose_once_and_never_again() {
    for dim in [1, 3, 32, 385] {
        let original = rows_store(Metric::L2, &hard_rows(dim), dim);
        for (encoding, row_len) in [(VectorEncoding::F16, 2 * dim), (VectorEncoding::I8, dim + 4)] {
            let encoded = original.encode_as(encoding).unwrap();
            assert_eq!(original.vector_loss(encoding).unwrap(), encoded.loss());
            let bytes = encoded.to_vec();
            let layout = Layout::parse(&bytes, bytes.len() as u64).unwrap();
            let (section, found) = layout.vectors().expect("vectors");
            assert_eq!((found, section.len, bytes[8]), (encoding, 200 * row_len as u64, 2));
            let back = decode(&bytes).unwrap();
            assert_eq!((back.vector_encoding(), back.info().vector_encoding), (encoding, encoding));
            assert_eq!(back.serialize_to_bytes().unwrap(), bytes, "{encoding} {dim}: what was kept is kept");
            assert_eq!(back.vector_loss(encoding).unwrap(), Loss::default());
            let whole = decode(&back.encode_as(VectorEncoding::F32).unwrap().to_vec()).unwrap();
            let bits =
                |store: &Store| store.vectors().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&whole), bits(&back), "{encoding} {dim}: f32 keeps what is there");
            assert_eq!(
                (whole.vector_encoding(), whole.serialize_to_bytes().unwrap()[8]),
                (VectorEncoding::F32, 1)
            );
        }
    }
}

#[test]
fn the_scale_of_any_row_is_found_again() {
    let mut random = crate::testkit::Generator::new(5);
    for exponent in -126..=127 {
        for most in random
            .floats(200)
            .into_iter()
            .map(|x| (1.0 + x.abs() % 1.0) * 2f32.powi(exponent))
            .chain([f32::MAX, f32::MIN_POSITIVE * 127.0, f32::MIN_POSITIVE * 126.99])
        {
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            let mut row = [0.0; 3];
            VectorEncoding::I8.encode_row(&[most, most * 0.3, -most], &mut once);
            VectorEncoding::I8.decode_row(&once, &mut row).unwrap();
            assert!(row.iter().all(|x| x.is_finite()), "{most}");
            VectorEncoding::I8.encode_row(&row, &mut twice);
            assert_eq!(once, twice, "{most}");
        }
    }
}

#[test]
fn the_loss_is_what_vectors_change_by() {
    let dim = 64;
    let mut random = crate::testkit::Generator::new(8);
    let original = rows_store(Metric::L2, &random.floats(50 * dim), dim);
    for (encoding, most) in [(VectorEncoding::F16, 1.0 / 2048.0), (VectorEncoding::I8, 0.02)] {
        let encoded = original.encode_as(encoding).unwrap();
        let (before, after) =
            (original.vectors().unwrap(), decode(&encoded.to_vec()).unwrap().vectors().unwrap());
        let length = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mut losses = Vec::new();
        for (x, y) in before.chunks(dim).zip(after.chunks(dim)) {
            let differences: Vec<f64> = x.iter().zip(y).map(|(x, y)| f64::from(*x) - f64::from(*y)).collect();
            let whole: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            losses.push(length(&differences) / length(&whole));
        }
        let Loss { largest, mean } = encoded.loss();
        let expected = losses.iter().fold(0.0, |most: f64, &loss| loss.max(most));
        assert!(
            (largest - expected).abs() < 1e-12 && (mean - losses.iter().sum::<f64>() / 50.0).abs() < 1e-12
        );
        assert!(0.0 < mean && mean < largest && largest < most, "{encoding}: {mean} {largest}");
    }
    assert!(original.encode().unwrap().loss().is_none());
}

#[test]
fn what_an_encoding_cannot_hold_is_refused() {
    let refused = |metric, row: &[f32], encoding| match rows_store(metric, row, 2).encode_as(encoding) {
        Ok(_) => None,
        Err(error) => {
            assert_eq!(error.code(), "invalid_option", "{error}");
            Some(error.to_string())
        }
    };
    let f16 = |row: [f32; 4]| refused(Metric::L2, &row, VectorEncoding::F16);
    assert_eq!(f16([1.0, 2.0, -65_519.0, 65_519.996]), None);
    assert_eq!(f16([1.0, 2.0, 3.0, 65_520.0]).unwrap(), "option vectors: vector 1 is too large as f16");
    assert_eq!(refused(Metric::L2, &[f32::MAX, -f32::MAX], VectorEncoding::I8), None);
    for encoding in SMALL {
        let tiny = [0.5, 1.0, 1e-40, 0.0];
        assert_eq!(refused(Metric::L2, &tiny, encoding), None);
        let message = refused(Metric::Cosine, &tiny, encoding).unwrap();
        assert_eq!(
            message,
            format!("option vectors: vector 1 becomes all zeros, which has no direction, as {encoding}")
        );
    }
    assert_eq!("F16".parse::<VectorEncoding>().unwrap_err().code(), "invalid_option");
    assert!(VectorEncoding::ALL.into_iter().all(|encoding| encoding.name().parse() == Ok(encoding)));
}

#[test]
fn damage_to_small_vectors_is_an_error_everywhere() {
    for encoding in SMALL {
        let bytes = sample(Metric::Cosine).encode_as(encoding).unwrap().to_vec();
        assert!(decode(&bytes).is_ok());
        for len in 0..bytes.len() {
            let code = decode(&bytes[..len]).unwrap_err().code();
            assert!(matches!(code, "truncated" | "not_a_store"), "{encoding}, {len} bytes: {code}");
        }
        for at in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(decode(&damaged).is_err(), "{encoding}: bit {at}");
        }
    }
}

/// A cosine store of two rows of two numbers, whose vectors section has this content and the right checksum.
fn with_vectors(encoding: VectorEncoding, rows: &[u8]) -> Result<Store> {
    let documents = vec![Document::new("").with_id("1"), Document::new("").with_id("2")];
    let template = store(Settings::new().metric(Metric::Cosine), documents, &[1.0, 2.0, 3.0, 4.0], 2);
    let sections = [
        (SectionKind::Settings, v1::encode_settings(template.settings(), 2)),
        (SectionKind::Documents, encode_documents(template.documents()).unwrap()),
        (encoding.section(), rows.to_vec()),
    ];
    decode(&joined(&sections))
}

fn joined(sections: &[(SectionKind, Vec<u8>)]) -> Vec<u8> {
    let mut out = layout::encode(sections.iter().map(|(kind, bytes)| (*kind, &bytes[..])));
    for (_, bytes) in sections {
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.extend(bytes);
    }
    out
}

#[test]
fn hostile_small_vectors_are_refused() {
    let row = |scale: f32, codes: [i8; 2]| [&scale.to_le_bytes()[..], &codes.map(|code| code as u8)].concat();
    let i8s = |second: Vec<u8>| {
        let rows = [row(0.5, [3, -127]), second].concat();
        with_vectors(VectorEncoding::I8, &rows).map(|store| store.vectors().unwrap())
    };
    assert_eq!(i8s(row(2.0, [127, -1])).unwrap(), [1.5, -63.5, 254.0, -2.0]);
    for (what, row) in [
        ("a code of -128", row(2.0, [-128, 127])),
        ("no code of 127", row(2.0, [126, -126])),
        ("codes without a scale", row(0.0, [127, 0])),
        ("a scale without codes", row(2.0, [0, 0])),
        ("a negative scale", row(-2.0, [127, 0])),
        ("a negative zero", row(-0.0, [0, 0])),
        ("a subnormal scale", row(1e-40, [127, 0])),
        ("an infinite scale", row(f32::INFINITY, [127, 0])),
        ("a scale that is no number", row(f32::NAN, [127, 0])),
        ("a scale of 18 bits", row(f32::from_bits(2f32.to_bits() | 0x40), [127, 0])),
        ("a row too many", [row(2.0, [127, 0]), row(2.0, [127, 0])].concat()),
        ("a row too few", Vec::new()),
    ] {
        assert_eq!(i8s(row).unwrap_err().code(), "corrupt", "{what}");
    }
    assert_eq!(i8s(row(0.0, [0, 0])).unwrap_err(), Error::ZeroVector { row: 1 });
    assert_eq!(i8s(row(2f32.powi(123), [1, 127])).unwrap_err(), Error::NotFinite { row: 1, component: 1 });

    let f16s = |numbers: &[u16]| {
        let rows: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        with_vectors(VectorEncoding::F16, &rows).map(|store| store.vectors().unwrap())
    };
    assert_eq!(
        f16s(&[0x3c00, 0x8001, 0x7bff, 0x0400]).unwrap(),
        [1.0, -5.960_464_5e-8, 65504.0, 6.103_515_6e-5]
    );
    assert_eq!(f16s(&[0x3c00, 0, 0x7c00, 0]).unwrap_err(), Error::NotFinite { row: 1, component: 0 });
    assert_eq!(f16s(&[0x3c00, 0, 0, 0xfe01]).unwrap_err(), Error::NotFinite { row: 1, component: 1 });
    assert_eq!(f16s(&[0x3c00, 0, 0, 0x8000]).unwrap_err(), Error::ZeroVector { row: 1 });
    assert_eq!(f16s(&[0x3c00; 3]).unwrap_err().code(), "corrupt");
}

#[test]
fn a_version_is_the_one_that_its_sections_need() {
    let versioned = |encoding: VectorEncoding, version: u8| {
        let mut bytes = sample(Metric::L2).encode_as(encoding).unwrap().to_vec();
        bytes[8] = version;
        let table_end = HEADER_LEN + 3 * 32;
        let sum = checksum(&bytes[..table_end]).to_le_bytes();
        bytes[table_end..table_end + 8].copy_from_slice(&sum);
        decode(&bytes).map(|_| ()).map_err(|error| error.code())
    };
    for (encoding, version) in [(VectorEncoding::F32, 1), (VectorEncoding::F16, 2), (VectorEncoding::I8, 2)] {
        assert_eq!(versioned(encoding, version), Ok(()));
        assert_eq!(versioned(encoding, 3 - version), Err("corrupt"));
        assert_eq!(versioned(encoding, 3), Err("newer_version"));
    }
}

#[test]
fn a_huge_dimension_without_vectors_takes_no_memory() {
    let settings = Settings::new().dim(i32::MAX as usize);
    for encoding in VectorEncoding::ALL {
        let sections = [
            (SectionKind::Settings, v1::encode_settings(&settings, 0)),
            (SectionKind::Documents, vec![0]),
            (encoding.section(), Vec::new()),
        ];
        assert_eq!(decode(&joined(&sections)).unwrap().dim(), Some(i32::MAX as usize));
    }
}

#[test]
fn two_blocks_of_vectors_are_refused() {
    let settings = Settings::new().dim(1);
    let blocks = [SectionKind::Vectors, SectionKind::Faiss, SectionKind::VectorsF16, SectionKind::VectorsI8];
    for (i, one) in blocks.into_iter().enumerate() {
        for other in &blocks[i + 1..] {
            let sections = [
                (SectionKind::Settings, v1::encode_settings(&settings, 0)),
                (SectionKind::Documents, vec![0]),
                (one, Vec::new()),
                (*other, Vec::new()),
            ];
            assert_eq!(decode(&joined(&sections)).unwrap_err().code(), "corrupt", "{one:?} {other:?}");
        }
    }
}
