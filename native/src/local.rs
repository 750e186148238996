//! Stores as files: written atomically, read once.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use twindex_core::bytes::{
    self, HEADER_LEN, Head, Layout, Loss, RowVerifier, Section, SectionKind, VectorEncoding, check_padding,
    check_vectors, decode_settings, verify,
};
use twindex_core::{Documents, Metric, Store, VectorIndex};

use crate::engine::NativeEngine;
use crate::error::{Error, Result};
#[cfg(unix)]
use crate::mapped;

/// The file of an index inside its folder: `{index_name}.twindex`.
///
/// # Errors
/// `invalid_index_name` if the name is empty or would leave the folder.
pub fn index_path(folder: &Path, index_name: &str) -> Result<PathBuf> {
    let plain = Path::new(index_name).file_name().is_some_and(|name| name == index_name);
    if !plain || index_name.contains(['/', '\\', '\0']) {
        return Err(Error::InvalidIndexName { name: index_name.to_owned() });
    }
    Ok(folder.join(format!("{index_name}.twindex")))
}

/// Writes a store to a file, atomically: to a temporary file beside it, synced, then renamed over it. A process killed at any moment
/// leaves the old file or the new one.
pub(crate) fn save(store: &Store, path: &Path, encoding: VectorEncoding) -> Result<Loss> {
    let encoded = store.encode_as(encoding)?;
    replace_by(path, |out| {
        encoded.chunks().try_for_each(|chunk| out.write_all(chunk)).map_err(io_failed("write", path))
    })?;
    Ok(encoded.loss())
}

/// Writes files that belong together, each as [`save`] does; none takes its place before all are written.
pub(crate) fn replace(files: &[(&Path, &[u8])]) -> Result<()> {
    let mut written = Vec::new();
    for &(path, content) in files {
        written.push((
            path,
            write_beside(path, |out| out.write_all(content).map_err(io_failed("write", path)))?,
        ));
    }
    written.into_iter().try_for_each(|(path, temporary)| take_place(&temporary, path))
}

/// [`replace`] for one file, whose content comes piece by piece.
pub(crate) fn replace_by(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
) -> Result<()> {
    take_place(&write_beside(path, write)?, path)
}

pub(crate) fn write_beside(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
) -> Result<Temporary> {
    fs::create_dir_all(folder_of(path)).map_err(io_failed("write", folder_of(path)))?;
    let temporary = Temporary::beside(path);
    let file = File::create_new(&temporary.path).map_err(io_failed("write", path))?;
    // A file that is replaced keeps its permissions.
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions()).map_err(io_failed("write", path))?;
    }
    let mut out = BufWriter::with_capacity(1 << 20, &file);
    write(&mut out)?;
    out.flush().map_err(io_failed("write", path))?;
    drop(out);
    file.sync_all().map_err(io_failed("write", path))?;
    Ok(temporary)
}

pub(crate) fn take_place(temporary: &Temporary, path: &Path) -> Result<()> {
    fs::rename(&temporary.path, path).map_err(io_failed("write", path))?;
    // The rename itself is on disk once the folder is. Not every system can sync a folder; those that
    // cannot have nothing to sync.
    #[cfg(unix)]
    File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(io_failed("write", path))?;
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn io_failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { operation, path: path.to_owned(), source }
}

