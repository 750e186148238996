//! Python's values as metadata: what JSON has as it is, the rest as text, lists or numbers, counted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{Global, Id, Object, Pickle, corrupt};
use crate::error::{Error, Result};
use crate::value::{MAX_NESTING, Metadata, Value};

/// Integers longer than this are refused: text of `n` digits takes time in the square of `n`.
const MAX_INTEGER_BYTES: usize = 1024;

/// What values may grow to by being referred to more than once: this much, and so many times the pickle itself.
const BUDGET: usize = 64 << 20;
const BUDGET_FACTOR: usize = 64;

/// What a docstore finds a document by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    None,
    Text(String),
    /// Of another type, as `str()` gives it: `1` is not `"1"`.
    Other(String),
}

/// Turns values of a pickle into metadata, and counts what changed its type on the way.
#[derive(Debug)]
pub(crate) struct Converter<'p, 'a> {
    pickle: &'p Pickle<'a>,
    pub(crate) converted: BTreeMap<&'static str, usize>,
    budget: usize,
}

impl<'p, 'a> Converter<'p, 'a> {
    pub(crate) fn new(pickle: &'p Pickle<'a>) -> Self {
        let budget = pickle.len.saturating_mul(BUDGET_FACTOR).saturating_add(BUDGET);
        Self { pickle, converted: BTreeMap::new(), budget }
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.converted.entry(what).or_default() += 1;
    }

