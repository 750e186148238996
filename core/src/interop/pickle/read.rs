//! The stack machine, less everything that would run something.

use std::collections::HashMap;

use super::{Global, Id, Object, Pickle, corrupt};
use crate::error::{Error, Result};

/// Reads a pickle. Memory is bounded by the pickle's length: each opcode makes at most one value.
///
/// # Errors
/// `unsupported_content` naming the class or opcode that is not read, `truncated`, `corrupt`.
pub(crate) fn read(bytes: &[u8]) -> Result<Pickle<'_>> {
    let mut machine = Machine {
        bytes,
        at: 0,
        objects: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        protocol: 0,
    };
    let root = machine.run()?;
    Ok(Pickle { objects: machine.objects, root, protocol: machine.protocol, len: bytes.len() })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    protocol: u8,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id> {
        loop {
            let at = self.at;
            let opcode = self.u8()?;
            match opcode {
                b'.' => {
                    let root = self.pop()?;
                    if !self.stack.is_empty() || self.at != self.bytes.len() {
                        let (values, bytes) = (self.stack.len(), self.bytes.len() - self.at);
                        return corrupt(format!(
                            "byte {at}: the end expected here, {values} values and {bytes} bytes are left"
                        ));
                    }
                    return Ok(root);
                }
                0x80 => {
                    self.protocol = self.u8()?;
                    if !(2..=5).contains(&self.protocol) {
                        return unsupported(format!("pickle protocol {}; 2 to 5 are read", self.protocol));
                    }
                }
                // A frame only says how many bytes can be read at once.
                0x95 => {
                    self.take(8)?;
                }
                b'(' => self.marks.push(self.stack.len()),
                b'0' => {
                    self.pop()?;
                }
                b'1' => {
                    self.pop_to_mark()?;
                }

                b'N' => self.push(Object::None),
                0x88 => self.push(Object::Bool(true)),
                0x89 => self.push(Object::Bool(false)),
                b'J' => {
                    let number = i32::from_le_bytes(self.array()?);
                    self.push(Object::Int(number.into()));
                }
                b'K' => {
                    let number = self.u8()?;
                    self.push(Object::Int(number.into()));
                }
                b'M' => {
                    let number = u16::from_le_bytes(self.array()?);
                    self.push(Object::Int(number.into()));
                }
                0x8a => {
                    let len = self.u8()?;
                    self.long(len.into())?;
                }
                0x8b => {
                    let len = i32::from_le_bytes(self.array()?);
                    match usize::try_from(len) {
                        Ok(len) => self.long(len)?,
                        Err(_) => return corrupt(format!("byte {at}: an int of {len} bytes")),
                    }
                }
                b'G' => {
                    let number = f64::from_be_bytes(self.array()?);
                    self.push(Object::Float(number));
                }
                0x8c => self.sized(1, Object::Text)?,
                b'X' => self.sized(4, Object::Text)?,
                0x8d => self.sized(8, Object::Text)?,
                b'C' => self.sized(1, Object::Bytes)?,
                b'B' => self.sized(4, Object::Bytes)?,
                0x8e | 0x96 => self.sized(8, Object::Bytes)?,

                b')' => self.push(Object::Tuple(Vec::new())),
                0x85 => self.tuple(1)?,
                0x86 => self.tuple(2)?,
                0x87 => self.tuple(3)?,
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::Tuple(items));
                }
                b']' => self.push(Object::List(Vec::new())),
                b'}' => self.push(Object::Dict(Vec::new())),
                0x8f => self.push(Object::Set(Vec::new())),
                0x91 => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::Set(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(at, vec![item])?;
                }
                b'e' | 0x90 => {
                    let items = self.pop_to_mark()?;
                    self.extend(at, items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(at, &[key, value])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set(at, &items)?;
                }

                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    let global = Global::find(module, name)?;
                    self.push(Object::Global(global));
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let global = Global::find(self.name(at, module)?, self.name(at, name)?)?;
                    self.push(Object::Global(global));
                }
                b'R' | 0x81 => {
                    let args = self.pop()?;
                    self.make(at, args)?;
                }
                0x92 => {
                    let keywords = self.pop()?;
                    if !matches!(self.object(keywords), Object::Dict(entries) if entries.is_empty()) {
                        return unsupported(format!("the opcode NEWOBJ_EX with keywords (byte {at})"));
                    }
                    let args = self.pop()?;
                    self.make(at, args)?;
                }
                b'b' => {
                    let new_state = self.pop()?;
                    let target = self.top()?;
                    match &mut self.objects[target.0 as usize] {
                        Object::Made { state, .. } if state.is_none() => *state = Some(new_state),
                        _ => return corrupt(format!("byte {at}: BUILD expected after a new object, once")),
                    }
                }

                0x94 => {
                    let top = self.top()?;
                    self.memo.insert(self.memo.len() as u32, top);
                }
                b'q' => {
                    let key = self.u8()?;
                    let top = self.top()?;
                    self.memo.insert(key.into(), top);
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.array()?);
                    let top = self.top()?;
                    self.memo.insert(key, top);
                }
                b'h' => {
                    let key = self.u8()?;
                    self.recall(at, key.into())?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(at, key)?;
                }
                _ => {
                    return unsupported(format!(
                        "the pickle opcode {} (byte {at}), which is not read",
                        opcode_name(opcode)
                    ));
                }
            }
        }
    }

    fn object(&self, id: Id) -> &Object<'a> {
        &self.objects[id.0 as usize]
    }

    fn push(&mut self, object: Object<'a>) {
        // Each value took at least one byte of a pickle; one of 4 GiB and more has its vectors in few values.
        self.stack.push(Id(self.objects.len() as u32));
        self.objects.push(object);
    }

    fn bottom(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id> {
        if self.stack.len() > self.bottom()
            && let Some(id) = self.stack.pop()
        {
            return Ok(id);
        }
        corrupt(format!("byte {}: a value expected on the stack", self.at - 1))
    }

    fn top(&self) -> Result<Id> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.bottom() => Ok(id),
            _ => corrupt(format!("byte {}: a value expected on the stack", self.at - 1)),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => corrupt(format!("byte {}: a mark expected on the stack", self.at - 1)),
        }
    }

    fn recall(&mut self, at: usize, key: u32) -> Result<()> {
        match self.memo.get(&key) {
            Some(&id) => {
                self.stack.push(id);
                Ok(())
            }
            None => corrupt(format!("byte {at}: memo {key} was not set")),
        }
    }

    fn tuple(&mut self, len: usize) -> Result<()> {
        let mut items = vec![Id(0); len];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        self.push(Object::Tuple(items));
        Ok(())
    }

    /// Adds to the list or set on the stack.
    fn extend(&mut self, at: usize, items: Vec<Id>) -> Result<()> {
        let target = self.top()?;
        match &mut self.objects[target.0 as usize] {
            Object::List(list) | Object::Set(list) => list.extend(items),
            _ => return corrupt(format!("byte {at}: a list or set expected on the stack")),
        }
        Ok(())
    }

    /// Adds to the dict on the stack.
    fn set(&mut self, at: usize, items: &[Id]) -> Result<()> {
        let target = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return corrupt(format!("byte {at}: keys with values expected, got one without"));
        }
        match &mut self.objects[target.0 as usize] {
            Object::Dict(entries) | Object::Made { by: Global::OrderedDict, entries, .. } => {
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            _ => return corrupt(format!("byte {at}: a dict expected on the stack")),
        }
        Ok(())
    }

    fn make(&mut self, at: usize, args: Id) -> Result<()> {
        let by = self.pop()?;
        match (self.object(by), self.object(args)) {
            (&Object::Global(by), Object::Tuple(_)) => {
                self.push(Object::Made { by, args, state: None, entries: Vec::new() });
                Ok(())
            }
            (Object::Made { by, .. }, _) => {
                unsupported(format!("calling what {} gave (byte {at}); nothing is run", by.name()))
            }
            _ => corrupt(format!("byte {at}: a class and a tuple expected on the stack")),
        }
    }

    fn name(&self, at: usize, id: Id) -> Result<&'a str> {
        match self.object(id) {
            Object::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Ok(text),
                Err(_) => corrupt(format!("byte {at}: the name of a class expected")),
            },
            _ => corrupt(format!("byte {at}: the name of a class expected")),
        }
    }

    fn long(&mut self, len: usize) -> Result<()> {
        let bytes = self.take(len)?;
        self.push(if len <= 8 {
            let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
            let mut number = [sign; 8];
            number[..len].copy_from_slice(bytes);
            Object::Int(i64::from_le_bytes(number))
        } else {
            Object::Long(bytes)
        });
        Ok(())
    }

    /// A value of so many bytes, which a number of `width` bytes tells.
    fn sized(&mut self, width: usize, object: fn(&'a [u8]) -> Object<'a>) -> Result<()> {
        let mut len = [0; 8];
        len[..width].copy_from_slice(self.take(width)?);
        let len = u64::from_le_bytes(len);
        let bytes = self.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        self.push(object(bytes));
        Ok(())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.bytes[self.at..].get(..len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => Err(Error::Truncated {
                expected: (self.at as u64).saturating_add(len as u64),
                actual: self.bytes.len() as u64,
            }),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.take(N)?;
        Ok(std::array::from_fn(|i| bytes[i]))
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// Text up to the next newline.
    fn line(&mut self) -> Result<&'a str> {
        let at = self.at;
        let rest = &self.bytes[at..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return Err(Error::Truncated {
                expected: self.bytes.len() as u64 + 1,
                actual: self.bytes.len() as u64,
            });
        };
        self.at += end + 1;
        match std::str::from_utf8(&rest[..end]) {
            Ok(line) => Ok(line),
            Err(_) => corrupt(format!("byte {at}: the name of a class expected")),
        }
    }
}

fn unsupported<T>(needs: String) -> Result<T> {
    Err(Error::UnsupportedContent { needs })
}

/// Opcodes that exist and are not read, by name.
fn opcode_name(opcode: u8) -> String {
    let name = match opcode {
        b'2' => "DUP",
        b'F' => "FLOAT",
        b'I' => "INT",
        b'L' => "LONG",
        b'P' => "PERSID",
        b'Q' => "BINPERSID",
        b'S' => "STRING",
        b'T' => "BINSTRING",
        b'U' => "SHORT_BINSTRING",
        b'V' => "UNICODE",
        b'd' => "DICT",
        b'g' => "GET",
        b'i' => "INST",
        b'l' => "LIST",
        b'o' => "OBJ",
        b'p' => "PUT",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return format!("{opcode:#04x}"),
    };
    name.to_owned()
}
