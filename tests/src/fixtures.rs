//! Files that others wrote, opened on an engine and compared with what those others hold and answer.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use twindex::core::{Engine, PortableEngine};
use twindex::faiss::FaissEngine;
use twindex::interop::{self, Format};
use twindex::{EngineKind, kernel};
use twindex_core::testkit::fixtures::{self, ExpectedIndex};

/// How many files and stores agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Agreement {
    /// Those that did.
    pub passed: usize,
    /// Those that did not.
    pub failed: usize,
}

/// Everything in a folder and below: `NAME.faiss` with `NAME.json`, and folders with an `expected.json`.
#[derive(Debug, Default)]
pub struct Found {
    indexes: Vec<PathBuf>,
    stores: Vec<PathBuf>,
}

impl Found {
    /// Looks for files with something to compare them with.
    ///
    /// # Errors
    /// What the file system says.
    pub fn in_folder(folder: &Path) -> Result<Self, String> {
        let mut found = Self::default();
        found.look(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        found.indexes.sort();
        found.stores.sort();
        Ok(found)
    }

    fn look(&mut self, folder: &Path) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.look(&path)?;
            } else if path.file_name().is_some_and(|name| name == "expected.json") {
                self.stores.push(folder.to_owned());
            } else if path.extension().is_some_and(|end| end == "faiss")
                && path.with_extension("json").is_file()
            {
                self.indexes.push(path);
            }
        }
        Ok(())
    }

    /// Opens all on an engine and says what differs.
    ///
    /// # Errors
    /// What writing to `out` says.
    pub fn check(&self, engine: EngineKind, out: &mut dyn Write) -> std::io::Result<Agreement> {
        let mut agreement = Agreement::default();
        let mut tell = |path: &Path, outcome: Result<(), String>| match outcome {
            Ok(()) => {
                agreement.passed += 1;
                Ok(())
            }
            Err(why) => {
                agreement.failed += 1;
                writeln!(out, "{} ({engine}): {why}", path.display())
            }
        };
        for path in &self.indexes {
            tell(path, check_index(path, engine))?;
        }
        for folder in &self.stores {
            tell(folder, check_store(folder, engine, None))?;
            let serialized = folder.join("serialized.pkl");
            if serialized.is_file() {
                tell(&serialized, check_store(folder, engine, Some(&serialized)))?;
            }
        }
        Ok(agreement)
    }
}

fn engine_of(kind: EngineKind) -> Result<Arc<dyn Engine>, String> {
    Ok(match kind {
        EngineKind::Faiss => Arc::new(FaissEngine::new().map_err(|error| error.to_string())?),
        EngineKind::Flat => Arc::new(PortableEngine::new(kernel::best())),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| error.to_string())
}

fn check_index(path: &Path, engine: EngineKind) -> Result<(), String> {
    let expected = read(&path.with_extension("json"))?;
    let expected: ExpectedIndex = serde_json::from_slice(&expected).map_err(|error| error.to_string())?;
    expected.check(&read(path)?, engine_of(engine)?)
}

fn check_store(folder: &Path, engine: EngineKind, serialized: Option<&Path>) -> Result<(), String> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let expected = read(&folder.join("expected.json"))?;
    let expected = fixtures::parse(&String::from_utf8_lossy(&expected)).map_err(|error| error.to_string())?;
    let ids = || format!("new-{}", MADE.fetch_add(1, Ordering::Relaxed));
    let (path, format) = match serialized {
        Some(path) => (path, Some(Format::LangChainPickle)),
        None => (folder, None),
    };
    let imported = interop::read(path, format, &fixtures::options(&expected), engine, &ids);
    fixtures::check_store(&imported.map_err(|error| error.to_string())?.store, &expected)
}
