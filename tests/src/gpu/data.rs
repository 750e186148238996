//! Vectors to check and measure with: around many centres, as embeddings are, and the same on every machine.

use twindex::core::Document;
use twindex_core::testkit::Generator;

const CENTRES: usize = 2000;

/// So many vectors of unlike lengths, side by side; another `seed` gives others around the same centres.
pub(super) fn vectors(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let centres = Generator::new(1).floats(CENTRES * dim);
    let mut data = vec![0.0; count * dim];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rows_each = count.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (part, out) in data.chunks_mut(rows_each * dim).enumerate() {
            let centres = &centres;
            scope.spawn(move || {
                for (at, row) in out.chunks_exact_mut(dim).enumerate() {
                    let number = part * rows_each + at;
                    let mut random = Generator::new(seed << 40 | number as u64);
                    let centre = &centres[random.below(CENTRES) * dim..][..dim];
                    let length = 1.0 + 0.5 * random.float();
                    row.iter_mut().zip(centre).for_each(|(x, c)| *x = (c + 0.7 * random.float()) * length);
                }
            });
        }
    });
    data
}

/// Documents `from..from + count`, whose `n` runs from 0 to 99.
pub(super) fn documents(from: usize, count: usize) -> Vec<Document> {
    (from..from + count)
        .map(|i| Document::new("").with_id(format!("d{i}")).with("n", (i % 100) as i64))
        .collect()
}
