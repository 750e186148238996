//! LangChain's folders and pickles against what LangChain holds and answers, and files that are damaged or hostile.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;
use twindex_core::interop::{ImportOptions, Imported, langchain, langchain_js, read_files};
use twindex_core::testkit::fixtures;
use twindex_core::{Document, Error, PortableEngine, Result, Store, Value};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/fixtures")
}

struct Fixture {
    name: String,
    folder: PathBuf,
    expected: Json,
}

impl Fixture {
    fn all(of: &str) -> Vec<Self> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder().join(of)).unwrap() {
            let folder = entry.unwrap().path();
            if let Ok(expected) = fs::read_to_string(folder.join("expected.json")) {
                let name = folder.file_name().unwrap().to_string_lossy().into_owned();
                found.push(Self { name, expected: fixtures::parse(&expected).unwrap(), folder });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    fn python() -> Vec<Self> {
        let mut all = Self::all("langchain");
        all.extend(Self::all("legacy"));
        assert_eq!(all.len(), 22);
        all
    }

    fn file(&self, end: &str) -> Option<Vec<u8>> {
        let files = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found = files.filter(|path| path.to_string_lossy().ends_with(end));
        found.next().map(|path| fs::read(path).unwrap())
    }

    fn index(&self) -> Vec<u8> {
        self.file(".faiss").or_else(|| self.file("faiss.index")).unwrap()
    }

    /// The folder's own pickle.
    fn pickle(&self) -> Vec<u8> {
        let files = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found = files.filter(|path| {
            path.extension().is_some_and(|end| end == "pkl") && !path.ends_with("serialized.pkl")
        });
        fs::read(found.next().unwrap()).unwrap()
    }

    fn options(&self) -> ImportOptions {
        fixtures::options(&self.expected)
    }

    fn open(&self) -> Imported {
        open_folder(&self.index(), &self.pickle(), &self.options())
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }
}

fn engine() -> Arc<PortableEngine> {
    Arc::new(PortableEngine::default())
}

fn new_id() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("new-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn open_folder(index: &[u8], pickle: &[u8], options: &ImportOptions) -> Result<Imported> {
    langchain::read_folder(index, pickle, options, engine(), &new_id)
}

/// Documents, ids and answers are LangChain's.
fn check(name: &str, expected: &Json, store: &Store) {
    fixtures::check_store(store, expected).unwrap_or_else(|why| panic!("{name}: {why}"));
}

#[test]
fn every_python_folder_opens_with_its_documents_and_answers() {
    for fixture in Fixture::python() {
        let Imported { store, report } = fixture.open();
        check(&fixture.name, &fixture.expected, &store);
        assert!(report.source.starts_with("LangChain folder (Python, pickle protocol "), "{report}");
        let class = fixture.expected["index_class"].as_str().unwrap();
        assert!(report.index.starts_with(class), "{report}");
        assert_eq!(report.documents, store.len());
        if let Some(pickle) = fixture.file("serialized.pkl") {
            let serialized =
                langchain::read_serialized(&pickle, &fixture.options(), engine(), &new_id).unwrap();
            check(&fixture.name, &fixture.expected, &serialized.store);
        }
    }
}

#[test]
fn every_javascript_folder_opens_with_its_documents_and_answers() {
    let fixtures = Fixture::all("langchainjs");
    assert_eq!(fixtures.len(), 6);
    for fixture in fixtures {
        let docstore = fixture.file("docstore.json").unwrap();
        let Imported { store, report } =
            langchain_js::read_folder(&fixture.index()[..], &docstore, &ImportOptions::new(), engine())
                .unwrap();
        check(&fixture.name, &fixture.expected, &store);
        assert_eq!(report.lost.is_empty(), fixture.name != "document_ids", "{report}");
    }
}

#[test]
fn what_became_of_pythons_own_values_is_counted() {
    let fixture = Fixture::python().into_iter().find(|fixture| fixture.name == "metadata_types").unwrap();
    let report = fixture.open().report;
    let counts: Vec<(&str, usize)> =
        report.converted.iter().map(|(what, count)| (what.as_str(), *count)).collect();
    assert_eq!(
        counts,
        [
            ("Decimal to string", 1),
            ("NaN or infinity to null", 3),
            ("UUID to string", 1),
            ("bytes to base64", 1),
            ("date to string", 1),
            ("datetime to string", 3),
            ("integer past 64 bits to string", 2),
            ("key to string", 2),
            ("numpy scalar to number", 3),
            ("path to string", 1),
            ("set to list", 2),
            ("tuple to list", 4),
        ]
    );
    assert!(report.to_string().contains("\n  converted: UUID to string (1)"));
    let odd = Fixture::python().into_iter().find(|fixture| fixture.name == "odd_ids").unwrap().open().report;
    assert_eq!(odd.converted, [("id None to a new uuid".to_owned(), 1)]);
}

/// Two stores with the same documents and vectors.
fn assert_same(a: &Store, b: &Store) {
    assert!(a.documents().iter().eq(b.documents().iter()));
    assert_eq!(a.vectors().unwrap(), b.vectors().unwrap());
    assert_eq!(a.settings().kind, b.settings().kind);
    assert_eq!(a.metric(), b.metric());
}

#[test]
fn what_is_written_is_read_back_the_same() {
    for fixture in Fixture::python() {
        let Imported { store, .. } = fixture.open();
        let folder = langchain::write_folder(&store).unwrap();
        let back = open_folder(&folder.index, &folder.docstore, &fixture.options()).unwrap();
        assert_same(&back.store, &store);
        assert!(back.report.converted.is_empty());
        let (pickle, _) = langchain::write_serialized(&store).unwrap();
        let back = langchain::read_serialized(&pickle, &fixture.options(), engine(), &new_id).unwrap();
        assert_same(&back.store, &store);
        let folder = langchain_js::write_folder(&store).unwrap();
        let back =
            langchain_js::read_folder(&folder.index[..], &folder.docstore, &fixture.options(), engine())
                .unwrap();
        assert_same(&back.store, &store);
        // What is not kept is told.
        assert_eq!(
            folder.report.lost.iter().any(|what| what.contains("normalize_L2")),
            store.settings().normalize_l2
        );
    }
}

#[test]
fn files_tell_what_they_are() {
    let files = |fixture: &Fixture| -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(&fixture.folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| {
                (format!("a folder/{}", path.file_name().unwrap().display()), fs::read(path).unwrap())
            })
            .collect()
    };
    for fixture in Fixture::python() {
        let opened = read_files(&files(&fixture), &fixture.options(), engine(), &new_id).unwrap();
        check(&fixture.name, &fixture.expected, &opened.store);
        assert!(opened.report.lost.iter().any(|what| what.contains("other files")), "{}", opened.report);
    }
    for fixture in Fixture::all("langchainjs") {
        let opened = read_files(&files(&fixture), &ImportOptions::new(), engine(), &new_id).unwrap();
        check(&fixture.name, &fixture.expected, &opened.store);
    }
    let one = &Fixture::all("langchain")[0];
    let read = |files: Vec<(&str, Vec<u8>)>, options: ImportOptions| {
        let files: Vec<_> = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
        read_files(&files, &options, engine(), &new_id)
    };
    let opened = read(vec![("anything", one.file("serialized.pkl").unwrap())], ImportOptions::new()).unwrap();
    check(&one.name, &one.expected, &opened.store);
    let alone = read(vec![("some.index", one.index())], ImportOptions::new()).unwrap();
    assert_eq!(alone.store.len(), opened.store.len());
    assert_eq!(alone.store.documents().id(3), "3");
    let own = opened.store.serialize_to_bytes().unwrap();
    assert_same(&read(vec![("x.twindex", own)], ImportOptions::new()).unwrap().store, &opened.store);

    let code = |files, options| read(files, options).unwrap_err();
    let half = code(vec![("index.pkl", one.pickle())], ImportOptions::new());
    assert!(half.to_string().contains("half of a LangChain folder"), "{half}");
    let two = vec![("a.faiss", one.index()), ("b.faiss", one.index())];
    assert!(code(two.clone(), ImportOptions::new()).to_string().contains("a, b"));
    assert!(read(two, ImportOptions::new().index_name("b")).is_ok());
    assert_eq!(code(vec![], ImportOptions::new()).code(), "invalid_option");
    assert_eq!(code(vec![("a", b"hello".to_vec())], ImportOptions::new()).code(), "not_a_store");
}

