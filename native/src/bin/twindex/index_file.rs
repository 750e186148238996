//! Which file a store is, opening it, and keeping two changes of it apart.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use twindex::embeddings::LexicalEmbeddings;
use twindex::{EngineKind, VectorStore, VectorStoreBuilder, index_path};

use crate::args::{DeviceArgs, Engine, IndexArgs};
use crate::failure::Failure;
use crate::ui::Ui;

const EXTENSION: &str = "twindex";

/// The file that an INDEX argument means: itself, or the index in that folder.
pub(crate) fn find(index: &Path, name: Option<&str>) -> Result<PathBuf, Failure> {
    let path = if index.is_dir() {
        index_path(index, name.unwrap_or("index"))?
    } else {
        name_fits_folders_only(index, name)?;
        index.to_owned()
    };
    Ok(real(path))
}

/// The file that `-o` means: itself if it ends in `.twindex`, else the index in that folder, which may not be there yet.
pub(crate) fn output(output: &Path, name: Option<&str>) -> Result<PathBuf, Failure> {
    let is_file = output.extension().is_some_and(|extension| extension == EXTENSION) && !output.is_dir();
    if !is_file {
        return Ok(real(index_path(output, name.unwrap_or("index"))?));
    }
    name_fits_folders_only(output, name)?;
    Ok(real(output.to_owned()))
}

fn name_fits_folders_only(path: &Path, name: Option<&str>) -> Result<(), Failure> {
    match name {
        None => Ok(()),
        Some(name) => Err(Failure::option(format!(
            "--index-name {name} goes with a folder, and {} is none",
            path.display()
        ))),
    }
}

/// Where a link leads: saving replaces that file, and not the link.
fn real(path: PathBuf) -> PathBuf {
    match fs::canonicalize(&path) {
        Ok(real) if path.is_symlink() => real,
        _ => path,
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Finds out before the long work whether a file can be written where it shall be.
pub(crate) fn check_writable(path: &Path) -> Result<(), Failure> {
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(|error| Failure::file("make the folder", folder, error))?;
    if path.is_dir() {
        return Err(Failure::new("io_error", format!("cannot write {}: it is a folder", path.display())));
    }
    let trial = folder.join(format!(".twindex.{}.trial", std::process::id()));
    File::create_new(&trial)
        .and_then(|_| fs::remove_file(&trial))
        .map_err(|error| Failure::file("write to the folder", folder, error))
}

/// Keeps other `twindex` processes from changing a file of the same folder, until it is dropped or the process ends.
///
/// Without it, two processes that add at once would each save what they loaded, and one's work would be lost. The lock is on the folder
/// and leaves nothing behind. Where folders cannot be locked, changes are atomic still.
pub(crate) fn lock(path: &Path, ui: &Ui) -> Option<File> {
    let folder = File::open(folder_of(path)).ok()?;
    match folder.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            ui.note("waiting for another twindex that is changing a file in this folder");
            folder.lock().ok()?;
        }
        Err(TryLockError::Error(_)) => return None,
    }
    Some(folder)
}

/// The engine that is asked for, or the best there is.
pub(crate) fn engine(asked: Option<Engine>) -> Result<EngineKind, Failure> {
    match asked {
        None => Ok(EngineKind::default()),
        Some(Engine::Flat) => Ok(EngineKind::Flat),
        #[cfg(feature = "faiss")]
        Some(Engine::Faiss) => Ok(EngineKind::Faiss),
        #[cfg(not(feature = "faiss"))]
        Some(Engine::Faiss) => {
            Err(Failure::new("unsupported_content", "this twindex was built without FAISS")
                .hint("build it with the feature `faiss`"))
        }
    }
}

/// Opens a store for work on vectors and documents. It cannot embed texts.
pub(crate) async fn open(path: &Path, engine: EngineKind, map: bool) -> Result<VectorStore, Failure> {
    Ok(builder(engine).map_file(map).load_file(path).await?)
}

/// Opens a store for searches, where they shall be made.
pub(crate) async fn open_on(
    path: &Path,
    engine: EngineKind,
    map: bool,
    device: &DeviceArgs,
    ui: &Ui,
) -> Result<VectorStore, Failure> {
    let store = device.apply(builder(engine).map_file(map)).load_file(path).await?;
    warn_of_stand_in(&store, ui);
    Ok(store)
}

/// Says so if the CPU stands in for the device that was asked for.
pub(crate) fn warn_of_stand_in(store: &VectorStore, ui: &Ui) {
    if let Some(notice) = store.device().notice {
        ui.warn("device_fallback", notice);
    }
}

/// A builder whose embeddings are never called: commands embed before they come to the store.
fn builder(engine: EngineKind) -> VectorStoreBuilder {
    VectorStore::builder(LexicalEmbeddings::default()).engine(engine)
}

impl IndexArgs {
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        find(&self.index, self.index_name.as_deref())
    }

    pub(crate) fn engine(&self) -> Result<EngineKind, Failure> {
        engine(self.engine)
    }

    /// Opens the store and says which file it is.
    pub(crate) async fn open(&self) -> Result<(PathBuf, VectorStore), Failure> {
        let path = self.path()?;
        let store = open(&path, self.engine()?, false).await?;
        Ok((path, store))
    }

    /// Opens the store to change it: nobody else does so before the lock is dropped.
    pub(crate) async fn open_to_change(
        &self,
        ui: &Ui,
    ) -> Result<(PathBuf, VectorStore, Option<File>), Failure> {
        let path = self.path()?;
        let lock = lock(&path, ui);
        let store = open(&path, self.engine()?, false).await?;
        Ok((path, store, lock))
    }
}
