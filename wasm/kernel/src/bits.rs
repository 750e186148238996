//! Bounds of scores by 1-bit codes: one instruction looks up the sums of four numbers of the query for 16 rows.

use core::arch::wasm32::*;

use twindex_core::kernel::{BitQuery, BitRows, ROWS};

/// Entries of tables that are added up in 8 bits before their sum is taken to 16: 8 times 31 is less than 256.
const IN_BYTES: usize = 8;

/// The entries of a table that 16 codes choose, each less than 16.
#[inline(always)]
fn look_up(table: v128, codes: v128) -> v128 {
    #[cfg(target_feature = "relaxed-simd")]
    return i8x16_relaxed_swizzle(table, codes);
    #[cfg(not(target_feature = "relaxed-simd"))]
    return i8x16_swizzle(table, codes);
}

#[inline(always)]
fn load(bytes: &[u8; 16]) -> v128 {
    // SAFETY: the reference is to 16 bytes; v128_load needs no alignment.
    unsafe { v128_load(bytes.as_ptr().cast()) }
}

/// The sums of a block's rows, by the tables of a query.
#[inline(always)]
fn sums(tables: &[[u8; 16]], codes: &[[u8; ROWS / 2]]) -> [u16; ROWS] {
    // Rows 0 to 15 by the lower halves of bytes, rows 16 to 31 by the upper; of each the even rows, then the odd.
    let mut sums = [u16x8_splat(0); 4];
    for (tables, codes) in tables.chunks(IN_BYTES).zip(codes.chunks(IN_BYTES)) {
        let mut halves = [u8x16_splat(0); 2];
        for (table, codes) in tables.iter().zip(codes) {
            let (table, codes) = (load(table), load(codes));
            halves[0] = u8x16_add(halves[0], look_up(table, v128_and(codes, u8x16_splat(15))));
            halves[1] = u8x16_add(halves[1], look_up(table, u8x16_shr(codes, 4)));
        }
        for (half, sums) in halves.into_iter().zip(sums.as_chunks_mut::<2>().0) {
            sums[0] = u16x8_add(sums[0], v128_and(half, u16x8_splat(255)));
            sums[1] = u16x8_add(sums[1], u16x8_shr(half, 8));
        }
    }
    let mut out = [0; ROWS];
    for (pair, out) in sums.as_chunks::<2>().0.iter().zip(out.as_chunks_mut::<16>().0) {
        let [even, odd] = *pair;
        let (low, high) = out.split_at_mut(8);
        // SAFETY: each is 16 bytes long; v128_store needs no alignment.
        unsafe {
            v128_store(low.as_mut_ptr().cast(), i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(even, odd));
            v128_store(high.as_mut_ptr().cast(), i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(even, odd));
        }
    }
    out
}

/// As [`ScanKernel::bounds`](twindex_core::kernel::ScanKernel::bounds), to the bit.
pub(crate) fn bounds(query: &BitQuery, rows: BitRows<'_>, bounds: &mut [f32], best: &mut [f32]) {
    rows.assert_shapes(query, bounds, best);
    let blocks = rows.blocks().zip(bounds.as_chunks_mut::<ROWS>().0).zip(best);
    for ((block, bounds), best) in blocks {
        block.bounds(query, &sums(query.tables(), block.codes), bounds, best);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bounds_are_those_of_the_portable_kernel() {
        twindex_core::testkit::kernel_bounds_as_the_portable_one(&super::bounds);
    }
}