/// `(InMemoryDocstore with one document whose metadata is this, {0: "a"})`, in protocol 2.
fn with_metadata(metadata: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x02clangchain_community.docstore.in_memory\nInMemoryDocstore\n)\x81}X\x05\0\0\0_dict}X\x01\0\0\0a".to_vec();
    out.extend(b"clangchain_core.documents.base\nDocument\n)\x81}X\x08\0\0\0__dict__}(X\x0c\0\0\0page_contentX\x02\0\0\0hiX\x08\0\0\0metadata");
    out.extend(metadata);
    out.extend(b"usbssb}K\0X\x01\0\0\0as\x86.");
    out
}

fn index_of(rows: usize) -> Vec<u8> {
    let mut store = Store::new(twindex_core::Settings::new().dim(2), engine()).unwrap();
    let data = vec![0.5; rows * 2];
    let documents = (0..rows).map(|i| Document::new("x").with_id(i.to_string())).collect();
    store.add(documents, twindex_core::Rows::new(&data, 2).unwrap(), &new_id).unwrap();
    langchain::write_folder(&store).unwrap().index
}

fn refused(metadata: &[u8]) -> Error {
    open_folder(&index_of(1), &with_metadata(metadata), &ImportOptions::new()).unwrap_err()
}

#[test]
fn nothing_is_run_and_what_would_run_is_named() {
    let opened =
        open_folder(&index_of(1), &with_metadata(b"}X\x01\0\0\0kK\x07s"), &ImportOptions::new()).unwrap();
    assert_eq!(opened.store.documents().at(0).metadata.get("k"), Some(&Value::Int(7)));
    for (pickle, named) in [
        (&b"cos\nsystem\nX\x02\0\0\0id\x85R"[..], "os.system"),
        (b"cposix\nsystem\nX\x02\0\0\0id\x85R", "posix.system"),
        (b"cbuiltins\neval\nX\x01\0\0\x001\x85R", "builtins.eval"),
        (b"c__builtin__\nexec\nX\x01\0\0\x001\x85R", "__builtin__.exec"),
        (b"csubprocess\nPopen\nX\x02\0\0\0id\x85R", "subprocess.Popen"),
        (b"\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R", "os.system"),
        (b"cfaiss.contrib\nrun\n)\x81", "faiss.contrib.run"),
        (b"(X\x02\0\0\0idios\nsystem\n", "INST"),
        (b"Pid\n", "PERSID"),
        (b"X\x02\0\0\0idQ", "BINPERSID"),
        (b"\x82\x01", "EXT1"),
        (b"I1\n", "INT"),
        (b"2", "DUP"),
        (b"\xff", "0xff"),
        (b"cdatetime\ndate\n)R)R", "datetime.date"),
        (b"clangchain_core.documents.base\nDocument\n)\x81}\x92", "NEWOBJ_EX"),
    ] {
        let error = refused(pickle);
        assert!(matches!(error.code(), "unsupported_content" | "corrupt"), "{named}: {error}");
        assert!(error.to_string().contains(named) || error.code() == "corrupt", "{named}: {error}");
    }
    assert_eq!(refused(b"cos\nsystem\n").code(), "unsupported_content");
}