    fn spend(&mut self, bytes: usize) -> Result<()> {
        match self.budget.checked_sub(bytes) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => corrupt("its values refer to each other so often that they would fill the memory".into()),
        }
    }

    /// The value under a text key of a dict, of which the whole is looked at.
    pub(crate) fn entry(&mut self, dict: Id, key: &str) -> Result<Option<Id>> {
        if let Object::Dict(entries) = self.pickle.get(dict) {
            self.spend(entries.len() * 8)?;
        }
        Ok(self.pickle.entry(dict, key))
    }

    /// An integer past 64 bits in decimal, which takes time in the square of its length.
    fn decimal(&mut self, negative: bool, magnitude: Vec<u8>) -> Result<String> {
        self.spend(magnitude.len() * magnitude.len() / 4 + 64)?;
        decimal(negative, magnitude)
    }

    /// A text; lone surrogates, which UTF-8 does not have, become U+FFFD.
    pub(crate) fn text(&mut self, id: Id) -> Result<String> {
        let Object::Text(text) = *self.pickle.get(id) else {
            return corrupt(format!("a str expected, got {}", self.pickle.describe(id)));
        };
        self.spend(text.len())?;
        if let Ok(text) = std::str::from_utf8(text) {
            return Ok(text.to_owned());
        }
        let (mut whole, mut rest) = (String::with_capacity(text.len()), text);
        while !rest.is_empty() {
            let good = match std::str::from_utf8(rest) {
                Ok(good) => good.len(),
                Err(error) => error.valid_up_to(),
            };
            let (valid, tail) = rest.split_at(good);
            whole.push_str(std::str::from_utf8(valid).unwrap_or_default());
            rest = match tail {
                [] => tail,
                [0xed, 0xa0..=0xbf, 0x80..=0xbf, tail @ ..] => {
                    whole.push(char::REPLACEMENT_CHARACTER);
                    self.count("unpaired surrogate to U+FFFD");
                    tail
                }
                _ => return corrupt("a str that is not UTF-8".into()),
            };
        }
        Ok(whole)
    }

    /// A key of a docstore.
    pub(crate) fn docstore_key(&mut self, id: Id) -> Result<Key> {
        Ok(match self.pickle.get(id) {
            Object::None => Key::None,
            Object::Text(_) => Key::Text(self.text(id)?),
            _ => {
                let text = self.key_text(id)?;
                self.count("id to string");
                Key::Other(text)
            }
        })
    }

    /// A dict as a map.
    pub(crate) fn metadata(&mut self, id: Id, row: usize) -> Result<Metadata> {
        match self.value(id, 0) {
            Ok(Value::Map(map)) => Ok(map),
            Ok(other) => Err(Error::InvalidMetadata {
                row,
                reason: format!("a dict expected, got {}", other.type_name()),
            }),
            Err(Error::Corrupt { section: "metadata", reason }) => {
                Err(Error::InvalidMetadata { row, reason })
            }
            Err(error) => Err(error),
        }
    }

    fn value(&mut self, id: Id, depth: usize) -> Result<Value> {
        if depth > MAX_NESTING {
            return refuse(format!("nested more than {MAX_NESTING} levels deep, or in itself"));
        }
        self.spend(32)?;
        let pickle = self.pickle;
        Ok(match pickle.get(id) {
            Object::None => Value::Null,
            Object::Bool(b) => Value::Bool(*b),
            Object::Int(n) => Value::Int(*n),
            Object::Long(bytes) => self.long(bytes)?,
            Object::Float(x) => self.float(*x),
            Object::Text(_) => Value::String(self.text(id)?),
            Object::List(items) => self.list(items, depth)?,
            Object::Tuple(items) => {
                self.count("tuple to list");
                self.list(items, depth)?
            }
            Object::Set(items) => self.set(items, depth)?,
            Object::Dict(entries) => self.map(entries, depth)?,
            Object::Bytes(_) => self.base64(id)?,
            Object::Global(global) => {
                return refuse(format!("the class {} itself as a value", global.name()));
            }
            Object::Made { by, args, state, entries } => {
                let Object::Tuple(args) = pickle.get(*args) else {
                    return refuse(format!("{} without arguments", by.name()));
                };
                self.made(id, *by, args, *state, entries, depth)?
            }
        })
    }

    fn list(&mut self, items: &[Id], depth: usize) -> Result<Value> {
        let items: Result<_> = items.iter().map(|&item| self.value(item, depth + 1)).collect();
        Ok(Value::List(items?))
    }

    /// The items of a set have no order: they come sorted by their JSON.
    fn set(&mut self, items: &[Id], depth: usize) -> Result<Value> {
        self.count("set to list");
        let Value::List(items) = self.list(items, depth)? else { unreachable!("a list") };
        let mut items: Vec<(String, Value)> =
            items.into_iter().map(|item| (item.to_string(), item)).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        items.dedup_by(|a, b| a.0 == b.0);
        Ok(Value::List(items.into_iter().map(|(_, item)| item).collect()))
    }

    fn map(&mut self, entries: &[(Id, Id)], depth: usize) -> Result<Value> {
        let mut map: BTreeMap<String, (bool, Value)> = BTreeMap::new();
        for &(key, value) in entries {
            let is_text = matches!(self.pickle.get(key), Object::Text(_));
            let text = if is_text { self.text(key)? } else { self.key_text(key)? };
            if !is_text {
                self.count("key to string");
            }
            let value = self.value(value, depth + 1)?;
            // A text key that comes twice is one key, set twice. Keys of other types are others.
            if let Some((was_text, _)) = map.get(&text)
                && !(is_text && *was_text)
            {
                return refuse(format!("two keys that are both {text:?} as text"));
            }
            map.insert(text, (is_text, value));
        }
        Ok(Value::Map(map.into_iter().map(|(key, (_, value))| (key, value)).collect()))
    }

    fn float(&mut self, x: f64) -> Value {
        if x.is_finite() {
            return Value::from(x);
        }
        self.count("NaN or infinity to null");
        Value::Null
    }

    fn long(&mut self, bytes: &[u8]) -> Result<Value> {
        let (negative, magnitude) = magnitude(bytes);
        if magnitude.len() <= 8 {
            let mut number = [0; 8];
            number[..magnitude.len()].copy_from_slice(&magnitude);
            let number = u64::from_le_bytes(number);
            if !negative {
                return Ok(Value::from(number));
            }
            if let Some(number) = 0i64.checked_sub_unsigned(number) {
                return Ok(Value::Int(number));
            }
        }
        self.count("integer past 64 bits to string");
        Ok(Value::String(self.decimal(negative, magnitude)?))
    }

    fn base64(&mut self, id: Id) -> Result<Value> {
        let Some(bytes) = self.pickle.bytes(id) else {
            return refuse("an encoding of text other than Latin-1".into());
        };
        self.spend(bytes.len() * 4 / 3)?;
        self.count("bytes to base64");
        Ok(Value::String(BASE64.encode(bytes)))
    }

    /// What a call would give.
    fn made(
        &mut self,
        id: Id,
        by: Global,
        args: &[Id],
        state: Option<Id>,
        entries: &[(Id, Id)],
        depth: usize,
    ) -> Result<Value> {
        let (what, text) = match by {
            Global::CodecsEncode => return self.base64(id),
            Global::Set | Global::FrozenSet => {
                return match args {
                    [] => self.set(&[], depth),
                    [items] => match self.pickle.get(*items) {
                        Object::List(items) | Object::Tuple(items) => self.set(items, depth),
                        _ => refuse(format!("a set of {}", self.pickle.describe(*items))),
                    },
                    _ => refuse("a set of more than one list".into()),
                };
            }
            Global::OrderedDict if args.is_empty() => return self.map(entries, depth),
            Global::NumpyScalar => return self.numpy(args),
            Global::Datetime => ("datetime to string", self.datetime(args)?),
            Global::Date => ("date to string", self.date(args)?),
            Global::PosixPath => ("path to string", self.path(args, '/')?),
            Global::WindowsPath => ("path to string", self.path(args, '\\')?),
            Global::Decimal => match args {
                [text] => ("Decimal to string", self.text(*text)?),
                _ => return refuse("a Decimal of other than one text".into()),
            },
            Global::Uuid => ("UUID to string", self.uuid(state)?),
            _ => return refuse(format!("a value of the class {}", by.name())),
        };
        self.count(what);
        Ok(Value::String(text))
    }

    fn fixed<const N: usize>(&self, id: Option<&Id>, what: &str) -> Result<[u8; N]> {
        let bytes = id.and_then(|&id| self.pickle.bytes(id));
        match bytes.and_then(|bytes| <[u8; N]>::try_from(&*bytes).ok()) {
            Some(bytes) => Ok(bytes),
            None => refuse(format!("{what} of {N} bytes expected")),
        }
    }

    fn date(&self, args: &[Id]) -> Result<String> {
        let [high, low, month, day] = self.fixed(args.first(), "a date")?;
        let year = u16::from_be_bytes([high, low]);
        check(args.len() == 1 && is_day(year, month, day), "a date")?;
        Ok(format!("{year:04}-{month:02}-{day:02}"))
    }

    /// As Python's `isoformat()`.
    fn datetime(&self, args: &[Id]) -> Result<String> {
        let [y1, y2, month, day, hour, minute, second, m1, m2, m3] =
            self.fixed(args.first(), "a datetime")?;
        // The top bit of the month is `fold`, which ISO 8601 does not write.
        let month = month & 0x7f;
        let year = u16::from_be_bytes([y1, y2]);
        let fits = is_day(year, month, day) && hour < 24 && minute < 60 && second < 60;
        let micros = u32::from_be_bytes([0, m1, m2, m3]);
        check(fits && micros < 1_000_000 && args.len() <= 2, "a datetime")?;
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if micros != 0 {
            let _ = write!(text, ".{micros:06}");
        }
        if let Some(&zone) = args.get(1)
            && !matches!(self.pickle.get(zone), Object::None)
        {
            self.offset(zone, &mut text)?;
        }
        Ok(text)
    }

    /// Adds the offset of a `datetime.timezone`.
    fn offset(&self, zone: Id, text: &mut String) -> Result<()> {
        let micros = self.called(zone, Global::Timezone).and_then(|args| {
            let parts = self.called(*args.first()?, Global::Timedelta)?;
            let [days, seconds, micros] =
                [0, 1, 2].map(|i| match parts.get(i).map(|&id| self.pickle.get(id)) {
                    Some(Object::Int(n)) => Some(*n),
                    None => Some(0),
                    Some(_) => None,
                });
            let seconds = days?.checked_mul(86_400)?.checked_add(seconds?)?;
            seconds.checked_mul(1_000_000)?.checked_add(micros?)
        });
        const DAY: i64 = 86_400_000_000;
        let Some(micros) = micros.filter(|micros| (-DAY..DAY).contains(micros)) else {
            return refuse("a timezone of less than a day expected".into());
        };
        let (size, sign) = (micros.unsigned_abs(), if micros < 0 { '-' } else { '+' });
        let seconds = size / 1_000_000;
        let _ = write!(text, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
        if seconds % 60 != 0 || size % 1_000_000 != 0 {
            let _ = write!(text, ":{:02}", seconds % 60);
        }
        if size % 1_000_000 != 0 {
            let _ = write!(text, ".{:06}", size % 1_000_000);
        }
        Ok(())
    }

    /// The arguments of a call of this.
    fn called(&self, id: Id, wanted: Global) -> Option<&'p [Id]> {
        match self.pickle.get(id) {
            Object::Made { by, args, .. } if *by == wanted => match self.pickle.get(*args) {
                Object::Tuple(args) => Some(args),
                _ => None,
            },
            _ => None,
        }
    }

    fn path(&mut self, parts: &[Id], separator: char) -> Result<String> {
        let mut path = String::new();
        for &part in parts {
            let part = self.text(part)?;
            if !path.is_empty() && !path.ends_with(separator) {
                path.push(separator);
            }
            path.push_str(&part);
        }
        // Python writes a path of no parts as the current folder.
        Ok(if path.is_empty() { ".".into() } else { path })
    }

    fn uuid(&mut self, state: Option<Id>) -> Result<String> {
        let number = match state {
            Some(state) => self.entry(state, "int")?,
            None => None,
        };
        let number = match number.map(|id| self.pickle.get(id)) {
            Some(Object::Int(n)) => u128::try_from(*n).ok(),
            Some(Object::Long(bytes)) => {
                let (negative, magnitude) = magnitude(bytes);
                let mut number = [0; 16];
                (!negative && magnitude.len() <= 16).then(|| {
                    number[..magnitude.len()].copy_from_slice(&magnitude);
                    u128::from_le_bytes(number)
                })
            }
            _ => None,
        };
        let Some(number) = number else { return refuse("a UUID of 128 bits expected".into()) };
        let hex = format!("{number:032x}");
        Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
    }

    fn numpy(&mut self, args: &[Id]) -> Result<Value> {
        let &[dtype, bytes] = args else {
            return refuse("a numpy scalar of a dtype and bytes expected".into());
        };
        let kind = self.called(dtype, Global::NumpyDtype).and_then(|args| args.first());
        let kind = match kind.map(|&id| self.pickle.get(id)) {
            Some(Object::Text(kind)) => *kind,
            _ => b"?",
        };
        let big_endian = match self.pickle.get(dtype) {
            Object::Made { state: Some(state), .. } => match self.pickle.get(*state) {
                Object::Tuple(items) => {
                    items.get(1).is_some_and(|&id| matches!(self.pickle.get(id), Object::Text(b">")))
                }
                _ => false,
            },
            _ => false,
        };
        let bytes = self.pickle.bytes(bytes).unwrap_or(Cow::Borrowed(&[]));
        let mut bytes = bytes.into_owned();
        if big_endian {
            bytes.reverse();
        }
        macro_rules! number {
            ($type:ty) => {
                match bytes.as_slice().try_into() {
                    Ok(bytes) => <$type>::from_le_bytes(bytes),
                    Err(_) => return refuse("a numpy scalar with the bytes of its dtype expected".into()),
                }
            };
        }
        let value = match kind {
            b"f2" => self.float(half::f16::from_bits(number!(u16)).to_f64()),
            b"f4" => self.float(number!(f32).into()),
            b"f8" => self.float(number!(f64)),
            b"i1" => Value::from(number!(i8)),
            b"i2" => Value::from(number!(i16)),
            b"i4" => Value::from(number!(i32)),
            b"i8" => Value::from(number!(i64)),
            b"u1" => Value::from(number!(u8)),
            b"u2" => Value::from(number!(u16)),
            b"u4" => Value::from(number!(u32)),
            b"u8" => Value::from(number!(u64)),
            b"b1" => Value::from(number!(u8) != 0),
            other => return refuse(format!("a numpy scalar of type {:?}", other.escape_ascii().to_string())),
        };
        self.count("numpy scalar to number");
        Ok(value)
    }

    /// A key as Python's `str()` gives it.
    fn key_text(&mut self, id: Id) -> Result<String> {
        Ok(match self.pickle.get(id) {
            Object::None => "None".into(),
            Object::Bool(true) => "True".into(),
            Object::Bool(false) => "False".into(),
            Object::Int(n) => n.to_string(),
            Object::Long(bytes) => {
                let (negative, magnitude) = magnitude(bytes);
                self.decimal(negative, magnitude)?
            }
            Object::Float(x) => float_text(*x),
            Object::Tuple(items) => {
                self.spend(items.len() * 32)?;
                let items: Result<Vec<String>> = items.iter().map(|&item| self.repr(item)).collect();
                let items = items?;
                let comma = if items.len() == 1 { "," } else { "" };
                format!("({}{comma})", items.join(", "))
            }
            Object::Made {
                by:
                    Global::Datetime
                    | Global::Date
                    | Global::Decimal
                    | Global::Uuid
                    | Global::PosixPath
                    | Global::WindowsPath,
                ..
            } => {
                let counted = self.converted.clone();
                let value = self.value(id, 0)?;
                self.converted = counted;
                match value {
                    // `str()` of a datetime has a space where `isoformat()` has a T.
                    Value::String(text)
                        if matches!(self.pickle.get(id), Object::Made { by: Global::Datetime, .. }) =>
                    {
                        text.replacen('T', " ", 1)
                    }
                    Value::String(text) => text,
                    _ => unreachable!("these become text"),
                }
            }
            _ => return refuse(format!("a key that is {}", self.pickle.describe(id))),
        })
    }

    /// An item of a key that is a tuple, as Python's `repr()` gives it. Tuples in tuples are refused.
    fn repr(&mut self, id: Id) -> Result<String> {
        match self.pickle.get(id) {
            Object::Text(_) => {
                let text = self.text(id)?;
                let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
                let mut whole = String::from(quote);
                for c in text.chars() {
                    match c {
                        '\\' => whole.push_str("\\\\"),
                        '\n' => whole.push_str("\\n"),
                        '\r' => whole.push_str("\\r"),
                        '\t' => whole.push_str("\\t"),
                        c if c == quote => whole.extend(['\\', c]),
                        c => whole.push(c),
                    }
                }
                whole.push(quote);
                Ok(whole)
            }
            Object::None | Object::Bool(_) | Object::Int(_) | Object::Long(_) | Object::Float(_) => {
                self.key_text(id)
            }
            _ => refuse(format!("a key that is a tuple of {}", self.pickle.describe(id))),
        }
    }
}

