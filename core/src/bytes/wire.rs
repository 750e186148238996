//! Reading postcard's wire format by hand, where serde would cost too much or bound too little: every
//! count against the bytes that remain, nesting, and the one way each thing may be written.

use crate::value::{MAX_NESTING, Metadata, Value, whole};

/// Why bytes are not what they should be.
pub(super) type Damage = &'static str;

type Read<T> = Result<T, Damage>;

/// Numbers of the variants of a value.
pub(super) mod variant {
    pub(crate) const NULL: u32 = 0;
    pub(crate) const BOOL: u32 = 1;
    pub(crate) const INT: u32 = 2;
    pub(crate) const UINT: u32 = 3;
    pub(crate) const FLOAT: u32 = 4;
    pub(crate) const STRING: u32 = 5;
    pub(crate) const LIST: u32 = 6;
    pub(crate) const MAP: u32 = 7;
}

/// A place in some bytes.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn byte(&mut self) -> Read<u8> {
        let (&byte, rest) = self.rest.split_first().ok_or("it ends too early")?;
        self.rest = rest;
        Ok(byte)
    }

    /// A varint: seven bits a byte, lowest first, in as few bytes as it takes.
    #[inline]
    pub(super) fn varint(&mut self) -> Read<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err("a number has more than 64 bits");
            }
            value |= bits << shift;
            if byte < 0x80 {
                return if byte == 0 { Err("a number takes more bytes than it needs") } else { Ok(value) };
            }
        }
        Err("a number has more than 64 bits")
    }

    /// A count of things of at least `size` bytes each.
    pub(super) fn count(&mut self, size: usize) -> Read<usize> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.rest.len() / size => Ok(count),
            _ => Err("a count is larger than the bytes that follow"),
        }
    }

    #[inline]
    pub(super) fn text(&mut self) -> Read<&'a str> {
        let len = self.count(1)?;
        std::str::from_utf8(self.take(len)?).map_err(|_| "a text is not UTF-8")
    }

    fn signed(&mut self) -> Read<i64> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    fn unsigned(&mut self) -> Read<u64> {
        match self.varint()? {
            n if i64::try_from(n).is_ok() => Err("an integer that fits i64 is written as unsigned"),
            n => Ok(n),
        }
    }

    fn float(&mut self) -> Read<f64> {
        let bytes = self.take(8)?.first_chunk().ok_or("it ends too early")?;
        let x = f64::from_le_bytes(*bytes);
        match whole(x) {
            Some(_) => Err("a whole number is written as a float"),
            None if x.is_finite() => Ok(x),
            None => Err("a float is not finite"),
        }
    }

    fn boolean(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("a boolean is neither 0 nor 1"),
        }
    }

    fn variant(&mut self) -> Read<u32> {
        u32::try_from(self.varint()?).map_err(|_| UNKNOWN)
    }

    /// A map whose values stand at `depth`.
    pub(super) fn map(&mut self, depth: usize) -> Read<Metadata> {
        let mut entries: Vec<(Box<str>, Value)> = Vec::with_capacity(self.count(2)?);
        for _ in 0..entries.capacity() {
            let key = self.text()?;
            entries.push((key.into(), self.value(depth)?));
        }
        Metadata::from_sorted(entries).ok_or(UNSORTED)
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        check_depth(depth)?;
        Ok(match self.variant()? {
            variant::NULL => Value::Null,
            variant::BOOL => Value::Bool(self.boolean()?),
            variant::INT => Value::Int(self.signed()?),
            variant::UINT => Value::UInt(self.unsigned()?),
            variant::FLOAT => Value::Float(self.float()?),
            variant::STRING => Value::String(self.text()?.to_owned()),
            variant::LIST => {
                let count = self.count(1)?;
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(self.value(depth + 1)?);
                }
                Value::List(items)
            }
            variant::MAP => Value::Map(self.map(depth + 1)?),
            _ => return Err(UNKNOWN),
        })
    }

    /// The value that filters see under a name in a map whose values stand at `depth`: that of the key of this name, else at the dotted
    /// path through maps. What is left to read is then anywhere.
    #[cfg(feature = "metadata-index")]
    pub(super) fn find(&mut self, name: &str, depth: usize) -> Read<Option<Value>> {
        let path = name.split_once('.');
        let mut below = None;
        for _ in 0..self.count(2)? {
            let key = self.text()?;
            if key == name {
                return self.value(depth).map(Some);
            }
            if key > name {
                break;
            }
            // What is before a dot is sorted before the whole.
            if let Some((first, rest)) = path
                && key == first
            {
                below = Some((Reader { rest: self.rest }, rest));
            }
            self.skip_value(depth)?;
        }
        let Some((mut map, rest)) = below else { return Ok(None) };
        if map.variant()? == variant::MAP { map.find(rest, depth + 1) } else { Ok(None) }
    }

    /// Passes over a map, checking everything that [`map`](Self::map) checks.
    pub(super) fn skip_map(&mut self, depth: usize) -> Read<()> {
        let mut last: Option<&str> = None;
        for _ in 0..self.count(2)? {
            let key = self.text()?;
            if last.is_some_and(|last| last >= key) {
                return Err(UNSORTED);
            }
            last = Some(key);
            self.skip_value(depth)?;
        }
        Ok(())
    }

    fn skip_value(&mut self, depth: usize) -> Read<()> {
        check_depth(depth)?;
        match self.variant()? {
            variant::NULL => Ok(()),
            variant::BOOL => self.boolean().map(drop),
            variant::INT => self.signed().map(drop),
            variant::UINT => self.unsigned().map(drop),
            variant::FLOAT => self.float().map(drop),
            variant::STRING => self.text().map(drop),
            variant::LIST => {
                for _ in 0..self.count(1)? {
                    self.skip_value(depth + 1)?;
                }
                Ok(())
            }
            variant::MAP => self.skip_map(depth + 1),
            _ => Err(UNKNOWN),
        }
    }
}

const UNKNOWN: Damage = "a value is of none of the kinds 0 to 7";
const UNSORTED: Damage = "the keys of a map are not sorted, each once";

fn check_depth(depth: usize) -> Read<()> {
    if depth > MAX_NESTING { Err("metadata nests too deep") } else { Ok(()) }
}