#[test]
fn values_that_metadata_cannot_hold_are_refused_with_their_document() {
    let nested = [vec![b']'; 200], vec![b'a'; 199]].concat();
    // Each list holds the one before it twice: 2^59 items, in 540 bytes.
    let mut doubled = b"}X\x01\0\0\0k]q\x01(K\x01K\x02e".to_vec();
    for i in 2..60u8 {
        doubled.extend([b'0', b']', b'q', i, b'(', b'h', i - 1, b'h', i - 1, b'e']);
    }
    doubled.push(b's');
    // The same with a long integer, and with a key that is a long tuple, which take more than their place to write.
    let doubled_of = |leaf: &[u8]| {
        let mut bomb = [&b"}X\x01\0\0\0k"[..], leaf, b"q\0"].concat();
        bomb.extend(b"0]q\x01(h\0h\0e");
        for i in 2..24u8 {
            bomb.extend([b'0', b']', b'q', i, b'(', b'h', i - 1, b'h', i - 1, b'e']);
        }
        bomb.push(b's');
        bomb
    };
    let integers = doubled_of(&[&b"\x8b"[..], &1000i32.to_le_bytes(), &[1; 1000]].concat());
    let tuples = doubled_of(&[&b"}("[..], &b"K\x07".repeat(3000), b"tK\x01s"].concat());
    let cycle = b"}q\0X\x01\0\0\0kh\0s";
    let huge = [&b"}X\x01\0\0\0k\x8b"[..], &2000i32.to_le_bytes(), &[1; 2000], b"s"].concat();
    for (metadata, why) in [
        (&[&b"}X\x01\0\0\0k"[..], &nested, b"s"].concat()[..], "96 levels"),
        (&doubled, "refer to each other"),
        (&integers, "refer to each other"),
        (&tuples, "refer to each other"),
        (cycle, "in itself"),
        (&huge, "an integer of 2000 bytes"),
        (b"}(K\x01NX\x01\0\0\x001Nu", "two keys"),
        (b"}X\x01\0\0\0kcdatetime\ndate\nC\x04\x07\xd0\x0d\x01\x85Rs", "a date"),
        (b"}X\x01\0\0\0kcdatetime\ndate\nC\x04\x07\xe7\x02\x1d\x85Rs", "a date"),
        (b"}X\x01\0\0\0kcuuid\nUUID\n)\x81s", "a UUID"),
        (b"}X\x01\0\0\0kcdecimal\nDecimal\n)Rs", "a Decimal"),
        (b"}X\x01\0\0\0kcdatetime\ndate\ns", "itself as a value"),
        (b"]", "a dict expected"),
    ] {
        let error = refused(metadata);
        assert!(matches!(error.code(), "invalid_metadata" | "corrupt"), "{why}: {error}");
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
}

#[test]
fn an_index_and_a_docstore_that_do_not_belong_together_are_refused() {
    let error = open_folder(&index_of(2), &with_metadata(b"}"), &ImportOptions::new()).unwrap_err();
    assert!(error.to_string().contains("each of 2 vectors expected, got 1"), "{error}");
    let mut missing = with_metadata(b"}");
    let end = missing.len();
    missing[end - 4] = b'b';
    let error = open_folder(&index_of(1), &missing, &ImportOptions::new()).unwrap_err();
    assert!(error.to_string().contains("position 0: its id \"b\" is not in the docstore"), "{error}");
    // A key that is the number 1 is not the key "1".
    let mut number = with_metadata(b"}");
    number.splice(end - 9..end - 3, *b"K\x01");
    let error = open_folder(&index_of(1), &number, &ImportOptions::new()).unwrap_err();
    assert!(error.to_string().contains("position 0: its id 1 is not in the docstore"), "{error}");
    let mut moved = with_metadata(b"}");
    moved[end - 10] = 5;
    let error = open_folder(&index_of(1), &moved, &ImportOptions::new()).unwrap_err();
    assert!(error.to_string().contains("each position from 0 to 0"), "{error}");
}

#[test]
fn a_pickle_that_is_cut_or_damaged_is_refused_or_harmless() {
    let mut state = 11u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for fixture in Fixture::python() {
        let (index, pickle) = (fixture.index(), fixture.pickle());
        let step = if pickle.len() < 4096 { 1 } else { 379 };
        for end in (0..pickle.len()).step_by(step) {
            let error = open_folder(&index, &pickle[..end], &fixture.options()).unwrap_err();
            assert!(!error.to_string().is_empty(), "{} cut at {end}", fixture.name);
        }
        for _ in 0..200 {
            let mut damaged = pickle.clone();
            damaged[random(pickle.len())] ^= 1 << random(8);
            let _ = open_folder(&index, &damaged, &fixture.options());
        }
        if let Some(serialized) = fixture.file("serialized.pkl") {
            let step = if serialized.len() < 4096 { 1 } else { 1009 };
            for end in (0..serialized.len()).step_by(step) {
                let cut = &serialized[..end];
                assert!(langchain::read_serialized(cut, &fixture.options(), engine(), &new_id).is_err());
            }
            for _ in 0..50 {
                let mut damaged = serialized.clone();
                damaged[random(serialized.len())] ^= 1 << random(8);
                let _ = langchain::read_serialized(&damaged, &fixture.options(), engine(), &new_id);
            }
        }
    }
    for fixture in Fixture::all("langchainjs") {
        let (index, docstore) = (fixture.index(), fixture.file("docstore.json").unwrap());
        let open = |docstore: &[u8]| {
            langchain_js::read_folder(&index[..], docstore, &ImportOptions::new(), engine())
        };
        for end in 0..docstore.len() {
            assert_eq!(open(&docstore[..end]).unwrap_err().code(), "corrupt");
        }
        for _ in 0..200 {
            let mut damaged = docstore.clone();
            damaged[random(docstore.len())] ^= 1 << random(8);
            let _ = open(&damaged);
        }
        let nested = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert_eq!(open(&nested).unwrap_err().code(), "corrupt");
    }
}