/// A file that is removed unless it was renamed away.
pub(crate) struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn beside(path: &Path) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unique = format!(".{name}.{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { path: path.with_file_name(unique) }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already after a rename, and a failure to clean up must not hide why the save failed.
        let _ = fs::remove_file(&self.path);
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LoadOptions {
    /// Map the vectors instead of copying them.
    pub(crate) map: bool,
}

/// Reads a store from a file: the file once, the vectors straight to where they stay.
pub(crate) fn load(path: &Path, engine: &NativeEngine, options: LoadOptions) -> Result<Store> {
    let failed = |source| Error::Io { operation: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let mut head = vec![0; HEADER_LEN.min(usize::try_from(total).unwrap_or(usize::MAX))];
    file.read_exact(&mut head).map_err(failed)?;
    let head_len = Layout::head_len(&head, total)?;
    if total < head_len as u64 {
        return Err(twindex_core::Error::Truncated { expected: head_len as u64, actual: total }.into());
    }
    head.resize(head_len, 0);
    file.read_exact(&mut head[HEADER_LEN..]).map_err(failed)?;
    let layout = Layout::parse(&head, total)?;

    let settings = read_section(&mut file, layout.require(SectionKind::Settings)?).map_err(|e| e.at(path))?;
    let documents =
        read_section(&mut file, layout.require(SectionKind::Documents)?).map_err(|e| e.at(path))?;
    let head = decode_settings(&settings)?;
    check_vectors(&layout, &head)?;
    // Documents are checked while the vectors are read.
    let (index, documents) = thread::scope(|scope| {
        let decoding = scope.spawn(|| Documents::decode(documents, head.count));
        let index = read_index(&mut file, path, &layout, &head, engine, options);
        let documents = decoding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (index, documents)
    });
    let (index, documents): (_, Documents) = (index?, documents?);
    let mut store = Store::from_parts(head.settings, engine.shared(), documents, index)?;
    store.set_vector_encoding(layout.vectors().map_or(VectorEncoding::F32, |(_, encoding)| encoding));
    Ok(store)
}

/// Why a section could not be read.
enum Failure {
    Io(io::Error),
    Store(twindex_core::Error),
}

impl Failure {
    fn at(self, path: &Path) -> Error {
        match self {
            Failure::Io(source) => Error::Io { operation: "read", path: path.to_owned(), source },
            Failure::Store(error) => Error::Store(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl From<twindex_core::Error> for Failure {
    fn from(error: twindex_core::Error) -> Self {
        Failure::Store(error)
    }
}

fn read_padding(file: &mut File, section: &Section) -> Result<(), Failure> {
    let mut padding = [0; bytes::ALIGNMENT];
    let padding = &mut padding[..section.padding as usize];
    file.read_exact(padding)?;
    Ok(check_padding(padding)?)
}

/// The bytes of the next section, verified. Its length was checked against the file's.
fn read_section(file: &mut File, section: &Section) -> Result<Vec<u8>, Failure> {
    read_padding(file, section)?;
    let mut content = Vec::new();
    let len = usize::try_from(section.len).map_err(io::Error::other)?;
    content.try_reserve_exact(len).map_err(io::Error::other)?;
    file.take(section.len).read_to_end(&mut content)?;
    if content.len() != len {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    verify(section, &content)?;
    Ok(content)
}

fn read_index(
    file: &mut File,
    path: &Path,
    layout: &Layout,
    head: &Head,
    engine: &NativeEngine,
    options: LoadOptions,
) -> Result<Option<Box<dyn VectorIndex>>> {
    let Some(dim) = head.settings.dim else { return Ok(None) };
    let metric = head.settings.metric;
    let Some((section, encoding)) = layout.vectors() else {
        let content = read_section(file, layout.require(SectionKind::Faiss)?).map_err(|e| e.at(path))?;
        return Ok(Some(engine.shared().open(&head.settings.kind, dim, metric, &content)?));
    };
    read_padding(file, section).map_err(|e| e.at(path))?;
    // Only what stands there as f32 can be searched where it is.
    if options.map && encoding == VectorEncoding::F32 {
        return map_vectors(file, path, section, dim, metric).map(Some);
    }
    let mut rows = RowVerifier::new(dim, metric, encoding);
    let mut failure = None;
    let read = engine.read_rows(dim, metric, head.count, &mut |out| {
        rows.fill(out, |piece| file.read_exact(piece)).map_err(|source| {
            failure = Some(source);
            io::Error::other("the rows could not be read")
        })
    });
    if let Some(source) = failure {
        return Err(Failure::Io(source).at(path));
    }
    let stats = rows.finish(section)?;
    Ok(Some(read?.into_index(stats)?))
}

#[cfg(unix)]
fn map_vectors(
    file: &File,
    path: &Path,
    section: &Section,
    dim: usize,
    metric: Metric,
) -> Result<Box<dyn VectorIndex>> {
    let rows = mapped::MappedRows::new(file, section).map_err(|source| Error::Io {
        operation: "map",
        path: path.to_owned(),
        source,
    })?;
    verify(section, rows.bytes())?;
    let index =
        twindex_core::FlatIndex::shared(std::sync::Arc::new(rows), dim, metric, crate::kernel::best())?;
    Ok(Box::new(index))
}
