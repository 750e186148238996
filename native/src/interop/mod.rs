//! Stores in other forms, on disk: FAISS's files, LangChain's folders, JSON Lines and Parquet.
//!
//! | [`Format`] | what it is | what it does not keep |
//! | --- | --- | --- |
//! | [`Twindex`](Format::Twindex) | Twindex's own file | |
//! | [`LangChain`](Format::LangChain) | folder of LangChain for Python: `index.faiss`, `index.pkl` | `normalize_L2`; cosine becomes inner product of unit vectors |
//! | [`LangChainPickle`](Format::LangChainPickle) | what LangChain's `serialize_to_bytes` gives | the same |
//! | [`LangChainJs`](Format::LangChainJs) | folder of LangChain.js: `faiss.index`, `docstore.json` | the same; integers past 2^53 are rounded where they are read |
//! | [`Faiss`](Format::Faiss) | FAISS's index file alone | ids, texts and metadata |
//! | [`JsonLines`](Format::JsonLines) | a document with its vector a line | metric, `normalize_L2`, kind of index |
//! | [`Npy`](Format::Npy) | NumPy's array of vectors, the documents in a `.jsonl` file beside it | the same |
//! | `Parquet` (feature `parquet`) | a document with its vector a row | kind of index |
//!
//! Nothing that is read is ever executed. What changed and what was lost on the way stands in a [`Report`].

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use twindex_core::bytes::{MAGIC, Source};
use twindex_core::interop::{self, faiss, langchain, langchain_js};
use twindex_core::{
    Document, Engine, Error as CoreError, IdSource, Metric, PartialSettings, Settings, Store,
};

use crate::device::Placement;
use crate::engine::{EngineKind, NativeEngine};
use crate::error::{Error, Result};
use crate::local::{self, LoadOptions};

mod jsonl;
mod npy;
#[cfg(feature = "parquet")]
mod parquet;

pub use twindex_core::interop::{ImportOptions, Imported, Report};

/// A form that a store can have on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Twindex's own file.
    Twindex,
    /// A folder of LangChain for Python.
    LangChain,
    /// What LangChain's `serialize_to_bytes` gives.
    LangChainPickle,
    /// A folder of LangChain.js.
    LangChainJs,
    /// FAISS's index file.
    Faiss,
    /// A document with its vector a line.
    JsonLines,
    /// NumPy's array of vectors, the documents in a `.jsonl` file of the same name beside it.
    Npy,
    /// A document with its vector a row.
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Format {
    /// Its name in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Twindex => "Twindex store",
            Format::LangChain => "LangChain folder (Python)",
            Format::LangChainPickle => "LangChain store, serialized (Python)",
            Format::LangChainJs => "LangChain.js folder",
            Format::Faiss => "FAISS index file",
            Format::JsonLines => "JSON Lines",
            Format::Npy => "NumPy array with JSON Lines",
            #[cfg(feature = "parquet")]
            Format::Parquet => "Parquet table",
        }
    }

    /// What a file of this name would be; `None` for a folder or an extension that is not known.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "twindex" => Format::Twindex,
            "pkl" | "pickle" => Format::LangChainPickle,
            "faiss" | "index" => Format::Faiss,
            "jsonl" | "ndjson" => Format::JsonLines,
            "npy" => Format::Npy,
            #[cfg(feature = "parquet")]
            "parquet" => Format::Parquet,
            _ => return None,
        })
    }

    /// What is there, by the first bytes of a file or the names in a folder.
    ///
    /// # Errors
    /// `file_not_found`, `io_error`; `not_a_store` if it is none of these, `invalid_option` for a folder with several indexes of which
    /// none is called `index_name`.
    pub fn of_content(path: &Path, index_name: Option<&str>) -> Result<Self> {
        Ok(find(path, index_name)?.0)
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { operation, path: path.to_owned(), source }
}

/// What is there, and the file that holds its vectors.
fn find(path: &Path, index_name: Option<&str>) -> Result<(Format, PathBuf)> {
    if path.is_dir() {
        return find_in_folder(path, index_name);
    }
    let mut head = Vec::new();
    let file = File::open(path).map_err(failed("read", path))?;
    file.take(8).read_to_end(&mut head).map_err(failed("read", path))?;
    let format = match head[..] {
        _ if head == MAGIC => Format::Twindex,
        [0x80, 2..=5, ..] => Format::LangChainPickle,
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Format::Npy,
        #[cfg(feature = "parquet")]
        [b'P', b'A', b'R', b'1', ..] => Format::Parquet,
        [b'I', b'A'..=b'z', b'A'..=b'z', b'A'..=b'z' | b'0'..=b'9', ..] => Format::Faiss,
        [b'{', ..] | [0xef, 0xbb, 0xbf, b'{', ..] => Format::JsonLines,
        // An empty file has no lines; it cannot be anything else.
        [] if Format::of_name(path) == Some(Format::JsonLines) => Format::JsonLines,
        // Twindex's own error says what it looks like.
        _ => Format::Twindex,
    };
    Ok((format, path.to_owned()))
}