/// A value that metadata cannot hold; the caller adds whose it is.
fn refuse<T>(reason: String) -> Result<T> {
    Err(Error::Corrupt { section: "metadata", reason })
}

/// Whether there is such a day in Python's calendar, which is Gregorian from year 1 to 9999.
fn is_day(year: u16, month: u8, day: u8) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=9999).contains(&year) && (1..=days).contains(&day)
}

fn check(fits: bool, what: &str) -> Result<()> {
    if fits { Ok(()) } else { refuse(format!("{what} that is none")) }
}

/// Sign and size, little-endian without leading zeros, of a number in two's complement.
fn magnitude(bytes: &[u8]) -> (bool, Vec<u8>) {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut size = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in &mut size {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    while size.last() == Some(&0) {
        size.pop();
    }
    (negative, size)
}

fn decimal(negative: bool, magnitude: Vec<u8>) -> Result<String> {
    if magnitude.len() > MAX_INTEGER_BYTES {
        return refuse(format!(
            "an integer of {} bytes; up to {MAX_INTEGER_BYTES} are read",
            magnitude.len()
        ));
    }
    let mut limbs: Vec<u32> = magnitude
        .chunks(4)
        .map(|chunk| chunk.iter().rev().fold(0, |limb, &byte| limb << 8 | u32::from(byte)))
        .collect();
    // Nine digits at a time, the last first.
    const BASE: u64 = 1_000_000_000;
    let mut groups = Vec::new();
    while !limbs.is_empty() {
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let number = rest << 32 | u64::from(*limb);
            *limb = (number / BASE) as u32;
            rest = number % BASE;
        }
        groups.push(rest);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
    }
    let mut text = String::from(if negative { "-" } else { "" });
    let _ = write!(text, "{}", groups.pop().unwrap_or(0));
    groups.iter().rev().for_each(|group| {
        let _ = write!(text, "{group:09}");
    });
    Ok(text)
}

/// As Python writes floats: digits up to 10^16, then with an exponent.
fn float_text(x: f64) -> String {
    if x.is_nan() {
        return "nan".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.into();
    }
    let size = x.abs();
    if size == 0.0 || (1e-4..1e16).contains(&size) {
        return format!("{x:?}");
    }
    let text = format!("{x:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        let of = |bytes: &[u8]| {
            let (negative, size) = magnitude(bytes);
            decimal(negative, size).unwrap()
        };
        let ten_to_30 = 10i128.pow(30);
        assert_eq!(of(&ten_to_30.to_le_bytes()), "1000000000000000000000000000000");
        assert_eq!(of(&(-ten_to_30 - 7).to_le_bytes()), "-1000000000000000000000000000007");
        assert_eq!(of(&i128::MIN.to_le_bytes()), i128::MIN.to_string());
        assert_eq!(of(&[0; 12]), "0");
        assert_eq!(of(&[]), "0");
        assert!(decimal(false, vec![1; 1024]).is_ok());
        assert!(decimal(false, vec![1; 1025]).is_err());
        for (x, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e300, "1.5e+300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float_text(x), text);
        }
    }
}
