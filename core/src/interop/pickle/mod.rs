//! Python's pickles, as data: a reader that builds values and runs nothing, and a writer.
//!
//! A pickle is a program for a stack machine that may call any function of Python. [`read`] follows the few opcodes that LangChain's files are made of
//! (protocols 2 to 5) and keeps what would be called as a name with its arguments; a name that is not on a short list is refused, by name, where it stands.

use crate::error::{Error, Result};

mod python;
mod read;
mod write;

pub(crate) use python::{Converter, Key};
pub(crate) use read::read;
pub(crate) use write::Pickler;

/// A value of a [`Pickle`], by number: values refer to each other, and to themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(u32);

/// A value as the pickle has it.
#[derive(Debug)]
pub(crate) enum Object<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// Two's complement, little-endian, more than 8 bytes.
    Long(&'a [u8]),
    Float(f64),
    /// UTF-8 that may have lone surrogates.
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A name on the list.
    Global(Global),
    /// What calling a name would give, with what was done to it afterwards.
    Made {
        by: Global,
        args: Id,
        state: Option<Id>,
        entries: Vec<(Id, Id)>,
    },
}

/// The names that may stand in a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    Docstore,
    Document,
    FaissIndex,
    Set,
    FrozenSet,
    CodecsEncode,
    Datetime,
    Date,
    Timezone,
    Timedelta,
    PosixPath,
    WindowsPath,
    Decimal,
    Uuid,
    SafeUuid,
    NumpyScalar,
    NumpyDtype,
    OrderedDict,
}

impl Global {
    fn find(module: &str, name: &str) -> Result<Self> {
        let path = ["pathlib", "pathlib._local"].contains(&module);
        Ok(match (module, name) {
            (
                "langchain.docstore.in_memory"
                | "langchain_community.docstore.in_memory"
                | "langchain_classic.docstore.in_memory",
                "InMemoryDocstore",
            ) => Global::Docstore,
            (
                "langchain.schema"
                | "langchain.schema.document"
                | "langchain.docstore.document"
                | "langchain_core.documents"
                | "langchain_core.documents.base",
                "Document",
            ) => Global::Document,
            _ if module.starts_with("faiss.") && name.starts_with("Index") => Global::FaissIndex,
            ("builtins" | "__builtin__", "set") => Global::Set,
            ("builtins" | "__builtin__", "frozenset") => Global::FrozenSet,
            ("_codecs", "encode") => Global::CodecsEncode,
            ("datetime", "datetime") => Global::Datetime,
            ("datetime", "date") => Global::Date,
            ("datetime", "timezone") => Global::Timezone,
            ("datetime", "timedelta") => Global::Timedelta,
            (_, "PurePosixPath" | "PosixPath") if path => Global::PosixPath,
            (_, "PureWindowsPath" | "WindowsPath") if path => Global::WindowsPath,
            ("decimal" | "_decimal", "Decimal") => Global::Decimal,
            ("uuid", "UUID") => Global::Uuid,
            ("uuid", "SafeUUID") => Global::SafeUuid,
            ("numpy._core.multiarray" | "numpy.core.multiarray", "scalar") => Global::NumpyScalar,
            ("numpy", "dtype") => Global::NumpyDtype,
            ("collections", "OrderedDict") => Global::OrderedDict,
            _ => {
                let name = format!("{module}.{name}").escape_debug().take(200).collect::<String>();
                return Err(Error::UnsupportedContent {
                    needs: format!(
                        "Python's {name}, which is not among the classes that are read as data; nothing is run"
                    ),
                });
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Global::Docstore => "InMemoryDocstore",
            Global::Document => "Document",
            Global::FaissIndex => "faiss.Index",
            Global::Set => "builtins.set",
            Global::FrozenSet => "builtins.frozenset",
            Global::CodecsEncode => "_codecs.encode",
            Global::Datetime => "datetime.datetime",
            Global::Date => "datetime.date",
            Global::Timezone => "datetime.timezone",
            Global::Timedelta => "datetime.timedelta",
            Global::PosixPath => "pathlib.PosixPath",
            Global::WindowsPath => "pathlib.WindowsPath",
            Global::Decimal => "decimal.Decimal",
            Global::Uuid => "uuid.UUID",
            Global::SafeUuid => "uuid.SafeUUID",
            Global::NumpyScalar => "numpy.multiarray.scalar",
            Global::NumpyDtype => "numpy.dtype",
            Global::OrderedDict => "collections.OrderedDict",
        }
    }
}

/// The values of a pickle.
#[derive(Debug)]
pub(crate) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    pub(crate) root: Id,
    pub(crate) protocol: u8,
    /// How many bytes it was read from.
    pub(crate) len: usize,
}

impl<'a> Pickle<'a> {
    pub(crate) fn get(&self, id: Id) -> &Object<'a> {
        &self.objects[id.0 as usize]
    }

    /// The value under a text key of a dict.
    pub(crate) fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        let Object::Dict(entries) = self.get(dict) else { return None };
        // Of a key that comes twice, Python keeps the later.
        entries.iter().rev().find_map(|&(k, value)| match self.get(k) {
            Object::Text(text) if *text == key.as_bytes() => Some(value),
            _ => None,
        })
    }

    /// A bytes value, also as protocol 2 spells it: text encoded as Latin-1.
    pub(crate) fn bytes(&self, id: Id) -> Option<std::borrow::Cow<'a, [u8]>> {
        match self.get(id) {
            Object::Bytes(bytes) => Some((*bytes).into()),
            Object::Made { by: Global::CodecsEncode, args, .. } => {
                let Object::Tuple(args) = self.get(*args) else { return None };
                let Object::Text(text) = self.get(*args.first()?) else { return None };
                let text = std::str::from_utf8(text).ok()?;
                let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
                latin.map(Into::into)
            }
            _ => None,
        }
    }

    /// What a value is, for messages.
    pub(crate) fn describe(&self, id: Id) -> &'static str {
        match self.get(id) {
            Object::None => "None",
            Object::Bool(_) => "a bool",
            Object::Int(_) | Object::Long(_) => "an int",
            Object::Float(_) => "a float",
            Object::Text(_) => "a str",
            Object::Bytes(_) => "bytes",
            Object::Tuple(_) => "a tuple",
            Object::List(_) => "a list",
            Object::Set(_) => "a set",
            Object::Dict(_) => "a dict",
            Object::Global(global) | Object::Made { by: global, .. } => global.name(),
        }
    }
}

pub(crate) fn corrupt<T>(reason: String) -> Result<T> {
    Err(Error::Corrupt { section: "pickle", reason })
}