fn find_in_folder(folder: &Path, index_name: Option<&str>) -> Result<(Format, PathBuf)> {
    let name = index_name.unwrap_or("index");
    let own = local::index_path(folder, name)?;
    if own.is_file() {
        return Ok((Format::Twindex, own));
    }
    let with = |end: &str| folder.join(format!("{name}.{end}"));
    if with("faiss").is_file() {
        let format = if with("pkl").is_file() { Format::LangChain } else { Format::Faiss };
        return Ok((format, with("faiss")));
    }
    if folder.join("faiss.index").is_file() && folder.join("docstore.json").is_file() {
        return Ok((Format::LangChainJs, folder.join("faiss.index")));
    }
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let path = entry.map_err(failed("read", folder))?.path();
        let known = path.extension().is_some_and(|end| end == "faiss" || end == "twindex");
        if let (true, Some(stem)) = (known, path.file_stem().and_then(|stem| stem.to_str())) {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    match (&names[..], index_name) {
        ([only], None) => find_in_folder(folder, Some(only)),
        ([], _) => Err(CoreError::NotAStore { looks_like: Some("a folder without an index in it") }.into()),
        (names, _) => {
            let reason = format!("{} holds {}; say which is meant", folder.display(), names.join(", "));
            Err(CoreError::InvalidOption { option: "index_name", reason }.into())
        }
    }
}

/// A file that is read piece by piece to where its bytes stay.
struct FileSource {
    file: File,
    path: PathBuf,
    len: u64,
    at: u64,
}

impl FileSource {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(failed("read", path))?;
        let len = file.metadata().map_err(failed("read", path))?.len();
        Ok(Self { file, path: path.to_owned(), len, at: 0 })
    }
}

impl Source for FileSource {
    fn total(&self) -> u64 {
        self.len
    }

    fn copy(&mut self, offset: u64, out: &mut [u8]) -> twindex_core::Result<()> {
        let mut read = || {
            if offset != self.at {
                self.file.seek(SeekFrom::Start(offset))?;
            }
            self.file.read_exact(out)
        };
        match read() {
            Ok(()) => {
                self.at = offset + out.len() as u64;
                Ok(())
            }
            Err(error) => Err(CoreError::Index {
                engine: "reading",
                message: format!("{}: {error}", self.path.display()),
            }),
        }
    }
}

fn read_whole(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(failed("read", path))
}

/// Reads a store in any form. `format` is found out unless told.
///
/// # Errors
/// `file_not_found`, `io_error`, what [`Format::of_content`] and the readers of the core say, `setting_mismatch`.
pub fn read(
    path: &Path,
    format: Option<Format>,
    options: &ImportOptions,
    engine: EngineKind,
    ids: &dyn IdSource,
) -> Result<Imported> {
    read_by(path, format, options, &NativeEngine::new(engine, &Placement::default())?, ids)
}

/// [`read`] by an engine that is there.
pub(crate) fn read_by(
    path: &Path,
    format: Option<Format>,
    options: &ImportOptions,
    native: &NativeEngine,
    ids: &dyn IdSource,
) -> Result<Imported> {
    let index_name = options.index_name.as_deref();
    let (found, file) = find(path, index_name)?;
    let format = format.unwrap_or(found);
    let shared = native.shared();
    Ok(match format {
        Format::Twindex => {
            let store = local::load(&file, native, LoadOptions::default())?;
            let given = PartialSettings {
                metric: options.metric,
                normalize_l2: options.normalize_l2,
                ..PartialSettings::default()
            };
            given.check(store.settings())?;
            let report = Report::new(format.name(), store.settings().kind.clone(), store.len());
            Imported { store, report }
        }
        Format::LangChain => {
            let pickle = read_whole(&file.with_extension("pkl"))?;
            langchain::read_folder(FileSource::open(&file)?, &pickle, options, shared, ids)?
        }
        Format::LangChainPickle => langchain::read_serialized(&read_whole(&file)?, options, shared, ids)?,
        Format::LangChainJs => {
            let docstore = read_whole(&file.with_file_name("docstore.json"))?;
            langchain_js::read_folder(FileSource::open(&file)?, &docstore, options, shared)?
        }
        Format::Faiss => interop::read_faiss(FileSource::open(&file)?, options, shared)?,
        Format::JsonLines => jsonl::read(&file, options, shared, ids)?,
        Format::Npy => npy::read(&file, options, shared, ids)?,
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::read(&file, options, shared, ids)?,
    })
}

/// The files that [`write()`] would write: one, or two in a folder.
#[must_use]
pub fn files_of(path: &Path, format: Format, index_name: Option<&str>) -> Vec<PathBuf> {
    let name = index_name.unwrap_or("index");
    let mut files = match format {
        Format::LangChain => vec![path.join(format!("{name}.faiss")), path.join(format!("{name}.pkl"))],
        Format::LangChainJs => vec![path.join("faiss.index"), path.join("docstore.json")],
        _ if Format::of_name(path).is_none() && !path.is_file() => {
            let end = match format {
                Format::Faiss => "faiss",
                Format::LangChainPickle => "pkl",
                Format::JsonLines => "jsonl",
                Format::Npy => "npy",
                #[cfg(feature = "parquet")]
                Format::Parquet => "parquet",
                _ => "twindex",
            };
            vec![path.join(format!("{name}.{end}"))]
        }
        _ => vec![path.to_owned()],
    };
    if format == Format::Npy {
        files.push(npy::documents_beside(&files[0]));
    }
    files
}

