//! Header and section table: fixed little-endian, not postcard.

use super::{VectorEncoding, checksum};
use crate::error::{Error, Result};

/// The first eight bytes, in the manner of PNG: not text, and damaged by every newline or 7-bit conversion.
pub const MAGIC: [u8; 8] = *b"\x89TWX\r\n\x1a\n";

/// The newest version this crate reads. It writes the oldest that has what a store needs.
pub const VERSION: u16 = 2;

/// Bytes before the section table.
pub const HEADER_LEN: usize = 24;

/// Every section starts at a multiple of this.
pub const ALIGNMENT: usize = 64;

const ENTRY_LEN: usize = 32;
const CHECKSUM_LEN: usize = 8;
/// More sections than any version has.
const MAX_SECTIONS: u32 = 64;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionKind {
    /// Metric, dimension, count and kind of index.
    Settings,
    /// Ids, texts and metadata.
    Documents,
    /// Vectors as rows of little-endian f32.
    Vectors,
    /// A FAISS index file.
    Faiss,
    /// Vectors as rows of little-endian half precision numbers.
    VectorsF16,
    /// Vectors as rows of a scale and 8-bit codes.
    VectorsI8,
}

impl SectionKind {
    const ALL: [SectionKind; 6] = [
        SectionKind::Settings,
        SectionKind::Documents,
        SectionKind::Vectors,
        SectionKind::Faiss,
        SectionKind::VectorsF16,
        SectionKind::VectorsI8,
    ];

    /// Its number in the table.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            SectionKind::Settings => 1,
            SectionKind::Documents => 2,
            SectionKind::Vectors => 3,
            SectionKind::Faiss => 4,
            SectionKind::VectorsF16 => 5,
            SectionKind::VectorsI8 => 6,
        }
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SectionKind::Settings => "settings",
            SectionKind::Documents => "documents",
            SectionKind::Vectors | SectionKind::VectorsF16 | SectionKind::VectorsI8 => "vectors",
            SectionKind::Faiss => "faiss",
        }
    }

    /// The version of the format that brought it.
    fn since(self) -> u16 {
        if self.number() > SectionKind::Faiss.number() { 2 } else { 1 }
    }
}

/// Where a section lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// What it holds.
    pub kind: SectionKind,
    /// Where it starts, in bytes from the beginning.
    pub offset: u64,
    /// How many bytes it has.
    pub len: u64,
    /// [`checksum`] of its bytes.
    pub checksum: u64,
    /// How many zero bytes stand before it.
    pub padding: u64,
}

impl Section {
    /// The section's bytes out of all bytes.
    ///
    /// # Panics
    /// If these are not the bytes that the layout was parsed with.
    #[must_use]
    pub fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.offset as usize..(self.offset + self.len) as usize]
    }
}

/// The section table, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    sections: Vec<Section>,
}

