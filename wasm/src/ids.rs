//! Ids for documents that have none.

use std::cell::RefCell;

use twindex_core::IdSource;

use crate::js::random_bytes;

/// Version 4 UUIDs, as LangChain makes them, from the platform's random numbers.
pub struct Uuids;

/// Random bytes fetched at a time: one call across the boundary for 256 ids.
const BATCH: u32 = 4096;

thread_local! {
    static RANDOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl IdSource for Uuids {
    fn next_id(&self) -> String {
        RANDOM.with_borrow_mut(|random| {
            if random.len() < 16 {
                *random = random_bytes(BATCH).to_vec();
            }
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&random.split_off(random.len() - 16));
            format_uuid(bytes)
        })
    }
}

/// RFC 9562, section 5.4.
fn format_uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
    text
}
