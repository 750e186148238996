//! From files, folders and standard input to documents.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use twindex::core::Document;
use twindex::core::text::{
    CharacterTextSplitter, RecursiveCharacterTextSplitter, TextSplitter, load_jsonl, load_text,
};

use crate::args::{Ids, InputArgs, InputFormat, SplitterKind};
use crate::failure::Failure;
use crate::ui::{Ui, count};

const TEXT: [&str; 4] = ["txt", "text", "md", "markdown"];
const JSONL: [&str; 2] = ["jsonl", "ndjson"];
/// Files named one by one in notes.
const NAMED: usize = 10;

/// A document to be, and its vector if the input has one.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) document: Document,
    pub(crate) vector: Option<Vec<f32>>,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) items: Vec<Item>,
    pub(crate) files: Vec<Taken>,
    pub(crate) skipped: Vec<Skipped>,
}

/// A file that was read.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    path: String,
    documents: usize,
}

/// A file or folder that was passed over.
#[derive(Debug, Serialize)]
pub(crate) struct Skipped {
    path: String,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Jsonl,
}

/// Something to read.
#[derive(Debug)]
struct Source {
    /// `None` is standard input.
    path: Option<PathBuf>,
    name: String,
    format: Format,
}

/// Reads and cuts everything, and says what was taken and what not.
pub(crate) fn load(args: &InputArgs, ui: &Ui) -> Result<Loaded, Failure> {
    let splitter = splitter(args)?;
    let mut loaded = Loaded::default();
    let sources = find(args, &mut loaded.skipped)?;
    for source in sources {
        match read(&source, args, splitter.as_deref()) {
            Ok(items) if items.is_empty() => {
                loaded.skipped.push(Skipped { path: source.name, reason: "it is blank".into() });
            }
            Ok(items) => {
                loaded.files.push(Taken { path: source.name, documents: items.len() });
                loaded.items.extend(items);
            }
            Err(failure) if args.skip_unreadable => {
                loaded.skipped.push(Skipped { path: source.name, reason: failure.message });
            }
            Err(failure) => return Err(failure),
        }
    }
    loaded.tell(args, ui);
    if loaded.items.is_empty() {
        return Err(Failure::new("no_documents", "there is no document in the input"));
    }
    Ok(loaded)
}

impl Loaded {
    fn tell(&self, args: &InputArgs, ui: &Ui) {
        let (files, documents) = (count(self.files.len(), "file"), count(self.items.len(), "document"));
        ui.note(format_args!("read {documents} from {files}"));
        for taken in self.files.iter().take(NAMED) {
            ui.note(format_args!("  {}: {}", taken.path, count(taken.documents, "document")));
        }
        if self.files.len() > NAMED {
            ui.note(format_args!(
                "  and {} more (--json names all)",
                count(self.files.len() - NAMED, "file")
            ));
        }
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for skipped in &self.skipped {
            by_reason.entry(&skipped.reason).or_default().push(&skipped.path);
        }
        for (reason, paths) in by_reason {
            let more = if paths.len() > NAMED { ", ..." } else { "" };
            let named = paths[..paths.len().min(NAMED)].join(", ");
            ui.note(format_args!("skipped {} ({reason}): {named}{more}", paths.len()));
        }
        let long = |item: &&Item| item.document.page_content.chars().count() > args.chunk_size;
        let cut = args.splitter != SplitterKind::None;
        let long = if cut { self.items.iter().filter(long).count() } else { 0 };
        if long > 0 {
            ui.note(format_args!(
                "{} longer than {} characters: not cut, or nothing in them to cut at",
                count(long, "document"),
                args.chunk_size
            ));
        }
    }
}

/// What cuts texts, checked; `None` if nothing does.
fn splitter(args: &InputArgs) -> Result<Option<Box<dyn TextSplitter>>, Failure> {
    Ok(match args.splitter {
        SplitterKind::None => None,
        SplitterKind::Recursive => {
            let splitter = RecursiveCharacterTextSplitter::new()
                .chunk_size(args.chunk_size)
                .chunk_overlap(args.chunk_overlap)
                .add_start_index(args.start_index);
            splitter.validate()?;
            Some(Box::new(splitter))
        }
        SplitterKind::Character => {
            let splitter = CharacterTextSplitter::new()
                .chunk_size(args.chunk_size)
                .chunk_overlap(args.chunk_overlap)
                .add_start_index(args.start_index);
            splitter.validate()?;
            Some(Box::new(splitter))
        }
    })
}

fn format_of(path: &Path) -> Option<Format> {
    let extension = path.extension().and_then(OsStr::to_str)?.to_ascii_lowercase();
    let one_of = |list: &[&str]| list.contains(&extension.as_str());
    if one_of(&TEXT) {
        Some(Format::Text)
    } else if one_of(&JSONL) {
        Some(Format::Jsonl)
    } else {
        None
    }
}