fn corrupt<T>(reason: String) -> Result<T> {
    Err(Error::Corrupt { section: "header", reason })
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

impl Layout {
    /// How many bytes header, table and header checksum take, from the first [`HEADER_LEN`] bytes.
    ///
    /// # Errors
    /// `not_a_store`, `newer_version`, `truncated` or `corrupt`.
    pub fn head_len(bytes: &[u8], total: u64) -> Result<usize> {
        let there = bytes.len().min(MAGIC.len());
        if bytes[..there] != MAGIC[..there] || there == 0 {
            return Err(Error::NotAStore { looks_like: looks_like(bytes) });
        }
        if bytes.len() < HEADER_LEN {
            return Err(Error::Truncated { expected: HEADER_LEN as u64, actual: total });
        }
        match u16_at(bytes, 8) {
            0 => return corrupt("version 1 or later expected, got 0".into()),
            version if version > VERSION => {
                return Err(Error::NewerVersion { supported: VERSION, actual: version });
            }
            _ => {}
        }
        let count = u32_at(bytes, 12);
        if count > MAX_SECTIONS {
            return corrupt(format!("at most {MAX_SECTIONS} sections expected, got {count}"));
        }
        Ok(HEADER_LEN + count as usize * ENTRY_LEN + CHECKSUM_LEN)
    }

    /// Reads and checks header and table. `bytes` is the beginning of a store of `total` bytes, at least
    /// [`head_len`](Self::head_len) long.
    ///
    /// # Errors
    /// `not_a_store`, `newer_version`, `truncated` or `corrupt`.
    pub fn parse(bytes: &[u8], total: u64) -> Result<Self> {
        let head_len = Self::head_len(bytes, total)?;
        let Some(head) = bytes.get(..head_len) else {
            return Err(Error::Truncated { expected: head_len as u64, actual: total });
        };
        let (table, stored) = head.split_at(head_len - CHECKSUM_LEN);
        if checksum(table) != u64_at(stored, 0) {
            return Err(Error::ChecksumMismatch { section: "header" });
        }
        if u16_at(head, 10) != 0 {
            return corrupt(format!("no flags expected, got {:#06x}", u16_at(head, 10)));
        }
        let announced = u64_at(head, 16);
        if announced > total {
            return Err(Error::Truncated { expected: announced, actual: total });
        }
        if announced < total {
            return corrupt(format!("{announced} bytes expected, {} follow them", total - announced));
        }
        let mut sections: Vec<Section> = Vec::new();
        let mut end = head_len as u64;
        for entry in table[HEADER_LEN..].chunks_exact(ENTRY_LEN) {
            let number = u32_at(entry, 0);
            let Some(kind) = SectionKind::ALL.into_iter().find(|kind| kind.number() == number) else {
                return corrupt(format!("section kinds 1 to 6 expected, got {number}"));
            };
            if sections.iter().any(|section| section.kind.number() >= number) {
                return corrupt("sections expected in the order of their kinds, each once".into());
            }
            if u32_at(entry, 4) != 0 {
                return corrupt("reserved bytes of the table expected to be 0".into());
            }
            let (offset, len, before) = (u64_at(entry, 8), u64_at(entry, 16), end);
            let expected = end.next_multiple_of(ALIGNMENT as u64);
            if offset != expected {
                return corrupt(format!(
                    "the {} section expected at byte {expected}, got {offset}",
                    kind.name()
                ));
            }
            end = match offset.checked_add(len) {
                Some(end) if end <= total => end,
                _ => return corrupt(format!("the {} section of {len} bytes leaves the store", kind.name())),
            };
            sections.push(Section {
                kind,
                offset,
                len,
                checksum: u64_at(entry, 24),
                padding: offset - before,
            });
        }
        let expected = sections.iter().map(|section| section.kind.since()).fold(1, u16::max);
        let version = u16_at(head, 8);
        if version != expected {
            return corrupt(format!("version {expected} expected for these sections, got {version}"));
        }
        if end != total {
            return corrupt(format!("the last section expected to end at byte {total}, ends at {end}"));
        }
        Ok(Self { sections })
    }

    /// The sections, in the order they lie.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section of a kind, if there is one.
    #[must_use]
    pub fn find(&self, kind: SectionKind) -> Option<&Section> {
        self.sections.iter().find(|section| section.kind == kind)
    }

    /// The section that holds vectors as plain rows, if there is one, and how they stand in it.
    #[must_use]
    pub fn vectors(&self) -> Option<(&Section, VectorEncoding)> {
        let find = |encoding: VectorEncoding| Some((self.find(encoding.section())?, encoding));
        VectorEncoding::ALL.into_iter().find_map(find)
    }

    /// The section of a kind.
    ///
    /// # Errors
    /// `corrupt` if there is none.
    pub fn require(&self, kind: SectionKind) -> Result<&Section> {
        match self.find(kind) {
            Some(section) => Ok(section),
            None => corrupt(format!("a {} section expected, got none", kind.name())),
        }
    }
}

/// Header and table of these sections, in this order.
pub(super) fn encode<'a>(sections: impl ExactSizeIterator<Item = (SectionKind, &'a [u8])>) -> Vec<u8> {
    let count = sections.len();
    let head_len = HEADER_LEN + count * ENTRY_LEN + CHECKSUM_LEN;
    let mut table = Vec::with_capacity(count * ENTRY_LEN);
    let (mut end, mut version) = (head_len as u64, 1);
    for (kind, bytes) in sections {
        version = kind.since().max(version);
        let offset = end.next_multiple_of(ALIGNMENT as u64);
        let len = bytes.len() as u64;
        table.extend(kind.number().to_le_bytes());
        table.extend(0u32.to_le_bytes());
        table.extend(offset.to_le_bytes());
        table.extend(len.to_le_bytes());
        table.extend(checksum(bytes).to_le_bytes());
        end = offset + len;
    }
    let mut head = Vec::with_capacity(head_len);
    head.extend(MAGIC);
    head.extend(version.to_le_bytes());
    head.extend(0u16.to_le_bytes());
    head.extend((count as u32).to_le_bytes());
    head.extend(end.to_le_bytes());
    head.append(&mut table);
    head.extend(checksum(&head).to_le_bytes());
    head
}

/// What foreign bytes are, where their beginning tells.
fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [] => Some("an empty file"),
        [0x80, 2..=5, ..] => Some("a Python pickle (LangChain's index.pkl or serialized store)"),
        [b'I', b'B' | b'H' | b'w' | b'x', _, _, ..] => Some("a FAISS index file"),
        [b'P', b'K', 3, 4, ..] => Some("a ZIP archive"),
        [0x1f, 0x8b, ..] => Some("a gzip file"),
        [b'{' | b'[', ..] => Some("JSON"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some("a NumPy array"),
        _ if bytes.starts_with(b"SQLite format 3") => Some("an SQLite database"),
        _ => None,
    }
}