/// Writes a store in a form. A path without a known extension is a folder. What is there is replaced, by files written whole.
///
/// # Errors
/// `io_error`, and what the writers of the core say.
pub fn write(store: &Store, path: &Path, format: Format, index_name: Option<&str>) -> Result<Report> {
    let files = files_of(path, format, index_name);
    let one = &files[0];
    match format {
        Format::Twindex => {
            let encoding = store.vector_encoding();
            let loss = local::save(store, one, encoding)?;
            let mut report = Report::new(format.name(), store.settings().kind.clone(), store.len());
            if !loss.is_none() {
                report.lost.push(format!(
                    "the last digits of vectors, as {encoding}: {:.1e} of a vector's length on average, {:.1e} at most",
                    loss.mean, loss.largest
                ));
            }
            Ok(report)
        }
        Format::LangChain | Format::LangChainJs => {
            let folder = match format {
                Format::LangChain => langchain::write_folder(store)?,
                _ => langchain_js::write_folder(store)?,
            };
            local::replace(&[(one, &folder.index), (&files[1], &folder.docstore)])?;
            Ok(folder.report)
        }
        Format::LangChainPickle => {
            let (pickle, report) = langchain::write_serialized(store)?;
            local::replace(&[(one, &pickle)])?;
            Ok(report)
        }
        Format::Faiss => write_faiss(store, one),
        Format::JsonLines => jsonl::write(store, one),
        Format::Npy => npy::write(store, one),
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::write(store, one),
    }
}

fn write_faiss(store: &Store, path: &Path) -> Result<Report> {
    let mut report = Report::new(Format::Faiss.name(), store.settings().kind.clone(), store.len());
    let Some(index) = store.index() else {
        let reason = "a FAISS index has a dimension, and this store never had a vector: give it one".into();
        return Err(CoreError::InvalidOption { option: "dim", reason }.into());
    };
    // Ids that are numbers are what FAISS can keep, as `read` took them.
    let numbers: Option<Vec<i64>> = store.documents().ids().map(number).collect();
    let ids = numbers.filter(|numbers| !numbers.iter().zip(0..).all(|(&id, position)| id == position));
    let kept = ids.is_some()
        || store.documents().ids().map(number).zip(0..).all(|(id, position)| id == Some(position));
    if !kept {
        report.lost.push("ids: FAISS has numbers, here the positions from 0 on".into());
    }
    if store
        .documents()
        .iter()
        .any(|document| !document.page_content.is_empty() || !document.metadata.is_empty())
    {
        report.lost.push("texts and metadata".into());
    }
    if store.metric() == Metric::Cosine {
        report.lost.push("the lengths of vectors: FAISS has no cosine, so they are of unit length, compared by inner product".into());
    }
    local::replace(&[(path, &faiss::write(index, ids.as_deref())?)])?;
    Ok(report)
}

/// The number that an id is, if it is written as `i64` is.
fn number(id: &str) -> Option<i64> {
    id.parse().ok().filter(|number: &i64| number.to_string() == id)
}

/// What tables do not keep of a store.
fn table_report(store: &Store, format: Format, keeps_settings: bool) -> Report {
    let settings = store.settings();
    let mut report = Report::new(format.name(), settings.kind.clone(), store.len());
    if settings.kind != "Flat" {
        report
            .lost
            .push(format!("the index of kind {}: vectors are written as it gives them back", settings.kind));
    }
    if !keeps_settings && settings.metric != Metric::default() {
        report.lost.push(format!("the metric, {}: tell it when reading", settings.metric));
    }
    if !keeps_settings && settings.normalize_l2 {
        report.lost.push("normalize_L2: tell it when reading".into());
    }
    report
}

/// Documents and vectors on the way from a table to a store.
struct Table {
    documents: Vec<Document>,
    vectors: Vec<f32>,
    dim: Option<usize>,
}

impl Table {
    fn new() -> Self {
        Self { documents: Vec::new(), vectors: Vec::new(), dim: None }
    }

    fn into_store(
        self,
        mut settings: Settings,
        engine: Arc<dyn Engine>,
        ids: &dyn IdSource,
        source: &str,
    ) -> Result<Imported> {
        let mut report = Report::new(source, "Flat", self.documents.len());
        let made = self.documents.iter().filter(|document| document.id.is_none()).count();
        if made > 0 {
            report.converted.push(("no id to a new uuid".into(), made));
        }
        settings.dim = settings.dim.or(self.dim);
        let store = interop::restore(settings, self.documents, self.vectors, engine, ids)?;
        Ok(Imported { store, report })
    }
}

/// The vector of a store at a position.
fn vector_at(store: &Store, position: usize, row: &mut [f32]) -> Result<()> {
    match store.index() {
        Some(index) => Ok(index.read(position, row)?),
        None => Ok(()),
    }
}