/// What there is to read, in the order given; the files of a folder sorted, each file once.
fn find(args: &InputArgs, skipped: &mut Vec<Skipped>) -> Result<Vec<Source>, Failure> {
    let named = |of_name: Option<Format>| match args.input_format {
        InputFormat::Auto => of_name.unwrap_or(Format::Text),
        InputFormat::Text => Format::Text,
        InputFormat::Jsonl => Format::Jsonl,
    };
    let mut sources = Vec::new();
    let mut seen = HashSet::new();
    for input in &args.inputs {
        if input.as_os_str() == "-" {
            sources.push(Source { path: None, name: "stdin".into(), format: named(None) });
            continue;
        }
        let metadata = fs::metadata(input).map_err(|error| Failure::file("read", input, error))?;
        let mut files = Vec::new();
        if metadata.is_dir() {
            walk(input, args, &mut files, skipped)?;
        } else {
            files.push((input.clone(), named(format_of(input))));
        }
        for (path, format) in files {
            let name = path.display().to_string();
            // Pipes and such have no path to compare.
            if fs::canonicalize(&path).is_ok_and(|real| real.is_file() && !seen.insert(real)) {
                skipped.push(Skipped { path: name, reason: "it was given before".into() });
            } else {
                sources.push(Source { path: Some(path), name, format });
            }
        }
    }
    Ok(sources)
}

/// The files in a folder and below that can be read, sorted by name. Folders behind links are passed over: they may lead in circles.
fn walk(
    folder: &Path,
    args: &InputArgs,
    files: &mut Vec<(PathBuf, Format)>,
    skipped: &mut Vec<Skipped>,
) -> Result<(), Failure> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> = match list(&folder) {
            Ok(entries) => entries,
            Err(error) if args.skip_unreadable => {
                skipped.push(Skipped { path: folder.display().to_string(), reason: error.to_string() });
                continue;
            }
            Err(error) => return Err(Failure::file("read the folder", &folder, error)),
        };
        entries.sort();
        let mut below = Vec::new();
        for path in entries {
            let mut skip = |reason: String| {
                skipped.push(Skipped { path: path.display().to_string(), reason });
            };
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
                skip("it is hidden".into());
            } else if path.is_dir() {
                if path.is_symlink() {
                    skip("it is a link to a folder".into());
                } else {
                    below.push(path);
                }
            } else if !path.is_file() {
                skip("it is no file".into());
            } else {
                match (format_of(&path), path.extension()) {
                    (Some(format), _) => files.push((path, format)),
                    (None, Some(extension)) => {
                        skip(format!("files .{} are not read from folders", extension.to_string_lossy()));
                    }
                    (None, None) => skip("files without an extension are not read from folders".into()),
                }
            }
        }
        folders.extend(below.into_iter().rev());
    }
    Ok(())
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

fn read(
    source: &Source,
    args: &InputArgs,
    splitter: Option<&dyn TextSplitter>,
) -> Result<Vec<Item>, Failure> {
    let bytes = match &source.path {
        Some(path) => fs::read(path).map_err(|error| Failure::file("read", path, error))?,
        None => {
            let mut bytes = Vec::new();
            let mut stdin = io::stdin().lock();
            stdin.read_to_end(&mut bytes).map_err(|error| Failure::io("read", "standard input", error))?;
            bytes
        }
    };
    let wrong = |error: twindex::core::text::LoadError| {
        Failure::new(error.code(), format!("{}: {error}", source.name))
    };
    let mut items = Vec::new();
    match source.format {
        Format::Text => {
            let document = load_text(&bytes, source.name.clone()).map_err(wrong)?;
            items.extend(cut(document, splitter)?);
        }
        Format::Jsonl => {
            for row in load_jsonl(&bytes).map_err(wrong)? {
                if args.split_jsonl && row.vector.is_none() {
                    items.extend(cut(row.document, splitter)?);
                } else {
                    items.push(Item { document: row.document, vector: row.vector });
                }
            }
        }
    }
    if args.ids == Ids::Source {
        for (number, item) in items.iter_mut().enumerate() {
            let id = &mut item.document.id;
            if id.as_deref().is_none_or(str::is_empty) {
                *id = Some(format!("{}#{number}", source.name));
            }
        }
    }
    Ok(items)
}

/// The chunks of a document, which has its id left behind; nothing if the text is blank.
fn cut(document: Document, splitter: Option<&dyn TextSplitter>) -> Result<Vec<Item>, Failure> {
    let documents = match splitter {
        Some(splitter) => splitter.split_documents(std::slice::from_ref(&document))?,
        None if document.page_content.trim().is_empty() => Vec::new(),
        None => vec![document],
    };
    Ok(documents.into_iter().map(|document| Item { document, vector: None }).collect())
}
