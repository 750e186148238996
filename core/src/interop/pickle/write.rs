//! Writing: protocol 4.

use std::collections::HashMap;

use crate::value::{Metadata, Value};

/// Writes a pickle of protocol 4, opcode by opcode.
#[derive(Debug)]
pub(crate) struct Pickler {
    out: Vec<u8>,
    /// Texts and classes that come again, by their place in the memo.
    memo: HashMap<String, u8>,
}

impl Pickler {
    pub(crate) fn new() -> Self {
        Self { out: vec![0x80, 4], memo: HashMap::new() }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push(b'.');
        self.out
    }

    /// Puts an opcode down.
    pub(crate) fn op(&mut self, opcode: u8) {
        self.out.push(opcode);
    }

    pub(crate) fn mark(&mut self) {
        self.op(b'(');
    }

    pub(crate) fn none(&mut self) {
        self.op(b'N');
    }

    pub(crate) fn dict(&mut self) {
        self.op(b'}');
    }

    pub(crate) fn set_items(&mut self) {
        self.op(b'u');
    }

    pub(crate) fn empty_tuple(&mut self) {
        self.op(b')');
    }

    pub(crate) fn new_object(&mut self) {
        self.op(0x81);
    }

    pub(crate) fn build(&mut self) {
        self.op(b'b');
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.sized([0x8c, b'X', 0x8d], text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.sized([b'C', b'B', 0x8e], bytes);
    }

    /// A value with its length, in the opcode for lengths of 1, 4 or 8 bytes.
    fn sized(&mut self, opcodes: [u8; 3], bytes: &[u8]) {
        let len = bytes.len();
        if let Ok(len) = u8::try_from(len) {
            self.out.extend([opcodes[0], len]);
        } else if let Ok(len) = u32::try_from(len) {
            self.op(opcodes[1]);
            self.out.extend(len.to_le_bytes());
        } else {
            self.op(opcodes[2]);
            self.out.extend((len as u64).to_le_bytes());
        }
        self.out.extend_from_slice(bytes);
    }

    /// A text of the pickle's own structure, of which there are few: written once, then referred to.
    pub(crate) fn name(&mut self, text: &str) {
        if self.recall(text) {
            return;
        }
        self.text(text);
        self.memoize(text.to_owned());
    }

    pub(crate) fn class(&mut self, module: &str, name: &str) {
        let whole = format!("{module}.{name}");
        if self.recall(&whole) {
            return;
        }
        self.text(module);
        self.text(name);
        self.op(0x93);
        self.memoize(whole);
    }

    fn recall(&mut self, key: &str) -> bool {
        let Some(&number) = self.memo.get(key) else { return false };
        self.out.extend([b'h', number]);
        true
    }

    fn memoize(&mut self, key: String) {
        if let Ok(number) = u8::try_from(self.memo.len()) {
            self.memo.insert(key, number);
            self.op(0x94);
        }
    }

    pub(crate) fn int(&mut self, number: i128) {
        if let Ok(number) = i32::try_from(number) {
            self.op(b'J');
            self.out.extend(number.to_le_bytes());
        } else {
            // Metadata has up to 64 bits, and a sign.
            self.out.extend([0x8a, 9]);
            self.out.extend_from_slice(&number.to_le_bytes()[..9]);
        }
    }

    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.none(),
            Value::Bool(b) => self.op(if *b { 0x88 } else { 0x89 }),
            Value::Int(n) => self.int((*n).into()),
            Value::UInt(n) => self.int((*n).into()),
            Value::Float(x) => {
                self.op(b'G');
                self.out.extend(x.to_be_bytes());
            }
            Value::String(text) => self.text(text),
            Value::List(items) => {
                self.op(b']');
                self.mark();
                items.iter().for_each(|item| self.value(item));
                self.op(b'e');
            }
            Value::Map(map) => self.map(map),
        }
    }

    pub(crate) fn map(&mut self, map: &Metadata) {
        self.dict();
        self.mark();
        for (key, value) in map.iter() {
            self.text(key);
            self.value(value);
        }
        self.set_items();
    }
}
