//! Deleting from an IVF index.
//!
//! FAISS can take vectors out of inverted lists, but leaves the ids of the others as they are, while positions here close up. So
//! the lists are rewritten where FAISS writes them: at the end of its file layout, after whatever the kind has before.

use twindex_core::Positions;

/// Where FAISS's file layout has the number of vectors.
const NTOTAL: std::ops::Range<usize> = 8..16;

/// The bytes of an IVF index (without a direct map) less some positions; the rest is numbered anew in order. `sizes` are the lengths of its lists. `None` if
/// the bytes are not laid out as FAISS 1.12 writes them, or hold a direct map, whose positions would be of old.
pub(super) fn without(bytes: &[u8], sizes: &[usize], gone: &Positions) -> Option<Vec<u8>> {
    let (start, code_size, entries) =
        bytes.windows(4).enumerate().filter(|(_, window)| window == b"ilar").find_map(|(at, _)| {
            let (code_size, entries) = parse(&bytes[at..], sizes)?;
            Some((at, code_size, entries))
        })?;
    let total: usize = sizes.iter().sum();
    // The new number of each position: how many before it stay.
    let mut next = 0u64;
    let numbers: Vec<Option<u64>> = (0..total)
        .map(|position| {
            let stays = !gone.contains(position);
            next += u64::from(stays);
            stays.then(|| next - 1)
        })
        .collect();
    let mut out = bytes[..start].to_vec();
    out.get_mut(NTOTAL)?.copy_from_slice(&next.to_le_bytes());
    let mut kept_sizes = Vec::with_capacity(sizes.len());
    let mut body = Vec::with_capacity(entries.len());
    let mut rest = entries;
    for &size in sizes {
        let (codes, tail) = rest.split_at_checked(size * code_size)?;
        let (ids, tail) = tail.split_at_checked(size * 8)?;
        rest = tail;
        let mut kept_ids = Vec::new();
        for (code, id) in codes.chunks_exact(code_size).zip(ids.as_chunks::<8>().0) {
            let position = usize::try_from(u64::from_le_bytes(*id)).ok()?;
            if let Some(number) = numbers.get(position)? {
                body.extend_from_slice(code);
                kept_ids.extend_from_slice(&number.to_le_bytes());
            }
        }
        kept_sizes.push(kept_ids.len() as u64 / 8);
        body.append(&mut kept_ids);
    }
    out.extend(b"ilar");
    out.extend((sizes.len() as u64).to_le_bytes());
    out.extend((code_size as u64).to_le_bytes());
    out.extend(b"full");
    out.extend((sizes.len() as u64).to_le_bytes());
    kept_sizes.iter().for_each(|size| out.extend(size.to_le_bytes()));
    out.append(&mut body);
    Some(out)
}

/// Code size and entries of the inverted lists that start here and end with the bytes; `None` if they do not.
fn parse<'a>(bytes: &'a [u8], sizes: &[usize]) -> Option<(usize, &'a [u8])> {
    let mut at = 4;
    let mut number = || {
        let value = u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?);
        at += 8;
        usize::try_from(value).ok()
    };
    let (lists, code_size) = (number()?, number()?);
    if lists != sizes.len() || code_size == 0 {
        return None;
    }
    let form = bytes.get(20..24)?;
    let announced = u64::from_le_bytes(*bytes.get(24..)?.first_chunk::<8>()?);
    let filled = sizes.iter().filter(|&&size| size > 0).count();
    let expected = match form {
        b"full" => sizes.len(),
        b"sprs" => filled * 2,
        _ => return None,
    };
    if announced != expected as u64 {
        return None;
    }
    let total: usize = sizes.iter().sum();
    let entries = bytes.get(32 + expected * 8..)?;
    (entries.len() == total * (code_size + 8)).then_some((code_size, entries))
}
